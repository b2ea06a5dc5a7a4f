"""The procedural worlds: videos with exact ground truth, drawn from a seed.

REQUIRED INPUTS: none (params.yaml, section puppets, transfer.clips, grounding.puppets).

OUTPUTS:
    data/puppets/trimmed     a corpus in canonical form: one action a clip (render_puppets)
    data/puppets/actions     another of the same kind, on which no captioner was trained
    data/puppets/grounding   a third, with the actions of grounding.puppets alone
    data/puppets/untrimmed   the same for untrimmed videos of several segments (render_untrimmed)
    results/figures/puppets.png   a contact sheet of the world (draw_puppets)
"""

TABLES = ["clips", "captions", "labels", "instances", "segments", "phrases"]
# Each world has other clips, drawn with the next seed: what captioners have learnt by heart would pass
# for skill in transfer.
PUPPETS = {
    "trimmed": json.dumps(config["puppets"]),
    "actions": json.dumps(
        config["puppets"]
        | {"seed": config["puppets"]["seed"] + 1, "clips": config["transfer"]["clips"]}
    ),
    "grounding": json.dumps(
        config["puppets"] | {"seed": config["puppets"]["seed"] + 2} | config["grounding"]["puppets"]
    ),
}


rule render_puppets:
    output:
        tables=expand("data/puppets/{{world}}/{table}.csv", table=TABLES),
        truth="data/puppets/{world}/truth.h5",
        videos=directory("data/puppets/{world}/videos"),
    log:
        "logs/render_puppets/{world}.log",
    benchmark:
        "benchmarks/render_puppets/{world}.tsv"
    conda:
        "../../envs/plot.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **settings_by(
            "puppets",
            lookup(dpath="{world}", within=PUPPETS),
            [*config["puppets"], *config["grounding"]["puppets"]],
        ),
        code=code("render_puppets.py"),
    script:
        "../scripts/render_puppets.py"


rule render_untrimmed:
    output:
        tables=expand("data/puppets/untrimmed/{table}.csv", table=TABLES),
        truth="data/puppets/untrimmed/truth.h5",
        videos=directory("data/puppets/untrimmed/videos"),
    log:
        "logs/render_untrimmed.log",
    benchmark:
        "benchmarks/render_untrimmed.tsv"
    conda:
        "../../envs/plot.yaml"
    threads: 8
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        **section("puppets"),
        code=code("render_untrimmed.py"),
    script:
        "../scripts/render_untrimmed.py"


rule draw_puppets:
    output:
        sheet=report(
            "results/figures/puppets.png",
            caption="../report/puppets.rst",
            category="Puppets",
            labels={"figure": "the world's scenes, actors and actions"},
        ),
    log:
        "logs/draw_puppets.log",
    benchmark:
        "benchmarks/draw_puppets.tsv"
    conda:
        "../../envs/plot.yaml"
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        **section("puppets"),
        code=code("draw_puppets.py"),
    script:
        "../scripts/draw_puppets.py"
