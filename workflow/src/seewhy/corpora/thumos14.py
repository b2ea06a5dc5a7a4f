"""THUMOS14, temporal action detection: untrimmed videos and the intervals of 20 sports actions.

Its layout, below the source folder::

    validation/video_validation_0000051.mp4 …    or TH14_validation_set_mp4/
    test/video_test_0000004.mp4 …                or TH14_test_set_mp4/
    annotation/BaseballPitch_val.txt …           a line an interval: video, start, end in seconds;
    annotation/BaseballPitch_test.txt …          21 files a split, one of them Ambiguous
    {val,test}_Annotation.csv                    instead of those: columns video, type, type_idx,
                                                 start, end, startFrame, endFrame

Files and videos may lie in any folder further down, as the archives unpack them or a copy has them
(``Videos/validation_mp4``, ``annotations/annotations_val/annotation``), and a video may have
another ending: it is found by its name (`seewhy.corpora.layout`). Only the annotated videos become
clips, 200 of the 1,010 validation ones and 213 of the 1,574 test ones. The data set's own train
split (UCF101) has no intervals, so, as is usual, one trains on the validation videos: they become
train, a share of them val.

Seconds and frames. The source gives seconds, to a tenth; they are kept as they are in
`start_seconds` and `end_seconds`. `start` and `end` are the same interval in frames, by the clip's
`fps`: frame f, shown at f / fps, is inside where start_seconds <= f / fps < end_seconds. The rate
is 30 frames a second but for the videos in `OTHER_RATES`, as the frame numbers of the CSV files
have it. Whoever scores intervals takes the seconds.

What is known to be special, and how it comes out:

* Every CliffDiving is labelled Diving a second time; both rows are kept, as the official scorer
  expects them.
* `Ambiguous` intervals are segments with that label. Detections that touch one are not wrong.
* video_test_0001292 has Ambiguous intervals alone: label `ambiguous only` of kind `annotation`.
* video_test_0000270 (most of its 29 intervals, up to 714 s, lie beyond its end) and
  video_test_0001496 (its intervals do not fit what it shows) are annotated wrongly, as users of the
  data set report: label `faulty` of the same kind. Many papers leave out these three videos and
  report on 210, others leave out two of the three, or none.
* Single last intervals of video_test_0000814, video_test_0001081, video_validation_0000364 and
  video_validation_0000856 are reported to lie beyond the video's end too; they are kept.

Reference: H. Idrees et al., *The THUMOS Challenge on Action Recognition for Videos "in the Wild"*,
CVIU 2017; www.crcv.ucf.edu/THUMOS14.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.corpora.dealing import draw
from seewhy.corpora.layout import Tree, locate
from seewhy.corpora.sources import SOURCES, THUMOS14_ACTIONS, VIDEO_EXTENSIONS
from seewhy.csv_files import check_columns, line_of
from seewhy.errors import InputError
from seewhy.number_text import real_number
from seewhy.text_files import read_lines

ACTIONS = THUMOS14_ACTIONS
AMBIGUOUS = "Ambiguous"
VIDEOS = {"val": 200, "test": 213}
INTERVALS = {"val": 3007, "test": 3358}  # without the ambiguous ones
FAULTY = ("video_test_0000270", "video_test_0001496")
FPS = 30.0
LONGEST = 1e6  # seconds of a video
OTHER_RATES = {
    "video_test_0000950": 25.0,
    "video_test_0001058": 25.0,
    "video_test_0001195": 25.0,
    "video_test_0001207": 24.0,
    "video_test_0001255": 25.0,
    "video_test_0001459": 25.0,
    "video_validation_0000311": 25.0,
    "video_validation_0000411": 24.0,
    "video_validation_0000413": 25.0,
    "video_validation_0000419": 25.0,
    "video_validation_0000420": 25.0,
    "video_validation_0000484": 25.0,
}
WHERE = SOURCES["thumos14"].where
_NAMES = {"val": "validation", "test": "test"}  # in the names of videos and folders
_COLUMNS = ["video", "type", "start_seconds", "end_seconds"]


def read(
    source: Path, *, val_share: float, seed: int
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the intervals of both splits, and look which videos are there.

    Args:
        source: the folder with the annotations and the two folders of videos.
        val_share: share of the validation videos that become val; the others become train.
        seed: of that choice.

    Raises:
        InputError: no annotation of a split, a malformed line, or a share that leaves train or val
            empty.
    """
    if not 0 < val_share < 1:
        raise InputError(
            f"params.yaml: thumos14.val_share: {val_share} is not between 0 and 1 (both excluded)"
        )
    remarks: list[str] = []
    tree = Tree(source)
    intervals = pd.concat(
        [_intervals(tree, split, remarks).assign(split=split) for split in VIDEOS],
        ignore_index=True,
    )
    split_of = _deal(intervals, val_share, seed, source)
    rates = {video: OTHER_RATES.get(video, FPS) for video in split_of}
    origin = dict(zip(intervals["video"], intervals["split"], strict=True))
    found = locate(
        tree,
        {video: f"{_NAMES[origin[video]]}/{video}.mp4" for video in split_of},
        endings=VIDEO_EXTENSIONS,
        remedy=WHERE,
    )
    remarks += found.remarks
    clips = pd.DataFrame(
        {
            "clip": video,
            "split": split,
            "video": found[video],
            "fps": rates[video],
        }
        for video, split in split_of.items()
    )
    fps = intervals["video"].map(rates)
    start = _first_frame(intervals["start_seconds"] * fps)
    segments = pd.DataFrame(
        {
            "clip": intervals["video"],
            "instance": 0,
            "label": intervals["type"],
            "start": start,
            "end": _first_frame(intervals["end_seconds"] * fps).clip(lower=start + 1),
            "start_seconds": intervals["start_seconds"],
            "end_seconds": intervals["end_seconds"],
        }
    )
    about = {"remarks": remarks, "remedy": WHERE, "videos": found.present}
    return {"clips": clips, "labels": _labels(intervals), "segments": segments}, about


