from seewhy.entry import rule
from seewhy.summaries.tables import write_filters

with rule(snakemake):
    write_filters(
        snakemake.output.filters,
        snakemake.wildcards.preset,
        crops=snakemake.input.crops,
        activations=snakemake.input.activations,
        attributes=snakemake.input.attributes,
    )
