from seewhy.dissection.dissect import How
from seewhy.dissection.run import run_dissection
from seewhy.entry import rule

with rule(snakemake) as settings:
    run_dissection(
        snakemake.output.counts,
        snakemake.output.tally,
        weights=next(iter(snakemake.input.weights), None),
        model=settings["model"],
        network=snakemake.wildcards.network,
        layer=snakemake.wildcards.layer,
        folders=list(snakemake.input.sets),
        concepts=snakemake.wildcards.concepts,
        how=How(level=float(snakemake.wildcards.level), **settings["how"]),
        resume=settings["resume"],
        workers=snakemake.threads,
    )
