from seewhy.captioning.traces import trace_neurons
from seewhy.corpora.canonical import SPLITS
from seewhy.entry import rule

with rule(snakemake) as settings:
    trace_neurons(
        snakemake.input.model,
        {split: snakemake.input[split] for split in SPLITS},
        snakemake.input.topics,
        snakemake.output[0],
        seed=int(snakemake.wildcards.seed),
        least_clips=settings["neurons"]["least_clips"],
    )
