"""A person's own videos as `captions.csv` lists them, for the plan: before any work starts.

The reading here is for counting, by the reader and of the columns that the importer takes
(`seewhy.corpora.folder`). It passes over a table that it cannot make sense of: what is wrong with
that, the importer says.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from seewhy.corpora.dealing import draw
from seewhy.csv_rows import check_names, read_rows
from seewhy.errors import InputError
from seewhy.text.words import tokenise

SPLITS = ("train", "val", "test")
NEEDED, OPTIONAL = ("video", "caption"), ("split", "group")  # columns of captions.csv
LARGEST = 20_000_000  # bytes of a table that is looked at; a larger one is of no small corpus


class OwnClips(NamedTuple):
    """The clips of a folder.

    Attributes:
        path: of `captions.csv`.
        split: of each clip.
        video: its path.
        captions: those of each clip that have a word.
    """

    path: str
    split: dict[str, str]
    video: dict[str, str]
    captions: dict[str, list[str]]

    def described(self, split: str) -> list[list[str]]:
        """The captions of each clip of a split that has any."""
        return [texts for clip, texts in self.captions.items() if self.split[clip] == split]


def clip_name(video: str) -> str:
    """The identifier of a video's clip."""
    return re.sub(r"[^\w.-]", "_", video)


def deal_groups(groups: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Split of each group: in an order drawn from their names and `seed`, cut by the shares.

    Raises:
        ValueError: fewer groups than splits.
    """
    names = sorted(set(groups), key=lambda name: draw(seed, name))
    if len(names) < len(SPLITS):
        raise ValueError(f"{len(names)} groups cannot fill train, val and test")
    total = sum(shares.values())
    held_out = {
        name: max(1, math.floor(len(names) * shares[name] / total)) for name in ("val", "test")
    }
    kinds = ["val"] * held_out["val"] + ["test"] * held_out["test"]
    kinds = kinds[: len(names) - 1]
    kinds += ["train"] * (len(names) - len(kinds))
    return dict(zip(names, kinds, strict=True))


def read_own(source: str | Path, *, shares: Mapping[str, float], seed: int) -> OwnClips | None:
    """The clips of a folder; None where its table is very long, or not one that the importer takes.

    Args:
        source: the folder.
        shares: share of the videos for each split, where the file does not say.
        seed: of that choice.
    """
    path = Path(source) / "captions.csv"
    try:
        if os.path.getsize(path) > LARGEST:
            return None
        parts = list(read_rows(path, rows=LARGEST))
        check_names(parts[0].names, path, NEEDED, OPTIONAL)
    except (OSError, InputError):
        return None
    rows = [dict(zip(part.names, row, strict=True)) for part in parts for row in part.cells]
    captions: dict[str, list[str]] = {}
    group, split, video = {}, {}, {}
    for row in rows:
        name, text = row["video"], row["caption"]
        if not name:
            return None
        name = os.path.normpath(name)
        clip = clip_name(name)
        video[clip] = str(Path(source) / name)
        group.setdefault(clip, row.get("group") or name)
        if split.setdefault(clip, row.get("split")) != row.get("split"):
            return None
        if tokenise(text):
            captions.setdefault(clip, []).append(text)
    if not rows:
        return None
    if "split" not in rows[0]:
        try:
            dealt = deal_groups(group.values(), shares, seed)
        except ValueError:
            return None
        split = {clip: dealt[group[clip]] for clip in group}
    if not set(split.values()) <= set(SPLITS):
        return None
    return OwnClips(str(path), split, video, captions)
