"""Laying out a scene: named stuff, its polygons and colours.

A scene is drawn once a clip on a canvas larger than the frame, as polygons of named stuff, back to
front. Units are pixels of a 64-pixel frame; the frame's own top left corner is (0, 0), and the
canvas reaches `MARGIN_X`, `MARGIN_Y` beyond it on every side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MARGIN_X, MARGIN_Y = 16, 5
LEFT, RIGHT = -MARGIN_X, 64 + MARGIN_X
TOP, BOTTOM = -MARGIN_Y, 64 + MARGIN_Y

Colour = tuple[int, int, int]
Polygon = list[tuple[float, float]]


@dataclass
class Stuff:
    """One region of the surroundings: its name, colour(s), pattern and outline(s)."""

    name: str
    colour: str
    rgb: Colour
    polygons: list[Polygon]
    texture: str = "plain"
    rgb2: Colour | None = None


@dataclass
class Backdrop:
    """A scene laid out.

    Attributes:
        stuff: regions, back to front.
        ground: smallest and largest y of feet.
        waterline: smallest and largest y at which one swims; None without water.
        shore: y where the water ends.
        avoid: colours too near to the surroundings' for an actor to stand out.
    """

    stuff: list[Stuff]
    ground: tuple[float, float]
    waterline: tuple[float, float] | None = None
    shore: float = 0.0
    avoid: list[Colour] = field(default_factory=list)


def band(top: float, bottom: float) -> Polygon:
    """A strip across the whole canvas."""
    return [(LEFT, top), (RIGHT, top), (RIGHT, bottom), (LEFT, bottom)]


def box(x: float, y: float, width: float, height: float) -> Polygon:
    """A rectangle."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def disc(x: float, y: float, rx: float, ry: float, n: int = 16) -> Polygon:
    """An ellipse."""
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(x + rx * np.cos(a), y + ry * np.sin(a)) for a in turn]


def waves(
    rng: np.random.Generator, top: float, bottom: float, count: int, long: float
) -> list[Polygon]:
    """Thin dashes strewn over a band."""
    xs = rng.uniform(LEFT, RIGHT - long, count)
    ys = rng.uniform(top, bottom - 1, count)
    return [
        box(x, y, long * rng.uniform(0.5, 1), 1.0) for x, y in zip(xs, np.round(ys), strict=True)
    ]


def vary(rng: np.random.Generator, rgb: Colour, by: int = 14) -> Colour:
    """A colour a little lighter or darker than `rgb`, of a slightly other hue."""
    shift = rng.integers(-by, by + 1) + rng.integers(-by // 2, by // 2 + 1, 3)
    return tuple(int(v) for v in np.clip(np.array(rgb) + shift, 0, 255))  # type: ignore[return-value]


def pick(rng: np.random.Generator, options: list) -> tuple:
    """One of the (name, colour) `options`, varied."""
    name, rgb = options[rng.integers(len(options))]
    return name, vary(rng, rgb)


def shade(rgb: Colour, by: float) -> Colour:
    """`rgb` times `by`."""
    return tuple(int(np.clip(v * by, 0, 255)) for v in rgb)  # type: ignore[return-value]
