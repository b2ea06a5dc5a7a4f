"""One clip, drawn from its seed alone: frames, truth and rows for the corpus tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from seewhy.errors import InputError, require_whole
from seewhy.worlds.puppets.cast import build_figures
from seewhy.worlds.puppets.describe import Description, describe_clip
from seewhy.worlds.puppets.draw import Drawing, Figure, draw
from seewhy.worlds.puppets.plan import Plan
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.puppets.scenes import build_scene
from seewhy.worlds.puppets.shapes import Body, Shape


@dataclass
class Clip:
    """A drawn clip and its truth.

    Attributes:
        name: identifier.
        split: train, val or test.
        plan: what was meant to happen.
        drawing: frames, codes, elements, boxes and key points.
        descriptions: sentences with their links.
    """

    name: str
    split: str
    plan: Plan
    drawing: Drawing
    descriptions: list[Description] = field(default_factory=list)

    @property
    def frames(self) -> np.ndarray:
        """[T, h, w, 3] uint8."""
        return self.drawing.frames

    def truth(self) -> dict[str, Any]:
        """The arguments of :meth:`seewhy.corpora.truth.TruthWriter.append`, but for the name."""
        boxes, points = self.drawing.boxes, self.drawing.points
        names = np.array(self.drawing.point_names, object)
        return {
            "code": self.drawing.code,
            "elements": [
                {
                    "instance": e.instance, "class": e.kind, "part": e.part, "colour": e.colour,
                    "texture": e.texture, "rgb": e.rgb,
                }
                for e in self.drawing.elements
            ],
            "boxes": {"frame": boxes[:, 0], "instance": boxes[:, 1], "box": boxes[:, 2:]},
            "key_points": {
                "frame": points[:, 0], "instance": points[:, 1], "point": points[:, 3:5],
                "visible": points[:, 5] > 0, "name": names[points[:, 2].astype(int)].tolist(),
            },
        }  # fmt: skip

    def rows(self) -> dict[str, list[tuple]]:
        """Rows of the tables captions, labels, instances, segments and phrases."""
        plan, name = self.plan, self.name
        captions, phrases = [], []
        for number, one in enumerate(self.descriptions):
            caption = f"{name}_{number:02d}"
            captions.append((caption, name, one.text, one.correct))
            phrases += [(caption, p.first, p.last, p.kind, p.refers_to) for p in one.phrases]
        things = {
            "actor": {m.kind for m in plan.actors},
            "object": {m.kind for m in plan.cast if m.role == "object"},
            "bystander": {m.kind for m in plan.cast if m.role in ("bystander", "distractor")},
            "colour": {m.colour for m in plan.actors},
            "action": {act.action for m in plan.actors for act in m.acts} - {"idle"},
            "scene": {plan.scene},
            "camera": {plan.camera},
            "rarity": set(plan.rarities),
            "combination": {"held-out" if plan.is_held_out else "seen"},
        }
        labels = [
            (name, kind, label) for kind, values in things.items() for label in sorted(values)
        ]
        instances = [(name, m.instance, m.kind, m.role, m.colour, m.texture) for m in plan.cast]
        segments = [
            (name, m.instance, m.object, act.action, act.start, act.end)
            for m in plan.actors for act in m.acts if act.action != "idle"
        ]  # fmt: skip
        return {
            "captions": captions, "labels": labels, "instances": instances, "segments": segments,
            "phrases": phrases,
        }  # fmt: skip


COLUMNS = {
    "clips": ("clip", "split", "video", "start", "end", "group"),
    "captions": ("caption", "clip", "text", "correct"),
    "labels": ("clip", "kind", "label"),
    "instances": ("clip", "instance", "class", "role", "colour", "texture"),
    "segments": ("clip", "instance", "object", "label", "start", "end"),
    "phrases": ("caption", "first", "last", "kind", "refers_to"),
}


def check_size(size: int, frames: int) -> None:
    """Refuse frames that cannot be drawn or encoded.

    Raises:
        InputError: an odd or tiny size, too few frames.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 32 or size % 2:
        raise InputError(f"size {size!r} must be an even number of pixels, 32 or more")
    require_whole(16, frames=frames)


def clip_name(split: str, index: int) -> str:
    """Identifier of clip `index` of `split`."""
    return f"{split}{index:05d}"


def draw_plan(plan: Plan, size: int) -> Drawing:
    """Draw a planned clip at `size` x `size` pixels."""
    figures, _ = build_figures(plan)
    return draw(figures, build_scene(plan.scene, plan.scene_seed), plan.view, size)


def draw_moments(plan: Plan, figures: list[Figure], times: np.ndarray, size: int) -> Drawing:
    """Draw a few frames of a planned clip.

    Args:
        plan: the clip.
        figures: those of `build_figures(plan)`; they stay as they are.
        times: [n] frames.
        size: height and width of a frame, pixels.

    Returns:
        What :func:`draw_plan` draws at these times, as frames 0 … n - 1.
    """
    picked = []
    for figure in figures:
        body = figure.body
        moments = Body(
            [Shape(s.part, s.points[times], s.layer, s.dark) for s in body.shapes],
            {name: point[times] for name, point in body.points.items()},
            body.depth[times],
            body.anchor[times],
            body.shown[times],
        )
        waterline = None if figure.waterline is None else figure.waterline[times]
        picked.append(replace(figure, body=moments, waterline=waterline))
    return draw(picked, build_scene(plan.scene, plan.scene_seed), plan.view[times], size)


def draw_clip(
    seed: int,
    split: str,
    index: int,
    *,
    size: int = 64,
    frames: int = 32,
    captions: bool = True,
    only: tuple[str, ...] = (),
) -> Clip:
    """Draw one clip of the trimmed corpus again, alone.

    Args:
        seed: of the corpus.
        split: train, val or test.
        index: position in the split, from 0.
        size: height and width, pixels.
        frames: length T.
        captions: write the descriptions too.
        only: the actions that there are; none: all.

    Returns:
        The clip: ``clip.frames`` [T, size, size, 3] uint8 and its truth.

    Raises:
        InputError: an argument out of range.
    """
    check_size(size, frames)
    plan = plan_clip(seed, split, index, frames=frames, only=only)
    descriptions = describe_clip(plan, seed, split, index) if captions else []
    return Clip(clip_name(split, index), split, plan, draw_plan(plan, size), descriptions)
