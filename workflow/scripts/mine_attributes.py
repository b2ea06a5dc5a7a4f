from pathlib import Path

from seewhy.entry import rule
from seewhy.text.attribute_mining import mine_attributes

with rule(snakemake) as settings:
    mine_attributes(
        Path(snakemake.input.corpus[0]).parent,
        attributes_path=snakemake.output.attributes,
        table_path=snakemake.output.table,
        figure_path=snakemake.output.figure,
        **settings["attributes"],
    )
