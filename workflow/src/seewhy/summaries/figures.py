"""Figures of explanations: for images (3), of one class against another (1), of filters (5).

    draw_explanations("explanations.png", [Explained(image, "tern", "gull", heats, sentences), ...])

Each takes what it shows as plain arrays and texts; `seewhy.summaries.drawing` gathers them. A list
without anything is said in words. The figures about attributes in images are those of
`seewhy.summaries.image_figures`.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seewhy.saliency_figures import NEGATIVE, POSITIVE, WIDTH, full_colour, overlay
from seewhy.summaries.contrast import Contrast
from seewhy.summaries.page import GAP, GREY, MARGIN, SMALL, TINY, Page, draw_none, text_width

Array = np.ndarray
HEATS = 3
"""Attributes whose heat maps stand beside an explained image."""
WIDE = WIDTH - 2 * MARGIN
_BETWEEN = 0.2  # inches between columns
_BAR = 0.155  # inches from bar to bar


class Heat(NamedTuple):
    """Where an attribute is: its name, a word about it, and its map of eq. 9, ``[h, w]``."""

    name: str
    note: str
    heat: Array


class Explained(NamedTuple):
    """An image of Figure 3.

    Attributes:
        image: ``[s, s, 3]`` uint8.
        given: its class.
        said: the network's.
        heats: of the strongest attributes.
        sentences: by preset.
    """

    image: Array
    given: str
    said: str
    heats: Sequence[Heat]
    sentences: Mapping[str, str]


class Contrasted(NamedTuple):
    """An image of Figure 1.

    Attributes:
        image: ``[s, s, 3]`` uint8.
        given: its class.
        said: the network's.
        contrast: of two classes.
        class_images: exemplars of the class, ``[k, s, s, 3]``.
        other_images: of the other.
    """

    image: Array
    given: str
    said: str
    contrast: Contrast
    class_images: Array
    other_images: Array


class Filter(NamedTuple):
    """A filter of Figure 5.

    Attributes:
        number: which.
        tables: attributes and p(t|f) by preset, the highest first.
        images: that activate it the most, the strongest first, ``[k, s, s, 3]``.
    """

    number: int
    tables: Mapping[str, Sequence[tuple[str, float]]]
    images: Array


# --- Figure 3 -------------------------------------------------------------------------------------


def draw_explanations(output: str | Path, rows: Sequence[Explained]) -> None:
    """Draw images, where their attributes are, and each preset's sentences (Figure 3).

    Args:
        output: PNG.
        rows: the images, two beside each other.
    """
    title = "Why the network took each image for its class"
    if not rows:
        return draw_none(output, title, "There is no image to explain.")
    page = Page(
        title,
        "Left the image, then where the attributes that weigh most are (eq. 9), and how often "
        "filters dealt anew give any attribute as much (p). Below, each preset's sentence.",
    )
    maps = [heat.heat for row in rows for heat in row.heats[:HEATS]]
    full = full_colour(maps) if maps else 1.0
    if maps:
        page.y = page.scale(MARGIN, page.y, full) + 0.08
    wide = (WIDE - _BETWEEN) / 2
    for first in range(0, len(rows), 2):
        pair = rows[first : first + 2]
        lefts = [MARGIN, MARGIN + wide + _BETWEEN]
        y = 0.03 + max(
            page.write(x, page.y, _verdict(row.given, row.said), wide=wide, size=7.5, weight="bold")
            for x, row in zip(lefts, pair, strict=False)
        )
        ends = [
            _explained(page, x, y, wide, row, full) for x, row in zip(lefts, pair, strict=False)
        ]
        page.y = max(ends) + 0.14
    page.save(output)


def _explained(page: Page, x: float, y: float, wide: float, row: Explained, full: float) -> float:
    side = (wide - HEATS * GAP) / (HEATS + 1)
    page.picture(x, y, side, row.image)
    below = y + side
    for k, heat in enumerate(row.heats[:HEATS]):
        left = x + (k + 1) * (side + GAP)
        page.picture(left, y, side, overlay(row.image, heat.heat, full=full))
        end = page.write(left, y + side + 0.02, heat.name, wide=side, lines=2, align="center")
        end = page.write(left, end, heat.note, wide=side, size=TINY, align="center", color=GREY)
        below = max(below, end)
    if not row.heats:
        page.write(
            x + side + 0.1, y + 0.1, "No attribute speaks for this class.",
            wide=wide - side - 0.1, color=GREY, style="italic",
        )  # fmt: skip
    return _labelled(page, x, below + 0.06, wide, row.sentences)


def _verdict(given: str, said: str) -> str:
    return f"Right: {said}" if said == given else f"Wrong: taken for {said}; given as {given}"


def _labelled(page: Page, x: float, y: float, wide: float, texts: Mapping[str, str]) -> float:
    """Texts below each other, beside their names."""
    room = max((text_width(name, SMALL, "bold") for name in texts), default=0) + 0.08
    for name, text in texts.items():
        page.write(x, y, name, wide=room, weight="bold")
        y = page.write(x + room, y, text, wide=wide - room) + 0.03
    return y


# --- Figure 1 -------------------------------------------------------------------------------------


def draw_contrast(output: str | Path, rows: Sequence[Contrasted]) -> None:
    """Draw why an image is of one class and not another, and what both look like (Figure 1).

    Args:
        output: PNG.
        rows: below each other.
    """
    title = "Why this class and not that one"
    if not rows:
        return draw_none(output, title, "There is no image whose classes could be compared.")
    page = Page(
        title,
        "Bars: the margin between the two logits, dealt over attributes; all bars but the last sum "
        "to it. Orange, to the right: for the class; blue, to the left: for the other one.",
    )
    for row in rows:
        page.y = _contrasted(page, page.y, row) + 0.16
    page.save(output)


def _contrasted(page: Page, y: float, row: Contrasted) -> float:
    held = row.contrast
    y = page.write(
        MARGIN, y, f"Why {held.class_name} and not {held.other_name}?", wide=WIDE, size=8,
        weight="bold",
    ) + 0.04  # fmt: skip
    side, right = 1.25, 1.62
    page.picture(MARGIN, y, side, row.image)
    left = page.write(MARGIN, y + side + 0.03, _verdict(row.given, row.said), wide=side)
    if held.shared:
        both = ", ".join(name for name, _ in held.shared)
        left = page.write(MARGIN, left + 0.04, f"Speaks for both: {both}", wide=side, color=GREY)
    x = MARGIN + side + 0.15
    middle = _bars(page, x, y, WIDTH - MARGIN - right - 0.15 - x, held)
    x, end = WIDTH - MARGIN - right, y
    for name, images in (
        (held.class_name, row.class_images), (held.other_name, row.other_images)
    ):  # fmt: skip
        end = page.write(x, end, f"{name} in training", wide=right) + 0.02
        end = page.pictures(x, end, (right - 0.06) / 3, images[:3], columns=3) + 0.07
    return max(left, middle, end)


def _bars(page: Page, x: float, y: float, wide: float, held: Contrast) -> float:
    parts = [
        *held.favour, *held.against, ("all other attributes", held.rest),
        ("filters without attribute", held.no_attribute), ("biases", held.bias),
    ]  # fmt: skip
    named = len(held.favour) + len(held.against)
    if not named:
        y = page.write(
            x, y, "No attribute that is named speaks for either.", wide=wide, color=GREY,
            style="italic",
        )  # fmt: skip
    values = [value for _, value in parts] + [held.margin]
    letters = 1.3  # inches for names
    room = wide - letters - 0.72  # for bars, with a number on either side
    low, high = min(0.0, *values), max(0.0, *values)
    unit = room / ((high - low) or 1.0)
    zero = x + letters + 0.36 - low * unit
    top = y
    for k, (name, value) in enumerate([*parts, ("margin", held.margin)]):
        last = k == len(parts)
        if last:
            y += 0.04
            page.line(x, y - 0.01, x + wide, y - 0.01, color="0.5")
        weight = "bold" if last else "normal"
        below = page.write(x, y, name, wide=letters - 0.05, lines=2, weight=weight,
                           color="black" if k < named or last else GREY)  # fmt: skip
        colour = POSITIVE if value > 0 else NEGATIVE
        if k >= named:
            colour = "0.2" if last else "0.6"
        page.box(zero, y + 0.01, value * unit, _BAR - 0.05, facecolor=colour)
        text = _signed(value)
        end = zero + value * unit
        if value >= 0:
            page.write(end + 0.03, y + 0.01, text, wide=0.4, size=TINY, weight=weight)
        else:
            page.write(end - 0.43, y + 0.01, text, wide=0.4, size=TINY, align="right",
                       weight=weight)  # fmt: skip
        y = max(y + _BAR, below + 0.03)
    page.line(zero, top, zero, y, color="black")
    return y


def _signed(value: float) -> str:
    """A number with its sign; one that is 0 when rounded has none."""
    text = f"{value:+.2f}" if abs(value) < 100 else f"{value:+.0f}"
    return text.replace("-", "−") if abs(value) >= 0.005 else "0"


# --- Figure 5 -------------------------------------------------------------------------------------


def draw_filters(
    output: str | Path, filters: Sequence[Filter], *, top: int = 5, note: str = ""
) -> None:
    """Draw filters by the attributes they stand for and the images they fire at (Figure 5).

    Args:
        output: PNG.
        filters: below each other; all with the same presets.
        top: attributes of each preset.
        note: how they were chosen.
    """
    title = "What filters stand for"
    if not filters:
        return draw_none(output, title, "There is no filter to show.")
    page = Page(
        title,
        "Left: the training images that activate the filter most. Bars: p(t|f) of its first "
        f"attributes, each preset on its own scale, the same for all filters. {note}",
    )
    presets = list(filters[0].tables)
    most = {
        preset: max((value for one in filters for _, value in one.tables[preset][:top]), default=0)
        for preset in presets
    }
    side, gap = 0.44, 0.03
    columns, size = (3, SMALL) if len(presets) < 4 else (2, TINY)
    shown = columns * (side + gap)
    x = MARGIN + shown + 0.15
    wide = (WIDTH - MARGIN - x - 0.1 * (len(presets) - 1)) / max(len(presets), 1)
    for one in filters:
        y = page.write(MARGIN, page.y, f"filter {one.number}", wide=shown, weight="bold") + 0.02
        ends = [page.pictures(MARGIN, y, side, one.images[: 2 * columns], columns=columns, gap=gap)]
        for k, preset in enumerate(presets):
            left = x + k * (wide + 0.1)
            page.write(left, page.y, preset, wide=wide, weight="bold", color=GREY)
            ends.append(_names(page, left, y, wide, size, one.tables[preset][:top], most[preset]))
        page.y = max(ends) + 0.1
    page.save(output)


def _names(
    page: Page,
    x: float,
    y: float,
    wide: float,
    size: float,
    table: Sequence[tuple[str, float]],
    most: float,
) -> float:
    """Names on the left, bars and numbers on the right."""
    if not table:
        return page.write(x, y, "no attribute", wide=wide, color=GREY, style="italic")
    digits = 0.3  # inches for a number
    letters = 0.62 * wide
    for name, value in table:
        below = page.write(x, y, name, wide=letters - 0.04, lines=2, size=size)
        long = (wide - letters - digits) * value / (most or 1.0)
        page.box(x + letters, y + 0.01, long, _BAR - 0.05, facecolor=NEGATIVE)
        page.write(x + letters + long + 0.02, y + 0.01, f"{value:.2g}", wide=digits, size=TINY)
        y = max(y + _BAR, below + 0.03)
    return y
