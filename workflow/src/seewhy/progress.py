"""Progress bars, the same everywhere: quick on a terminal, one line a while in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T] | None = None,
    *,
    what: str,
    total: int | None = None,
    unit: str = "clip",
    initial: int = 0,
) -> tqdm:
    """Wrap `items` in a progress bar on standard error.

    Args:
        items: what is worked through; None for a bar that is moved by ``bar.update``.
        what: a few words shown before the bar.
        total: number of items, where `items` has no length.
        unit: what one item is called.
        initial: items already done by an earlier, interrupted run.
    """
    return tqdm(
        items,
        desc=what,
        total=total,
        unit=f" {unit}",
        initial=initial,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,
    )
