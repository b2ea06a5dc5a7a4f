from pathlib import Path

from seewhy.entry import rule
from seewhy.text.mining import find_topics

with rule(snakemake) as settings:
    find_topics(
        {split: Path(snakemake.input[split][0]).parent for split in ("val", "test")},
        topics_path=snakemake.input.topics,
        train_vectors=snakemake.input.vectors,
        train_metrics=snakemake.input.metrics,
        vectors_path=snakemake.output.vectors,
        metrics_path=snakemake.output.metrics,
        **settings["reading"],
    )
