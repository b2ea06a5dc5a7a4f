import torch

from seewhy.bench.training import bench_training
from seewhy.entry import rule
from seewhy.files import write_json

with rule(snakemake) as settings:
    torch.set_num_threads(1)
    write_json(snakemake.output[0], bench_training(settings["captioner"]))
