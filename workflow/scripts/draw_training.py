from seewhy.captioning.figures import draw_training
from seewhy.entry import rule

with rule(snakemake):
    draw_training(snakemake.input.histories, snakemake.output[0])
