from seewhy.dissection.tables import write_tables
from seewhy.entry import rule

with rule(snakemake) as settings:
    write_tables(
        dict(snakemake.output.items()),
        list(snakemake.input.counts),
        [tuple(key) for key in settings["dissections"]],
        last=settings["last"],
        threshold=settings["threshold"],
        titles=settings["titles"],
        evaluation=settings["evaluation"],
    )
