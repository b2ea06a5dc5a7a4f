from seewhy.captioning.decode import caption_clips
from seewhy.entry import rule

with rule(snakemake) as settings:
    caption_clips(
        snakemake.input.model,
        snakemake.input.features,
        snakemake.output.captions,
        max_words=settings["max_words"] - 1,  # longer ones were left out of the training
        **settings["decoding"],
    )
