"""A contact sheet: the world of puppets on one page, and one clip with its truth beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.casting import compose
from seewhy.worlds.puppets.clip import Clip, draw_plan
from seewhy.worlds.puppets.draw import Drawing
from seewhy.worlds.puppets.plan import Plan
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.sheets import PAPER, save_page

_WIDTH, _PAD, _TEXT = 1536, 8, 15
_INK = (30, 30, 35)
_TINTS = np.array(
    [
        (235, 235, 235),
        (228, 87, 86),
        (76, 120, 168),
        (245, 133, 24),
        (84, 162, 75),
        (183, 121, 162),
        (238, 202, 59),
        (114, 183, 178),
        (157, 117, 93),
        (255, 157, 167),
        (66, 66, 110),
        (140, 200, 60),
    ],
    np.uint8,
)


def contact_sheet(path: str | Path, *, seed: int = 3) -> None:
    """Write one png that shows every scene, actor and action, and a clip with its masks and boxes.

    Args:
        path: the png.
        seed: chooses colours, layouts and poses.
    """
    scenes = [
        (name, [_solo(seed, "walk", "man", name, alone=False).frames[12]], 2)
        for name in (*words.SCENES, *words.RARE_SCENES)
    ]
    actors = []
    for k, kind in enumerate((*words.ACTORS, *words.RARE_ACTORS)):
        action = "drive" if kind in words.VEHICLES else "walk"
        scene = ("field", "road", "snow", "beach")[k % 4]
        frames = _solo(seed + k, action, kind, scene).frames
        actors.append((kind, list(frames[[4, 14]]), 2))
    actions = []
    for k, (name, one) in enumerate(words.ALL_ACTIONS.items()):
        kind = one.actors[k % len(one.actors)]
        options = words.scenes_for(kind, name)
        scene = options[k % len(options)]
        frames = _solo(seed + k, name, kind, scene).frames
        actions.append((f"{name} ({kind})", list(frames[[2, 7, 11, 15, 19, 24, 29]]), 1.5))
    parts = [
        _heading("scenes"), _grid(scenes), _heading("actors"), _grid(actors),
        _heading("actions, read from left to right"), _grid(actions),
        _heading("one clip and its truth: every mask is a reading of the same raster"),
        _truth(_company(seed)),
    ]  # fmt: skip
    save_page(path, parts)


def _solo(seed: int, action: str, kind: str, scene: str, *, alone: bool = True) -> Drawing:
    """Somebody doing something somewhere, with nobody else about."""
    for attempt in range(200):
        rng = np.random.default_rng([seed, attempt])
        plan = compose(rng, action, kind, scene, 32)
        company = any(m.role in ("bystander", "distractor") for m in plan.cast)
        if len(plan.actors) == 1 and not company:
            break
    return draw_plan(plan if alone else replace(plan, cast=()), 64)


def _company(seed: int) -> Plan:
    """A clip with two actors and an object."""
    index = 0
    while True:
        plan = plan_clip(seed, "train", index)
        if len(plan.actors) == 2 and any(m.role == "object" for m in plan.cast):
            return plan
        index += 1


def _font(size: int = _TEXT) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _heading(text: str) -> Image.Image:
    image = Image.new("RGB", (_WIDTH, 34), PAPER)
    ImageDraw.Draw(image).text((_PAD, 8), text, _INK, _font(20))
    return image


def _enlarged(frame: np.ndarray, by: float) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(frame))
    return image.resize(
        (round(image.width * by), round(image.height * by)), Image.Resampling.NEAREST
    )


def _grid(rows: list[tuple[str, list[np.ndarray], float]]) -> Image.Image:
    """Named strips of frames, as many side by side as fit."""
    strips = []
    for name, frames, by in rows:
        strip = _enlarged(np.concatenate(frames, 1), by)
        tile = Image.new("RGB", (strip.width + _PAD, strip.height + _TEXT + 8), PAPER)
        ImageDraw.Draw(tile).text((0, 0), name, _INK, _font())
        tile.paste(strip, (0, _TEXT + 4))
        strips.append(tile)
    across = (_WIDTH - _PAD) // strips[0].width
    height = max(tile.height for tile in strips)
    image = Image.new("RGB", (_WIDTH, -(-len(strips) // across) * height), PAPER)
    for k, tile in enumerate(strips):
        image.paste(tile, (_PAD + k % across * tile.width, k // across * height))
    return image


def _truth(plan: Plan) -> Image.Image:
    """A few frames with boxes and key points, and one frame's masks of every kind."""
    drawing = draw_plan(plan, 64)
    by, t = 4, 16
    clip = Clip("", "", plan, drawing)
    said = "; ".join(f"{m.colour} {m.kind} ({m.role}): {m.action or 'acted on'}" for m in plan.cast)
    tiles = [("boxes and key points", _marked(drawing, t, by), [])]
    for kind in ("instance", "class", "part", "colour", "texture", "stuff"):
        values, names = _reading(clip, kind)
        tints = np.array([_tint(kind, k, name) for k, name in enumerate(names)], np.uint8)
        image = _enlarged(tints[values[t]], by)
        seen = sorted(set(np.unique(values[t]).tolist()) - {0})
        tiles.append((kind, image, [(names[v], tuple(tints[v].tolist())) for v in seen]))
    across = 4
    cell, tall = 256 + 124, 256 + 30
    image = Image.new("RGB", (_WIDTH, 2 * tall + 30), PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((_PAD, 0), f"{plan.scene}: {said}", _INK, _font())
    for k, (name, picture, legend) in enumerate(tiles):
        x, y = _PAD + k % across * cell, 26 + k // across * tall
        pen.text((x, y), name, _INK, _font())
        image.paste(picture, (x, y + _TEXT + 5))
        for line, (label, tint) in enumerate(legend[:14]):
            top = y + _TEXT + 5 + line * 18
            pen.rectangle((x + 260, top + 2, x + 271, top + 13), tint)
            pen.text((x + 276, top), label, _INK, _font(13))
    return image


def _tint(kind: str, k: int, name: str) -> np.ndarray:
    """The colour in which a mask's k-th name is shown; colours are shown as themselves."""
    if kind == "colour" and name:
        return np.array(words.COLOURS.get(name, words.SKINS[1]))
    return _TINTS[1 + (k - 1) % (len(_TINTS) - 1)] if k else _TINTS[0]


def _reading(clip: Clip, kind: str) -> tuple[np.ndarray, list[str]]:
    """A mask [T, h, w] of one kind, and names by value."""
    labels = []
    for element in clip.drawing.elements:
        thing = element.instance > 0
        labels.append(
            {
                "instance": f"{element.instance} {element.kind}" if thing else "",
                "class": element.kind if thing else "",
                "part": element.part,
                "colour": element.colour,
                "texture": element.texture,
                "stuff": "" if thing else element.kind,
            }[kind]
        )
    names = ["", *sorted(set(labels) - {""})]
    return np.array([names.index(label) for label in labels])[clip.drawing.code], names


def _marked(drawing: Drawing, t: int, by: int) -> Image.Image:
    image = _enlarged(drawing.frames[t], by)
    pen = ImageDraw.Draw(image)
    for frame, number, x, y, width, height in drawing.boxes.tolist():
        if frame == t:
            tint = tuple(_TINTS[number % len(_TINTS)].tolist())
            pen.rectangle(
                (x * by, y * by, (x + width) * by - 1, (y + height) * by - 1), None, tint, 2
            )
    for frame, _, _, x, y, visible in drawing.points.tolist():
        if frame == t and visible:
            pen.ellipse((x * by - 3, y * by - 3, x * by + 3, y * by + 3), (255, 255, 255), _INK)
    return image
