"""Animals: four-legged bodies (dog, cat, horse, elephant) and a bird, seen from the side."""

from __future__ import annotations

import numpy as np

from seewhy.worlds.puppets.shapes import Body, Pose, Shape, along, limb, oval, place, rigid

# As parts of the length from nose to rump: trunk length and half-height, leg length and
# half-width, neck length, angle (0 is up, positive forward) and half-width, radius of the head,
# muzzle length and half-width.
_BUILDS = {
    "dog": {
        "trunk": 0.50,
        "height": 0.135,
        "leg": 0.30,
        "thick": 0.048,
        "neck": 0.15,
        "angle": 0.75,
        "neck_width": 0.095,
        "head": 0.135,
        "muzzle": 0.16,
        "muzzle_width": 0.07,
    },
    "cat": {
        "trunk": 0.50,
        "height": 0.115,
        "leg": 0.25,
        "thick": 0.042,
        "neck": 0.13,
        "angle": 0.8,
        "neck_width": 0.08,
        "head": 0.155,
        "muzzle": 0.06,
        "muzzle_width": 0.06,
    },
    "horse": {
        "trunk": 0.47,
        "height": 0.125,
        "leg": 0.36,
        "thick": 0.038,
        "neck": 0.30,
        "angle": 0.62,
        "neck_width": 0.075,
        "head": 0.085,
        "muzzle": 0.17,
        "muzzle_width": 0.055,
    },
    "elephant": {
        "trunk": 0.52,
        "height": 0.21,
        "leg": 0.25,
        "thick": 0.07,
        "neck": 0.10,
        "angle": 0.95,
        "neck_width": 0.12,
        "head": 0.16,
        "muzzle": 0.10,
        "muzzle_width": 0.07,
    },
}


def quadruped(kind: str, length: float, pose: Pose) -> Body:
    """A four-legged animal of class `kind`, about `length` pixels from nose to rump."""
    trunk, height, leg, thick, neck_length, angle, neck_width, head, muzzle, muzzle_width = (
        value if name == "angle" else value * length for name, value in _BUILDS[kind].items()
    )
    frames = len(pose.x)
    rear = pose.lean + 0.75 * pose.sit  # the trunk rises about the hips
    hips = np.zeros((frames, 2))
    chest = along(hips, np.pi / 2 + rear, trunk * 0.72)
    shapes: list[Shape] = []
    points: dict[str, np.ndarray] = {"hip": hips}

    for side, shift, layer in (("near", 0.0, 2.0), ("far", np.pi, -2.0)):
        dark = side == "far"
        offset = np.array([trunk * (0.03 if dark else -0.03), 0.0])
        for end, root, lag in (("front", chest, np.pi), ("hind", hips, 0.0)):
            phase = pose.phase + shift + lag
            swing = pose.stride * np.sin(phase) * 0.8
            bend = 0.05 + pose.stride * np.maximum(0.0, np.cos(phase)) * 0.9
            if end == "front":
                swing = swing - 0.25 * pose.crouch + rear * 0.7 * (pose.lean > 0.3)
                if not dark:
                    swing, bend = swing + 1.5 * pose.paw, bend + 0.3 * np.abs(np.sin(4 * pose.paw))
                bend = bend + 0.9 * pose.crouch
            else:
                swing = swing + 1.25 * pose.sit + 0.35 * pose.crouch
                bend = bend + 2.3 * pose.sit + 0.9 * pose.crouch
                bend = -bend * 0.6 if kind != "elephant" else bend
                bend = np.where(pose.sit > 0.2, 2.3 * pose.sit, -bend)
            top = root + offset
            knee = along(top, swing, leg * 0.55)
            foot = along(knee, swing - bend, leg * 0.5)
            wide = 1.7 if end == "hind" else 1.4
            shapes += [
                Shape("leg", limb(top, knee, thick * wide, thick * 1.05), layer, dark),
                Shape("leg", limb(knee, foot, thick * 1.05, thick * 0.9), layer, dark),
                Shape("foot", limb(foot, foot + [thick * 0.7, 0], thick, thick), layer + 0.1, dark),
            ]
            points[f"{side} {end} foot"] = foot

    middle = (hips + chest) / 2
    lift = np.array([0.0, -height * 0.35])
    shapes.append(Shape("torso", limb(hips + lift, chest + lift, height, height * 1.05), 1.0))
    neck_angle = np.pi - angle + rear * 0.35 - pose.nod
    withers = chest + np.stack(
        [np.full(frames, height * 0.25), np.full(frames, -height * 0.75)], -1
    )
    poll = along(withers, neck_angle, neck_length)
    shapes.append(Shape("torso", limb(withers, poll, neck_width * 1.15, neck_width * 0.9), 1.5))
    tilt = pose.nod * (0.55 if kind == "horse" else 0.35) - pose.lean * 0.2
    shapes += _head(kind, poll, tilt, head, muzzle, muzzle_width, length)
    points |= {"neck": withers, "head": poll}
    points["nose"] = rigid(
        np.array([[head * 0.5 + muzzle * 0.75, head * 0.25]]), poll, tilt + _droop(kind)
    )[:, 0]
    points["back"] = middle + [0.0, -height * 0.8]

    tail_root = hips + np.stack(
        [np.full(frames, -height * 0.85), np.full(frames, -height * 0.6)], -1
    )
    wag = 0.25 * np.sin(pose.phase * 1.0 + 0.6)
    shapes += _tail(kind, tail_root, wag - rear * 0.5, length)
    if kind == "horse":
        crest = [withers + [-neck_width * 1.2, 0.0], poll + [-neck_width * 1.5, -head * 0.2]]
        shapes.append(
            Shape("mane", limb(crest[0], crest[1], neck_width * 0.65, neck_width * 0.6), 1.6)
        )
    middle_of_body = np.array([-0.27 * length, 0.0])  # x is the middle, not the hips
    for shape in shapes:
        shape.points = shape.points + middle_of_body
    points = {name: point + middle_of_body for name, point in points.items()}
    shapes.sort(key=lambda shape: shape.layer)
    return place(shapes, points, pose)


