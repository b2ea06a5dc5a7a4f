from seewhy.dissection.mistakes import explain_mistakes
from seewhy.entry import rule

with rule(snakemake) as settings:
    explain_mistakes(
        dict(snakemake.output.items()),
        weights=next(iter(snakemake.input.weights), None),
        model=settings["model"],
        classes=next(iter(snakemake.input.classes), None),
        crops=next(iter(snakemake.input.crops), None),
        counts=list(snakemake.input.counts),
        threshold=settings["threshold"],
        settings=settings["paths"],
        evaluation=settings["evaluation"],
    )
