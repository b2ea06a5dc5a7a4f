"""What people said of the actions in images: tables that a person or a crowd-sourcing site writes.

====================  =============================================================================
``sizes.csv``         image, width, height: every image that was shown, in pixels
``votes.csv``         image, action, stage, round, annotator, yes; perhaps region
``boxes.csv``         image, action, round, annotator, x, y, width, height, in pixels
====================  =============================================================================

The stage of a vote is ``visible`` (is the action visible in this frame?) or ``region`` (is it
recognisable in this crop?). A vote on a crop names it by its number in ``region``; where that cell
is empty, or there is no such column, the vote is on every crop of the image and action. ``yes`` is
yes, no, 1 or 0. Rounds count from 1.

A person who draws several boxes in a round writes a row for each. One who **skips** the image
writes one row whose x, y, width and height are empty; an image that was **never shown** in a round
has no row for it.

Boxes are half-open: pixel (i, j) of row i and column j is in a box if x <= j + 0.5 < x + width and
y <= i + 0.5 < y + height. A box too thin to hold a pixel's centre holds the pixel under its own
(`seewhy.scores.pointing.region_masks`). Other columns than these are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.csv_files import check_columns
from seewhy.errors import InputError
from seewhy.number_text import numbers_of, shown

PAIR = ["image", "action"]
BOX = ["x", "y", "width", "height"]
STAGES = ("visible", "region")
_YES = {"yes": True, "1": True, "true": True, "no": False, "0": False, "false": False}
LARGEST = 1_000_000_000
"""Of a round, a side or a region's number; what is larger is a slip."""
_SLACK = 1e-6  # pixels by which a box may leave its image, from rounding

_SIZES = {"image": "name", "width": "count", "height": "count"}
_VOTES = {"image": "name", "action": "name", "stage": "stage", "round": "count",
          "annotator": "name", "yes": "yes", "region": "count"}  # fmt: skip
_BOXES = {"image": "name", "action": "name", "round": "count", "annotator": "name",
          "x": "number", "y": "number", "width": "number", "height": "number"}  # fmt: skip
_WRONG = {
    "name": "is empty; fill it in",
    "stage": f"is not one of {', '.join(STAGES)}",
    "yes": "is not yes, no, 1 or 0",
    "count": "is not a whole number from 1 to a billion",
    "whole": "is not a whole number from 0 to a billion",
    "number": "is not a number from 0, in pixels",
}


def read_sizes(path: str | Path) -> pd.DataFrame:
    """Read ``sizes.csv``; see `check_sizes`."""
    return check_sizes(read_csv(path), where=str(path))


def read_votes(path: str | Path) -> pd.DataFrame:
    """Read ``votes.csv``; see `check_votes`."""
    return check_votes(read_csv(path), where=str(path))


def read_boxes(path: str | Path) -> pd.DataFrame:
    """Read ``boxes.csv``; see `check_boxes`."""
    return check_boxes(read_csv(path), where=str(path))


def check_sizes(table: pd.DataFrame, *, where: str | None = None) -> pd.DataFrame:
    """The sizes of images with their columns typed.

    Args:
        table: see the module.
        where: the file's name for errors; None: where the table was read from.

    Raises:
        InputError: a missing column, a side that is no whole number of pixels, a repeated image.
    """
    result = checked(table, _SIZES, where=name_of(table, where, "sizes"))
    refuse_repeated(result, ["image"])
    return result


def check_votes(table: pd.DataFrame, *, where: str | None = None) -> pd.DataFrame:
    """The votes with their columns typed; arguments as for `check_sizes`.

    Raises:
        InputError: a missing column, an unknown stage, a vote that is neither yes nor no, a round
            that is not counted from 1, or two votes of a person on the same question in a round.
    """
    result = checked(table, _VOTES, where=name_of(table, where, "votes"), optional=["region"])
    refuse_repeated(result, [*PAIR, "stage", "round", "annotator", "region"])
    return result


def check_boxes(table: pd.DataFrame, *, where: str | None = None) -> pd.DataFrame:
    """The boxes with their columns typed; arguments as for `check_sizes`.

    Raises:
        InputError: a missing column, a number that is none or is negative, a box with an empty cell
            or without area, or a person who skipped an image and drew in it in the same round.
    """
    result = checked(table, _BOXES, where=name_of(table, where, "boxes"))
    check_sides(result)
    skipped = result["x"].isna()
    by = [*PAIR, "round", "annotator"]
    both = skipped & (result.groupby(by)["x"].transform("size") > 1)
    complain(result, "x", both, "means a skipped image, but the same person has another row there")
    return result


