"""Readings of the second pass: sums over the images, from which a figure follows at the end.

`seewhy.dissection.moments`, `.curves` and `.compositions` are such. Each sees every image once and
keeps nothing of it, so neither maps nor masks are ever stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import torch

from seewhy.dissection.counting import Listed
from seewhy.dissection.upsampling import Axis

Array = np.ndarray


class Reading(Protocol):
    """What the second pass asks of a reading."""

    def add(
        self,
        maps: Array,
        labels: Sequence[Listed],
        axes: Sequence[tuple[Axis, Axis]],
        groups: Sequence[int],
    ) -> None:
        """Some images: maps [n, units, h, w] float32, their labels, axes and groups."""
        ...

    def result(self) -> dict[str, Any]:
        """The figures, by the names that `seewhy.dissection.dissect.Dissection` gives them."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        ...

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Go on from :meth:`state_dict`."""
        ...


class Sums:
    """A reading whose attributes are arrays, all of them: how it is saved and taken up."""

    def state_dict(self) -> dict[str, Any]:
        """The sums so far."""
        return {name: torch.from_numpy(np.asarray(value)) for name, value in vars(self).items()}

    @classmethod
    def of(cls, state: dict[str, Any]) -> Self:
        """Go on from :meth:`state_dict`."""
        made = cls.__new__(cls)
        vars(made).update({name: value.numpy() for name, value in state.items()})
        return made


def speaks_of(listed: Listed, category: Array, categories: int) -> Array:
    """Whether an image speaks of each category, has a label of it: [categories] bool."""
    present = category[np.flatnonzero(listed.truth)]
    speaks = np.zeros(categories, bool)
    speaks[present[present >= 0]] = True
    return speaks
