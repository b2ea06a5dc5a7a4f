"""Images for a classifier: cut out by their boxes, resized to squares, key points carried along.

As in the paper, a network sees the bird and not its surroundings. The area cut out is the box,
enlarged on every side by `margin` times its width or height, as far as the image goes; it is
resized to s x s pixels whatever its proportions. Images are upright and opaque (`seewhy.pictures`),
and boxes and points count their pixels as shown. A point (x, y) of the image is then at

    x' = (x - left) s / width,   y' = (y - top) s / height

of the crop, with left, top, width and height those of the area.
"""

from __future__ import annotations

import logging
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from PIL import Image

from seewhy.corpora.canonical import read_table
from seewhy.corpora.truth import Truth
from seewhy.errors import InputError
from seewhy.files import create_hdf5, summarise_problems, whole_file
from seewhy.frames import corpus_entries, write_report
from seewhy.pictures import PictureProblem, read_picture
from seewhy.progress import progress

log = logging.getLogger(__name__)

KINDS = ("species", "class")
"""Kinds of labels that are classes, the first that a corpus has."""
_CHUNK = 16


def crop_images(
    corpus: str | Path,
    split: str,
    output: str | Path,
    *,
    size: int = 64,
    margin: float = 0.0,
    kind: str | None = None,
    report: str | Path | None = None,
) -> None:
    """Cut the images of a split out by their boxes.

    Args:
        corpus: in canonical form, its clips images; one without a box counts as a whole.
        split: train, val or test.
        output: HDF5, for n images and p names of key points: `image` ``[n, s, s, 3]`` uint8;
            `label` ``[n]`` int32, an index into its attribute `classes` (the sorted labels of all
            splits); `name` ``[n]`` (clips); `points` ``[n, p, 2]`` float32, x and y in pixels of
            the crop, NaN where the corpus has none; `visible` ``[n, p]`` bool, in the image and in
            the crop, with the names as attribute `points`; `box` ``[n, 4]`` float32, x, y, width
            and height of the area cut out, in pixels of the image.
        size: side s of a crop, pixels.
        margin: added to each side of the box, in shares of its width or height.
        kind: of the labels that are classes; None: the first of `KINDS` that there is.
        report: CSV of the images that were left out, as of `seewhy.frames.sample_frames`; `status`
            is ``outside`` where a box has no pixel in its image. None: none is written.

    Raises:
        InputError: a setting out of range, a split without clips, an image without a label or with
            two, no image that can be used. An image that is missing or broken is left out, and
            logged and reported.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 8:
        raise InputError(f"size {size!r} must be a whole number of pixels, 8 or more")
    if isinstance(margin, bool) or not 0 <= margin <= 4:
        raise InputError(f"margin {margin!r} must be a number from 0 to 4")
    entries = corpus_entries(corpus, split)
    class_of, classes = _classes(corpus, kind, [entry.clip for entry in entries])
    problems: dict[int, tuple[str, str]] = {}
    with (
        Truth(Path(corpus) / "truth.h5") as truth,
        whole_file(output) as temporary,
        create_hdf5(temporary, libver="latest") as file,
    ):
        known, names = set(truth.clips), truth.point_names
        _begin(file, size, names, classes)
        rows: dict[str, list] = {name: [] for name in file}
        for row, entry in enumerate(
            progress(entries, what=f"cutting out {split} images", unit="image")
        ):
            try:
                image = Image.fromarray(read_picture(entry.video))
            except PictureProblem as problem:
                problems[row] = (problem.status, problem.reason)
                continue
            box = _box(truth, entry.clip) if entry.clip in known else None
            area = crop_area(box, image.size, margin)
            if area is None:
                problems[row] = ("outside", "its box has no pixel in it")
                continue
            points, visible = _points(truth, entry.clip if entry.clip in known else None, names)
            points = move_points(points, area, size)
            rows["image"].append(crop(image, area, size))
            rows["label"].append(class_of[entry.clip])
            rows["name"].append(entry.clip)
            rows["points"].append(points)
            rows["visible"].append(visible & ((points >= 0) & (points < size)).all(-1))
            rows["box"].append(area)
            if len(rows["image"]) == _CHUNK:
                _append(file, rows)
        _append(file, rows)
        said = summarise_problems((entries[row].video, *about) for row, about in problems.items())
        if not len(file["name"]):
            raise InputError(
                f"{corpus}: no image of split {split} can be used: {said}; corpus.json says where "
                "to get them"
            )
        file.attrs["split"], file.attrs["size"], file.attrs["margin"] = split, size, margin
    if report is not None:
        write_report(report, entries, problems)
    if problems:
        log.warning(
            "%s: %d of %d images of split %s left out: %s",
            corpus, len(problems), len(entries), split, said,
        )  # fmt: skip


def crop_area(
    box: np.ndarray | None, image: tuple[int, int], margin: float = 0.0
) -> tuple[float, float, float, float] | None:
    """The area that is cut out around a box.

    Args:
        box: x, y, width, height in pixels; None: the whole image.
        image: width and height of the image.
        margin: added to each side, in shares of the box's width or height.

    Returns:
        x, y, width, height within the image; None where that is nothing.
    """
    if box is None:
        return (0.0, 0.0, float(image[0]), float(image[1]))
    x, y, width, height = map(float, box)
    left, top = max(x - margin * width, 0.0), max(y - margin * height, 0.0)
    right = min(x + (1 + margin) * width, float(image[0]))
    bottom = min(y + (1 + margin) * height, float(image[1]))
    if right - left < 1 or bottom - top < 1:
        return None
    return (left, top, right - left, bottom - top)


def crop(
    image: Image.Image | np.ndarray, area: tuple[float, float, float, float], size: int
) -> np.ndarray:
    """Cut an area (x, y, width, height) out of an image and resize it: [s, s, 3] uint8."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    x, y, width, height = area
    corners = (x, y, x + width, y + height)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, corners))


