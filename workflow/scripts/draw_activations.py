from seewhy.captioning.neuron_figures import draw_activations
from seewhy.captioning.predictions import model_and_seed
from seewhy.entry import rule

with rule(snakemake):
    draw_activations(
        {model_and_seed(path)[0]: path for path in snakemake.input.traces},
        snakemake.input.topics,
        snakemake.output[0],
    )
