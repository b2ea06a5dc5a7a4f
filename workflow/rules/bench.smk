"""Hot paths as ratios to a plain floor, each measured in one run. Not part of `all`: `make bench`.

REQUIRED INPUTS: none; made-up data, and for the workflow a run of its own from nothing.

OUTPUTS:
    results/bench/features.json   feature extraction against the bare forward pass; bfloat16 against float32
    results/bench/training.json   a training step against a literal loop over words
    results/bench/reading.json    eq. 9 against a loop over the neurons
    results/bench/grounding.json  excitation backprop against one forward pass and its peers
    results/bench/dissection.json counting for a dissection against a literal counter
    results/bench/summaries.json  filter attribute distributions against the dense product
    results/bench/growth.json     steps on 1, 10 and 100 times the default's clips
    results/bench/threads.json    --cores 8 on two processors, busy neighbours, spinning threads
    results/bench/workflow.json   wall time of results/table2.csv against its jobs' compute
"""

CORES = PROCESSORS  # a bench has the machine to itself: others would disturb it


rule bench:
    input:
        expand(
            "results/bench/{what}.json",
            what=[
                "features",
                "training",
                "reading",
                "grounding",
                "dissection",
                "summaries",
                "growth",
                "threads",
                "workflow",
            ],
        ),
    localrule: True


rule bench_features:
    output:
        "results/bench/features.json",
    log:
        "logs/bench_features.log",
    conda:
        "../../envs/torch.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code("bench_features.py"),
    script:
        "../scripts/bench_features.py"


rule bench_training:
    output:
        "results/bench/training.json",
    log:
        "logs/bench_training.log",
    conda:
        "../../envs/torch.yaml"
    # A whole machine, though it computes on one thread as train_captioner does: nothing beside it.
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        **section("captioner"),
        code=code("bench_training.py"),
    script:
        "../scripts/bench_training.py"


rule bench_reading:
    output:
        "results/bench/reading.json",
    log:
        "logs/bench_reading.log",
    conda:
        "../../envs/torch.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code("bench_reading.py"),
    script:
        "../scripts/bench_reading.py"


rule bench_grounding:
    output:
        "results/bench/grounding.json",
    log:
        "logs/bench_grounding.log",
    conda:
        "../../envs/torch.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        code=code("bench_grounding.py"),
    script:
        "../scripts/bench_grounding.py"


rule bench_dissection:
    output:
        "results/bench/dissection.json",
    log:
        "logs/bench_dissection.log",
    conda:
        "../../envs/explain.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code("bench_dissection.py"),
    script:
        "../scripts/bench_dissection.py"


rule bench_summaries:
    output:
        "results/bench/summaries.json",
    log:
        "logs/bench_summaries.log",
    conda:
        "../../envs/torch.yaml"
    # One thread for numpy's products, which wait for each other busily; all others take every core,
    # so nothing runs beside it.
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(20),
    params:
        code=code("bench_summaries.py"),
    script:
        "../scripts/bench_summaries.py"


rule bench_growth:
    output:
        "results/bench/growth.json",
    log:
        "logs/bench_growth.log",
    conda:
        "../../envs/torch.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
        disk_mb=20000,
    params:
        code=code("bench_growth.py"),
    script:
        "../scripts/bench_growth.py"


rule bench_threads:
    output:
        "results/bench/threads.json",
    log:
        "logs/bench_threads.log",
    conda:
        "../../envs/plot.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        code=code("bench_threads.py"),
    script:
        "../scripts/bench_threads.py"


rule bench_workflow:
    output:
        "results/bench/workflow.json",
    log:
        "logs/bench_workflow.log",
    conda:
        "../../envs/plot.yaml"
    threads: CORES
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        code=code("bench_workflow.py"),
    script:
        "../scripts/bench_workflow.py"
