import torch

from seewhy.bench.dissection import bench_dissection
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake):
    torch.set_num_threads(1)
    write_json(snakemake.output[0], bench_dissection())