def move_points(
    points: np.ndarray, area: tuple[float, float, float, float], size: int
) -> np.ndarray:
    """Points [p, 2] of the image in pixels of the crop of an area: [p, 2] float32."""
    x, y, width, height = area
    return ((points - (x, y)) * size / (width, height)).astype(np.float32)


def _classes(
    corpus: str | Path, kind: str | None, clips: list[str]
) -> tuple[dict[str, int], list[str]]:
    """Class of each clip, and the names of all classes of the corpus."""
    labels = read_table(corpus, "labels")
    kinds = [kind] if kind is not None else [k for k in KINDS if k in set(labels["kind"])][:1]
    mine = labels[labels["kind"].isin(kinds)]
    if mine.empty:
        raise InputError(
            f"{corpus}/labels.csv: no label of kind {kind or ' or '.join(KINDS)}; choose a corpus "
            "of images with classes, such as aviary, cub200 or images"
        )
    twice = mine["clip"].duplicated()
    if twice.any():
        raise InputError(
            f"{corpus}/labels.csv: {mine['clip'][twice].iloc[0]} has two labels of kind "
            f"{kinds[0]}; keep one"
        )
    lacking = pd.Series(clips)[~pd.Series(clips).isin(mine["clip"])]
    if len(lacking):
        raise InputError(
            f"{corpus}/labels.csv: {lacking.iloc[0]} has no label of kind {kinds[0]}; give it one"
        )
    classes = sorted(set(mine["label"]))
    number = {name: k for k, name in enumerate(classes)}
    return {row.clip: number[row.label] for row in mine.itertuples()}, classes


def _box(truth: Truth, clip: str) -> np.ndarray | None:
    """The box around all boxes of frame 0."""
    rows = truth.boxes(clip)
    boxes = rows["box"][rows["frame"] == 0]
    if not len(boxes):
        return None
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return np.concatenate([low, high - low])


def _points(truth: Truth, clip: str | None, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Key points [p, 2] of frame 0 in pixels of the image, NaN where there is none, and [p]."""
    points, visible = np.full((len(names), 2), np.nan), np.zeros(len(names), bool)
    if clip is not None:
        rows = truth.key_points(clip)
        place = {name: k for k, name in enumerate(names)}
        for k in np.flatnonzero(rows["frame"] == 0):
            points[place[rows["name"][k]]] = rows["point"][k]
            visible[place[rows["name"][k]]] = rows["visible"][k]
    return points, visible


def _begin(file: h5py.File, size: int, names: list[str], classes: list[str]) -> None:
    """Empty data sets, with the names as attributes."""
    count, text = len(names), h5py.string_dtype()
    for name, shape, dtype in (
        ("image", (size, size, 3), "u1"), ("label", (), "i4"), ("name", (), text),
        ("points", (count, 2), "f4"), ("visible", (count,), "?"), ("box", (4,), "f4"),
    ):  # fmt: skip
        chunk = _CHUNK if name == "image" else 1024
        packed = {"compression": "gzip", "compression_opts": 1} if name == "image" else {}
        chunks = (chunk, *shape) if 0 not in shape else True
        file.create_dataset(name, (0, *shape), dtype, maxshape=(None, *shape), chunks=chunks,
                            **packed)  # fmt: skip
    file["label"].attrs["classes"] = np.array(classes, text)
    file["visible"].attrs["points"] = np.array(names, text)


def _append(file: h5py.File, rows: dict[str, list]) -> None:
    for name, values in rows.items():
        if values:
            data, before = file[name], len(file[name])
            data.resize(before + len(values), axis=0)
            data[before:] = values if name == "name" else np.stack(values)
            values.clear()
