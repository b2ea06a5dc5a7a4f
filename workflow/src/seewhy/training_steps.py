"""How long a training is where the corpus is small.

Schedules that count epochs (when to stop, when to lower the rate) were made for thousands of clips,
a hundred steps an epoch. On a few dozen clips an epoch is a step or five, so that eight of them end
before anything is learnt, and a rate that is halved each epoch is gone at once. What counts as an
epoch there is several passes over the clips, with a least number of steps.
"""

from __future__ import annotations

import math


def passes_an_epoch(items: int, batch: int, least_steps: int) -> int:
    """Passes over the items that make up one epoch of at least so many steps.

    Args:
        items: that are learnt from.
        batch: items a step; the last one of a pass may have fewer.
        least_steps: of an epoch. Where one pass has them, it is an epoch, as usual.

    Example::

        passes_an_epoch(1800, 16, 50)  # 1: a pass has 113 steps
        passes_an_epoch(70, 16, 50)    # 10: of 5 steps each
    """
    return max(1, math.ceil(least_steps / max(1, math.ceil(items / batch))))
