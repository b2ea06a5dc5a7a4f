r"""Whether what a summary names is why the network decided: exact counterfactuals on the aviary.

    write_faithfulness({"faithfulness": "faithfulness.csv", "ablation": ..., "naming": ...},
                       train=train, test=test, tables=tables, network=network, world="aviary",
                       seed=1, layer="block4", prepare=Scaling(),
                       draws={"resamples": 200, "confidence": 0.95, "seed": 0})

The margin of the class c that the network says is :math:`y_c - \max_{o \ne c} y_o`. Of a bird with
a yellow crown an attribute "yellow crown" is worth

.. math:: \text{margin}(x) - \operatorname{mean}_{v \ne \text{yellow}}
    \text{margin}(x \text{ drawn again with crown } v)

(`seewhy.summaries.counterfactuals`): what the network loses without it. An attribute that the bird
has not is false: nothing can be changed, and it is counted. Beside it stands the usual test,
filters silenced (`seewhy.summaries.silencing`): that one asks whether filters matter, this one
whether what is seen does. The third table asks what single filters detect
(`seewhy.summaries.causes`).

By default 200 birds: 6,200 drawings and as many images through the network, 5 ms for both: half a
minute on one core.

Letters and shapes: b birds, v pairs of slot and value, n filters, l attributes, o classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.scores.means import means_of_rows, tabulate_means
from seewhy.summaries.causes import BAR, causal_pairs, score_naming
from seewhy.summaries.counterfactuals import (
    Counterfactuals,
    attribute_slots,
    draw_counterfactuals,
    sample_right,
)
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.silencing import FILTERS, margins, tabulate_ablation
from seewhy.summaries.split import Split
from seewhy.summaries.tables import TOP, image_probabilities, write_tables

Array = np.ndarray

BIRDS = 200
"""Test images."""
NO_SLOT, UNSAID = -1, -2
"""Among pairs that are named: an attribute that no slot shows, and none at all."""


def margin_lost(
    found: Counterfactuals,
    weight: Array,
    bias: Array,
    decided: Array,
    *,
    values: int | None = None,
    seed: int = 0,
) -> Array:
    """What each bird's own value of a slot is worth to the class that the network says.

    Args:
        found: birds with every value of every slot.
        weight, bias: of the last layer, ``[o, n]`` and ``[o]``.
        decided: class of each bird, ``[b]``.
        values: other values of a slot that are averaged over, drawn at random; None: all.
        seed: of that draw.

    Returns:
        ``[b, v]``, NaN where the bird has another value.

    Raises:
        InputError: `values` below 1.
    """
    if values is not None and values < 1:
        raise InputError(f"values is {values}; a slot must change to at least 1 other")
    margin = margins(found.phi @ weight.T + bias, decided)  # [b, v]
    order = np.random.default_rng(seed).random(margin.shape)
    order[found.own] = 2  # after all others
    lost = np.full(margin.shape, np.nan)
    for slot in range(len(found.slots)):
        columns = np.flatnonzero(found.slot_of == slot)
        others = np.argsort(order[:, columns], axis=1)[:, : len(columns) - 1][:, :values]
        without = np.take_along_axis(margin[:, columns], others, axis=1).mean(axis=1)
        lost[:, columns] = margin[:, columns] - without[:, None]
    return np.where(found.own, lost, np.nan)


def named_attributes(scores: Array, *, top: int = TOP) -> Array:
    """What a system names of each bird, best first; -1 where a score of 0 says nothing.

    Args:
        scores: p(t|x, c), ``[b, l]``.
        top: attributes.

    Returns:
        Places of attributes, ``[b, top]``.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return np.where(np.take_along_axis(scores, best, axis=1) > 0, best, -1)


def named_pairs(named: Array, places: Array) -> Array:
    """Attributes ``[b, top]`` as places of the pairs that they name, `NO_SLOT` or `UNSAID`.

    Args:
        named: of `named_attributes`.
        places: of the pair that each attribute names, -1 for none, ``[l]``.
    """
    return np.where(named >= 0, places[named], UNSAID)


def tabulate_faithfulness(
    named: Mapping[str, Array],
    bounds: Mapping[str, Array],
    lost: Array,
    nameable: Array,
    *,
    presets: Sequence[str],
    top: int = TOP,
    **draws: Any,
) -> pd.DataFrame:
    """The margin lost per named attribute, and how many are true.

    Args:
        named: pairs that presets and baselines name, ``[b, top]`` (`named_pairs`).
        bounds: pairs that the world's species are known by, in the same form.
        lost: of `margin_lost`, ``[b, v]``.
        nameable: pairs that some attribute names, bool ``[v]``.
        presets: those of `named` that are methods.
        top: the bound "best 5" takes that many.
        draws: resamples, confidence, seed.

    Returns:
        Columns `row`, `kind`, `images` (with a true attribute named), "margin lost": the mean over
        images of the mean over true named attributes, with low, high and, of differences (over
        images that have both), the verdict; `named` (attributes an image), and of those the shares
        `true` (with low and high), `false` and "no slot" (what no slot shows, such as size).
    """
    there = np.where(nameable, lost, np.nan)  # [b, v]
    values = {row: means_of_rows(_taken(lost, pairs)) for row, pairs in {**named, **bounds}.items()}
    values["random true"] = means_of_rows(there)
    values[f"best {top}"] = means_of_rows(-np.sort(-there, axis=1)[:, :top])  # NaN is sorted last
    against = ["random true", *(row for row in named if row not in presets)]
    differences = [(one, two) for one in presets for two in against]
    differences += [(row, "random true") for row in named if row not in presets]
    differences += [(presets[-1], other) for other in presets[:-1]]
    table = tabulate_means(values, differences, name="margin lost", items="images", **draws)
    table.insert(1, "kind", "paired difference")
    rows = table.index[: len(values)]
    table.loc[rows, "kind"] = [
        "method" if row in presets else "bound" if row in bounds or row.startswith("best") else
        "baseline"
        for row in values
    ]  # fmt: skip
    shares = {}
    for row, pairs in {**named, **bounds}.items():
        said, placed = pairs != UNSAID, pairs >= 0
        true = ~np.isnan(_taken(lost, pairs))
        count = said.sum(axis=1)
        of_said = {"true": true, "false": placed & ~true, "no slot": pairs == NO_SLOT}
        with np.errstate(invalid="ignore"):
            shares[row] = {kind: of.sum(axis=1) / count for kind, of in of_said.items()}
        shares[row]["named"] = count
    true = tabulate_means(
        {row: share["true"] for row, share in shares.items()},
        [], name="true", items="images", **draws,
    ).drop(columns="images")  # fmt: skip
    for kind in ("named", "false", "no slot"):
        true[kind] = [np.nanmean(share[kind]) for share in shares.values()]
    return table.merge(true, on="row", how="left")


