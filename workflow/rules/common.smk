"""What all rules share: checked settings, and how a rule names its settings and its code.

Nothing here runs a computation. Imports stay light: this file is read at every start.
"""

import base64
import json
import os
import sys

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# This checkout's own package, whichever is installed: here, and in every job (see `job_prefix`).
SOURCE = os.path.join(workflow.basedir, "workflow", "src")
sys.path.insert(0, SOURCE)

import seewhy
from seewhy.captioning.corrections import read_corrections
from seewhy.corpora.prospects import (
    Known,
    check_corrections,
    lacking,
    look_ahead,
    remarks_on,
    why_lacking,
)
from seewhy.corpora.sources import (
    IMAGE_EXTENSIONS,
    SOURCES,
    VIDEO_EXTENSIONS,
    source_files,
)
from seewhy.dissection.given import (
    check_given,
    concept_folders,
    made_of_puppets,
    set_titles,
    sets_read,
)
from seewhy.errors import InputError
from seewhy.imports import package_digest
from seewhy.kept import KEPT
from seewhy.processes import end_with_parent
from seewhy.processors import job_prefix, usable_processors
from seewhy.setting_references import check_references
from seewhy.settings import check_settings, load_settings, merge, set_by
from seewhy.stamps import (
    stamp_concepts,
    stamp_contents,
    stamp_corpus,
    stamp_listed,
    stamp_module,
    stamp_names,
    stamp_rows,
)
from seewhy.summaries.given import check_summaries, network_files
from seewhy.vision import check_frame_size, check_weights

imported = os.path.dirname(seewhy.__file__)
if os.path.realpath(imported) != os.path.realpath(os.path.join(SOURCE, "seewhy")):
    raise WorkflowError(
        f"the package seewhy was already imported from {imported}, and is not that of this Snakefile, "
        f"in {SOURCE}; start Snakemake in a process of its own"
    )

# On a cluster each job reads this file where it runs. Snakemake takes {} for its own.
PROCESSORS = usable_processors()
shell.prefix(job_prefix(SOURCE, PROCESSORS).replace("{", "{{").replace("}", "}}"))
# Jobs that run here side by side share them; `--cores all` counts those of a container's machine.
if workflow.global_resources["_nodes"].value is None and workflow.global_resources["_cores"].value:
    workflow.global_resources["_cores"] = min(workflow.cores, PROCESSORS)

# DVC empties a stage's outputs before it runs the stage again: its Snakemake must not outlive it.
if "DVC_STAGE" in os.environ:
    end_with_parent()

SPLITS = ["train", "val", "test"]
# What the corpora are for, and the world that each is by default.
WORLDS = {
    "captioning": "data/puppets/trimmed",
    "transfer": "data/puppets/actions",
    "grounding": "data/puppets/grounding",
    "untrimmed": "data/puppets/untrimmed",
    "summaries": "data/aviary",
}
# Where params.yaml names each corpus.
CORPUS_KEYS = {
    "captioning": "corpus",
    "transfer": "transfer.corpus",
    "grounding": "grounding.corpus",
    "untrimmed": "grounding.untrimmed.corpus",
    "summaries": "summaries.corpus",
}
TRAINED_BACKBONE = "models/backbone/slim_inception.safetensors"

# Models of Table 3 that are no captioner, and the settings of an encoder.
WITHOUT_CAPTIONER = ["R", "CNN"]
ENCODER = ["encoder", "features", "components", "motion", "concat_cnn", "input_dropout"]
# What a dissection is told.
HOW = ["batch", "groups", "nulls", "semantics", "upsampling"]

