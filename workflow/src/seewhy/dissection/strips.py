"""Pages of strips: lines of the images that excite a unit most, bright where it fires.

Of a group of images (a clip) one at most is shown, and none in which the unit never fires.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from seewhy.dissection.figures import DPI, SMALL, WIDTH, say, shorten
from seewhy.dissection.sets import Concepts
from seewhy.dissection.units import Dissected, UnitMap, top_images, unit_maps
from seewhy.figures import COLOURS, bare, figure

Array = np.ndarray
LABELLED, OTHERS = COLOURS[2], "0.8"
_DIMMED = 0.4  # of the brightness, where the unit does not fire
_TALLEST = 1.4  # times a picture's width
_STRUCTURE = np.ones((3, 3), bool)

_MARGIN, _GAP, _BETWEEN = 0.08, 0.03, 0.16  # inches: of the page, between pictures, columns
_TITLE, _HEADING, _LINE, _BAR = 0.26, 0.22, 0.155, 0.045  # inches, heights; of the bar below


_LEGEND = (
    "Bright: where the unit fires, above its threshold. Bar below: the image has the label "
    "(green), or only others of its category (grey)."
)


class Strip(NamedTuple):
    """A line of images of a unit.

    Attributes:
        title: above it.
        seen: whose.
        unit: number.
        label: what its images are marked for, see `_LEGEND`.
        note: what to say where it has no images.
    """

    title: str
    seen: Dissected
    unit: int
    label: str
    note: str = "it never fires"


class Part(NamedTuple):
    """Strips under a heading; they fill the columns from left to right."""

    heading: str
    strips: list[Strip]


def draw_page(
    output: str | Path, title: str, parts: Sequence[Part], *, columns: int, images: int
) -> None:
    """Draw parts under each other.

    Args:
        output: PNG.
        title: of the page.
        parts: at least one.
        columns: strips beside each other.
        images: of each strip, at most.
    """
    pictures = _pictures([strip for part in parts for strip in part.strips], columns, images)
    wide = (WIDTH - 2 * _MARGIN - (columns - 1) * _BETWEEN) / columns
    tall = _LINE + max([len(one) / DPI for one in pictures if one is not None] or [0.2]) + 0.06
    height = _MARGIN + _TITLE + _LINE + 0.05 + sum(
        _HEADING * bool(part.heading) + tall * -(-len(part.strips) // columns) for part in parts
    )  # fmt: skip
    with figure(output, width=WIDTH, height=height, dpi=DPI) as drawn:
        drawn.set_layout_engine("none")

        def write(x: float, y: float, text: str, size: float, wide: float = 99, **look) -> None:
            text = shorten(text, int(wide * 72 / (0.53 * size)))
            drawn.text(x / WIDTH, 1 - y / height, text, fontsize=size, va="top", **look)

        y = _MARGIN
        write(_MARGIN, y, title, 9, WIDTH)
        y += _TITLE
        place = iter(pictures)
        for part in parts:
            if part.heading:
                write(_MARGIN, y + 0.03, part.heading, 8.5, WIDTH, weight="bold")
                y += _HEADING
            for k, strip in enumerate(part.strips):
                x = _MARGIN + k % columns * (wide + _BETWEEN)
                write(x, y, strip.title, SMALL, wide)
                picture = next(place)
                top = y + _LINE
                if picture is None:
                    write(x, top + 0.1, strip.note, SMALL, wide, color="0.35", style="italic")
                else:
                    deep = picture.shape[0] / DPI
                    axes = drawn.add_axes(
                        (x / WIDTH, 1 - (top + deep) / height, wide / WIDTH, deep / height)
                    )
                    axes.imshow(picture, aspect="auto", interpolation="none")
                    bare(axes)
                if k % columns == columns - 1 or k == len(part.strips) - 1:
                    y += tall
        write(_MARGIN, y, _LEGEND, SMALL, WIDTH, color="0.35")


def _pictures(strips: Sequence[Strip], columns: int, images: int) -> list[Array | None]:
    """Each strip as a picture as wide as a column; None: no image."""
    wide = (WIDTH - 2 * _MARGIN - (columns - 1) * _BETWEEN) / columns
    side = int((wide - (images - 1) * _GAP) / images * DPI)
    chosen = [top_images(strip.seen, strip.unit, images) for strip in strips]
    maps: dict[tuple, UnitMap] = {}
    for seen in {id(strip.seen): strip.seen for strip in strips}.values():
        pairs = [
            (strip.unit, image)
            for strip, top in zip(strips, chosen, strict=True)
            for image in top
            if strip.seen is seen
        ]
        maps |= {(id(seen), *key): one for key, one in unit_maps(seen, pairs).items()}
    forms = [
        strip.seen.concepts.image(image).shape
        for strip, top in zip(strips, chosen, strict=True)
        for image in top
    ]
    tall = int(side * min(_TALLEST, max((form[0] / form[1] for form in forms), default=1)))
    found: list[Array | None] = []
    for strip, top in zip(strips, chosen, strict=True):
        page = np.full((tall + round(2 * _BAR * DPI), round(wide * DPI), 3), 255, np.uint8)
        for k, image in enumerate(top):
            concepts, left = strip.seen.concepts, round(k * (side / DPI + _GAP) * DPI)
            fires = maps[id(strip.seen), strip.unit, image].fires
            page[:tall, left : left + side] = lit(concepts.image(image), fires, (tall, side))
            colour = to_rgb(_bar(concepts, image, strip.label))
            page[tall + round(0.5 * _BAR * DPI) : tall + round(1.5 * _BAR * DPI),
                 left : left + side] = np.round(255 * np.array(colour))  # fmt: skip
        found.append(page if top else None)
    return found


def _bar(concepts: Concepts, image: int, label: str) -> str:
    """Colour of the bar below an image: has it the label, or others of the label's category?"""
    number, labels = concepts.names.index(label), concepts.labels(image)
    present = np.union1d(labels.planes, labels.whole).astype(int)
    if number in present:
        return LABELLED
    return OTHERS if (concepts.category[present] == concepts.category[number]).any() else "white"


def lit(image: Array, fires: Array, size: tuple[int, int]) -> Array:
    """An image bright where `fires`, dimmed elsewhere, with an outline between the two.

    Args:
        image: [h, w, 3] uint8.
        fires: [sh, sw] bool; every pixel of it covers as much of the image.
        size: height and width in pixels that it is fitted into, on white.

    Returns:
        [height, width, 3] uint8.
    """
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    width, height = (max(1, round(n * scale)) for n in (image.shape[1], image.shape[0]))
    picture = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))
    rows = (np.arange(height) * fires.shape[0] // height).clip(max=fires.shape[0] - 1)
    columns = (np.arange(width) * fires.shape[1] // width).clip(max=fires.shape[1] - 1)
    mask = fires[rows][:, columns]
    picture = np.where(mask[..., None], picture, np.round(_DIMMED * picture)).astype(np.uint8)
    picture[binary_dilation(mask, _STRUCTURE) & ~mask] = 0
    picture[mask & ~binary_erosion(mask, _STRUCTURE, border_value=1)] = 255
    fitted = np.full((*size, 3), 255, np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    fitted[top : top + height, left : left + width] = picture
    return fitted


def draw_nothing(output: str | Path, text: str) -> None:
    """Say why there is nothing to draw."""
    with figure(output, width=WIDTH, height=1.2, dpi=DPI) as drawn:
        say(drawn, text)
