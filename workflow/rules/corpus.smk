"""The corpora of captioning, transfer and grounding, in canonical form.

REQUIRED INPUTS: the folders corpus.source, transfer.corpus.source, grounding.corpus.source,
grounding.untrimmed.corpus.source and, where it is set, grounding.words.corpus.source of params.yaml, in
their own layout.

OUTPUTS:
    data/<use>/corpus/   clips.csv, captions.csv, …, truth.h5 and corpus.json (import_corpus);
                         workflow/src/seewhy/corpora/canonical.yaml describes the form
    data/captioning/splits/<split>/   clips.csv and captions.csv of that split alone (import_split):
                         what learns from one split is not done again for a clip of another

<use> is `captioning`, `transfer`, `grounding`, `untrimmed` (videos in which grounding finds actions in
time) or `words` (whose captions are grounded, where these are not those of `grounding`).
"""

CORPUS = "data/captioning/corpus"
OWN_SETTINGS = {
    "captioning": {"folder": config["folder"]},
    "transfer": {"ucf11": config["transfer"]["ucf11"]},
    "grounding": {"ucf101": config["grounding"]["ucf101"]},
    "untrimmed": {"thumos14": config["grounding"]["untrimmed"]["thumos14"]},
    "words": {},
    "summaries": {"cub200": config["summaries"]["cub200"]},
}
IMPORTS = {
    purpose: {
        "corpus": json.dumps(corpus, sort_keys=True),
        "own": json.dumps(OWN_SETTINGS[purpose], sort_keys=True),
    }
    for purpose, corpus in CORPORA.items()
}


rule import_corpus:
    input:
        source=lookup(dpath="{use}", within=CORPUS_FILES),
    output:
        tables=expand("data/{{use}}/corpus/{table}.csv", table=TABLES),
        truth="data/{use}/corpus/truth.h5",
        about="data/{use}/corpus/corpus.json",
    log:
        "logs/import_corpus/{use}.log",
    benchmark:
        "benchmarks/import_corpus/{use}.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings_by("corpus", lookup(dpath="{use}/corpus", within=IMPORTS), config["corpus"]),
        **settings(own=lookup(dpath="{use}/own", within=IMPORTS)),
        **stamps(files=imported_stamp),
        code=code("import_corpus.py"),
    script:
        "../scripts/import_corpus.py"


rule import_split:
    input:
        source=source_of_split,
    output:
        clips="data/{use}/splits/{split}/clips.csv",
        captions="data/{use}/splits/{split}/captions.csv",
    log:
        "logs/import_split/{use}-{split}.log",
    benchmark:
        "benchmarks/import_split/{use}-{split}.tsv"
    conda:
        "../../envs/text.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **settings_by("corpus", lookup(dpath="{use}/corpus", within=IMPORTS), config["corpus"]),
        **settings(own=lookup(dpath="{use}/own", within=IMPORTS)),
        **stamps(files=imported_stamp),
        code=code("import_split.py"),
    script:
        "../scripts/import_split.py"
