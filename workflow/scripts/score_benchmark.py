from seewhy.entry import rule
from seewhy.grounding.benchmark import tabulate_benchmark

with rule(snakemake) as settings:
    tabulate_benchmark(
        snakemake.input.scores,
        snakemake.input.probes,
        snakemake.input.table2,
        snakemake.output.table,
        snakemake.output.figure,
        name=settings["corpus"]["name"],
        **settings["evaluation"],
    )
