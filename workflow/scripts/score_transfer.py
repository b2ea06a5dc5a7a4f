from pathlib import Path

from seewhy.captioning.transfer_table import tabulate_transfer
from seewhy.entry import rule

with rule(snakemake) as settings:
    tabulate_transfer(
        snakemake.input.predictions,
        Path(snakemake.input.corpus[0]).parent,
        snakemake.output.table,
        name=settings["corpus"]["name"],
        labels=settings["labels"],
        confidence=settings["evaluation"]["confidence"],
    )
