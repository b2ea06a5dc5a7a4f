from pathlib import Path

from seewhy.corpora.importing import import_corpus
from seewhy.entry import rule

with rule(snakemake) as settings:
    corpus = settings["corpus"]
    own = settings["own"].get(corpus["name"], {})
    import_corpus(corpus["name"], corpus["source"], Path(snakemake.output.about).parent, **own)
