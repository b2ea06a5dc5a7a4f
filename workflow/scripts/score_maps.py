from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.grounded import score_maps

with rule(snakemake):
    score_maps(
        snakemake.input.maps,
        snakemake.output.scores,
        corpus=Path(snakemake.input.corpus[0]).parent,
        frames=snakemake.input.frames,
        lrcn=snakemake.input.lrcn,
    )
