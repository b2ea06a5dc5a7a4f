from seewhy.dissection.run import open_model
from seewhy.entry import rule
from seewhy.summaries.activations import read_activations

with rule(snakemake) as settings:
    model = settings["model"]
    opened = open_model(
        next(iter(snakemake.input.weights), None),
        model,
        classes=next(iter(snakemake.input.classes), None),
    )
    read_activations(
        opened.network,
        snakemake.input.crops,
        snakemake.output.activations,
        layer=model["layer"],
        linear=model["linear"],
        prepare=opened.prepare,
        classes=opened.classes,
        device="auto",
    )
