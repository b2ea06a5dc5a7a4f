from pathlib import Path

from seewhy.captioning.transfer import transfer_actions
from seewhy.corpora.canonical import SPLITS
from seewhy.entry import rule

with rule(snakemake) as settings:
    transfer_actions(
        snakemake.output[0],
        model=snakemake.wildcards.model,
        captioner=snakemake.input.model or None,
        features={split: snakemake.input[split] for split in SPLITS},
        corpus=Path(snakemake.input.corpus[0]).parent,
        encoder=settings["encoder"],
        labels=settings["labels"],
        hidden=settings["hidden"],
        seed=int(snakemake.wildcards.seed),
    )
