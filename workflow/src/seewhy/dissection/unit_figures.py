"""Pictures of units: the images that excite each most, bright where it fires (Figures 2 and 5).

    seen = Dissected(network, prepare, concepts, read_dissection("block4.h5"))
    draw_units("units.png", seen)                            # a layer's named units, best first
    draw_shared_action("shared.png", seen, actions=["typing"])
    draw_relabelled("relabelled.png", without, seen, table)  # of seewhy.dissection.tables

Of a group of images (a clip) one at most is shown, and none in which the unit never fires. Units
are numbered from 1, as in tally.csv.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from seewhy.dissection.dissect import Dissection
from seewhy.dissection.figures import DPI, SMALL, WIDTH, counted, say, shorten
from seewhy.dissection.sets import Concepts
from seewhy.dissection.tables import ACTION
from seewhy.dissection.tally import THRESHOLD
from seewhy.dissection.units import Dissected, UnitMap, top_images, unit_maps
from seewhy.errors import InputError
from seewhy.figures import COLOURS, bare, figure

Array = np.ndarray
LABELLED, OTHERS = COLOURS[2], "0.8"
_DIMMED = 0.4  # of the brightness, where the unit does not fire
_TALLEST = 1.4  # times a picture's width
_STRUCTURE = np.ones((3, 3), bool)

# --- pages of strips ------------------------------------------------------------------------------

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


def _draw_page(
    output: str | Path, title: str, parts: Sequence[Part], *, columns: int, images: int
) -> None:
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


def _draw_nothing(output: str | Path, text: str) -> None:
    with figure(output, width=WIDTH, height=1.2, dpi=DPI) as drawn:
        say(drawn, text)


# --- the figures ----------------------------------------------------------------------------------


def draw_units(
    output: str | Path,
    seen: Dissected,
    *,
    threshold: float = THRESHOLD,
    units: int = 60,
    page: int = 1,
    images: int = 5,
) -> None:
    """The named units of a layer with the images that excite them most, the greatest IoU first.

    Args:
        output: PNG.
        seen: the dissection.
        threshold: least IoU of a unit that has a name.
        units: on a page, at most.
        page: from 1.
        images: of each unit, at most.

    Raises:
        InputError: no units, images or page asked for, or a page after the last.
    """
    _at_least_one(units=units, images=images, page=page)
    named = seen.named(threshold)
    if named.empty:
        best = seen.names["score"].max()
        _draw_nothing(
            output,
            f"{seen.layer}: none of its {counted(seen.found.units, 'unit')} has a name: none "
            f"reaches an IoU of {threshold:.3g}, the best has {best:.3g}",
        )
        return
    pages = -(-len(named) // units)
    if page > pages:
        raise InputError(f"page {page}: {counted(len(named), 'named unit')} fill {pages}")
    shown = named.iloc[(page - 1) * units : page * units]
    strips = [
        Strip(f"unit {unit}: {row.label} ({row.category}), {_iou(row.score)}", seen, unit,
              row.label)
        for unit, row in zip(shown.index, shown.itertuples(), strict=True)
    ]  # fmt: skip
    title = (
        f"{seen.layer}: {len(named)} of {counted(seen.found.units, 'unit')} named "
        f"(IoU ≥ {threshold:.3g})"
    )
    if pages > 1:
        title += f"; {1 + (page - 1) * units} to {(page - 1) * units + len(shown)}, best first"
    _draw_page(output, title, [Part("", strips)], columns=2, images=images)


def draw_shared_action(
    output: str | Path,
    seen: Dissected,
    *,
    actions: Sequence[str] | None = None,
    most: int = 4,
    units: int = 3,
    images: int = 8,
    threshold: float = THRESHOLD,
    category: str = ACTION,
) -> None:
    """Figure 5: units that are named after the same action, with the images that excite them most.

    Args:
        output: PNG.
        seen: the dissection.
        actions: which; None: those of most units, and of at least two.
        most: actions, at most, where none are given.
        units: of each action, at most, those of the greatest IoU.
        images: of each unit, at most.
        threshold: least IoU of a unit that has a name.
        category: of the labels; any other one shares as well.

    Raises:
        InputError: no such category, or no such action in it; the message gives the nearest ones.
    """
    _at_least_one(most=most, units=units, images=images)
    known = _labels_of(seen.found, category)
    named = seen.named(threshold)
    named = named[named["category"] == category]
    if actions is None:
        sizes = named.groupby("label", sort=False).size()  # of equal size the best one first
        sizes = sizes[sizes > 1].sort_values(ascending=False, kind="stable")
        actions = list(sizes.index[:most])
        if not actions:
            _draw_nothing(
                output,
                f"{seen.layer}: no two of its {seen.found.units} units share {_article(category)} "
                f"(IoU ≥ {threshold:.3g})",
            )
            return
    parts = []
    for action in actions:
        if action not in known:
            near = difflib.get_close_matches(action, known, 3, 0.4) or known[:5]
            raise InputError(f"there is no {category} {action!r}; near it: {', '.join(near)}")
        mine = named[named["label"] == action]
        heading = f"{action}: {counted(len(mine), 'unit') if len(mine) else 'no unit'}"
        if len(mine) > units:
            heading += f", the {units} of the greatest IoU" if units > 1 else ", the best"
        strips = [
            Strip(f"unit {unit}: {action}, {_iou(score)}", seen, unit, action)
            for unit, score in mine["score"].iloc[:units].items()
        ]
        parts.append(Part(heading, strips))
    title = f"{seen.layer}: units that share {_article(category)} (IoU ≥ {threshold:.3g})"
    _draw_page(output, title, parts, columns=1, images=images)


def draw_relabelled(
    output: str | Path,
    before: Dissected,
    after: Dissected,
    table: pd.DataFrame,
    *,
    units: int | Sequence[int] = 6,
    images: int = 4,
    threshold: float = THRESHOLD,
    heads: tuple[str, str] = ("without actions", "with actions"),
) -> None:
    """Figure 2: units whose name changes when actions are admitted, before and after.

    Args:
        output: PNG.
        before: without actions.
        after: with them, of the same layer.
        table: of `seewhy.dissection.tables.relabelled`.
        units: how many of its rows, at most, those that had a name before first; or the numbers of
            units in it.
        images: of each unit on each side, at most.
        threshold: least IoU of a unit that has a name.
        heads: what the two sides are called.

    Raises:
        InputError: dissections of different layers, or units that are not in the table.
    """
    if (before.layer, before.found.units) != (after.layer, after.found.units):
        raise InputError(
            f"relabelled units: {before.layer} of {before.found.units} units beside {after.layer} "
            f"of {after.found.units}; give one layer with two concept sets"
        )
    rows = table.sort_values("IoU", key=lambda v: v < threshold, kind="stable")
    if isinstance(units, int):
        _at_least_one(units=units, images=images)
        rows = rows.iloc[:units]
    else:
        missing = sorted(set(units) - set(table["unit"]))
        if missing:
            raise InputError(
                f"relabelled units: {', '.join(map(str, missing))} did not change their name; "
                f"these did: {', '.join(map(str, table['unit'].iloc[:10])) or 'none'}"
            )
        rows = table.set_index("unit", drop=False).loc[list(units)]
    if rows.empty:
        _draw_nothing(output, f"{after.layer}: no unit changes its name when actions are admitted")
        return
    parts = []
    for row in rows.to_dict("records"):
        unit, strips = int(row["unit"]), []
        for seen, head, end in ((before, heads[0], ""), (after, heads[1], " after")):
            label, of = row[f"label{end}"], row[f"category{end}"]
            score = row[f"IoU{end}"]
            none = "" if score >= threshold else "no name; nearest "
            strips.append(Strip(f"{head}: {none}{label} ({of}), {_iou(score)}", seen, unit, label))
        heading = f"unit {unit}: from {row['label']} to {row['label after']}"
        if "best shuffled action" in row:
            heading += f" (best of shuffled actions: {_iou(row['best shuffled action'])})"
        parts.append(Part(heading, strips))
    title = f"{after.layer}: units whose name changes when actions are admitted"
    if len(rows) < len(table):
        title += f"; {len(rows)} of {len(table)}"
    _draw_page(output, title, parts, columns=2, images=images)


def _labels_of(found: Dissection, category: str) -> list[str]:
    if category not in found.categories:
        raise InputError(
            f"there is no category {category!r}; there are {', '.join(found.categories)}"
        )
    k = found.categories.index(category)
    return [name for name, of in zip(found.names, found.category, strict=True) if of == k]


def _iou(score: float) -> str:
    """Two decimals, three where names begin."""
    return f"IoU {score:.{2 if score >= 0.1 else 3}f}"


def _article(noun: str) -> str:
    return f"a{'n' * (noun[0] in 'aeiou')} {noun}"


def _at_least_one(**settings: int) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{name} {value!r} must be a whole number, 1 or more")
