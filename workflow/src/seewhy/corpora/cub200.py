"""CUB-200-2011, 11,788 images of 200 species of birds, with the captions of Reed et al.

Its layout, below the source folder::

    CUB_200_2011/images.txt                  <image> <class folder>/<file>.jpg
    CUB_200_2011/classes.txt                 <class> 001.Black_footed_Albatross …
    CUB_200_2011/image_class_labels.txt      <image> <class>
    CUB_200_2011/train_test_split.txt        <image> <1: train, 0: test>: 5,994 and 5,794
    CUB_200_2011/bounding_boxes.txt          <image> <x> <y> <width> <height>
    CUB_200_2011/parts/parts.txt             <part> <name>: 15
    CUB_200_2011/parts/part_locs.txt         <image> <part> <x> <y> <1: visible>
    CUB_200_2011/images/<class folder>/<file>.jpg
    text_c10/<class folder>/<file>.txt       ten captions, a line each

The numbers of images do not follow the order of their file names, so everything is joined by
number. An image is a clip of one frame, frame 0, with one instance, the bird; its label, of kind
`species`, is the class folder's name in words. A part that is not visible has no place in the data
set (its coordinates are 0) and is left out. The split has no validation images: a share of each
class's train images is kept for it.

References: C. Wah et al., *The Caltech-UCSD Birds-200-2011 Dataset*, CNS-TR-2011-001; S. Reed et
al., *Learning Deep Representations of Fine-Grained Visual Descriptions*, CVPR 2016.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from seewhy.corpora.dealing import draw
from seewhy.corpora.sources import SOURCES
from seewhy.errors import InputError
from seewhy.number_text import real_number, whole_number
from seewhy.table_paths import path_inside
from seewhy.text.tokens import tokenise
from seewhy.text_files import read_lines, read_old_lines

CLASSES, IMAGES, PARTS, CAPTIONS = 200, {"train": 5994, "test": 5794}, 15, 10
LARGEST = 1e6  # pixels
WHERE = SOURCES["cub200"].where
_NUMBER = re.compile(r"[0-9]{1,9}")

Boxes = Iterator[tuple[str, Mapping[str, Any]]]


def read(
    source: Path, *, val_share: float, seed: int, classes: int = CLASSES
) -> tuple[dict[str, pd.DataFrame], dict[str, Any], Boxes]:
    """Read the lists, the captions, boxes and parts, and look which images are there.

    Args:
        source: the folder that holds `CUB_200_2011` and `text_c10`.
        val_share: share of each class's train images that is kept for validation.
        seed: of that choice.
        classes: 200, or fewer for the first of them alone.

    Raises:
        InputError: a setting out of range, a malformed list, an image that a list lacks.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or not 1 <= classes <= CLASSES:
        raise InputError(
            f"params.yaml: cub200.classes: {classes!r} is not a whole number from 1 to {CLASSES}"
        )
    if isinstance(val_share, bool) or not 0 <= val_share < 1:
        raise InputError(f"params.yaml: cub200.val_share: {val_share!r} is not from 0 to below 1")
    lists = source / "CUB_200_2011"
    images, remarks = _images(lists, classes)
    images["split"] = _split(images, val_share, seed)
    folder = source / SOURCES["cub200"].videos
    clips = pd.DataFrame(
        {
            "clip": images["clip"],
            "split": images["split"],
            "video": [
                str(path_inside(folder, file, where=str(lists / "images.txt")))
                for file in images["file"]
            ],
        }
    )
    absent = [path for path in clips["video"] if not Path(path).exists()]
    if absent:
        remarks.append(
            f"{len(absent)} of {len(clips)} images are not in {folder} (the first: "
            f"{Path(absent[0]).name}); {WHERE}"
        )
    labels = pd.DataFrame({"clip": clips["clip"], "kind": "species", "label": images["label"]})
    instances = pd.DataFrame(
        {"clip": clips["clip"], "instance": 1, "class": "bird", "role": "object"}
    )
    tables = {
        "clips": clips,
        "captions": _captions(source / "text_c10", images, remarks),
        "labels": labels,
        "instances": instances,
    }
    about = {"remarks": remarks, "remedy": WHERE, "videos": len(clips) - len(absent)}
    return tables, about, _truth(lists, images)


