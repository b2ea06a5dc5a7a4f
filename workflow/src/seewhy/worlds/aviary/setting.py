"""What is around a bird: a blurred background, what it sits on, and what hides a part of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from seewhy.worlds.aviary.bird import Array, Outlines, band, smooth, turned

# Colour above, colour below, roughness.
GROUNDS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], float]] = {
    "sky": ((150, 190, 228), (196, 214, 230), 12),
    "foliage": ((98, 132, 78), (70, 100, 60), 34),
    "field": ((166, 190, 150), (112, 140, 72), 22),
    "sand": ((196, 206, 210), (206, 184, 142), 12),
    "water": ((150, 172, 186), (94, 128, 150), 16),
    "snow": ((186, 196, 208), (222, 226, 232), 8),
    "rock": ((168, 170, 172), (122, 114, 108), 24),
    "wood": ((128, 112, 92), (92, 76, 60), 26),
}
_LEAVES = ((86, 128, 52), (120, 148, 62), (70, 104, 66), (150, 140, 70))
_BARKS = ((104, 82, 62), (126, 108, 88), (84, 74, 66))
OCCLUDED = 0.38
"""Share of birds with a leaf or a twig before them."""
LEAF = smooth([(-1.0, 0.0), (-0.4, -0.34), (0.3, -0.32), (1.0, 0.0), (0.3, 0.32), (-0.4, 0.34)])


@dataclass
class Setting:
    """The surroundings of one bird.

    Attributes:
        ground: kind of background.
        background: [s, s, 3] float32.
        behind, before: polygons and what they are (`branch`, `leaf`), in pixels.
        colours: of branches and leaves.
    """

    ground: str
    background: Array
    behind: list[tuple[str, Array]]
    before: list[tuple[str, Array]]
    colours: dict[str, tuple[int, int, int]]


def build_setting(rng: np.random.Generator, pose: str, bird: Outlines, size: int) -> Setting:
    """Draw the surroundings of a bird.

    Args:
        rng: of the setting.
        pose: a perching or clinging bird gets a branch, one on its feet the ground.
        bird: its outlines, of which only what depends on no slot is used.
        size: side of the image, pixels.
    """
    names = list(GROUNDS)
    if pose in ("standing", "feeding"):
        names = ["field", "sand", "water", "snow", "rock", "wood"]
    ground = names[int(rng.integers(len(names)))]
    edge = bird.feet[1] - 0.1 * bird.scale if pose in ("standing", "feeding") else None
    background = _background(rng, ground, edge, size)
    colours = {
        "branch": _BARKS[int(rng.integers(len(_BARKS)))],
        "leaf": _LEAVES[int(rng.integers(len(_LEAVES)))],
    }
    behind: list[tuple[str, Array]] = []
    slope, thickness = rng.uniform(-0.25, 0.25), rng.uniform(0.07, 0.14) * bird.scale
    if pose == "perching":
        ends = np.array([-0.1 * size, 1.1 * size])
        rise = (ends - bird.feet[0]) * slope + bird.feet[1] + 0.3 * thickness
        ends = np.stack([ends, rise], 1)
        behind.append(("branch", band(ends[0], ends[1], thickness * 1.3, thickness * 0.8)))
        fork = bird.feet + [rng.uniform(-0.5, 0.5) * size, 0]
        fork[1] = (fork[0] - bird.feet[0]) * slope + bird.feet[1]
        twig = fork + turned(np.array([0.5 * size, 0.0]), rng.uniform(-2.2, -0.9))
        behind.append(("branch", band(fork, twig, thickness * 0.5, thickness * 0.3)))
        behind += [("leaf", _leaf(rng, bird.scale * 0.2, twig)) for _ in range(2)]
    elif pose == "clinging":
        reach = turned(np.array([1.5 * size, 0.0]), bird.hold)
        width = thickness * rng.uniform(1.0, 2.2)
        middle = bird.feet + turned(np.array([0.0, 0.3 * width]), bird.hold)
        behind.append(("branch", band(middle - reach, middle + reach, width, width)))
    before: list[tuple[str, Array]] = []
    hidden, which, count = rng.random(3)
    low, high = bird.all
    if hidden < OCCLUDED and which < 0.7:
        for _ in range(1 + int(count * 3)):
            place = low + (high - low) * rng.uniform(0.08, 0.92, 2)
            before.append(("leaf", _leaf(rng, bird.scale * rng.uniform(0.16, 0.27), place)))
    elif hidden < OCCLUDED:
        place = low + (high - low) * rng.uniform(0.2, 0.8, 2)
        reach = turned(np.array([size * 0.9, 0.0]), rng.uniform(0, np.pi))
        width = bird.scale * rng.uniform(0.06, 0.1)
        before.append(("branch", band(place - reach, place + reach, width, width)))
    return Setting(ground, background, behind, before, colours)


def _leaf(rng: np.random.Generator, length: float, place: Array) -> Array:
    return turned(LEAF * length, rng.uniform(0, np.pi)) + place


def _background(rng: np.random.Generator, ground: str, edge: float | None, size: int) -> Array:
    above, below, rough = GROUNDS[ground]
    horizon = rng.uniform(0.3, 1.2) * size if edge is None else edge
    softness = (0.25 if edge is None else 0.03) * size
    share = 1 / (1 + np.exp(-(np.arange(size) - horizon) / softness))
    column = np.array(above)[None] * (1 - share[:, None]) + np.array(below)[None] * share[:, None]
    cells = int(rng.integers(4, 11))
    blobs = rng.normal(0, 1, (cells, cells)).astype(np.float32) * rough
    hue = rng.normal(0, 1, (3, 3)).astype(np.float32) * rough * 0.35
    light = rng.uniform(0.86, 1.1)
    background = column[:, None].astype(np.float32) * light + _enlarged(blobs, size)[..., None]
    background[..., 0] += _enlarged(hue, size)
    return np.clip(background, 0, 255)


def _enlarged(values: Array, size: int) -> Array:
    """A small field [n, m], smoothly enlarged to [size, size]."""
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BICUBIC))