# Here and not in input functions: what they raise, Snakemake passes over where outputs exist.
try:
    # Everything anew, what --configfile names too: Snakemake's own readers run templates.
    settings_sources = load_settings(
        "params.yaml",
        further=workflow.config_settings.configfiles,
        command_line=workflow.config_settings.config,
        replace=workflow.config_settings.replace_workflow_config,
    )
    config.clear()
    config.update(merge(settings_sources))
    if os.path.exists("params.yaml"):
        workflow.configfiles.append("params.yaml")  # for the report
    check_settings(
        config,
        os.path.join(workflow.basedir, "workflow", "schemas", "params.schema.yaml"),
        sources=settings_sources,
    )
    for remark in check_references(config, sources=settings_sources):
        if workflow.is_main_process:
            logger.warning(remark)
    # By default words are learnt and grounded on the clips of actions.
    if config["grounding"]["words"]["corpus"]:
        CORPUS_KEYS["words"] = "grounding.words.corpus"
    check_given(config["dissection"], sources=settings_sources)
    check_summaries(config["summaries"], sources=settings_sources)
    CORPORA = {
        purpose: lookup(dpath=key.replace(".", "/"), within=config)
        for purpose, key in CORPUS_KEYS.items()
    }
    CORPUS_FILES, RENDERED = {}, {}
    for purpose, corpus in CORPORA.items():
        # Any corpus may be one of the worlds that the workflow makes.
        made = next((world for world in WORLDS.values() if world == corpus["source"]), None)
        key = f"{CORPUS_KEYS[purpose]}.source"
        where = set_by(key.split("."), settings_sources) or "params.yaml"
        CORPUS_FILES[purpose] = source_files(**corpus, made=made, key=key, where=where)
        videos = os.path.normpath(os.path.join(corpus["source"], SOURCES[corpus["name"]].videos))
        RENDERED[purpose] = [videos] if made and os.path.dirname(videos) == made else []
    WEIGHTS = TRAINED_BACKBONE
    if config["backbone"]["name"] != "slim_inception" or config["backbone"]["weights"]:
        WEIGHTS = check_weights(config["backbone"]["name"], config["backbone"]["weights"])
    check_frame_size(config["backbone"]["name"], config["frames"]["size"])
    # Only the plan looks at captions: a job would do so again and again.
    KNOWN = look_ahead(config) if workflow.is_main_process else Known(None, None, None)
    # What the corpora do not allow, by output, and what a person's own files make impossible.
    LACKING, WRONG = lacking(config, KNOWN), {}
    CORRECTIONS = config["refinement"]["corrections"]
    if workflow.is_main_process and os.path.isfile(CORRECTIONS):
        try:
            check_corrections(read_corrections(CORRECTIONS), CORRECTIONS, config, KNOWN)
        except InputError as error:
            WRONG |= dict.fromkeys(["results/refined/", "models/refined/"], str(error))
    if workflow.is_main_process:
        for remark in remarks_on(KNOWN, config):
            logger.warning(remark)
except InputError as error:
    raise WorkflowError(str(error)) from None


# Snakemake takes results that it has no record of for current, whatever the settings say.
if (
    workflow.is_main_process
    and not os.path.isdir(os.path.join(".snakemake", "metadata"))
    and os.path.isdir("results")
    and any(name.endswith(".csv") for name in os.listdir("results"))
):
    logger.warning(
        "results/: these tables were not made here, and their age tells nothing (a fresh clone?): "
        "what is called up to date may be of other settings or files; `make pull` fetches what "
        "belongs to them and compares, --forceall makes them anew"
    )


wildcard_constraints:
    use="|".join([*WORLDS, "words"]),
    # render_untrimmed and render_aviary make the others
    world="|".join(
        os.path.basename(WORLDS[use]) for use in WORLDS if use not in ("untrimmed", "summaries")
    ),
    split="|".join(SPLITS),
    shard=r"\d+-of-\d+",
    seed=r"\d+",
    model=r"[A-Za-z][A-Za-z0-9.-]*",
    method=r"[A-Za-z][A-Za-z.-]*",
    set="captioner|sweep|refined",
    network=r"(random-)?(seed\d+|model)",
    concepts="broden|actions|combined|shuffled",
    level=r"0\.\d+",
    preset="paper|centred|t|joint",


def possible(outputs):
    """Those of the target `all` that the corpora allow; what is left out is said, once a plan."""
    outputs = [outputs] if isinstance(outputs, str) else list(outputs)
    left_out = {output: why_lacking(LACKING, [output]) for output in outputs}
    for output, why in left_out.items():
        if why:
            LEFT_OUT.setdefault(why, []).append(output)
    return [output for output in outputs if not left_out[output]]


LEFT_OUT = {}


def check_targets():
    """Refuse targets that cannot be made; called when all rules are there.

    Snakemake knows the targets only later, and puts a traceback around what an input function says.
    """
    if not workflow.is_main_process or not (LACKING or WRONG):
        return
    try:
        targets = get_argument_parser().parse_known_args(sys.argv[1:])[0].targets or ["all"]
    except SystemExit:  # called as a library
        return
    for target in targets:
        outputs = [target]
        if workflow.is_rule(target):
            asked = workflow.get_rule(target)
            outputs = [*asked.input, *asked.output]
        why = why_lacking(LACKING | WRONG, map(str, outputs))
        if why:
            raise WorkflowError(why)
    if "all" in targets:
        for why, outputs in LEFT_OUT.items():
            logger.warning(f"left out: {', '.join(outputs)}: {why}")


