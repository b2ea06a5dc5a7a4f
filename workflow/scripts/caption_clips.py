from seewhy.captioning.decode import caption_clips
from seewhy.entry import rule

with rule(snakemake) as settings:
    caption_clips(
        snakemake.input.model,
        snakemake.input.features,
        snakemake.output.captions,
        **settings["decoding"],
    )
