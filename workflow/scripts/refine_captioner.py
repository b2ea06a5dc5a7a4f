from seewhy.captioning.correcting import open_refiner, refine_captioner
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
    refine_captioner(
        opened,
        snakemake.input.corrections,
        snakemake.input.topics,
        snakemake.output.model,
        snakemake.output.captions,
    )
