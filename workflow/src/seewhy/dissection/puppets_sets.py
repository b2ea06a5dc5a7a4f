"""Actor crops of the puppets world as concept sets with pixel-exact masks.

As in the paper, the images with objects, parts, colours, textures and scenes (*broden*) and the
images with action regions (*actions*) are different ones: the crops of clips of even number and of
odd number. The truth of the first is the drawing's; the regions of the second are what annotators
make of it (`seewhy.dissection.regions`).

    object     kind of thing, and of stuff (sky, ground, …), that a pixel shows
    part       part of a thing that has several
    color      with `-c`, as in Broden
    texture    pattern of a thing: stripe or dot; plain is none
    scene      of the whole image, with `-s`, as in Broden
    action     the region in which it is recognised
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from seewhy.dissection.annotators import simulate_annotators
from seewhy.dissection.concepts import ConceptWriter
from seewhy.dissection.regions import image_masks
from seewhy.errors import InputError
from seewhy.files import open_hdf5, summarise_problems, whole_file
from seewhy.pictures import PictureProblem, read_picture
from seewhy.progress import progress
from seewhy.table_paths import path_inside

log = logging.getLogger(__name__)

Array = np.ndarray
PIXEL_CATEGORIES = ("object", "part", "color", "texture")
_COLUMN = {"object": "class", "part": "part", "color": "colour", "texture": "texture"}
_NEEDS = ("image", "code", "action", "scene", "clip", "main", "box", "elements/rows")
_SHOWN = 12  # pixels that another thing must show to draw a box on by mistake


def write_broden(crops: str | Path, folder: str | Path) -> None:
    """Write the set *broden* of a file of crops (see `seewhy.worlds.puppets.crops`).

    Raises:
        InputError: no such file, or no crop of a clip of even number.
    """
    with open_hdf5(crops, needs=_NEEDS) as file:
        which = _half(file, 0)
        columns = {c: file[f"elements/{name}"].asstr()[:] for c, name in _COLUMN.items()}
        columns["color"] = np.array([f"{c}-c" if c else "" for c in columns["color"]], object)
        columns["part"] = np.where(columns["part"] == columns["object"], "", columns["part"])
        columns["texture"] = np.where(columns["texture"] == "plain", "", columns["texture"])
        scenes = [f"{name}-s" for name in file.attrs["scenes"]]
        names = {c: sorted(set(values) - {""}) for c, values in columns.items()} | {"scene": scenes}
        table = {c: {name: k for k, name in enumerate(["", *names[c]])} for c in columns}
        rows = file["elements/rows"][:]
        with ConceptWriter(folder, names) as writer:
            for i, name, image, code in _crops(file, which):
                span = slice(int(rows[i]), int(rows[i + 1]))
                writer.add(
                    name,
                    image,
                    masks={
                        c: np.array([table[c][v] for v in values[span]])[code][None]
                        for c, values in columns.items()
                    },
                    whole={"scene": [scenes[int(file["scene"][i])]]},
                    group=str(int(file["clip"][i])),
                )


def offered_pairs(
    crops: str | Path, *, seed: int, wrong: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What annotators are shown: crops of odd clips, each with its action, some with another one.

    Args:
        crops: file of crops.
        seed: of the other actions.
        wrong: share of the crops that are also offered with an action that they do not show.

    Returns:
        The truth and the distractors of `seewhy.dissection.annotators`.

    Raises:
        InputError: no such file, no crop of a clip of odd number, or no other action to offer.
    """
    with open_hdf5(crops, needs=_NEEDS) as file:
        actions = list(file.attrs["actions"])
        if wrong and len(actions) < 2:
            raise InputError(
                f"{crops}: has one action, {actions[0]}, so none can be offered wrongly; set "
                "dissection.annotators.wrong to 0"
            )
        rng = np.random.default_rng(seed)
        truth, others = [], []
        for i, name, image, code in _crops(file, _half(file, 1)):
            height, width = image.shape[:2]
            mine = int(file["action"][i])
            truth.append((name, actions[mine], *file["box"][i].tolist(), width, height))
            if rng.random() < wrong:
                other = actions[(mine + rng.integers(1, len(actions))) % len(actions)]
                truth.append((name, other, *[np.nan] * 4, width, height))
            first, last = file["elements/rows"][i : i + 2]
            instance = file["elements/instance"][int(first) : int(last)][code]
            acting = {0, int(file["main"][i]), int(file["object"][i])}
            for number in sorted(set(np.unique(instance).tolist()) - acting):
                ys, xs = np.nonzero(instance == number)
                if len(ys) >= _SHOWN:
                    x, y = int(xs.min()), int(ys.min())
                    others.append((name, x, y, int(xs.max()) + 1 - x, int(ys.max()) + 1 - y))
    box = ["x", "y", "width", "height"]
    return (
        pd.DataFrame(truth, columns=["image", "action", *box, "image_width", "image_height"]),
        pd.DataFrame(others, columns=["image", *box]),
    )


