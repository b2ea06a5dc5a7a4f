from seewhy.dissection.puppets_sets import write_actions
from seewhy.dissection.regions import read_regions
from seewhy.entry import rule

with rule(snakemake):
    regions = read_regions(snakemake.input.regions)
    write_actions(snakemake.input.images, regions, snakemake.output.folder)