def per_attempt(amount):
    """A resource that grows with every further attempt at a job, where the profile has retries."""

    def grown(wildcards, attempt):
        return amount * attempt

    return grown


def settings(**named):
    """Settings as params of a rule, one for each single number or name: `seewhy.entry.read_params`.

    Snakemake says of params that have changed their values alone, so each has its name in it.
    """
    params = {}
    for name, value in named.items():
        if callable(value):  # its text depends on the job
            params[name] = lambda wildcards, name=name, value=value: f"{name} = {value(wildcards)}"
        elif isinstance(value, dict) and value and not any("." in key for key in value):
            params |= settings(**{f"{name}.{key}": inner for key, inner in value.items()})
        else:
            text = f"{name} = {json.dumps(value, sort_keys=True)}"
            params[name] = lambda wildcards, text=text: text  # braces in it are no wildcards
    return params


def settings_by(name, function, keys):
    """The same where a function of the wildcards gives the settings, some of `keys`, in JSON."""

    def said(key):
        def text(wildcards):
            found = json.loads(function(wildcards))
            if key not in found:
                return ""
            return f"{name}.{key} = {json.dumps(found[key], sort_keys=True)}"

        return text

    return {f"{name}.{key}": said(key) for key in keys}


def section(name):
    """A section of params.yaml as params of a rule."""
    return settings(**{name: config[name]})


def code(script):
    """Digest of the package files that a script depends on, as a param of its rule.

    An edit of the package then reruns what it can have changed. Their time stamps mean nothing,
    so a fresh clone reruns nothing.
    """
    script = os.path.join(workflow.basedir, "workflow", "scripts", script)
    digest = package_digest(script, cache=KEPT / "imports.json")
    return f"code = {json.dumps(digest)}"


def stamps(**named):
    """Stamps as params of a rule, by what they are of; `seewhy.recording` knows them by `stamp.`."""
    return settings(stamp=named)


def stamp(function, what):
    """A stamp of files of the user's that DVC does not watch (`seewhy.stamps`), if there are any.

    Only the plan looks at them: a job does not ask for a million videos before it starts.
    """
    return lambda wildcards: json.dumps(
        function(what) if what and workflow.is_main_process else None
    )


def imported_stamp(wildcards):
    """Stamp of what is imported: the source's files and, where none lists its videos, their names.

    The clips of one split are imported alone; where a table has the split of each row, they stay as
    they are while only rows of other splits change.
    """
    corpus, files = CORPORA[wildcards.use], CORPUS_FILES[wildcards.use]
    if RENDERED[wildcards.use] or not workflow.is_main_process:
        return "null"
    split = wildcards.get("split")
    if split and corpus["name"] == "folder":
        return json.dumps(stamp_rows(files[0], split, SPLITS))
    # Where videos and images are looked for by their names, these are imported.
    names = (
        stamp_names(corpus["source"], VIDEO_EXTENSIONS + IMAGE_EXTENSIONS)
        if SOURCES[corpus["name"]].anywhere
        else None
    )
    return json.dumps([stamp_contents(files), names])


def source_of_split(wildcards):
    """What a split is imported from; where Snakemake knows of which rows it was, of whatever age."""
    files = CORPUS_FILES[wildcards.use]
    made = f"data/{wildcards.use}/splits/{wildcards.split}/clips.csv"
    record = base64.urlsafe_b64encode(made.encode()).decode()
    known = os.path.isfile(os.path.join(".snakemake", "metadata", record))
    own = CORPORA[wildcards.use]["name"] == "folder"
    return [ancient(file) for file in files] if own and known else files


def clips_of(wildcards):
    """The table of a split's clips, and of the others' too where no more than frames come of it."""
    if wildcards.use == "captioning":
        return f"data/captioning/splits/{wildcards.split}/clips.csv"
    return f"data/{wildcards.use}/corpus/clips.csv"


def videos_stamp(wildcards):
    """Stamp of the videos of a split, wherever they lie."""
    if RENDERED[wildcards.use] or not workflow.is_main_process:
        return "null"
    return json.dumps(stamp_corpus(clips_of(wildcards), wildcards.split))


def corpus_stamp(use):
    """The same where the rule says of which corpus."""

    def stamped(wildcards):
        if RENDERED[use] or not workflow.is_main_process:
            return "null"
        return json.dumps(stamp_corpus(f"data/{use}/corpus/clips.csv", wildcards.split))

    return stamped


