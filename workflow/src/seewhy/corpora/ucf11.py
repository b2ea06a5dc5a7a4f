"""UCF11, the YouTube action data set: 1,600 videos of 11 actions, 25 groups an action.

Its layout, below the source folder (`UCF11_updated_mpg`)::

    basketball/v_shooting_01/v_shooting_01_01.mpg
    basketball/Annotation/…                        passed over
    biking/v_biking_01/v_biking_01_01.mpg

The folders of the actions may lie further down (``UCF11_updated_mpg`` in the folder that is
named), and the videos be avi (``action_youtube_naudio``). An action's folder names it; a group's
own name often differs (basketball is `v_shooting`), and its number, the last part, counts the group
within the action. The videos of a group come from one recording or look much alike.

The data set has no split of its own. As in the paper, half of the videos are for testing; a fifth
of the other half is kept for early stopping. `random` deals out single videos, which is what the
paper does; `group` deals out whole groups, action by action, so that no test video has a near
double among the train ones.

Reference: J. Liu, J. Luo, M. Shah, *Recognizing Realistic Actions from Videos "in the Wild"*,
CVPR 2009.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.dealing import draw
from seewhy.corpora.layout import Tree
from seewhy.corpora.sources import SOURCES, VIDEO_EXTENSIONS
from seewhy.errors import InputError

ACTIONS = SOURCES["ucf11"].folders
VIDEOS, GROUPS = 1600, 25  # in all; in each action
SPLITS = ("random", "group")
WHERE = SOURCES["ucf11"].where
# Half for testing, a fifth of the rest for validation; alternating, so that the groups of one
# action, a few more or fewer than a multiple of ten, are dealt out as evenly as may be.
_ROUND = ("test", "train", "test", "train", "test", "val", "test", "train", "test", "train")


def read(source: Path, *, split: str, seed: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Find the videos, name their actions and groups, and deal them out.

    Args:
        source: the folder with a folder for each action, or one above it.
        split: one of `SPLITS`.
        seed: of the dealing.

    Raises:
        InputError: another split, or too few videos or groups to fill train, val and test.
    """
    if split not in SPLITS:
        raise InputError(
            f"params.yaml: transfer.ucf11.split: {split!r} is not one of {', '.join(SPLITS)}"
        )
    base = source
    if not any((source / action).is_dir() for action in ACTIONS):
        base = Tree(source).holder(ACTIONS) or source
    videos, strays = _videos(base)
    if split == "random":
        unit_of = {video: video.as_posix() for video in videos}
        order = sorted(set(unit_of.values()), key=lambda unit: draw(seed, unit))
    else:
        unit_of = {video: _group(video) for video in videos}
        actions = {unit_of[video]: video.parts[0] for video in videos}
        order = sorted(actions, key=lambda unit: (actions[unit], draw(seed, unit)))
    split_of = {unit: _ROUND[place % len(_ROUND)] for place, unit in enumerate(order)}
    empty = {"train", "val", "test"} - set(split_of.values())
    if empty:
        what = "videos" if split == "random" else "groups"
        raise InputError(f"{source}: {len(order)} {what} cannot fill train, val and test; {WHERE}")
    clips = pd.DataFrame(
        {
            "clip": _identifier(video),
            "split": split_of[unit_of[video]],
            "video": str(base / video),
            "group": _group(video),
        }
        for video in videos
    )
    labels = pd.DataFrame(
        {"clip": _identifier(video), "kind": "action", "label": video.parts[0]} for video in videos
    )
    about = {"remarks": _remarks(base, videos, strays), "remedy": WHERE, "videos": len(videos)}
    return {"clips": clips, "labels": labels}, about


def _videos(source: Path) -> tuple[list[Path], list[Path]]:
    """Videos in groups of the actions, `action/group/file`, and videos elsewhere in the actions."""
    videos, strays = [], []
    for action in ACTIONS:
        for file in sorted((source / action).rglob("*")):
            path = file.relative_to(source)
            hidden = any(part.startswith(".") for part in path.parts)
            if file.suffix.lower() not in VIDEO_EXTENSIONS or hidden or "Annotation" in path.parts:
                continue
            in_group = len(path.parts) == 3 and re.search(r"_\d+$", path.parts[1])
            (videos if in_group else strays).append(path)
    return videos, strays


def _group(video: Path) -> str:
    """Action and number of the group, such as `basketball 01`."""
    return f"{video.parts[0]} {video.parts[1].rsplit('_', 1)[1]}"


def _identifier(video: Path) -> str:
    return re.sub(r"[^\w.-]", "_", video.as_posix())


def _remarks(source: Path, videos: list[Path], strays: list[Path]) -> list[str]:
    remarks = []
    if len(videos) != VIDEOS:
        remarks.append(
            f"{len(videos)} videos, where UCF11 has {VIDEOS}: results are not those of the whole "
            f"data set; {WHERE}"
        )
    for action in ACTIONS:
        groups = {_group(video) for video in videos if video.parts[0] == action}
        if len(groups) != GROUPS:
            remarks.append(f"{action}: {len(groups)} groups, where UCF11 has {GROUPS}")
    if strays:
        remarks.append(
            f"{len(strays)} videos are in no group folder such as v_shooting_01 and are left out "
            f"(the first: {source / strays[0]}); put them back where they belong"
        )
    return remarks
