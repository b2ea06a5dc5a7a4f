from seewhy.captioning.interpretability import tabulate_interpretability
from seewhy.entry import rule

with rule(snakemake) as settings:
    tabulate_interpretability(
        snakemake.input, snakemake.output.table, confidence=settings["evaluation"]["confidence"]
    )
