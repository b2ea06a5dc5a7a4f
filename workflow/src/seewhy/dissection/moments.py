"""Correlation of a unit's upsampled map with a concept, without upsampling any map.

Upsampling is linear: a map of cells m (h x w) becomes P m Q' at the pixels (P, Q: the axes'
matrices). Sums over the pixels are then sums over the cells,

    sum_p a_p         = sum(m * (P' 1)(Q' 1)')
    sum_p a_p [c at p] = sum(m * (P' M_c Q))          M_c: the mask of c
    sum_p a_p^2       = sum(m * (P' P m Q' Q)),

and Pearson's r between activation and mask follows, over all pixels of the images that speak of
the concept's category (have a label of it), as IoU counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from seewhy.dissection.counting import Listed
from seewhy.dissection.reading import Sums, speaks_of
from seewhy.dissection.upsampling import Axis

Array = np.ndarray


class Moments(Sums):
    """Sums from which correlations follow.

    Args:
        units: how many.
        category: [labels] of each label, -1 for label 0.
        categories: how many.
    """

    def __init__(self, units: int, category: Array, categories: int) -> None:
        self._category = np.asarray(category)
        self._n = np.zeros(categories)
        self._a = np.zeros((units, categories))
        self._aa = np.zeros((units, categories))
        self._m = np.zeros(len(category))
        self._am = np.zeros((units, len(category)))

    def add(
        self,
        maps: Array,
        labels: Sequence[Listed],
        axes: Sequence[tuple[Axis, Axis]],
        groups: Sequence[int] = (),
    ) -> None:
        """Some images: maps [n, units, h, w], their labels and axes."""
        for one, listed, (down, across) in zip(maps, labels, axes, strict=True):
            p, q = down.matrix, across.matrix
            units, h, w = one.shape
            cells = one.reshape(units, h * w).astype(np.float64)
            weight = np.outer(p.sum(0), q.sum(0)).ravel()
            squares = (cells.reshape(-1, w) @ (q.T @ q)).reshape(units, h, w)
            squares = (p.T @ p) @ squares
            present = np.flatnonzero(listed.truth)
            speaks = speaks_of(listed, self._category, len(self._n))
            self._n[speaks] += len(p) * len(q)
            self._a[:, speaks] += (cells @ weight)[:, None]
            self._aa[:, speaks] += (cells * squares.reshape(units, h * w)).sum(1)[:, None]
            self._m[present] += listed.truth[present]
            masks = _across(listed.start, listed.label, present, across.low, across.high,
                            across.share, w)  # fmt: skip
            pooled = (p.T @ masks).reshape(len(present), h * w)
            pooled[np.searchsorted(present, listed.whole)] += weight
            self._am[:, present] += cells @ pooled.T

    def correlation(self) -> Array:
        """[units, labels] Pearson's r; NaN where the unit or the concept never varies."""
        k = np.maximum(self._category, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = self._n[k]
            a, aa, m = self._a[:, k] / n, self._aa[:, k] / n, self._m / n
            # A constant unit's variance is what rounding leaves of aa - a^2.
            varies = (aa - a**2 > 1e-12 * aa) & (m < 1)
            spread = np.sqrt((aa - a**2) * (m - m**2))
            r = np.where(varies, (self._am / n - a * m) / spread, np.nan)
        r[:, self._category < 0] = np.nan
        return r

    def result(self) -> dict[str, Any]:
        """`correlation`."""
        return {"correlation": self.correlation()}


@njit(cache=True, nogil=True)
def _across(start, label, present, low, high, share, cells):
    """M_c Q of the labels `present`, [present, m, cells]."""
    columns = len(low)
    masks = np.zeros((len(present), (len(start) - 1) // columns, cells))
    row = np.zeros(present.max() + 1 if len(present) else 0, np.int64)
    row[present] = np.arange(len(present))
    for y in range(masks.shape[1]):
        for x in range(columns):
            p = y * columns + x
            for k in range(start[p], start[p + 1]):
                mask = masks[row[label[k]], y]
                mask[low[x]] += 1 - share[x]
                mask[high[x]] += share[x]
    return masks
