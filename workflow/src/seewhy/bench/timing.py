"""Two ways to do the same, timed in turn: on a noisy machine only their ratio means something."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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


def in_turn(
    works: dict[str, Callable[[], Any]], *, repeats: int = 5, warm_up: int = 1
) -> dict[str, dict[str, float]]:
    """Time several ways in turn; the first is the floor.

    What is timed is the processor's time of this process, all its threads together: what others
    do on the machine is not in it. Compute on one thread.

    Returns:
        Of each, `seconds` (median), and, but for the floor, `ratio` to the floor of the same turn
        (median) with its smallest and largest value.
    """
    for _ in range(warm_up):
        for work in works.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    return against_first(seconds)


def against_first(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Of ways that were timed in turn, each against the first one's time of the same turn.

    Args:
        seconds: of each way, one a turn.

    Returns:
        Of each, `seconds` (median), and, but for the first, `ratio` (median) with its smallest and
        largest value.
    """
    floor, *others = seconds
    result = {floor: {"seconds": statistics.median(seconds[floor])}}
    for name in others:
        ratios = [a / b for a, b in zip(seconds[name], seconds[floor], strict=True)]
        result[name] = {
            "seconds": statistics.median(seconds[name]),
            "ratio": statistics.median(ratios),
            "ratio_lowest": min(ratios),
            "ratio_highest": max(ratios),
        }
    return result


def peak_megabytes(work: Callable[[], Any]) -> float | None:
    """By how much the process's memory grows at its peak while `work` runs; None if unknown.

    Linux alone tells it: what was freed is given back and the high-water mark of resident memory is
    set back first.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _memory("VmRSS")
        work()
        return (_memory("VmHWM") - before) / 1024
    except (OSError, AttributeError):
        return None


def _memory(what: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status does not tell {what}")
