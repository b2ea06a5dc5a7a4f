from seewhy.captioning.figures import draw_lambda
from seewhy.entry import rule

with rule(snakemake):
    draw_lambda(snakemake.input.table, snakemake.output[0])
