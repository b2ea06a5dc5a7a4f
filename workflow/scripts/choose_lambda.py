from pathlib import Path

from seewhy.captioning.tables import tabulate_lambda
from seewhy.entry import rule

with rule(snakemake) as settings:
    tabulate_lambda(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.captions,
        snakemake.output.table,
        name=settings["corpus"]["name"],
        current=settings["lambda"],
        histories=snakemake.input.histories,
        **settings["evaluation"],
    )
