from pathlib import Path

from seewhy.captioning.train import train_captioner
from seewhy.entry import rule

with rule(snakemake) as settings:
    train_captioner(
        snakemake.output.model,
        snakemake.output.history,
        resume=settings["resume"],
        train_features=snakemake.input.train,
        val_features=snakemake.input.val,
        corpus=sorted({Path(table).parent for table in snakemake.input.corpus}),
        topics=snakemake.input.topics,
        settings=settings["captioner"],
        seed=int(snakemake.wildcards.seed),
    )
