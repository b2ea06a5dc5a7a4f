"""Untrimmed videos: two to four actions in a row, and where each begins and ends.

A video is made of shots. Within a shot the same actor goes on in the same scene from where it was,
so the change of action is not a cut; between shots everything changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.chain import compose_chain
from seewhy.worlds.puppets.clip import Clip, check_size, clip_name, draw_plan
from seewhy.worlds.puppets.describe import PER_CLIP, Description, Phrase, sample_description
from seewhy.worlds.puppets.draw import Drawing
from seewhy.worlds.puppets.plan import Plan, clip_generator
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.puppets.world import Job, check_counts, render

_PURPOSE = 1
_CHAINED = tuple(
    name
    for name, one in words.ACTIONS.items()
    if not one.objects and not one.scenes and name not in ("chase", "fly")
)
"""Actions that one actor can do one after the other without anything appearing or vanishing."""


@dataclass(frozen=True)
class Shot:
    """An unbroken stretch of video: frames first <= t < first + plan.frames."""

    first: int
    plan: Plan


def render_untrimmed(
    folder: str | Path,
    *,
    seed: int,
    videos: Mapping[str, int] | None = None,
    size: int = 64,
    frames: int = 24,
    fps: int = 8,
    workers: int = 2,
) -> None:
    """Render untrimmed videos of two to four actions into a corpus folder of canonical form.

    ``segments.csv`` holds every action's actor and interval. In about four fifths of the videos at
    least one change of action is not a cut.

    Args:
        folder: written whole or not at all.
        seed: the same seed gives the same bytes.
        videos: number of videos of each split; by default train 160, val 20, test 80.
        size: height and width of a frame, pixels.
        frames: mean length of an action's share of the video.
        fps: frames per second.
        workers: processes.

    Raises:
        InputError: an argument out of range; no space left.
    """
    videos = {"train": 160, "val": 20, "test": 80} if videos is None else dict(videos)
    check_size(size, frames)
    check_counts(videos, fps, workers)
    render(folder, _render_video, seed, videos, size, frames, fps, workers, "drawing videos")


def _render_video(job: Job) -> tuple[Clip, dict]:
    seed, split, index, size, frames, _, _ = job
    clip, shots = draw_untrimmed(seed, split, index, size=size, frames=frames)
    return clip, _rows(clip, shots)


def plan_untrimmed(seed: int, split: str, index: int, *, frames: int = 24) -> list[Shot]:
    """The shots of one untrimmed video; `frames` is the mean length of an action's share."""
    rng = clip_generator(seed, split, index, _PURPOSE)
    wanted = int(rng.integers(2, 5))
    shots: list[Shot] = []
    while wanted:
        count = min(wanted, int(rng.choice([1, 2, 3], p=[0.35, 0.4, 0.25])))
        lengths = [max(16, round(frames * rng.uniform(0.8, 1.35))) for _ in range(count)]
        if count == 1:
            plan = _single(rng, split, lengths[0])
        else:
            actor, actions, scene = _sequence(rng, count)
            plan = compose_chain(rng, actor, actions, scene, lengths)
        shots.append(Shot(shots[-1].first + shots[-1].plan.frames if shots else 0, plan))
        wanted -= count
    return shots


def _single(rng: np.random.Generator, split: str, frames: int) -> Plan:
    """A common clip of the trimmed world with one actor."""
    while True:
        plan = plan_clip(int(rng.integers(2**31)), split, 0, frames=frames, purpose=_PURPOSE)
        if len(plan.actors) == 1 and not plan.rarities:
            return plan


def _sequence(rng: np.random.Generator, count: int) -> tuple[str, list[str], str]:
    """An actor, actions that can follow each other, and a scene; no held-out triple among them."""
    while True:
        actor, scene = str(rng.choice(words.ACTORS)), str(rng.choice(words.SCENES))
        able = [
            a
            for a in _CHAINED
            if words.can_do(actor, a)
            and scene in words.scenes_for(actor, a)
            and (actor, a, scene) not in words.held_out()
            and not (a == "sit" and actor in words.PEOPLE)
        ]
        actions: list[str] = []
        while len(actions) < count:
            posture = words.ACTIONS[actions[-1]].ends if actions else None
            options = [
                a for a in able
                if a not in actions and posture in (None, words.ACTIONS[a].begins)
            ]  # fmt: skip
            if not options:
                break
            actions.append(str(rng.choice(options)))
        if len(actions) == count:
            return actor, actions, scene


