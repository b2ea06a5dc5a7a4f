from pathlib import Path

from seewhy.entry import rule
from seewhy.summaries.images import crop_images

with rule(snakemake) as settings:
    crop_images(
        Path(snakemake.input.corpus[0]).parent,
        snakemake.wildcards.split,
        snakemake.output.crops,
        report=snakemake.output.report,
        **settings["crop"],
    )
