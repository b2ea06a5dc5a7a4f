from seewhy.dissection.puppets_sets import write_broden
from seewhy.entry import rule

with rule(snakemake):
    write_broden(snakemake.input.crops, snakemake.output.folder)
