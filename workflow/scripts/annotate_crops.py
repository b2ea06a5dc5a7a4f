from seewhy.dissection.puppets_sets import annotate_crops
from seewhy.entry import rule

with rule(snakemake) as settings:
    annotate_crops(
        snakemake.input.crops,
        dict(snakemake.output.items()),
        rounds=settings["regions"]["rounds"],
        visible_rounds=settings["regions"]["visible_rounds"],
        at_least=settings["regions"]["at_least"],
        min_share=settings["regions"]["min_share"],
        **settings["annotators"],
    )