def _droop(kind: str) -> float:
    """How far the muzzle hangs below the line straight ahead."""
    return {"horse": 0.75, "elephant": 0.9, "dog": 0.1, "cat": 0.1}[kind]


def _head(
    kind: str, poll, tilt, r: float, muzzle: float, wide: float, length: float
) -> list[Shape]:
    def spot(x: float, y: float) -> np.ndarray:
        return rigid(np.array([[x * r, y * r]]), poll, tilt)[:, 0]

    def patch(*corners: tuple[float, float]) -> np.ndarray:
        return rigid(np.array(corners) * r, poll, tilt)

    droop = _droop(kind)
    root = spot(0.35, 0.2)
    nose = along(root, np.pi / 2 - tilt - droop, r * 0.5 + muzzle)
    shapes = [Shape("head", oval(poll, r, r * 0.92, tilt), 5.0)]
    if kind == "elephant":
        curl = along(nose, np.pi / 2 - tilt - 1.5, length * 0.12)
        tip = along(curl, np.pi / 2 - tilt - 0.6, length * 0.07)
        trunk = [(root, nose, wide, wide * 0.8), (nose, curl, wide * 0.8, wide * 0.55),
                 (curl, tip, wide * 0.55, wide * 0.45)]  # fmt: skip
        shapes += [Shape("trunk", limb(*segment), 5.1) for segment in trunk]
        shapes.append(
            Shape("tusk", patch((0.6, 0.45), (1.5, 0.75), (1.45, 0.95), (0.5, 0.75)), 5.2)
        )
        shapes.append(Shape("ear", oval(spot(-0.45, 0.15), r * 0.72, r * 0.95, tilt), 5.3, True))
    else:
        shapes.append(Shape("muzzle", limb(root, nose, wide * 1.1, wide * 0.9), 5.1))
        if kind != "horse":
            tip = along(root, np.pi / 2 - tilt - droop + 0.12, r * 0.5 + muzzle * 1.05)
            shapes.append(Shape("nose", oval(tip, wide * 0.5, wide * 0.5, n=8), 5.4))
    if kind == "dog":
        shapes.append(
            Shape(
                "ear",
                patch((-0.75, -0.75), (-0.1, -0.85), (-0.15, 0.1), (-0.5, 0.85), (-0.95, 0.3)),
                5.3,
                True,
            )
        )
    elif kind == "cat":
        shapes.append(Shape("ear", patch((-0.95, -0.35), (-0.8, -1.75), (-0.05, -0.8)), 5.3))
        shapes.append(Shape("ear", patch((0.05, -0.8), (0.55, -1.75), (0.9, -0.35)), 5.3))
    elif kind == "horse":
        shapes.append(Shape("ear", patch((-0.6, -0.5), (-0.35, -1.7), (0.25, -0.7)), 5.3))
    shapes.append(Shape("eye", oval(spot(0.35, -0.15), r * 0.17, r * 0.2, n=6), 5.5))
    return shapes


def _tail(kind: str, root, wag, length: float) -> list[Shape]:
    if kind == "horse":
        middle = along(root, -0.6 + wag * 0.3, length * 0.12)
        end = along(middle, -0.15 + wag * 0.5, length * 0.18)
        width = length * 0.045
    elif kind == "cat":
        middle = along(root, -2.1 + wag, length * 0.2)
        end = along(middle, -3.0 + wag * 1.5, length * 0.22)
        width = length * 0.032
    elif kind == "elephant":
        middle = along(root, -0.4 + wag, length * 0.1)
        end = along(middle, -0.1 + wag, length * 0.08)
        width = length * 0.02
    else:
        middle = along(root, -2.2 + wag, length * 0.12)
        end = along(middle, -2.7 + wag * 1.6, length * 0.1)
        width = length * 0.04
    return [
        Shape("tail", limb(root, middle, width, width), 0.5),
        Shape("tail", limb(middle, end, width, width * 0.8), 0.5),
    ]


