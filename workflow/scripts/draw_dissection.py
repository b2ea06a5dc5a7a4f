from seewhy.dissection.drawing import draw_dissection
from seewhy.entry import rule

with rule(snakemake) as settings:
    draw_dissection(
        dict(snakemake.output.items()),
        counts={name: snakemake.input[name] for name in settings["drawn"]},
        weights=next(iter(snakemake.input.weights), None),
        model=settings["model"],
        folders=settings["folders"],
        blocks=snakemake.input.blocks,
        threshold=settings["threshold"],
        titles=settings["titles"],
    )
