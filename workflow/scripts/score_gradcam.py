from pathlib import Path

from seewhy.entry import rule
from seewhy.gradcam.table import tabulate_gradcam

with rule(snakemake) as settings:
    tabulate_gradcam(
        snakemake.input.plain,
        snakemake.input.recurrent,
        snakemake.output.table,
        cnn=snakemake.input.cnn,
        lrcn=snakemake.input.lrcn,
        corpus=Path(snakemake.input.corpus[0]).parent,
        train=snakemake.input.train,
        test=snakemake.input.frames,
        steps=settings["steps"],
        metrics=snakemake.input.metrics,
        name=settings["corpus"]["name"],
        **settings["evaluation"],
    )
