"""People (and a robot): bodies of a head, hair, a torso, arms and legs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.worlds.puppets.shapes import Body, Pose, Shape, along, limb, oval, place, rigid

# Parts of a person's height: radius of the head, length of torso, of leg and of arm, half-width.
_CHILD = {"head": 0.185, "torso": 0.29, "leg": 0.30, "arm": 0.28, "width": 0.165, "limb": 0.058}
_ADULT = {"head": 0.15, "torso": 0.32, "leg": 0.37, "arm": 0.34, "width": 0.165, "limb": 0.056}


@dataclass(frozen=True)
class _Frame:
    hip: np.ndarray
    neck: np.ndarray
    head: np.ndarray
    tilt: np.ndarray
    radius: float


def person(kind: str, height: float, pose: Pose) -> Body:
    """A person of class `kind`, `height` pixels tall when upright."""
    build = _CHILD if kind in ("girl", "boy") else _ADULT
    if kind == "robot":
        build = _ADULT | {"width": 0.19}
    head, torso, leg, arm, width, thick = (height * build[k] for k in build)
    frames = len(pose.x)
    hip = np.zeros((frames, 2))
    neck = along(hip, np.pi - pose.lean, torso)
    tilt = pose.lean + pose.nod
    centre = along(neck, np.pi - tilt, head * 0.82)
    shapes: list[Shape] = []
    points = {"hip": hip, "neck": neck, "head": centre}

    for side, sign, layer in (("near", 1.0, 2.0), ("far", -1.0, -2.0)):
        root, knee, foot = _leg(pose, hip, leg, width, sign)
        toe = foot + np.stack([_toe(pose, sign) * height * 0.055, np.full(frames, -0.3)], -1)
        dark = side == "far" and not pose.front
        shapes += [
            Shape("leg", limb(root, knee, thick * 1.25, thick * 1.1), layer, dark),
            Shape("leg", limb(knee, foot, thick * 1.1, thick * 0.95), layer, dark),
            Shape("foot", limb(foot, toe, thick * 0.95, thick * 0.85), layer + 0.1, dark),
        ]
        points |= {f"{side} knee": knee, f"{side} foot": foot}
        shoulder, elbow, hand = _arm(pose, neck, arm, width, sign)
        layer = 4.0 if side == "near" or pose.front else -3.0
        shapes += [
            Shape("arm", limb(shoulder, elbow, thick * 1.0, thick * 0.9), layer, dark),
            Shape("arm", limb(elbow, hand, thick * 0.9, thick * 0.8), layer, dark),
            Shape("hand", oval(hand, thick * 1.05, thick * 1.05, n=8), layer + 0.1, dark),
        ]
        points |= {f"{side} shoulder": shoulder, f"{side} elbow": elbow, f"{side} hand": hand}

    trunk = limb(hip + [0, -thick * 0.6], neck + [0, width * 0.45], width * 0.86, width * 0.9)
    shapes.append(Shape("torso", trunk, 1.0 if kind in ("woman", "girl") else 3.0))
    if kind in ("woman", "girl"):
        shapes.append(Shape("torso", _skirt(hip, points, pose, leg, width, thick), 3.0))
        shapes.append(Shape("torso", trunk, 3.1))
    frame = _Frame(hip, neck, centre, tilt, head)
    shapes += _head(kind, frame, pose)
    shapes.sort(key=lambda shape: shape.layer)
    return place(shapes, points, pose)  # not grounded: (x, y) is the hip


def _toe(pose: Pose, sign: float) -> np.ndarray:
    return np.full(len(pose.x), 0.5 * sign if pose.front else 1.0)


def _leg(pose: Pose, hip: np.ndarray, length: float, width: float, sign: float):
    """Hip joint, knee and foot [T, 2] of one leg."""
    phase = pose.phase + (0.0 if sign > 0 else np.pi)
    half = length / 2
    if pose.front:
        # Seen from the front a lifted or bent leg is a shorter one.
        raised = pose.stride * np.maximum(0.0, np.cos(phase)) * 0.5
        scale = 1.0 - np.clip(raised + 0.45 * pose.crouch + 0.5 * pose.sit, 0, 0.75)
        spread = sign * (0.06 + pose.splay)
        root = hip + [sign * width * 0.5, 0.0]
        knee = along(root, spread, half * scale)
        return root, knee, along(knee, spread * 0.6, half * scale)
    thigh = (
        pose.stride * np.sin(phase) + 1.15 * pose.sit + pose.paw * (sign > 0) + 0.8 * pose.crouch
    )
    knee_bend = 0.06 + pose.stride * np.maximum(0.0, np.cos(phase)) * 1.1
    knee_bend = knee_bend + 1.15 * pose.sit + 1.5 * pose.crouch + 1.5 * pose.kneel
    root = hip + [sign * width * 0.12, 0.0]
    knee = along(root, thigh, half)
    return root, knee, along(knee, thigh - knee_bend, half)


def _arm(pose: Pose, neck: np.ndarray, length: float, width: float, sign: float):
    """Shoulder, elbow and hand [T, 2] of one arm."""
    phase = pose.phase + (np.pi if sign > 0 else 0.0)
    column = 0 if sign > 0 else 2
    upper, elbow = pose.arms[:, column], pose.arms[:, column + 1]
    down = np.array([0.0, width * 0.35])
    if pose.front:
        shoulder = neck + down + [sign * width * 0.86, 0.0]
        angle = 0.28 + upper + 0.15 * pose.stride * np.sin(phase)
        joint = along(shoulder, sign * angle, length / 2)
        return shoulder, joint, along(joint, sign * (angle + elbow), length / 2)
    shoulder = neck + down + [sign * width * -0.3, 0.0]
    angle = pose.lean * -0.3 + 0.9 * pose.stride * np.sin(phase) + upper - 0.22 * sign
    joint = along(shoulder, angle, length / 2)
    return shoulder, joint, along(joint, angle + elbow + 0.15, length / 2)


def _skirt(hip, points, pose: Pose, leg: float, width: float, thick: float) -> np.ndarray:
    """Hem between the knees, waist at the hip: [T, 6, 2]."""
    waist = hip + [0.0, -leg * 0.25]
    knees = np.stack([points["near knee"], points["far knee"]])
    left, right = knees[..., 0].min(0), knees[..., 0].max(0)
    hem = knees[..., 1].max(0) * 0.95 + thick * 0.5
    flare = width * 0.62
    return np.stack(
        [
            waist + [-width * 0.8, 0.0],
            waist + [width * 0.8, 0.0],
            np.stack([right + flare, hem - thick * 0.5], -1),
            np.stack([right + flare * 0.7, hem], -1),
            np.stack([left - flare * 0.7, hem], -1),
            np.stack([left - flare, hem - thick * 0.5], -1),
        ],
        1,
    )


def _head(kind: str, frame: _Frame, pose: Pose) -> list[Shape]:
    """Head, face and what grows or sits on the head."""
    centre, r, tilt = frame.head, frame.radius, frame.tilt
    ahead = 0.0 if pose.front else 1.0

    def spot(x: float, y: float) -> np.ndarray:
        return rigid(np.array([[x * r, y * r]]), centre, tilt)[:, 0]

    def patch(*corners: tuple[float, float]) -> np.ndarray:
        return rigid(np.array(corners) * r, centre, tilt)

    if kind == "robot":
        box = patch((-0.95, -0.85), (0.95, -0.85), (0.95, 0.85), (-0.95, 0.85))
        shapes = [
            Shape("antenna", limb(spot(0, -0.8), spot(0, -1.5), r * 0.1, r * 0.1), 5.0),
            Shape("antenna", oval(spot(0, -1.6), r * 0.25, r * 0.25, n=8), 5.0),
            Shape("head", box, 5.1),
            Shape("mouth", patch((-0.5, 0.35), (0.6, 0.35), (0.6, 0.6), (-0.5, 0.6)), 5.2),
        ]
        eyes = [(-0.4, -0.2), (0.4, -0.2)] if pose.front else [(0.1, -0.2), (0.65, -0.2)]
        shapes += [Shape("eye", oval(spot(*e), r * 0.24, r * 0.24, n=8), 5.3) for e in eyes]
        return shapes

    shapes = [Shape("head", oval(centre, r * 0.95, r, tilt), 5.0)]
    if not pose.front:
        shapes.append(Shape("head", oval(spot(0.95, 0.2), r * 0.22, r * 0.2, n=8), 5.0))
    eyes = [(-0.38, 0.02), (0.38, 0.02)] if pose.front else [(0.5, 0.0)]
    shapes += [Shape("eye", oval(spot(*e), r * 0.14, r * 0.2, n=6), 5.3) for e in eyes]
    smile = (-0.3, 0.3) if pose.front else (0.35, 0.85)
    shapes.append(
        Shape(
            "mouth",
            patch((smile[0], 0.5), (smile[1], 0.45), (smile[1], 0.62), (smile[0], 0.66)),
            5.3,
        )
    )
    back = -0.35 * ahead  # hair lies behind the face
    if kind == "man":
        top = patch(
            (-1.02, -0.05 + 0.25 * ahead), (-1.0, -0.6), (-0.5, -1.08), (0.3, -1.12), (0.9, -0.7),
            (0.98, -0.3), (0.5, -0.5), (-0.3 + back, -0.45), (-0.62 + back * 0.5, 0.1 * ahead),
        )  # fmt: skip
        shapes.append(Shape("hair", top, 5.2))
    elif kind == "woman":
        long = patch(
            (-1.05, -0.5), (-0.5, -1.1), (0.5, -1.1), (1.02, -0.5), (1.1 - 1.0 * ahead, 0.4),
            (1.25 - 1.4 * ahead, 1.5), (0.4 - 0.9 * ahead, 1.6), (-1.3, 1.6), (-1.3, 0.6),
        )  # fmt: skip
        shapes.append(Shape("hair", long, 4.9))
        fringe = patch(
            (-1.05, 0.3), (-1.05, -0.5), (-0.5, -1.12), (0.5, -1.12), (1.02, -0.45), (0.6, -0.4),
            (-0.1 + back, -0.55), (-0.6 + back * 0.4, 0.3),
        )  # fmt: skip
        shapes.append(Shape("hair", fringe, 5.2))
    elif kind == "girl":
        tails = [(-1.25, 0.25), (1.25, 0.25)] if pose.front else [(-1.2, 0.3)]
        for x, y in tails:
            shapes.append(Shape("hair", oval(spot(x, y), r * 0.38, r * 0.62), 4.9))
            shapes.append(
                Shape("ribbon", oval(spot(x * 0.83, y - 0.55), r * 0.3, r * 0.24, n=8), 5.4)
            )
        fringe = patch(
            (-1.0, 0.1), (-1.0, -0.5), (-0.5, -1.08), (0.5, -1.08), (1.0, -0.45), (0.7, -0.3),
            (0.0, -0.5), (-0.6 + back * 0.5, -0.2),
        )  # fmt: skip
        shapes.append(Shape("hair", fringe, 5.2))
    else:  # boy: a cap with its peak forward
        dome = patch(
            (-1.05, -0.25),
            (-0.95, -0.75),
            (-0.4, -1.15),
            (0.4, -1.15),
            (0.95, -0.75),
            (1.05, -0.25),
        )
        peak = (
            patch((-0.8, -0.35), (0.8, -0.35), (0.6, -0.05), (-0.6, -0.05))
            if pose.front
            else patch((0.3, -0.45), (1.75, -0.4), (1.75, -0.18), (0.3, -0.2))
        )
        shapes += [Shape("hat", dome, 5.2), Shape("hat", peak, 5.4)]
        if not pose.front:
            shapes.append(
                Shape("hair", patch((-1.0, -0.3), (-0.5, -0.3), (-0.6, 0.3), (-0.95, 0.3)), 5.1)
            )
    return shapes
