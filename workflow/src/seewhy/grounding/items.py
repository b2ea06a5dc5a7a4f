"""What is asked of the networks, and the truth: an item is one thing that one actor does in a clip.

A clip with two actors who do different things is two items. Truth is that of the frames that the
networks read, at the frames' own resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_table
from seewhy.corpora.truth import Truth, open_truth
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.grounding.clips import ClipFile

COLUMNS = (*("row", "clip", "instance", "object", "action", "start", "end", "spans", "partner"),)


def items_of(corpus: str | Path, file: ClipFile, classes: Sequence[str]) -> pd.DataFrame:
    """All items of a split.

    Args:
        corpus: folder in canonical form, with segments.
        file: frames of the split.
        classes: actions that the networks know; others are passed over.

    Returns:
        A row an item: `row` of the frames, `clip`, `instance` and `object` (0: none), `action`,
        `start` and `end` in frames of the clip, `spans`, the pairs of them (where the actor does it
        more than once, `start` and `end` are the first and the last), and `partner`, the other
        actor of a clip in which just two do different things (0: none).

    Raises:
        InputError: not one segment of a known action.
    """
    table = read_table(corpus, "segments")
    row = {clip: k for k, clip in enumerate(file.clips)}
    table = table[table["clip"].isin(row) & table["label"].isin(set(classes))]
    table = table.rename(columns={"label": "action"}).drop_duplicates(
        ["clip", "instance", "action"]
    )
    if table.empty:
        raise InputError(
            f"{corpus}/segments.csv: no segment of a clip of {file.path} has an action that the "
            f"networks know ({', '.join(classes)})"
        )
    table = table.assign(
        row=table["clip"].map(row).astype(int),
        object=table["object"].fillna(0).astype(int),
        spans=list(zip(table["start"].astype(int), table["end"].astype(int), strict=True)),
    )
    table = (
        table.groupby(["row", "clip", "instance", "action"], sort=True)
        .agg(object=("object", "max"), start=("start", "min"), end=("end", "max"),
             spans=("spans", tuple))
        .reset_index()
    )  # fmt: skip
    pairs = table.groupby("clip").filter(
        lambda rows: len(rows) == 2 and rows["action"].nunique() == rows["instance"].nunique() == 2
    )
    table["partner"] = 0
    for _, rows in pairs.groupby("clip"):
        table.loc[rows.index, "partner"] = rows["instance"].to_numpy()[::-1]
    return table[list(COLUMNS)]


class Regions(NamedTuple):
    """Truth of one item at the frames that were read; masks ``[steps, h, w]`` bool.

    Attributes:
        during: steps at which the action goes on, ``[steps]``.
        box: of the actor (all of its boxes), filled.
        mask: the actor and what it acts on; None where the corpus has boxes only.
        actor, object, others, partner: masks of the actor, of what it acts on, of everybody else in
            sight, and of the other actor.
    """

    during: np.ndarray
    box: np.ndarray
    mask: np.ndarray | None
    actor: np.ndarray | None
    object: np.ndarray | None
    others: np.ndarray | None
    partner: np.ndarray | None


class Scenery:
    """Truth of the clips of a split.

    Args:
        corpus: folder in canonical form.
        file: frames of the split.
        steps: frames of a clip that the networks read.

    Raises:
        InputError: the corpus has no truth by the frame.
    """

    def __init__(self, corpus: str | Path, file: ClipFile, steps: int) -> None:
        self.truth: Truth = open_truth(corpus)
        self.file, self.steps = file, steps
        with open_hdf5(file.path, needs=("counts", "shapes")) as data:
            self.counts, self.shapes = data["counts"][:], data["shapes"][:]

    def __enter__(self) -> Scenery:
        return self

    def __exit__(self, *_: object) -> None:
        self.truth.close()

    def frames(self, row: int) -> np.ndarray:
        """Frame of the clip that each step shows, ``[steps]``."""
        count, kept = int(self.counts[row]), int(self.file.lengths[row])
        stored = (2 * np.arange(kept) + 1) * count // (2 * kept)
        return stored[self.file.numbers(row, self.steps)]

    def during(self, item: pd.Series) -> np.ndarray:
        """Steps at which the item's action goes on, ``[steps]`` bool."""
        frames = self.frames(item["row"])
        return np.any([(frames >= first) & (frames < last) for first, last in item["spans"]], 0)

    def regions(self, item: pd.Series) -> Regions:
        """Where the item is to be seen; nowhere at steps at which it does not go on.

        The frames were squashed into squares, and so is the truth.
        """
        size = self.file.size
        frames, during = self.frames(item["row"]), self.during(item)
        height, width = self.shapes[item["row"]]
        boxes = self.truth.boxes(item["clip"])
        box = np.zeros((self.steps, size, size), bool)
        own = boxes["instance"] == item["instance"]
        for step in np.flatnonzero(during):
            for x, y, w, h in boxes["box"][own & (boxes["frame"] == frames[step])]:
                left, right = _pixels(x, w, size / width)
                top, bottom = _pixels(y, h, size / height)
                box[step, top:bottom, left:right] = True
        if not self.truth.has_masks:
            return Regions(during, box, None, None, None, None, None)
        instances = self.truth.masks(item["clip"], "instance")[0][frames]
        if instances.shape[1:] != (size, size):
            rows = (np.arange(size) * instances.shape[1] + instances.shape[1] // 2) // size
            columns = (np.arange(size) * instances.shape[2] + instances.shape[2] // 2) // size
            instances = instances[:, rows][:, :, columns]
        instances = instances * during[:, None, None]
        actor = instances == item["instance"]
        thing = (instances == item["object"]) & (item["object"] > 0)
        others = (instances > 0) & ~actor & ~thing
        partner = (instances == item["partner"]) & (item["partner"] > 0)
        return Regions(during, box, actor | thing, actor, thing, others, partner)


def _pixels(start: float, length: float, scale: float) -> tuple[int, int]:
    """Pixels whose centres lie in a stretch."""
    return (
        max(0, int(np.ceil(start * scale - 0.5))),
        max(0, int(np.ceil((start + length) * scale - 0.5))),
    )