def bird(length: float, pose: Pose) -> Body:
    """A big bird, `length` pixels from beak to tail."""
    frames = len(pose.x)
    body = np.zeros((frames, 2))
    flying = np.clip(np.abs(pose.flap), 0, 1)
    pitch = 0.35 * (1 - 0.8 * np.clip(pose.lift / 8, 0, 1)) - pose.lean * 0.5
    r = length * 0.17
    half = length * 0.25
    shapes: list[Shape] = []
    points: dict[str, np.ndarray] = {}
    for side, shift, layer in (("near", 0.0, 2.0), ("far", np.pi, -2.0)):
        phase = pose.phase + shift
        hop = pose.stride * np.sin(phase)
        tuck = np.clip(pose.lift / 10, 0, 1) * (pose.flap != 0)
        root = body + [length * (0.02 if side == "near" else 0.09), length * 0.1]
        knee = along(root, hop * 0.9 - 1.2 * tuck, length * 0.13 * (1 - 0.5 * pose.crouch))
        foot = along(knee, hop * 0.4 - 1.3 * tuck, length * 0.12 * (1 - 0.5 * pose.crouch))
        width = length * 0.026
        shapes += [
            Shape("leg", limb(root, knee, width, width), layer),
            Shape("leg", limb(knee, foot, width, width), layer),
            Shape("foot", limb(foot, foot + [length * 0.09, 0], width * 1.1, width), layer),
        ]
        points[f"{side} foot"] = foot
    tail = along(body, -np.pi / 2 - 0.1 + pitch * 0.4, half)
    end = along(tail, -np.pi / 2 - 0.2 + pitch * 0.3, length * 0.22)
    shapes.append(Shape("tail", limb(tail, end, length * 0.05, length * 0.085), 0.5, True))
    shapes.append(Shape("torso", oval(body, half * 1.1, length * 0.19, -pitch * 0.7, n=18), 1.0))
    neck = along(body, np.pi / 2 + 0.75 + pitch * 0.4 - pose.nod * 1.1, half * 1.15)
    shapes.append(Shape("torso", limb(body, neck, length * 0.13, length * 0.1), 1.1))
    tilt = pose.nod * 0.9
    shapes.append(Shape("head", oval(neck, r * 0.85, r * 0.82), 5.0))
    beak = np.array([[0.6, -0.35], [1.75, 0.15], [0.6, 0.5]]) * r
    shapes.append(Shape("beak", rigid(beak, neck, tilt), 5.1))
    shapes.append(
        Shape(
            "eye",
            oval(rigid(np.array([[0.28, -0.15]]) * r, neck, tilt)[:, 0], r * 0.17, r * 0.2, n=6),
            5.2,
        )
    )
    crest = np.array([[-0.75, -0.25], [-1.0, -1.25], [-0.2, -0.95], [0.1, -1.35], [0.4, -0.7]]) * r
    shapes.append(Shape("crest", rigid(crest, neck, tilt), 4.9))

    # A folded wing lies along the body; a flapping one turns about the shoulder.
    shoulder = body + [length * 0.1, -length * 0.05]
    raised = pose.flap * 1.0 + 1.8 * pose.paw
    spread = np.clip(np.abs(pose.flap) + pose.paw, 0, 1)
    for side, layer, dark in (("near", 3.0, True), ("far", -1.0, True)):
        swing = raised if side == "near" else pose.flap * 1.0
        wide = spread if side == "near" else np.clip(np.abs(pose.flap), 0, 1)
        direction = (
            -np.pi / 2 + 0.25 - 1.35 * swing * (flying > 0) - 1.2 * pose.paw * (side == "near")
        )
        span = length * (0.34 + 0.14 * wide)
        tip = along(shoulder, direction, span)
        middle = (shoulder + tip) / 2
        shapes.append(
            Shape("wing", limb(shoulder, middle, length * 0.085, length * 0.1), layer, dark)
        )
        shapes.append(Shape("wing", limb(middle, tip, length * 0.1, length * 0.03), layer, dark))
        if side == "near":
            points["wing"] = tip
    points |= {
        "head": neck,
        "back": body,
        "beak": rigid(np.array([[r * 1.2, r * 0.1]]), neck, tilt)[:, 0],
    }
    points["tail"] = (tail + end) / 2
    shapes.sort(key=lambda shape: shape.layer)
    return place(shapes, points, pose, base=length * 0.1)