def annotate_crops(
    crops: str | Path,
    outputs: dict[str, str | Path],
    *,
    seed: int,
    wrong: float,
    **annotators: Any,
) -> None:
    """Let simulated annotators work on the crops of odd clips.

    Args:
        crops: file of crops.
        outputs: where the tables `boxes`, `votes`, `sizes` and `truth` go, CSV.
        seed: of the annotators.
        wrong: see :func:`offered_pairs`.
        annotators: the other arguments of `simulate_annotators`.
    """
    truth, distractors = offered_pairs(crops, seed=seed, wrong=wrong)
    answers = simulate_annotators(truth, seed=seed, distractors=distractors, **annotators)
    for name, table in {**answers._asdict(), "truth": truth}.items():
        with whole_file(outputs[name]) as temporary:
            table.to_csv(temporary, index=False)


def write_actions(images: str | Path, regions: pd.DataFrame, folder: str | Path) -> None:
    """Write the set *actions*: the images that have a verified region, with these regions.

    An image of yours that cannot be used (missing, cut short, no picture) is left out and logged.
    Boxes and sizes count pixels of the image as it is shown, upright.

    Args:
        images: file of crops, of whose odd clips the regions are; or a folder of images of yours.
        regions: of `seewhy.dissection.regions`.
        folder: where.

    Raises:
        InputError: no regions, regions of crops that are not there or of images of another size, or
            no image that can be used.
    """
    masks = dict(image_masks(regions))
    if not masks:
        raise InputError("action regions: there are none; look at results/dissection/regions.csv")
    names = sorted({action for of_image in masks.values() for action in of_image})
    found = _crops_of(images, masks) if Path(images).is_file() else _files_of(images, masks)
    with ConceptWriter(folder, {"action": names}) as writer:
        for name, image, group in found:
            planes = [m.astype(int) * (1 + names.index(a)) for a, m in masks[name].items()]
            if planes[0].shape != image.shape[:2]:
                raise InputError(
                    f"action regions: image {name} has {image.shape[1]} x {image.shape[0]} pixels "
                    "as it is shown, the annotators' sizes.csv says "
                    f" {planes[0].shape[1]} x {planes[0].shape[0]}"
                )
            writer.add(
                str(Path(name).with_suffix("")),
                image,
                masks={"action": np.stack(planes)},
                group=group,
            )


def _crops_of(crops: str | Path, names: Iterable[str]) -> Iterator[tuple[str, Array, str]]:
    wanted = set(names)
    with open_hdf5(crops, needs=_NEEDS) as file:
        for i, name, image, _ in _crops(file, _half(file, 1)):
            if name in wanted:
                wanted.remove(name)
                yield name, image, str(int(file["clip"][i]))
    if wanted:
        raise InputError(
            f"action regions: {len(wanted)} images are no crops of odd clips in {crops}, such as "
            f"{min(wanted)}; build the regions again"
        )


def _files_of(folder: str | Path, names: Iterable[str]) -> Iterator[tuple[str, Array, str]]:
    names = sorted(names)
    problems = []
    for name in progress(names, what="reading images", unit="image"):
        path = path_inside(folder, name, where="action regions: column image")
        try:
            image = read_picture(path)
        except PictureProblem as problem:
            problems.append((name, problem.status, problem.reason))
            continue
        yield name, image, ""
    if problems and len(problems) == len(names):
        raise InputError(
            f"{folder}: none of the {len(names)} images with action regions can be used: "
            f"{summarise_problems(problems)}"
        )
    if problems:
        log.warning(
            "%s: %d of %d images with action regions left out: %s",
            folder, len(problems), len(names), summarise_problems(problems),
        )  # fmt: skip


def _half(file: h5py.File, odd: int) -> Array:
    which = np.flatnonzero(file["clip"][:] % 2 == odd)
    if not len(which):
        raise InputError(f"{file.filename}: has no crops of {('even', 'odd')[odd]} clips")
    return which


def _crops(file: h5py.File, which: Array) -> Iterator[tuple[int, str, Array, Array]]:
    """Number, name, image and codes of some crops, read in blocks."""
    with progress(what="reading crops", total=len(which), unit="crop") as bar:
        for first in range(0, len(which), 256):
            block = which[first : first + 256]
            span = slice(int(block[0]), int(block[-1]) + 1)
            images, codes = (file[key][span][block - block[0]] for key in ("image", "code"))
            for i, image, code in zip(block.tolist(), images, codes, strict=True):
                yield i, f"puppets/{i:06d}", image, code
            bar.update(len(block))
