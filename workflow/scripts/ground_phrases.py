from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.phrase_scores import ground_phrases

with rule(snakemake) as settings:
    ground_phrases(
        snakemake.input.network,
        Path(snakemake.input.corpus[0]).parent,
        snakemake.input.frames,
        snakemake.input.captions,
        snakemake.output.scores,
        snakemake.output.maps,
        **settings["phrases"],
    )
