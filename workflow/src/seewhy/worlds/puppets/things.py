"""Vehicles and the things that actions act on."""

from __future__ import annotations

import numpy as np

from seewhy.worlds.puppets.shapes import Body, Pose, Shape, along, limb, oval, place, rigid

Array = np.ndarray


def car(length: float, pose: Pose) -> Body:
    """A car, `length` pixels long."""
    frames = len(pose.x)
    unit = length
    origin = np.zeros((frames, 2))
    tilt = -pose.lean * 0.4

    def patch(*corners: tuple[float, float]) -> Array:
        return rigid(np.array(corners) * unit, origin, tilt)

    shapes = [
        Shape(
            "body",
            patch(
                (-0.5, -0.12),
                (-0.5, -0.27),
                (-0.46, -0.31),
                (0.4, -0.31),
                (0.5, -0.25),
                (0.5, -0.1),
                (0.47, -0.07),
                (-0.47, -0.07),
            ),
            1.0,
        ),
        Shape("body", patch((-0.36, -0.3), (-0.27, -0.5), (0.14, -0.5), (0.28, -0.3)), 1.0),
        Shape("window", patch((-0.28, -0.31), (-0.22, -0.45), (-0.06, -0.45), (-0.06, -0.31)), 1.1),
        Shape("window", patch((-0.01, -0.31), (-0.01, -0.45), (0.11, -0.45), (0.2, -0.31)), 1.1),
        Shape("light", patch((0.42, -0.28), (0.5, -0.24), (0.5, -0.17), (0.42, -0.19)), 1.2),
        Shape("bumper", patch((-0.52, -0.13), (0.52, -0.13), (0.52, -0.07), (-0.52, -0.07)), 1.2),
    ]
    points = {}
    for name, x in (("back wheel", -0.28), ("front wheel", 0.29)):
        hub = rigid(np.array([[x, -0.1]]) * unit, origin, tilt)[:, 0]
        shapes += _wheel(hub, unit * 0.115, pose.wheel)
        points[name] = hub
    points["roof"] = patch((-0.05, -0.48))[:, 0]
    return place(shapes, points, pose)


def motorcycle(length: float, pose: Pose) -> Body:
    """A motorcycle, `length` pixels long."""
    frames = len(pose.x)
    unit = length
    origin = np.zeros((frames, 2))
    tilt = -pose.lean * 0.5

    def patch(*corners: tuple[float, float]) -> Array:
        return rigid(np.array(corners) * unit, origin, tilt)

    def spot(x: float, y: float) -> Array:
        return rigid(np.array([[x, y]]) * unit, origin, tilt)[:, 0]

    shapes = [
        Shape("fork", limb(spot(0.32, -0.18), spot(0.17, -0.52), unit * 0.03, unit * 0.03), 0.5),
        Shape("fork", limb(spot(-0.32, -0.18), spot(-0.1, -0.3), unit * 0.035, unit * 0.035), 0.5),
        Shape("engine", patch((-0.12, -0.12), (0.12, -0.12), (0.16, -0.3), (-0.14, -0.3)), 0.9),
        Shape(
            "body",
            patch(
                (-0.3, -0.36),
                (-0.05, -0.3),
                (0.16, -0.27),
                (0.24, -0.4),
                (0.14, -0.49),
                (-0.02, -0.47),
                (-0.08, -0.4),
                (-0.3, -0.42),
                (-0.46, -0.46),
                (-0.44, -0.4),
            ),
            1.0,
        ),
        Shape("seat", patch((-0.36, -0.43), (-0.08, -0.41), (-0.06, -0.46), (-0.36, -0.49)), 1.1),
        Shape(
            "handlebar", limb(spot(0.17, -0.52), spot(0.06, -0.58), unit * 0.028, unit * 0.028), 1.2
        ),
        Shape("light", oval(spot(0.24, -0.47), unit * 0.055, unit * 0.06, n=8), 1.2),
        Shape(
            "exhaust", limb(spot(-0.05, -0.1), spot(-0.42, -0.13), unit * 0.025, unit * 0.035), 1.2
        ),
    ]
    points = {}
    for name, x in (("back wheel", -0.32), ("front wheel", 0.32)):
        hub = spot(x, -0.18)
        shapes += _wheel(hub, unit * 0.18, pose.wheel, layer=0.7)
        points[name] = hub
    points |= {"back": spot(-0.2, -0.46), "roof": spot(0.1, -0.44)}
    shapes.sort(key=lambda shape: shape.layer)
    return place(shapes, points, pose)


def _wheel(hub: Array, radius: float, angle: Array, layer: float = 1.5) -> list[Shape]:
    spoke = radius * 0.62
    return [
        Shape("wheel", oval(hub, radius, radius, n=16), layer),
        Shape("rim", oval(hub, radius * 0.55, radius * 0.55, n=10), layer + 0.1),
        Shape(
            "wheel",
            limb(along(hub, angle, -spoke), along(hub, angle, spoke), radius * 0.13, radius * 0.13),
            layer + 0.2,
        ),
    ]


# Size of an object in pixels of a 64-pixel frame, in the unit in which it is drawn below.
_UNIT = {
    "ball": 4.2, "apple": 3.0, "banana": 4.6, "pizza": 5.6, "bowl": 6.5, "cup": 3.6, "bucket": 6.0,
    "guitar": 12.0, "chair": 13.0, "box": 15.0,
}  # fmt: skip
LAYERS = {"chair": -4.0, "guitar": 3.6, "cup": 6.0, "apple": 6.0, "banana": 6.0, "pizza": 6.0}
"""Where an object lies between the layers of the actor that holds it."""


