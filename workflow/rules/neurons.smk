"""What the captioners' neurons stand for, and how well.

REQUIRED INPUTS:
    models/<set>/<model>-seed<seed>.safetensors
    data/captioning/features/<split>.h5
    data/captioning/topics/vectors.csv

OUTPUTS:
    results/neurons/<set>/<model>-seed<seed>.<variant>.csv    topics of each neuron (read_neurons)
    results/neurons/<set>/<model>-seed<seed>.<variant>.json   how well they hold
    results/interpretability.csv                              (score_interpretability)

<variant> is `plain`, `rotated` (a control) or `sparse` (codes of a sparse autoencoder).
"""

MEASURED = [
    *expand("results/neurons/captioner/{model}-seed{seed}.plain.json", model=MODELS, seed=SEEDS),
    *expand("results/neurons/captioner/I-seed{seed}.rotated.json", seed=SEEDS),
    *expand("results/neurons/captioner/B-seed{seed}.sparse.json", seed=SEEDS),
    *expand("results/neurons/{model}.plain.json", model=SWEPT),
]


rule read_neurons:
    input:
        model="models/{set}/{model}-seed{seed}.safetensors",
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        test="data/captioning/features/test.h5",
        topics="data/captioning/topics/vectors.csv",
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
        mem_mb=4000,
        runtime=60,
    params:
        code=code("read_neurons.py"),
        captioner=captioner_settings,
        neurons=section("neurons"),
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
        mem_mb=1000,
        runtime=10,
    params:
        code=code("score_interpretability.py"),
        evaluation=section("evaluation"),
    script:
        "../scripts/score_interpretability.py"
