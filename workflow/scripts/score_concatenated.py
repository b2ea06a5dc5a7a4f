from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.concatenated import tabulate_concatenated

with rule(snakemake) as settings:
    tabulate_concatenated(
        snakemake.output.table,
        snakemake.output.figure,
        cnn=snakemake.input.cnn,
        lrcn=snakemake.input.lrcn,
        corpus=Path(snakemake.input.corpus[0]).parent,
        frames=snakemake.input.frames,
        steps=settings["steps"],
        name=settings["corpus"]["name"],
        **settings["evaluation"],
    )
