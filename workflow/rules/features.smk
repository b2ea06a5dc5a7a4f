"""Frames, the backbone, and its features.

REQUIRED INPUTS:
    data/<use>/corpus/clips.csv, and the videos that it names
    backbone.weights of params.yaml, where the backbone is not trained here

OUTPUTS:
    data/<use>/frames/<split>.h5          n equally spaced frames a clip (sample_frames,
                                          sample_transfer_frames)
    results/frames/<split>.csv, results/transfer-frames/<split>.csv
                                          videos that could not be used, and why
    models/backbone/slim_inception.safetensors   the CNN trained on stills (train_backbone)
    results/backbone/metrics.json, history.csv   how well it recognises held-out stills
    data/<use>/features/<split>.h5        pooled CNN features of the frames (extract_features)

<use> is `captioning` or `transfer`.
"""


rule sample_frames:
    input:
        clips=f"{CORPUS}/clips.csv",
        about=f"{CORPUS}/corpus.json",
        videos=RENDERED["captioning"],
    output:
        frames="data/captioning/frames/{split}.h5",
        report="results/frames/{split}.csv",
    log:
        "logs/sample_frames/{split}.log",
    benchmark:
        "benchmarks/sample_frames/{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        code=code("sample_frames.py"),
        frames=section("frames"),
        videos=VIDEO_STAMP["captioning"],
    script:
        "../scripts/sample_frames.py"


use rule sample_frames as sample_transfer_frames with:
    input:
        clips="data/transfer/corpus/clips.csv",
        about="data/transfer/corpus/corpus.json",
        videos=RENDERED["transfer"],
    output:
        frames="data/transfer/frames/{split}.h5",
        report="results/transfer-frames/{split}.csv",
    log:
        "logs/sample_transfer_frames/{split}.log",
    benchmark:
        "benchmarks/sample_transfer_frames/{split}.tsv"
    params:
        code=code("sample_frames.py"),
        frames=section("frames"),
        videos=VIDEO_STAMP["transfer"],


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
        mem_mb=6000,
        runtime=120,
        gpu=1,
    params:
        code=code("train_backbone.py"),
        backbone=section("backbone"),
        frames=section("frames"),
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
        mem_mb=4000,
        runtime=480,
        gpu=1,
    params:
        code=code("extract_features.py"),
        backbone=section("backbone"),
        features=section("features"),
    script:
        "../scripts/extract_features.py"
