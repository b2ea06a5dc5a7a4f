from seewhy.bench.features import bench_features
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake):
    results = [
        bench_features("slim_inception"),
        bench_features("googlenet", clips=6, repeats=3),
    ]
    write_json(snakemake.output[0], results)
