"""Where and when a network saw its evidence: excitation backprop and Grad-CAM through time.

REQUIRED INPUTS:
    data/grounding/corpus/   clips.csv, labels.csv, segments.csv, truth.h5, …
    the videos that clips.csv names

OUTPUTS:
    data/grounding/frames/<split>.h5   equally spaced frames a clip (sample_frames)
    models/grounding/cnn.safetensors, lrcn.safetensors   (train_action_networks)
    results/grounding/training.json, training.csv        how well they do on validation clips
    data/grounding/maps/<method>.h5, data/grounding/scores/<method>.csv
                                         maps of the test clips, and how they meet the truth (ground_clips)
    results/grounding/table1.csv         the spatial pointing game (score_pointing)
    results/grounding/table2.csv, results/figures/grounding-sums.png
                                         sequences of two actions (score_concatenated)
    data/grounding/probes/<method>.csv   insertion, deletion, scrambled networks (probe_method)
    results/grounding/benchmark.csv, results/figures/grounding-benchmark.png
                                         all of it in one table (score_benchmark)
    results/gradcam/table1.csv           accuracies, and both Grad-CAMs (score_gradcam)
    results/figures/{grounding,gradcam}-strips.png, grounding-moving.gif   (draw_strips)

<method> is a name of workflow/src/seewhy/grounding/methods.py, such as cEB-R or cEB-R.paper.
"""

CLASS_FREE = ["activation", "centre", "uniform", "uniform-R"]
TABLE1 = ["EB", "EB-R", "cEB", "cEB-R", "BP", "BP-R", *CLASS_FREE]
OURS = ["cEB-R.paper", "cEB-R.gates-const", "cEB-R.all", "cEB-R.all.paper"]
RIVALS = ["Grad-CAM", "Grad-CAM-R", "occlusion-R", "random"]
BENCHMARKED = [*TABLE1, *OURS, "EB-R.paper", "EB-R.gates-const", *RIVALS]
PROBED = ["EB", "EB-R", "cEB", "cEB-R", "cEB-R.all", "BP-R", "Grad-CAM", "Grad-CAM-R", "random"]
DRAWN = ["EB-R", "cEB", "cEB-R", "Grad-CAM", "Grad-CAM-R"]


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
        mem_mb=per_attempt(8000),
        runtime=per_attempt(480),
        gpu=1,
    params:
        **settings(network=GROUNDING["network"]),
        **stamps(
            files=stamp(
                stamp_contents, [path for path in [GROUNDING["network"]["weights"]] if path]
            )
        ),
        **settings(size=GROUNDING["frames"]["size"]),
        **settings(training=GROUNDING["training"]),
        code=code("train_action_networks.py"),
    script:
        "../scripts/train_action_networks.py"


# What every map is made from, and the truth that it is held against.
GROUNDED = {
    "cnn": "models/grounding/cnn.safetensors",
    "lrcn": "models/grounding/lrcn.safetensors",
    "frames": "data/grounding/frames/test.h5",
    "corpus": expand(
        "data/grounding/corpus/{file}", file=["labels.csv", "segments.csv", "truth.h5"]
    ),
    # The truth by the frame of a world of puppets stays with the world.
    "world": ([f"{WORLDS['grounding']}/truth.h5"] if RENDERED["grounding"] else []),
}


rule ground_clips:
    input:
        **GROUNDED,
    output:
        maps="data/grounding/maps/{method}.h5",
        scores="data/grounding/scores/{method}.csv",
    log:
        "logs/ground_clips/{method}.log",
    benchmark:
        "benchmarks/ground_clips/{method}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(steps=GROUNDING["network"]["steps"]),
        **settings(layer=GROUNDING["layer"]),
        code=code("ground_clips.py"),
    script:
        "../scripts/ground_clips.py"


rule score_pointing:
    input:
        scores=expand("data/grounding/scores/{method}.csv", method=[*TABLE1, "random"]),
    output:
        table=report(
            "results/grounding/table1.csv",
            caption="../report/grounding1.rst",
            category="Grounding",
            labels={"table": "1", "content": "spatial pointing game"},
        ),
    log:
        "logs/score_pointing.log",
    benchmark:
        "benchmarks/score_pointing.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings(corpus=GROUNDING["corpus"]),
        **section("evaluation"),
        code=code("score_pointing.py"),
    script:
        "../scripts/score_pointing.py"


