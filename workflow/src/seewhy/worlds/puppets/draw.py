"""Drawing: one raster of element codes, of which the colours and all the truth are readings.

Every polygon is filled into a uint8 image, without anti-aliasing, at three times the size of the
frame; the value is the code of the element (a part of a thing, or a kind of stuff). The colour of a
sub-pixel is looked up by code (and, for patterns, by pixel); a frame's pixel is the mean of its
3 x 3 sub-pixels; the code of a pixel is the code of its middle sub-pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seewhy.worlds.puppets.layout import MARGIN_X, MARGIN_Y, Backdrop
from seewhy.worlds.puppets.shapes import Body

Array = np.ndarray
SUB = 3
"""Sub-pixels along each side of a pixel."""


@dataclass(frozen=True)
class Element:
    """What a code stands for; `rgb` are the two colours of its pattern."""

    instance: int
    kind: str
    part: str
    colour: str
    texture: str
    rgb: tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True)
class Paint:
    """Colour name, the two colours and the pattern of a part."""

    colour: str
    rgb: tuple[int, int, int]
    rgb2: tuple[int, int, int]
    texture: str = "plain"


@dataclass
class Figure:
    """A body with its place in the cast and its paints (`part` to paint)."""

    instance: int
    kind: str
    body: Body
    paints: dict[str, Paint]
    upright_stripes: bool = False
    waterline: Array | None = None
    group: int = 0


@dataclass
class Drawing:
    """A clip drawn.

    Attributes:
        frames: [T, h, w, 3] uint8.
        code: [T, h, w] uint8, the element that each pixel shows.
        elements: what each code means.
        boxes: rows (frame, instance, x, y, width, height) of what is visible, int32.
        point_names: names of key points in the rows below.
        points: rows (frame, instance, name index, x, y, visible), float32.
    """

    frames: Array
    code: Array
    elements: list[Element]
    boxes: Array
    point_names: list[str]
    points: Array


def draw(
    figures: list[Figure],
    backdrop: Backdrop,
    camera: Array,
    size: int,
) -> Drawing:
    """Draw a clip.

    Args:
        figures: the things, each with its body on the canvas.
        backdrop: the scene.
        camera: [T, 2] canvas position of the frame's top left corner, pixels of a 64-pixel frame.
        size: height and width of a frame, pixels.
    """
    frames = len(camera)
    scale = size / 64 * SUB
    side = size * SUB
    elements, canvas = _paint_backdrop(backdrop, scale)
    shift = np.rint((camera + [MARGIN_X, MARGIN_Y]) * scale).astype(int)
    water = next((i for i, e in enumerate(elements) if e.kind == "water"), 0)

    jobs: list[list[tuple[float, float, int, list[float]]]] = [[] for _ in range(frames)]
    codes: dict[tuple[int, str, bool], int] = {}
    for figure in figures:
        body = figure.body
        for order, shape in enumerate(body.shapes):
            key = (figure.instance, shape.part, shape.dark)
            if key not in codes:
                codes[key] = len(elements)
                elements.append(_element(figure, shape.part, shape.dark))
            points = np.rint((shape.points - camera[:, None]) * scale).astype(np.int32)
            flat = points.reshape(frames, -1).tolist()
            rank = shape.layer + order * 1e-4
            for t in np.flatnonzero(body.shown):
                jobs[t].append((body.depth[t], figure.group, rank, codes[key], flat[t]))
        if figure.waterline is not None:
            flat = np.rint((_surface(figure, backdrop.shore) - camera[:, None]) * scale).astype(
                np.int32
            )
            flat = flat.reshape(frames, -1).tolist()
            for t in range(frames):
                jobs[t].append((body.depth[t], figure.group, 99.0, water, flat[t]))

    fine = np.empty((frames, side, side), np.uint8)
    for t in range(frames):
        x, y = shift[t]
        image = Image.fromarray(canvas[y : y + side, x : x + side])
        pen = ImageDraw.Draw(image)
        for *_, code, outline in sorted(jobs[t], key=lambda job: job[:3]):
            pen.polygon(outline, fill=code)
        fine[t] = np.asarray(image)

    code = np.ascontiguousarray(fine[:, 1::SUB, 1::SUB])
    pixels = _colour(fine, elements, figures, camera, size)
    instance = np.array([e.instance for e in elements], np.int32)
    shows = instance[code]
    boxes = _boxes(shows, [f.instance for f in figures])
    names, points = _key_points(figures, shows, camera, size)
    return Drawing(pixels, code, elements, boxes, names, points)


def _paint_backdrop(backdrop: Backdrop, scale: float) -> tuple[list[Element], Array]:
    wide = round((64 + 2 * MARGIN_X) * scale)
    tall = round((64 + 2 * MARGIN_Y) * scale)
    image = Image.new("L", (wide, tall))
    pen = ImageDraw.Draw(image)
    elements = []
    for stuff in backdrop.stuff:
        rgb2 = stuff.rgb2 or stuff.rgb
        for polygon in stuff.polygons:
            outline = np.rint((np.array(polygon) + [MARGIN_X, MARGIN_Y]) * scale).astype(int)
            pen.polygon(outline.ravel().tolist(), fill=len(elements))
        elements.append(Element(0, stuff.name, "", stuff.colour, stuff.texture, (stuff.rgb, rgb2)))
    return elements, np.asarray(image)


def _element(figure: Figure, part: str, dark: bool) -> Element:
    paint = figure.paints[part]
    rgb = [paint.rgb, paint.rgb2 if paint.texture != "plain" else paint.rgb]
    if dark:
        rgb = [tuple(int(v * 0.74) for v in colour) for colour in rgb]
    return Element(
        figure.instance, figure.kind, part, paint.colour, paint.texture, (rgb[0], rgb[1])
    )


def _surface(figure: Figure, shore: float) -> Array:
    """Water in front of a swimmer: from a rippled line downwards, [T, n, 2] canvas pixels."""
    every = np.concatenate([s.points for s in figure.body.shapes], 1)
    left, right = every[..., 0].min(1) - 2, every[..., 0].max(1) + 2
    low = np.minimum(np.maximum(every[..., 1].max(1), figure.waterline) + 1.5, shore)
    steps = np.linspace(0, 1, 13)
    x = left[:, None] + (right - left)[:, None] * steps
    y = figure.waterline[:, None] + 0.7 * np.sin(x / 1.9)
    top = np.stack([x, y], -1)
    bottom = np.stack([np.stack([right, low], -1), np.stack([left, low], -1)], 1)
    return np.concatenate([top, bottom], 1)


def _pattern(texture: str, u: Array, v: Array, upright: bool, period: int) -> Array:
    """Where the second colour of a pattern is, at whole pixels from its anchor."""
    if texture == "stripe":
        return ((u if upright else v) // period) % 2 == 1
    row = v // period
    return (row % 2 == 1) & ((u // period + (row // 2) % 2) % 2 == 1)


def _colour(
    fine: Array, elements: list[Element], figures: list[Figure], camera: Array, size: int
) -> Array:
    frames = len(fine)
    period = max(2, round(2 * size / 64))
    lut = np.zeros((512, 3), np.uint64)
    for code, element in enumerate(elements):
        lut[code], lut[code + 256] = element.rgb
    packed = lut[:, 0] | (lut[:, 1] << np.uint64(16)) | (lut[:, 2] << np.uint64(32))

    planes = np.zeros((frames, size, size), np.uint16)
    anchors = {f.instance: (f.body.anchor, f.upright_stripes) for f in figures}
    owners = {(e.instance, e.texture) for e in elements if e.texture != "plain"}
    grid = np.arange(size)
    bits: list[tuple[Array, Array]] = []
    for instance, texture in sorted(owners):
        anchor, upright = anchors.get(instance, (np.zeros((frames, 2)), True))
        origin = np.rint((anchor - camera) * size / 64).astype(int)
        u = (grid[None] - origin[:, :1])[:, None, :]
        v = (grid[None] - origin[:, 1:])[:, :, None]
        second = np.broadcast_to(_pattern(texture, u, v, upright, period), planes.shape)
        mine = np.zeros(256, np.uint16)
        for code, element in enumerate(elements):
            if (element.instance, element.texture) == (instance, texture):
                mine[code] = 256
        bits.append((mine, second))

    total = np.zeros((frames, size, size), np.uint64)
    for i in range(SUB):
        for j in range(SUB):
            code = fine[:, i::SUB, j::SUB]
            index = code
            for mine, second in bits:
                index = index + mine[code] * second
            total += packed.take(index)
    pixels = np.empty((frames, size, size, 3), np.uint8)
    for channel in range(3):
        value = (total >> np.uint64(16 * channel)).astype(np.uint16)
        pixels[..., channel] = (value + SUB * SUB // 2) // (SUB * SUB)
    return pixels


def _boxes(instance: Array, numbers: list[int]) -> Array:
    rows = []
    for number in sorted(set(numbers)):
        mine = instance == number
        across, down = mine.any(1), mine.any(2)
        seen = np.flatnonzero(across.any(1))
        if not len(seen):
            continue
        across, down = across[seen], down[seen]
        x, y = across.argmax(1), down.argmax(1)
        width = across.shape[1] - across[:, ::-1].argmax(1) - x
        height = down.shape[1] - down[:, ::-1].argmax(1) - y
        rows.append(np.stack([seen, np.full(len(seen), number), x, y, width, height], 1))
    if not rows:
        return np.zeros((0, 6), np.int32)
    table = np.concatenate(rows).astype(np.int32)
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def _key_points(
    figures: list[Figure], shows: Array, camera: Array, size: int
) -> tuple[list[str], Array]:
    """Key points in frame pixels, of the things that there are at that frame.

    One is visible where it is inside the frame and `shows` [T, h, w], the instance that each pixel
    shows, has its own in the pixel of the point or one of the eight around it.
    """
    frames = len(shows)
    names = sorted({name for figure in figures for name in figure.body.points})
    index = {name: i for i, name in enumerate(names)}
    dy, dx = (offset.ravel() for offset in np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"))
    times = np.arange(frames)
    tables = [np.zeros((0, 6))]
    for figure in figures:
        for name, point in figure.body.points.items():
            where = (point - camera) * size / 64
            cell = np.floor(where).astype(int)
            inside = ((cell >= 0) & (cell < size)).all(1)
            rows = np.clip(cell[:, 1, None] + dy, 0, size - 1)
            columns = np.clip(cell[:, 0, None] + dx, 0, size - 1)
            near = (shows[times[:, None], rows, columns] == figure.instance).any(1)
            own = [np.full(frames, figure.instance), np.full(frames, index[name])]
            table = np.stack([times, *own, *where.T, inside & near], 1)
            tables.append(table[figure.body.shown])
    table = np.concatenate(tables)
    return names, table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))].astype(np.float32)
