"""Crops of actors at work: single images, each with its action and the truth of every pixel.

For networks that name actions from one image (Network Dissection with actions). A crop is a square
around the visible pixels of a clip's main actor, at a moment of its action, with a little play of
place and scale; no video is encoded. The file, of n crops of s x s pixels::

    image            [n, s, s, 3] uint8
    code             [n, s, s] uint8    number, among the crop's own elements, of what a pixel shows
    elements/rows    [n + 1] int64      crop i has the elements rows[i] … rows[i + 1] - 1
    elements/instance, class, part, colour, texture    a row each; instance 0: stuff (sky, …)
    action           [n] int16          index into attrs["actions"], names in alphabetical order
    scene            [n] int16          index into attrs["scenes"]
    clip             [n] int32          number of the clip; crops of a clip are alike
    main, object     [n] int16          instance of the actor, and of what it acts on (0: nothing)
    box              [n, 4] float32     x, y, width, height of their visible pixels, in pixels

and attrs["split"], attrs["seed"].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from seewhy.errors import InputError, require_whole
from seewhy.files import create_hdf5, whole_file
from seewhy.progress import progress
from seewhy.worlds.pool import in_order
from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.cast import build_figures
from seewhy.worlds.puppets.clip import draw_moments
from seewhy.worlds.puppets.draw import Drawing, Element, Figure
from seewhy.worlds.puppets.plan import Plan, clip_generator
from seewhy.worlds.puppets.sampling import plan_clip

SCENES = (*words.SCENES, *words.RARE_SCENES)
LEAST_INSIDE = 0.5
"""Share of the box around the actor's whole outline that lies in the frame, at least."""
LEAST_SEEN = 0.02
"""Share of the frame that the actor's visible pixels cover, at least."""
SHIFT, SCALE = 0.06, 0.08
"""Play of a crop: of its place, in shares of its side, and of its side, in shares."""

_FRAMES, _CHUNK, _PURPOSE = 32, 25, 2
_TEXT = "S32"
_COLUMNS = {"instance": "i2", "class": _TEXT, "part": _TEXT, "colour": _TEXT, "texture": _TEXT}
_NUMBERS = {"action": "i2", "scene": "i2", "clip": "i4", "main": "i2", "object": "i2"}


def draw_crops(
    path: str | Path,
    *,
    seed: int,
    split: str,
    clips: int,
    per_clip: int = 4,
    size: int = 64,
    canvas: int = 128,
    box: float = 1.35,
    actions: Sequence[str] | None = None,
    workers: int = 2,
) -> None:
    """Draw crops of one split into a file (its layout: above).

    Args:
        path: HDF5.
        seed: the same seed gives the same bytes, whatever the number of workers.
        split: train, val or test; held-out combinations occur in test only.
        clips: clips that are drawn; more of them leave the first ones as they are.
        per_clip: crops of a clip, one in each of as many equal parts of the action's interval; a
            part in which the actor is not well in the frame gives none.
        size: side of a crop, pixels.
        canvas: side of the frames that crops are cut from, pixels.
        box: side of a crop before its play, in times the larger side of the actor's visible box.
        actions: the only ones that there are (of `seewhy.worlds.puppets.vocabulary.ACTIONS`);
            None: all of these. Rare actions never occur.
        workers: processes.

    Raises:
        InputError: an argument out of range, an unknown action, no crop at all, no space left.
    """
    _check(split, clips, per_clip, size, canvas, box, workers)
    only = tuple(words.ACTIONS if actions is None else actions)
    unknown = sorted(set(only) - set(words.ACTIONS))
    if unknown or not only:
        raise InputError(
            f"action {unknown[0] if unknown else ''!r} is not one of {', '.join(words.ACTIONS)}"
        )
    firsts = range(0, clips, _CHUNK)
    jobs = [
        (seed, split, first, min(first + _CHUNK, clips), per_clip, size, canvas, box, only)
        for first in firsts
    ]
    bar = progress(what=f"drawing {split} crops", total=clips)
    with whole_file(path) as temporary, create_hdf5(temporary, libver="latest") as file, bar:
        _begin(file, size)
        offsets = [0]
        for job, rows in zip(
            jobs, in_order(_draw_some, jobs, min(workers, len(jobs))), strict=True
        ):
            _append(file, offsets, rows)
            bar.update(job[3] - job[2])
        if len(offsets) == 1:
            raise InputError(f"{path}: no actor is in sight in {clips} clips; ask for more clips")
        file["elements/rows"] = np.array(offsets, "i8")
        file.attrs["actions"] = np.array(sorted(only), h5py.string_dtype())
        file.attrs["scenes"] = np.array(SCENES, h5py.string_dtype())
        file.attrs["split"], file.attrs["seed"] = split, int(seed)


def _check(
    split: str, clips: int, per_clip: int, size: int, canvas: int, box: float, workers: int
) -> None:
    if split not in words.SPLITS:
        raise InputError(f"split {split!r} is not one of {', '.join(words.SPLITS)}")
    require_whole(1, clips=clips, per_clip=per_clip, workers=workers)
    require_whole(16, size=size)
    require_whole(32, canvas=canvas)
    if canvas % 2:
        raise InputError(f"canvas {canvas} must be an even number of pixels")
    if isinstance(box, bool) or not isinstance(box, (int, float)) or not 1 <= box <= 4:
        raise InputError(f"box {box!r} must be a number from 1 to 4")


