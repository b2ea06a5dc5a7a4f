from functools import partial

from seewhy.backbones.train import train_backbone
from seewhy.entry import rule
from seewhy.worlds.puppets import draw_stills

with rule(snakemake) as settings:
    backbone = settings["backbone"]
    train_backbone(
        snakemake.output.weights,
        snakemake.output.metrics,
        snakemake.output.history,
        draw_stills=partial(
            draw_stills, size=settings["frames"]["size"], workers=snakemake.threads
        ),
        count=backbone["stills"],
        epochs=backbone["epochs"],
        least_steps=backbone["least_steps"],
        seed=backbone["seed"],
        resume=settings["resume"],
    )