rule score_concatenated:
    input:
        **GROUNDED,
    output:
        table=report(
            "results/grounding/table2.csv",
            caption="../report/grounding2.rst",
            category="Grounding",
            labels={"table": "2", "content": "detection in sequences of two actions"},
        ),
        figure=report(
            "results/figures/grounding-sums.png",
            caption="../report/grounding-sums.rst",
            category="Grounding",
            labels={"figure": "7", "content": "sums of maps over time"},
        ),
    log:
        "logs/score_concatenated.log",
    benchmark:
        "benchmarks/score_concatenated.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings(steps=GROUNDING["network"]["steps"]),
        **settings(corpus=GROUNDING["corpus"]),
        **section("evaluation"),
        code=code("score_concatenated.py"),
    script:
        "../scripts/score_concatenated.py"


rule probe_method:
    input:
        **GROUNDED,
    output:
        scores="data/grounding/probes/{method}.csv",
    log:
        "logs/probe_method/{method}.log",
    benchmark:
        "benchmarks/probe_method/{method}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
    params:
        **settings(steps=GROUNDING["network"]["steps"]),
        **settings(layer=GROUNDING["layer"]),
        **settings(probed=GROUNDING["probed_items"]),
        code=code("probe_method.py"),
    script:
        "../scripts/probe_method.py"


rule score_benchmark:
    input:
        scores=expand("data/grounding/scores/{method}.csv", method=BENCHMARKED),
        probes=expand("data/grounding/probes/{method}.csv", method=PROBED),
        table2="results/grounding/table2.csv",
    output:
        table=report(
            "results/grounding/benchmark.csv",
            caption="../report/grounding-benchmark.rst",
            category="Grounding",
            labels={"table": "benchmark", "content": "every method on exact truth"},
        ),
        figure=report(
            "results/figures/grounding-benchmark.png",
            caption="../report/grounding-benchmark.rst",
            category="Grounding",
            labels={"figure": "benchmark", "content": "every method on exact truth"},
        ),
    log:
        "logs/score_benchmark.log",
    benchmark:
        "benchmarks/score_benchmark.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        **settings(corpus=GROUNDING["corpus"]),
        **section("evaluation"),
        code=code("score_benchmark.py"),
    script:
        "../scripts/score_benchmark.py"


rule score_gradcam:
    input:
        **GROUNDED,
        train="data/grounding/frames/train.h5",
        plain="data/grounding/scores/Grad-CAM.csv",
        recurrent="data/grounding/scores/Grad-CAM-R.csv",
        metrics="results/grounding/training.json",
    output:
        table=report(
            "results/gradcam/table1.csv",
            caption="../report/gradcam1.rst",
            category="Grad-CAM",
            labels={"table": "1", "content": "accuracies, and where the maps point"},
        ),
    log:
        "logs/score_gradcam.log",
    benchmark:
        "benchmarks/score_gradcam.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        **settings(steps=GROUNDING["network"]["steps"]),
        **settings(corpus=GROUNDING["corpus"]),
        **section("evaluation"),
        code=code("score_gradcam.py"),
    script:
        "../scripts/score_gradcam.py"


rule draw_strips:
    input:
        **GROUNDED,
        maps=expand("data/grounding/maps/{method}.h5", method=DRAWN),
    output:
        strips=report(
            "results/figures/grounding-strips.png",
            caption="../report/grounding-strips.rst",
            category="Grounding",
            labels={"figure": "5, 6", "content": "film strips of maps"},
        ),
        gradcam=report(
            "results/figures/gradcam-strips.png",
            caption="../report/gradcam-strips.rst",
            category="Grad-CAM",
            labels={"figure": "3", "content": "film strips of maps"},
        ),
        moving=report(
            "results/figures/grounding-moving.gif",
            caption="../report/grounding-strips.rst",
            category="Grad-CAM",
            labels={"figure": "moving", "content": "all methods side by side"},
        ),
    log:
        "logs/draw_strips.log",
    benchmark:
        "benchmarks/draw_strips.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        **settings(steps=GROUNDING["network"]["steps"]),
        code=code("draw_strips.py"),
    script:
        "../scripts/draw_strips.py"
