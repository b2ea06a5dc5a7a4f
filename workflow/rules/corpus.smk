"""The corpus of the captioning system, in canonical form.

REQUIRED INPUTS: the folder corpus.source of params.yaml, in its own layout.

OUTPUTS:
    data/captioning/corpus/   clips.csv, captions.csv, … and corpus.json (import_corpus);
                              workflow/src/seewhy/corpora/canonical.yaml describes the form
"""

CORPUS = "data/captioning/corpus"


def corpus_source(wildcards):
    """What must be there of the data set before it can be imported."""
    source = config["corpus"]["source"]
    if config["corpus"]["name"] == "puppets":
        return [f"{source}/{table}.csv" for table in PUPPETS_TABLES]
    try:
        return source_files(config["corpus"]["name"], source)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def corpus_videos(wildcards):
    """The folder of the videos, so that a change of it is seen; where it is absent, nothing."""
    about = SOURCES[config["corpus"]["name"]]
    folder = os.path.normpath(os.path.join(config["corpus"]["source"], about.videos))
    made_here = folder == rules.render_puppets.output.videos
    return [folder] if made_here or os.path.isdir(folder) else []


rule import_corpus:
    input:
        source=corpus_source,
    output:
        tables=expand(f"{CORPUS}/{{table}}.csv", table=PUPPETS_TABLES),
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
