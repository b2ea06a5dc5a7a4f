"""Average precision of a unit as a detector of a concept's pixels, without any threshold.

All pixels of the images that speak of the concept's category (have a label of it) are ranked by the
unit's upsampled activation. The area under precision and recall, in the form of the average
precision,

    AP = sum_b precision(b) (recall(b) - recall(b + 1)),

runs over bins of activation from the top: precision(b) is the share of the concept among the pixels
of bin b and of all above it, recall(b) the share of the concept's pixels found there. Pixels of one
bin are tied: they are taken together. With a bin for each distinct value this is the average
precision of scikit-learn, where ties are treated so too. A ranking by chance has the AP of the
concept's share of those pixels (`chance`).

Bins of a unit end at quantiles of its own cells (`Sample`): the share of the cells above an edge
falls by one factor from each edge to the next, from all of them to 1 in 10,000, so that the top,
where precision is decided, is read as finely as the rest. With 128 bins that factor is 1.08, and
as precision mostly falls within a bin, whose lower end counts, the AP comes out a little low: by 8%
of itself if all of a bin's pixels of the concept were its greatest, by 1 to 2% in trials. A pixel
is in bin b where it exceeds, strictly, b of the edges.

As in `seewhy.dissection.counting`, cells whose corners all lie in the lowest bin (the zeros behind
a ReLU) are passed over; in others the bin is found by walking from the neighbouring pixel's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from seewhy.dissection.counting import Listed
from seewhy.dissection.reading import Sums, speaks_of
from seewhy.dissection.upsampling import Axis
from seewhy.errors import InputError

Array = np.ndarray
CELLS = 16384
"""Cells of each unit that edges are drawn from."""
RAREST = 1e-4
"""Share of the cells above the last edge."""


class Sample(Sums):
    """Some cells of each unit, drawn at random, for the edges of its bins.

    Args:
        units: how many.
        images: that will come, in an order drawn at random.
        cells: of a map.
        seed: of the draw.
    """

    def __init__(self, units: int, images: int, cells: int, *, seed: int = 0) -> None:
        images = min(images, CELLS)
        self._each = np.array(min(cells, math.ceil(CELLS / images)))
        self._cells = np.zeros((units, images * int(self._each)), np.float32)
        self._filled, self._seed = np.array(0), np.array(seed)

    def add(self, maps: Array) -> None:
        """More maps, [n, units, h, w]; from each the same number of cells."""
        first, each = int(self._filled), int(self._each)
        maps = maps[: (self._cells.shape[1] - first) // each]
        if not len(maps):
            return
        cells = maps.reshape(*maps.shape[:2], -1)
        random = np.random.default_rng([int(self._seed), first]).random((len(maps), cells.shape[2]))
        drawn = random.argsort(1)[:, None, :each]
        values = np.take_along_axis(cells, drawn, 2).swapaxes(0, 1).reshape(maps.shape[1], -1)
        self._cells[:, first : first + values.shape[1]] = values
        self._filled = np.array(first + values.shape[1])

    def edges(self, bins: int) -> Array:
        """Edges of that many bins, [units, bins - 1] float64, ascending; some may be equal."""
        share = np.geomspace(1, RAREST, bins - 1)
        filled = self._cells[:, : int(self._filled)].astype(np.float64)
        return np.ascontiguousarray(np.quantile(filled, 1 - share, axis=1).T)


class Curves(Sums):
    """Counts from which average precisions follow.

    Args:
        edges: [units, bins - 1], ascending.
        category: [labels] of each label, -1 for label 0.
        categories: how many.
        stride: 1 to read every pixel; k to read every k-th one of every k-th row, k^2 times fewer:
            the AP of that subset, an estimate of the whole's (regions far wider than k pixels are
            read as well).

    Raises:
        InputError: no edges, a stride below 1, or, when adding, 2^31 pixels and more.
    """

    def __init__(self, edges: Array, category: Array, categories: int, *, stride: int = 1) -> None:
        units, count = edges.shape
        if count < 1:
            raise InputError("average precision needs 2 bins or more")
        if stride < 1:
            raise InputError(f"stride {stride!r} must be 1 or more")
        self._edges = np.ascontiguousarray(edges, np.float64)
        self._category = np.asarray(category, np.int64)
        self._stride = np.array(stride)
        # The lowest bin is what the others leave of these two.
        self._truth = np.zeros(len(category), np.int64)
        self._pixels = np.zeros(categories, np.int64)
        self._positive = np.zeros((units, len(category), count + 1), np.int32)
        self._all = np.zeros((units, categories, count + 1), np.int64)

    def add(
        self,
        maps: Array,
        labels: Sequence[Listed],
        axes: Sequence[tuple[Axis, Axis]],
        groups: Sequence[int] = (),
    ) -> None:
        """Some images: maps [n, units, h, w] float32, their labels and axes."""
        stride = int(self._stride)
        for one, listed, (down, across) in zip(maps, labels, axes, strict=True):
            speaks = speaks_of(listed, self._category, len(self._pixels))
            truth, pixels = _truth(
                listed.start, listed.label, len(across.low), stride, len(self._truth)
            )
            truth[listed.whole] += pixels
            self._truth += truth
            self._pixels[speaks] += pixels
            if self._pixels.max() > np.iinfo(np.int32).max:
                raise InputError("more pixels than 32 bits can count; give stride a greater value")
            _bin(
                one, self._edges, listed.start, listed.label, listed.whole, np.flatnonzero(speaks),
                stride, down.high, down.share, down.first, across.high, across.share, across.first,
                self._positive, self._all,
            )  # fmt: skip

    def average_precision(self) -> Array:
        """AP, [units, labels]; NaN where no pixel was read of the label."""
        k = np.maximum(self._category, 0)
        found = np.full(self._positive.shape[:2], np.nan)
        there = (self._truth > 0) & (self._category >= 0)
        for u in range(len(found)):
            positive, every = self._positive[u].astype(np.int64), self._all[u].copy()
            positive[:, 0] = self._truth - positive[:, 1:].sum(1)
            every[:, 0] = self._pixels - every[:, 1:].sum(1)
            above = positive[:, ::-1].cumsum(1)
            pixels = every[:, ::-1].cumsum(1)[k]
            precision = np.divide(above, pixels, out=np.zeros(above.shape), where=pixels > 0)
            gained = (precision * positive[:, ::-1]).sum(1)
            found[u, there] = gained[there] / self._truth[there]
        return found

    def chance(self) -> Array:
        """AP of a ranking by chance, [labels]: the label's share of the pixels; NaN as above."""
        share = np.full(len(self._truth), np.nan)
        there = (self._truth > 0) & (self._category >= 0)
        share[there] = self._truth[there] / self._pixels[self._category[there]]
        return share

    def result(self) -> dict[str, Any]:
        """`average_precision` and its `chance`."""
        return {"average_precision": self.average_precision(), "chance": self.chance()}


