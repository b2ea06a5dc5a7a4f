"""Pictures of concept paths: the image, where the class was seen, and the units that led to it.

    draw_path(explain_decision(network, image, names=names), pixels, "path.png")

From left to right, in a row for each image: the image; its class activation map (orange speaks for
the class, blue against it); a graph of the units of two blocks and the class. The width of a line
is how much a unit does for what the line leads to; an orange line raises it, a blue dashed one
lowers it. Figure 8 of the paper and the words about it show one such path.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve
from torch import Tensor

from seewhy.dissection.paths import ConceptPath, PathUnit
from seewhy.errors import InputError
from seewhy.figures import bare, figure
from seewhy.saliency_figures import DPI, NEGATIVE, POSITIVE, WIDTH, overlay

WEIGHT, CONTRIBUTION = "weight", "contribution"
_PICTURE = 1.25  # inches
_LINE = 0.38  # inches of height a unit
_HEAD, _GAP, _FOOT = 0.42, 0.12, 0.34  # inches: above a row, below it, below all
_LEFT = (0.01, 0.40, 0.80)  # of the boxes of each column, in shares of the graph's width
_BOX = (0.27, 0.27, 0.19)  # their widths
_THICKEST = 5.0  # points
_THINNEST = 0.06  # of the thickest: weaker ones are not drawn
_LETTERS = 19  # of a name that fit in a box


def draw_path(
    path: ConceptPath,
    image: np.ndarray | Tensor,
    output: str | Path,
    *,
    cam: np.ndarray | Tensor | None = None,
    by: str = CONTRIBUTION,
    title: str | None = None,
) -> None:
    """Draw one image's path; see `draw_paths`, which this is for one row."""
    draw_paths(
        [path],
        [image],
        output,
        cams=None if cam is None else [cam],
        by=by,
        titles=None if title is None else [title],
    )


def draw_paths(
    paths: Sequence[ConceptPath],
    images: Sequence[np.ndarray | Tensor],
    output: str | Path,
    *,
    cams: Sequence[np.ndarray | Tensor] | None = None,
    by: str = CONTRIBUTION,
    titles: Sequence[str] | None = None,
) -> None:
    """Draw the paths of some images below each other.

    Args:
        paths: of `explain_decision`.
        images: as they are to be seen, uint8 ``[h, w, 3]``, or floats in 0 … 1 ``[3, h, w]``.
        output: PNG, as wide as a printed page.
        cams: maps ``[h, w]`` at any resolution; None: the paths' own.
        by: ``contribution``: the route of this image, lines as wide as the contributions;
            ``weight``: the paper's, lines as wide as the effects.
        titles: of the rows, such as what the image truly shows; None: what was predicted.

    Raises:
        InputError: nothing to draw, unequal numbers, images or maps of another form, or another
            word for `by`.
    """
    if by not in (WEIGHT, CONTRIBUTION):
        raise InputError(f"concept path: by {by!r} is not one of {WEIGHT}, {CONTRIBUTION}")
    cams = [path.cam_over_image for path in paths] if cams is None else cams
    titles = [_prediction(path) for path in paths] if titles is None else titles
    if not len(paths) == len(images) == len(cams) == len(titles) or not len(paths):
        raise InputError(
            f"concept path: {len(paths)} paths, {len(images)} images, {len(cams)} maps, "
            f"{len(titles)} titles; give one of each for a row, and at least one row"
        )
    longest = [max(len(route.units), len(route.before)) for route in (_route(p, by) for p in paths)]
    heights = [_HEAD + max(_PICTURE, _LINE * count) + _GAP for count in longest]
    total = sum(heights) + _FOOT
    with figure(output, width=WIDTH, height=total, dpi=DPI) as drawn:
        drawn.set_layout_engine("none")  # all is placed in inches
        top = total
        for path, image, cam, title, height in zip(
            paths, images, cams, titles, heights, strict=True
        ):
            _draw_row(drawn, path, _pixels(image), np.asarray(cam, float), by, title, top, height)
            top -= height
        _draw_legend(drawn, by)


