"""Why this class and not that one: a classifier's decisions in words.

REQUIRED INPUTS: none by default (params.yaml, section summaries; the aviary is drawn); else the folder
that summaries.corpus.source names, in its own layout, and a network's weights.

OUTPUTS:
    data/aviary/                     a world of birds with captions, key points and recorded faults (render_aviary)
    results/figures/aviary.png       a contact sheet of it (draw_aviary)
    data/summaries/corpus/           the corpus in canonical form (import_corpus)
    data/summaries/images/<split>.h5 crops by the boxes (crop_images)
    results/summaries/images/<split>.csv  images that could not be used, and why
    models/summaries/classifier.safetensors, results/summaries/training.json, .csv   (train_classifier)
    data/summaries/activations/<split>.h5   pooled activations and logits (read_activations)
    data/summaries/attributes.h5, results/summaries/attributes.csv, results/figures/attributes.png
                                     attributes in the captions, Figure 9 (mine_attributes)
    data/summaries/filters/<preset>.h5   p(t|f), eqs. 1 to 4 (filter_attributes)
    results/figures/summaries-*.png  (draw_summaries)
    results/summaries/{faithfulness,ablation,naming}.csv   for the aviary alone (score_faithfulness)
    results/summaries/{table1,table2,table3,sentences,classes,triage,evidence,failures}.csv   (score_summaries)

<preset> is paper, t or joint (workflow/src/seewhy/summaries/filters.py).
"""

SUMMARIES = config["summaries"]
AVIARY_TABLES = ["clips", "captions", "labels", "instances", "birds", "species", "slots"]
PRESETS = SUMMARIES["presets"]
TRAINED_CLASSIFIER = "models/summaries/classifier.safetensors"
CLASSIFIER = network_files(SUMMARIES["model"], TRAINED_CLASSIFIER)
MODEL_STAMP = model_stamp(SUMMARIES["model"])
if workflow.is_main_process and not SOURCES[SUMMARIES["corpus"]["name"]].key_points:
    logger.info(
        f"summaries.corpus: {SUMMARIES['corpus']['name']} has no key points: of the tables, "
        "results/summaries/table1.csv will say that it needs them, and all others are made"
    )


rule render_aviary:
    output:
        tables=expand("data/aviary/{table}.csv", table=AVIARY_TABLES),
        truth="data/aviary/truth.h5",
        images=directory("data/aviary/images"),
    log:
        "logs/render_aviary.log",
    benchmark:
        "benchmarks/render_aviary.tsv"
    conda:
        "../../envs/plot.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(60),
    params:
        **settings(aviary=SUMMARIES["aviary"]),
        code=code("render_aviary.py"),
    script:
        "../scripts/render_aviary.py"


rule draw_aviary:
    output:
        sheet=report(
            "results/figures/aviary.png",
            caption="../report/aviary.rst",
            category="Summaries",
            labels={"figure": "the world's birds, slots and faults"},
        ),
    log:
        "logs/draw_aviary.log",
    benchmark:
        "benchmarks/draw_aviary.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings(aviary=SUMMARIES["aviary"]),
        code=code("draw_aviary.py"),
    script:
        "../scripts/draw_aviary.py"


rule crop_images:
    input:
        corpus=expand("data/summaries/corpus/{file}", file=["clips.csv", "labels.csv", "truth.h5"]),
        images=RENDERED["summaries"],
    output:
        crops="data/summaries/images/{split}.h5",
        report="results/summaries/images/{split}.csv",
    log:
        "logs/crop_images/{split}.log",
    benchmark:
        "benchmarks/crop_images/{split}.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings(crop=SUMMARIES["crop"]),
        **stamps(images=corpus_stamp("summaries")),
        code=code("crop_images.py"),
    script:
        "../scripts/crop_images.py"


rule train_classifier:
    input:
        train="data/summaries/images/train.h5",
        val="data/summaries/images/val.h5",
        weights=[SUMMARIES["network"]["weights"]] if SUMMARIES["network"]["weights"] else [],
    output:
        network=TRAINED_CLASSIFIER,
        metrics="results/summaries/training.json",
        history="results/summaries/training.csv",
    log:
        "logs/train_classifier.log",
    benchmark:
        "benchmarks/train_classifier.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(240),
        gpu=1,
    params:
        **settings(network=SUMMARIES["network"]),
        **settings(model=SUMMARIES["model"]),
        **stamps(
            files=stamp(
                stamp_contents, [path for path in [SUMMARIES["network"]["weights"]] if path]
            )
        ),
        code=code("train_classifier.py"),
    script:
        "../scripts/train_classifier.py"


rule read_activations:
    input:
        crops="data/summaries/images/{split}.h5",
        weights=CLASSIFIER,
        classes=[SUMMARIES["model"]["classes"]] if SUMMARIES["model"].get("classes") else [],
    output:
        activations="data/summaries/activations/{split}.h5",
    log:
        "logs/read_activations/{split}.log",
    benchmark:
        "benchmarks/read_activations/{split}.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(model=SUMMARIES["model"]),
        **stamps(files=MODEL_STAMP),
        **stamps(classes=class_names_stamp(SUMMARIES["model"])),
        code=code("read_activations.py"),
    script:
        "../scripts/read_activations.py"


rule mine_attributes:
    input:
        corpus=expand("data/summaries/corpus/{file}", file=["clips.csv", "captions.csv"]),
    output:
        attributes="data/summaries/attributes.h5",
        table=report(
            "results/summaries/attributes.csv",
            caption="../report/attributes.rst",
            category="Summaries",
            labels={"table": "attributes", "content": "adjectives and nouns of the captions"},
        ),
        figure=report(
            "results/figures/attributes.png",
            caption="../report/attributes.rst",
            category="Summaries",
            labels={"figure": "9", "content": "most frequent attributes"},
        ),
    log:
        "logs/mine_attributes.log",
    benchmark:
        "benchmarks/mine_attributes.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
    params:
        **settings(attributes=SUMMARIES["attributes"]),
        code=code("mine_attributes.py"),
    script:
        "../scripts/mine_attributes.py"


