"""Settings that name other settings, held against each other before anything runs.

A schema sees each value by itself. Here are those that must fit another one: a model that is
refined must be one of ``captioner.models``, a layer whose maps are made one of the network that
``grounding.network`` describes. Snakemake's process reads this, with
nothing but Snakemake's own requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seewhy.errors import InputError, none_such
from seewhy.settings import Sources, told

PARTS = ("stem", "block1", "block2", "block3", "block4")
"""Parts of the residual network that is trained here; `HEAD` reads the last."""
HEAD = "fc"
# What Snakemake would fill in, or what no file name has.
_NOT_IN_PATHS = re.compile(r"[{}\x00-\x1f\x7f]")
_PATHS = (
    "corpus.source",
    "backbone.weights",
    "transfer.corpus.source",
    "refinement.corrections",
    "grounding.corpus.source",
    "grounding.network.weights",
    "grounding.untrimmed.corpus.source",
    "grounding.words.corpus.source",
    "dissection.model.weights",
    "dissection.model.classes",
    "dissection.sets.broden",
    "dissection.sets.actions",
    "dissection.annotations",
    "dissection.paths.images",
    "summaries.corpus.source",
    "summaries.network.weights",
    "summaries.model.weights",
    "summaries.model.classes",
)


def check_references(
    settings: Mapping[str, Any], *, where: str = "params.yaml", sources: Sources = ()
) -> list[str]:
    """Hold settings that name each other together.

    Args:
        settings: the whole of params.yaml, which keeps to the schema.
        where: name of the file, for the messages.
        sources: files and options that the settings were merged from, as for `check_settings`.

    Returns:
        Remarks: settings that ask for more than another one has, where all of it will do.

    Raises:
        InputError: a setting names what another one does not have; the line has what there is.
    """

    def said(key: str, fault: str) -> str:
        return told(key, fault, sources, where=where)

    network = settings["summaries"]["network"]
    if network["base"] and not settings["summaries"]["model"]["name"]:
        raise InputError(
            said(
                "summaries.model.name",
                f"null, but summaries.network.base is {network['base']}, which is another "
                f"network; name {network['base']} in both",
            )
        )
    for key, named, there in _names(settings):
        for name in named:
            if name not in there:
                raise InputError(said(key, none_such(name, there)))
    for key, fault in _faulty_paths(settings):
        raise InputError(said(key, fault))
    seeds = settings["captioner"]["seeds"]
    counts = {
        "sweep.seeds": settings["sweep"]["seeds"],
        "refinement.experiment.seeds": settings["refinement"]["experiment"]["seeds"],
    }
    return [
        said(key, f"{count}, and captioner.seeds has {len(seeds)}: only these are used")
        for key, count in counts.items()
        if count > len(seeds)
    ]


def grounding_layers(network: Mapping[str, Any]) -> list[str]:
    """Layers of the CNN that `grounding.network` describes, as :mod:`seewhy.grounding.chain` names
    them: ``conv3_2``, ``conv3`` for the last of its group, ``pool3``, ``fc6``.
    """
    layers = []
    groups = network["groups"]
    for group, channels in enumerate(groups, 1):
        layers += [f"conv{group}_{number}" for number in range(1, len(channels) + 1)]
        layers += [f"conv{group}", f"pool{group}"]
    first = len(groups) + 1
    return layers + [f"fc{first + number}" for number in range(len(network["linear"]))]


def _names(settings: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    """A setting, what it names, and the names that there are."""
    models = list(settings["captioner"]["models"])
    refinement = settings["refinement"]
    yield "refinement.model", [refinement["model"]], models
    yield "refinement.experiment.models", refinement["experiment"]["models"], models
    grounding = settings["grounding"]
    layers = grounding_layers(grounding["network"])
    yield "grounding.layer", [grounding["layer"]], layers
    words = grounding["words"]["layer"]
    yield "grounding.words.layer", [] if words is None else [words], layers
    dissection, summaries = settings["dissection"], settings["summaries"]
    if dissection["model"]["name"] is None:
        yield "dissection.layers", [name.split(".")[0] for name in dissection["layers"]], PARTS
        yield "dissection.paths.linear", [dissection["paths"]["linear"]], [HEAD]
    model = summaries["model"]
    if model["name"] is None and model["weights"] is None:
        yield "summaries.model.layer", [model["layer"].split(".")[0]], PARTS
        yield "summaries.model.linear", [model["linear"]], [HEAD]


def _faulty_paths(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings that name a file or folder which no rule could name, and why."""
    for key in _PATHS:
        value: Any = settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        for path in value if isinstance(value, list) else [value]:
            if path is not None and (not path.strip() or _NOT_IN_PATHS.search(path)):
                what = "holds braces or control characters" if path.strip() else "is empty"
                yield key, f"{path!r} {what}; rename the file or folder"