def _begin(file: h5py.File, size: int) -> None:
    """Empty data sets."""
    shapes = {"image": ((size, size, 3), "u1", 16), "code": ((size, size), "u1", 64)}
    shapes |= {name: ((), dtype, 4096) for name, dtype in _NUMBERS.items()}
    shapes |= {f"elements/{name}": ((), dtype, 4096) for name, dtype in _COLUMNS.items()}
    shapes["box"] = ((4,), "f4", 1024)
    for name, (shape, dtype, chunk) in shapes.items():
        file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk, *shape),
            compression="gzip", compression_opts=1, shuffle=name not in ("image", "code"),
        )  # fmt: skip


def _append(file: h5py.File, offsets: list[int], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    elements = [one for row in rows for one in row["elements"]]
    columns = {name: np.stack([row[name] for row in rows]) for name in ("image", "code", "box")}
    columns |= {name: np.array([row[name] for row in rows], d) for name, d in _NUMBERS.items()}
    for name, dtype in _COLUMNS.items():
        values = [getattr(one, "kind" if name == "class" else name) for one in elements]
        columns[f"elements/{name}"] = np.array(values, dtype)
    for name, values in columns.items():
        data, before = file[name], len(file[name])
        data.resize(before + len(values), axis=0)
        data[before:] = values
    offsets += (offsets[-1] + np.cumsum([len(row["elements"]) for row in rows])).tolist()


def _draw_some(job: tuple) -> list[dict[str, Any]]:
    seed, split, first, last, per_clip, size, canvas, box, only = job
    actions, rows = sorted(only), []
    for index in range(first, last):
        plan = plan_clip(seed, split, index, frames=_FRAMES, only=only)
        rng = clip_generator(seed, split, index, _PURPOSE)
        figures, _ = build_figures(plan)
        main = plan.cast[0]
        times = _moments(plan, figures[0], per_clip, rng)
        if not len(times):
            continue
        drawing = draw_moments(plan, figures, times, canvas)
        about = {
            "action": actions.index(main.action), "scene": SCENES.index(plan.scene), "clip": index,
            "main": main.instance, "object": main.object,
        }  # fmt: skip
        for k in range(len(times)):
            crop = _crop(drawing, k, main.instance, main.object, size, box, rng)
            if crop:
                rows.append(about | crop)
    return rows


def _moments(plan: Plan, figure: Figure, count: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of the main actor's action with it well in view, one in each of `count` parts."""
    points = np.concatenate([shape.points for shape in figure.body.shapes], 1) - plan.view[:, None]
    low, high = points.min(1), points.max(1)  # [T, 2], pixels of a 64-pixel frame
    inside = np.clip(high, 0, 64) - np.clip(low, 0, 64)
    good = figure.body.shown & (inside.prod(1) >= LEAST_INSIDE * (high - low).prod(1))
    act = plan.cast[0].acts[0]
    parts = np.array_split(np.arange(act.start, act.end), count)
    return np.array([rng.choice(part[good[part]]) for part in parts if good[part].any()], int)


def _crop(
    drawing: Drawing,
    k: int,
    main: int,
    other: int,
    size: int,
    box: float,
    rng: np.random.Generator,
) -> dict[str, Any] | None:
    """The crop of frame `k` around instance `main`; None where too little of it shows."""
    instance = np.array([e.instance for e in drawing.elements])
    canvas = drawing.code.shape[1]
    mine = instance[drawing.code[k]] == main
    place, scale = rng.uniform(-SHIFT, SHIFT, 2), rng.uniform(1 - SCALE, 1 + SCALE)
    if mine.sum() < LEAST_SEEN * canvas**2:
        return None
    x, y, width, height = _box(mine)
    side = min(box * max(width, height) * scale, canvas)
    middle = np.array([x + width / 2, y + height / 2]) + place * side
    left, top = np.clip(middle - side / 2, 0, canvas - side)
    area = (left, top, left + side, top + side)
    shape = (size, size)
    image = Image.fromarray(drawing.frames[k]).resize(shape, Image.Resampling.BILINEAR, area)
    code = Image.fromarray(drawing.code[k]).resize(shape, Image.Resampling.NEAREST, area)
    shown, code = np.unique(np.asarray(code), return_inverse=True)
    elements: list[Element] = [drawing.elements[one] for one in shown]
    belongs = np.isin(instance[shown], [main, other] if other else [main])[code]
    if not (instance[shown] == main).any():
        return None
    return {
        "image": np.asarray(image), "code": code.astype(np.uint8), "elements": elements,
        "box": np.array(_box(belongs), np.float32),
    }  # fmt: skip


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """x, y, width, height of a mask's pixels."""
    across, down = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return across[0], down[0], across[-1] - across[0] + 1, down[-1] - down[0] + 1
