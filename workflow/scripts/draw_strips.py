from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.strips import draw_strips

with rule(snakemake) as settings:
    draw_strips(
        snakemake.output.strips,
        snakemake.output.gradcam,
        snakemake.output.moving,
        maps={Path(path).stem: path for path in snakemake.input.maps},
        lrcn=snakemake.input.lrcn,
        corpus=Path(snakemake.input.corpus[0]).parent,
        frames=snakemake.input.frames,
        steps=settings["steps"],
    )
