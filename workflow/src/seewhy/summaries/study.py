"""All that is known of a classifier and its images, from the files of the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.dissection.networks import Opened
from seewhy.dissection.run import open_model
from seewhy.summaries.distributions import FilterAttributes, load_filter_attributes
from seewhy.summaries.split import Split, open_split
from seewhy.text.attributes import Attributes


@dataclass(frozen=True)
class Study:
    """What tables and figures are made of.

    Attributes:
        corpus: folder in canonical form.
        train, val, test: splits.
        attributes: mined from the captions.
        tables: p(t|f) by preset; the last one names.
        opened: the network.
        layer: of its last maps.
    """

    corpus: Path
    train: Split
    val: Split
    test: Split
    attributes: Attributes
    tables: dict[str, FilterAttributes]
    opened: Opened
    layer: str


def open_study(
    *,
    corpus: str | Path,
    crops: Sequence[str | Path],
    activations: Sequence[str | Path],
    attributes: str | Path,
    filters: Sequence[str | Path],
    weights: str | Path | None,
    model: Mapping[str, Any],
) -> Study:
    """Open everything.

    Args:
        corpus: folder in canonical form.
        crops, activations: files of train, val and test.
        attributes: file of `seewhy.text.attributes`.
        filters: p(t|f), a file a preset.
        weights, model: see `seewhy.dissection.run.open_model`; `model` has `layer` too.

    Raises:
        InputError: files that are not of the same images, network or tagger.
    """
    mined = Attributes.load(attributes)
    train, val, test = (
        open_split(*files, corpus, mined) for files in zip(crops, activations, strict=True)
    )
    tables = {}
    for path in filters:
        table = load_filter_attributes(path, network=train.found.network, tagger=mined.tagger)
        tables[table.preset] = table
    opened = open_model(weights, model)
    return Study(Path(corpus), train, val, test, mined, tables, opened, model["layer"])


def study_of_rule(inputs: Any, model: Mapping[str, Any]) -> Study:
    """The study of a rule, whose inputs are named as `open_study`'s; `corpus` lists its files."""
    return open_study(
        corpus=Path(inputs.corpus[0]).parent,
        crops=list(inputs.crops),
        activations=list(inputs.activations),
        attributes=inputs.attributes,
        filters=list(inputs.filters),
        weights=next(iter(inputs.weights), None),
        model=model,
    )
