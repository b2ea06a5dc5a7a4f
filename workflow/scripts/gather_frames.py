from seewhy.entry import rule
from seewhy.shards import gather_reports, gather_rows

with rule(snakemake):
    gather_rows(snakemake.input.frames, snakemake.output.frames, reports=snakemake.input.reports)
    gather_reports(snakemake.input.reports, snakemake.output.report)
