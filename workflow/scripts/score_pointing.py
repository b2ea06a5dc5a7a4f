from seewhy.entry import rule
from seewhy.grounding.pointing_table import tabulate_pointing

with rule(snakemake) as settings:
    tabulate_pointing(
        snakemake.input.scores,
        snakemake.output.table,
        name=settings["corpus"]["name"],
        **settings["evaluation"],
    )
