from seewhy.entry import rule
from seewhy.worlds.puppets import contact_sheet

with rule(snakemake):
    contact_sheet(snakemake.output.sheet)
