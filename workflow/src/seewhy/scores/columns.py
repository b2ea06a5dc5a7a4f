"""Intervals as columns of a table, and what they say of a claim."""

from __future__ import annotations

from seewhy.scores.bootstrap import Interval


def verdict(found: Interval) -> str:
    """What an interval says of the claim that the difference is above 0."""
    if found.low > 0:
        return "confirmed"
    return "refuted" if found.high < 0 else "undecided"


def interval_columns(name: str, interval: Interval | None) -> dict[str, float]:
    """An interval as columns of a table."""
    if interval is None:
        return {}
    return {name: interval.value, f"{name} low": interval.low, f"{name} high": interval.high}
