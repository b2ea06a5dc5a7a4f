"""Topics mined from the human descriptions, and Table 1.

REQUIRED INPUTS: data/captioning/corpus/clips.csv and captions.csv; no video.

OUTPUTS:
    data/captioning/topics/topics.json   the topics: words, probabilities, how they were fitted; with
                                         topics.h5 enough to infer those of further clips
    data/captioning/topics/vectors.csv   s of every clip (mine_topics)
    results/table1.csv                   the sampled topics with their words
    results/topics.json                  coherence, diversity, topics a clip
"""


rule mine_topics:
    input:
        clips=f"{CORPUS}/clips.csv",
        captions=f"{CORPUS}/captions.csv",
    output:
        topics="data/captioning/topics/topics.json",
        model="data/captioning/topics/topics.h5",
        vectors="data/captioning/topics/vectors.csv",
        table=report(
            "results/table1.csv",
            caption="../report/table1.rst",
            category="Captioning",
            labels={"table": "1", "content": "topics and their words"},
        ),
        metrics="results/topics.json",
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
        code=code("mine_topics.py"),
        topics=section("topics"),
    script:
        "../scripts/mine_topics.py"