def thing(
    kind: str,
    centre: Array,
    angle: Array,
    facing: Array,
    depth: Array,
    shown: Array,
    unit: float = 0.0,
) -> Body:
    """An object of class `kind` whose middle is at `centre` [T, 2], canvas pixels."""
    unit = unit or _UNIT[kind]
    origin = np.zeros_like(centre)

    def patch(*corners: tuple[float, float]) -> Array:
        return rigid(np.array(corners) * unit, origin)

    def disc(x: float, y: float, rx: float, ry: float, n: int = 14) -> Array:
        return oval(origin + np.array([x, y]) * unit, rx * unit, ry * unit, n=n)

    if kind == "ball":
        shapes = [
            Shape("ball", disc(0, 0, 1, 1, 16)),
            Shape("mark", patch((-0.95, -0.2), (0.95, -0.2), (0.95, 0.2), (-0.95, 0.2)), 0.1),
        ]
    elif kind == "apple":
        shapes = [
            Shape("fruit", disc(0, 0, 1, 0.95)),
            Shape("stalk", patch((-0.1, -0.8), (0.1, -0.8), (0.25, -1.5), (0.0, -1.5)), 0.1),
            Shape("leaf", patch((0.1, -1.2), (0.9, -1.5), (0.5, -0.95)), 0.1),
        ]
    elif kind == "banana":
        shapes = [
            Shape(
                "fruit",
                patch(
                    (-1, -0.75),
                    (-0.7, -0.1),
                    (0, 0.2),
                    (0.7, -0.1),
                    (1, -0.75),
                    (0.95, 0.1),
                    (0.45, 0.65),
                    (-0.45, 0.65),
                    (-0.95, 0.1),
                ),
            )
        ]
    elif kind == "pizza":
        shapes = [
            Shape("crust", patch((-0.95, -0.75), (0.95, -0.75), (0.95, -0.4), (-0.95, -0.4))),
            Shape("cheese", patch((-0.85, -0.45), (0.85, -0.45), (0, 1.1)), 0.1),
            Shape("topping", disc(-0.3, -0.1, 0.2, 0.2, 8), 0.2),
            Shape("topping", disc(0.25, 0.1, 0.2, 0.2, 8), 0.2),
        ]
    elif kind == "bowl":
        shapes = [
            Shape("food", disc(0, -0.35, 0.75, 0.35)),
            Shape("bowl", patch((-1, -0.3), (1, -0.3), (0.7, 0.5), (-0.7, 0.5)), 0.1),
        ]
    elif kind == "cup":
        shapes = [
            Shape("handle", disc(-0.75, 0, 0.5, 0.6, 10)),
            Shape("cup", patch((-0.75, -1), (0.75, -1), (0.65, 1), (-0.65, 1)), 0.1),
            Shape("drink", patch((-0.7, -1.05), (0.7, -1.05), (0.68, -0.65), (-0.68, -0.65)), 0.2),
        ]
    elif kind == "bucket":
        shapes = [
            Shape("bucket", patch((-0.8, -0.6), (0.8, -0.6), (0.6, 0.65), (-0.6, 0.65))),
            Shape("drink", disc(0, -0.6, 0.8, 0.25, 10), 0.1),
        ]
    elif kind == "guitar":
        shapes = [
            Shape("neck", patch((0.3, -0.09), (1.55, -0.09), (1.55, 0.09), (0.3, 0.09))),
            Shape("neck", patch((1.5, -0.17), (1.8, -0.17), (1.8, 0.17), (1.5, 0.17))),
            Shape("body", disc(-0.25, 0, 0.46, 0.5), 0.1),
            Shape("body", disc(0.3, 0, 0.33, 0.36), 0.1),
            Shape("hole", disc(0.05, 0, 0.16, 0.16, 8), 0.2),
        ]
    elif kind == "chair":
        shapes = [
            Shape("leg", patch((-0.45, 0), (-0.3, 0), (-0.3, 0.75), (-0.45, 0.75))),
            Shape("leg", patch((0.35, 0), (0.5, 0), (0.5, 0.75), (0.35, 0.75))),
            Shape("back", patch((-0.58, -1.0), (-0.38, -1.0), (-0.32, 0), (-0.52, 0))),
            Shape("seat", patch((-0.52, -0.08), (0.55, -0.08), (0.55, 0.14), (-0.52, 0.14)), 0.1),
        ]
    else:
        shapes = [
            Shape("box", patch((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))),
            Shape("tape", patch((-0.5, -0.1), (0.5, -0.1), (0.5, 0.08), (-0.5, 0.08)), 0.1),
            Shape("tape", patch((-0.09, -0.5), (0.09, -0.5), (0.09, 0.5), (-0.09, 0.5)), 0.1),
        ]
    for shape in shapes:
        shape.layer += LAYERS.get(kind, 7.0)
    pose = Pose(
        x=centre[:, 0], y=centre[:, 1], facing=facing, grounded=False, roll=angle, shown=shown
    )
    body = place(shapes, {"centre": origin}, pose)
    body.depth = depth
    return body


def ground_offset(kind: str) -> float:
    """How far an object's middle is above the ground on which it stands, in pixels."""
    bottom = {"ball": 1.0, "bowl": 0.5, "bucket": 0.65, "chair": 0.75, "box": 0.5}
    return _UNIT[kind] * bottom[kind]
