from pathlib import Path

from seewhy.captioning.figures import draw_corrections
from seewhy.entry import rule

with rule(snakemake):
    draw_corrections(
        snakemake.input.frames,
        snakemake.input.records,
        Path(snakemake.input.corpus[0]).parent,
        snakemake.output[0],
    )
