from pathlib import Path

from seewhy.entry import rule
from seewhy.summaries.faithfulness import write_faithfulness
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
