"""Network Dissection with actions: the network that is dissected, and what it is shown.

REQUIRED INPUTS: none (params.yaml, section dissection and puppets.seed); or a network, concept sets
and images of yours, where dissection.model, dissection.sets and dissection.paths name them.

OUTPUTS:
    data/puppets/crops/<split>.h5        actors at work, cut out of a world of their own, with the
                                         truth of every pixel (draw_crops)
    models/dissection/seed<seed>.safetensors   a residual network that names their actions
    results/dissection/training/seed<seed>.json, seed<seed>.csv
                                         how well, on validation crops (train_dissected_network)
    data/dissection/annotations/*.csv    what simulated people say of the crops (annotate_crops)
    data/dissection/regions.csv, results/dissection/regions.csv
                                         action regions, and what was dropped (build_action_regions)
    results/dissection/region-quality.csv   regions against the truth, by rounds (score_regions)
    data/dissection/sets/{broden,actions}   concept sets in Broden's format (write_broden, write_actions)
    data/dissection/counts/<network>/<layer>.<set>.<level>.h5
    results/dissection/tally/<network>/<layer>.<set>.<level>.csv
                                         raw counts; each unit's best labels (dissect_layer)
    results/dissection/{table1,blocks,emergence,relabelled,concepts,units,compositions,formulas}.csv
                                         (score_dissection)
    results/figures/dissection-{histogram,blocks,shared,relabelled,units}.png   (draw_dissection)
    results/dissection/{paths,ablation}.csv, results/figures/dissection-paths.png
                                         why mistakes were made (explain_mistakes)

<network> is seed<n> or, where dissection.model has a name, `model`; with `random-` before it, its weights
are random. <set> is broden, actions, combined (both), or shuffled (both, the action names permuted); where
one set is given alone, that one, and with action regions the shuffled one.
"""

DISSECTION = config["dissection"]
OTHER_MODEL = DISSECTION["model"]["name"]
DISSECTED_STAMP = model_stamp(DISSECTION["model"])
# What people said: yours, or that of simulated ones of the puppets' crops.
ANNOTATIONS = DISSECTION["annotations"] or "data/dissection/annotations"
# The times of folders of yours say nothing: stamps tell whether something in them is another.
ANNOTATED = (
    ancient(f"{DISSECTION['annotations']}/images")
    if DISSECTION["annotations"]
    else "data/puppets/crops/test.h5"
)
NETWORKS = ["model"] if OTHER_MODEL else [f"seed{seed}" for seed in DISSECTION["seeds"]]
LAYERS = DISSECTION["layers"]
# One set or two; the puppets' where none is given.
OWN_SETS = {
    name: ancient(folder) if folder == DISSECTION["sets"][name] else folder
    for name, folder in concept_folders(DISSECTION, "data/dissection/sets").items()
}
CONCEPT_SETS = {name: [folder] for name, folder in OWN_SETS.items()}
MAIN_SET = "combined" if len(OWN_SETS) == 2 else next(iter(OWN_SETS))
CONCEPT_SETS[MAIN_SET] = list(OWN_SETS.values())
if "actions" in OWN_SETS:
    CONCEPT_SETS["shuffled"] = list(OWN_SETS.values())
# Network, layer and set of every dissection: all blocks of what is compared block by block, and the
# last one for Table 1.
DISSECTED = [
    (prefix + network, layer, concepts)
    for network in NETWORKS
    for prefix, sets in (
        ("", list(CONCEPT_SETS)),
        ("random-", [name for name in CONCEPT_SETS if name in ("broden", MAIN_SET)]),
    )
    for layer in LAYERS
    for concepts in sets
    if layer == LAYERS[-1] or concepts in (MAIN_SET, "shuffled")
]
DRAWN = [name for name in CONCEPT_SETS if name in ("broden", MAIN_SET, "shuffled")]
# Mistakes are looked for in the puppets' crops, whose actions only a network trained here names.
EXPLAINS = bool(DISSECTION["paths"]["images"]) or not OTHER_MODEL
if workflow.is_main_process and not EXPLAINS:
    logger.info(
        f"dissection.paths.images: none, so no concept paths of {OTHER_MODEL} are made; list "
        "images whose class they should explain"
    )


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
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        # The third world after that of puppets.seed.
        **settings(crops=DISSECTION["crops"] | {"seed": config["puppets"]["seed"] + 3}),
        code=code("draw_crops.py"),
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
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(network=DISSECTION["network"]),
        code=code("train_dissected_network.py"),
    script:
        "../scripts/train_dissected_network.py"


rule trained_dissected:
    input:
        [f"models/dissection/{network}.safetensors" for network in NETWORKS if not OTHER_MODEL],
    localrule: True


