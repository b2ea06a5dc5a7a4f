"""Figures of attributes in images: retrieved (6), located (7), and what went wrong (8).

    draw_retrieval("retrieval.png", [Query("red bill", images, has, 0.17), ...])

Each takes what it shows as plain arrays and texts; `seewhy.summaries.drawing` gathers them.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seewhy.saliency_figures import WIDTH, full_colour, overlay
from seewhy.scores.pointing import peaks
from seewhy.summaries.figures import WIDE
from seewhy.summaries.page import GREY, HAS, LACKS, MARGIN, Page, draw_none

Array = np.ndarray
_GAP = 0.03  # inches between pictures


class Query(NamedTuple):
    """A row of Figure 6.

    Attributes:
        name: of the attribute.
        images: the highest ranked first, ``[k, s, s, 3]`` uint8.
        has: whether an image's captions have the attribute, ``[k]``.
        all_have: share of all images whose captions have it.
    """

    name: str
    images: Array
    has: Array
    all_have: float


class Located(NamedTuple):
    """A column of Figure 7.

    Attributes:
        name: of the attribute.
        images: ``[k, s, s, 3]`` uint8.
        heats: maps of eq. 9 at any resolution, ``[k, h, w]``.
        points: x, y of the attribute's visible key points in pixels of the crop, ``[p, 2]`` each.
    """

    name: str
    images: Array
    heats: Array
    points: Sequence[Array]


class Failure(NamedTuple):
    """A row of Figure 8.

    Attributes:
        image: ``[s, s, 3]`` uint8.
        given, said: its class, and the network's.
        given_images, said_images: exemplars of both, ``[k, s, s, 3]``.
        given_why, said_why: the explanation for each.
        kind: what the triage says of it.
        evidence: why.
        truth: what is recorded of it.
        agrees: whether the two agree; None: nothing is recorded.
    """

    image: Array
    given: str
    said: str
    given_images: Array
    said_images: Array
    given_why: str
    said_why: str
    kind: str
    evidence: str
    truth: str
    agrees: bool | None


def draw_retrieval(output: str | Path, rows: Sequence[Query]) -> None:
    """Draw the images that attributes retrieve (Figure 6).

    Args:
        output: PNG.
        rows: an attribute each.
    """
    title = "Test images searched by an attribute"
    if not rows:
        return draw_none(output, title, "There is no attribute to search by.")
    page = Page(
        title,
        "From left to right as p(t|x, c) falls. Thick green bar: the image's captions have the "
        "attribute. Thin grey: they do not say so, which does not mean that it is not there.",
    )
    letters = 1.2
    most = max(1, *(len(row.images) for row in rows))
    side = min(0.72, (WIDE - letters - (most - 1) * _GAP) / most)
    for row in rows:
        k = len(row.images)
        y = page.write(MARGIN, page.y, row.name, wide=letters - 0.1, size=8, weight="bold")
        end = y + 0.02
        for known in (
            f"{int(np.sum(row.has))} of these {k} have it", f"{row.all_have:.0%} of all images do"
        ):  # fmt: skip
            end = page.write(MARGIN, end, known, wide=letters - 0.1, color=GREY)
        x = MARGIN + letters
        if not k:
            page.write(x, page.y, "no image", wide=1, color=GREY, style="italic")
        for image, has in zip(row.images, row.has, strict=True):
            page.picture(x, page.y, side, image)
            thick = 0.06 if has else 0.02
            page.box(x, page.y + side + 0.025, side, thick, facecolor=HAS if has else LACKS)
            x += side + _GAP
        page.y = max(end, page.y + (side + 0.09) * bool(k)) + 0.07
    page.save(output)


def draw_heat_maps(output: str | Path, columns: Sequence[Located]) -> None:
    """Draw where attributes are in images (Figure 7).

    Args:
        output: PNG.
        columns: an attribute each; its images below it.
    """
    title = "Where attributes are"
    columns = [column for column in columns if len(column.images)]
    if not columns:
        return draw_none(output, title, "No image has an attribute whose key point is visible.")
    page = Page(
        title,
        "Each image beside its heat map (eq. 9). Ring: a key point that the attribute's noun "
        "names. Cross: the map's peak.",
    )
    full = full_colour([heat for column in columns for heat in column.heats])
    page.y = page.scale(MARGIN, page.y, full) + 0.08
    between = 0.12
    wide = min(1.7, (WIDE - (len(columns) - 1) * between) / len(columns))
    side = (wide - _GAP) / 2
    lefts = [MARGIN + k * (wide + between) for k in range(len(columns))]
    page.y = 0.03 + max(
        page.write(x, page.y, column.name, wide=wide, weight="bold", lines=2)
        for x, column in zip(lefts, columns, strict=True)
    )
    for x, column in zip(lefts, columns, strict=True):
        y = page.y
        for image, heat, points in zip(column.images, column.heats, column.points, strict=True):
            row, place = peaks(heat[None], frame=image.shape[:2])[0]
            peak = np.array([place, row]) + 0.5
            page.picture(x, y, side, image, points)
            page.picture(x + side + _GAP, y, side, overlay(image, heat, full=full), points, peak)
            y += side + 0.05
    page.y += max(len(column.images) for column in columns) * (side + 0.05)
    page.save(output)


def draw_failures(output: str | Path, rows: Sequence[Failure]) -> None:
    """Draw wrong images, what they were taken for, and why, as far as is known (Figure 8).

    Args:
        output: PNG.
        rows: below each other.
    """
    title = "What went wrong"
    if not rows:
        return draw_none(output, title, "The network took no image of these for another class.")
    page = Page(
        title,
        "From left to right: a wrong image; its given class, with training images and what would "
        "speak for it here; the class it was taken for, likewise; what the triage makes of it.",
    )
    side, between = 0.95, 0.14
    wide = (WIDE - side - 3 * between) / 3
    lefts = [MARGIN + side + between + k * (wide + between) for k in range(3)]
    for number, row in enumerate(rows):
        if number:
            page.line(MARGIN, page.y - 0.07, WIDTH - MARGIN, page.y - 0.07)
        top = page.y
        page.picture(MARGIN, top, side, row.image)
        ends = [top + side]
        heads = (f"Given: {row.given}", f"Taken for: {row.said}")
        head = 0.03 + max(
            page.write(x, top, text, wide=wide, weight="bold")
            for x, text in zip(lefts[:2], heads, strict=True)
        )
        for x, images, why in (
            (lefts[0], row.given_images, row.given_why), (lefts[1], row.said_images, row.said_why)
        ):  # fmt: skip
            y = page.pictures(x, head, (wide - 2 * _GAP) / 3, images[:3], columns=3) + 0.03
            ends.append(page.write(x, y, why, wide=wide))
        x = lefts[2]
        y = page.write(x, top, f"Triage: {row.kind}", wide=wide, weight="bold") + 0.03
        y = page.write(x, y, row.evidence, wide=wide, lines=9) + 0.05
        verdict = {True: " (the triage is right)", False: " (the triage is wrong)", None: ""}
        recorded = f"Recorded: {row.truth}{verdict[row.agrees]}."
        ends.append(page.write(x, y, recorded, wide=wide, color=GREY))
        page.y = max(ends) + 0.16
    page.save(output)
