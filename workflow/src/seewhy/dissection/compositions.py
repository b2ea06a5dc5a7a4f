"""Logical formulas of two concepts that a unit detects better than any one concept.

For labels a, b the formulas `a and b`, `a or b`, `a and not b` (`OPERATORS`) are masks as labels
are, and a unit's IoU with them is

    IoU(u, f) = I_f / (A + G_f - I_f),

    I_and = I[a, b]                  G_and = G[a, b]
    I_or  = I[a] + I[b] - I[a, b]    G_or  = G[a] + G[b] - G[a, b]
    I_not = I[a] - I[a, b]           G_not = G[a] - G[a, b]

with I[u, a, b] and G[a, b] the pixels that have both labels (I: and at which the unit fires), and
A, I[a], I[b], G[a], G[b] all counted over the images that speak of both labels' categories (have a
label of each): sums kept for each pair of categories. Nothing else is needed, so no mask is stored
(Mu and Andreas keep all of them in memory and search formulas beam by beam): all pairs of labels
are tried, and each IoU is that of the literal pixels. A formula that at every pixel is one of its
own parts, or is nowhere, is none.

Of many formulas the best looks better than it is on the images that it was chosen on, and there are
more formulas than labels. So pixels are counted in two halves, images of even and of odd group
numbers; the best label and the best formula are chosen on one half and told by their IoU on the
other, both ways. The same search over the labels of other images of the same half says what a
formula gains where nothing is detected.

Reference: Mu, J., Andreas, J. Compositional explanations of neurons. NeurIPS 2020.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from seewhy.dissection.counting import Listed, list_labels
from seewhy.dissection.reading import Sums, speaks_of
from seewhy.dissection.sets import Concepts
from seewhy.dissection.upsampling import Axis
from seewhy.progress import progress

Array = np.ndarray
OPERATORS = ("and", "or", "and not")
HALVES = 2
_ROUNDS = 2  # the images' own labels, and those of others
_LOOK = 1000  # images whose labels are looked at to find the most frequent ones

log = logging.getLogger(__name__)


@dataclass
class Compositions:
    """The best label and the best formula of each unit.

    The first axis of all is the round: 0 the images' own labels, 1 those of other images. The
    second is the half that they were chosen on: images of even groups, of odd ones.

    Attributes:
        label: [2, 2, units] number of the best label, 0: none.
        operator: [2, 2, units] index into `OPERATORS`, -1: there is no formula of an IoU above 0.
        first, second: [2, 2, units] a and b of the formula.
        part: [2, 2, units] the better one of a and b over the images that the formula is counted
            in, on the half that chose.
        label_iou, formula_iou, part_iou: [2, 2, 2, units], third axis: on the half that chose, on
            the other one (0 where what was chosen does not occur); NaN where a half has no images.
        searched: [m] numbers of the labels that were tried.
    """

    label: Array
    operator: Array
    first: Array
    second: Array
    part: Array
    label_iou: Array
    formula_iou: Array
    part_iou: Array
    searched: Array


class Pairs(Sums):
    """Counts from which the IoU of all formulas follow.

    Args:
        thresholds: T_u, [units]; NaN never fires.
        category: [labels] of each label, -1 for label 0.
        categories: how many.
        labels: numbers of the labels to try; None: all. Memory is 16 bytes a unit and pair.
    """

    def __init__(
        self,
        thresholds: Array,
        category: Array,
        categories: int,
        *,
        labels: Sequence[int] | Array | None = None,
    ) -> None:
        self._thresholds = np.ascontiguousarray(thresholds, np.float64)
        self._category = np.asarray(category, np.int64)
        every = np.flatnonzero(self._category >= 0)
        self._labels = every if labels is None else np.intersect1d(labels, every)
        self._place = np.full(len(category), -1, np.int32)
        self._place[self._labels] = np.arange(len(self._labels))
        shape, units = (_ROUNDS, HALVES), len(thresholds)
        n, k = len(self._labels), categories
        # pair: pixels of labels a, b; single: of a, in images that speak of a category; fired: in
        # images that speak of two categories. The same where a unit fires, and anywhere (truth).
        self._pair = np.zeros((*shape, units, n, n), np.int32)
        self._single = np.zeros((*shape, units, n, k), np.int32)
        self._fired = np.zeros((*shape, units, k, k), np.int32)
        self._pair_truth = np.zeros((*shape, n, n), np.int64)
        self._single_truth = np.zeros((*shape, n, k), np.int64)
        self._spoken = np.zeros((*shape, k, k), np.int64)

    def add(
        self,
        maps: Array,
        labels: Sequence[Listed],
        axes: Sequence[tuple[Axis, Axis]],
        groups: Sequence[int],
    ) -> None:
        """Some images: maps [n, units, h, w] float32, their labels, axes and groups.

        In the second round an image meets the labels of the next one of its half among these that
        is of another group and as large.
        """
        kept = [self._only_kept(one) for one in labels]
        size = [(len(down.low), len(across.low)) for down, across in axes]
        for i in range(len(maps)):
            self._one(0, groups[i] % HALVES, maps[i], kept[i], axes[i])
        for half in range(HALVES):
            mine = [i for i in range(len(maps)) if groups[i] % HALVES == half]
            for i, j in zip(mine, mine[1:] + mine[:1], strict=True):
                if groups[i] != groups[j] and size[i] == size[j]:
                    self._one(1, half, maps[i], kept[j], axes[i])

    def _only_kept(self, listed: Listed) -> tuple[Array, Array, Array, Array]:
        """Start, label and whole as in `Listed`, of the labels that are tried, and what it speaks
        of.
        """
        label, whole = self._place[listed.label], self._place[listed.whole]
        start = np.concatenate([[0], np.cumsum(label >= 0)]).astype(np.int32)[listed.start]
        speaks = speaks_of(listed, self._category, self._spoken.shape[-1])
        return start, label[label >= 0], whole[whole >= 0], speaks

    def _one(
        self,
        around: int,
        half: int,
        maps: Array,
        kept: tuple[Array, Array, Array, Array],
        axes: tuple[Axis, Axis],
    ) -> None:
        down, across = axes
        at = around, half
        _count_pairs(
            maps, self._thresholds, *kept,
            down.high, down.share, down.first, across.high, across.share, across.first,
            self._pair[at], self._single[at], self._fired[at],
            self._pair_truth[at], self._single_truth[at], self._spoken[at],
        )  # fmt: skip

    def scores(self, around: int, half: int, unit: int) -> tuple[Array, Array, Array]:
        """IoU of one unit, on one half in one round; places are those among the labels tried.

        Returns:
            [m] of each label; [operators, m, m] of each formula, -1 where it is none; [m, m] of
            the label a alone, over the images that speak of the category of b too.
        """
        at, k = (around, half), self._category[self._labels]
        pair, truth = self._pair[at][unit].astype(np.int64), self._pair_truth[at]
        one, one_truth = self._single[at][unit][:, k].astype(np.int64), self._single_truth[at][:, k]
        fired = self._fired[at][unit].astype(np.int64)[k][:, k]
        both = np.stack([pair, one + one.T - pair, one - pair])
        there = np.stack([truth, one_truth + one_truth.T - truth, one_truth - truth])
        formulas = _ratio(both, fired + there - both)
        least = np.minimum(one_truth, one_truth.T)
        upper = np.triu(np.ones(pair.shape, bool), 1)
        formulas[0][~(upper & (truth > 0) & (truth < least))] = -1
        formulas[1][~(upper & (truth < least))] = -1
        formulas[2][~((truth > 0) & (truth < one_truth))] = -1
        alone = _ratio(one, fired + one_truth - one)
        return alone.diagonal(), formulas, alone

    def search(self) -> Compositions:
        """The best label and formula of each unit, see `Compositions`; the first of equal ones."""
        units = len(self._thresholds)
        number = {
            name: np.zeros((_ROUNDS, HALVES, units), np.int64)
            for name in ("label", "operator", "first", "second", "part")
        }
        number["operator"][:] = -1
        score = {
            name: np.zeros((_ROUNDS, HALVES, 2, units))
            for name in ("label_iou", "formula_iou", "part_iou")
        }
        m = len(self._labels)
        for around in range(_ROUNDS):
            for u in range(units if m else 0):
                halves = [self.scores(around, half, u) for half in range(HALVES)]
                for chosen in range(HALVES):
                    at, where = (around, chosen, u), (around, chosen, slice(None), u)
                    mine, other = halves[chosen], halves[1 - chosen]
                    best = int(mine[0].argmax())
                    if mine[0][best] > 0:
                        number["label"][at] = self._labels[best]
                        score["label_iou"][where] = mine[0][best], other[0][best]
                    o, a, b = np.unravel_index(mine[1].argmax(), mine[1].shape)
                    if mine[1][o, a, b] <= 0:
                        continue
                    p, q = (a, b) if mine[2][a, b] >= mine[2][b, a] else (b, a)
                    number["operator"][at] = o
                    for name, place in zip(("first", "second", "part"), (a, b, p), strict=True):
                        number[name][at] = self._labels[place]
                    score["formula_iou"][where] = (
                        mine[1][o, a, b], max(other[1][o, a, b], 0)
                    )  # fmt: skip
                    score["part_iou"][where] = mine[2][p, q], other[2][p, q]
            empty = ~self._spoken[around].any((1, 2))
            if empty.any():
                log.warning(
                    "formulas of two, labels of %s: no image of %s group numbers; nothing is told "
                    "held out",
                    ("the images", "other images")[around],
                    " or ".join(np.array(["even", "odd"])[empty]),
                )
                for values in score.values():
                    values[around] = np.nan
        return Compositions(**number, **score, searched=self._labels)

    def result(self) -> dict[str, Any]:
        """`compositions`."""
        return {"compositions": self.search()}


def labels_within(
    concepts: Concepts, units: int, most_bytes: int, *, seed: int = 0
) -> Array | None:
    """Labels whose pairs fit into so much memory: all, or the ones that cover the most.

    Coverage is that of 1,000 images drawn at random.

    Returns:
        Their numbers; None for all.
    """
    every = np.flatnonzero(np.asarray(concepts.category) >= 0)
    most = math.isqrt(most_bytes // (units * _ROUNDS * HALVES * np.dtype(np.int32).itemsize))
    if len(every) <= most:
        return None
    drawn = np.random.default_rng(seed).permutation(len(concepts))[:_LOOK]
    covered = np.zeros(len(concepts.names))
    for i in progress(drawn, what="looking for frequent labels", unit="image"):
        listed = list_labels(concepts.labels(int(i)), len(covered))
        covered += listed.truth / (len(listed.start) - 1)
    kept = every[np.argsort(-covered[every], kind="stable")[:most]]
    log.info(
        "formulas of two: pairs of all %d labels would take more than %d bytes; the %d that cover "
        "the most are tried", len(every), most_bytes, len(kept),
    )  # fmt: skip
    return np.sort(kept)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)


@njit(cache=True, nogil=True)
def _count_pairs(
    maps, thresholds, start, label, whole, speaks,
    down_high, down_share, down_first, across_high, across_share, across_first,
    pair, single, fired, pair_truth, single_truth, spoken,
):  # fmt: skip
    mine = np.zeros(pair.shape[1], np.int64)
    at = np.arange(len(start) - 1)
    _note(at, start, label, whole, speaks, mine, pair_truth, single_truth, spoken)
    for u in range(maps.shape[0]):
        n = _fires(
            maps[u], thresholds[u],
            down_high, down_share, down_first, across_high, across_share, across_first, at,
        )  # fmt: skip
        if n:
            _note(at[:n], start, label, whole, speaks, mine, pair[u], single[u], fired[u])


@njit(cache=True, nogil=True)
def _fires(
    cells, threshold,
    down_high, down_share, down_first, across_high, across_share, across_first, at,
):  # fmt: skip
    """Write the pixels at which a unit fires to `at`, as `seewhy.dissection.counting` finds them;
    their number.
    """
    columns, n = len(across_high), 0
    for i in range(cells.shape[0]):
        top, end = down_first[i], down_first[i + 1]
        if top == end:
            continue
        below = down_high[top]
        for j in range(cells.shape[1]):
            left, right = across_first[j], across_first[j + 1]
            if left == right:
                continue
            beside = across_high[left]
            a, b = np.float64(cells[i, j]), np.float64(cells[i, beside])
            c, d = np.float64(cells[below, j]), np.float64(cells[below, beside])
            most = max(max(a, b), max(c, d))
            if not most > threshold:
                continue
            least = min(min(a, b), min(c, d))
            for y in range(top, end):
                t = down_share[y]
                for x in range(left, right):
                    s = across_share[x]
                    above = a + s * (b - a)
                    value = above + t * ((c + s * (d - c)) - above)
                    if min(max(value, least), most) > threshold:
                        at[n] = y * columns + x
                        n += 1
    return n


@njit(cache=True, nogil=True)
def _note(at, start, label, whole, speaks, mine, pair, single, fired):
    """Add the pixels `at` to the sums; `mine` is zeros, and left so."""
    for p in at:
        for i in range(start[p], start[p + 1]):
            a = label[i]
            mine[a] += 1
            for j in range(start[p], start[p + 1]):
                pair[a, label[j]] += 1
    for w in whole:
        for a in range(len(mine)):
            if mine[a]:
                pair[w, a] += mine[a]
                pair[a, w] += mine[a]
        for v in whole:
            pair[w, v] += len(at)
    for w in whole:
        mine[w] = len(at)
    for a in range(len(mine)):
        if mine[a]:
            for k in range(len(speaks)):
                if speaks[k]:
                    single[a, k] += mine[a]
            mine[a] = 0
    for k in range(len(speaks)):
        for j in range(len(speaks)):
            if speaks[k] and speaks[j]:
                fired[k, j] += len(at)
