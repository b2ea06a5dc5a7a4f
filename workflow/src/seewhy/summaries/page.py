"""A printed page that grows downwards: texts wrapped by their measured widths, pictures, bars.

    page = Page("Why these classes")
    page.y = page.write(MARGIN, page.y, "It has a red bill.", wide=3.0)
    page.picture(MARGIN, page.y, 0.8, image)
    page.save("page.png")

All places are inches from the page's upper left corner, so how tall a page is need not be known
before all stands on it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Rectangle

from seewhy.figures import COLOURS, bare, figure
from seewhy.saliency_figures import DPI, WIDTH, overlay

Array = np.ndarray
SMALL, TINY = 7, 6  # points
MARGIN, GAP = 0.08, 0.05  # inches: of the page, between pictures
GREY = "0.35"
HAS, LACKS = COLOURS[2], "0.7"
_PITCH = 1.28 / 72  # inches from line to line, a point of size
_ELLIPSIS = "…"


class Page:
    """What stands on a page, and `y`, where it goes on.

    Args:
        title: above all.
        note: below the title: how it is to be read.
    """

    def __init__(self, title: str, note: str = "") -> None:
        self.y = self._lowest = MARGIN
        self._drawn: list[Callable[[Figure, float], None]] = []
        wide = WIDTH - 2 * MARGIN
        self.y = self.write(MARGIN, self.y, title, wide=wide, size=9, weight="bold")
        if note:
            self.y = self.write(MARGIN, self.y + 0.02, note, wide=wide, color=GREY)
        self.y += 0.08

    def write(
        self,
        x: float,
        y: float,
        text: str,
        *,
        wide: float,
        size: float = SMALL,
        lines: int = 99,
        align: str = "left",
        weight: str = "normal",
        **look: str,
    ) -> float:
        """Write a text, wrapped to a width.

        Args:
            x, y: its upper left corner.
            text: what.
            wide: where it is wrapped, inches.
            size: points.
            lines: at most; what is left out leaves an ellipsis.
            align: within `wide`: left, center or right.
            weight: normal or bold.
            look: of matplotlib's texts.

        Returns:
            Where it ends below.
        """
        at = x + {"left": 0.0, "center": wide / 2, "right": wide}[align]
        for line in wrapped(text, wide, size, weight, lines):
            self._drawn.append(_text(at, y, line, align, size=size, weight=weight, **look))
            y += size * _PITCH
        return self._reached(y)

    def picture(
        self,
        x: float,
        y: float,
        side: float,
        image: Array,
        marks: Array | None = None,
        peak: Array | None = None,
    ) -> None:
        """Draw a square image.

        Args:
            x, y: its upper left corner.
            side: inches.
            image: ``[s, s, 3]`` uint8.
            marks: x, y of rings, in pixels of the image, ``[p, 2]``.
            peak: x, y of a cross, ``[2]``.
        """

        def draw(drawn: Figure, tall: float) -> None:
            axes = drawn.add_axes((x / WIDTH, 1 - (y + side) / tall, side / WIDTH, side / tall))
            axes.imshow(image, interpolation="bicubic", aspect="auto")
            bare(axes)

        self._drawn.append(draw)
        self._reached(y + side)
        scale = side / image.shape[1]
        for px, py in [] if marks is None else np.asarray(marks, float) * scale:
            self._drawn += [_ring(x + px, y + py, c, w) for c, w in (("white", 2.2), ("black", 1))]
        if peak is not None:
            px, py = np.asarray(peak, float) * scale
            self._drawn += [_cross(x + px, y + py, c, w) for c, w in (("white", 2.4), ("black", 1))]

    def pictures(
        self, x: float, y: float, side: float, images: Array, *, columns: int, gap: float = 0.03
    ) -> float:
        """Draw images in lines, or say that there is none; returns where they end below."""
        for k, image in enumerate(images):
            self.picture(
                x + k % columns * (side + gap), y + k // columns * (side + gap), side, image
            )
        if not len(images):
            wide = columns * (side + gap)
            return self.write(x, y, "no image", wide=wide, color=GREY, style="italic")
        return y + -(-len(images) // columns) * (side + gap)

    def box(self, x: float, y: float, wide: float, tall: float, **look: object) -> None:
        """Draw a rectangle, its upper left corner at x, y; a negative width goes to the left."""

        def draw(drawn: Figure, height: float) -> None:
            patch = Rectangle(
                (x, height - y - tall), wide, tall, transform=drawn.dpi_scale_trans, lw=0,
            )  # fmt: skip
            patch.set(**look)
            drawn.add_artist(patch)

        self._drawn.append(draw)
        self._reached(y + tall)

    def line(self, x0: float, y0: float, x1: float, y1: float, **look: object) -> None:
        """Draw a line between two places."""

        def draw(drawn: Figure, height: float) -> None:
            where = {"transform": drawn.dpi_scale_trans, "color": "0.8", "lw": 0.6}
            drawn.add_artist(Line2D([x0, x1], [height - y0, height - y1], **where | look))

        self._drawn.append(draw)

    def scale(self, x: float, y: float, full: float) -> float:
        """Say what the colours of heat maps are: a bar from nothing to `full`.

        Returns:
            Where it ends below.
        """
        low = "heat in a cell: 0"
        high = f"{full:.2g} of the sum of its map, or more; one scale for all maps"
        grey = np.full((1, 64, 3), 150, np.uint8)
        ramp = overlay(grey, np.linspace(0, 1, 64)[None], full=1)
        wide = text_width(low, SMALL)
        self.write(x, y, low, wide=wide + 0.05)
        x += wide + 0.06

        def draw(drawn: Figure, tall: float) -> None:
            axes = drawn.add_axes((x / WIDTH, 1 - (y + 0.1) / tall, 0.8 / WIDTH, 0.08 / tall))
            axes.imshow(ramp, aspect="auto")
            bare(axes)

        self._drawn.append(draw)
        return self.write(x + 0.86, y, high, wide=WIDTH - MARGIN - x - 0.86)

    def _reached(self, y: float) -> float:
        self._lowest = max(self._lowest, y)
        return y

    def save(self, output: str | Path) -> None:
        """Write the PNG, as wide as a printed page."""
        tall = self._lowest + MARGIN
        with figure(output, width=WIDTH, height=tall, dpi=DPI) as drawn:
            drawn.set_layout_engine("none")  # all is placed in inches
            for draw in self._drawn:
                draw(drawn, tall)


def draw_none(output: str | Path, title: str, text: str) -> None:
    """Say on a page why there is nothing to show."""
    page = Page(title)
    page.y = page.write(MARGIN, page.y, text, wide=WIDTH - 2 * MARGIN, size=8, style="italic")
    page.save(output)


def wrapped(
    text: str, wide: float, size: float = SMALL, weight: str = "normal", lines: int = 99
) -> list[str]:
    """A text in lines that fit, broken between words, or within one that alone is too long.

    Args:
        text: what.
        wide: inches.
        size: points.
        weight: normal or bold.
        lines: at most; what is left out leaves an ellipsis.
    """

    def fits(part: str) -> bool:
        return text_width(part, size, weight) <= wide

    found, line = [], ""
    for word in text.split():
        if line and fits(f"{line} {word}"):
            line = f"{line} {word}"
            continue
        if line:
            found.append(line)
        while not fits(word) and len(word) > 1:
            cut = next((k for k in range(len(word) - 1, 0, -1) if fits(word[:k])), 1)
            found.append(word[:cut])
            word = word[cut:]
        line = word
    found = [*found, line] if line else found
    if len(found) > lines:
        last = found[lines - 1]
        while last and not fits(last + _ELLIPSIS):
            last = last[:-1].rstrip()
        found = [*found[: lines - 1], last + _ELLIPSIS]
    return found


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """How wide a text is, inches."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return _renderer().get_text_width_height_descent(text, font, ismath=False)[0] / DPI


@lru_cache(maxsize=1)
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DPI)


def _text(x: float, y: float, text: str, align: str, **look: object) -> Callable:
    def draw(drawn: Figure, tall: float) -> None:
        drawn.text(
            x / WIDTH, 1 - y / tall, text, va="top", ha=align, parse_math=False,
            family="DejaVu Sans", **look,
        )  # fmt: skip

    return draw


def _ring(x: float, y: float, colour: str, width: float) -> Callable:
    def draw(drawn: Figure, tall: float) -> None:
        drawn.add_artist(
            Ellipse(
                (x, tall - y), 0.11, 0.11, transform=drawn.dpi_scale_trans, fill=False,
                edgecolor=colour, lw=width, zorder=5,
            )
        )  # fmt: skip

    return draw


def _cross(x: float, y: float, colour: str, width: float) -> Callable:
    def draw(drawn: Figure, tall: float) -> None:
        for a, b in ((-1, 1), (1, -1)):
            drawn.add_artist(
                Line2D(
                    [x - 0.035, x + 0.035], [tall - y + a * 0.035, tall - y + b * 0.035],
                    transform=drawn.dpi_scale_trans, color=colour, lw=width, zorder=6,
                    solid_capstyle="round",
                )
            )  # fmt: skip

    return draw
