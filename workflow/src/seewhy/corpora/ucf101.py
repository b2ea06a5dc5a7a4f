"""UCF101, 13,320 videos of 101 actions, and the corrected tubes of 24 of them.

Its layout, below the source folder::

    UCF-101/Basketball/v_Basketball_g01_c01.avi      group 01, clip 01
    ucfTrainTestlist/classInd.txt                    1 ApplyEyeMakeup … 101 YoYo
    ucfTrainTestlist/trainlist0{1,2,3}.txt           Basketball/v_Basketball_g08_c01.avi 8
    ucfTrainTestlist/testlist0{1,2,3}.txt            Basketball/v_Basketball_g01_c01.avi
    pyannot.pkl                                      the tubes; without them there are no boxes

Each file may lie in another folder below the source, as copies have it (``annotations``,
``videos``, ``UCF101TrainTestSplits-RecognitionTask``), and a video have another ending: it is found
by its name (`seewhy.corpora.layout`).

The folder names the action; one file stem differs from it (HandstandPushups holds
`v_HandStandPushups_…`). A group, of 25 an action, was cut from one recording or shows the same
person and place. The official splits part no group; they have no validation videos, so `val_groups`
of the train groups of each action are kept for it, drawn by `seed`.

A tube is one actor from frame `sf` to before frame `ef` (both counted from 0) with a box
``x, y, width, height`` in each; it becomes an instance of class `person`, a segment, and rows of
boxes. Most are stored as bytes, in which x + width would overflow: they are widened first.

References: K. Soomro, A. R. Zamir, M. Shah, *UCF101: A Dataset of 101 Human Actions Classes From
Videos in The Wild*, CRCV-TR-12-01, 2012; G. Singh et al., *Online Real-time Multiple Spatiotemporal
Action Localisation and Prediction*, ICCV 2017 (the corrected tubes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.corpora.array_pickle import read_arrays
from seewhy.corpora.dealing import draw
from seewhy.corpora.layout import Tree, locate
from seewhy.corpora.sources import SOURCES, VIDEO_EXTENSIONS
from seewhy.errors import InputError
from seewhy.text_files import read_lines

COUNTS = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}  # of each split: train, test
ACTIONS = 101
LARGEST = 1e9  # pixels
# The actions with tubes; a tube's label is the place in this order.
TUBE_ACTIONS = (
    *("Basketball", "BasketballDunk", "Biking", "CliffDiving", "CricketBowling", "Diving"),
    *("Fencing", "FloorGymnastics", "GolfSwing", "HorseRiding", "IceDancing", "LongJump"),
    *("PoleVault", "RopeClimbing", "SalsaSpin", "SkateBoarding", "Skiing", "Skijet"),
    *("SoccerJuggling", "Surfing", "TennisSwing", "TrampolineJumping", "VolleyballSpiking"),
    "WalkingWithDog",
)
TUBES, TUBE_VIDEOS = 4458, 3194
WHERE = SOURCES["ucf101"].where
_VIDEO = re.compile(r"(\w+)/(v_\w+_g(\d\d)_c\d\d)\.avi")

Boxes = Iterator[tuple[str, Mapping[str, np.ndarray]]]


def read(
    source: Path, *, split: int, classes: int, val_groups: int, seed: int
) -> tuple[dict[str, pd.DataFrame], dict[str, Any], Boxes]:
    """Read the lists of one split and the tubes, and look which videos are there.

    Args:
        source: the folder that holds the videos, the lists and, for boxes, `pyannot.pkl`.
        split: 1, 2 or 3.
        classes: 101, or 24 for the actions with tubes alone.
        val_groups: train groups of each action that are kept for validation.
        seed: of that choice.

    Raises:
        InputError: another split or number of classes, a missing or malformed list, too few groups,
            a file of tubes that is damaged or holds anything but arrays.
    """
    for name, value, admitted in (("split", split, (1, 2, 3)), ("classes", classes, (101, 24))):
        if value not in admitted:
            raise InputError(
                f"params.yaml: ucf101.{name}: {value!r} is not one of "
                f"{', '.join(map(str, admitted))}"
            )
    remarks: list[str] = []
    tree = Tree(source)
    clips = _clips(tree, split, remarks)
    if classes != ACTIONS:
        clips = clips[clips["action"].isin(TUBE_ACTIONS)].reset_index(drop=True)
    _keep_for_validation(clips, val_groups, seed, source)
    found = locate(
        tree,
        dict(zip(clips["clip"], clips["video"], strict=True)),
        endings=VIDEO_EXTENSIONS,
        remedy=WHERE,
    )
    remarks += found.remarks
    clips["video"] = [found[clip] for clip in clips["clip"]]
    tubes = _tubes(tree.find("pyannot.pkl"), clips, remarks)
    labels = pd.DataFrame({"clip": clips["clip"], "kind": "action", "label": clips.pop("action")})
    rows = [
        (clip, number, tube)
        for clip, found in tubes.items()
        for number, tube in enumerate(found, 1)
    ]
    instances = pd.DataFrame(
        [(clip, number, "person", "actor") for clip, number, _ in rows],
        columns=["clip", "instance", "class", "role"],
    )
    segments = pd.DataFrame(
        [(c, n, TUBE_ACTIONS[tube["label"]], tube["sf"], tube["ef"]) for c, n, tube in rows],
        columns=["clip", "instance", "label", "start", "end"],
    )
    tables = {"clips": clips, "labels": labels, "instances": instances, "segments": segments}
    about = {"remarks": remarks, "remedy": WHERE, "videos": found.present}
    return tables, about, _boxes(tubes)


def _clips(tree: Tree, split: int, remarks: list[str]) -> pd.DataFrame:
    """The clips of a split, train and test, with a column `action`; videos by the lists' names."""
    actions = _actions(_list(tree, "classInd.txt"))
    rows: dict[str, dict[str, str]] = {}
    for kind, expected in zip(("train", "test"), COUNTS[split], strict=True):
        path = _list(tree, f"{kind}list0{split}.txt")
        count = 0
        for number, line in enumerate(read_lines(path, missing=WHERE), 1):
            if not line.strip():
                continue
            name, *rest = line.split()
            match = _VIDEO.fullmatch(name)
            known = match is not None and match[1] in actions
            if not known or rest not in ([], [str(actions[match[1]])]):
                raise InputError(
                    f"{path}: line {number}: {line[:60]!r} is not a video of the actions in "
                    "classInd.txt, in a train list with the action's number; copy the file again"
                )
            if match[2] in rows:
                raise InputError(f"{path}: line {number}: {name} is listed twice; copy both again")
            rows[match[2]] = {
                "clip": match[2],
                "split": kind,
                "video": f"UCF-101/{name}",
                "group": f"{match[1]} {match[3]}",
                "action": match[1],
            }
            count += 1
        if count != expected:
            remarks.append(
                f"{path.name}: {count} videos, where split {split} has {expected}: results are not "
                f"those of the whole data set; {WHERE}"
            )
    clips = pd.DataFrame(rows.values(), columns=["clip", "split", "video", "group", "action"])
    parted = clips.groupby("group")["split"].nunique()
    if (parted > 1).any():
        raise InputError(
            f"{path.parent}: group {parted.idxmax()} is in the train and in the test list of split "
            f"{split}; the official lists part no group: copy them again"
        )
    return clips


