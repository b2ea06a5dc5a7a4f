"""What the captioners' neurons stand for, and how well.

REQUIRED INPUTS:
    models/<set>/<model>-seed<seed>.safetensors
    data/captioning/features/<split>.h5
    data/captioning/vectors.csv
    data/captioning/frames/test.h5, data/captioning/corpus/, results/lambda.csv   for the figures

OUTPUTS:
    results/neurons/<set>/<model>-seed<seed>.<variant>.csv    topics of each neuron (read_neurons)
    results/neurons/<set>/<model>-seed<seed>.<variant>.json   how well they hold, on
                                                              test and on validation clips
    results/neurons/<set>/<model>-seed<seed>.traces.h5        activations on test clips (trace_neurons)
    results/interpretability.csv                              (score_interpretability)
    results/figures/activations.png, neurons.png              Figures 3 and 4 of the paper
    results/figures/tradeoff.png                              interpretability and BLEU-4 by lambda

<variant> is `plain`, `rotated` (a control) or `sparse` (codes of a sparse autoencoder).
"""

MEASURED = [
    *expand("results/neurons/captioner/{model}-seed{seed}.plain.json", model=MODELS, seed=SEEDS),
    *expand("results/neurons/captioner/I-seed{seed}.rotated.json", seed=SEEDS),
    *expand("results/neurons/captioner/B-seed{seed}.sparse.json", seed=SEEDS),
    *expand(
        "results/neurons/{model}.plain.json",
        model=[model for model in SWEPT if f"lambda-{LAMBDA}-" not in model],  # LSTM-I itself
    ),
]

# Traced are LSTM-I and LSTM-B of the first seed.
TRACED = expand(
    "results/neurons/captioner/{model}-seed{seed}.traces.h5", model=["I", "B"], seed=SEEDS[0]
)


rule read_neurons:
    input:
        model="models/{set}/{model}-seed{seed}.safetensors",
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        test="data/captioning/features/test.h5",
        topics="data/captioning/vectors.csv",
    output:
        table="results/neurons/{set}/{model}-seed{seed}.{variant}.csv",
        measures="results/neurons/{set}/{model}-seed{seed}.{variant}.json",
    log:
        "logs/read_neurons/{set}/{model}-seed{seed}.{variant}.log",
    benchmark:
        "benchmarks/read_neurons/{set}/{model}-seed{seed}.{variant}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings_by("captioner", captioner_settings, CAPTIONER_KEYS),
        **section("neurons"),
        code=code("read_neurons.py"),
    script:
        "../scripts/read_neurons.py"


rule score_interpretability:
    input:
        MEASURED,
    output:
        table=report(
            "results/interpretability.csv",
            caption="../report/interpretability.rst",
            category="Captioning",
            labels={"table": "interpretability", "content": "single neurons and topics"},
        ),
    log:
        "logs/score_interpretability.log",
    benchmark:
        "benchmarks/score_interpretability.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        **section("evaluation"),
        code=code("score_interpretability.py"),
    script:
        "../scripts/score_interpretability.py"


rule trace_neurons:
    input:
        model="models/{set}/{model}-seed{seed}.safetensors",
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        test="data/captioning/features/test.h5",
        topics="data/captioning/vectors.csv",
    output:
        "results/neurons/{set}/{model}-seed{seed}.traces.h5",
    log:
        "logs/trace_neurons/{set}/{model}-seed{seed}.log",
    benchmark:
        "benchmarks/trace_neurons/{set}/{model}-seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **section("neurons"),
        code=code("trace_neurons.py"),
    script:
        "../scripts/trace_neurons.py"


rule draw_activations:
    input:
        traces=TRACED,
        topics="data/captioning/vectors.csv",
    output:
        report(
            "results/figures/activations.png",
            caption="../report/activations.rst",
            category="Captioning",
            labels={"figure": "3: activations by topic"},
        ),
    log:
        "logs/draw_activations.log",
    benchmark:
        "benchmarks/draw_activations.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_activations.py"),
    script:
        "../scripts/draw_activations.py"


rule draw_neurons:
    input:
        frames="data/captioning/frames/test.h5",
        traces=TRACED,
        topics="data/captioning/vectors.csv",
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
    output:
        report(
            "results/figures/neurons.png",
            caption="../report/neurons.rst",
            category="Captioning",
            labels={"figure": "4: neurons through time"},
        ),
    log:
        "logs/draw_neurons.log",
    benchmark:
        "benchmarks/draw_neurons.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_neurons.py"),
    script:
        "../scripts/draw_neurons.py"


rule draw_tradeoff:
    input:
        table="results/lambda.csv",
        swept=expand("results/neurons/{model}.plain.json", model=SWEPT),
        baseline=expand(
            "results/neurons/captioner/B-seed{seed}.plain.json",
            seed=SEEDS[: config["sweep"]["seeds"]],
        ),
    output:
        report(
            "results/figures/tradeoff.png",
            caption="../report/tradeoff.rst",
            category="Captioning",
            labels={"figure": "interpretability and BLEU-4 by lambda"},
        ),
    log:
        "logs/draw_tradeoff.log",
    benchmark:
        "benchmarks/draw_tradeoff.tsv"
    localrule: True
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_tradeoff.py"),
    script:
        "../scripts/draw_tradeoff.py"
