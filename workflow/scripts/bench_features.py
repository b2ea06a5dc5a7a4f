from seewhy.bench.features import bench_features, bench_precision
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake):
    results = [
        bench_features("slim_inception"),
        bench_features("googlenet", clips=6, repeats=3),
        bench_precision("slim_inception"),
    ]
    write_json(snakemake.output[0], results)
