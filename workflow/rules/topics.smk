"""Topics mined from the descriptions, and Table 1.

REQUIRED INPUTS: data/captioning/splits/<split>/clips.csv and captions.csv; no video.

OUTPUTS:
    data/captioning/topics/topics.json   the topics: words, probabilities, how they were fitted; with
                                         topics.h5 enough to infer those of further clips
    data/captioning/topics/train.csv, train.json   s of every train clip, and measures (mine_topics)
    data/captioning/vectors.csv   s of every clip (find_topics)
    results/table1.csv                   the sampled topics with their words
    results/topics.json                  coherence, diversity, topics a clip
"""


rule mine_topics:
    input:
        clips="data/captioning/splits/train/clips.csv",
        captions="data/captioning/splits/train/captions.csv",
    output:
        topics="data/captioning/topics/topics.json",
        model="data/captioning/topics/topics.h5",
        vectors="data/captioning/topics/train.csv",
        metrics="data/captioning/topics/train.json",
        table=report(
            "results/table1.csv",
            caption="../report/table1.rst",
            category="Captioning",
            labels={"table": "1", "content": "topics and their words"},
        ),
    log:
        "logs/mine_topics.log",
    benchmark:
        "benchmarks/mine_topics.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **section("topics"),
        code=code("mine_topics.py"),
    script:
        "../scripts/mine_topics.py"


rule find_topics:
    input:
        topics="data/captioning/topics/topics.json",
        model="data/captioning/topics/topics.h5",
        vectors="data/captioning/topics/train.csv",
        metrics="data/captioning/topics/train.json",
        val=expand("data/captioning/splits/val/{table}.csv", table=["clips", "captions"]),
        test=expand("data/captioning/splits/test/{table}.csv", table=["clips", "captions"]),
    output:
        vectors="data/captioning/vectors.csv",
        metrics="results/topics.json",
    log:
        "logs/find_topics.log",
    benchmark:
        "benchmarks/find_topics.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings(reading={name: config["topics"][name] for name in ("rule", "min_share")}),
        code=code("find_topics.py"),
    script:
        "../scripts/find_topics.py"
