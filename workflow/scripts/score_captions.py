from pathlib import Path

from seewhy.captioning.tables import tabulate_captions
from seewhy.entry import rule

with rule(snakemake) as settings:
    tabulate_captions(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.captions,
        snakemake.output.table,
        snakemake.output.scores,
        histories=snakemake.input.histories,
        name=settings["corpus"]["name"],
        **settings["evaluation"],
    )
