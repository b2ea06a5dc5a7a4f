"""A user's own images with a class each: a folder and two CSV files.

``images.csv`` has a row an image::

    image                 file name, relative to the folder; one elsewhere (`../b.jpg`, or an
                          absolute path) is read too, and never written to
    label                 its class
    split                 train, val or test
    x, y, width, height   optional: the box around the thing, in pixels; all four or none

``captions.csv`` has a row a caption: `image`, `caption`. An image may have several, or none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import SPLITS, check_captions, read_csv
from seewhy.corpora.sources import IMAGE_EXTENSIONS, SOURCES, unlisted
from seewhy.csv_files import check_columns, line_of
from seewhy.errors import InputError
from seewhy.number_text import numbers_of, shown
from seewhy.pictures import PictureProblem, picture_size

_SIDES = ["x", "y", "width", "height"]
LARGEST = 1e9  # pixels from the corner of an image; what is farther is a slip
_COLUMNS = ["image", "label", "split"]
WHERE = SOURCES["images"].where

Boxes = Iterator[tuple[str, Mapping[str, np.ndarray]]]


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any], Boxes]:
    """Read `images.csv` and `captions.csv`; the label is of kind `class`.

    Args:
        source: the folder.

    Raises:
        InputError: a missing or unknown column, an empty or wrong cell, an image listed twice or
            not listed, no image to train on or to test.
    """
    path = source / "images.csv"
    rows = _table(path, _COLUMNS, _SIDES)
    rows["image"] = [os.path.normpath(image) for image in rows["image"]]
    clips = [re.sub(r"[^\w.-]", "_", image) for image in rows["image"]]
    twice = pd.Series(clips).duplicated()
    if twice.any():
        raise InputError(
            f"{path}: line {line_of(rows, twice.argmax())}: "
            f"{rows['image'].iloc[twice.argmax()]} is listed twice, or "
            "differs from another only in / or other signs; rename or remove one"
        )
    bad = ~rows["split"].isin(SPLITS)
    if bad.any():
        raise InputError(
            f"{path}: column split, line {line_of(rows, bad.argmax())}: "
            f"{shown(rows['split'].iloc[bad.argmax()])} is not one of {', '.join(SPLITS)}"
        )
    for split in ("train", "test"):
        if split not in set(rows["split"]):
            raise InputError(f"{path}: no image is in split {split}; put at least one there")
    clip_of = dict(zip(rows["image"], clips, strict=True))
    said = _table(source / "captions.csv", ["image", "caption"], [])
    check_captions(said["caption"], source / "captions.csv")
    said["image"] = [os.path.normpath(image) for image in said["image"]]
    stray = ~said["image"].isin(rows["image"])
    if stray.any():
        raise InputError(
            f"{source / 'captions.csv'}: line {line_of(said, stray.argmax())}: "
            f"{said['image'].iloc[stray.argmax()]} is not in images.csv; add it there"
        )
    owners = said["image"].map(clip_of)
    numbers = said.groupby("image").cumcount()
    tables = {
        "clips": pd.DataFrame(
            {
                "clip": clips,
                "split": rows["split"],
                "video": [str(source / image) for image in rows["image"]],
            }
        ),
        "labels": pd.DataFrame({"clip": clips, "kind": "class", "label": rows["label"]}),
        "captions": pd.DataFrame(
            {
                "caption": [f"{c}.{n}" for c, n in zip(owners, numbers, strict=True)],
                "clip": owners,
                "text": said["caption"],
            }
        ),
        "instances": pd.DataFrame(
            {"clip": clips, "instance": 1, "class": rows["label"], "role": "object"}
        ),
    }
    others = unlisted(source, IMAGE_EXTENSIONS, clip_of)
    remarks = []
    if others:
        remarks.append(
            f"{len(others)} images are not in images.csv and are left out ({others[0]} is the "
            "first)"
        )
    boxes = _boxes(rows, clips, path, remarks)
    return tables, {"remarks": remarks, "remedy": WHERE}, boxes


def _table(path: Path, needed: list[str], optional: list[str]) -> pd.DataFrame:
    """A CSV file with these columns, none of those needed empty."""
    rows = read_csv(path)
    given = [column for column in optional if column in rows.columns]
    if given and given != optional:
        needed = [*needed, *optional]
    note = f" ({', '.join(optional)}: all or none)" if optional else ""
    check_columns(rows, path, needed, [c for c in optional if c not in needed], note=note)
    for column in needed:
        empty = rows[column].isna()
        if empty.any():
            raise InputError(
                f"{path}: column {column}, line {line_of(rows, empty.argmax())}: empty; fill it in"
            )
    return rows


def _boxes(rows: pd.DataFrame, clips: list[str], path: Path, remarks: list[str]) -> Boxes:
    if "x" not in rows:
        return iter(())
    values = np.stack([numbers_of(rows[side]).to_numpy() for side in _SIDES], 1)
    bad = (values[:, :2] < 0).any(1) | (values[:, 2:] <= 0).any(1) | ~(values <= LARGEST).all(1)
    bad &= ~rows[_SIDES].isna().all(axis=1).to_numpy()
    if bad.any():
        raise InputError(
            f"{path}: line {line_of(rows, bad.argmax())}: the box is not four numbers, x and y "
            "from 0 and a width and height above 0 (pixels, up to a billion); mend it, or leave "
            "all four empty"
        )
    beyond = []
    for row, box in enumerate(values):
        if np.isfinite(box).all():
            try:
                size = picture_size(Path(path.parent, rows["image"].iloc[row]))
            except PictureProblem:  # what reads the images says it
                continue
            beyond += [row] if (box[:2] + box[2:] > np.add(size, 1)).any() else []
    if beyond:
        remarks.append(
            f"{len(beyond)} boxes end outside of their image and are cut at its edge (the first: "
            f"line {line_of(rows, beyond[0])}); boxes are in pixels of the image at its full size"
        )
    return iter(
        [
            (clip, {"frame": np.zeros(1, int), "instance": np.ones(1, int), "box": box[None]})
            for clip, box in zip(clips, values, strict=True)
            if np.isfinite(box).all()
        ]
    )
