"""Two ways to do the same, timed in turn: on a noisy machine only their ratio means something."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def compare(
    ours: Callable[[], Any], floor: Callable[[], Any], *, repeats: int = 7, warm_up: int = 1
) -> dict[str, float]:
    """Time `ours` and `floor` in turn.

    Returns:
        Medians in seconds of both, and `ratio`, the median over turns of ours / floor, with its
        smallest and largest value.
    """
    for _ in range(warm_up):
        ours()
        floor()
    turns = []
    for _ in range(repeats):
        seconds = []
        for work in (ours, floor):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        turns.append(seconds)
    ratios = [ours_s / floor_s for ours_s, floor_s in turns]
    return {
        "ours_seconds": statistics.median(turn[0] for turn in turns),
        "floor_seconds": statistics.median(turn[1] for turn in turns),
        "ratio": statistics.median(ratios),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
        "repeats": repeats,
    }
