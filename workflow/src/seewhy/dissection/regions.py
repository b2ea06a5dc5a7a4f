r"""Action regions: where in an image an action is recognised, from boxes of several rounds.

What people said (`seewhy.dissection.annotations`) becomes regions in the paper's steps. For a pair
of an image and an action, with :math:`B_r` the union of the boxes drawn in round r of n,

.. math::
    R = \bigcap_{r=1}^{n} B_r
    \quad\text{or, with ``at\_least`` = k,}\quad
    R = \{p : \#\{r : p \in B_r\} \ge k\}.

1. *offered*: the pair was shown.
2. *visible*: in every round of votes a majority saw the action (a tie is a no), in at least
   ``visible_rounds`` rounds.
3. *drawn*: it was not skipped too often for k rounds of boxes to overlap.
4. *overlapping*: R holds a pixel.
5. *large enough*: a connected part of R (pixels that share a side) covers ``min_share`` of the
   image. The bounding boxes of these parts are the **crops** to be verified, numbered from 1 in
   reading order of their first pixels.
6. *recognisable*: a majority of the votes on the crop recognises the action there. The region is
   the part itself, not its crop.

Two steps of work, as a site would run them::

    crops = propose_regions(boxes, votes, sizes).regions      # show these, collect the last votes
    built = build_regions(boxes, votes_with_those, sizes)     # .regions, .summary
    mask = region_mask(built.regions, "street.jpg", "jogging")

Reference:
    *Examining Interpretable Feature Relationships in Deep Networks for Action Recognition*,
    sections 2.1 and 2.2. It gives neither n nor a smallest region; the defaults here are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from seewhy.corpora.canonical import read_csv
from seewhy.dissection.annotations import (
    BOX,
    PAIR,
    check_boxes,
    check_inside,
    check_sizes,
    check_votes,
    checked,
    complain,
    name_of,
    read_boxes,
    read_sizes,
    read_votes,
)
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.memory import check_memory
from seewhy.scores.pointing import region_masks

REGION_COLUMNS = {
    "image": "name", "action": "name", "region": "count", "x": "whole", "y": "whole",
    "width": "count", "height": "count", "pixels": "count", "image_width": "count",
    "image_height": "count", "boxes": "name",
}  # fmt: skip
MEANINGS = {
    "offered": "shown to people",
    "visible": "seen by a majority in every round",
    "drawn": "boxes in enough rounds",
    "overlapping": "a pixel in the boxes of enough rounds",
    "large enough": "a connected part of enough pixels",
    "recognisable": "a crop in which a majority recognises the action",
}


@dataclass(frozen=True)
class ActionRegions:
    """Regions, and what became of all pairs.

    Attributes:
        regions: a row a region, sorted: image, action; region, its number; x, y, width, height of
            its crop in pixels; pixels, its area; image_width, image_height; boxes, its mask as
            disjoint rectangles "x y width height; x y width height".
        summary: a row a step: step; meaning; pairs, images and actions that passed it; dropped,
            the pairs that it cost; regions, where there are some.
    """

    regions: pd.DataFrame
    summary: pd.DataFrame


def propose_regions(
    boxes: pd.DataFrame,
    votes: pd.DataFrame,
    sizes: pd.DataFrame,
    *,
    visible_rounds: int = 2,
    rounds: int = 2,
    at_least: int | None = None,
    min_share: float = 0.005,
) -> ActionRegions:
    """The regions before their final verification, steps 1 to 5 of the module.

    Args:
        boxes: see `seewhy.dissection.annotations`. Rounds after `rounds` are left aside.
        votes: of the stage ``visible``; others are left aside.
        sizes: of all images.
        visible_rounds: votes on visibility that a pair needs; where there are more, all count. A
            pair that was voted out needs no more of them.
        rounds: n, the rounds of boxes.
        at_least: k, the rounds that a pixel must be in; None: all of them.
        min_share: the least area of a connected part, as a share of the image.

    Raises:
        InputError: tables that break their form, boxes outside of their image, an image without
            size, a round that a pair lacks, boxes of a pair without votes, settings out of range.
    """
    at_least = rounds if at_least is None else at_least
    _check_settings(visible_rounds, rounds, at_least, min_share)
    boxes, votes, sizes = check_boxes(boxes), check_votes(votes), check_sizes(sizes)
    check_inside(boxes, sizes)
    votes = votes[votes["stage"] == "visible"]
    remedy = f"is not in {name_of(sizes, None, 'sizes')}; add its width and height there"
    complain(votes, "image", ~votes["image"].isin(sizes["image"]), remedy, votes["image"])
    visible = _visible(votes, visible_rounds)
    unseen = ~pd.MultiIndex.from_frame(boxes[PAIR]).isin(visible.index)
    remedy = "is of a pair without votes of the stage visible; ask whether it is visible"
    complain(boxes, "action", pd.Series(unseen), remedy, boxes["action"])
    sides = {row.image: (int(row.height), int(row.width)) for row in sizes.itertuples()}
    of_pair = _boxes_by_pair(boxes)
    passed: dict[str, list[tuple[str, str]]] = {step: [] for step in list(MEANINGS)[:-1]}
    passed["offered"] = list(visible.index)
    rows = []
    for image, action in visible.index[visible]:
        passed["visible"].append((image, action))
        shown = of_pair.get((image, action), {})
        _check_shown(shown, rounds, (image, action), name_of(boxes, None, "boxes"))
        drawn = [shown[number] for number in range(1, rounds + 1)]
        if sum(map(bool, drawn)) < at_least:
            continue
        passed["drawn"].append((image, action))
        # flags of each round, their sum and the numbers of the parts
        _check_room(image, *sides[image], rounds + 16, where=name_of(sizes, None, "sizes"))
        overlap = region_masks(drawn, frame=sides[image]).sum(axis=0) >= at_least
        if not overlap.any():
            continue
        passed["overlapping"].append((image, action))
        parts = _large_parts(overlap, min_share)
        if parts:
            passed["large enough"].append((image, action))
        height, width = sides[image]
        rows += [
            {"image": image, "action": action, "region": number, **part}
            | {"image_width": width, "image_height": height}
            for number, part in enumerate(parts, 1)
        ]
    regions = pd.DataFrame(rows, columns=list(REGION_COLUMNS))
    summary = _summary(passed)
    summary.loc[summary.index[-1], "regions"] = len(regions)
    return ActionRegions(regions, summary)


def build_regions(
    boxes: pd.DataFrame, votes: pd.DataFrame, sizes: pd.DataFrame, **settings: Any
) -> ActionRegions:
    """The verified regions, all steps of the module.

    Args:
        boxes: as for `propose_regions`.
        votes: of both stages. Votes of the stage ``region`` must be on the crops that
            `propose_regions` gives under the same settings.
        sizes: of all images.
        settings: of `propose_regions`.

    Raises:
        InputError: as `propose_regions`; a crop without a vote, or a vote on a crop that is not
            there.
    """
    proposed = propose_regions(boxes, votes, sizes, **settings)
    regions = proposed.regions[_recognised(proposed.regions, check_votes(votes))]
    passed = {"recognisable": list(regions[PAIR].drop_duplicates().itertuples(index=False))}
    last = _summary(passed)
    last["dropped"] = proposed.summary["pairs"].iloc[-1] - last["pairs"]
    last["regions"] = len(regions)
    summary = pd.concat([proposed.summary, last], ignore_index=True)
    return ActionRegions(regions.reset_index(drop=True), summary)


def build_region_files(
    boxes: str | Path,
    votes: str | Path,
    sizes: str | Path,
    *,
    regions_path: str | Path,
    summary_path: str | Path,
    verified: bool = True,
    **settings: Any,
) -> None:
    """`build_regions` from files to files; without `verified` it is `propose_regions`."""
    build = build_regions if verified else propose_regions
    built = build(read_boxes(boxes), read_votes(votes), read_sizes(sizes), **settings)
    for path, table in ((regions_path, built.regions), (summary_path, built.summary)):
        with whole_file(path) as temporary:
            table.to_csv(temporary, index=False)


def read_regions(path: str | Path) -> pd.DataFrame:
    """Read the regions that `build_region_files` wrote.

    Raises:
        InputError: no such file, a missing column, or rectangles that are not four whole numbers
            each within the image, or that do not add up to `pixels`.
    """
    regions = checked(read_csv(path), REGION_COLUMNS, where=str(path))
    areas = [_area(row) for row in regions.itertuples()]
    remedy = "is not rectangles 'x y width height; …' within the image; build the regions again"
    complain(regions, "boxes", regions["pixels"] != pd.Series(areas), remedy, regions["boxes"])
    return regions.astype({c: int for c, kind in REGION_COLUMNS.items() if kind != "name"})


def region_mask(regions: pd.DataFrame, image: str, action: str) -> np.ndarray:
    """The mask of an action in an image, all its regions together.

    Args:
        regions: of `ActionRegions` or `read_regions`.
        image: its name.
        action: its name.

    Returns:
        [height, width] bool, in pixels of the image.

    Raises:
        InputError: the image has no region of this action.
    """
    rows = regions[(regions["image"] == image) & (regions["action"] == action)]
    if rows.empty:
        raise InputError(f"action regions: image {image!r} has none of the action {action!r}")
    return _mask(rows)


def image_masks(regions: pd.DataFrame) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each image with the masks of its actions, [height, width] bool, as `region_mask`."""
    for image, rows in regions.groupby("image"):
        yield image, {action: _mask(rows[rows["action"] == action]) for action in set(rows.action)}


