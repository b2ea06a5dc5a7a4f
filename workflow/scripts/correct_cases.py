from seewhy.captioning.correcting import correct_cases, open_refiner
from seewhy.corpora.canonical import SPLITS
from seewhy.entry import rule

with rule(snakemake) as settings:
    opened = open_refiner(
        snakemake.input.model,
        {split: snakemake.input[split] for split in SPLITS},
        snakemake.input.vectors,
        plan=settings["plan"],
        decoding=settings["decoding"],
        seed=int(snakemake.wildcards.seed),
    )
    correct_cases(
        opened,
        snakemake.input.cases,
        snakemake.output.records,
        control=snakemake.wildcards.variant if snakemake.input.own else None,
        control_for=snakemake.input.own or None,
        split=settings["split"],
        in_turn=settings["in_turn"],
    )