rule filter_attributes:
    input:
        activations="data/summaries/activations/train.h5",
        crops="data/summaries/images/train.h5",
        attributes="data/summaries/attributes.h5",
    output:
        filters="data/summaries/filters/{preset}.h5",
    log:
        "logs/filter_attributes/{preset}.log",
    benchmark:
        "benchmarks/filter_attributes/{preset}.tsv"
    conda:
        "../../envs/explain.yaml"
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        code=code("filter_attributes.py"),
    script:
        "../scripts/filter_attributes.py"


# What all tables and figures are made of.
STUDY = {
    "corpus": expand("data/summaries/corpus/{file}", file=["clips.csv", "captions.csv"]),
    "crops": expand("data/summaries/images/{split}.h5", split=SPLITS),
    "activations": expand("data/summaries/activations/{split}.h5", split=SPLITS),
    "attributes": "data/summaries/attributes.h5",
    "filters": expand("data/summaries/filters/{preset}.h5", preset=PRESETS),
    "weights": CLASSIFIER,
}


rule score_summaries:
    input:
        **STUDY,
        faults=["data/aviary/birds.csv"] if RENDERED["summaries"] else [],
    output:
        table1=report(
            "results/summaries/table1.csv",
            caption="../report/summaries1.rst",
            category="Summaries",
            labels={"table": "1", "content": "attribute grounding, PCK"},
        ),
        table2=report(
            "results/summaries/table2.csv",
            caption="../report/summaries2.rst",
            category="Summaries",
            labels={"table": "2", "content": "image search by attribute"},
        ),
        table3=report(
            "results/summaries/table3.csv",
            caption="../report/summaries3.rst",
            category="Summaries",
            labels={"table": "3", "content": "BLEU of the sentences"},
        ),
        triage=report(
            "results/summaries/triage.csv",
            caption="../report/summaries-triage.rst",
            category="Summaries",
            labels={"table": "triage", "content": "kinds of mistakes found"},
        ),
        evidence="results/summaries/evidence.csv",
        failures="results/summaries/failures.csv",
        sentences="results/summaries/sentences.csv",
        classes="results/summaries/classes.csv",
    log:
        "logs/score_summaries.log",
    benchmark:
        "benchmarks/score_summaries.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(120),
    params:
        **settings(model=SUMMARIES["model"]),
        **stamps(files=MODEL_STAMP),
        **settings(top=SUMMARIES["top"]),
        **section("evaluation"),
        code=code("score_summaries.py"),
    script:
        "../scripts/score_summaries.py"


rule draw_summaries:
    input:
        **STUDY,
        failures="results/summaries/failures.csv",
    output:
        explanations=report(
            "results/figures/summaries-explanations.png",
            caption="../report/summaries-explanations.rst",
            category="Summaries",
            labels={"figure": "3", "content": "explanations"},
        ),
        contrast=report(
            "results/figures/summaries-contrast.png",
            caption="../report/summaries-contrast.rst",
            category="Summaries",
            labels={"figure": "1", "content": "this class and not that one"},
        ),
        filters=report(
            "results/figures/summaries-filters.png",
            caption="../report/summaries-filters.rst",
            category="Summaries",
            labels={"figure": "5", "content": "what filters stand for"},
        ),
        heat_maps=report(
            "results/figures/summaries-heat-maps.png",
            caption="../report/summaries-heat-maps.rst",
            category="Summaries",
            labels={"figure": "7", "content": "where attributes are"},
        ),
        retrieval=report(
            "results/figures/summaries-retrieval.png",
            caption="../report/summaries-retrieval.rst",
            category="Summaries",
            labels={"figure": "6", "content": "image search"},
        ),
        failures=report(
            "results/figures/summaries-failures.png",
            caption="../report/summaries-failures.rst",
            category="Summaries",
            labels={"figure": "8", "content": "failures"},
        ),
    log:
        "logs/draw_summaries.log",
    benchmark:
        "benchmarks/draw_summaries.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        **settings(model=SUMMARIES["model"]),
        **stamps(files=MODEL_STAMP),
        **section("evaluation"),
        code=code("draw_summaries.py"),
    script:
        "../scripts/draw_summaries.py"


rule score_faithfulness:
    input:
        **STUDY,
        world=drawn_world,
    output:
        faithfulness=report(
            "results/summaries/faithfulness.csv",
            caption="../report/summaries-faithfulness.rst",
            category="Summaries",
            labels={"table": "faithfulness", "content": "margin lost per named attribute"},
        ),
        ablation=report(
            "results/summaries/ablation.csv",
            caption="../report/summaries-faithfulness.rst",
            category="Summaries",
            labels={"table": "ablation", "content": "filters silenced"},
        ),
        naming=report(
            "results/summaries/naming.csv",
            caption="../report/summaries-faithfulness.rst",
            category="Summaries",
            labels={"table": "naming", "content": "what filters detect and are named after"},
        ),
    log:
        "logs/score_faithfulness.log",
    benchmark:
        "benchmarks/score_faithfulness.tsv"
    conda:
        "../../envs/explain.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        **settings(model=SUMMARIES["model"]),
        **stamps(files=MODEL_STAMP),
        **settings(aviary=SUMMARIES["aviary"]),
        **section("evaluation"),
        code=code("score_faithfulness.py"),
    script:
        "../scripts/score_faithfulness.py"
