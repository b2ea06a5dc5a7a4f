"""When actions happen in untrimmed videos, Tables 3 and 4 of Bargal et al.

REQUIRED INPUTS:
    data/untrimmed/corpus/   clips.csv, segments.csv
    the videos that clips.csv names
    models/grounding/lrcn.safetensors, cnn.safetensors

OUTPUTS:
    data/grounding/untrimmed/<split>.h5        fc7 of the videos, read at a steady rate (encode_untrimmed)
    results/grounding-untrimmed/<split>.csv    videos that could not be used, and why
    results/grounding/table3.csv, table4.csv   pointing in time, temporal detection (score_untrimmed)
"""


rule encode_untrimmed:
    input:
        clips="data/untrimmed/corpus/clips.csv",
        about="data/untrimmed/corpus/corpus.json",
        videos=RENDERED["untrimmed"],
        network="models/grounding/lrcn.safetensors",
    output:
        features="data/grounding/untrimmed/{split}.h5",
        report="results/grounding-untrimmed/{split}.csv",
    log:
        "logs/encode_untrimmed/{split}.log",
    benchmark:
        "benchmarks/encode_untrimmed/{split}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 4
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(480),
        gpu=1,
    params:
        **settings(rate=GROUNDING["untrimmed"]["rate"]),
        **settings(fit=GROUNDING["frames"]["fit"]),
        **stamps(videos=corpus_stamp("untrimmed")),
        code=code("encode_untrimmed.py"),
    script:
        "../scripts/encode_untrimmed.py"


rule score_untrimmed:
    input:
        corpus=["data/untrimmed/corpus/clips.csv", "data/untrimmed/corpus/segments.csv"],
        features="data/grounding/untrimmed/test.h5",
        lrcn="models/grounding/lrcn.safetensors",
        cnn="models/grounding/cnn.safetensors",
    output:
        pointing=report(
            "results/grounding/table3.csv",
            caption="../report/grounding3.rst",
            category="Grounding",
            labels={"table": "3", "content": "pointing in time"},
        ),
        detection=report(
            "results/grounding/table4.csv",
            caption="../report/grounding4.rst",
            category="Grounding",
            labels={"table": "4", "content": "temporal detection"},
        ),
    log:
        "logs/score_untrimmed.log",
    benchmark:
        "benchmarks/score_untrimmed.tsv"
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(120),
    params:
        **settings(name=GROUNDING["untrimmed"]["corpus"]["name"]),
        **settings(clips=GROUNDING["untrimmed"]["clips"]),
        **section("evaluation"),
        code=code("score_untrimmed.py"),
    script:
        "../scripts/score_untrimmed.py"
