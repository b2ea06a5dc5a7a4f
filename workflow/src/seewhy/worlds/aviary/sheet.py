"""A contact sheet of the aviary: every species, every slot, every fault, and key points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seewhy.worlds.aviary.bird import POINTS, pose_bird
from seewhy.worlds.aviary.draw import Drawing, check_size, draw_bird
from seewhy.worlds.aviary.plan import KINDS, Bird, plan_bird
from seewhy.worlds.aviary.species import SLOTS, SPECIES
from seewhy.worlds.sheets import PAPER, save_page

_WIDTH, _PAD, _TEXT = 1568, 8, 14
_INK = (30, 30, 35)
Tile = tuple[str, Image.Image]


def draw_sheet(path: str | Path, *, seed: int = 1, size: int = 96, birds: int = 3) -> None:
    """Write one png that shows the world.

    Args:
        path: the png.
        seed: of the world.
        size: side of the images, pixels.
        birds: birds of each species.

    Raises:
        InputError: a size or a seed out of range.
    """
    check_size(size)
    some = [plan_bird(seed, "train", index) for index in range(len(SPECIES) * birds)]
    species = []
    for number, one in enumerate(SPECIES):
        mine = [draw_bird(bird, size).image for bird in some if bird.species == number]
        species.append((one.name, Image.fromarray(np.concatenate(mine, 1))))
    bird = next(b for b in some if _shows_all(b, size))
    faults = [("as it is", Image.fromarray(draw_bird(bird, size).image))]
    for kind in KINDS:
        for strength in (0.0, 1.0):
            spoilt = Bird(**{**vars(bird), "fault": "perturbation", "kind": kind,
                             "strength": strength})  # fmt: skip
            name = f"{kind} {strength:g}"
            faults.append((name, Image.fromarray(draw_bird(spoilt, size).image)))
    marked = [("", _marked(draw_bird(other, size))) for other in some[:5]]
    parts = [
        _heading(f"the 32 species, {birds} birds each"), _grid(species),
        _heading("one bird, each slot changed in turn (cropped to its box, 64 pixels, twice as "
                 "large)"), _grid(_changed(bird, size)),
        _heading("what may spoil an image, mild and strong"), _grid(faults),
        _heading("key points: filled where visible; boxes"), _grid(marked),
    ]  # fmt: skip
    save_page(path, parts)


def _shows_all(bird: Bird, size: int) -> bool:
    if pose_bird(bird.generator("body")).pose not in ("perching", "standing"):
        return False
    drawing = draw_bird(bird, size)
    return drawing.visible.sum() >= len(POINTS) - 2 and not drawing.area("leaf")


def _changed(bird: Bird, size: int) -> list[Tile]:
    """Crops at 64 pixels, side by side: every value of a slot."""
    x, y, width, height = draw_bird(bird, size).box
    tiles = []
    for slot, about in SLOTS.items():
        crops = [
            Image.fromarray(draw_bird(bird.with_value(slot, value), size).image).resize(
                (64, 64), Image.Resampling.BILINEAR, (x, y, x + width, y + height)
            )
            for value in about.values
        ]
        strip = Image.fromarray(np.concatenate([np.asarray(crop) for crop in crops], 1))
        tiles.append((f"{slot}: {', '.join(about.values)}", _enlarged(strip, 2)))
    return tiles


def _marked(drawing: Drawing) -> Image.Image:
    by = 3
    image = _enlarged(Image.fromarray(drawing.image), by)
    pen = ImageDraw.Draw(image)
    x, y, width, height = (v * by for v in drawing.box)
    pen.rectangle((x, y, x + width - 1, y + height - 1), None, (228, 87, 86), 2)
    for name, point, visible in zip(POINTS, drawing.points, drawing.visible, strict=True):
        px, py = point * by
        fill = (255, 255, 255) if visible else None
        pen.ellipse((px - 3, py - 3, px + 3, py + 3), fill, _INK)
        if visible:
            pen.text((px + 4, py - 5), name, (255, 255, 255), _font(10), stroke_width=1,
                     stroke_fill=_INK)  # fmt: skip
    return image


def _enlarged(image: Image.Image, by: int) -> Image.Image:
    return image.resize((image.width * by, image.height * by), Image.Resampling.NEAREST)


def _font(size: int = 12) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _heading(text: str) -> Image.Image:
    image = Image.new("RGB", (_WIDTH, 34), PAPER)
    ImageDraw.Draw(image).text((_PAD, 10), text, _INK, _font(17))
    return image


def _grid(tiles: list[Tile]) -> Image.Image:
    """Named pictures, laid out from left to right in lines."""
    lines: list[list[Tile]] = [[]]
    for tile in tiles:
        if lines[-1] and sum(t[1].width + _PAD for t in [*lines[-1], tile]) > _WIDTH - _PAD:
            lines.append([])
        lines[-1].append(tile)
    heights = [max(t[1].height for t in line) + _TEXT + _PAD for line in lines]
    image = Image.new("RGB", (_WIDTH, sum(heights)), PAPER)
    pen = ImageDraw.Draw(image)
    y = 0
    for line, height in zip(lines, heights, strict=True):
        x = _PAD
        for name, picture in line:
            pen.text((x, y), name, _INK, _font())
            image.paste(picture, (x, y + _TEXT + 2))
            x += picture.width + _PAD
        y += height
    return image
