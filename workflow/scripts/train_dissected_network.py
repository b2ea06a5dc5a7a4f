from seewhy.dissection.train import Schedule, train_network
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
        schedule=Schedule(**network),
        seed=int(snakemake.wildcards.seed),
        resume=settings["resume"],
    )
