from pathlib import Path

from seewhy.entry import rule
from seewhy.frames import sample_frames
from seewhy.shards import shard_of

with rule(snakemake) as settings:
    sample_frames(
        Path(snakemake.input.clips).parent,
        snakemake.output.frames,
        snakemake.output.report,
        split=snakemake.wildcards.split,
        workers=snakemake.threads,
        shard=shard_of(snakemake.wildcards),
        resume=settings["resume"],
        **settings["frames"],
    )
