from pathlib import Path

from seewhy.captioning.neuron_figures import draw_neurons
from seewhy.captioning.predictions import model_and_seed
from seewhy.entry import rule

with rule(snakemake):
    draw_neurons(
        snakemake.input.frames,
        {model_and_seed(path)[0]: path for path in snakemake.input.traces},
        snakemake.input.topics,
        Path(snakemake.input.corpus[0]).parent,
        snakemake.output[0],
    )
