"""Stills with what a recogniser of still things is taught: scene, things, looks; never an action.

This is the world's ImageNet: a backbone trained on it knows puppets, colours, where things are and
how a puppet holds its limbs, but has never been told what anybody does. Held-out combinations are
left out. Each still passes through mild JPEG with halved chroma, near to what H.264 does to the
frames of the videos.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from seewhy.errors import require_whole
from seewhy.progress import progress
from seewhy.worlds.pool import in_order
from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.cast import build_figures
from seewhy.worlds.puppets.clip import check_size, draw_moments
from seewhy.worlds.puppets.draw import Drawing
from seewhy.worlds.puppets.plan import Plan, clip_generator
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.puppets.shapes import Pose

_KINDS = (*words.ACTORS, *words.RARE_ACTORS)
STILL_CLASSES: dict[str, tuple[str, ...]] = {
    "scene": (*words.SCENES, *words.RARE_SCENES),
    "things": words.THINGS,
    "actor": _KINDS,
    "colour": tuple(words.COLOURS),
    "texture": words.TEXTURES,
    "facing": words.FACINGS,
    "posture": words.POSTURES,
}
"""Names of the classes of each target of :func:`draw_stills`."""
POINTS = (
    *("head", "hip", "near hand", "far hand", "near foot", "far foot", "near knee", "far knee"),
    *("near front foot", "far front foot", "near hind foot", "far hind foot", "nose"),
    *("wing", "tail", "front wheel", "back wheel"),
)
"""Key points of the target `pose`."""
_FRAMES, _PER_PLAN, _CHUNK, _SEEN = 24, 2, 50, 12


def draw_stills(
    *, seed: int, count: int, size: int = 64, workers: int = 2
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw stills for training a backbone.

    Args:
        seed: the same seed gives the same stills; more of them leave the first ones as they are.
        count: how many.
        size: height and width, pixels.
        workers: processes.

    Returns:
        Images [count, size, size, 3] uint8, and targets, whose classes :data:`STILL_CLASSES` names:
        `scene`, `actor`, `colour`, `texture`, `facing`, `posture` [count] int64 (all but the first
        of the main actor), `things` [count, n] uint8, 1 where at least 12 pixels of such a thing
        show, `places` [count, 4 n] float32, for each of them its box x, y, width, height, and
        `pose` [count, 2 m] float32, x, y of the main actor's `POINTS`; both as shares of the
        frame's side, NaN for what does not show.

    Raises:
        InputError: an argument out of range.
    """
    check_size(size, _FRAMES)
    require_whole(1, count=count, workers=workers)
    plans = -(-count // _PER_PLAN)
    jobs = [(seed, first, min(first + _CHUNK, plans), size) for first in range(0, plans, _CHUNK)]
    parts = []
    with progress(what="drawing stills", total=plans * _PER_PLAN, unit="still") as bar:
        for part in in_order(_draw_some, jobs, min(workers, len(jobs))):
            parts.append(part)
            bar.update(len(part[0]))
    images = np.concatenate([part[0] for part in parts])[:count]
    targets = {k: np.concatenate([part[1][k] for part in parts])[:count] for k in parts[0][1]}
    return images, targets


def _draw_some(job: tuple[int, int, int, int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    seed, first, last, size = job
    images, rows = [], []
    for index in range(first, last):
        plan = plan_clip(seed, "stills", index, frames=_FRAMES)
        drawing, poses, times = _moments(plan, clip_generator(seed, "stills", index, 1), size)
        for k, t in enumerate(times):
            images.append(_worn(drawing.frames[k]))
            rows.append(_targets(plan, drawing, poses[1], k, t))
    return np.stack(images), {k: np.stack([row[k] for row in rows]) for k in rows[0]}


def _moments(
    plan: Plan, rng: np.random.Generator, size: int
) -> tuple[Drawing, dict[int, Pose], np.ndarray]:
    """A clip drawn at a few moments at which its main actor is in the frame."""
    figures, poses = build_figures(plan)
    inside = poses[1].x - plan.view[:, 0]
    half = _FRAMES // _PER_PLAN
    times = np.array(
        [
            rng.choice(_nearest(np.arange(k * half, (k + 1) * half), inside))
            for k in range(_PER_PLAN)
        ]
    )
    return draw_moments(plan, figures, times, size), poses, times


def _nearest(times: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Those of `times` at which the actor is well in the frame, else the best of them."""
    away = np.abs(inside[times] - 32)
    return times[away < 22] if (away < 22).any() else times[[away.argmin()]]


def _worn(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=93, subsampling=2)
    return np.asarray(Image.open(buffer))


def posture_of(plan: Plan, pose: Pose, t: int) -> str:
    """How the main actor holds itself at frame `t`."""
    main = plan.cast[0]
    if main.action == "swim":
        return "in water"
    if abs(pose.roll[t]) > 0.8:
        return "lying"
    if pose.sit[t] > 0.4:
        return "sitting"
    return "airborne" if pose.lift[t] > 4 else "upright"


def facing_of(pose: Pose, t: int) -> str:
    """Where the main actor looks at frame `t`."""
    if pose.front:
        return "front"
    return "right" if pose.facing[t] * pose.stretch[t] > 0 else "left"


def _targets(plan: Plan, drawing: Drawing, held: Pose, k: int, t: int) -> dict[str, np.ndarray]:
    main = plan.cast[0]
    instance = np.array([e.instance for e in drawing.elements])[drawing.code[k]]
    shown = np.bincount(instance.ravel(), minlength=len(plan.cast) + 1)
    things = np.zeros(len(words.THINGS), np.uint8)
    for member in plan.cast:
        if shown[member.instance] >= _SEEN:
            things[words.THINGS.index(member.kind)] = 1
    names = {
        "scene": plan.scene,
        "actor": main.kind,
        "colour": main.colour,
        "texture": main.texture,
        "facing": facing_of(held, t),
        "posture": posture_of(plan, held, t),
    }
    found = {k: np.int64(STILL_CLASSES[k].index(name)) for k, name in names.items()}
    size = drawing.code.shape[1]
    places = np.full((len(words.THINGS), 4), np.nan, np.float32)
    for t, number, *box in drawing.boxes[::-1].tolist():  # of several, the first one stays
        if t == k and shown[number] >= _SEEN:
            places[words.THINGS.index(plan.cast[number - 1].kind)] = np.divide(box, size)
    pose = np.full((len(POINTS), 2), np.nan, np.float32)
    for t, number, name, *point, visible in drawing.points.tolist():
        if t == k and number == 1 and visible and drawing.point_names[int(name)] in POINTS:
            pose[POINTS.index(drawing.point_names[int(name)])] = np.divide(point, size)
    return {**found, "things": things, "places": places.ravel(), "pose": pose.ravel()}
