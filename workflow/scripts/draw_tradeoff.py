from seewhy.captioning.neuron_figures import draw_tradeoff
from seewhy.entry import rule

with rule(snakemake):
    draw_tradeoff(
        snakemake.input.table,
        snakemake.input.swept,
        snakemake.input.baseline,
        snakemake.output[0],
    )
