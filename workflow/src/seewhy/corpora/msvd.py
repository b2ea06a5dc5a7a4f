"""MSVD, also called YouTubeClips or the Microsoft Research Video Description corpus.

Its layout, below the source folder::

    youtube_mapping.txt                 <youtube id>_<start>_<end> vid<N>, 1,970 lines
    sents_{train,val,test}_lc_nopunc.txt  vid<N><TAB>caption, as released with S2VT
    AllVideoDescriptions.txt            instead of those: <youtube id>_<start>_<end> caption
    YouTubeClips/*.avi                  <youtube id>_<start>_<end>.avi, the clips, already cut

Each file may lie in another folder below the source, and a clip be called vid<N> or have another
ending (`seewhy.corpora.layout`). What is missing is said, and the rest is used: a clip of train or
validation without a caption is left out, one of test is captioned only. ``MSR Video Description
Corpus.csv`` (``video_corpus.csv``) is not read: it has captions in all languages, and those that
the releases above left out.

The split is that of Venugopalan et al. (NAACL 2015), which the paper follows: clips 1 to 1200
train, 1201 to 1300 validation, 1301 to 1970 test. Captions alone are enough for Table 1.

Reference: D. Chen and W. Dolan, *Collecting Highly Parallel Data for Paraphrase Evaluation*,
ACL 2011.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import without_words
from seewhy.corpora.layout import Tree, locate
from seewhy.corpora.silent import without_silent
from seewhy.corpora.sources import SOURCES, VIDEO_EXTENSIONS
from seewhy.errors import InputError
from seewhy.table_paths import path_inside
from seewhy.text_files import read_lines, read_old_lines

SPLITS = {"train": range(1, 1201), "val": range(1201, 1301), "test": range(1301, 1971)}
WHERE = SOURCES["msvd"].where
VIDEOS = "YouTubeClips"
_NAMES = {"\t": "a tab", " ": "a space"}


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the mapping and the captions, and look which videos are there.

    Raises:
        InputError: no mapping or no captions, or a malformed line.
    """
    tree = Tree(source)
    mapping = tree.find("youtube_mapping.txt")
    if mapping is None:
        raise InputError(f"{source}: no youtube_mapping.txt here or below; {WHERE}")
    video_of = _mapping(mapping)
    split_of = {f"vid{n}": split for split, numbers in SPLITS.items() for n in numbers}
    for clip, video in video_of.items():
        path_inside(source / VIDEOS, f"{video}.avi", where=f"youtube_mapping.txt: {clip}")
    found = locate(
        tree,
        {clip: f"{VIDEOS}/{video_of[clip]}.avi" for clip in split_of},
        endings=VIDEO_EXTENSIONS,
        also={clip: clip for clip in split_of},
        remedy=WHERE,
        without="topics need none of them, everything else does; ",
    )
    clips = pd.DataFrame(
        {
            "clip": clip,
            "split": split,
            "video": found[clip],
            "group": video_of[clip].rsplit("_", 2)[0],
        }
        for clip, split in split_of.items()
    )
    wordless: list[str] = []
    captions = _captions(tree, video_of, split_of, wordless)
    clips, remarks = without_silent(clips, captions, where=WHERE)
    remarks += wordless + found.remarks
    about = {"remarks": remarks, "remedy": WHERE, "videos": found.present}
    return {"clips": clips, "captions": captions}, about


def _mapping(path: Path) -> dict[str, str]:
    """Clip `vidN` to `<youtube id>_<start>_<end>`."""
    pattern = re.compile(r"(\S+_\d+_\d+) (vid\d+)")
    mapping = {}
    for number, line in enumerate(read_lines(path, missing=WHERE), 1):
        match = pattern.fullmatch(line.strip())
        if not match:
            raise InputError(
                f"{path}: line {number}: {line[:60]!r} is not '<youtube id>_<start>_<end> vid<N>'; "
                "copy the file again"
            )
        if match[2] in mapping:
            raise InputError(
                f"{path}: line {number}: {match[2]} is there twice; copy the file again"
            )
        mapping[match[2]] = match[1]
    expected = sum(map(len, SPLITS.values()))
    if set(mapping) != {f"vid{n}" for n in range(1, expected + 1)}:
        raise InputError(
            f"{path}: names {len(mapping)} clips, not the {expected} of MSVD; copy the file again"
        )
    return mapping


def _captions(
    tree: Tree, video_of: dict[str, str], split_of: dict[str, str], remarks: list[str]
) -> pd.DataFrame:
    rows: list[tuple[str, str]] = []
    everything = tree.find("AllVideoDescriptions.txt")
    names = [f"sents_{split}_lc_nopunc.txt" for split in SPLITS]
    parts = [path for path in map(tree.find, names) if path is not None]
    for path in parts:
        rows += _pairs(path, "\t", {clip: clip for clip in split_of}, remarks)
    if not parts and everything is not None:
        rows = _pairs(everything, " ", {video: clip for clip, video in video_of.items()}, remarks)
    elif not parts:
        pickled = tree.find("raw-captions.pkl", "raw-captions_mapped.pkl")
        also = f" ({pickled} is a pickle, which could run code, and is not read)" if pickled else ""
        raise InputError(
            f"{tree.folder}: neither AllVideoDescriptions.txt nor {names[0]} here or below{also}; "
            f"{WHERE}"
        )
    table = without_words(pd.DataFrame(rows, columns=["clip", "text"]), remarks)
    table.insert(0, "caption", [f"{clip}.{n}" for clip, n in _numbered(table["clip"])])
    return table


def _pairs(
    path: Path, separator: str, clip_of: dict[str, str], remarks: list[str]
) -> list[tuple[str, str]]:
    """(clip, caption) of each line; notices (lines that begin with #) and blank ones are passed."""
    rows = []
    lines, foreign = read_old_lines(path, missing=WHERE)
    if foreign:
        remarks.append(f"{path.name}: {foreign} lines are not UTF-8 and were read as Windows-1252")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, found, text = line.partition(separator)
        if not found or name not in clip_of or not text.strip():
            raise InputError(
                f"{path}: line {number}: {line[:60]!r} is not a clip of the mapping, "
                f"{_NAMES[separator]} and a caption; copy the file again"
            )
        rows.append((clip_of[name], text.strip()))
    return rows


def _numbered(clips: pd.Series) -> zip:
    return zip(clips, clips.groupby(clips).cumcount(), strict=True)
