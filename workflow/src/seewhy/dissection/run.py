"""One dissection of the workflow: which network, which layer, which concept set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seewhy.dissection.concepts import ConceptSet
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.dissection.layers import RANDOM, randomised
from seewhy.dissection.networks import Opened, Scaling, open_network
from seewhy.dissection.sets import (
    ACTION,
    SHUFFLED,
    Combined,
    Concepts,
    Shuffled,
    of_one_size,
)
from seewhy.dissection.tally import tally, write_tally

_CALIBRATED_ON = 256
"""Images that the batch norms of a network with random weights are measured on."""


def open_model(
    weights: str | Path | None, model: Mapping[str, Any], *, classes: str | Path | None = None
) -> Opened:
    """The network that ``dissection.model`` of params.yaml names.

    Args:
        weights: its file.
        model: name, size, mean, std.
        classes: file of the names of its classes.
    """
    scaling = Scaling(model["size"], tuple(model["mean"]), tuple(model["std"]))
    return open_network(weights, name=model["name"], scaling=scaling, classes=classes)


def open_sets(
    folders: Sequence[str | Path], name: str, *, seed: int = 0, side: int | None = None
) -> Concepts:
    """The sets in `folders` as one; with the action names permuted if `name` is `shuffled`.

    Images of different sizes are scaled to one, see `seewhy.dissection.sets.of_one_size`.
    """
    sets = [ConceptSet(folder) for folder in folders]
    concepts: Concepts = sets[0] if len(sets) == 1 else Combined(sets)
    concepts = of_one_size(concepts, side=side)
    return Shuffled(concepts, ACTION, seed=seed) if name == SHUFFLED else concepts


def run_dissection(
    output: str | Path,
    table: str | Path,
    *,
    weights: str | Path | None,
    model: Mapping[str, Any],
    network: str,
    layer: str,
    folders: Sequence[str | Path],
    concepts: str,
    how: How,
    resume: str | Path | None = None,
    workers: int | None = None,
) -> None:
    """Dissect one layer and write the counts and the tally.

    Args:
        output: HDF5, see `seewhy.dissection.dissect.Dissection`.
        table: CSV, see `seewhy.dissection.tally.tally`.
        weights: file of the network.
        model: see :func:`open_model`.
        network: name of the network; with `random-` before it, its weights are random.
        layer: name of a module.
        folders: of the concept sets.
        concepts: name of the set that they make: see `seewhy.dissection.sets.SETS`.
        how: settings.
        resume: folder for unfinished work.
        workers: threads.
    """
    opened = open_model(weights, model)
    images = open_sets(folders, concepts, seed=how.seed, side=getattr(opened.prepare, "size", None))
    net = opened.network
    if network.startswith(RANDOM):
        some = np.random.default_rng(how.seed).permutation(len(images))[:_CALIBRATED_ON]
        given = torch.cat([opened.prepare(images.image(int(i))[None]) for i in some])
        own = re.search(r"\d+$", network)  # another one for each network
        net = randomised(net, given, seed=int(own[0]) if own else 0)
    found = dissect_layer(
        net, layer, images,
        how=how, prepare=opened.prepare, workers=workers, output=output, resume=resume,
    )  # fmt: skip
    write_tally(table, tally(found))
