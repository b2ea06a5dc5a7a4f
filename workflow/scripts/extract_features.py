from seewhy.backbones import load_backbone
from seewhy.entry import rule
from seewhy.features import extract_features
from seewhy.shards import shard_of

with rule(snakemake) as settings:
    backbone, features = settings["backbone"], settings["features"]
    extract_features(
        snakemake.input.frames,
        snakemake.output.features,
        backbone=load_backbone(
            backbone["name"],
            snakemake.input.weights,
            sha256=backbone["sha256"],
            precision=features["precision"],
        ),
        shard=shard_of(snakemake.wildcards),
        resume=settings["resume"],
        batch=features["batch"],
    )
