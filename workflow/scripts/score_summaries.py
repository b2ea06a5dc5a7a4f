from pathlib import Path

from seewhy.entry import rule
from seewhy.summaries.study import open_study
from seewhy.summaries.tables import score_summaries

with rule(snakemake) as settings:
    study = open_study(
        corpus=Path(snakemake.input.corpus[0]).parent,
        crops=list(snakemake.input.crops),
        activations=list(snakemake.input.activations),
        attributes=snakemake.input.attributes,
        filters=list(snakemake.input.filters),
        weights=snakemake.input.weights,
        model=settings["model"],
    )
    score_summaries(
        dict(snakemake.output.items()),
        study,
        faults=next(iter(snakemake.input.faults), None),
        top=settings["top"],
        evaluation=settings["evaluation"],
    )
