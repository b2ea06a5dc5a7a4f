r"""Jackknife intervals over clips, for figures that a bootstrap draw distorts.

Average precision ranks items, and a draw with replacement holds some of them twice: the copies
stand side by side in the ranking, so that the draws lie above the value and a percentile interval
may not even hold it. The jackknife leaves each clip out once and never repeats one. With
:math:`\hat\theta_{(i)}` the figure without clip i, of n clips,

.. math::
    \widehat{se}^2 = \frac{n - 1}{n} \sum_i (\hat\theta_{(i)} - \bar\theta_{(\cdot)})^2,

and the interval is :math:`\hat\theta \pm t_{n - 1}\,\widehat{se}` (Efron and Tibshirani 1993,
chapter 11; of a mean it is Student's interval). It holds its own value by construction; ends beyond
the range of the figure are cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, Score, compared_rows

_CHUNK = 1 << 22  # multiplicities held at a time


def jackknife_interval(
    scores: Sequence[Score],
    *,
    clips: int,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> dict[str, Interval]:
    """Intervals of figures, averaged over `scores` (such as several random systems).

    Args:
        scores: functions of multiplicities ``[n, clips]``, as the bootstrap takes them.
        clips: their number.
        level: of the intervals.
        bounds: least and greatest value of the figures; (0, 1) for shares.

    Raises:
        InputError: no scores, fewer than two clips, or a level out of range.

    Example::

        jackknife_interval([mean_of(hits)], clips=len(hits), bounds=(0, 1))["mean"]
    """
    if not scores:
        raise InputError("jackknife: there are no scores; give at least one")
    if clips < 2:
        raise InputError(f"jackknife: {clips} clips; an interval needs at least two")
    if not 0 < level < 1:
        raise InputError(f"jackknife: the level {level} must lie between 0 and 1")
    whole = _mean_of(scores, np.ones((1, clips)))
    step = max(1, _CHUNK // clips)
    parts = []
    for start in range(0, clips, step):
        left_out = np.arange(start, min(start + step, clips))
        times = np.ones((len(left_out), clips))
        times[np.arange(len(left_out)), left_out] = 0
        parts.append(_mean_of(scores, times))
    quantile = student.ppf((1 + level) / 2, clips - 1)
    found = {}
    for name, (value,) in whole.items():
        without = np.concatenate([part[name] for part in parts])
        variance = (clips - 1) / clips * ((without - without.mean()) ** 2).sum()
        half = quantile * np.sqrt(variance)
        low, high = np.clip([value - half, value + half], *bounds)
        found[name] = Interval(float(value), float(low), float(high))
    return found


def jackknife_rows(
    scores: Mapping[str, Score],
    compared: Sequence[tuple[str, str]],
    *,
    clips: int,
    level: float = 0.95,
) -> dict[str, dict[str, Interval]]:
    """Intervals of the rows of a table and of differences of rows; see `bootstrap_rows`.

    Returns:
        ``{row: {figure: interval}}``, those of `scores` first.
    """
    return compared_rows(
        scores, compared, lambda score: jackknife_interval([score], clips=clips, level=level)
    )


def _mean_of(scores: Sequence[Score], times: np.ndarray) -> dict[str, np.ndarray]:
    found = [score(times) for score in scores]
    return {name: np.mean([one[name] for one in found], axis=0) for name in found[0]}