def _images(lists: Path, classes: int) -> tuple[pd.DataFrame, list[str]]:
    """Images of the first classes: `number`, `file`, `clip`, `label` and `train`."""
    names = {number: name for (number,), (name,) in _rows(lists / "classes.txt", 1, 1)}
    files = {number: file for (number,), (file,) in _rows(lists / "images.txt", 1, 1)}
    class_of = {number: k for (number,), (k,) in _rows(lists / "image_class_labels.txt", 1, 1)}
    train = {number: flag for (number,), (flag,) in _rows(lists / "train_test_split.txt", 1, 1)}
    for path, listed in (("image_class_labels.txt", class_of), ("train_test_split.txt", train)):
        _check_listed(lists / path, files, listed)
    known = {str(number) for number in names}
    unknown = next((n for n, k in class_of.items() if k.lstrip("0") not in known), None)
    if unknown is not None:
        raise InputError(
            f"{lists / 'image_class_labels.txt'}: image {unknown} has the class "
            f"{class_of[unknown]}, which is not in classes.txt; copy both again"
        )
    odd = next((n for n, flag in train.items() if flag not in ("0", "1")), None)
    if odd is not None:
        raise InputError(
            f"{lists / 'train_test_split.txt'}: image {odd} has {train[odd]!r}, not 1 or 0; copy "
            "the file again"
        )
    remarks = []
    counts = {
        split: list(train.values()).count(flag) for split, flag in (("train", "1"), ("test", "0"))
    }
    for what, count, expected in (
        ("classes", len(names), CLASSES),
        *((f"{split} images", counts[split], IMAGES[split]) for split in IMAGES),
    ):
        if count != expected:
            remarks.append(
                f"{count} {what}, where CUB-200-2011 has {expected}: results are not those of the "
                f"whole data set; {WHERE}"
            )
    for number, file in files.items():
        if len(PurePosixPath(file).parts) != 2 or not PurePosixPath(file).suffix:
            raise InputError(
                f"{lists / 'images.txt'}: image {number}: {file[:60]!r} is not <class "
                "folder>/<file>; copy the file again"
            )
    rows = [
        (number, file, PurePosixPath(file).stem, _label(names[int(class_of[number])]),
         train[number] == "1")
        for number, file in files.items()
        if int(class_of[number]) <= classes
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["number", "file", "clip", "label", "train"])
    if table.empty:
        raise InputError(
            f"{lists / 'images.txt'}: no image of the first {classes} classes; {WHERE}"
        )
    twice = table["clip"].duplicated()
    if twice.any():
        raise InputError(
            f"{lists / 'images.txt'}: {table['clip'][twice].iloc[0]} is listed twice; copy the "
            "file again"
        )
    if classes != CLASSES:
        remarks.append(f"the first {classes} of {CLASSES} classes alone, as cub200.classes says")
    return table, remarks