def _check_settings(visible_rounds: int, rounds: int, at_least: int, min_share: float) -> None:
    for name, value in (("visible_rounds", visible_rounds), ("rounds", rounds)):
        if value < 1:
            raise InputError(f"action regions: {name} is {value}; give 1 or more")
    if not 1 <= at_least <= rounds:
        raise InputError(
            f"action regions: at_least is {at_least} of {rounds} rounds; give 1 to {rounds}"
        )
    if not 0 <= min_share < 1:
        raise InputError(f"action regions: min_share is {min_share}; give a share, 0 or more")


def _visible(votes: pd.DataFrame, visible_rounds: int) -> pd.Series:
    """Of each pair whether a majority saw it in every round; bool, sorted by pair."""
    by_round = votes.groupby([*PAIR, "round"])["yes"].mean() > 0.5
    by_pair = by_round.groupby(PAIR).agg(["all", "size"])
    lacking = by_pair[by_pair["all"] & (by_pair["size"] < visible_rounds)]
    if len(lacking):
        (image, action), asked = lacking.index[0], lacking["size"].iloc[0]
        raise InputError(
            f"{name_of(votes, None, 'votes')}: image {image!r}, action {action!r} has votes of "
            f"{asked} rounds of the stage visible; ask in {visible_rounds - asked} more, or set "
            f"visible_rounds to {asked}"
        )
    return by_pair["all"].astype(bool)