def _draw_row(
    drawn: Any,
    path: ConceptPath,
    image: np.ndarray,
    cam: np.ndarray,
    by: str,
    title: str,
    top: float,
    height: float,
) -> None:
    """A row between `top` and `top - height`, in inches from the figure's bottom."""
    total = drawn.get_figheight()

    def place(left: float, width: float, below: float, tall: float) -> Any:
        return drawn.add_axes(
            (left / WIDTH, (top - below - tall) / total, width / WIDTH, tall / total)
        )

    if title:
        drawn.text(0.05 / WIDTH, (top - 0.05) / total, title, va="top", fontsize=8, weight="bold")
    for number, (picture, caption) in enumerate(
        ((image, "image"), (overlay(image, cam), f"CAM: {_question(path)}"))
    ):
        axes = place(0.05 + number * (_PICTURE + 0.08), _PICTURE, _HEAD, _PICTURE)
        axes.imshow(picture)
        axes.set_title(_shortened(caption, 26), fontsize=6.5, pad=2)
        bare(axes)
    left = 0.05 + 2 * (_PICTURE + 0.08) + 0.05
    tall = height - _HEAD - _GAP
    axes = place(left, WIDTH - left - 0.05, _HEAD - 0.16, tall + 0.16)
    _draw_graph(axes, path, by, tall)


def _draw_graph(axes: Any, path: ConceptPath, by: str, inches: float) -> None:
    route = _route(path, by)
    axes.set_xlim(0, 1)
    axes.set_ylim(-inches, 0.16)
    axes.axis("off")
    columns = [route.before, route.units]
    heights = [_spread(len(units), inches) for units in columns] + [[-inches / 2]]
    heads = [f"units of {name}" for name in path.blocks] + ["class"]
    for x, head in zip(_LEFT, heads, strict=True):
        axes.text(x, 0.14, head, fontsize=6.5, va="top", color="0.25")

    effects, factor = path.effects, path.activations_before if by == CONTRIBUTION else None
    between = [
        [float(effects[v.unit, u.unit]) * (1 if factor is None else float(factor[u.unit]))
         for u in route.before]
        for v in route.units
    ]  # fmt: skip
    onward = [[v.contribution if by == CONTRIBUTION else v.effect for v in route.units]]
    _draw_lines(axes, between, heights, 0)
    _draw_lines(axes, onward, heights, 1)
    for column, units in enumerate(columns):
        for y, unit in zip(heights[column], units, strict=True):
            _draw_box(axes, column, y, unit.label, _details(unit))
    for y, part in zip(heights[1], onward[0], strict=True):
        aside = 0.1 if y >= -inches / 2 - 1e-6 else -0.1  # off the line, which bends to the class
        axes.text(_LEFT[1] + _BOX[1] + 0.004, y + aside, f"{part:+.2g}", fontsize=5, va="center",
                  color="0.25", zorder=4)  # fmt: skip
    against = [] if path.against is None else [f"not {path.against_name}"]
    _draw_class(axes, -inches / 2, path.class_name, [*against, f"p = {path.probability:.2f}"])


def _draw_lines(axes: Any, widths: list[list[float]], heights: list[list[float]], x: int) -> None:
    """Lines from column x to the next; `widths` [to][from], in shares of the strongest."""
    strongest = max(abs(width) for row in widths for width in row) or 1.0
    start, end = _LEFT[x] + _BOX[x], _LEFT[x + 1]
    bend = (end - start) * (0.5, 0.9)[x]  # late where numbers stand beside the lines
    for row, y1 in zip(widths, heights[x + 1], strict=True):
        for width, y0 in zip(row, heights[x], strict=True):
            share = abs(width) / strongest
            if share < _THINNEST:
                continue
            curve = Curve(
                [
                    (start, y0),
                    (start + bend, y0),
                    (end - (end - start) * (0.5, 0.4)[x], y1),
                    (end, y1),
                ],
                [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4],
            )
            axes.add_patch(
                PathPatch(
                    curve, facecolor="none", edgecolor=POSITIVE if width > 0 else NEGATIVE,
                    lw=max(0.4, _THICKEST * share), ls="-" if width > 0 else (0, (3, 1.5)),
                    alpha=0.65, capstyle="butt", zorder=1 + share,
                )
            )  # fmt: skip


