from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.time_tables import score_untrimmed

with rule(snakemake) as settings:
    score_untrimmed(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.features,
        snakemake.input.lrcn,
        snakemake.input.cnn,
        snakemake.output.pointing,
        snakemake.output.detection,
        name=settings["name"],
        clips=settings["clips"],
        **settings["evaluation"],
    )
