from pathlib import Path

from seewhy.entry import rule
from seewhy.summaries.faithfulness import write_faithfulness
from seewhy.summaries.study import study_of_rule

with rule(snakemake) as settings:
    study = study_of_rule(snakemake.input, settings["model"])
    write_faithfulness(
        dict(snakemake.output.items()),
        train=study.train,
        test=study.test,
        tables=study.tables,
        network=study.opened.network,
        world=Path(snakemake.input.world[0]).parent,
        seed=settings["aviary"]["seed"],
        layer=study.layer,
        prepare=study.opened.prepare,
        drawn=settings["aviary"]["size"],
        draws=settings["evaluation"],
    )