def _draw_box(axes: Any, column: int, y: float, name: str, details: str) -> None:
    left, tall = _LEFT[column], 0.3
    axes.add_patch(
        Rectangle((left, y - tall / 2), _BOX[column], tall, facecolor="white", edgecolor="0.6",
                  lw=0.6, zorder=3)
    )  # fmt: skip
    axes.text(left + 0.012, y + 0.065, _shortened(name, _LETTERS), fontsize=6.5, va="center",
              weight="bold", zorder=4)  # fmt: skip
    axes.text(left + 0.012, y - 0.075, details, fontsize=5, va="center", color="0.25", zorder=4)


def _draw_class(axes: Any, y: float, name: str, details: Sequence[str]) -> None:
    letters = round(_LETTERS * _BOX[2] / _BOX[0])
    lines = textwrap.wrap(name, letters, max_lines=3, placeholder="…")
    tall = 0.14 * len(lines) + 0.11 * len(details) + 0.08
    axes.add_patch(
        Rectangle((_LEFT[2], y - tall / 2), _BOX[2], tall, facecolor="white", edgecolor="black",
                  lw=1.2, zorder=3, clip_on=False)
    )  # fmt: skip
    y += tall / 2 - 0.04
    for number, line in enumerate([*lines, *details]):
        of_name = number < len(lines)
        axes.text(_LEFT[2] + 0.012, y, _shortened(line, letters + 4 * (not of_name)), va="top",
                  fontsize=6.5 if of_name else 5, weight="bold" if of_name else "normal",
                  color="black" if of_name else "0.25", zorder=4)  # fmt: skip
        y -= 0.14 if of_name else 0.11


def _draw_legend(drawn: Any, by: str) -> None:
    what = {
        CONTRIBUTION: "effect x mean activation in this image",
        WEIGHT: "effect of a unit that is 1 everywhere, whatever the image",
    }[by]
    handles = [
        Line2D([], [], color=POSITIVE, lw=2.5, alpha=0.65, label="raises"),
        Line2D([], [], color=NEGATIVE, lw=2.5, alpha=0.65, ls=(0, (3, 1.5)), label="lowers"),
    ]
    drawn.legend(
        handles=handles, loc="lower right", ncols=2, fontsize=6.5,
        title=f"line width: {what}; the widest of each column is its strongest",
        title_fontsize=6.5,
        borderaxespad=0.1, borderpad=0.1, handlelength=2.6,
    )  # fmt: skip


def _spread(count: int, inches: float) -> list[float]:
    """Heights of the middles of `count` boxes, evenly over the graph."""
    return [-inches * (place + 0.5) / count for place in range(count)]


def _details(unit: PathUnit) -> str:
    if unit.concept is None:
        return "no concept"
    _, category, iou = unit.concept
    return f"{category}, unit {unit.number}, IoU {iou:.2f}"


def _route(path: ConceptPath, by: str) -> Any:
    return path.by_weight if by == WEIGHT else path.by_contribution


def _question(path: ConceptPath) -> str:
    if path.against is None:
        return path.class_name
    return f"{path.class_name}, not {path.against_name}"


def _prediction(path: ConceptPath) -> str:
    return f"predicted: {path.predicted_name}"


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _pixels(image: np.ndarray | Tensor) -> np.ndarray:
    """[h, w, 3] uint8."""
    pixels = np.asarray(image)
    if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
        return pixels
    if pixels.dtype.kind == "f" and pixels.ndim == 3 and pixels.shape[0] == 3:
        return np.round(255 * pixels.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0)
    raise InputError(
        f"concept path: image {list(pixels.shape)} of {pixels.dtype}; give uint8 [h, w, 3] or "
        "floats in 0 … 1 [3, h, w]"
    )
