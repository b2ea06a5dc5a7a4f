"""What each unit detects, read off the counts: tally.csv, and how many units have a name.

Within each category a unit is named after the label of the greatest IoU; of those, the best over
the categories is the unit's label (as in the reference). The unit is *interpretable*, and its label
one of the *concepts* detected, where that IoU reaches a threshold: 0.04 in Bau et al. 2017 and in
the paper. What the threshold means depends on the concept set: with more concepts, or larger ones,
more units reach it by chance; hence also a threshold calibrated against the null (the IoU that only
5% of the units reach with the labels of other images).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seewhy.csv_files import check_columns, line_of, read_csv
from seewhy.dissection.dissect import Dissection, iou
from seewhy.errors import InputError, none_such
from seewhy.files import whole_file
from seewhy.number_text import numbers_of

Array = np.ndarray
THRESHOLD = 0.04
"""Of Bau et al. 2017 and of the paper."""
FIRST_COLUMNS = ("unit", "category", "label", "score")
_PARTS = ("label", "truth", "activation", "intersect", "iou")
BAR_ORDER = ("object", "scene", "part", "material", "texture", "color")
"""Order of the categories in the reference's bar graph; others follow."""


@dataclass(frozen=True)
class Best:
    """The best label of each unit in each category.

    Attributes:
        label: [units, categories] numbers of labels, 0 where the category has none.
        score: [units, categories] their IoU.
        category: [units] index of the best category.
    """

    label: Array
    score: Array
    category: Array

    def overall(self) -> tuple[Array, Array]:
        """Number and IoU of each unit's label, that of the best category: [units] each."""
        units = np.arange(len(self.category))
        return self.label[units, self.category], self.score[units, self.category]


def best_labels(scores: Array, category: Array, categories: int) -> Best:
    """The label of the greatest IoU in each category, and the best category.

    Args:
        scores: IoU, [units, labels]; of equal ones the first counts.
        category: [labels].
        categories: how many.
    """
    units = len(scores)
    label = np.zeros((units, categories), int)
    score = np.zeros((units, categories))
    for k in range(categories):
        mine = np.flatnonzero(category == k)
        if len(mine):
            label[:, k] = mine[scores[:, mine].argmax(1)]
            score[:, k] = scores[np.arange(units), label[:, k]]
    return Best(label, score, score.argmax(1))


def best_of(found: Dissection, groups: Array | slice = slice(None)) -> Best:
    """:func:`best_labels` over the images of some groups."""
    return best_labels(found.scores(groups), found.category, len(found.categories))


def tally(found: Dissection) -> pd.DataFrame:
    """The table of NetDissect's tally.csv: a row a unit (from 1), the best first.

    Columns: unit, category, label, score, then for each category its best label with `-label`,
    `-truth` (G), `-activation` (A_cat), `-intersect` (I) and `-iou`.
    """
    total = found.counts.total()
    best, units = best_of(found), np.arange(found.units)
    label, score = best.overall()
    columns: dict[str, object] = {
        "unit": units + 1,
        "category": [found.categories[k] for k in best.category],
        "label": [found.names[c] for c in label],
        "score": score,
    }
    for k, name in enumerate(found.categories):
        label = best.label[:, k]
        columns |= {
            f"{name}-label": [found.names[c] for c in label],
            f"{name}-truth": total.truth[label],
            f"{name}-activation": total.fired[:, k],
            f"{name}-intersect": total.both[units, label],
            f"{name}-iou": best.score[:, k],
        }
    table = pd.DataFrame(columns)
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def write_tally(path: str | Path, table: pd.DataFrame | Dissection) -> None:
    """Write a tally, or that of a dissection."""
    table = tally(table) if isinstance(table, Dissection) else table
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False)


def read_tally(path: str | Path) -> pd.DataFrame:
    """Read a tally, ours or the reference's (also its result.csv files).

    Raises:
        InputError: missing, or without the columns unit, category, label, score.
    """
    text = read_csv(path, missing="run the rule dissect_layer")
    check_columns(text, path, FIRST_COLUMNS, only=False)
    score = numbers_of(text["score"])
    if score.isna().any():
        row = int(np.flatnonzero(score.isna())[0])
        raise InputError(
            f"{path}: line {line_of(text, row)}: score {text['score'].fillna('').iloc[row]!r} is "
            "not a number"
        )
    table = pd.read_csv(path, keep_default_na=False)  # with the types of its other columns
    return table.assign(score=score.to_numpy())


@dataclass(frozen=True)
class Named:
    """How many units have a name, and how many names there are."""

    units: int
    concepts: int


