"""Action recognition with the captioners' encoders, Table 3.

REQUIRED INPUTS:
    data/transfer/corpus/   clips.csv, labels.csv
    data/transfer/features/<split>.h5
    models/captioner/<model>-seed<seed>.safetensors

OUTPUTS:
    results/transfer/<model>-seed<seed>.csv   the actions of the test clips (transfer_actions)
    results/table3.csv                        (score_transfer)

<model> is one of captioner.models, whose encoder stays as it is; R, an encoder that begins at
random; or CNN, a linear classifier without any encoder.
"""


rule transfer_actions:
    input:
        corpus=["data/transfer/corpus/clips.csv", "data/transfer/corpus/labels.csv"],
        model=lent_encoder,
        train="data/transfer/features/train.h5",
        val="data/transfer/features/val.h5",
        test="data/transfer/features/test.h5",
    output:
        "results/transfer/{model}-seed{seed}.csv",
    log:
        "logs/transfer_actions/{model}-seed{seed}.log",
    benchmark:
        "benchmarks/transfer_actions/{model}-seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(encoder=encoder_settings),
        **settings(labels=config["transfer"]["labels"]),
        **settings(hidden=config["transfer"]["hidden"]),
        code=code("transfer_actions.py"),
    script:
        "../scripts/transfer_actions.py"


rule score_transfer:
    input:
        corpus=["data/transfer/corpus/clips.csv", "data/transfer/corpus/labels.csv"],
        predictions=expand(
            "results/transfer/{model}-seed{seed}.csv",
            model=[*MODELS, *WITHOUT_CAPTIONER],
            seed=SEEDS,
        ),
    output:
        table=report(
            "results/table3.csv",
            caption="../report/table3.rst",
            category="Transfer",
            labels={"table": "3", "content": "action recognition"},
        ),
    log:
        "logs/score_transfer.log",
    benchmark:
        "benchmarks/score_transfer.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings(corpus=config["transfer"]["corpus"]),
        **settings(labels=config["transfer"]["labels"]),
        **section("evaluation"),
        code=code("score_transfer.py"),
    script:
        "../scripts/score_transfer.py"
