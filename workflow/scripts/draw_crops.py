from seewhy.entry import rule
from seewhy.worlds.puppets.crops import draw_crops

with rule(snakemake) as settings:
    crops = settings["crops"]
    split = snakemake.wildcards.split
    draw_crops(
        snakemake.output.crops,
        split=split,
        clips=crops["clips"][split],
        workers=snakemake.threads,
        **{name: crops[name] for name in ("seed", "per_clip", "size", "canvas", "box")},
    )
