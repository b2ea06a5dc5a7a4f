"""The corpus of the captioning system, in canonical form.

REQUIRED INPUTS: the folder corpus.source of params.yaml, in its own layout.

OUTPUTS:
    data/captioning/corpus/   clips.csv, captions.csv, … and corpus.json (import_corpus);
                              workflow/src/seewhy/corpora/canonical.yaml describes the form
"""

CORPUS = "data/captioning/corpus"


rule import_corpus:
    input:
        source=CORPUS_FILES,
    output:
        tables=expand(f"{CORPUS}/{{table}}.csv", table=TABLES),
        about=f"{CORPUS}/corpus.json",
    log:
        "logs/import_corpus.log",
    benchmark:
        "benchmarks/import_corpus.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("import_corpus.py"),
        corpus=section("corpus"),
        folder=section("folder"),
    script:
        "../scripts/import_corpus.py"
