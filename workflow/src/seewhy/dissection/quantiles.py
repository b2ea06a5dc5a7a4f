"""Exact quantiles of numbers that pass by once: the greatest ones of each unit are kept.

T_u is the quantile `level` of all values of unit u over the data set (Bau et al. 2017: the top
0.005, level 0.995): with the n values in order, the value at (n - 1) * level, linear between its
neighbours: numpy's default. Only the n - floor((n - 1) * level) greatest can be asked for, so a
unit needs memory for 0.5% of its values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seewhy.errors import InputError


class Quantile:
    """The quantile of each unit.

    Args:
        units: how many.
        values: n, values of each unit that will come.
        level: between 0 and 1.

    Raises:
        InputError: a level out of range, or no values.
    """

    def __init__(self, units: int, values: int, level: float) -> None:
        if not 0 <= level <= 1:
            raise InputError(f"level {level!r} must lie between 0 and 1")
        if values < 1:
            raise InputError("a quantile of no values; the concept set has no images")
        self._place = (values - 1) * level
        self._kept = values - math.floor(self._place)
        self._values, self._seen = values, 0
        self._greatest = torch.empty(units, 0)

    @property
    def bytes(self) -> int:
        """Memory that the kept values take at the end."""
        return 4 * self._kept * len(self._greatest)

    def add(self, values: Tensor) -> None:
        """More values, [units, m] float32; NaN counts as the greatest there is."""
        self._seen += values.shape[1]
        if self._greatest.shape[1] == self._kept:
            least = self._greatest[:, -1:]
            some = (~(values <= least)).any(0)  # columns that change nothing are most of them
            values = values[:, some]
        both = torch.cat([self._greatest, values.to(self._greatest)], 1)
        keep = min(self._kept, both.shape[1])
        self._greatest = both.topk(keep, 1, sorted=True).values

    def result(self) -> Tensor:
        """The quantile of each unit, [units] float64.

        Raises:
            InputError: other than the announced number of values came.
        """
        if self._seen != self._values:
            raise InputError(f"{self._seen} values came, {self._values} were announced")
        upper = self._kept - 1  # the value at floor(place) is the least of those kept
        low = self._greatest[:, upper].double()
        high = self._greatest[:, max(upper - 1, 0)].double()
        share = self._place - math.floor(self._place)
        return low + share * (high - low)
