from seewhy.dissection.networks import Scaling
from seewhy.dissection.train import LABEL, Schedule, train_network
from seewhy.entry import rule

with rule(snakemake) as settings:
    network, model = settings["network"], settings["model"]
    train_network(
        snakemake.output.network,
        snakemake.output.metrics,
        snakemake.output.history,
        train=snakemake.input.train,
        val=snakemake.input.val,
        widths=network.pop("widths"),
        seed=network.pop("seed"),
        target=LABEL,
        base=network.pop("base"),
        weights=next(iter(snakemake.input.weights), None),
        scaling=Scaling(mean=model["mean"], std=model["std"]),
        setting="summaries.network",
        resume=settings["resume"],
        schedule=Schedule(**{k: v for k, v in network.items() if k != "weights"}),
    )