def species_pairs(found: Counterfactuals, birds: pd.DataFrame, species: pd.DataFrame) -> dict:
    """Pairs that a bird's species is known by: its mark, and what tells it from its siblings.

    Args:
        found: its pairs.
        birds: rows of `birds.csv` of the birds, b.
        species: `species.csv`.

    Returns:
        Of "mark" and "marks of the family" the places of pairs, ``[b, 1]`` and ``[b, k]``.
    """
    of = species.set_index("species")
    family = species.groupby("family")["mark"].agg(list)
    own = [[of["mark"][name]] for name in birds["species"]]
    all_marks = [family[of["family"][name]] for name in birds["species"]]
    return {
        row: np.stack([
            found.places([(mark, of[mark][name]) for mark in marks])
            for name, marks in zip(birds["species"], of_birds, strict=True)
        ])
        for row, of_birds in (("mark", own), ("marks of the family", all_marks))
    }  # fmt: skip


def write_faithfulness(
    outputs: Mapping[str, str | Path],
    *,
    train: Split,
    test: Split,
    tables: Mapping[str, FilterAttributes],
    network: nn.Module,
    world: str | Path,
    seed: int,
    layer: str,
    prepare: Callable[[Array], Tensor],
    drawn: int = 96,
    birds: int = BIRDS,
    values: int | None = None,
    filters: int = FILTERS,
    bar: float = BAR,
    draws: Mapping[str, Any],
) -> None:
    """The three tables, as CSV with four significant digits.

    Args:
        outputs: paths of `faithfulness`, `ablation` and `naming`.
        train, test: splits of the aviary.
        tables: p(t|f) by preset; the last is held against the others.
        network: that of the splits' activations.
        world: folder that `render_aviary` wrote.
        seed: of the world.
        layer: last layer of maps.
        prepare: makes crops the network's input.
        drawn: side of the world's images, pixels.
        birds: test images that the network gets right, drawn at random.
        values: other values of a slot that the margin lost is averaged over; None: all.
        filters: silenced for an attribute; at most a quarter of the network's, so that as
            many drawn at random can be others.
        bar: standard deviations that a filter's cause must raise it by.
        draws: resamples, confidence, seed.

    Raises:
        InputError: a network or a world that is not the splits'.
    """
    read = {
        name: pd.read_csv(Path(world) / f"{name}.csv", keep_default_na=False)
        for name in ("birds", "species", "slots")
    }
    rows = sample_right(test, read["birds"], birds, seed=draws["seed"])
    found = draw_counterfactuals(
        network, test, rows, read["birds"], read["slots"],
        seed=seed, layer=layer, prepare=prepare, drawn=drawn,
    )  # fmt: skip
    weight, bias = test.found.weight, test.found.bias
    decided = test.found.decided[rows]
    pairs = attribute_slots(next(iter(tables.values())).names, read["slots"])
    places = found.places(pairs)
    nameable = np.isin(np.arange(len(found.pairs)), places)
    profile, frequency = train.profile, train.frequency
    scores = {preset: image_probabilities(test, table)[rows] for preset, table in tables.items()}
    scores["class profile"] = profile[decided]
    scores["most frequent"] = np.tile(frequency, (len(rows), 1))
    named = {row: named_attributes(of_row) for row, of_row in scores.items()}
    mine = read["birds"].set_index("image").loc[[test.names[row] for row in rows]]
    even = np.arange(len(rows)) % 2 == 0
    made = {
        "faithfulness": tabulate_faithfulness(
            {row: named_pairs(of_row, places) for row, of_row in named.items()},
            species_pairs(found, mine, read["species"]),
            margin_lost(found, weight, bias, decided, values=values, seed=draws["seed"]),
            nameable, presets=list(tables), **draws,
        ),
        "ablation": tabulate_ablation(
            tables, named, places, found.own, found.as_they_are, weight, bias, decided,
            filters=min(filters, max(1, weight.shape[1] // 4)), **draws,
        ),
        "naming": score_naming(
            tables, causal_pairs(found, bar=bar), pairs,
            halves=[causal_pairs(found.of(half), bar=bar) for half in (even, ~even)], **draws,
        ),
    }  # fmt: skip
    write_tables(outputs, made)


def _taken(lost: Array, pairs: Array) -> Array:
    """The margin lost by pairs ``[b, t]``, NaN where there is none or the bird has another."""
    return np.where(pairs >= 0, np.take_along_axis(lost, np.maximum(pairs, 0), axis=1), np.nan)
