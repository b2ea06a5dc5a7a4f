"""A user's own videos: a folder and a CSV file.

``captions.csv`` lies in the folder and has a row a caption:

    video     file name, relative to the folder; one elsewhere (`../b.mp4`, or an absolute path)
              is read too, and never written to
    caption   a description; empty (one row) for a video that is only to be captioned
    split     optional: train, val or test; the same in all rows of a video
    group     optional: videos that must stay in one split (cut from the same recording)

Without a column `split`, whole groups are dealt out at random by the settings `shares` and `seed`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import SPLITS, check_captions, read_csv
from seewhy.corpora.own import NEEDED, OPTIONAL, clip_name, deal_groups
from seewhy.corpora.sources import SOURCES, VIDEO_EXTENSIONS, unlisted
from seewhy.csv_files import check_columns, line_of
from seewhy.errors import InputError
from seewhy.number_text import shown


def read(
    source: Path, *, shares: dict[str, float], seed: int
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read `captions.csv`.

    Args:
        source: the folder.
        shares: share of the videos for each split, where the file does not say.
        seed: of that choice.

    Raises:
        InputError: no `captions.csv`, wrong columns, a video in two splits, an empty split.
    """
    path = source / "captions.csv"
    rows = read_csv(path)
    check_columns(rows, path, NEEDED, OPTIONAL, note=" (the last two are optional)")
    if rows["video"].isna().any():
        line = line_of(rows, rows["video"].isna().argmax())
        raise InputError(f"{path}: line {line}: no video; name it")
    rows["video"] = [os.path.normpath(video) for video in rows["video"]]
    rows["clip"] = [clip_name(video) for video in rows["video"]]
    if rows.groupby("clip")["video"].nunique().max() > 1:
        raise InputError(f"{path}: two videos differ only in / or other signs; rename one")
    check_captions(rows["caption"], path)
    for row, video in enumerate(rows["video"]):
        if os.path.isdir(source / video):
            raise InputError(
                f"{path}: line {line_of(rows, row)}: {shown(video)} is a folder; name a video in it"
            )
    videos = rows.drop_duplicates("clip").set_index("clip")
    if "group" in rows and rows.groupby("clip")["group"].nunique(dropna=False).max() > 1:
        clip = rows.groupby("clip")["group"].nunique(dropna=False).idxmax()
        raise InputError(f"{path}: {clip} is in two groups; give all its rows the same one")
    groups = videos["group"].fillna(videos["video"]) if "group" in rows else videos["video"]
    if "split" in rows:
        split = _given_split(rows, path)
    else:
        split = _dealt_split(groups, shares, seed, path)
    parted = split.groupby(groups).nunique()
    if parted.max() > 1:
        raise InputError(
            f"{path}: group {parted.idxmax()} is in two splits; its videos must stay in one"
        )
    clips = pd.DataFrame(
        {
            "clip": videos.index,
            "split": split.reindex(videos.index).to_numpy(),
            "video": [str(source / video) for video in videos["video"]],
            "group": groups.to_numpy(),
        }
    )
    captions = rows.dropna(subset=["caption"])[["clip", "caption"]]
    captions = captions.rename(columns={"caption": "text"}).reset_index(drop=True)
    numbers = captions.groupby("clip").cumcount()
    captions.insert(
        0, "caption", [f"{c}.{n}" for c, n in zip(captions["clip"], numbers, strict=True)]
    )
    silent = clips.loc[~clips["clip"].isin(captions["clip"]) & (clips["split"] != "test")]
    if len(silent):
        raise InputError(
            f"{path}: {silent['video'].iloc[0]} is in split {silent['split'].iloc[0]} but has no "
            "caption; add one, or put it into split test"
        )
    others = unlisted(source, VIDEO_EXTENSIONS, set(videos["video"]))
    remarks = []
    if others:
        remarks.append(
            f"{len(others)} videos are not in captions.csv and are left out ({others[0]} is "
            "the first); add a row for each, with an empty caption to have it captioned only"
        )
    return {"clips": clips, "captions": captions}, {
        "remarks": remarks,
        "remedy": SOURCES["folder"].where,
    }


def _given_split(rows: pd.DataFrame, path: Path) -> pd.Series:
    bad = ~rows["split"].isin(SPLITS)
    if bad.any():
        line = int(bad.argmax())
        given = shown(rows["split"].fillna("").iloc[line])
        raise InputError(
            f"{path}: column split, line {line_of(rows, line)}: {given} is not one of "
            f"{', '.join(SPLITS)}"
        )
    if rows.groupby("clip")["split"].nunique().max() > 1:
        clip = rows.groupby("clip")["split"].nunique().idxmax()
        raise InputError(f"{path}: {clip} is in two splits; give all its rows the same one")
    split = rows.groupby("clip")["split"].first()
    for name in SPLITS:
        if name not in set(split):
            raise InputError(f"{path}: no video is in split {name}; put at least one there")
    return split


def _dealt_split(groups: pd.Series, shares: dict[str, float], seed: int, path: Path) -> pd.Series:
    """Whole groups in an order drawn from their names and `seed`, cut by the shares."""
    try:
        return groups.map(deal_groups(groups, shares, seed))
    except ValueError:
        raise InputError(
            f"{path}: {groups.nunique()} video(s) or groups cannot fill train, val and test; add "
            "some"
        ) from None
