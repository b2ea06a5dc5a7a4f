"""What a captioner trains on: features from HDF5, captions as word indices, topic vectors.

Features stay on disk and are read a batch at a time; captions, a hundredth of their size, do not.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.hdf5_files import Expect, check_finite, texts
from seewhy.readable import make_again
from seewhy.text.tokens import PAD, Vocabulary

_FORM = {
    "features": Expect("number", ("clips", "n", None)),
    "lengths": Expect("whole", ("clips",), least=0, most="n"),
    "clip": Expect("text", ("clips",)),
}


class FeatureFile:
    """CNN features of one split, ``features.h5``: [clips, n, d], with lengths and identifiers.

    Raises:
        InputError: the file is not a whole HDF5 file, lacks a data set, or holds one of another
            form, a clip twice or no clip; later: features that are not finite.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_hdf5(path, needs=_FORM) as file:
            self.clips: list[str] = texts(file["clip"], path)
            self.lengths: np.ndarray = file["lengths"][:]
            self.shape: tuple[int, int, int] = file["features"].shape
            self.backbone: str = str(file.attrs.get("weights", ""))
        self.row = {clip: row for row, clip in enumerate(self.clips)}
        if not self.clips or len(self.row) < len(self.clips):
            wrong = "holds a clip twice" if self.clips else "holds no clip"
            raise InputError(f"{path}: {wrong}; {make_again(path)}")
        self._stored = np.arange(len(self.clips))  # rows of the file

    def only(self, clips: Collection[str]) -> FeatureFile:
        """The same without those clips that are not among `clips`; rows are counted anew."""
        own = copy.copy(self)
        kept = [row for row, clip in enumerate(self.clips) if clip in clips]
        own.clips = [self.clips[row] for row in kept]
        own.lengths, own._stored = self.lengths[kept], self._stored[kept]
        own.shape = (len(kept), *self.shape[1:])
        own.row = {clip: row for row, clip in enumerate(own.clips)}
        return own

    def sample(self, frames: int) -> list[Tensor]:
        """The real frames of clips evenly spaced in the file, [length, d] each.

        Args:
            frames: at most so many in all, but at least one clip.
        """
        clips = min(len(self.clips), max(1, frames // self.shape[1]))
        rows = np.unique(np.linspace(0, len(self.clips) - 1, clips).round())
        with open_hdf5(self.path, needs=("features",)) as file:
            features = file["features"]
            found = [
                features[self._stored[row], : self.lengths[row]].astype(np.float32)
                for row in rows.astype(int)
            ]
        for row, own in zip(rows.astype(int), found, strict=True):
            check_finite(own, f"features of the clip {self.clips[row]}", self.path)
        return [torch.from_numpy(own) for own in found]

    def batches(self, order: Sequence[Sequence[int]]) -> Iterator[tuple[Tensor, Tensor]]:
        """Read rows, a list at a time: CNN features [c, n, d] and lengths [c] for each list."""
        with open_hdf5(self.path, needs=("features",)) as file:
            features = file["features"]
            for rows in order:
                block = np.empty((len(rows), *self.shape[1:]), dtype=np.float32)
                for place, row in enumerate(rows):
                    features.read_direct(block, np.s_[self._stored[row]], np.s_[place])
                    what = f"features of the clip {self.clips[row]}"
                    check_finite(block[place], what, self.path)
                yield torch.from_numpy(block), torch.from_numpy(self.lengths[list(rows)]).long()


class CaptionArrays(NamedTuple):
    """All captions of the clips of a feature file, as word indices."""

    words: Tensor  # begin mark and words, [captions, t]
    targets: Tensor  # words and end mark, then -1, [captions, t]
    of_clip: list[np.ndarray]  # for each row of the feature file, the rows of its captions


def caption_arrays(
    captions: pd.DataFrame, clips: Sequence[str], vocabulary: Vocabulary, *, max_words: int
) -> CaptionArrays:
    """Index the captions of `clips`, leaving out those of `max_words` tokens or more.

    Args:
        captions: the canonical table.
        clips: identifiers, in the order of the feature file's rows.
        vocabulary: words and their indices.
        max_words: captions of this many tokens or more are dropped.

    Raises:
        InputError: no caption is left.
    """
    row = {clip: number for number, clip in enumerate(clips)}
    sentences: list[np.ndarray] = []  # begin mark, words, end mark
    of_clip: list[list[int]] = [[] for _ in clips]
    for clip, text in zip(captions["clip"], captions["text"], strict=True):
        if clip not in row:
            continue
        sentence = vocabulary.encode(text)
        if 0 < len(sentence) - 2 < max_words:
            of_clip[row[clip]].append(len(sentences))
            sentences.append(sentence)
    if not sentences:
        raise InputError(
            f"captions.csv: none of the {len(clips)} clips of this split has a caption of fewer "
            f"than {max_words} words; add captions or raise captioner.max_words"
        )
    length = max(map(len, sentences)) - 1
    words = torch.full((len(sentences), length), PAD)
    targets = torch.full((len(sentences), length), -1)
    for number, sentence in enumerate(map(torch.from_numpy, sentences)):
        words[number, : len(sentence) - 1] = sentence[:-1]
        targets[number, : len(sentence) - 1] = sentence[1:]
    return CaptionArrays(words, targets, [np.array(rows, dtype=int) for rows in of_clip])


class Batch(NamedTuple):
    """c clips with k captions each; a clip with fewer captions is filled up with -1 targets."""

    cnn: Tensor  # [c, n, d]
    lengths: Tensor  # [c]
    words: Tensor  # [c, k, t]
    targets: Tensor  # [c, k, t]
    rows: np.ndarray  # rows of the feature file, [c]


def epoch_batches(
    features: FeatureFile,
    captions: CaptionArrays,
    *,
    clips: int,
    captions_per_clip: int,
    seed: int,
    epoch: int,
) -> Iterator[Batch]:
    """One epoch: every clip once, in random order, with `captions_per_clip` of its captions.

    A clip's captions are gone through in a random order of their own, without repetition until all
    have been used. The order depends on `seed` and `epoch` alone, so that a resumed training sees
    the same batches.

    Args:
        features: CNN features.
        captions: captions of the same clips.
        clips: clips a batch, c.
        captions_per_clip: k.
        seed: of the training.
        epoch: counted from 0.
    """
    k = captions_per_clip
    rows = np.array([row for row, own in enumerate(captions.of_clip) if len(own)])
    order = np.random.default_rng([seed, 1, epoch]).permutation(rows)
    groups = [order[start : start + clips] for start in range(0, len(order), clips)]
    for group, (cnn, lengths) in zip(groups, features.batches(groups), strict=True):
        chosen = np.full((len(group), k), -1)
        for place, row in enumerate(group):
            own = captions.of_clip[row]
            rounds = -(-len(own) // k)  # epochs that go once through the clip's captions
            shuffled = np.random.default_rng([seed, 2, epoch // rounds, row]).permutation(own)
            part = shuffled[(epoch % rounds) * k :][:k]
            chosen[place, : len(part)] = part
        yield _batch(cnn, lengths, captions, chosen, group)


def all_batches(
    features: FeatureFile, captions: CaptionArrays, *, clips: int, captions_per_clip: int
) -> Iterator[Batch]:
    """Every clip in order with its first `captions_per_clip` captions: for validation."""
    rows = np.array([row for row, own in enumerate(captions.of_clip) if len(own)])
    groups = [rows[start : start + clips] for start in range(0, len(rows), clips)]
    for group, (cnn, lengths) in zip(groups, features.batches(groups), strict=True):
        chosen = np.full((len(group), captions_per_clip), -1)
        for place, row in enumerate(group):
            part = captions.of_clip[row][:captions_per_clip]
            chosen[place, : len(part)] = part
        yield _batch(cnn, lengths, captions, chosen, group)


def _batch(
    cnn: Tensor, lengths: Tensor, captions: CaptionArrays, chosen: np.ndarray, rows: np.ndarray
) -> Batch:
    index = torch.from_numpy(chosen)
    words = captions.words[index.clamp(min=0)]  # [c, k, t]
    targets = captions.targets[index.clamp(min=0)].masked_fill((index < 0).unsqueeze(-1), -1)
    t = int((targets >= 0).any(dim=(0, 1)).sum())  # no step that every caption is past
    return Batch(cnn, lengths, words[..., :t], targets[..., :t], rows)