def check_sides(table: pd.DataFrame) -> None:
    """Raise unless each row of x, y, width and height is a box with area, or wholly empty."""
    empty = table[BOX].isna()
    for column in BOX:
        half = empty[column] & ~empty.all(axis=1)
        complain(table, column, half, "is empty; give the whole box, or none for a skipped image")
    for side in ("width", "height"):
        remedy = "is not above 0; leave the box empty where the image was skipped"
        complain(table, side, table[side] <= 0, remedy, table[side])


def check_inside(boxes: pd.DataFrame, sizes: pd.DataFrame) -> None:
    """Raise unless every box lies within its image.

    Args:
        boxes: from `check_boxes`, or any table of image, x, y, width and height.
        sizes: from `check_sizes`.
    """
    known = boxes["image"].isin(sizes["image"])
    remedy = f"is not in {name_of(sizes, None, 'sizes')}; add its width and height there"
    complain(boxes, "image", ~known, remedy, boxes["image"])
    of_image = sizes.set_index("image").loc[boxes["image"]]
    for start, side in (("x", "width"), ("y", "height")):
        limit = of_image[side].to_numpy(float)
        beyond = boxes[start] + boxes[side] > limit + _SLACK
        if beyond.any():
            row = int(beyond.to_numpy(bool).argmax())
            end = boxes[start].iloc[row] + boxes[side].iloc[row]
            remedy = (
                f"+ {side} = {end:g} is outside of the image, whose {side} is {limit[row]:g}; "
                "give pixels of the image at its full size"
            )
            complain(boxes, start, beyond, remedy, boxes[start])


def checked(
    table: pd.DataFrame, columns: Mapping[str, str], *, where: str, optional: Sequence[str] = ()
) -> pd.DataFrame:
    """`columns` of a table, typed, and the name `where` kept with it for later errors.

    Args:
        table: as text or typed.
        columns: the kind of each: `name`, `stage`, `yes`, `count` (whole, from 1), `whole` (from 0)
            or `number` (from 0, may be empty).
        where: the file's name.
        optional: columns that may be lacking, and whose cells may be empty.

    Raises:
        InputError: a missing column, or a value that is not of its kind.
    """
    needed = [column for column in columns if column not in optional]
    check_columns(table, where, needed, optional, only=False)
    result = pd.DataFrame(index=range(len(table)))
    result.attrs["file"] = where
    if "csv" in table.attrs and table.index.is_unique and not table.index.equals(result.index):
        result.attrs["lines"] = (table.index + 2).tolist()  # of the file, below blank ones
    for column, kind in columns.items():
        given = table[column] if column in table.columns else pd.Series(pd.NA, table.index)
        text = given.reset_index(drop=True).astype("string").str.strip()
        empty = text.isna() | (text == "")
        values, bad = _typed(text, kind)
        bad = bad & ~empty if kind == "number" or column in optional else bad | empty
        complain(result, column, bad, _WRONG[kind], text.fillna(""))
        result[column] = values
    return result


def _typed(text: pd.Series, kind: str) -> tuple[pd.Series, pd.Series]:
    """The values of a column of text, and which of them are not of the kind."""
    if kind in ("name", "stage"):
        values = text.astype(object)
        return values, ~text.isin(STAGES) if kind == "stage" else text.isna()
    if kind == "yes":
        values = text.str.lower().map(_YES).astype("boolean")
        return values.fillna(False).astype(bool), values.isna()
    values = numbers_of(text)
    if kind in ("count", "whole"):
        bad = ~((values >= (kind == "count")) & (values <= LARGEST)) | (values % 1 != 0)
        return values.where(~bad).astype("Int64"), bad
    return values, ~(values >= 0)


def refuse_repeated(table: pd.DataFrame, key: Sequence[str]) -> None:
    """Raise where a row repeats an earlier one in the columns of `key`."""
    remedy = "repeats an earlier row; keep one of them"
    complain(table, " + ".join(key), table.duplicated(subset=list(key)), remedy)


def name_of(table: pd.DataFrame, where: str | None, default: str) -> str:
    """The file that a table was read from, for errors."""
    return where or table.attrs.get("file", default)


def complain(
    table: pd.DataFrame,
    column: str,
    bad: pd.Series,
    what: str,
    values: pd.Series | None = None,
) -> None:
    """Raise an `InputError` that names the first row where `bad`; do nothing where there is none.

    Args:
        table: of `checked`, or rows of it: the index tells the line of the file.
        column: the one at fault.
        bad: [rows] bool.
        what: is wrong, and what to do.
        values: to be shown.
    """
    bad = bad.to_numpy(bool, na_value=False)
    if bad.any():
        row = int(bad.argmax())
        value = "" if values is None else f" {shown(str(values.iloc[row]))}"
        where, lines = name_of(table, None, "table"), table.attrs.get("lines")
        line = lines[table.index[row]] if lines else table.index[row] + 2
        raise InputError(f"{where}: column {column}, line {line}: the value{value} {what}")
