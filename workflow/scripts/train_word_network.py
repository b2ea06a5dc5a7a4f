from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.train_words import WordSchedule, train_word_network

with rule(snakemake) as settings:
    train_word_network(
        snakemake.output.network,
        snakemake.output.metrics,
        snakemake.output.history,
        corpus=Path(snakemake.input.corpus[0]).parent,
        train=snakemake.input.train,
        val=snakemake.input.val,
        cnn=snakemake.input.cnn,
        schedule=WordSchedule(**settings["training"]),
        **settings["network"],
        resume=settings["resume"],
    )
