"""The captioner: training, captions, Table 2, and the choice of lambda.

REQUIRED INPUTS:
    data/captioning/corpus/           clips.csv, captions.csv
    data/captioning/splits/<split>/   the same of train and val alone: what captioners learn from
    data/captioning/features/<split>.h5
    data/captioning/topics/train.csv

OUTPUTS:
    models/<set>/<model>-seed<seed>.safetensors   (train_captioner)
    results/history/<set>/<model>-seed<seed>.csv  its training, a row an epoch
    results/captions/<set>/<model>-seed<seed>.<split>.jsonl   captions (caption_clips)
    results/table2.csv, results/captions/scores.csv   (score_captions)
    results/lambda.csv                            (choose_lambda)

<set> is `captioner` for the models of captioner.models, and `sweep` for the models lambda-<value>.
"""

SEEDS = config["captioner"]["seeds"]
MODELS = list(config["captioner"]["models"])
LAMBDA = (config["captioner"] | config["captioner"]["models"]["I"])["lambda"]
LAMBDAS = config["sweep"]["lambdas"]
SWEPT = expand(
    "sweep/lambda-{value}-seed{seed}", value=LAMBDAS, seed=SEEDS[: config["sweep"]["seeds"]]
)


rule train_captioner:
    input:
        corpus=expand(
            "data/captioning/splits/{split}/{table}.csv",
            split=["train", "val"],
            table=["clips", "captions"],
        ),
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        topics="data/captioning/topics/train.csv",
    output:
        model="models/{set}/{model}-seed{seed}.safetensors",
        history="results/history/{set}/{model}-seed{seed}.csv",
    log:
        "logs/train_captioner/{set}/{model}-seed{seed}.log",
    benchmark:
        "benchmarks/train_captioner/{set}/{model}-seed{seed}.tsv"
    wildcard_constraints:
        set="captioner|sweep",  # refine_captioner makes the refined ones
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(720),
        gpu=1,
    params:
        **settings_by("captioner", captioner_settings, CAPTIONER_KEYS),
        code=code("train_captioner.py"),
    script:
        "../scripts/train_captioner.py"


rule trained_captioners:
    input:
        expand("models/captioner/{model}-seed{seed}.safetensors", model=MODELS, seed=SEEDS),
    localrule: True


rule caption_clips:
    input:
        model="models/{set}/{model}-seed{seed}.safetensors",
        features="data/captioning/features/{split}.h5",
    output:
        captions="results/captions/{set}/{model}-seed{seed}.{split}.jsonl",
    log:
        "logs/caption_clips/{set}/{model}-seed{seed}.{split}.log",
    benchmark:
        "benchmarks/caption_clips/{set}/{model}-seed{seed}.{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
        gpu=1,
    params:
        **section("decoding"),
        **settings(max_words=config["captioner"]["max_words"]),
        code=code("caption_clips.py"),
    script:
        "../scripts/caption_clips.py"


rule score_captions:
    input:
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
        captions=expand(
            "results/captions/captioner/{model}-seed{seed}.test.jsonl", model=MODELS, seed=SEEDS
        ),
        histories=expand(
            "results/history/captioner/{model}-seed{seed}.csv", model=MODELS, seed=SEEDS
        ),
    output:
        table=report(
            "results/table2.csv",
            caption="../report/table2.rst",
            category="Captioning",
            labels={"table": "2", "content": "BLEU and METEOR"},
        ),
        scores="results/captions/scores.csv",
    log:
        "logs/score_captions.log",
    benchmark:
        "benchmarks/score_captions.tsv"
    conda:
        "../../envs/text.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **section("corpus"),
        **section("evaluation"),
        code=code("score_captions.py"),
    script:
        "../scripts/score_captions.py"


rule choose_lambda:
    input:
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
        captions=expand("results/captions/{model}.val.jsonl", model=SWEPT),
        histories=expand("results/history/{model}.csv", model=SWEPT),
    output:
        table=report(
            "results/lambda.csv",
            caption="../report/lambda.rst",
            category="Captioning",
            labels={"table": "choice of lambda", "content": "validation scores"},
        ),
    log:
        "logs/choose_lambda.log",
    benchmark:
        "benchmarks/choose_lambda.tsv"
    conda:
        "../../envs/text.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings(**{"lambda": LAMBDA}),
        **section("corpus"),
        **section("evaluation"),
        code=code("choose_lambda.py"),
    script:
        "../scripts/choose_lambda.py"


rule draw_training:
    input:
        histories=expand(
            "results/history/captioner/{model}-seed{seed}.csv", model=MODELS, seed=SEEDS
        ),
    output:
        report(
            "results/figures/training.png",
            caption="../report/training.rst",
            category="Captioning",
            labels={"figure": "training curves"},
        ),
    log:
        "logs/draw_training.log",
    benchmark:
        "benchmarks/draw_training.tsv"
    localrule: True
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_training.py"),
    script:
        "../scripts/draw_training.py"


rule draw_lambda:
    input:
        table="results/lambda.csv",
    output:
        report(
            "results/figures/lambda.png",
            caption="../report/lambda.rst",
            category="Captioning",
            labels={"figure": "choice of lambda"},
        ),
    log:
        "logs/draw_lambda.log",
    benchmark:
        "benchmarks/draw_lambda.tsv"
    localrule: True
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_lambda.py"),
    script:
        "../scripts/draw_lambda.py"


rule draw_captions:
    input:
        frames="data/captioning/frames/test.h5",
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
        captions=expand(
            "results/captions/captioner/{model}-seed{seed}.test.jsonl",
            model=["B", "I"],
            seed=SEEDS[0],
        ),
    output:
        report(
            "results/figures/captions.png",
            caption="../report/captions.rst",
            category="Captioning",
            labels={"figure": "sample captions and attention"},
        ),
    log:
        "logs/draw_captions.log",
    benchmark:
        "benchmarks/draw_captions.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_captions.py"),
    script:
        "../scripts/draw_captions.py"
