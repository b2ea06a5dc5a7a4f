from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.probes import probe_method

with rule(snakemake) as settings:
    probe_method(
        snakemake.output.scores,
        method=snakemake.wildcards.method,
        cnn=snakemake.input.cnn,
        lrcn=snakemake.input.lrcn,
        corpus=Path(snakemake.input.corpus[0]).parent,
        frames=snakemake.input.frames,
        steps=settings["steps"],
        layer=settings["layer"],
        items=settings["probed"],
    )