@njit(cache=True, nogil=True)
def _truth(start, label, columns, stride, labels):
    truth, pixels = np.zeros(labels, np.int64), 0
    rows = (len(start) - 1) // columns
    for y in range(stride // 2, rows, stride):
        for x in range(stride // 2, columns, stride):
            p = y * columns + x
            pixels += 1
            for i in range(start[p], start[p + 1]):
                truth[label[i]] += 1
    return truth, pixels


@njit(cache=True, nogil=True)
def _bin(
    maps, edges, start, label, whole, spoken, stride,
    down_high, down_share, down_first, across_high, across_share, across_first,
    positive, every,
):  # fmt: skip
    height, width = maps.shape[1], maps.shape[2]
    columns = len(across_high)
    mine = np.empty(edges.shape[1] + 1, np.int64)
    for u in range(maps.shape[0]):
        edge = edges[u]
        mine[:] = 0
        for i in range(height):
            top, end = down_first[i], down_first[i + 1]
            if top == end:
                continue
            below = down_high[top]
            for j in range(width):
                left, right = across_first[j], across_first[j + 1]
                if left == right:
                    continue
                beside = across_high[left]
                a, b = np.float64(maps[u, i, j]), np.float64(maps[u, i, beside])
                c, d = np.float64(maps[u, below, j]), np.float64(maps[u, below, beside])
                most = max(max(a, b), max(c, d))
                if not most > edge[0]:
                    continue
                least = min(min(a, b), min(c, d))
                low, high = np.searchsorted(edge, least), np.searchsorted(edge, most)
                for y in range(top + (stride // 2 - top) % stride, end, stride):
                    t = down_share[y]
                    here = low
                    for x in range(left + (stride // 2 - left) % stride, right, stride):
                        if low < high:
                            s = across_share[x]
                            above = a + s * (b - a)
                            value = above + t * ((c + s * (d - c)) - above)
                            while here < high and value > edge[here]:
                                here += 1
                            while here > low and not value > edge[here - 1]:
                                here -= 1
                        if here == 0:
                            continue
                        mine[here] += 1
                        p = y * columns + x
                        for k in range(start[p], start[p + 1]):
                            positive[u, label[k], here] += 1
        for here in range(1, len(mine)):
            if mine[here]:
                for w in whole:
                    positive[u, w, here] += mine[here]
                for k in spoken:
                    every[u, k, here] += mine[here]
