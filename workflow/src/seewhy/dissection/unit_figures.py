"""Pictures of units: the images that excite each most, bright where it fires (Figures 2 and 5).

    seen = Dissected(network, prepare, concepts, read_dissection("block4.h5"))
    draw_units("units.png", seen)                            # a layer's named units, best first
    draw_shared_action("shared.png", seen, actions=["typing"])
    draw_relabelled("relabelled.png", without, seen, table)  # of seewhy.dissection.tables

Units are numbered from 1, as in tally.csv; `seewhy.dissection.strips` says which images are shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seewhy.dissection.dissect import Dissection
from seewhy.dissection.figures import counted
from seewhy.dissection.sets import ACTION
from seewhy.dissection.strips import Part, Strip, draw_nothing, draw_page
from seewhy.dissection.tally import THRESHOLD
from seewhy.dissection.units import Dissected
from seewhy.errors import InputError, require_whole


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
    require_whole(1, units=units, images=images, page=page)
    named = seen.named(threshold)
    if named.empty:
        best = seen.names["score"].max()
        draw_nothing(
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
    draw_page(output, title, [Part("", strips)], columns=2, images=images)


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
    require_whole(1, most=most, units=units, images=images)
    known = _labels_of(seen.found, category)
    named = seen.named(threshold)
    named = named[named["category"] == category]
    if actions is None:
        sizes = named.groupby("label", sort=False).size()  # of equal size the best one first
        sizes = sizes[sizes > 1].sort_values(ascending=False, kind="stable")
        actions = list(sizes.index[:most])
        if not actions:
            draw_nothing(
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
    draw_page(output, title, parts, columns=1, images=images)


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
        require_whole(1, units=units, images=images)
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
        draw_nothing(output, f"{after.layer}: no unit changes its name when actions are admitted")
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
    draw_page(output, title, parts, columns=2, images=images)


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
