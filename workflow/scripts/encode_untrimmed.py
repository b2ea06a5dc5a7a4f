from pathlib import Path

from seewhy.entry import rule
from seewhy.grounding.untrimmed import encode_untrimmed

with rule(snakemake) as settings:
    encode_untrimmed(
        Path(snakemake.input.clips).parent,
        snakemake.input.network,
        snakemake.output.features,
        snakemake.output.report,
        split=snakemake.wildcards.split,
        rate=settings["rate"],
        fit=settings["fit"],
        resume=settings["resume"],
    )
