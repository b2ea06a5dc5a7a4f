from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.networks import VGGShape
from seewhy.grounding.train import Schedule, train_action_networks

with rule(snakemake) as settings:
    network = settings["network"]
    train_action_networks(
        snakemake.output.cnn,
        snakemake.output.lrcn,
        snakemake.output.metrics,
        snakemake.output.history,
        corpus=Path(snakemake.input.corpus[0]).parent,
        train=snakemake.input.train,
        val=snakemake.input.val,
        shape=VGGShape.of(network, size=settings["size"]),
        schedule=Schedule.of(settings["training"]),
        **{name: network[name] for name in ("hidden", "lags", "steps", "weights", "seed")},
        resume=settings["resume"],
    )