rule annotate_crops:
    input:
        crops="data/puppets/crops/test.h5",
    output:
        boxes="data/dissection/annotations/boxes.csv",
        votes="data/dissection/annotations/votes.csv",
        sizes="data/dissection/annotations/sizes.csv",
        truth="data/dissection/annotations/truth.csv",
    log:
        "logs/annotate_crops.log",
    benchmark:
        "benchmarks/annotate_crops.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        **settings(regions=DISSECTION["regions"]),
        **settings(annotators=DISSECTION["annotators"]),
        code=code("annotate_crops.py"),
    script:
        "../scripts/annotate_crops.py"


rule build_action_regions:
    input:
        boxes=f"{ANNOTATIONS}/boxes.csv",
        votes=f"{ANNOTATIONS}/votes.csv",
        sizes=f"{ANNOTATIONS}/sizes.csv",
    output:
        regions="data/dissection/regions.csv",
        summary=report(
            "results/dissection/regions.csv",
            caption="../report/dissection-regions.rst",
            category="Dissection",
            labels={"table": "regions", "content": "what became of the annotations"},
        ),
    log:
        "logs/build_action_regions.log",
    benchmark:
        "benchmarks/build_action_regions.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        **stamps(
            files=stamp(
                stamp_contents,
                [
                    f"{DISSECTION['annotations']}/{table}.csv"
                    for table in ("boxes", "votes", "sizes")
                    if DISSECTION["annotations"]
                ],
            )
        ),
        **settings(regions=DISSECTION["regions"]),
        code=code("build_action_regions.py"),
    script:
        "../scripts/build_action_regions.py"


rule score_regions:
    input:
        truth="data/dissection/annotations/truth.csv",
    output:
        table=report(
            "results/dissection/region-quality.csv",
            caption="../report/dissection-quality.rst",
            category="Dissection",
            labels={"table": "region quality", "content": "regions against the truth"},
        ),
    log:
        "logs/score_regions.log",
    benchmark:
        "benchmarks/score_regions.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(20),
    params:
        **settings(annotators=DISSECTION["annotators"]),
        **settings(min_share=DISSECTION["regions"]["min_share"]),
        **section("evaluation"),
        code=code("score_regions.py"),
    script:
        "../scripts/score_regions.py"


rule write_broden:
    input:
        crops="data/puppets/crops/test.h5",
    output:
        folder=directory("data/dissection/sets/broden"),
    log:
        "logs/write_broden.log",
    benchmark:
        "benchmarks/write_broden.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        code=code("write_broden.py"),
    script:
        "../scripts/write_broden.py"


rule write_actions:
    input:
        images=ANNOTATED,
        regions="data/dissection/regions.csv",
    output:
        folder=directory("data/dissection/sets/actions"),
    log:
        "logs/write_actions.log",
    benchmark:
        "benchmarks/write_actions.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(30),
    params:
        **stamps(images=stamp(annotated_stamp, DISSECTION["annotations"])),
        code=code("write_actions.py"),
    script:
        "../scripts/write_actions.py"


rule dissect_layer:
    input:
        weights=dissected_weights,
        sets=lookup(dpath="{concepts}", within=CONCEPT_SETS),
    output:
        counts="data/dissection/counts/{network}/{layer}.{concepts}.{level}.h5",
        tally="results/dissection/tally/{network}/{layer}.{concepts}.{level}.csv",
    log:
        "logs/dissect_layer/{network}/{layer}.{concepts}.{level}.log",
    benchmark:
        "benchmarks/dissect_layer/{network}/{layer}.{concepts}.{level}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(480),
        gpu=1,
    params:
        **settings(model=DISSECTION["model"]),
        **stamps(files=DISSECTED_STAMP),
        **stamps(sets=sets_stamp),
        **settings_by("how", how_to_dissect, HOW_KEYS),
        code=code("dissect_layer.py"),
    script:
        "../scripts/dissect_layer.py"


