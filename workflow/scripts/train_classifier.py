from seewhy.dissection.train import LABEL, Schedule, train_network
from seewhy.entry import rule

with rule(snakemake) as settings:
    network = settings["network"]
    train_network(
        snakemake.output.network,
        snakemake.output.metrics,
        snakemake.output.history,
        train=snakemake.input.train,
        val=snakemake.input.val,
        widths=network.pop("widths"),
        seed=network.pop("seed"),
        schedule=Schedule(**network),
        target=LABEL,
        setting="summaries.network",
        resume=settings["resume"],
    )
