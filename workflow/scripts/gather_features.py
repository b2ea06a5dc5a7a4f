from seewhy.entry import rule
from seewhy.shards import gather_rows

with rule(snakemake):
    gather_rows(snakemake.input.features, snakemake.output.features)
