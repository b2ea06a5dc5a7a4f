from pathlib import Path

from seewhy.entry import rule
from seewhy.text.mining import mine_topics

with rule(snakemake) as settings:
    mine_topics(
        Path(snakemake.input.clips).parent,
        topics_path=snakemake.output.topics,
        vectors_path=snakemake.output.vectors,
        table_path=snakemake.output.table,
        metrics_path=snakemake.output.metrics,
        **settings["topics"],
    )
