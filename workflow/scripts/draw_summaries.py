import pandas as pd

from seewhy.entry import rule
from seewhy.summaries.drawing import draw_summaries
from seewhy.summaries.study import study_of_rule

with rule(snakemake) as settings:
    study = study_of_rule(snakemake.input, settings["model"])
    draw_summaries(
        dict(snakemake.output.items()),
        train=study.train,
        test=study.test,
        tables=study.tables,
        attributes=study.attributes,
        network=study.opened.network,
        layer=study.layer,
        prepare=study.opened.prepare,
        pages=pd.read_csv(snakemake.input.failures, keep_default_na=False),
        seed=settings["evaluation"]["seed"],
    )