def _boxes_by_pair(boxes: pd.DataFrame) -> dict[tuple[str, str], dict[int, list[list[float]]]]:
    """Of each pair and round in which it was shown the boxes, none where it was skipped."""
    found: dict[tuple[str, str], dict[int, list[list[float]]]] = {}
    for image, action, number, *box in boxes[[*PAIR, "round", *BOX]].itertuples(index=False):
        drawn = found.setdefault((image, action), {}).setdefault(number, [])
        if not np.isnan(box[0]):
            drawn.append(box)
    return found


def _check_shown(shown: Container[int], rounds: int, pair: tuple[str, str], where: str) -> None:
    for number in range(1, rounds + 1):
        if number not in shown:
            raise InputError(
                f"{where}: image {pair[0]!r}, action {pair[1]!r} has no row of round {number}; "
                "show it again (a row with an empty box says that it was skipped), or set rounds "
                "lower"
            )


def _large_parts(mask: np.ndarray, min_share: float) -> list[dict[str, Any]]:
    """Connected parts of a mask [h, w] that are large enough, in reading order."""
    labels, _ = ndimage.label(mask)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        part = labels[rows, columns] == number
        if part.sum() < min_share * mask.size:
            continue
        y, x = rows.start, columns.start
        height, width = part.shape
        rectangles = "; ".join(f"{x + a} {y + b} {w} {h}" for a, b, w, h in _rectangles(part))
        found.append(
            {"x": x, "y": y, "width": width, "height": height}
            | {"pixels": int(part.sum()), "boxes": rectangles}
        )
    return found


