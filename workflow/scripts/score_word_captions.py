from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.caption_table import tabulate_word_captions

with rule(snakemake) as settings:
    tabulate_word_captions(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.captions,
        snakemake.output.table,
        metrics=snakemake.input.metrics,
        name=settings["corpus"],
        **settings["evaluation"],
    )
