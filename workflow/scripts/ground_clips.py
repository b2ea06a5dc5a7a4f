from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.grounded import ground_clips

with rule(snakemake) as settings:
    ground_clips(
        snakemake.output.maps,
        method=snakemake.wildcards.method,
        cnn=snakemake.input.cnn,
        lrcn=snakemake.input.lrcn,
        corpus=Path(snakemake.input.corpus[0]).parent,
        frames=snakemake.input.frames,
        steps=settings["steps"],
        layer=settings["layer"],
    )
