from pathlib import Path

from seewhy.captioning.refinement_table import tabulate_refinement
from seewhy.entry import rule

with rule(snakemake) as settings:
    tabulate_refinement(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.topics,
        snakemake.input.records,
        snakemake.output.table,
        split=settings["split"],
        name=settings["name"],
        **settings["evaluation"],
    )
