"""Frames of labelled clips: what the networks of the grounding system read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.hdf5_files import FRAMES, texts


class ClipFile:
    """Frames of one split, ``frames.h5``; they stay on disk.

    Args:
        path: written by `seewhy.frames.sample_frames`.

    Attributes:
        clips: identifiers.
        lengths: real frames of each clip.

    Raises:
        InputError: not a whole file of frames.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_hdf5(path, needs=FRAMES) as file:
            self.clips: list[str] = texts(file["clip"], path)
            self.lengths: np.ndarray = file["lengths"][:]
            self.size: int = file["frames"].shape[2]

    def numbers(self, row: int, steps: int, phase: float = 0.5) -> np.ndarray:
        """Which of a clip's frames are read as `steps` equally spaced ones.

        With phase 1/2 the centres of equal intervals, ``floor((2k + 1) N / 2n)`` as in
        `seewhy.video.decoding.choose_frames`, some of them twice if there are fewer than `steps`;
        other phases are for training.
        """
        length = int(self.lengths[row])
        return np.minimum(((np.arange(steps) + phase) * length / steps).astype(int), length - 1)

    def read(self, rows: Sequence[int], numbers: Sequence[np.ndarray]) -> np.ndarray:
        """Frames uint8 ``[rows, steps, h, w, 3]``; `numbers`: those of each row."""
        with open_hdf5(self.path, needs=("frames",)) as file:
            data = file["frames"]
            return np.stack(
                [
                    data[row][chosen]
                    if len(chosen) > 4
                    else np.stack([data[row, k] for k in chosen])
                    for row, chosen in zip(rows, numbers, strict=True)
                ]
            )

    def steps(self, rows: Sequence[int], steps: int) -> np.ndarray:
        """`steps` equally spaced frames of each row, ``[rows, steps, h, w, 3]``."""
        return self.read(rows, [self.numbers(row, steps) for row in rows])


def label_matrix(
    corpus: str | Path, clips: Sequence[str], kinds: Sequence[str], labels: Sequence[str] = ()
) -> tuple[np.ndarray, list[str]]:
    """Which labels clips have.

    Args:
        corpus: folder in canonical form.
        clips: identifiers.
        kinds: sorts of labels that count.
        labels: the columns; none: all that the clips have, in alphabetical order (``kind/label``
            where there are several kinds).

    Returns:
        ``[clips, labels]`` float32, 1 where the clip has it, and the labels. A label that is not
        among the columns is passed over.
    """
    table = read_table(corpus, "labels")
    table = table[table["kind"].isin(kinds) & table["clip"].isin(set(clips))]
    names = table["label"] if len(kinds) == 1 else table["kind"] + "/" + table["label"]
    columns = list(labels) or sorted(set(names))
    matrix = pd.crosstab(table["clip"], names).reindex(index=list(clips), columns=columns)
    return (matrix.fillna(0).to_numpy() > 0).astype(np.float32), columns


def labelled(
    corpus: str | Path, file: ClipFile, classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Rows of a file whose clips show actions, and which.

    Args:
        corpus: folder in canonical form.
        file: frames.
        classes: names of the actions; none: those that occur.

    Returns:
        Rows ``[n]``, actions ``[n, classes]`` (several where several are shown), and the classes.

    Raises:
        InputError: no clip has an action.
    """
    actions, names = label_matrix(corpus, file.clips, ["action"], classes)
    rows = np.flatnonzero(actions.any(axis=1))
    if not len(rows):
        raise InputError(f"{corpus}/labels.csv: no clip of {file.path} has a label of kind action")
    return rows, actions[rows], names