def _first_frame(place: pd.Series) -> pd.Series:
    """First frame at or after a place counted in frames; tenths of seconds are not exact floats."""
    return place.round(6).map(math.ceil)


def _intervals(tree: Tree, split: str, remarks: list[str]) -> pd.DataFrame:
    """All intervals of a split with the columns `_COLUMNS`, by video, action and start."""
    names = [f"{action}_{split}.txt" for action in ACTIONS]
    files = [path for path in map(tree.find, names) if path is not None]
    table = tree.find(f"{split}_Annotation.csv")
    if files:
        rows = [row for path in files for row in _lines(path, split)]
    elif table is not None:
        rows = _table(table, split)
    else:
        raise InputError(
            f"{tree.folder}: no {names[0]} and no {split}_Annotation.csv here or below; {WHERE}"
        )
    beside = tree.find(f"{AMBIGUOUS}_{split}.txt")
    if beside is not None:  # many CSV files hold them already
        rows += _lines(beside, split)
    found = pd.DataFrame(rows, columns=_COLUMNS).drop_duplicates()
    found = found.sort_values(["video", "type", "start_seconds"], ignore_index=True)
    clear = found[found["type"] != AMBIGUOUS]
    for what, count, expected in (
        ("videos", found["video"].nunique(), VIDEOS[split]),
        ("intervals", len(clear), INTERVALS[split]),
    ):
        if count != expected:
            remarks.append(
                f"{count} annotated {_NAMES[split]} {what}, where THUMOS14 has {expected}: results "
                f"are not those of the whole data set; {WHERE}"
            )
    lacking = [action for action in ACTIONS if action not in set(clear["type"])]
    if lacking:
        remarks.append(f"no {_NAMES[split]} interval of {', '.join(lacking)}; {WHERE}")
    if len(clear) == len(found):
        remarks.append(
            f"no {AMBIGUOUS} intervals of the {_NAMES[split]} videos (official: {AMBIGUOUS}_{split}"
            ".txt): detections there will count as wrong"
        )
    keys = ["video", "start_seconds", "end_seconds"]
    cliffs = found[found["type"] == "CliffDiving"][keys].merge(
        found[found["type"] == "Diving"][keys], on=keys, how="left", indicator=True
    )
    alone = int((cliffs["_merge"] == "left_only").sum())
    if alone:
        remarks.append(
            f"{alone} {_NAMES[split]} intervals of CliffDiving are not labelled Diving as well, as "
            "the official ones are; take those"
        )
    return found