CAPTIONER_KEYS = sorted(
    {key for models in config["captioner"]["models"].values() for key in models}
    | (config["captioner"].keys() - {"seeds", "models"})
)
PLAN_KEYS = sorted(config["refinement"].keys() - {"corrections", "model", "experiment"})
HOW_KEYS = sorted([*HOW, "curves", "pairs"])


def captioner_settings(wildcards):
    """Settings of one model: the section captioner, with what the model changes."""
    given = {
        key: value for key, value in config["captioner"].items() if key not in ("seeds", "models")
    }
    models = config["captioner"]["models"]
    if wildcards.set == "sweep":
        models = {
            f"lambda-{value}": models["I"] | {"lambda": value}
            for value in config["sweep"]["lambdas"]
        }
    if wildcards.model not in models:
        raise WorkflowError(
            f"there is no model {wildcards.model}; in {wildcards.set} there are {', '.join(models)}"
        )
    return json.dumps(given | models[wildcards.model], sort_keys=True)


def refinement_plan(wildcards):
    """How corrections are made: the settings, and what a variant of the experiment changes."""
    settings = {
        key: value
        for key, value in config["refinement"].items()
        if key not in ("corrections", "model", "experiment")
    }
    variants = config["refinement"]["experiment"]["variants"]
    return json.dumps(settings | variants.get(wildcards.get("variant"), {}), sort_keys=True)


def lent_encoder(wildcards):
    """The captioner whose encoder a model of Table 3 uses; none for the models without."""
    if wildcards.model in WITHOUT_CAPTIONER:
        return []
    return f"models/captioner/{wildcards.model}-seed{wildcards.seed}.safetensors"


def encoder_settings(wildcards):
    """What fixes the encoder of LSTM-R, which is that of LSTM-I; nothing for other models."""
    settings = config["captioner"] | config["captioner"]["models"]["I"]
    own = {key: settings[key] for key in ENCODER} if wildcards.model == "R" else {}
    return json.dumps(own, sort_keys=True)


def drawn_world(wildcards):
    """Tables of the aviary: of birds of others, no other ones can be drawn."""
    if not RENDERED["summaries"]:
        raise WorkflowError(
            "params.yaml: summaries.corpus: faithfulness, ablation and naming need birds that are "
            "drawn again with one thing changed; they are made for aviary alone"
        )
    return expand("data/aviary/{table}.csv", table=AVIARY_TABLES)


def counts_of(network, layer, concepts):
    """File of one dissection's counts."""
    return f"data/dissection/counts/{network}/{layer}.{concepts}.{config['dissection']['level']}.h5"


def dissected_weights(wildcards):
    """The network's file of weights, if it has one."""
    settings = config["dissection"]
    if settings["model"]["name"]:
        return [settings["model"]["weights"]] if settings["model"]["weights"] else []
    network = getattr(wildcards, "network", f"seed{settings['seeds'][0]}")
    return [f"models/dissection/{network.removeprefix('random-')}.safetensors"]


def model_stamp(model):
    """Stamp of a network of the user's: its weights, and the code that builds it."""
    name = model["name"] or ""

    def stamped(wildcards):
        if not workflow.is_main_process:
            return "null"
        weights = stamp_contents([model["weights"]]) if model["weights"] else None
        return json.dumps([weights, stamp_module(name) if ":" in name else None])

    return stamped


def class_names_stamp(model):
    """Stamp of the names of its classes, where they are a file of the user's."""
    return stamp(stamp_contents, [model["classes"]] if model.get("classes") else None)


def sets_stamp(wildcards):
    """Stamp of the concept sets of the user's that are read: of `concepts`, or all."""
    if not workflow.is_main_process:
        return "null"
    names = wildcards.get("concepts", "combined")
    own = [
        config["dissection"]["sets"][name]
        for name in ("broden", "actions")
        if names not in ("broden", "actions") or names == name
    ]
    return json.dumps([stamp_concepts(folder) if folder else None for folder in own])


def annotated_stamp(folder):
    """Stamp of the images that people annotated."""
    return stamp_listed(os.path.join(folder, "sizes.csv"), os.path.join(folder, "images"), "image")


def how_to_dissect(wildcards):
    """Settings of one dissection; slow figures for the last layer alone, where they are reported."""
    settings = config["dissection"]
    how = {key: settings[key] for key in HOW}
    whole = wildcards.layer == settings["layers"][-1] and wildcards.concepts == MAIN_SET
    asked = whole and not wildcards.network.startswith("random-")
    slow = {"curves": asked and settings["curves"], "pairs": asked and settings["compositions"]}
    return json.dumps(how | slow, sort_keys=True)
