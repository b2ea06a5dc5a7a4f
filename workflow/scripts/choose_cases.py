from pathlib import Path

from seewhy.captioning.correcting import choose_cases
from seewhy.entry import rule

with rule(snakemake) as settings:
    choose_cases(
        snakemake.input.models,
        snakemake.input.features,
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.topics,
        snakemake.input.vectors,
        snakemake.output.cases,
        cases=settings["cases"],
        seed=int(snakemake.wildcards.seed),
        decoding=settings["decoding"],
    )
