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

from seewhy.corpora.canonical import SPLITS, read_csv
from seewhy.corpora.sources import IMAGE_EXTENSIONS, SOURCES, unlisted
from seewhy.errors import InputError

_SIDES = ["x", "y", "width", "height"]
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
            f"{path}: line {twice.argmax() + 2}: {rows['image'].iloc[twice.argmax()]} is listed "
            "twice, or differs from another only in / or other signs; rename or remove one"
        )
    bad = ~rows["split"].isin(SPLITS)
    if bad.any():
        raise InputError(
            f"{path}: column split, line {bad.argmax() + 2}: {rows['split'].iloc[bad.argmax()]!r} "
            f"is not one of {', '.join(SPLITS)}"
        )
    for split in ("train", "test"):
        if split not in set(rows["split"]):
            raise InputError(f"{path}: no image is in split {split}; put at least one there")
    clip_of = dict(zip(rows["image"], clips, strict=True))
    said = _table(source / "captions.csv", ["image", "caption"], [])
    said["image"] = [os.path.normpath(image) for image in said["image"]]
    stray = ~said["image"].isin(rows["image"])
    if stray.any():
        raise InputError(
            f"{source / 'captions.csv'}: line {stray.argmax() + 2}: "
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
    return tables, {"remarks": remarks, "remedy": WHERE}, _boxes(rows, clips, path)


def _table(path: Path, needed: list[str], optional: list[str]) -> pd.DataFrame:
    """A CSV file with these columns, none of those needed empty."""
    rows = read_csv(path)
    unknown = [column for column in rows.columns if column not in (*needed, *optional)]
    missing = [column for column in needed if column not in rows.columns]
    given = [column for column in optional if column in rows.columns]
    if given and given != optional:
        missing += [column for column in optional if column not in given]
    if unknown or missing:
        wrong = [f"has no column {', '.join(missing)}"] if missing else []
        wrong += [f"has an unknown column {', '.join(unknown)}"] if unknown else []
        also = f" and, all or none, {', '.join(optional)}" if optional else ""
        raise InputError(
            f"{path}: {' and '.join(wrong)}; the columns are {', '.join(needed)}{also}"
        )
    for column in needed:
        empty = rows[column].isna()
        if empty.any():
            raise InputError(
                f"{path}: column {column}, line {empty.argmax() + 2}: empty; fill it in"
            )
    return rows


def _boxes(rows: pd.DataFrame, clips: list[str], path: Path) -> Boxes:
    if "x" not in rows:
        return iter(())
    values = rows[_SIDES].apply(pd.to_numeric, errors="coerce").to_numpy(float, na_value=np.nan)
    bad = ~np.isfinite(values).all(1) | (values[:, 2:] <= 0).any(1)
    bad &= ~rows[_SIDES].isna().all(axis=1).to_numpy()
    if bad.any():
        raise InputError(
            f"{path}: line {bad.argmax() + 2}: the box is not four numbers with a width and height "
            "above 0; mend it, or leave all four empty"
        )
    return iter(
        [
            (clip, {"frame": np.zeros(1, int), "instance": np.ones(1, int), "box": box[None]})
            for clip, box in zip(clips, values, strict=True)
            if np.isfinite(box).all()
        ]
    )
