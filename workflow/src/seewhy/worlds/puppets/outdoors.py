"""Scenes in the open: field, road, water, snow, beach, forest; city and desert, which are rare."""

from __future__ import annotations

import numpy as np

from seewhy.worlds.puppets.layout import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Backdrop,
    Stuff,
    band,
    box,
    disc,
    pick,
    shade,
    vary,
    waves,
)

_SKIES = [
    ("blue", (150, 200, 245)),
    ("blue", (120, 180, 240)),
    ("white", (215, 225, 235)),
    ("orange", (250, 205, 160)),
]


def _sky(rng: np.random.Generator, horizon: float) -> list[Stuff]:
    name, rgb = pick(rng, _SKIES)
    stuff = [Stuff("sky", name, rgb, [band(TOP, horizon)])]
    kind = rng.integers(3)
    if kind == 0:
        clouds = []
        for _ in range(rng.integers(2, 4)):
            x, y = rng.uniform(LEFT, RIGHT), rng.uniform(2, horizon * 0.55)
            clouds += [disc(x, y, 6, 2.2), disc(x + 4, y - 1.5, 4, 2.2)]
        stuff.append(Stuff("cloud", "white", (250, 250, 252), clouds))
    elif kind == 1:
        stuff.append(
            Stuff(
                "sun",
                "yellow",
                (255, 235, 120),
                [disc(rng.uniform(2, 62), rng.uniform(3, 9), 4, 4)],
            )
        )
    return stuff


def _tree(rng: np.random.Generator, x: float, foot: float, tall: float, pine: bool) -> list[Stuff]:
    trunk = Stuff(
        "tree",
        "brown",
        vary(rng, (105, 72, 45)),
        [box(x - 1.6, foot - tall * 0.45, 3.2, tall * 0.45)],
    )
    green = vary(rng, (45, 120, 55))
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
    crown = [
        disc(x, foot - tall * 0.7, tall * 0.26, tall * 0.3),
        disc(x - tall * 0.15, foot - tall * 0.55, tall * 0.18, tall * 0.17),
        disc(x + tall * 0.16, foot - tall * 0.57, tall * 0.18, tall * 0.17),
    ]
    return [trunk, Stuff("tree", "green", green, crown)]


