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
            cells = one.reshape(len(one), -1).astype(np.float64)
            weight = np.outer(p.sum(0), q.sum(0)).ravel()
            squares = ((p.T @ p) @ one.astype(np.float64) @ (q.T @ q)).reshape(len(one), -1)
            a, aa = cells @ weight, (cells * squares).sum(1)
            present = np.flatnonzero(listed.truth)
            speaks = speaks_of(listed, self._category, len(self._n))
            self._n[speaks] += len(listed.start) - 1
            self._a[:, speaks] += a[:, None]
            self._aa[:, speaks] += aa[:, None]
            self._m[present] += listed.truth[present]
            masks = np.zeros((len(present), len(listed.start) - 1))
            pixel = np.repeat(np.arange(masks.shape[1]), np.diff(listed.start))
            row = np.searchsorted(present, listed.label)
            masks[row, pixel] = 1
            masks[np.searchsorted(present, listed.whole)] = 1
            pooled = p.T @ masks.reshape(len(present), len(p), len(q)) @ q
            self._am[:, present] += cells @ pooled.reshape(len(present), -1).T

    def correlation(self) -> Array:
        """[units, labels] Pearson's r; NaN where the unit or the concept never varies."""
        k = np.maximum(self._category, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = self._n[k]
            a, aa, m = self._a[:, k] / n, self._aa[:, k] / n, self._m / n
            spread = np.sqrt(np.maximum(aa - a**2, 0)) * np.sqrt(np.maximum(m - m**2, 0))
            tiny = spread <= 1e-12 * np.maximum(np.sqrt(aa), 1e-300)
            r = np.where(tiny, np.nan, (self._am / n - a * m) / spread)
        r[:, self._category < 0] = np.nan
        return r

    def result(self) -> dict[str, Any]:
        """`correlation`."""
        return {"correlation": self.correlation()}
