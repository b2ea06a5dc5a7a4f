"""Network Dissection with actions: the network that is dissected, and what it is shown.

REQUIRED INPUTS: none (params.yaml, section dissection and puppets.seed).

OUTPUTS:
    data/puppets/crops/<split>.h5        actors at work, cut out of a world of their own, with the
                                         truth of every pixel (draw_crops)
    models/dissection/seed<seed>.safetensors   a residual network that names their actions
    results/dissection/training/seed<seed>.json, seed<seed>.csv
                                         how well, on validation crops (train_dissected_network)
"""

DISSECTION = config["dissection"]


rule draw_crops:
    output:
        crops="data/puppets/crops/{split}.h5",
    log:
        "logs/draw_crops/{split}.log",
    benchmark:
        "benchmarks/draw_crops/{split}.tsv"
    conda:
        "../../envs/plot.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("draw_crops.py"),
        # The third world after that of puppets.seed.
        crops=json.dumps(
            DISSECTION["crops"] | {"seed": config["puppets"]["seed"] + 3}, sort_keys=True
        ),
    script:
        "../scripts/draw_crops.py"


rule train_dissected_network:
    input:
        train="data/puppets/crops/train.h5",
        val="data/puppets/crops/val.h5",
    output:
        network="models/dissection/seed{seed}.safetensors",
        metrics="results/dissection/training/seed{seed}.json",
        history="results/dissection/training/seed{seed}.csv",
    log:
        "logs/train_dissected_network/seed{seed}.log",
    benchmark:
        "benchmarks/train_dissected_network/seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=1,
    params:
        code=code("train_dissected_network.py"),
        network=json.dumps(DISSECTION["network"], sort_keys=True),
    script:
        "../scripts/train_dissected_network.py"
