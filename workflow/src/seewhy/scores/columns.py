"""Intervals as columns of a table, and what they say of a claim."""

from __future__ import annotations

from seewhy.scores.bootstrap import Interval


def verdict(found: Interval, *, baseline: Interval | None = None, chance: float = 0.0) -> str:
    """What an interval says of the claim that the difference is above 0.

    Args:
        found: of the difference; NaN where there is none.
        baseline: of what is taken off, on a scale on which guesses reach `chance`.
        chance: that level.

    Returns:
        ``confirmed``, ``refuted`` or ``undecided``; with ``, baseline below chance`` where the
        whole interval of the baseline is: to beat it says little.
    """
    said = "undecided"
    if found.low > 0:
        said = "confirmed"
    elif found.high < 0:
        said = "refuted"
    below = baseline is not None and baseline.high < chance
    return f"{said}, baseline below chance" if below else said


def interval_columns(name: str, interval: Interval | None) -> dict[str, float]:
    """An interval as columns of a table."""
    if interval is None:
        return {}
    return {name: interval.value, f"{name} low": interval.low, f"{name} high": interval.high}
