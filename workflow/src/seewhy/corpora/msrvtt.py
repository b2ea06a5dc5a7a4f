"""MSR-VTT: 10,000 web video clips of 20 categories with 20 captions each.

Its layout, below the source folder::

    train_val_videodatainfo.json    videos and sentences of train and validate
    test_videodatainfo.json         those of test
    videodatainfo_2016.json         instead of both: all three splits in one file
    TrainValVideo/video0.mp4 …      the clips, already cut
    TestVideo/video7010.mp4 …

Each JSON file holds the lists `videos` (video_id, url, category, split, `start time`, `end time`)
and `sentences` (video_id, caption). The two times say where the clip was cut out of the video at
`url`; within the mp4 they mean nothing, so the canonical clip is the whole file. Clips of one url
are one group.

The split is the data set's own: 6,513 train, 497 validation (`validate`) and 2,990 test.

Reference: J. Xu, T. Mei, T. Yao, Y. Rui, *MSR-VTT: A Large Video Description Dataset for Bridging
Video and Language*, CVPR 2016.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import without_words
from seewhy.corpora.sources import SOURCES
from seewhy.errors import InputError
from seewhy.json_files import read_json_text
from seewhy.table_paths import path_inside

COUNTS = {"train": 6513, "val": 497, "test": 2990}
CAPTIONS = 20  # of each clip
WHERE = SOURCES["msrvtt"].where
# By number, with the words of the category.txt that comes with the data set.
CATEGORIES = (
    *("music", "people", "gaming", "sports/actions", "news/events/politics", "education"),
    *("tv shows", "movie/comedy", "animation", "vehicles/autos", "howto", "travel"),
    *("science/technology", "animals/pets", "kids/family", "documentary", "food/drink"),
    *("cooking", "beauty/fashion", "advertisement"),
)
_SPLITS = {"train": "train", "validate": "val", "test": "test"}
_FOLDERS = {"train": "TrainValVideo", "val": "TrainValVideo", "test": "TestVideo"}


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the JSON files, and look which videos are there.

    Raises:
        InputError: no JSON file, one that is cut short or lacks a field, a clip given twice, or a
            caption of no clip.
    """
    files = [source / "train_val_videodatainfo.json", source / "test_videodatainfo.json"]
    if not files[0].exists():
        files = [source / "videodatainfo_2016.json", *files[1:]]
    clips, captions = _read_all([file for file in files if os.path.lexists(file)], source)
    remarks = [
        f"{(clips['split'] == split).sum()} {split} clips, where MSR-VTT has {count}: results are "
        "not those of the whole data set"
        for split, count in COUNTS.items()
        if (clips["split"] == split).sum() != count
    ]
    captions = without_words(captions, remarks)
    counts = captions["clip"].value_counts().reindex(clips["clip"], fill_value=0)
    if (counts != CAPTIONS).any():
        remarks.append(
            f"{(counts != CAPTIONS).sum()} clips have more or fewer than {CAPTIONS} captions (the "
            f"first: {counts.index[counts != CAPTIONS][0]}, {counts[counts != CAPTIONS].iloc[0]})"
        )
    absent = [path for path in clips["video"] if not Path(path).exists()]
    if absent:
        remarks.append(
            f"{len(absent)} of {len(clips)} videos are not there (the first: {absent[0]}); topics "
            f"need none of them, everything else does; {WHERE}"
        )
    numbers = captions.groupby("clip").cumcount()
    captions.insert(
        0, "caption", [f"{c}.{n}" for c, n in zip(captions["clip"], numbers, strict=True)]
    )
    labels = pd.DataFrame(
        {"clip": clips["clip"], "kind": "category", "label": clips.pop("category")}
    )
    about = {"remarks": remarks, "remedy": WHERE, "videos": len(clips) - len(absent)}
    return {"clips": clips, "captions": captions, "labels": labels}, about


def _read_all(files: list[Path], source: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clips (with a column `category`) and captions of all files."""
    clips: dict[str, dict[str, str]] = {}
    captions: list[tuple[str, str]] = []
    for path in files:
        content = _content(path)
        for number, video in enumerate(content["videos"]):
            where = f"{path}: videos[{number}]"
            clip, split, url = (_field(video, key, where) for key in ("video_id", "split", "url"))
            category = _field(video, "category", where)
            if split not in _SPLITS:
                raise InputError(
                    f"{where}: split {split!r} is not one of {', '.join(_SPLITS)}; copy the file "
                    "again"
                )
            if not 0 <= category < len(CATEGORIES):
                raise InputError(
                    f"{where}: category {category!r} is not a number from 0 to "
                    f"{len(CATEGORIES) - 1}; copy the file again"
                )
            if clip in clips:
                raise InputError(f"{where}: {clip} is given twice; copy the files again")
            clips[clip] = {
                "clip": clip,
                "split": _SPLITS[split],
                "video": str(
                    path_inside(source / _FOLDERS[_SPLITS[split]], f"{clip}.mp4", where=where)
                ),
                "group": url,
                "category": CATEGORIES[category],
            }
        for number, sentence in enumerate(content["sentences"]):
            where = f"{path}: sentences[{number}]"
            clip, text = (_field(sentence, key, where) for key in ("video_id", "caption"))
            if clip not in clips:
                raise InputError(f"{where}: {clip!r} is not among the videos; copy the file again")
            captions.append((clip, text.strip()))
    return pd.DataFrame(clips.values()), pd.DataFrame(captions, columns=["clip", "text"])


def _content(path: Path) -> dict[str, Any]:
    remedy = "it is cut short or damaged: copy it again"
    content = read_json_text(path, missing=WHERE, remedy=remedy)
    for key in ("videos", "sentences"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{path}: has no list {key!r}; copy the file again")
    if not content["videos"]:
        raise InputError(f"{path}: the list 'videos' is empty; copy the file again")
    return content


def _field(entry: Any, key: str, where: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int if key == "category" else str) or isinstance(value, bool):
        raise InputError(f"{where}: has no {key!r}; copy the file again")
    return value
