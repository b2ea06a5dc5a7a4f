from seewhy.entry import rule
from seewhy.grounding.phrase_table import tabulate_phrases

with rule(snakemake) as settings:
    tabulate_phrases(
        snakemake.input.scores,
        snakemake.output.table,
        name=settings["corpus"],
        **settings["evaluation"],
    )
