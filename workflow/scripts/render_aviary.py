from pathlib import Path

from seewhy.entry import rule
from seewhy.worlds.aviary import render_aviary

with rule(snakemake) as settings:
    render_aviary(
        Path(snakemake.output.truth).parent, workers=snakemake.threads, **settings["aviary"]
    )