def _list(tree: Tree, name: str) -> Path:
    path = tree.find(f"ucfTrainTestlist/{name}", name)
    if path is None:
        raise InputError(f"{tree.folder}: no {name} here or below; {WHERE}")
    return path


def _actions(path: Path) -> dict[str, int]:
    """Number of each action."""
    actions = {}
    for number, line in enumerate(read_lines(path, missing=WHERE), 1):
        if line.strip():
            match = re.fullmatch(r"([0-9]{1,9}) (\w+)", line.strip())
            if not match:
                raise InputError(
                    f"{path}: line {number}: {line[:60]!r} is not '<number> <action>'; copy the "
                    "file again"
                )
            actions[match[2]] = int(match[1])
    if len(actions) != ACTIONS:
        raise InputError(
            f"{path}: names {len(actions)} actions, not the {ACTIONS} of UCF101; copy the file "
            "again"
        )
    return actions


def _keep_for_validation(clips: pd.DataFrame, val_groups: int, seed: int, source: Path) -> None:
    """Move `val_groups` train groups of each action to val."""
    train = clips[clips["split"] == "train"]
    for action, groups in train.groupby("action")["group"]:
        names = sorted(set(groups), key=lambda name: draw(seed, name))
        if not 0 < val_groups < len(names):
            raise InputError(
                f"{source}: ucf101.val_groups ({val_groups}) must be at least 1 and leave a group "
                f"to train on; {action} has {len(names)} train groups"
            )
        clips.loc[clips["group"].isin(names[:val_groups]), "split"] = "val"
    empty = {"train", "val", "test"} - set(clips["split"])
    if empty:
        raise InputError(f"{source}: no video of split {', '.join(sorted(empty))} is left; {WHERE}")


