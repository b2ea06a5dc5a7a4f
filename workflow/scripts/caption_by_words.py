from seewhy.entry import rule
from seewhy.grounding.say import caption_by_words

with rule(snakemake) as settings:
    caption_by_words(
        snakemake.input.network,
        snakemake.input.frames,
        snakemake.output.captions,
        **settings["decoding"],
    )
