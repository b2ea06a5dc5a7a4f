from pathlib import Path

from seewhy.corpora.importing import import_split
from seewhy.entry import rule

with rule(snakemake) as settings:
    corpus = settings["corpus"]
    import_split(
        corpus["name"],
        corpus["source"],
        Path(snakemake.output.clips).parent,
        split=snakemake.wildcards.split,
        **settings["own"].get(corpus["name"], {}),
    )