rule score_dissection:
    input:
        counts=[counts_of(*key) for key in DISSECTED],
    output:
        table1=report(
            "results/dissection/table1.csv",
            caption="../report/dissection1.rst",
            category="Dissection",
            labels={"table": "1", "content": "concepts and interpretable units"},
        ),
        blocks=report(
            "results/dissection/blocks.csv",
            caption="../report/dissection-blocks.rst",
            category="Dissection",
            labels={"table": "blocks", "content": "units by category, block by block"},
        ),
        emergence=report(
            "results/dissection/emergence.csv",
            caption="../report/dissection-emergence.rst",
            category="Dissection",
            labels={"table": "emergence", "content": "actions in the last block and before"},
        ),
        relabelled=report(
            "results/dissection/relabelled.csv",
            caption="../report/dissection-relabelled.rst",
            category="Dissection",
            labels={"table": "relabelled", "content": "units whose name changes"},
        ),
        units=report(
            "results/dissection/units.csv",
            caption="../report/dissection-details.rst",
            category="Dissection",
            labels={"table": "units", "content": "units of the last block"},
        ),
        compositions=report(
            "results/dissection/compositions.csv",
            caption="../report/dissection-compositions.rst",
            category="Dissection",
            labels={"table": "compositions", "content": "formulas of two concepts"},
        ),
        concepts=report(
            "results/dissection/concepts.csv",
            caption="../report/dissection-concepts.rst",
            category="Dissection",
            labels={"table": "concepts", "content": "ceilings, and units by concept"},
        ),
        formulas="results/dissection/formulas.csv",
    log:
        "logs/score_dissection.log",
    benchmark:
        "benchmarks/score_dissection.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        **settings(dissections=DISSECTED),
        **settings(last=LAYERS[-1]),
        **settings(titles=set_titles(DISSECTION)),
        **settings(read=sets_read(DISSECTION)),
        **settings(threshold=DISSECTION["threshold"]),
        **section("evaluation"),
        code=code("score_dissection.py"),
    script:
        "../scripts/score_dissection.py"


rule draw_dissection:
    input:
        **{name: counts_of(NETWORKS[0], LAYERS[-1], name) for name in DRAWN},
        weights=dissected_weights,
        sets=list(OWN_SETS.values()),
        blocks="results/dissection/blocks.csv",
    output:
        histogram=report(
            "results/figures/dissection-histogram.png",
            caption="../report/dissection-histogram.rst",
            category="Dissection",
            labels={"figure": "4", "content": "concepts by number of units"},
        ),
        shared=report(
            "results/figures/dissection-shared.png",
            caption="../report/dissection-shared.rst",
            category="Dissection",
            labels={"figure": "5", "content": "units that share an action"},
        ),
        blocks=report(
            "results/figures/dissection-blocks.png",
            caption="../report/dissection-blocks.rst",
            category="Dissection",
            labels={"figure": "6", "content": "block by block"},
        ),
        relabelled=report(
            "results/figures/dissection-relabelled.png",
            caption="../report/dissection-relabelled.rst",
            category="Dissection",
            labels={"figure": "2", "content": "units whose name changes"},
        ),
        units=report(
            "results/figures/dissection-units.png",
            caption="../report/dissection-units.rst",
            category="Dissection",
            labels={"figure": "units", "content": "named units"},
        ),
    log:
        "logs/draw_dissection.log",
    benchmark:
        "benchmarks/draw_dissection.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        **settings(model=DISSECTION["model"]),
        **stamps(files=DISSECTED_STAMP),
        **stamps(sets=sets_stamp),
        **settings(
            folders={
                name: CONCEPT_SETS[name] for name in CONCEPT_SETS if name in ("broden", MAIN_SET)
            }
        ),
        **settings(drawn=DRAWN),
        **settings(titles=set_titles(DISSECTION)),
        **settings(read=sets_read(DISSECTION)),
        **settings(threshold=DISSECTION["threshold"]),
        code=code("draw_dissection.py"),
    script:
        "../scripts/draw_dissection.py"


rule explain_mistakes:
    input:
        weights=dissected_weights,
        crops=[] if DISSECTION["paths"]["images"] else ["data/puppets/crops/test.h5"],
        images=DISSECTION["paths"]["images"],
        counts=[counts_of(NETWORKS[0], layer, MAIN_SET) for layer in LAYERS[-2:]],
        classes=[DISSECTION["model"]["classes"]] if DISSECTION["model"].get("classes") else [],
    output:
        paths="results/dissection/paths.csv",
        ablation=report(
            "results/dissection/ablation.csv",
            caption="../report/dissection-ablation.rst",
            category="Dissection",
            labels={"table": "ablation", "content": "named units silenced"},
        ),
        figure=report(
            "results/figures/dissection-paths.png",
            caption="../report/dissection-paths.rst",
            category="Dissection",
            labels={"figure": "8", "content": "concept paths of mistakes"},
        ),
    log:
        "logs/explain_mistakes.log",
    benchmark:
        "benchmarks/explain_mistakes.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings(model=DISSECTION["model"]),
        **stamps(files=DISSECTED_STAMP),
        **stamps(images=stamp(stamp_contents, DISSECTION["paths"]["images"])),
        **stamps(classes=class_names_stamp(DISSECTION["model"])),
        **settings(paths=DISSECTION["paths"]),
        **settings(threshold=DISSECTION["threshold"]),
        **section("evaluation"),
        code=code("explain_mistakes.py"),
    script:
        "../scripts/explain_mistakes.py"
