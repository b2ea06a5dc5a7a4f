from seewhy.bench.threads import bench_threads
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake):
    write_json(snakemake.output[0], bench_threads("."))