def _lines(path: Path, split: str) -> list[tuple[str, str, float, float]]:
    """Intervals of one official file, whose name tells the action."""
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            fields = line.split()
            if len(fields) != 3:
                raise InputError(
                    f"{path}: line {number}: {line[:60]!r} is not a video, a start and an end; "
                    "copy the file again"
                )
            action = path.name[: -len(f"_{split}.txt")]
            rows.append(_interval(fields[0], action, *fields[1:], split, f"{path}: line {number}"))
    return rows


def _table(path: Path, split: str) -> list[tuple[str, str, float, float]]:
    table = read_csv(path)
    wanted = ["video", "type", "start", "end"]
    check_columns(
        table, path, wanted, only=False, note=" (type_idx, startFrame and endFrame are not read)"
    )
    return [
        _interval(*map(str, values), split, f"{path}: line {line_of(table, row)}")
        for row, values in enumerate(table[wanted].fillna("").itertuples(index=False))
    ]


def _interval(
    video: str, action: str, start: str, end: str, split: str, where: str
) -> tuple[str, str, float, float]:
    if not re.fullmatch(rf"video_{_NAMES[split]}_\d{{7}}", video):
        raise InputError(
            f"{where}: {video!r} is not a video of the {_NAMES[split]} set; copy the file again"
        )
    if action not in (*ACTIONS, AMBIGUOUS):
        raise InputError(f"{where}: {action!r} is not an action of THUMOS14; copy the file again")
    bounds = {"least": 0, "most": LONGEST, "remedy": "copy the file again"}
    first, last = real_number(start, where, **bounds), real_number(end, where, **bounds)
    if not first < last:
        raise InputError(
            f"{where}: {start} to {end} is not an interval in seconds; copy the file again"
        )
    return video, action, first, last


def _deal(intervals: pd.DataFrame, val_share: float, seed: int, source: Path) -> dict[str, str]:
    """Split of each video; val is spread evenly over the actions."""
    clear_first = intervals.sort_values("type", key=lambda kind: kind == AMBIGUOUS, kind="stable")
    first = clear_first.drop_duplicates("video").set_index("video")
    tests = sorted(first.index[first["split"] == "test"])
    action = first.loc[first["split"] == "val", "type"].to_dict()
    order = sorted(action, key=lambda video: (action[video], draw(seed, video)))
    count = max(1, math.floor(len(order) * val_share))
    if count >= len(order):
        raise InputError(
            f"{source}: {len(order)} validation videos cannot fill train and val; {WHERE}"
        )
    held_out = {order[(2 * k + 1) * len(order) // (2 * count)] for k in range(count)}
    split_of = {video: "val" if video in held_out else "train" for video in sorted(order)}
    return split_of | dict.fromkeys(tests, "test")


def _labels(intervals: pd.DataFrame) -> pd.DataFrame:
    """The actions of each video, and which videos are annotated wrongly or not at all."""
    pairs = intervals[["video", "type"]].drop_duplicates()
    actions = pairs[pairs["type"] != AMBIGUOUS].rename(columns={"video": "clip", "type": "label"})
    actions.insert(1, "kind", "action")
    remarkable = [(video, "faulty") for video in FAULTY if video in set(pairs["video"])]
    remarkable += [
        (video, "ambiguous only") for video in sorted(set(pairs["video"]) - set(actions["clip"]))
    ]
    special = pd.DataFrame(remarkable, columns=["clip", "label"]).assign(kind="annotation")
    return pd.concat([actions, special], ignore_index=True)
