"""The usual test of filters: what the margin loses when some are silenced, with its controls.

Above global average pooling there is one linear layer, so silencing filter k takes its part
``w_ok phi_k`` out of every logit: exact, and without the network.

If a filter stands for what an attribute names, silencing the filters of attributes that the image
lacks should cost nothing. Often it costs as much: filters that a summary names from weigh much in
the class anyway. Hence the counterfactuals of `seewhy.summaries.faithfulness`.

Letters and shapes: b birds, v pairs of slot and value, n filters, l attributes, o classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.means import means_of_rows, tabulate_means
from seewhy.summaries.distributions import FilterAttributes

Array = np.ndarray

FILTERS, RANDOM_SETS = 10, 100
"""Filters silenced for an attribute; random sets of as many."""


def margins(logits: Array, decided: Array) -> Array:
    """Class minus best other, ``[b, ...]`` of ``[b, ..., o]`` and classes ``[b]``."""
    shape = (-1,) + (1,) * (logits.ndim - 1)
    c = np.broadcast_to(np.reshape(decided, shape), (*logits.shape[:-1], 1))
    others = logits.copy()
    np.put_along_axis(others, c, -np.inf, axis=-1)
    return np.take_along_axis(logits, c, axis=-1)[..., 0] - others.max(axis=-1)


def silenced_margin_lost(
    phi: Array, weight: Array, bias: Array, decided: int, sets: Array
) -> Array:
    """Margin lost in an image by silencing filters.

    Args:
        phi: ``[n]``.
        weight, bias: ``[o, n]`` and ``[o]``.
        decided: its class.
        sets: filters set to 0 together, ``[q, k]``.

    Returns:
        ``[q]``.
    """
    parts = weight * phi  # [o, n]
    logits = parts.sum(axis=1) + bias
    left = logits - parts[:, sets].sum(axis=2).T  # [q, o]
    both = margins(np.vstack([logits, left]), np.full(1 + len(sets), decided))
    return both[0] - both[1:]


def tabulate_ablation(
    tables: Mapping[str, FilterAttributes],
    named: Mapping[str, Array],
    places: Array,
    own: Array,
    phi: Array,
    weight: Array,
    bias: Array,
    decided: Array,
    *,
    filters: int = FILTERS,
    **draws: Any,
) -> pd.DataFrame:
    """The margin lost by silencing the filters that stand most for an attribute.

    Args:
        tables: p(t|f) by preset.
        named: attributes that each preset names, -1 for none, ``[b, top]``.
        places: of the pair that each attribute names, -1 for none, ``[l]``.
        own: pairs that each bird has, bool ``[b, v]``.
        phi: of the birds as they are, ``[b, n]``.
        weight, bias: ``[o, n]`` and ``[o]``.
        decided: ``[b]``.
        filters: silenced together.
        draws: resamples, confidence, seed; the seed also draws random sets of filters.

    Returns:
        Columns `row`, `kind`, `images`, "margin lost" with low, high and, of differences, the
        verdict. Rows of each preset: the attributes that it names and the image has; controls:
        those that it names and the image lacks, any that the image has, any that it lacks, and
        random filters.

    Raises:
        InputError: more filters than there are.
    """
    n = phi.shape[1]
    if not 1 <= filters <= n:
        raise InputError(f"filters is {filters} of {n}; give 1 to {n}")
    rng = np.random.default_rng(draws.get("seed", 0))
    some = np.stack([rng.permutation(n)[:filters] for _ in range(RANDOM_SETS)])
    values: dict[str, Array] = {}
    kinds: list[str] = []
    differences: list[tuple[str, str]] = []
    shown = np.flatnonzero(places >= 0)  # attributes of a slot
    true = own[:, places[shown]]  # [b, shown]
    for preset, table in tables.items():
        sets = np.argsort(-table.distributions()[:, shown], axis=0, kind="stable")[:filters].T
        lost = _each_lost(phi, weight, bias, decided, sets)
        said = (named[preset][:, :, None] == shown).any(axis=1)  # [b, shown]
        rows = {
            preset: said & true,
            f"{preset}: named, not there": said & ~true,
            f"{preset}: there": true,
            f"{preset}: not there": ~true,
        }
        values |= {row: means_of_rows(np.where(mask, lost, np.nan)) for row, mask in rows.items()}
        kinds += ["method"] + ["control"] * 3
        differences += [(preset, row) for row in list(rows)[1:]] + [(preset, "random filters")]
    values["random filters"] = _each_lost(phi, weight, bias, decided, some).mean(axis=1)
    table = tabulate_means(values, differences, name="margin lost", items="images", **draws)
    kinds += ["control"] + ["paired difference"] * len(differences)
    table.insert(1, "kind", kinds)
    return table


def _each_lost(phi: Array, weight: Array, bias: Array, decided: Array, sets: Array) -> Array:
    """`silenced_margin_lost` of each bird, ``[b, q]``."""
    return np.stack(
        [
            silenced_margin_lost(one, weight, bias, c, sets)
            for one, c in zip(phi, decided, strict=True)
        ]
    )
