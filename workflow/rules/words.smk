"""Where a captioner saw what its words name, Table 5 of Bargal et al.

REQUIRED INPUTS:
    data/grounding/corpus/              clips.csv, captions.csv, phrases.csv, instances.csv, truth.h5
    data/grounding/frames/<split>.h5
    models/grounding/lrcn.safetensors   the CNN to begin with
    With grounding.words.corpus set, corpus and frames lie in data/words instead.

OUTPUTS:
    models/grounding/words.safetensors                      the captioner (train_word_network)
    results/grounding/words.json, words.csv                 how well it learnt
    results/grounding/captions.jsonl                        what it says of test clips (caption_by_words)
    results/grounding/captions.csv                          how good that is (score_word_captions)
    results/grounding/phrases.csv, data/grounding/words.h5  maps of noun phrases, scored (ground_phrases)
    results/grounding/table5.csv                            pointing of noun phrases (score_phrases)
    results/figures/words.png                               maps of words (draw_words)

The captioner reads the mean over the frames of a clip. An image is a clip of one frame, so that a
corpus of images (flickr30k) makes it the paper's image captioner "without the average pooling layer".
Table 5 needs phrases that are linked to boxes or masks: MSR-VTT has none, and ends with captions.csv.
DVC's stage `words` is that of the clips of actions; with another corpus, call snakemake itself.
"""

WORDS = config["grounding"]["words"]
WORD_DATA = "data/words" if WORDS["corpus"] else "data/grounding"
WORD_CORPUS = CORPORA["words" if WORDS["corpus"] else "grounding"]["name"]


rule train_word_network:
    input:
        corpus=[f"{WORD_DATA}/corpus/clips.csv", f"{WORD_DATA}/corpus/captions.csv"],
        train=f"{WORD_DATA}/frames/train.h5",
        val=f"{WORD_DATA}/frames/val.h5",
        cnn="models/grounding/lrcn.safetensors",
    output:
        network="models/grounding/words.safetensors",
        metrics="results/grounding/words.json",
        history="results/grounding/words.csv",
    log:
        "logs/train_word_network.log",
    benchmark:
        "benchmarks/train_word_network.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(480),
        gpu=1,
    params:
        **settings(
            network={
                key: WORDS[key]
                for key in (
                    "embedding",
                    "hidden",
                    "max_words",
                    "min_count",
                    "seed",
                    "steps",
                )
            }
        ),
        **settings(training=WORDS["training"]),
        code=code("train_word_network.py"),
    script:
        "../scripts/train_word_network.py"


rule caption_by_words:
    input:
        network="models/grounding/words.safetensors",
        frames=f"{WORD_DATA}/frames/test.h5",
    output:
        captions="results/grounding/captions.jsonl",
    log:
        "logs/caption_by_words.log",
    benchmark:
        "benchmarks/caption_by_words.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
        gpu=1,
    params:
        **settings(
            decoding={
                "beam": WORDS["beam"],
                "max_words": WORDS["max_words"] - 1,  # longer ones were left out
                "steps": WORDS["steps"],
            }
        ),
        code=code("caption_by_words.py"),
    script:
        "../scripts/caption_by_words.py"


rule score_word_captions:
    input:
        corpus=[f"{WORD_DATA}/corpus/clips.csv", f"{WORD_DATA}/corpus/captions.csv"],
        captions="results/grounding/captions.jsonl",
        metrics="results/grounding/words.json",
    output:
        table=report(
            "results/grounding/captions.csv",
            caption="../report/grounding-captions.rst",
            category="Grounding",
            labels={"table": "5", "content": "captions"},
        ),
    log:
        "logs/score_word_captions.log",
    benchmark:
        "benchmarks/score_word_captions.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(3000),
        runtime=per_attempt(30),
    params:
        **settings(corpus=WORD_CORPUS),
        **section("evaluation"),
        code=code("score_word_captions.py"),
    script:
        "../scripts/score_word_captions.py"


rule ground_phrases:
    input:
        corpus=expand(
            "{data}/corpus/{table}",
            data=WORD_DATA,
            table=[
                "clips.csv",
                "captions.csv",
                "phrases.csv",
                "instances.csv",
                "truth.h5",
            ],
        ),
        network="models/grounding/words.safetensors",
        frames=f"{WORD_DATA}/frames/test.h5",
        captions="results/grounding/captions.jsonl",
    output:
        scores="results/grounding/phrases.csv",
        maps="data/grounding/words.h5",
    log:
        "logs/ground_phrases.log",
    benchmark:
        "benchmarks/ground_phrases.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
        gpu=1,
    params:
        **settings(
            phrases={
                "asked": WORDS["asked"],
                "count": WORDS["phrases"],
                "layer": WORDS["layer"],
                "steps": WORDS["steps"],
            }
        ),
        code=code("ground_phrases.py"),
    script:
        "../scripts/ground_phrases.py"


rule score_phrases:
    input:
        scores="results/grounding/phrases.csv",
    output:
        table=report(
            "results/grounding/table5.csv",
            caption="../report/grounding5.rst",
            category="Grounding",
            labels={"table": "5", "content": "pointing of noun phrases"},
        ),
    log:
        "logs/score_phrases.log",
    benchmark:
        "benchmarks/score_phrases.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings(corpus=WORD_CORPUS),
        **section("evaluation"),
        code=code("score_phrases.py"),
    script:
        "../scripts/score_phrases.py"


rule draw_words:
    input:
        maps="data/grounding/words.h5",
    output:
        figure=report(
            "results/figures/words.png",
            caption="../report/grounding-words.rst",
            category="Grounding",
            labels={"figure": "8 and 9", "content": "maps of words"},
        ),
    log:
        "logs/draw_words.log",
    benchmark:
        "benchmarks/draw_words.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        code=code("draw_words.py"),
    script:
        "../scripts/draw_words.py"
