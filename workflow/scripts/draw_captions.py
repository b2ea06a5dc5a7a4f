from pathlib import Path

from seewhy.captioning.figures import draw_captions
from seewhy.entry import rule

with rule(snakemake):
    draw_captions(
        snakemake.input.frames,
        dict(zip(("B", "I"), snakemake.input.captions, strict=True)),
        Path(snakemake.input.corpus[0]).parent,
        snakemake.output[0],
    )
