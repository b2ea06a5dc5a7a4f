"""Where and when a network saw its evidence: excitation backprop and Grad-CAM through time.

REQUIRED INPUTS:
    data/grounding/corpus/   clips.csv, labels.csv, segments.csv, truth.h5, …
    the videos that clips.csv names

OUTPUTS:
    data/grounding/frames/<split>.h5   equally spaced frames a clip (sample_grounding_frames)
    models/grounding/cnn.safetensors, lrcn.safetensors   (train_action_networks)
    results/grounding/training.json, training.csv        how well they do on validation clips
"""

GROUNDING = config["grounding"]


use rule sample_frames as sample_grounding_frames with:
    input:
        clips="data/grounding/corpus/clips.csv",
        about="data/grounding/corpus/corpus.json",
        videos=RENDERED["grounding"],
    output:
        frames="data/grounding/frames/{split}.h5",
        report="results/grounding-frames/{split}.csv",
    log:
        "logs/sample_grounding_frames/{split}.log",
    benchmark:
        "benchmarks/sample_grounding_frames/{split}.tsv"
    params:
        code=code("sample_frames.py"),
        frames=json.dumps(GROUNDING["frames"], sort_keys=True),
        videos=VIDEO_STAMP["grounding"],


rule train_action_networks:
    input:
        corpus=["data/grounding/corpus/clips.csv", "data/grounding/corpus/labels.csv"],
        train="data/grounding/frames/train.h5",
        val="data/grounding/frames/val.h5",
        weights=GROUNDING["network"]["weights"] or [],
    output:
        cnn="models/grounding/cnn.safetensors",
        lrcn="models/grounding/lrcn.safetensors",
        metrics="results/grounding/training.json",
        history="results/grounding/training.csv",
    log:
        "logs/train_action_networks.log",
    benchmark:
        "benchmarks/train_action_networks.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime=480,
        gpu=1,
    params:
        code=code("train_action_networks.py"),
        network=json.dumps(GROUNDING["network"], sort_keys=True),
        size=json.dumps(GROUNDING["frames"]["size"]),
        training=json.dumps(GROUNDING["training"], sort_keys=True),
    script:
        "../scripts/train_action_networks.py"
