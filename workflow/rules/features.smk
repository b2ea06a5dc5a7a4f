"""Frames, the backbone, and its features.

REQUIRED INPUTS:
    data/<use>/corpus/clips.csv (of captioning, data/captioning/splits/<split>/clips.csv), and the
    videos that it names
    backbone.weights of params.yaml, where the backbone is not trained here

OUTPUTS:
    data/<use>/frames/<split>.h5          n equally spaced frames a clip (sample_frames)
    results/frames/<use>/<split>.csv      videos that could not be used, and why
    models/backbone/slim_inception.safetensors   the CNN trained on stills (train_backbone)
    results/backbone/metrics.json, history.csv   how well it recognises held-out stills
    data/<use>/features/<split>.h5        pooled CNN features of the frames (extract_features)

<use> is `captioning`, `transfer`, `grounding` or `words`; features are of the first two.

With shards.frames or shards.features above 1, so many jobs a split write data/<use>/<…>/<split>.<k>-of-<N>.h5
(sample_frames_shard, extract_features_shard), and one puts them together, to the same bytes
(gather_frames, gather_features).
"""

SHARDS = {
    what: [f"{number}-of-{total}" for number in range(1, total + 1)]
    for what, total in config["shards"].items()
}
GROUNDING = config["grounding"]
FRAMES = {
    purpose: json.dumps(settings["frames"], sort_keys=True)
    for purpose, settings in {
        "captioning": config,
        "transfer": config,
        "grounding": GROUNDING,
        "words": GROUNDING,
    }.items()
}


OWN_WEIGHTS = [WEIGHTS] if WEIGHTS != TRAINED_BACKBONE else []


if config["shards"]["frames"] > 1:

    ruleorder: gather_frames > sample_frames

else:

    ruleorder: sample_frames > gather_frames


if config["shards"]["features"] > 1:

    ruleorder: gather_features > extract_features

else:

    ruleorder: extract_features > gather_features


rule sample_frames:
    input:
        clips=clips_of,
        videos=lookup(dpath="{use}", within=RENDERED),
    output:
        frames="data/{use}/frames/{split}.h5",
        report="results/frames/{use}/{split}.csv",
    log:
        "logs/sample_frames/{use}-{split}.log",
    benchmark:
        "benchmarks/sample_frames/{use}-{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(240),
    params:
        **settings_by("frames", lookup(dpath="{use}", within=FRAMES), config["frames"]),
        **stamps(videos=videos_stamp),
        code=code("sample_frames.py"),
    script:
        "../scripts/sample_frames.py"


use rule sample_frames as sample_frames_shard with:
    output:
        frames=temp("data/{use}/frames/{split}.{shard}.h5"),
        report=temp("results/frames/{use}/{split}.{shard}.csv"),
    log:
        "logs/sample_frames/{use}-{split}.{shard}.log",
    benchmark:
        "benchmarks/sample_frames/{use}-{split}.{shard}.tsv"


rule gather_frames:
    input:
        frames=expand("data/{{use}}/frames/{{split}}.{shard}.h5", shard=SHARDS["frames"]),
        reports=expand("results/frames/{{use}}/{{split}}.{shard}.csv", shard=SHARDS["frames"]),
    output:
        frames="data/{use}/frames/{split}.h5",
        report="results/frames/{use}/{split}.csv",
    log:
        "logs/gather_frames/{use}-{split}.log",
    benchmark:
        "benchmarks/gather_frames/{use}-{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(240),
    params:
        **stamps(videos=videos_stamp),  # of the shards, which are gone by then
        code=code("gather_frames.py"),
    script:
        "../scripts/gather_frames.py"


rule train_backbone:
    output:
        weights=TRAINED_BACKBONE,
        metrics="results/backbone/metrics.json",
        history="results/backbone/history.csv",
    log:
        "logs/train_backbone.log",
    benchmark:
        "benchmarks/train_backbone.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(6000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **section("backbone"),
        **section("frames"),
        code=code("train_backbone.py"),
    script:
        "../scripts/train_backbone.py"


rule extract_features:
    input:
        frames="data/{use}/frames/{split}.h5",
        weights=WEIGHTS,
    output:
        features="data/{use}/features/{split}.h5",
    log:
        "logs/extract_features/{use}-{split}.log",
    benchmark:
        "benchmarks/extract_features/{use}-{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(480),
        gpu=1,
    params:
        **section("backbone"),
        **section("features"),
        **stamps(files=stamp(stamp_contents, OWN_WEIGHTS)),
        code=code("extract_features.py"),
    script:
        "../scripts/extract_features.py"


use rule extract_features as extract_features_shard with:
    output:
        features=temp("data/{use}/features/{split}.{shard}.h5"),
    log:
        "logs/extract_features/{use}-{split}.{shard}.log",
    benchmark:
        "benchmarks/extract_features/{use}-{split}.{shard}.tsv"


rule gather_features:
    input:
        features=expand("data/{{use}}/features/{{split}}.{shard}.h5", shard=SHARDS["features"]),
    output:
        features="data/{use}/features/{split}.h5",
    log:
        "logs/gather_features/{use}-{split}.log",
    benchmark:
        "benchmarks/gather_features/{use}-{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(120),
    params:
        **stamps(files=stamp(stamp_contents, OWN_WEIGHTS)),
        code=code("gather_features.py"),
    script:
        "../scripts/gather_features.py"