def _rectangles(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Disjoint rectangles x, y, width, height of a mask [h, w]; equal rows share theirs."""
    new = np.flatnonzero(np.r_[True, (mask[1:] != mask[:-1]).any(axis=1), True])
    found = []
    for top, bottom in itertools.pairwise(new):
        edges = np.flatnonzero(np.diff(np.r_[0, mask[top].astype(int), 0]))
        for left, right in zip(edges[::2], edges[1::2], strict=True):
            found.append((int(left), int(top), int(right - left), int(bottom - top)))
    return found


def _parsed(boxes: str) -> list[list[int]]:
    return [[int(number) for number in box.split()] for box in boxes.split(";")]


def _area(row: Any) -> int:
    """Pixels of a row's rectangles, 0 where they cannot be read or leave the image."""
    try:
        boxes = np.array(_parsed(row.boxes)).reshape(-1, 4)
    except ValueError:
        return 0
    beyond = (boxes[:, :2] + boxes[:, 2:] > [row.image_width, row.image_height]).any()
    return 0 if beyond or (boxes < 0).any() else int(boxes[:, 2:].prod(axis=1).sum())


def _mask(rows: pd.DataFrame) -> np.ndarray:
    height, width = int(rows["image_height"].iloc[0]), int(rows["image_width"].iloc[0])
    _check_room(
        rows["image"].iloc[0], height, width, 1, where=name_of(rows, None, "action regions")
    )
    mask = np.zeros((height, width), bool)
    for x, y, width, height in (box for boxes in rows["boxes"] for box in _parsed(boxes)):
        mask[y : y + height, x : x + width] = True
    return mask


def _check_room(image: str, height: int, width: int, each: int, *, where: str) -> None:
    """Refuse an image of so many pixels that masks of it have no room, `each` bytes a pixel."""
    check_memory(
        each * height * width,
        f"{where}: image {image} of {width} x {height} pixels",
        remedy="correct its size",
    )


def _recognised(regions: pd.DataFrame, votes: pd.DataFrame) -> np.ndarray:
    """Of each proposed region whether a majority of its votes is a yes, [regions] bool."""
    votes = votes[votes["stage"] == "region"]
    counts = regions.groupby(PAIR).size()
    pairs = pd.MultiIndex.from_frame(votes[PAIR])
    there = pd.Series(counts.reindex(pairs).to_numpy(float), index=votes.index)
    remedy = (
        "is not among the crops that these boxes and settings give; use the settings under which "
        "the crops were shown"
    )
    named = votes["region"].to_numpy(float, na_value=np.nan)
    complain(votes, "region", there.notna() & (named > there), remedy, votes["region"])
    keys = [*PAIR, "region"]
    numbered = regions[keys].reset_index(names="row").astype({"region": "Int64"})
    answers = pd.concat(
        [
            numbered.merge(votes[votes["region"].notna()], on=keys),
            numbered[["row", *PAIR]].merge(votes[votes["region"].isna()], on=PAIR),
        ]
    )
    share = answers.groupby("row")["yes"].mean().reindex(range(len(regions)))
    if share.isna().any():
        lacking = regions.iloc[int(share.isna().to_numpy().argmax())]
        raise InputError(
            f"{name_of(votes, None, 'votes')}: region {lacking['region']} of image "
            f"{lacking['image']!r}, action {lacking['action']!r} has no vote of the stage region; "
            "show its crop (x, y, width, height of propose_regions) and ask"
        )
    return share.to_numpy(float) > 0.5


def _summary(passed: Mapping[str, list[tuple[str, str]]]) -> pd.DataFrame:
    """Pairs, images and actions that passed each step."""
    rows = [
        {"step": step, "meaning": MEANINGS[step], "pairs": len(pairs)}
        | {"images": len({image for image, _ in pairs})}
        | {"actions": len({action for _, action in pairs})}
        for step, pairs in passed.items()
    ]
    table = pd.DataFrame(rows)
    table["dropped"] = -table["pairs"].diff().fillna(0).astype(int)
    table["regions"] = pd.Series(pd.NA, index=table.index, dtype="Int64")
    return table
