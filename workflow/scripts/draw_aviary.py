from seewhy.entry import rule
from seewhy.worlds.aviary import draw_sheet

with rule(snakemake) as settings:
    aviary = settings["aviary"]
    draw_sheet(snakemake.output.sheet, seed=aviary["seed"], size=aviary["size"])
