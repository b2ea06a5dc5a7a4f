from pathlib import Path

from seewhy.entry import rule
from seewhy.worlds.puppets import render_untrimmed

with rule(snakemake) as settings:
    puppets = settings["puppets"]
    render_untrimmed(
        Path(snakemake.output.truth).parent,
        videos=puppets["untrimmed"],
        workers=snakemake.threads,
        **{name: puppets[name] for name in ("seed", "size", "fps")},
    )