def _tubes(
    path: Path | None, clips: pd.DataFrame, remarks: list[str]
) -> dict[str, list[dict[str, Any]]]:
    """Tubes of each clip that has any, in the order of `clips`."""
    if path is None:
        remarks.append(f"no pyannot.pkl: no boxes and no segments; {WHERE}")
        return {}
    content = read_arrays(path, remedy=WHERE)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise InputError(f"{path}: not a table of videos; {WHERE}")
    tubes: dict[str, list[dict[str, Any]]] = {}
    for name, video in content.items():
        action, _, clip = str(name).partition("/")
        tubes[clip] = _checked(video, action, f"{path}: {name}")
    for what, count, expected in (
        ("tubes", sum(map(len, tubes.values())), TUBES),
        ("videos with tubes", len(tubes), TUBE_VIDEOS),
    ):
        if count != expected:
            remarks.append(f"{path.name}: {count} {what}, where the corrected ones are {expected}")
    should = clips[clips["action"].isin(TUBE_ACTIONS)]["clip"]
    lacking = [clip for clip in should if clip not in tubes]
    if lacking:
        remarks.append(
            f"{len(lacking)} videos of the {len(TUBE_ACTIONS)} actions have no tube (the first: "
            f"{lacking[0]})"
        )
    return {clip: tubes[clip] for clip in clips["clip"] if clip in tubes}


def _checked(video: Any, action: str, where: str) -> list[dict[str, Any]]:
    """The tubes of one video, which are what the module's description says."""
    try:
        frames = int(video["numf"])
        tubes = [
            {key: int(tube[key]) for key in ("sf", "ef", "label")} | {"boxes": tube["boxes"]}
            for tube in video["annotations"]
        ]
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: is not numf and annotations of sf, ef, label and boxes; {WHERE}"
        ) from error
    for number, tube in enumerate(tubes, 1):
        first, last, boxes = tube["sf"], tube["ef"], tube["boxes"]
        if not 0 <= first < last <= frames:
            raise InputError(
                f"{where}: tube {number} goes from frame {first} to {last} of {frames}; {WHERE}"
            )
        if not isinstance(boxes, np.ndarray) or boxes.shape != (last - first, 4):
            raise InputError(
                f"{where}: tube {number} has not one box for each of {last - first} frames; {WHERE}"
            )
        if boxes.dtype.kind not in "iuf":
            raise InputError(f"{where}: tube {number} has boxes that are no numbers; {WHERE}")
        sides = boxes.astype(np.float32)
        if not ((sides >= 0) & (sides <= LARGEST)).all() or (sides[:, 2:] == 0).any():
            raise InputError(
                f"{where}: tube {number} has a box that is not x and y from 0 and a width and "
                f"height above 0, in pixels; {WHERE}"
            )
        if not 0 <= tube["label"] < len(TUBE_ACTIONS) or TUBE_ACTIONS[tube["label"]] != action:
            raise InputError(f"{where}: tube {number} has the label {tube['label']}; {WHERE}")
    return tubes


def _boxes(tubes: Mapping[str, list[dict[str, Any]]]) -> Boxes:
    """Rows of boxes of each clip, by frame and then instance."""
    for clip, found in tubes.items():
        frame = np.concatenate([np.arange(tube["sf"], tube["ef"]) for tube in found])
        instance = np.repeat(np.arange(1, len(found) + 1), [len(tube["boxes"]) for tube in found])
        box = np.concatenate([tube["boxes"].astype(np.float32) for tube in found])
        order = np.lexsort((instance, frame))
        yield clip, {"frame": frame[order], "instance": instance[order], "box": box[order]}