def field(rng: np.random.Generator) -> Backdrop:
    """A meadow with trees or a fence."""
    horizon = rng.uniform(22, 30)
    stuff = _sky(rng, horizon)
    hill = vary(rng, (120, 165, 110))
    stuff.append(
        Stuff(
            "hill",
            "green",
            hill,
            [disc(rng.uniform(-10, 70), horizon + 2, 28, rng.uniform(6, 11), 24)],
        )
    )
    name, grass = pick(
        rng, [("green", (120, 190, 85)), ("green", (150, 205, 95)), ("yellow", (205, 200, 110))]
    )
    stuff.append(Stuff("grass", name, grass, [band(horizon, BOTTOM)]))
    stuff.append(Stuff("grass", name, shade(grass, 0.86), waves(rng, horizon + 3, BOTTOM, 26, 3.5)))
    for _ in range(rng.integers(0, 3)):
        stuff += _tree(
            rng, rng.uniform(LEFT, RIGHT), horizon + rng.uniform(2, 5), rng.uniform(16, 22), False
        )
    if rng.random() < 0.4:
        y = horizon + 4
        posts = [box(x, y - 5, 1.4, 7) for x in np.arange(LEFT, RIGHT, 8.0)]
        rails = [band(y - 4, y - 3), band(y - 1.4, y - 0.4)]
        stuff.append(Stuff("fence", "white", (225, 220, 210), posts + rails))
    if rng.random() < 0.6:
        spots = [
            disc(rng.uniform(LEFT, RIGHT), rng.uniform(horizon + 8, BOTTOM), 0.9, 0.9, 6)
            for _ in range(14)
        ]
        stuff.append(
            Stuff(
                "flower",
                *pick(
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


def road(rng: np.random.Generator) -> Backdrop:
    """A road, with houses or without."""
    horizon, kerb = rng.uniform(18, 24), rng.uniform(34, 39)
    stuff = _sky(rng, horizon)
    if rng.random() < 0.6:
        x = LEFT - rng.uniform(0, 8)
        while x < RIGHT:
            wide, tall = rng.uniform(12, 20), rng.uniform(9, 18)
            name, rgb = pick(
                rng,
                [("pink", (215, 165, 150)), ("white", (225, 220, 205)), ("grey", (165, 170, 180))],
            )
            stuff.append(Stuff("building", name, rgb, [box(x, horizon + 6 - tall, wide, tall + 4)]))
            panes = [
                box(x + 2.5 + 5 * k, horizon + 9 - tall, 2.5, 3.5)
                for k in range(int((wide - 3) // 5))
            ]
            stuff.append(Stuff("building", "blue", (95, 120, 150), panes))
            x += wide + rng.uniform(0, 6)
    name, grass = pick(
        rng, [("green", (130, 180, 95)), ("brown", (190, 165, 120)), ("grey", (190, 190, 185))]
    )
    stuff.append(
        Stuff("pavement" if name != "green" else "grass", name, grass, [band(horizon + 8, kerb)])
    )
    road = vary(rng, (118, 118, 124), 10)
    stuff.append(Stuff("road", "grey", road, [band(kerb, BOTTOM)]))
    start = rng.uniform(0, 14)
    dashes = [box(x, 50.5, 8, 1.6) for x in np.arange(LEFT + start, RIGHT, 14)]
    line = pick(rng, [("white", (235, 235, 230)), ("yellow", (235, 205, 90))])
    stuff.append(Stuff("road", *line, [*dashes, band(kerb + 1, kerb + 2)]))
    return Backdrop(stuff, (46, 61), avoid=[road])


def water(rng: np.random.Generator) -> Backdrop:
    """A lake, seen from a pier."""
    horizon, shore = rng.uniform(14, 18), rng.uniform(45, 47)
    stuff = _sky(rng, horizon)
    far = vary(rng, (95, 140, 95))
    stuff.append(
        Stuff(
            "hill",
            "green",
            far,
            [disc(x, horizon + 1, 18, rng.uniform(4, 8), 20) for x in rng.uniform(LEFT, RIGHT, 3)],
        )
    )
    name, water = pick(
        rng, [("blue", (70, 140, 205)), ("blue", (60, 120, 180)), ("green", (75, 165, 170))]
    )
    stuff.append(Stuff("water", name, water, [band(horizon, BOTTOM)]))
    stuff.append(Stuff("water", name, shade(water, 1.22), waves(rng, horizon + 2, shore, 30, 6)))
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
    wood = vary(rng, (185, 155, 115))
    stuff.append(Stuff("pier", "brown", wood, [band(shore, BOTTOM)]))
    planks = [box(x, shore, 0.8, 30) for x in np.arange(LEFT + rng.uniform(0, 5), RIGHT, 5)]
    stuff.append(Stuff("pier", "brown", shade(wood, 0.75), [*planks, band(shore, shore + 1)]))
    return Backdrop(stuff, (shore + 5, 61), (horizon + 11, shore - 6), shore, avoid=[water])


def snow(rng: np.random.Generator) -> Backdrop:
    """Snow before mountains."""
    horizon = rng.uniform(22, 29)
    name, sky = pick(
        rng, [("grey", (170, 185, 205)), ("blue", (140, 185, 225)), ("purple", (175, 165, 205))]
    )
    stuff = [Stuff("sky", name, sky, [band(TOP, horizon)])]
    peaks = []
    for x in rng.uniform(LEFT, RIGHT, 3):
        peaks.append([(x - 16, horizon), (x + 16, horizon), (x, horizon - rng.uniform(10, 17))])
    stuff.append(Stuff("mountain", "grey", vary(rng, (125, 135, 155)), peaks))
    caps = [[(p[2][0] - 5, p[2][1] + 5), (p[2][0] + 5, p[2][1] + 5), p[2]] for p in peaks]
    snow = vary(rng, (238, 243, 250), 6)
    stuff.append(Stuff("snow", "white", snow, caps))
    stuff.append(Stuff("snow", "white", snow, [band(horizon, BOTTOM)]))
    stuff.append(Stuff("snow", "white", shade(snow, 0.92), waves(rng, horizon + 3, BOTTOM, 14, 9)))
    for _ in range(rng.integers(1, 4)):
        stuff += _tree(
            rng, rng.uniform(LEFT, RIGHT), horizon + rng.uniform(1, 6), rng.uniform(15, 24), True
        )
    flakes = [
        disc(rng.uniform(LEFT, RIGHT), rng.uniform(TOP, horizon), 0.8, 0.8, 6) for _ in range(20)
    ]
    stuff.append(Stuff("snow", "white", snow, flakes))
    return Backdrop(stuff, (47, 61), avoid=[snow, (235, 235, 235)])


def beach(rng: np.random.Generator) -> Backdrop:
    """A beach and the sea."""
    horizon, shore = rng.uniform(12, 16), rng.uniform(41, 43)
    stuff = _sky(rng, horizon)
    name, water = pick(
        rng, [("blue", (80, 165, 220)), ("green", (90, 190, 190)), ("blue", (70, 140, 200))]
    )
    stuff.append(Stuff("water", name, water, [band(horizon, shore)]))
    stuff.append(Stuff("water", name, shade(water, 1.2), waves(rng, horizon + 1, shore - 2, 16, 6)))
    _, sand = pick(rng, [("yellow", (240, 218, 160)), ("yellow", (228, 200, 145))])
    turn = np.linspace(LEFT, RIGHT, 25)
    edge = [(x, shore - 1.5 + 1.2 * np.sin(x / 5 + shore)) for x in turn]
    stuff.append(
        Stuff(
            "foam",
            "white",
            (245, 250, 250),
            [[(x, y - 1.4) for x, y in edge] + [(RIGHT, shore + 3), (LEFT, shore + 3)]],
        )
    )
    stuff.append(Stuff("sand", "yellow", sand, [[*edge, (RIGHT, BOTTOM), (LEFT, BOTTOM)]]))
    stuff.append(Stuff("sand", "yellow", shade(sand, 0.9), waves(rng, shore + 3, BOTTOM, 16, 3)))
    if rng.random() < 0.6:
        x = rng.choice([rng.uniform(LEFT, 4), rng.uniform(60, RIGHT)])
        stuff.append(Stuff("parasol", "white", (230, 225, 215), [box(x - 0.6, 22, 1.2, 26)]))
        tint = pick(
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


def forest(rng: np.random.Generator) -> Backdrop:
    """A clearing among trees."""
    horizon = rng.uniform(34, 40)
    dark = vary(rng, (70, 110, 75))
    stuff = [Stuff("bush", "green", dark, [band(TOP, horizon)])]
    leaves = [
        disc(
            rng.uniform(LEFT, RIGHT),
            rng.uniform(TOP, 14),
            rng.uniform(6, 11),
            rng.uniform(4, 7),
            12,
        )
        for _ in range(12)
    ]
    for k in range(rng.integers(7, 10)):
        x = LEFT + (k + rng.uniform(0.1, 0.9)) * 12
        wide = rng.uniform(2.5, 5)
        bark = vary(rng, (105, 78, 55))
        stuff.append(
            Stuff("tree", "brown", bark, [box(x, TOP, wide, horizon - TOP + rng.uniform(1, 4))])
        )
        if k > 9:
            break
    stuff.append(Stuff("tree", "green", shade(dark, 1.25), leaves))
    name, ground = pick(
        rng, [("green", (150, 165, 95)), ("brown", (185, 155, 110)), ("orange", (205, 160, 105))]
    )
    stuff.insert(1, Stuff("ground", name, ground, [band(horizon, BOTTOM)]))
    stuff.append(Stuff("ground", name, shade(ground, 0.85), waves(rng, horizon + 4, BOTTOM, 24, 3)))
    bushes = [
        disc(rng.uniform(LEFT, RIGHT), horizon + 1, rng.uniform(4, 8), rng.uniform(2.5, 4), 12)
        for _ in range(4)
    ]
    stuff.append(Stuff("bush", "green", shade(dark, 0.85), bushes))
    return Backdrop(stuff, (horizon + 9, 61), avoid=[dark, ground])


def city(rng: np.random.Generator) -> Backdrop:
    """A street at night (rare)."""
    horizon = rng.uniform(38, 42)
    stuff = [Stuff("sky", "black", vary(rng, (25, 28, 60), 8), [band(TOP, horizon)])]
    stuff.append(Stuff("moon", "yellow", (250, 245, 205), [disc(rng.uniform(4, 60), 5, 3.5, 3.5)]))
    x = LEFT - 3.0
    while x < RIGHT:
        wide, tall = rng.uniform(11, 18), rng.uniform(16, 34)
        stuff.append(
            Stuff(
                "building",
                "purple",
                vary(rng, (80, 75, 105), 10),
                [box(x, horizon - tall, wide, tall)],
            )
        )
        panes = [
            box(x + 2 + 4 * i, horizon - tall + 3 + 5 * j, 2, 2.6)
            for i in range(int((wide - 2) // 4))
            for j in range(int((tall - 4) // 5))
            if rng.random() < 0.6
        ]
        if panes:
            stuff.append(Stuff("building", "yellow", (250, 220, 120), panes))
        x += wide + rng.uniform(0.5, 3)
    street = vary(rng, (120, 115, 130), 8)
    stuff.append(Stuff("road", "grey", street, [band(horizon, BOTTOM)]))
    return Backdrop(stuff, (horizon + 6, 61), avoid=[street, (30, 30, 50)])


def desert(rng: np.random.Generator) -> Backdrop:
    """Dunes and cactuses (rare)."""
    horizon = rng.uniform(24, 30)
    stuff = [Stuff("sky", "orange", vary(rng, (250, 200, 140)), [band(TOP, horizon)])]
    stuff.append(
        Stuff(
            "sun",
            "white",
            (255, 250, 215),
            [disc(rng.uniform(8, 56), rng.uniform(5, 12), 5.5, 5.5)],
        )
    )
    sand = vary(rng, (222, 170, 105))
    dunes = [disc(x, horizon + 5, 26, rng.uniform(7, 11), 24) for x in rng.uniform(LEFT, RIGHT, 3)]
    stuff.append(Stuff("sand", "orange", shade(sand, 0.9), dunes))
    stuff.append(Stuff("sand", "orange", sand, [band(horizon + 3, BOTTOM)]))
    for x in rng.uniform(LEFT, RIGHT, 3):
        y = horizon + rng.uniform(8, 12)
        arms = [
            box(x - 1.7, y - 15, 3.4, 15),
            box(x - 6, y - 11, 2.4, 6),
            box(x - 5, y - 7, 4, 2.2),
            box(x + 3.5, y - 13, 2.4, 6),
            box(x + 1, y - 8.5, 4.5, 2.2),
        ]
        stuff.append(Stuff("cactus", "green", (75, 135, 75), arms))
    return Backdrop(stuff, (47, 61), avoid=[sand])