def _rows(path: Path, keys: int, values: int) -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """Lines of whole numbers and then values, separated by blanks."""
    seen: set[tuple[int, ...]] = set()
    for number, line in enumerate(read_lines(path, missing=WHERE), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != keys + values or not all(map(_NUMBER.fullmatch, fields[:keys])):
            raise InputError(
                f"{path}: line {number}: {line[:60]!r} is not {keys} whole number(s) and "
                f"{values} value(s); copy the file again"
            )
        key = tuple(map(int, fields[:keys]))
        if key in seen:
            raise InputError(
                f"{path}: line {number}: {' '.join(fields[:keys])} is there twice; copy the file "
                "again"
            )
        seen.add(key)
        yield key, fields[keys:]


def _check_listed(path: Path, files: Mapping[int, str], listed: Mapping[int, Any]) -> None:
    lacking = next((number for number in files if number not in listed), None)
    if lacking is not None:
        raise InputError(f"{path}: has no line for image {lacking}; copy the file again")


def _label(folder: str) -> str:
    """`001.Black_footed_Albatross` in words."""
    return folder.partition(".")[2].replace("_", " ") or folder


def _split(images: pd.DataFrame, val_share: float, seed: int) -> pd.Series:
    split = images["train"].map({True: "train", False: "test"})
    for _, mine in images[images["train"]].groupby("label")["clip"]:
        order = sorted(mine, key=lambda clip: draw(seed, clip))
        kept = order[: round(val_share * len(order))]
        split[images["clip"].isin(kept)] = "val"
    return split


def _captions(folder: Path, images: pd.DataFrame, remarks: list[str]) -> pd.DataFrame:
    rows, without, odd, foreign = [], [], [], 0
    for clip, file in zip(images["clip"], images["file"], strict=True):
        path = path_inside(folder, file, where="images.txt").with_suffix(".txt")
        if not path.exists():
            without.append(file)
            continue
        lines, other = read_old_lines(path)
        foreign += other
        texts = [line.strip() for line in lines if tokenise(line)]
        rows += [(f"{clip}.{k}", clip, text) for k, text in enumerate(texts)]
        if len(texts) != CAPTIONS:
            odd.append(clip)
    if without:
        remarks.append(
            f"{len(without)} of {len(images)} images have no captions in {folder} (the first: "
            f"{without[0]}); {WHERE}"
        )
    if foreign:
        remarks.append(f"{foreign} captions are not UTF-8 and were read as Windows-1252")
    if odd:
        remarks.append(
            f"{len(odd)} images have more or fewer than {CAPTIONS} captions (the first: {odd[0]})"
        )
    return pd.DataFrame(rows, columns=["caption", "clip", "text"])


def _truth(lists: Path, images: pd.DataFrame) -> Boxes:
    """The box and the visible parts of each image."""
    wanted = set(images["number"])
    boxes = {
        number: _numbers(values, lists / "bounding_boxes.txt", number)
        for (number,), values in _rows(lists / "bounding_boxes.txt", 1, 4)
        if number in wanted
    }
    thin = next((number for number, box in boxes.items() if min(box[2:]) <= 0), None)
    if thin is not None:
        raise InputError(
            f"{lists / 'bounding_boxes.txt'}: image {thin}: its box has no width or no height; "
            "copy the file again"
        )
    _check_listed(lists / "bounding_boxes.txt", dict.fromkeys(images["number"], ""), boxes)
    names = {}
    for place, line in enumerate(read_lines(lists / "parts/parts.txt", missing=WHERE), 1):
        number, _, name = line.strip().partition(" ")
        if name:
            where = f"{lists / 'parts/parts.txt'}: line {place}"
            names[whole_number(number, where, most=PARTS, remedy="copy the file again")] = name
    if len(names) != PARTS:
        raise InputError(
            f"{lists / 'parts/parts.txt'}: names {len(names)} parts, not {PARTS}; copy the file "
            "again"
        )
    path = lists / "parts/part_locs.txt"
    parts: dict[int, list[tuple[str, float, float]]] = {number: [] for number in wanted}
    for (number, part), values in _rows(path, 2, 3):
        if number not in wanted:
            continue
        x, y, visible = _numbers(values, path, number)
        if part not in names:
            raise InputError(f"{path}: image {number} has part {part}, not in parts.txt; copy both")
        if visible not in (0, 1):
            raise InputError(
                f"{path}: image {number}: part {part} is visible {visible:g}, not 1 or 0; copy the "
                "file again"
            )
        if visible:
            parts[number].append((names[part], x, y))

    def rows() -> Boxes:
        for number, clip in zip(images["number"], images["clip"], strict=True):
            found = parts[number]
            count = len(found)
            yield (
                clip,
                {
                    "frame": np.zeros(1, int),
                    "instance": np.ones(1, int),
                    "box": [boxes[number]],
                    "key_points": {
                        "frame": np.zeros(count, int),
                        "instance": np.ones(count, int),
                        "name": [name for name, _, _ in found],
                        "point": [(x, y) for _, x, y in found],
                        "visible": np.ones(count, bool),
                    },
                },
            )

    return rows()


def _numbers(values: list[str], path: Path, image: int) -> list[float]:
    bounds = {"least": 0, "most": LARGEST, "remedy": "copy the file again"}
    return [real_number(value, f"{path}: image {image}", **bounds) for value in values]
