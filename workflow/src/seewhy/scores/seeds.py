"""What another training seed would give: the mean over seeds with Student's interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student


class OverSeeds(NamedTuple):
    """A figure over training seeds; all but the mean are None for a single seed."""

    mean: float
    low: float | None = None
    high: float | None = None
    sd: float | None = None

    def columns(self, name: str) -> dict[str, float]:
        """The figure as columns of a table, without those that are None."""
        columns = {
            name: self.mean,
            f"{name} low": self.low,
            f"{name} high": self.high,
            f"{name} seed sd": self.sd,
        }
        return {column: value for column, value in columns.items() if value is not None}


SHARE = (0.0, 1.0)
DIFFERENCE_OF_SHARES = (-1.0, 1.0)


def over_seeds(
    values: Sequence[float],
    confidence: float,
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> OverSeeds:
    """Mean, ends of Student's interval of the mean, and standard deviation.

    Args:
        values: one for each seed (for a difference: paired, seed by seed).
        confidence: coverage of the interval.
        bounds: least and greatest value that the figure can have; the interval is cut there.
    """
    by_seed = np.asarray(values, float)
    mean = float(by_seed.mean())
    if len(by_seed) < 2:
        return OverSeeds(mean)
    sd = float(by_seed.std(ddof=1))
    half = float(student.ppf((1 + confidence) / 2, len(by_seed) - 1)) * sd / len(by_seed) ** 0.5
    low, high = np.clip([mean - half, mean + half], *bounds)
    return OverSeeds(mean, float(low), float(high), sd)
