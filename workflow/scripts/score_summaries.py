from seewhy.entry import rule
from seewhy.summaries.study import study_of_rule
from seewhy.summaries.tables import score_summaries

with rule(snakemake) as settings:
    study = study_of_rule(snakemake.input, settings["model"])
    score_summaries(
        dict(snakemake.output.items()),
        study,
        faults=next(iter(snakemake.input.faults), None),
        top=settings["top"],
        evaluation=settings["evaluation"],
    )
