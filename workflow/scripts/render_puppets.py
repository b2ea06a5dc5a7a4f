from pathlib import Path

from seewhy.entry import rule
from seewhy.worlds.puppets import render_clips

with rule(snakemake) as settings:
    puppets = settings["puppets"]
    render_clips(
        Path(snakemake.output.truth).parent,
        workers=snakemake.threads,
        actions=puppets.get("actions"),
        **{name: puppets[name] for name in ("seed", "clips", "size", "frames", "fps")},
    )
