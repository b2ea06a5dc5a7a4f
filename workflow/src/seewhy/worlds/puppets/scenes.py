"""The nine scenes (and two rare ones): what is where, and in which colours.

A scene is drawn once a clip on a canvas larger than the frame, as polygons of named stuff, back to
front. Units are pixels of a 64-pixel frame; the frame's own top left corner is (0, 0), and the
canvas reaches `MARGIN_X`, `MARGIN_Y` beyond it on every side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

MARGIN_X, MARGIN_Y = 16, 5
_LEFT, _RIGHT = -MARGIN_X, 64 + MARGIN_X
_TOP, _BOTTOM = -MARGIN_Y, 64 + MARGIN_Y

Colour = tuple[int, int, int]
Polygon = list[tuple[float, float]]


@dataclass
class Stuff:
    """One region of the surroundings: its name, colour(s), pattern and outline(s)."""

    name: str
    colour: str
    rgb: Colour
    polygons: list[Polygon]
    texture: str = "plain"
    rgb2: Colour | None = None


@dataclass
class Backdrop:
    """A scene laid out.

    Attributes:
        stuff: regions, back to front.
        ground: smallest and largest y of feet.
        waterline: smallest and largest y at which one swims; None without water.
        shore: y where the water ends.
        avoid: colours too near to the surroundings' for an actor to stand out.
    """

    stuff: list[Stuff]
    ground: tuple[float, float]
    waterline: tuple[float, float] | None = None
    shore: float = 0.0
    avoid: list[Colour] = field(default_factory=list)


def _band(top: float, bottom: float) -> Polygon:
    return [(_LEFT, top), (_RIGHT, top), (_RIGHT, bottom), (_LEFT, bottom)]


def _box(x: float, y: float, width: float, height: float) -> Polygon:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _disc(x: float, y: float, rx: float, ry: float, n: int = 16) -> Polygon:
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return [(x + rx * np.cos(a), y + ry * np.sin(a)) for a in turn]


def _waves(
    rng: np.random.Generator, top: float, bottom: float, count: int, long: float
) -> list[Polygon]:
    """Thin dashes strewn over a band."""
    xs = rng.uniform(_LEFT, _RIGHT - long, count)
    ys = rng.uniform(top, bottom - 1, count)
    return [
        _box(x, y, long * rng.uniform(0.5, 1), 1.0) for x, y in zip(xs, np.round(ys), strict=True)
    ]


def _vary(rng: np.random.Generator, rgb: Colour, by: int = 14) -> Colour:
    shift = rng.integers(-by, by + 1) + rng.integers(-by // 2, by // 2 + 1, 3)
    return tuple(int(v) for v in np.clip(np.array(rgb) + shift, 0, 255))  # type: ignore[return-value]


def _pick(rng: np.random.Generator, options: list) -> tuple:
    name, rgb = options[rng.integers(len(options))]
    return name, _vary(rng, rgb)


def _shade(rgb: Colour, by: float) -> Colour:
    return tuple(int(np.clip(v * by, 0, 255)) for v in rgb)  # type: ignore[return-value]


_SKIES = [("blue", (150, 200, 245)), ("blue", (120, 180, 240)), ("white", (215, 225, 235)), ("orange", (250, 205, 160))]  # fmt: skip


def _sky(rng: np.random.Generator, horizon: float) -> list[Stuff]:
    name, rgb = _pick(rng, _SKIES)
    stuff = [Stuff("sky", name, rgb, [_band(_TOP, horizon)])]
    kind = rng.integers(3)
    if kind == 0:
        clouds = []
        for _ in range(rng.integers(2, 4)):
            x, y = rng.uniform(_LEFT, _RIGHT), rng.uniform(2, horizon * 0.55)
            clouds += [_disc(x, y, 6, 2.2), _disc(x + 4, y - 1.5, 4, 2.2)]
        stuff.append(Stuff("cloud", "white", (250, 250, 252), clouds))
    elif kind == 1:
        stuff.append(
            Stuff(
                "sun",
                "yellow",
                (255, 235, 120),
                [_disc(rng.uniform(2, 62), rng.uniform(3, 9), 4, 4)],
            )
        )
    return stuff


def _tree(rng: np.random.Generator, x: float, foot: float, tall: float, pine: bool) -> list[Stuff]:
    trunk = Stuff(
        "tree",
        "brown",
        _vary(rng, (105, 72, 45)),
        [_box(x - 1.6, foot - tall * 0.45, 3.2, tall * 0.45)],
    )
    green = _vary(rng, (45, 120, 55))
    if pine:
        tiers = [
            [(x - w, foot - tall * a), (x + w, foot - tall * a), (x, foot - tall * b)]
            for w, a, b in (
                (tall * 0.28, 0.2, 0.65),
                (tall * 0.22, 0.45, 0.85),
                (tall * 0.16, 0.65, 1.0),
            )
        ]
        return [trunk, Stuff("tree", "green", green, tiers)]
    crown = [_disc(x, foot - tall * 0.7, tall * 0.26, tall * 0.3), _disc(x - tall * 0.15, foot - tall * 0.55, tall * 0.18, tall * 0.17),
             _disc(x + tall * 0.16, foot - tall * 0.57, tall * 0.18, tall * 0.17)]  # fmt: skip
    return [trunk, Stuff("tree", "green", green, crown)]


def _field(rng: np.random.Generator) -> Backdrop:
    horizon = rng.uniform(22, 30)
    stuff = _sky(rng, horizon)
    hill = _vary(rng, (120, 165, 110))
    stuff.append(
        Stuff(
            "hill",
            "green",
            hill,
            [_disc(rng.uniform(-10, 70), horizon + 2, 28, rng.uniform(6, 11), 24)],
        )
    )
    name, grass = _pick(
        rng, [("green", (120, 190, 85)), ("green", (150, 205, 95)), ("yellow", (205, 200, 110))]
    )
    stuff.append(Stuff("grass", name, grass, [_band(horizon, _BOTTOM)]))
    stuff.append(
        Stuff("grass", name, _shade(grass, 0.86), _waves(rng, horizon + 3, _BOTTOM, 26, 3.5))
    )
    for _ in range(rng.integers(0, 3)):
        stuff += _tree(
            rng, rng.uniform(_LEFT, _RIGHT), horizon + rng.uniform(2, 5), rng.uniform(16, 22), False
        )
    if rng.random() < 0.4:
        y = horizon + 4
        posts = [_box(x, y - 5, 1.4, 7) for x in np.arange(_LEFT, _RIGHT, 8.0)]
        rails = [_band(y - 4, y - 3), _band(y - 1.4, y - 0.4)]
        stuff.append(Stuff("fence", "white", (225, 220, 210), posts + rails))
    if rng.random() < 0.6:
        spots = [
            _disc(rng.uniform(_LEFT, _RIGHT), rng.uniform(horizon + 8, _BOTTOM), 0.9, 0.9, 6)
            for _ in range(14)
        ]
        stuff.append(
            Stuff(
                "flower",
                *_pick(
                    rng,
                    [
                        ("white", (245, 240, 245)),
                        ("pink", (240, 150, 190)),
                        ("yellow", (245, 225, 90)),
                    ],
                ),
                spots,
            )
        )
    return Backdrop(stuff, (47, 61), avoid=[grass])


def _road(rng: np.random.Generator) -> Backdrop:
    horizon, kerb = rng.uniform(18, 24), rng.uniform(34, 39)
    stuff = _sky(rng, horizon)
    if rng.random() < 0.6:
        x = _LEFT - rng.uniform(0, 8)
        while x < _RIGHT:
            wide, tall = rng.uniform(12, 20), rng.uniform(9, 18)
            name, rgb = _pick(
                rng,
                [("pink", (215, 165, 150)), ("white", (225, 220, 205)), ("grey", (165, 170, 180))],
            )
            stuff.append(
                Stuff("building", name, rgb, [_box(x, horizon + 6 - tall, wide, tall + 4)])
            )
            panes = [
                _box(x + 2.5 + 5 * k, horizon + 9 - tall, 2.5, 3.5)
                for k in range(int((wide - 3) // 5))
            ]
            stuff.append(Stuff("building", "blue", (95, 120, 150), panes))
            x += wide + rng.uniform(0, 6)
    name, grass = _pick(
        rng, [("green", (130, 180, 95)), ("brown", (190, 165, 120)), ("grey", (190, 190, 185))]
    )
    stuff.append(
        Stuff("pavement" if name != "green" else "grass", name, grass, [_band(horizon + 8, kerb)])
    )
    road = _vary(rng, (118, 118, 124), 10)
    stuff.append(Stuff("road", "grey", road, [_band(kerb, _BOTTOM)]))
    start = rng.uniform(0, 14)
    dashes = [_box(x, 50.5, 8, 1.6) for x in np.arange(_LEFT + start, _RIGHT, 14)]
    line = _pick(rng, [("white", (235, 235, 230)), ("yellow", (235, 205, 90))])
    stuff.append(Stuff("road", *line, [*dashes, _band(kerb + 1, kerb + 2)]))
    return Backdrop(stuff, (46, 61), avoid=[road])


def _stage(rng: np.random.Generator) -> Backdrop:
    floor = rng.uniform(40, 45)
    name, curtain = _pick(
        rng, [("red", (150, 40, 50)), ("purple", (95, 50, 120)), ("blue", (45, 55, 115))]
    )
    stuff = [Stuff("curtain", name, curtain, [_band(_TOP, floor)])]
    folds = [
        _box(x, _TOP, 2.2, floor - _TOP) for x in np.arange(_LEFT + rng.uniform(0, 6), _RIGHT, 6)
    ]
    stuff.append(Stuff("curtain", name, _shade(curtain, 0.78), folds))
    x = rng.uniform(14, 50)
    cone = [(x - 3, _TOP), (x + 3, _TOP), (x + 17, floor), (x - 17, floor)]
    stuff.append(
        Stuff("spotlight", name, tuple(min(255, int(v * 0.6 + 95)) for v in curtain), [cone])
    )
    name, wood = _pick(
        rng, [("brown", (195, 150, 100)), ("brown", (165, 120, 80)), ("grey", (150, 150, 160))]
    )
    stuff.append(Stuff("floor", name, wood, [_band(floor, _BOTTOM)]))
    stuff.append(
        Stuff(
            "floor",
            name,
            _shade(wood, 0.85),
            [_band(y, y + 0.7) for y in np.arange(floor + 3, _BOTTOM, 4)],
        )
    )
    stuff.append(Stuff("spotlight", "yellow", _shade(wood, 1.18), [_disc(x, floor + 9, 18, 6, 24)]))
    return Backdrop(stuff, (floor + 6, 61), avoid=[curtain, wood])


def _kitchen(rng: np.random.Generator) -> Backdrop:
    floor = rng.uniform(40, 44)
    name, wall = _pick(
        rng, [("yellow", (245, 235, 200)), ("white", (235, 240, 235)), ("green", (205, 230, 210))]
    )
    stuff = [Stuff("wall", name, wall, [_band(_TOP, floor)])]
    tiles = [_band(y, y + 0.7) for y in np.arange(12, 26, 4)] + [
        _box(x, 12, 0.7, 14) for x in np.arange(_LEFT, _RIGHT, 5)
    ]
    stuff.append(Stuff("wall", name, _shade(wall, 0.9), tiles))
    name, wood = _pick(
        rng, [("brown", (185, 140, 95)), ("blue", (130, 165, 190)), ("white", (222, 216, 206))]
    )
    shift = rng.uniform(-8, 0)
    upper = [_box(x, _TOP, 13, 14) for x in np.arange(_LEFT + shift, _RIGHT, 15)]
    stuff.append(Stuff("cupboard", name, wood, upper))
    stuff.append(Stuff("cupboard", name, wood, [_band(26, floor)]))
    stuff.append(
        Stuff(
            "cupboard",
            name,
            _shade(wood, 0.72),
            [_box(x, 28, 0.8, floor - 28) for x in np.arange(_LEFT + shift, _RIGHT, 9)],
        )
    )
    stuff.append(Stuff("counter", "grey", _vary(rng, (205, 205, 210), 8), [_band(24.5, 27.5)]))
    x = rng.uniform(2, 44)
    stuff.append(Stuff("stove", "grey", (85, 88, 95), [_box(x, 24.5, 15, floor - 24.5)]))
    stuff.append(
        Stuff(
            "stove",
            "black",
            (40, 42, 48),
            [_box(x + 2, 31, 11, 7), _box(x + 1, 23.2, 5, 1.4), _box(x + 9, 23.2, 5, 1.4)],
        )
    )
    kind = _pick(
        rng, [("grey", (190, 185, 180)), ("brown", (205, 170, 130)), ("blue", (165, 190, 205))]
    )
    stuff.append(Stuff("floor", *kind, [_band(floor, _BOTTOM)]))
    lines = [_band(y, y + 0.6) for y in np.arange(floor + 4, _BOTTOM, 5)]
    lines += [_box(x, floor, 0.7, 40) for x in np.arange(_LEFT, _RIGHT, 7)]
    stuff.append(Stuff("floor", kind[0], _shade(kind[1], 0.88), lines))
    return Backdrop(stuff, (floor + 5, 61), avoid=[wood])


def _water(rng: np.random.Generator) -> Backdrop:
    horizon, shore = rng.uniform(14, 18), rng.uniform(45, 47)
    stuff = _sky(rng, horizon)
    far = _vary(rng, (95, 140, 95))
    stuff.append(
        Stuff(
            "hill",
            "green",
            far,
            [
                _disc(x, horizon + 1, 18, rng.uniform(4, 8), 20)
                for x in rng.uniform(_LEFT, _RIGHT, 3)
            ],
        )
    )
    name, water = _pick(
        rng, [("blue", (70, 140, 205)), ("blue", (60, 120, 180)), ("green", (75, 165, 170))]
    )
    stuff.append(Stuff("water", name, water, [_band(horizon, _BOTTOM)]))
    stuff.append(Stuff("water", name, _shade(water, 1.22), _waves(rng, horizon + 2, shore, 30, 6)))
    if rng.random() < 0.5:
        x = rng.uniform(0, 60)
        stuff.append(
            Stuff(
                "boat",
                "white",
                (240, 240, 235),
                [[(x - 5, horizon + 2), (x + 5, horizon + 2), (x, horizon - 8)]],
            )
        )
        stuff.append(
            Stuff(
                "boat",
                "red",
                (180, 60, 50),
                [
                    [
                        (x - 6, horizon + 2),
                        (x + 6, horizon + 2),
                        (x + 4, horizon + 5),
                        (x - 4, horizon + 5),
                    ]
                ],
            )
        )
    wood = _vary(rng, (185, 155, 115))
    stuff.append(Stuff("pier", "brown", wood, [_band(shore, _BOTTOM)]))
    planks = [_box(x, shore, 0.8, 30) for x in np.arange(_LEFT + rng.uniform(0, 5), _RIGHT, 5)]
    stuff.append(Stuff("pier", "brown", _shade(wood, 0.75), [*planks, _band(shore, shore + 1)]))
    return Backdrop(stuff, (shore + 5, 61), (horizon + 11, shore - 6), shore, avoid=[water])


def _snow(rng: np.random.Generator) -> Backdrop:
    horizon = rng.uniform(22, 29)
    name, sky = _pick(
        rng, [("grey", (170, 185, 205)), ("blue", (140, 185, 225)), ("purple", (175, 165, 205))]
    )
    stuff = [Stuff("sky", name, sky, [_band(_TOP, horizon)])]
    peaks = []
    for x in rng.uniform(_LEFT, _RIGHT, 3):
        peaks.append([(x - 16, horizon), (x + 16, horizon), (x, horizon - rng.uniform(10, 17))])
    stuff.append(Stuff("mountain", "grey", _vary(rng, (125, 135, 155)), peaks))
    caps = [[(p[2][0] - 5, p[2][1] + 5), (p[2][0] + 5, p[2][1] + 5), p[2]] for p in peaks]
    snow = _vary(rng, (238, 243, 250), 6)
    stuff.append(Stuff("snow", "white", snow, caps))
    stuff.append(Stuff("snow", "white", snow, [_band(horizon, _BOTTOM)]))
    stuff.append(
        Stuff("snow", "white", _shade(snow, 0.92), _waves(rng, horizon + 3, _BOTTOM, 14, 9))
    )
    for _ in range(rng.integers(1, 4)):
        stuff += _tree(
            rng, rng.uniform(_LEFT, _RIGHT), horizon + rng.uniform(1, 6), rng.uniform(15, 24), True
        )
    flakes = [
        _disc(rng.uniform(_LEFT, _RIGHT), rng.uniform(_TOP, horizon), 0.8, 0.8, 6)
        for _ in range(20)
    ]
    stuff.append(Stuff("snow", "white", snow, flakes))
    return Backdrop(stuff, (47, 61), avoid=[snow, (235, 235, 235)])


def _beach(rng: np.random.Generator) -> Backdrop:
    horizon, shore = rng.uniform(12, 16), rng.uniform(41, 43)
    stuff = _sky(rng, horizon)
    name, water = _pick(
        rng, [("blue", (80, 165, 220)), ("green", (90, 190, 190)), ("blue", (70, 140, 200))]
    )
    stuff.append(Stuff("water", name, water, [_band(horizon, shore)]))
    stuff.append(
        Stuff("water", name, _shade(water, 1.2), _waves(rng, horizon + 1, shore - 2, 16, 6))
    )
    _, sand = _pick(rng, [("yellow", (240, 218, 160)), ("yellow", (228, 200, 145))])
    turn = np.linspace(_LEFT, _RIGHT, 25)
    edge = [(x, shore - 1.5 + 1.2 * np.sin(x / 5 + shore)) for x in turn]
    stuff.append(
        Stuff(
            "foam",
            "white",
            (245, 250, 250),
            [[(x, y - 1.4) for x, y in edge] + [(_RIGHT, shore + 3), (_LEFT, shore + 3)]],
        )
    )
    stuff.append(Stuff("sand", "yellow", sand, [[*edge, (_RIGHT, _BOTTOM), (_LEFT, _BOTTOM)]]))
    stuff.append(Stuff("sand", "yellow", _shade(sand, 0.9), _waves(rng, shore + 3, _BOTTOM, 16, 3)))
    if rng.random() < 0.6:
        x = rng.choice([rng.uniform(_LEFT, 4), rng.uniform(60, _RIGHT)])
        stuff.append(Stuff("parasol", "white", (230, 225, 215), [_box(x - 0.6, 22, 1.2, 26)]))
        tint = _pick(
            rng, [("red", (225, 85, 80)), ("orange", (240, 160, 70)), ("purple", (160, 100, 180))]
        )
        stuff.append(
            Stuff(
                "parasol",
                *tint,
                [[(x - 11, 27), (x - 7, 20.5), (x, 18), (x + 7, 20.5), (x + 11, 27)]],
            )
        )
    return Backdrop(
        stuff, (shore + 6, 61), (horizon + 11, shore - 8), shore - 3, avoid=[sand, (235, 235, 225)]
    )


def _room(rng: np.random.Generator) -> Backdrop:
    floor = rng.uniform(39, 43)
    name, wall = _pick(
        rng,
        [
            ("pink", (235, 205, 205)),
            ("blue", (190, 210, 230)),
            ("green", (200, 222, 195)),
            ("yellow", (240, 228, 190)),
        ],
    )
    texture = str(rng.choice(["plain", "stripe", "dot"]))
    stuff = [Stuff("wall", name, wall, [_band(_TOP, floor)], texture, _shade(wall, 0.92))]
    x = rng.uniform(-6, 40)
    stuff.append(Stuff("window", "white", (245, 245, 240), [_box(x, 4, 19, 17)]))
    stuff.append(
        Stuff(
            "window",
            "blue",
            _vary(rng, (150, 205, 245)),
            [_box(x + 1.5, 5.5, 7.4, 14), _box(x + 10.1, 5.5, 7.4, 14)],
        )
    )
    if rng.random() < 0.6:
        y = x + 30 if x < 17 else x - 18
        frame = [_box(y, 7, 11, 9)]
        stuff.append(Stuff("picture", "brown", (120, 85, 55), frame))
        stuff.append(
            Stuff(
                "picture",
                *_pick(rng, [("orange", (235, 170, 110)), ("green", (130, 180, 130))]),
                [_box(y + 1.3, 8.3, 8.4, 6.4)],
            )
        )
    name, sofa = _pick(
        rng,
        [
            ("red", (175, 90, 85)),
            ("green", (110, 140, 105)),
            ("blue", (95, 115, 155)),
            ("brown", (150, 115, 85)),
        ],
    )
    x = rng.uniform(_LEFT, 44)
    stuff.append(
        Stuff(
            "sofa",
            name,
            sofa,
            [
                _box(x, floor - 13, 30, 12),
                _box(x - 3, floor - 9, 6, 11),
                _box(x + 27, floor - 9, 6, 11),
            ],
        )
    )
    stuff.append(Stuff("sofa", name, _shade(sofa, 1.15), [_box(x + 3, floor - 6, 24, 5)]))
    kind = _pick(
        rng, [("brown", (190, 150, 110)), ("brown", (160, 120, 85)), ("grey", (175, 175, 180))]
    )
    stuff.insert(1, Stuff("floor", *kind, [_band(floor, _BOTTOM)]))
    stuff.append(Stuff("carpet", *_pick(rng, [("purple", (170, 140, 180)), ("orange", (215, 165, 120)), ("green", (150, 180, 150))]),
                       [_disc(rng.uniform(10, 54), 56, 26, 6.5, 28)]))  # fmt: skip
    return Backdrop(stuff, (floor + 6, 61), avoid=[kind[1], sofa])


def _forest(rng: np.random.Generator) -> Backdrop:
    horizon = rng.uniform(34, 40)
    dark = _vary(rng, (70, 110, 75))
    stuff = [Stuff("bush", "green", dark, [_band(_TOP, horizon)])]
    leaves = [
        _disc(
            rng.uniform(_LEFT, _RIGHT),
            rng.uniform(_TOP, 14),
            rng.uniform(6, 11),
            rng.uniform(4, 7),
            12,
        )
        for _ in range(12)
    ]
    for k in range(rng.integers(7, 10)):
        x = _LEFT + (k + rng.uniform(0.1, 0.9)) * 12
        wide = rng.uniform(2.5, 5)
        bark = _vary(rng, (105, 78, 55))
        stuff.append(
            Stuff("tree", "brown", bark, [_box(x, _TOP, wide, horizon - _TOP + rng.uniform(1, 4))])
        )
        if k > 9:
            break
    stuff.append(Stuff("tree", "green", _shade(dark, 1.25), leaves))
    name, ground = _pick(
        rng, [("green", (150, 165, 95)), ("brown", (185, 155, 110)), ("orange", (205, 160, 105))]
    )
    stuff.insert(1, Stuff("ground", name, ground, [_band(horizon, _BOTTOM)]))
    stuff.append(
        Stuff("ground", name, _shade(ground, 0.85), _waves(rng, horizon + 4, _BOTTOM, 24, 3))
    )
    bushes = [
        _disc(rng.uniform(_LEFT, _RIGHT), horizon + 1, rng.uniform(4, 8), rng.uniform(2.5, 4), 12)
        for _ in range(4)
    ]
    stuff.append(Stuff("bush", "green", _shade(dark, 0.85), bushes))
    return Backdrop(stuff, (horizon + 9, 61), avoid=[dark, ground])


def _city(rng: np.random.Generator) -> Backdrop:
    horizon = rng.uniform(38, 42)
    stuff = [Stuff("sky", "black", _vary(rng, (25, 28, 60), 8), [_band(_TOP, horizon)])]
    stuff.append(Stuff("moon", "yellow", (250, 245, 205), [_disc(rng.uniform(4, 60), 5, 3.5, 3.5)]))
    x = _LEFT - 3.0
    while x < _RIGHT:
        wide, tall = rng.uniform(11, 18), rng.uniform(16, 34)
        stuff.append(
            Stuff(
                "building",
                "purple",
                _vary(rng, (80, 75, 105), 10),
                [_box(x, horizon - tall, wide, tall)],
            )
        )
        panes = [
            _box(x + 2 + 4 * i, horizon - tall + 3 + 5 * j, 2, 2.6)
            for i in range(int((wide - 2) // 4))
            for j in range(int((tall - 4) // 5))
            if rng.random() < 0.6
        ]
        if panes:
            stuff.append(Stuff("building", "yellow", (250, 220, 120), panes))
        x += wide + rng.uniform(0.5, 3)
    street = _vary(rng, (120, 115, 130), 8)
    stuff.append(Stuff("road", "grey", street, [_band(horizon, _BOTTOM)]))
    return Backdrop(stuff, (horizon + 6, 61), avoid=[street, (30, 30, 50)])


def _desert(rng: np.random.Generator) -> Backdrop:
    horizon = rng.uniform(24, 30)
    stuff = [Stuff("sky", "orange", _vary(rng, (250, 200, 140)), [_band(_TOP, horizon)])]
    stuff.append(
        Stuff(
            "sun",
            "white",
            (255, 250, 215),
            [_disc(rng.uniform(8, 56), rng.uniform(5, 12), 5.5, 5.5)],
        )
    )
    sand = _vary(rng, (222, 170, 105))
    dunes = [
        _disc(x, horizon + 5, 26, rng.uniform(7, 11), 24) for x in rng.uniform(_LEFT, _RIGHT, 3)
    ]
    stuff.append(Stuff("sand", "orange", _shade(sand, 0.9), dunes))
    stuff.append(Stuff("sand", "orange", sand, [_band(horizon + 3, _BOTTOM)]))
    for x in rng.uniform(_LEFT, _RIGHT, 3):
        y = horizon + rng.uniform(8, 12)
        arms = [
            _box(x - 1.7, y - 15, 3.4, 15),
            _box(x - 6, y - 11, 2.4, 6),
            _box(x - 5, y - 7, 4, 2.2),
            _box(x + 3.5, y - 13, 2.4, 6),
            _box(x + 1, y - 8.5, 4.5, 2.2),
        ]
        stuff.append(Stuff("cactus", "green", (75, 135, 75), arms))
    return Backdrop(stuff, (47, 61), avoid=[sand])


_SCENES: dict[str, Callable[[np.random.Generator], Backdrop]] = {
    "field": _field, "road": _road, "stage": _stage, "kitchen": _kitchen, "water": _water,
    "snow": _snow, "beach": _beach, "room": _room, "forest": _forest, "city": _city,
    "desert": _desert,
}  # fmt: skip


def build_scene(name: str, seed: int) -> Backdrop:
    """Lay out the scene `name`; the same seed gives the same layout and colours."""
    return _SCENES[name](np.random.default_rng(seed))
