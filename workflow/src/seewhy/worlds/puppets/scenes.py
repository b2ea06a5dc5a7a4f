"""The nine scenes (and two rare ones) by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seewhy.worlds.puppets import indoors, outdoors
from seewhy.worlds.puppets.layout import Backdrop

_SCENES: dict[str, Callable[[np.random.Generator], Backdrop]] = {
    "field": outdoors.field,
    "road": outdoors.road,
    "stage": indoors.stage,
    "kitchen": indoors.kitchen,
    "water": outdoors.water,
    "snow": outdoors.snow,
    "beach": outdoors.beach,
    "room": indoors.room,
    "forest": outdoors.forest,
    "city": outdoors.city,
    "desert": outdoors.desert,
}


def build_scene(name: str, seed: int) -> Backdrop:
    """Lay out the scene `name`; the same seed gives the same layout and colours."""
    return _SCENES[name](np.random.default_rng(seed))
