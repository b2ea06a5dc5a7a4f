from seewhy.entry import rule
from seewhy.grounding.word_figure import draw_words

with rule(snakemake):
    draw_words(snakemake.input.maps, snakemake.output.figure)
