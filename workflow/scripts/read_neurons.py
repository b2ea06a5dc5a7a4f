from seewhy.captioning.interpretability import read_neurons
from seewhy.corpora.canonical import SPLITS
from seewhy.entry import rule

with rule(snakemake) as settings:
    read_neurons(
        snakemake.input.model,
        {split: snakemake.input[split] for split in SPLITS},
        snakemake.input.topics,
        snakemake.output.table,
        snakemake.output.measures,
        variant=snakemake.wildcards.variant,
        own=settings["captioner"]["lambda"] > 0,
        seed=int(snakemake.wildcards.seed),
        **settings["neurons"],
    )
