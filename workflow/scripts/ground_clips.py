from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.grounded import ground_clips, score_maps

with rule(snakemake) as settings:
    given = {
        "corpus": Path(snakemake.input.corpus[0]).parent,
        "frames": snakemake.input.frames,
        "lrcn": snakemake.input.lrcn,
    }
    ground_clips(
        snakemake.output.maps,
        method=snakemake.wildcards.method,
        cnn=snakemake.input.cnn,
        steps=settings["steps"],
        layer=settings["layer"],
        **given,
    )
    score_maps(snakemake.output.maps, snakemake.output.scores, **given)
