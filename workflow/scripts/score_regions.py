from seewhy.dissection.annotators import write_quality
from seewhy.entry import rule

with rule(snakemake) as settings:
    write_quality(
        snakemake.input.truth,
        snakemake.output.table,
        evaluation=settings["evaluation"],
        min_share=settings["min_share"],
        **settings["annotators"],
    )
