"""Charts of dissections: how many units each concept has (Figure 4), what names them (Figure 6).

Each category has a colour and a hatching of its own, so that charts read in grey too; the action,
which the paper adds, is plain.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from seewhy.dissection.layers import RANDOM
from seewhy.dissection.sets import SETS
from seewhy.dissection.tally import BAR_ORDER, THRESHOLD, histogram
from seewhy.errors import InputError
from seewhy.figures import COLOURS, figure

WIDTH, DPI = 7.2, 200  # inches of a printed page's text, pixels an inch
SMALL = 7  # points
_TINY = 6  # points, the smallest letters
_SLOTS = 66  # bars beside each other whose labels still are apart
_FEWEST = 36  # places of a row, so that few bars are not too broad
_HEAD = 74  # points: width of a category's heading
_LONGEST = 28  # letters of a label
_LOOKS = {
    "object": (COLOURS[0], "////"),
    "scene": (COLOURS[4], "...."),
    "part": (COLOURS[2], "\\\\\\\\"),
    "material": (COLOURS[6], "----"),
    "texture": (COLOURS[5], "xxxx"),
    "color": (COLOURS[3], "++++"),
    "action": (COLOURS[1], ""),
}
_OTHERS = tuple((COLOURS[k], hatch) for hatch in ("oooo", "||||", "OO") for k in (2, 0, 3, 5, 1))


def looks(categories: Sequence[str]) -> dict[str, dict[str, str]]:
    """How the bars of each category are drawn; arguments of matplotlib's patches."""
    others = [name for name in dict.fromkeys(categories) if name not in _LOOKS]
    known = _LOOKS | {name: _OTHERS[k % len(_OTHERS)] for k, name in enumerate(others)}
    return {
        name: {"facecolor": known[name][0], "hatch": known[name][1], "edgecolor": "white", "lw": 0}
        for name in dict.fromkeys(categories)
    }


def in_order(categories: Sequence[str]) -> list[str]:
    """Categories in the reference's order, others after them, by name."""
    rank = {name: k for k, name in enumerate(BAR_ORDER)}
    return sorted(dict.fromkeys(categories), key=lambda name: (rank.get(name, len(rank)), name))


