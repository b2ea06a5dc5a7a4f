"""The human in the loop: corrections of captions that later clips profit from.

REQUIRED INPUTS:
    models/captioner/<model>-seed<seed>.safetensors
    data/captioning/features/<split>.h5, data/captioning/frames/test.h5
    data/captioning/topics/topics.json, vectors.csv
    corrections.yaml

OUTPUTS:
    models/refined/<model>-seed<seed>.safetensors       a person's corrections made (refine_captioner)
    results/refined/<model>-seed<seed>.csv              what was said before and is said after
    results/refinement/cases-seed<seed>.csv             what an oracle corrects (choose_cases)
    results/refinement/<model>-seed<seed>.<variant>.json   what came of it (correct_cases)
    results/refinement.csv                              (score_refinement)
    results/figures/refinement.png                      (draw_refinement)

<variant> is `own` (the settings as they are), one of refinement.experiment.variants, or a control:
`random` for the same push at random neurons, `other` for one to another topic. Clips and features
are those of refinement.experiment.split, `test` above.
"""

EXPERIMENT = config["refinement"]["experiment"]
REFINED_SEEDS = SEEDS[: EXPERIMENT["seeds"]]
VARIANTS = ["own", *EXPERIMENT["variants"]]
CONTROLS = ["random", "other"]
CORRECTED = [
    *expand(
        "{model}-seed{seed}.{variant}",
        variant=VARIANTS,
        model=EXPERIMENT["models"],
        seed=REFINED_SEEDS,
    ),
    *expand("I-seed{seed}.{control}", control=CONTROLS, seed=REFINED_SEEDS),
]
REFINED = f"{config['refinement']['model']}-seed{SEEDS[0]}"
if not os.path.isfile(CORRECTIONS):
    raise WorkflowError(
        f"params.yaml: refinement.corrections: no file {CORRECTIONS}; write it ([] for no correction)"
    )
DECODING = config["decoding"] | {"max_words": config["captioner"]["max_words"] - 1}


rule choose_cases:
    input:
        models=expand(
            "models/captioner/{model}-seed{{seed}}.safetensors", model=EXPERIMENT["models"]
        ),
        features=f"data/captioning/features/{EXPERIMENT['split']}.h5",
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
        topics="data/captioning/topics/topics.json",
        vectors="data/captioning/vectors.csv",
    output:
        cases="results/refinement/cases-seed{seed}.csv",
    log:
        "logs/choose_cases/seed{seed}.log",
    benchmark:
        "benchmarks/choose_cases/seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
        gpu=1,
    params:
        **settings(decoding=DECODING),
        **settings(cases=EXPERIMENT["cases"]),
        code=code("choose_cases.py"),
    script:
        "../scripts/choose_cases.py"


rule correct_cases:
    input:
        model="models/captioner/{model}-seed{seed}.safetensors",
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        test="data/captioning/features/test.h5",
        vectors="data/captioning/vectors.csv",
        cases="results/refinement/cases-seed{seed}.csv",
        own=lambda wildcards: (
            "results/refinement/{model}-seed{seed}.own.json"
            if wildcards.variant in CONTROLS
            else []
        ),
    output:
        records="results/refinement/{model}-seed{seed}.{variant}.json",
    log:
        "logs/correct_cases/{model}-seed{seed}.{variant}.log",
    benchmark:
        "benchmarks/correct_cases/{model}-seed{seed}.{variant}.tsv"
    wildcard_constraints:
        variant="|".join([*VARIANTS, *CONTROLS]),
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(decoding=DECODING),
        **settings_by("plan", refinement_plan, PLAN_KEYS),
        **settings(in_turn=EXPERIMENT["in_turn"]),
        **settings(split=EXPERIMENT["split"]),
        code=code("correct_cases.py"),
    script:
        "../scripts/correct_cases.py"


rule score_refinement:
    input:
        corpus=expand(f"{CORPUS}/{{table}}.csv", table=TABLES),
        topics="data/captioning/topics/topics.json",
        records=expand("results/refinement/{name}.json", name=CORRECTED),
    output:
        table=report(
            "results/refinement.csv",
            caption="../report/refinement.rst",
            category="Captioning",
            labels={"table": "human in the loop", "content": "corrections and their price"},
        ),
    log:
        "logs/score_refinement.log",
    benchmark:
        "benchmarks/score_refinement.tsv"
    conda:
        "../../envs/text.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **section("evaluation"),
        **settings(split=EXPERIMENT["split"]),
        **settings(name=config["corpus"]["name"]),
        code=code("score_refinement.py"),
    script:
        "../scripts/score_refinement.py"


rule draw_refinement:
    input:
        frames=f"data/captioning/frames/{EXPERIMENT['split']}.h5",
        corpus=[f"{CORPUS}/clips.csv", f"{CORPUS}/captions.csv"],
        records=f"results/refinement/I-seed{SEEDS[0]}.own.json",
    output:
        report(
            "results/figures/refinement.png",
            caption="../report/corrections.rst",
            category="Captioning",
            labels={"figure": "5: captions of unseen halves before and after"},
        ),
    log:
        "logs/draw_refinement.log",
    benchmark:
        "benchmarks/draw_refinement.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(1000),
        runtime=per_attempt(10),
    params:
        code=code("draw_refinement.py"),
    script:
        "../scripts/draw_refinement.py"


rule refined_captioner:
    input:
        f"results/refined/{REFINED}.csv",
    localrule: True


rule refine_captioner:
    input:
        model="models/captioner/{model}-seed{seed}.safetensors",
        train="data/captioning/features/train.h5",
        val="data/captioning/features/val.h5",
        test="data/captioning/features/test.h5",
        topics="data/captioning/topics/topics.json",
        vectors="data/captioning/vectors.csv",
        corrections=CORRECTIONS,
    output:
        model="models/refined/{model}-seed{seed}.safetensors",
        captions=report(
            "results/refined/{model}-seed{seed}.csv",
            caption="../report/refined.rst",
            category="Captioning",
            labels={"table": "corrections.yaml", "content": "captions before and after"},
        ),
    log:
        "logs/refine_captioner/{model}-seed{seed}.log",
    benchmark:
        "benchmarks/refine_captioner/{model}-seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
        gpu=1,
    params:
        **settings(corrections=stamp(stamp_contents, [CORRECTIONS])),
        **settings(decoding=DECODING),
        **settings_by("plan", refinement_plan, PLAN_KEYS),
        code=code("refine_captioner.py"),
    script:
        "../scripts/refine_captioner.py"