def draw_untrimmed(
    seed: int, split: str, index: int, *, size: int = 64, frames: int = 24
) -> tuple[Clip, list[Shot]]:
    """Draw one untrimmed video again, alone.

    Args:
        seed: of the corpus.
        split: train, val or test.
        index: position in the split, from 0.
        size: height and width, pixels.
        frames: mean length of an action's share of the video.

    Returns:
        The video as one clip (things are numbered through its shots) and its shots.

    Raises:
        InputError: an argument out of range.
    """
    check_size(size, frames)
    shots = plan_untrimmed(seed, split, index, frames=frames)
    drawing = _join([draw_plan(shot.plan, size) for shot in shots], shots)
    clip = Clip(f"video_{clip_name(split, index)}", split, shots[0].plan, drawing)
    clip.descriptions = _describe(shots, clip_generator(seed, split, index, _PURPOSE + 1000))
    return clip, shots


def first_numbers(shots: list[Shot]) -> list[int]:
    """What is added to the instance numbers of each shot in the joined video."""
    counts = [len(shot.plan.cast) for shot in shots]
    return [sum(counts[:i]) for i in range(len(shots))]


def _join(drawings: list[Drawing], shots: list[Shot]) -> Drawing:
    names = sorted({name for d in drawings for name in d.point_names})
    elements, codes, boxes, points = [], [], [], []
    for d, shot, more in zip(drawings, shots, first_numbers(shots), strict=True):
        codes.append(d.code + np.uint8(len(elements)))
        elements += [
            replace(e, instance=e.instance + more if e.instance else 0) for e in d.elements
        ]
        boxes.append(d.boxes + np.array([shot.first, more, 0, 0, 0, 0], np.int32))
        rows = d.points + np.array([shot.first, more, 0, 0, 0, 0], np.float32)
        index = np.array([names.index(name) for name in d.point_names] or [0])
        rows[:, 2] = index[d.points[:, 2].astype(int)]
        points.append(rows)
    assert len(elements) <= 256, f"{len(elements)} elements do not fit a byte"
    return Drawing(
        np.concatenate([d.frames for d in drawings]), np.concatenate(codes), elements,
        np.concatenate(boxes), names, np.concatenate(points),
    )  # fmt: skip


def _describe(shots: list[Shot], rng: np.random.Generator) -> list[Description]:
    """Descriptions of the video's actions, each of one of them."""
    numbers = first_numbers(shots)
    scenes = [
        (replace(shot.plan, cast=_only(shot.plan, k)), more)
        for shot, more in zip(shots, numbers, strict=True)
        for k in range(len(shot.plan.actors[0].acts))
    ]
    done = [plan.actors[0].action for plan, _ in scenes]
    result = []
    while len(result) < PER_CLIP:
        plan, more = scenes[len(result) % len(scenes)]
        one = sample_description(plan, rng, also=done)
        phrases = tuple(
            Phrase(p.first, p.last, p.kind, str(int(p.refers_to) + more))
            if p.kind == "instance"
            else p
            for p in one.phrases
        )
        result.append(replace(one, phrases=phrases))
    return result


def _only(plan: Plan, k: int) -> tuple:
    """The cast, with nothing but the k-th act of the main actor."""
    main = plan.actors[0]
    return tuple(replace(m, acts=(m.acts[k],)) if m is main else m for m in plan.cast)


def _rows(clip: Clip, shots: list[Shot]) -> dict[str, list[tuple]]:
    """Rows of the tables, gathered over the shots."""
    rows = clip.rows()
    gathered: dict[str, list[tuple]] = {"labels": [], "instances": [], "segments": []}
    for shot, more in zip(shots, first_numbers(shots), strict=True):
        own = Clip(clip.name, clip.split, shot.plan, clip.drawing).rows()
        gathered["labels"] += own["labels"]
        gathered["instances"] += [(c, i + more, *rest) for c, i, *rest in own["instances"]]
        gathered["segments"] += [
            (c, i + more, o + more if o else 0, label, start + shot.first, end + shot.first)
            for c, i, o, label, start, end in own["segments"]
        ]
    cuts = "continuous" if len(shots) == 1 else "cut"
    labels = {row for row in gathered["labels"] if row[1] != "combination"} | {
        (clip.name, "shots", cuts)
    }
    held = any(shot.plan.is_held_out for shot in shots)
    labels.add((clip.name, "combination", "held-out" if held else "seen"))
    return rows | gathered | {"labels": sorted(labels)}
