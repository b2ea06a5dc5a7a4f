import torch

from seewhy.bench.grounding import bench_grounding
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake):
    torch.set_num_threads(1)
    write_json(snakemake.output[0], bench_grounding())
