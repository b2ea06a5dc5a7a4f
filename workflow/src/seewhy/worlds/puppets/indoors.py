"""Scenes indoors: stage, kitchen, room."""

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
)


def stage(rng: np.random.Generator) -> Backdrop:
    """A stage with a curtain and a spotlight."""
    floor = rng.uniform(40, 45)
    name, curtain = pick(
        rng, [("red", (150, 40, 50)), ("purple", (95, 50, 120)), ("blue", (45, 55, 115))]
    )
    stuff = [Stuff("curtain", name, curtain, [band(TOP, floor)])]
    folds = [box(x, TOP, 2.2, floor - TOP) for x in np.arange(LEFT + rng.uniform(0, 6), RIGHT, 6)]
    stuff.append(Stuff("curtain", name, shade(curtain, 0.78), folds))
    x = rng.uniform(14, 50)
    cone = [(x - 3, TOP), (x + 3, TOP), (x + 17, floor), (x - 17, floor)]
    stuff.append(
        Stuff("spotlight", name, tuple(min(255, int(v * 0.6 + 95)) for v in curtain), [cone])
    )
    name, wood = pick(
        rng, [("brown", (195, 150, 100)), ("brown", (165, 120, 80)), ("grey", (150, 150, 160))]
    )
    stuff.append(Stuff("floor", name, wood, [band(floor, BOTTOM)]))
    stuff.append(
        Stuff(
            "floor",
            name,
            shade(wood, 0.85),
            [band(y, y + 0.7) for y in np.arange(floor + 3, BOTTOM, 4)],
        )
    )
    stuff.append(Stuff("spotlight", "yellow", shade(wood, 1.18), [disc(x, floor + 9, 18, 6, 24)]))
    return Backdrop(stuff, (floor + 6, 61), avoid=[curtain, wood])


def kitchen(rng: np.random.Generator) -> Backdrop:
    """A kitchen."""
    floor = rng.uniform(40, 44)
    name, wall = pick(
        rng, [("yellow", (245, 235, 200)), ("white", (235, 240, 235)), ("green", (205, 230, 210))]
    )
    stuff = [Stuff("wall", name, wall, [band(TOP, floor)])]
    tiles = [band(y, y + 0.7) for y in np.arange(12, 26, 4)] + [
        box(x, 12, 0.7, 14) for x in np.arange(LEFT, RIGHT, 5)
    ]
    stuff.append(Stuff("wall", name, shade(wall, 0.9), tiles))
    name, wood = pick(
        rng, [("brown", (185, 140, 95)), ("blue", (130, 165, 190)), ("white", (222, 216, 206))]
    )
    shift = rng.uniform(-8, 0)
    upper = [box(x, TOP, 13, 14) for x in np.arange(LEFT + shift, RIGHT, 15)]
    stuff.append(Stuff("cupboard", name, wood, upper))
    stuff.append(Stuff("cupboard", name, wood, [band(26, floor)]))
    stuff.append(
        Stuff(
            "cupboard",
            name,
            shade(wood, 0.72),
            [box(x, 28, 0.8, floor - 28) for x in np.arange(LEFT + shift, RIGHT, 9)],
        )
    )
    stuff.append(Stuff("counter", "grey", vary(rng, (205, 205, 210), 8), [band(24.5, 27.5)]))
    x = rng.uniform(2, 44)
    stuff.append(Stuff("stove", "grey", (85, 88, 95), [box(x, 24.5, 15, floor - 24.5)]))
    stuff.append(
        Stuff(
            "stove",
            "black",
            (40, 42, 48),
            [box(x + 2, 31, 11, 7), box(x + 1, 23.2, 5, 1.4), box(x + 9, 23.2, 5, 1.4)],
        )
    )
    kind = pick(
        rng, [("grey", (190, 185, 180)), ("brown", (205, 170, 130)), ("blue", (165, 190, 205))]
    )
    stuff.append(Stuff("floor", *kind, [band(floor, BOTTOM)]))
    lines = [band(y, y + 0.6) for y in np.arange(floor + 4, BOTTOM, 5)]
    lines += [box(x, floor, 0.7, 40) for x in np.arange(LEFT, RIGHT, 7)]
    stuff.append(Stuff("floor", kind[0], shade(kind[1], 0.88), lines))
    return Backdrop(stuff, (floor + 5, 61), avoid=[wood])


def room(rng: np.random.Generator) -> Backdrop:
    """A living room."""
    floor = rng.uniform(39, 43)
    name, wall = pick(
        rng,
        [
            ("pink", (235, 205, 205)),
            ("blue", (190, 210, 230)),
            ("green", (200, 222, 195)),
            ("yellow", (240, 228, 190)),
        ],
    )
    texture = str(rng.choice(["plain", "stripe", "dot"]))
    stuff = [Stuff("wall", name, wall, [band(TOP, floor)], texture, shade(wall, 0.92))]
    x = rng.uniform(-6, 40)
    stuff.append(Stuff("window", "white", (245, 245, 240), [box(x, 4, 19, 17)]))
    stuff.append(
        Stuff(
            "window",
            "blue",
            vary(rng, (150, 205, 245)),
            [box(x + 1.5, 5.5, 7.4, 14), box(x + 10.1, 5.5, 7.4, 14)],
        )
    )
    if rng.random() < 0.6:
        y = x + 30 if x < 17 else x - 18
        frame = [box(y, 7, 11, 9)]
        stuff.append(Stuff("picture", "brown", (120, 85, 55), frame))
        stuff.append(
            Stuff(
                "picture",
                *pick(rng, [("orange", (235, 170, 110)), ("green", (130, 180, 130))]),
                [box(y + 1.3, 8.3, 8.4, 6.4)],
            )
        )
    name, sofa = pick(
        rng,
        [
            ("red", (175, 90, 85)),
            ("green", (110, 140, 105)),
            ("blue", (95, 115, 155)),
            ("brown", (150, 115, 85)),
        ],
    )
    x = rng.uniform(LEFT, 44)
    stuff.append(
        Stuff(
            "sofa",
            name,
            sofa,
            [
                box(x, floor - 13, 30, 12),
                box(x - 3, floor - 9, 6, 11),
                box(x + 27, floor - 9, 6, 11),
            ],
        )
    )
    stuff.append(Stuff("sofa", name, shade(sofa, 1.15), [box(x + 3, floor - 6, 24, 5)]))
    kind = pick(
        rng, [("brown", (190, 150, 110)), ("brown", (160, 120, 85)), ("grey", (175, 175, 180))]
    )
    stuff.insert(1, Stuff("floor", *kind, [band(floor, BOTTOM)]))
    stuff.append(
        Stuff(
            "carpet",
            *pick(
                rng,
                [
                    ("purple", (170, 140, 180)),
                    ("orange", (215, 165, 120)),
                    ("green", (150, 180, 150)),
                ],
            ),
            [disc(rng.uniform(10, 54), 56, 26, 6.5, 28)],
        )
    )
    return Backdrop(stuff, (floor + 6, 61), avoid=[kind[1], sofa])