def count_named(
    table: pd.DataFrame, threshold: float = THRESHOLD, category: str | None = None
) -> Named:
    """Units whose score is at least `threshold`, and their distinct labels.

    Args:
        table: a tally.
        threshold: least IoU (the reference's report: at least, not above).
        category: count those of one category alone.
    """
    rows = table[table["score"] >= threshold]
    if category is not None:
        rows = rows[rows["category"] == category]
    return Named(len(rows), rows["label"].nunique())


def histogram(table: pd.DataFrame, threshold: float = THRESHOLD) -> pd.DataFrame:
    """The concepts and the number of units of each, as the reference's bar graph orders them.

    Returns:
        Columns category, label, units, score (the greatest): categories in `BAR_ORDER`, within one
        the labels of most units first, of equally many the best score.
    """
    rows = table[table["score"] >= threshold]
    counted = rows.groupby(["category", "label"], as_index=False).agg(
        units=("unit", "size"), score=("score", "max")
    )
    rank = {name: k for k, name in enumerate(BAR_ORDER)}
    counted["order"] = [rank.get(name, len(rank)) for name in counted["category"]]
    counted = counted.sort_values(
        ["order", "category", "units", "score"], ascending=[True, True, False, False]
    )
    return counted.drop(columns="order").reset_index(drop=True)


def ceilings(found: Dissection, fires: Array | float | None = None) -> Array:
    """The greatest IoU that each label can reach, [labels]; 0 for labels that never occur.

    Args:
        found: a dissection, counted as the original does (`netdissect`).
        fires: F, pixels at which a unit fires; [units, 1] gives [units, labels]. None: the median
            over the units. (T_u fixes the share of the cells, not of the pixels between them:
            upsampling levels peaks, so most units fire at fewer than 1 - level of the pixels.)

    The label has G pixels, in images of its category. If F is at most G, all of it can fall on the
    label: F / G. Else what is left over must fall somewhere too: first on images that do not speak
    of the category, where it costs nothing, and what these cannot hold is counted:
    G / A_cat.
    """
    total = found.counts.total()
    truth, pixels = total.truth.astype(float), total.pixels
    fires = np.median(total.fired_all) if fires is None else np.asarray(fires, float)
    elsewhere = (pixels - total.spoken)[np.maximum(found.category, 0)]
    counted = np.maximum(truth, fires - elsewhere)
    least, most = np.minimum(truth, fires), np.maximum(truth, np.minimum(fires, counted))
    occurs = (truth > 0) & (found.category >= 0)
    return np.divide(least, most, out=np.zeros(least.shape), where=occurs & (most > 0))


def calibrated_threshold(
    found: Dissection, *, share: float = 0.05, categories: Sequence[str] | None = None
) -> float:
    """The IoU that only `share` of the units reach with other images' labels.

    Args:
        found: with a null.
        share: of units named by chance.
        categories: that may name units; None: all.

    Raises:
        InputError: no null was counted, or no such category.
    """
    if not len(found.null):
        raise InputError("no null was counted; set dissection.nulls to 1 or more")
    unknown = set(categories or ()) - set(found.categories)
    if unknown:
        raise InputError(f"category {none_such(min(unknown), found.categories)}")
    use = [k for k, name in enumerate(found.categories) if not categories or name in categories]
    return float(np.quantile(found.null[:, :, use].max(2), 1 - share))


def resampled(found: Dissection, resamples: int, seed: int) -> tuple[Array, Array]:
    """Best score and label of each unit when groups of images are drawn with replacement.

    As many as there are with an image in them. The thresholds T_u stay. Of one seed, the draws of
    dissections that have images in the same groups are the same.

    Returns:
        score [resamples, units] and label [resamples, units]; of equal labels the one that
        `best_labels` names. No resamples where fewer than two groups have images: such draws would
        say that nothing varies.
    """
    counts, rng = found.counts, np.random.default_rng(seed)
    drawn = np.flatnonzero(counts.pixels)
    g = len(counts.pixels)
    if len(drawn) < 2:
        resamples = 0
    by_category = np.argsort(found.category, kind="stable")
    score = np.empty((resamples, found.units))
    label = np.empty((resamples, found.units), int)
    flat = counts.both.reshape(g, -1).astype(np.float64)
    for r in range(resamples):
        times = np.bincount(rng.choice(drawn, len(drawn)), minlength=g).astype(np.float64)
        both = (times @ flat).reshape(counts.both.shape[1:])
        truth = times @ counts.truth
        fired = np.tensordot(times, counts.fired, 1)
        scores = iou(both, truth, fired, found.category)
        label[r] = by_category[scores[:, by_category].argmax(1)]
        score[r] = scores.max(1)
    return score, label
