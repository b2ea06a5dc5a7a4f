from pathlib import Path

import pandas as pd

from seewhy.entry import rule
from seewhy.summaries.drawing import draw_summaries
from seewhy.summaries.study import open_study

with rule(snakemake) as settings:
    study = open_study(
        corpus=Path(snakemake.input.corpus[0]).parent,
        crops=list(snakemake.input.crops),
        activations=list(snakemake.input.activations),
        attributes=snakemake.input.attributes,
        filters=list(snakemake.input.filters),
        weights=snakemake.input.weights,
        model=settings["model"],
    )
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
