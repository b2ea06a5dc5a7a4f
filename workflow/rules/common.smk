"""What all rules share: checked settings, and how a rule names its settings and its code.

Nothing here runs a computation. Imports stay light: this file is read at every start.
"""

import json
import os
import sys

from snakemake.exceptions import WorkflowError

# Snakemake hands the parse-time path on to every script, on a cluster and under conda too.
sys.path.insert(0, os.path.join(workflow.basedir, "workflow", "src"))

from seewhy.corpora.sources import SOURCES, source_files
from seewhy.errors import InputError
from seewhy.imports import package_digest
from seewhy.settings import check_settings

try:
    check_settings(
        config,
        os.path.join(workflow.basedir, "workflow", "schemas", "params.schema.yaml"),
        where="params.yaml",
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

SPLITS = ["train", "val", "test"]
WEIGHTS = {
    "slim_inception": "leave it null for the network that is trained here",
    "googlenet": "get torchvision's googlenet-1378be20.pth (its model page names the address), put it "
    "anywhere and name it there",
}


wildcard_constraints:
    split="|".join(SPLITS),
    seed=r"\d+",
    model=r"[A-Za-z][A-Za-z0-9.-]*",


def section(name):
    """A section of params.yaml as the value of a rule's param; sorted, so that order is nothing."""
    return json.dumps(config[name], sort_keys=True)


def code(script):
    """Digest of the package files that a script depends on, as a param of its rule.

    An edit of the package then reruns what it can have changed. Their time stamps mean nothing,
    so a fresh clone reruns nothing.
    """
    return json.dumps(package_digest(os.path.join(workflow.basedir, "workflow", "scripts", script)))


def corpus_source(wildcards):
    """What must be there of the data set before it can be imported."""
    source = config["corpus"]["source"]
    if config["corpus"]["name"] == "puppets":
        return [f"{source}/{table}" for table in SOURCES["puppets"].needed]
    try:
        return source_files(config["corpus"]["name"], source)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def corpus_videos(wildcards):
    """The folder of the videos, so that a change of it is seen; where it is absent, nothing."""
    about = SOURCES[config["corpus"]["name"]]
    folder = os.path.normpath(os.path.join(config["corpus"]["source"], about.videos))
    made_here = folder == "data/puppets/trimmed/videos"
    return [folder] if made_here or os.path.isdir(folder) else []


def backbone_weights(wildcards):
    """The weights that are given, or those that are trained here."""
    name, given = config["backbone"]["name"], config["backbone"]["weights"]
    if name == "slim_inception" and given is None:
        return "models/backbone/slim_inception.safetensors"
    if given is None or not os.path.isfile(given):
        raise WorkflowError(
            f"params.yaml: backbone.weights: {f'no file {given}' if given else 'name the file'}; "
            f"{WEIGHTS[name]}"
        )
    return given


def captioner_settings(wildcards):
    """Settings of one model: the section captioner, with what the model changes."""
    settings = {
        key: value for key, value in config["captioner"].items() if key not in ("seeds", "models")
    }
    if wildcards.set == "sweep":
        settings["lambda"] = float(wildcards.model.removeprefix("lambda-"))
    else:
        settings |= config["captioner"]["models"][wildcards.model]
    return json.dumps(settings, sort_keys=True)
