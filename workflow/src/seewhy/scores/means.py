"""A table of means over the same items, each with its interval, and of their paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, bootstrap_interval, mean_of
from seewhy.scores.columns import interval_columns, verdict


def tabulate_means(
    rows: Mapping[str, np.ndarray],
    differences: Sequence[tuple[str, str]],
    *,
    name: str,
    items: str,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Means of rows, and of the differences of two rows, over items such as images or filters.

    Args:
        rows: values of each row, one an item, NaN where an item has none, ``[items]``.
        differences: (one, two): the mean of one - two over the items that both have.
        name: of the column.
        items: what the items are called, ``images``.
        resamples, confidence, seed: of the bootstrap, which draws items.

    Returns:
        Columns `row`, `items` (how many have a value), `name` with low and high, empty where fewer
        than two have; of a difference, the verdict on the claim that it is above 0.

    Raises:
        InputError: rows of unequal numbers of items.
    """
    sizes = {len(values) for values in rows.values()}
    if len(sizes) > 1:
        raise InputError(f"table: rows of {min(sizes)} and of {max(sizes)} {items}; give the same")
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    table: list[dict[str, Any]] = []
    for row, values in rows.items():
        table.append({"row": row, **_mean(np.asarray(values, float), name, items, draws)[0]})
    for one, two in differences:
        columns, found = _mean(np.subtract(rows[one], rows[two], dtype=float), name, items, draws)
        said = {} if found is None else {f"{name} verdict": verdict(found)}
        table.append({"row": f"{one} minus {two}", **columns, **said})
    return pd.DataFrame(table)


def means_of_rows(values: np.ndarray) -> np.ndarray:
    """Means of rows without their NaN, NaN for rows of nothing else: ``[m]`` of ``[m, k]``."""
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _mean(
    values: np.ndarray, name: str, items: str, draws: Mapping[str, Any]
) -> tuple[dict[str, float], Interval | None]:
    there = values[~np.isnan(values)]
    found = None
    if len(there) > 1:
        found = bootstrap_interval([mean_of(there)], clips=len(there), **draws)["mean"]
    return {items: len(there), **interval_columns(name, found)}, found
