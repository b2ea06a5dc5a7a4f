from seewhy.dissection.regions import build_region_files
from seewhy.entry import rule

with rule(snakemake) as settings:
    build_region_files(
        snakemake.input.boxes,
        snakemake.input.votes,
        snakemake.input.sizes,
        regions_path=snakemake.output.regions,
        summary_path=snakemake.output.summary,
        **settings["regions"],
    )
