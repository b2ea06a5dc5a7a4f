"""MSR-VTT: 10,000 web video clips of 20 categories with 20 captions each.

Its layout, below the source folder::

    train_val_videodatainfo.json    videos and sentences of train and validate
    test_videodatainfo.json         those of test
    videodatainfo_2016.json         instead of both: all three splits in one file
    TrainValVideo/video0.mp4 …      the clips, already cut
    TestVideo/video7010.mp4 …

or, as copies have it (the zip of Bain et al.'s Frozen in Time, the data of CLIP4Clip)::

    annotation/MSR_VTT.json         `annotations` (image_id, caption), as COCO has them
    high-quality/structured-symlinks/{train,val,test}_list_full.txt   names of clips, a line each
    MSRVTT_data.json                instead: as videodatainfo_2016.json
    videos/all/video0.mp4 …

Each file may lie in another folder below the source (`seewhy.corpora.layout`). A file that names no
split takes it from the three lists, or else from the clips' numbers, which is the same.

Each JSON file holds the lists `videos` (video_id, url, category, split, `start time`, `end time`)
and `sentences` (video_id, caption). The two times say where the clip was cut out of the video at
`url`; within the mp4 they mean nothing, so the canonical clip is the whole file. Clips of one url
are one group.

The split is the data set's own: 6,513 train (video0 to video6512), 497 validation (`validate`, to
video7009) and 2,990 test. The retrieval splits that copies also hold (1k-A of JSFusion, Miech's;
the files `…_jsfusion.txt`, `…_miech.txt`, `MSRVTT_train.9k.csv`) have no validation clips and are
not read.

Reference: J. Xu, T. Mei, T. Yao, Y. Rui, *MSR-VTT: A Large Video Description Dataset for Bridging
Video and Language*, CVPR 2016.
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
_FILES = (  # the first of these sets of files that is there is read
    ("train_val_videodatainfo.json", "test_videodatainfo.json"),
    ("videodatainfo_2016.json", "test_videodatainfo.json"),
    *(
        (name,)
        for name in (
            *("videodatainfo_2017.json", "MSRVTT_data.json", "msrvtt_data.json", "MSR_VTT.json"),
        )
    ),
)
_LISTS = ("{}_list_full.txt", "{}_list.txt")


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the JSON files, and look which videos are there.

    Raises:
        InputError: no JSON file, one that is cut short or lacks a field, a clip given twice, or a
            caption of no clip.
    """
    tree = Tree(source)
    first = next((files for files in _FILES if tree.find(files[0])), None)
    if first is None:
        raise InputError(
            f"{source}: none of {', '.join(files[0] for files in _FILES)} here or below; {WHERE}"
        )
    files = [path for path in map(tree.find, first) if path is not None]
    remarks: list[str] = []
    clips, captions = _read_all(files, tree, remarks)
    remarks += [
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
    clips, more = without_silent(clips, captions, where=WHERE)
    remarks += more
    found = locate(
        tree,
        {
            clip: f"{_FOLDERS[split]}/{clip}.mp4"
            for clip, split in zip(clips["clip"], clips["split"], strict=True)
        },
        endings=VIDEO_EXTENSIONS,
        remedy=WHERE,
        without="topics need none of them, everything else does; ",
    )
    remarks += found.remarks
    clips["video"] = [found[clip] for clip in clips["clip"]]
    numbers = captions.groupby("clip").cumcount()
    captions.insert(
        0, "caption", [f"{c}.{n}" for c, n in zip(captions["clip"], numbers, strict=True)]
    )
    named = clips["category"].notna()
    labels = pd.DataFrame(
        {
            "clip": clips.loc[named, "clip"],
            "kind": "category",
            "label": clips.loc[named, "category"],
        }
    )
    clips = clips.drop(columns="category")
    about = {"remarks": remarks, "remedy": WHERE, "videos": found.present}
    return {"clips": clips, "captions": captions, "labels": labels}, about


def _read_all(
    files: list[Path], tree: Tree, remarks: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Clips (with a column `category`, which may be missing) and captions of all files."""
    clips: dict[str, dict[str, str | None]] = {}
    captions: list[tuple[str, str]] = []
    listed: dict[str, str] | None = None
    untold: set[str] = set()
    for path in files:
        content = _content(path)
        for number, video in enumerate(content["videos"]):
            where = f"{path}: videos[{number}]"
            clip = _field(video, "video_id", where)
            if clip in clips:
                raise InputError(f"{where}: {clip} is given twice; copy the files again")
            if "split" in video:
                split = _split_of(_field(video, "split", where), where)
            else:
                listed = _lists(tree, remarks) if listed is None else listed
                split = listed.get(clip) or _official_split(clip)
            if split is None:
                raise InputError(
                    f"{where}: {clip!r} is none of video0 to video{sum(COUNTS.values()) - 1}, and "
                    f"no {_LISTS[0].format('train')} names its split; copy the file again"
                )
            untold |= {"url", "category"} - set(video)
            clips[clip] = {
                "clip": clip,
                "split": split,
                "video": str(
                    path_inside(tree.folder / _FOLDERS[split], f"{clip}.mp4", where=where)
                ),
                "group": _field(video, "url", where) if "url" in video else clip,
                "category": _category(video, where) if "category" in video else None,
            }
        for number, sentence in enumerate(content["sentences"]):
            where = f"{path}: sentences[{number}]"
            clip, text = (_field(sentence, key, where) for key in ("video_id", "caption"))
            if clip not in clips:
                raise InputError(f"{where}: {clip!r} is not among the videos; copy the file again")
            captions.append((clip, text.strip()))
    names = " and ".join(file.name for file in files)
    if "url" in untold:
        remarks.append(
            f"{names} does not tell which clips come from one video: each is a group of its own"
        )
    if "category" in untold:
        remarks.append(f"{names} does not tell the categories of all clips: these have no label")
    columns = ["clip", "split", "video", "group", "category"]
    return (
        pd.DataFrame(clips.values(), columns=columns),
        pd.DataFrame(captions, columns=["clip", "text"]),
    )


def _split_of(name: str, where: str) -> str:
    if name not in _SPLITS:
        raise InputError(
            f"{where}: split {name!r} is not one of {', '.join(_SPLITS)}; copy the file again"
        )
    return _SPLITS[name]


def _official_split(clip: str) -> str | None:
    """The data set's own split, which goes by the number of the clip; None for another name."""
    match = re.fullmatch(r"video(\d{1,5})", clip)
    bound = 0
    for split, count in COUNTS.items():
        bound += count
        if match and int(match[1]) < bound:
            return split
    return None


def _lists(tree: Tree, remarks: list[str]) -> dict[str, str]:
    """Split of each clip by the lists that a copy has; none where one of the three is missing."""
    for form in _LISTS:
        paths = {split: tree.find(form.format(split)) for split in COUNTS}
        if all(paths.values()):
            break
    else:
        return {}
    split_of: dict[str, str] = {}
    for split, path in paths.items():
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            clip = line.strip()
            if clip and split_of.setdefault(clip, split) != split:
                raise InputError(
                    f"{path}: line {number}: {clip} is also in the list of {split_of[clip]}; copy "
                    "the three lists again"
                )
    others = sum(_official_split(clip) not in (split, None) for clip, split in split_of.items())
    if others:
        remarks.append(
            f"{paths['train'].parent}: the lists put {others} clips into another split than the "
            "data set's own: results are not comparable with published ones"
        )
    return split_of


def _category(video: dict[str, Any], where: str) -> str:
    category = _field(video, "category", where)
    if not isinstance(category, int) or not 0 <= category < len(CATEGORIES):
        raise InputError(
            f"{where}: category {category!r} is not a number from 0 to {len(CATEGORIES) - 1}; "
            "copy the file again"
        )
    return CATEGORIES[category]


def _content(path: Path) -> dict[str, Any]:
    remedy = "it is cut short or damaged: copy it again"
    content = read_json_text(path, missing=WHERE, remedy=remedy)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        content = _from_coco(content, path)
    for key in ("videos", "sentences"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{path}: has no list {key!r}; copy the file again")
    if not content["videos"]:
        raise InputError(f"{path}: the list 'videos' is empty; copy the file again")
    return content


def _from_coco(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """`annotations` (image_id, caption) as `videos` and `sentences`; a split is not told."""
    sentences = [
        {
            "video_id": _field(entry, "image_id", f"{path}: annotations[{number}]"),
            "caption": _field(entry, "caption", f"{path}: annotations[{number}]"),
        }
        for number, entry in enumerate(content["annotations"])
    ]
    names = dict.fromkeys(sentence["video_id"] for sentence in sentences)
    numbered = sorted(names, key=lambda name: (len(name), name))  # video2 before video10
    return {"videos": [{"video_id": name} for name in numbered], "sentences": sentences}


def _field(entry: Any, key: str, where: str) -> Any:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, int if key == "category" else str) or isinstance(value, bool):
        raise InputError(f"{where}: has no {key!r}; copy the file again")
    return value