def shorten(text: str, most: int) -> str:
    """At most `most` letters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def counted(n: int, noun: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{n} {noun}" + "s" * int(n != 1)


def say(drawn: Figure, text: str) -> None:
    """Write a text where there is nothing to draw."""
    drawn.text(0.5, 0.5, textwrap.fill(text, 90), ha="center", va="center", fontsize=9)


# --- Figure 4 -------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """Bars of one category in one row of axes: from `first` to `last`, at `left`."""

    category: str
    first: int
    last: int
    left: int
    width: int


def draw_histogram(
    output: str | Path,
    table: pd.DataFrame,
    threshold: float = THRESHOLD,
    *,
    title: str = "",
) -> None:
    """Figure 4: the concepts, each category's by number of units.

    As many rows of axes as the labels need, all on one scale.

    Args:
        output: PNG.
        table: a tally.
        threshold: least IoU of a unit that has a name.
        title: of the figure, before the number of units and concepts.
    """
    bars = histogram(table, threshold)
    groups = {name: rows.reset_index(drop=True) for name, rows in bars.groupby("category")}
    head = f"{title}: " if title else ""
    if bars.empty:
        best = table["score"].max() if len(table) else 0
        with figure(output, width=WIDTH, height=1.2, dpi=DPI) as drawn:
            say(drawn, f"{head}none of {counted(len(table), 'unit')} has a name: none reaches an "
                f"IoU of {threshold:.3g}, the best has {best:.3g}")  # fmt: skip
        return
    rows, places = _wrapped({name: len(groups[name]) for name in in_order(list(groups))})
    look = looks(list(groups))
    letters = min(_LONGEST, bars["label"].str.len().max())
    height = 0.35 + len(rows) * (1.15 + 0.048 * letters)
    with (
        mpl.rc_context({"hatch.linewidth": 0.6}),
        figure(output, width=WIDTH, height=height, dpi=DPI) as drawn,
    ):
        grid = drawn.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0]
        grid[0].set_ylim(0, 1.2 * bars["units"].max())
        drawn.suptitle(
            f"{head}{bars['units'].sum()} of {counted(len(table), 'unit')} named, "
            f"{counted(bars['label'].nunique(), 'concept')} (IoU ≥ {threshold:.3g})",
            fontsize=9, x=0.01, ha="left",
        )  # fmt: skip
        for axes, pieces in zip(grid, rows, strict=True):
            for piece in pieces:
                _draw_piece(axes, piece, groups[piece.category], look[piece.category])
            names = [
                (piece.left + k - piece.first, groups[piece.category]["label"][k])
                for piece in pieces
                for k in range(piece.first, piece.last)
            ]
            axes.set_xticks(
                [at for at, _ in names], [shorten(name, _LONGEST) for _, name in names],
                rotation=90, fontsize=_TINY if places > 50 else SMALL,
            )  # fmt: skip
            axes.set_xlim(-0.8, places - 0.2)
            axes.set_ylabel("units", fontsize=SMALL)
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.tick_params(axis="y", labelsize=SMALL)
            axes.tick_params(axis="x", length=0, pad=2)
            axes.grid(axis="y", lw=0.4, color="0.85")
            axes.set_axisbelow(True)


def _draw_piece(axes: Axes, piece: _Piece, group: pd.DataFrame, look: dict[str, str]) -> None:
    units = group["units"][piece.first : piece.last]
    bars = axes.bar(piece.left + np.arange(len(units)), units, 0.8, **look)
    axes.bar_label(bars, fontsize=_TINY - 0.5, padding=0.5, color="0.35")
    about = f"{counted(len(group), 'concept')}, {counted(group['units'].sum(), 'unit')}"
    text = f"{piece.category}\n{about}" if not piece.first else f"{piece.category}\n(continued)"
    place = (piece.left - 0.4, 1)
    axes.annotate(text, place, (0, 3), ("data", "axes fraction"), "offset points", fontsize=SMALL,
                  linespacing=1.1, annotation_clip=False)  # fmt: skip
    axes.plot((piece.left - 0.4, piece.left + piece.last - piece.first - 0.6), (1, 1), lw=2.5,
              color=look["facecolor"], transform=axes.get_xaxis_transform(), clip_on=False,
              solid_capstyle="butt")  # fmt: skip


def _wrapped(sizes: dict[str, int]) -> tuple[list[list[_Piece]], int]:
    """Rows of pieces of about equal width, and the places of the widest: bars, gaps, headings."""
    rows = _fill(sizes, _SLOTS)
    for places in range(_FEWEST, _SLOTS):
        fewer = _fill(sizes, places)
        if len(fewer) == len(rows):
            return fewer, places
    return rows, _SLOTS


def _fill(sizes: dict[str, int], places: int) -> list[list[_Piece]]:
    head = int(np.ceil(_HEAD / (0.93 * WIDTH * 72 / places)))  # places under a heading
    rows: list[list[_Piece]] = [[]]
    left = 0
    for category, size in sizes.items():
        first = 0
        while first < size:
            if left + min(head, places) > places:
                rows.append([])
                left = 0
            last = min(size, first + places - left)
            width = max(last - first, head)
            rows[-1].append(_Piece(category, first, last, left, width))
            left += width + 1
            first = last
    return rows


# --- Figure 6 -------------------------------------------------------------------------------------

_NEEDS = ("network", "layer", "category", "units", "total")
_PANEL = ("network", "set", "threshold")  # what panels differ in


def draw_blocks(
    output: str | Path,
    table: pd.DataFrame,
    *,
    titles: Mapping[str, str] | None = None,
    sets: Mapping[str, str] | None = None,
) -> None:
    """Figure 6: the share of each layer's units that each category names; a panel a network.

    Networks with random weights, and sets whose names were dealt anew, are controls: panels on the
    same scale.

    Args:
        output: PNG.
        table: columns network, layer, category, units, total, as
            `seewhy.dissection.tables.blocks` makes them; where there are also columns set and
            threshold, each has panels of its own, and with `units low` and `units high` bars have
            intervals.
        titles: of networks, by name; by default their names.
        sets: titles of the sets, by name; by default `seewhy.dissection.sets.SETS`.

    Raises:
        InputError: a column is missing, no rows, two rows of the same, or units that are not 0 …
            total.
    """
    table = _checked(table)
    categories = [c for c in in_order(list(table["category"]))
                  if table.loc[table["category"] == c, "units"].any()]  # fmt: skip
    by_threshold = [
        list(rows.groupby(list(_PANEL), sort=False))
        for _, rows in table.groupby("threshold", sort=False)
    ]
    per_line = _columns(max(map(len, by_threshold)))
    panels = [panel for group in by_threshold for panel in _padded(group, per_line)]
    lines = len(panels) // per_line
    same = [table[name].nunique() == 1 for name in _PANEL]
    look = looks(categories)
    common: list[str] = []
    with (
        mpl.rc_context({"hatch.linewidth": 0.6}),
        figure(output, width=WIDTH, height=0.75 + 1.85 * lines, dpi=DPI) as drawn,
    ):
        grid = drawn.subplots(lines, per_line, sharey=True, squeeze=False)
        for axes, keyed in zip(grid.ravel(), panels, strict=True):
            if keyed is None:
                axes.set_visible(False)
                continue
            key, panel = keyed
            _draw_panel(axes, panel, categories, look)
            heads = list(zip(_heads(key, panel, titles or {}, sets or SETS), same, strict=True))
            own = [_folded(head, 108 // per_line) for head, shared in heads if not shared]
            common = [head for head, shared in heads if shared and head]
            axes.set_title("\n".join(filter(None, own)), fontsize=SMALL + 0.5)
        for axes in grid[:, 0]:
            axes.set_ylabel("share of the layer's units", fontsize=SMALL)
        grid[0, 0].set_ylim(0)
        handles = [Patch(**look[c]) for c in categories]
        handles.append(Patch(facecolor="0.9", edgecolor="0.6", lw=0.6))
        title = "; ".join(["Units named by each category", *common])
        drawn.legend(handles, [*categories, "all together"], loc="outside upper center",
                     ncols=min(8, len(handles)), fontsize=SMALL, handlelength=1.6,
                     columnspacing=1.2, title=title, title_fontsize=9)  # fmt: skip


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _NEEDS if name not in table]
    if missing:
        raise InputError(f"blocks: the table has no column {', '.join(missing)}")
    if table.empty:
        raise InputError("blocks: the table has no rows; dissect a layer first")
    table = table.assign(**{k: "" for k in ("set", "threshold") if k not in table})
    table["threshold"] = table["threshold"].astype(str)
    key = [*_PANEL, "layer", "category"]
    if table.duplicated(key).any():
        one = table[table.duplicated(key)].iloc[0]
        raise InputError(
            f"blocks: two rows of {', '.join(str(one[k]) for k in key if one[k] != '')}; keep one"
        )
    wrong = ~table["units"].between(0, table["total"]) | ~(table["total"] > 0)
    if wrong.any():
        one = table[wrong].iloc[0]
        raise InputError(
            f"blocks: {one['network']}, {one['layer']}: {one['units']} units of {one['total']}; "
            "give units from 0 to total"
        )
    return table


def _columns(panels: int) -> int:
    return panels if panels <= 3 else 2 if panels == 4 else 3


def _padded(panels: list, per_line: int) -> list:
    """With None up to the end of the line."""
    return panels + [None] * (-len(panels) % per_line)


def _folded(text: str, letters: int) -> str:
    """In lines of at most so many letters, at a comma if there is one."""
    if len(text) > letters and ", " in text:
        return ",\n".join(textwrap.fill(part, letters) for part in text.rsplit(", ", 1))
    return textwrap.fill(text, letters)


def _heads(
    key: tuple[str, str, str],
    panel: pd.DataFrame,
    titles: Mapping[str, str],
    sets: Mapping[str, str],
) -> list[str]:
    """What a panel is of, in the order of `_PANEL`."""
    network, name, threshold = key
    at = threshold
    if threshold and "IoU" in panel:
        ends = panel["IoU"].min(), panel["IoU"].max()
        span = " to ".join(dict.fromkeys(f"{value:.2g}" for value in ends))
        at = f"{threshold}: IoU ≥ {span}"
        if threshold in [f"{value:g}" for value in ends]:
            at = f"IoU ≥ {threshold}"
    trained = network.removeprefix(RANDOM)
    title = titles.get(trained, trained)
    if network != trained:
        title = titles.get(network, f"{title}, random weights")
    return [title, sets.get(name, name), at]


def _draw_panel(
    axes: Axes, panel: pd.DataFrame, categories: Sequence[str], look: dict[str, dict[str, str]]
) -> None:
    layers = list(dict.fromkeys(panel["layer"]))
    totals = panel.groupby("layer", sort=False)["total"].first()
    share = panel.assign(share=panel["units"] / panel["total"])
    together = share.groupby("layer", sort=False)["share"].sum()
    place = np.arange(len(layers))
    axes.bar(place, together[layers], 0.9, facecolor="0.9", edgecolor="0.6", lw=0.6)
    for x, layer in zip(place, layers, strict=True):
        axes.annotate(f"{together[layer]:.0%}", (x, together[layer]), (0, 1.5), "data",
                      "offset points", ha="center", fontsize=_TINY, color="0.35", zorder=5,
                      path_effects=[withStroke(linewidth=1.5, foreground="white")])  # fmt: skip
    wide = 0.84 / max(len(categories), 1)
    for k, category in enumerate(categories):
        mine = share[share["category"] == category].set_index("layer").reindex(layers)
        at = place + (k + 0.5) * wide - 0.42
        axes.bar(at, mine["share"], 0.92 * wide, **look[category])
        if {"units low", "units high"} <= set(mine):
            low, high = mine["units low"] / mine["total"], mine["units high"] / mine["total"]
            axes.vlines(at, low, high, color="black", lw=0.7)
    names = [f"{shorten(str(layer), 14)}\n({totals[layer]})" for layer in layers]
    axes.set_xticks(place, names, fontsize=_TINY if len(layers) > 4 else SMALL)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
