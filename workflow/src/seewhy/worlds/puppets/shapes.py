"""Outlines that move: polygons over time, and the placing of a body in the frame.

Local coordinates: x forward, y down, in pixels of a 64-pixel frame; angles in radians, for a limb 0
hanging down and positive forward. Everything is vectorised over the T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


@dataclass
class Shape:
    """A part's outline: `points` [T, n, 2]; a higher `layer` is drawn later within its thing.

    What lies on the far side of a body is `dark`: the same colour in the shade.
    """

    part: str
    points: Array
    layer: float = 0.0
    dark: bool = False


@dataclass
class Pose:
    """What a body does, one value a frame; every body reads the entries that it has limbs for.

    Attributes:
        x, y: where it stands, pixels of the canvas; `lift` pixels above that.
        facing: +1 right, -1 left.
        front: the body is seen from the front (people).
        grounded: the lowest point is put on the ground (not for swimmers and riders).
        roll: rotation of the whole body, positive falls forward.
        stretch: horizontal scale, cos of the turn of a spinning body.
        stride, phase: amplitude and phase of the gait.
        lean, nod: bend of the trunk (animals: rearing) and of the head, positive forward/down.
        crouch, sit, kneel: 0 to 1 (kneel: shins flat on the ground).
        arms: upper arm and elbow of the near arm, then of the far arm, added to the swing [T, 4].
        paw: raising of a front leg (animals) or a wing (birds).
        flap: angle of the wings; wheel: angle of the wheels.
        splay: front view only, legs apart.
    """

    x: Array
    y: Array
    facing: Array
    front: bool = False
    grounded: bool = True
    lift: Array = field(default=0.0)  # type: ignore[assignment]
    roll: Array = field(default=0.0)  # type: ignore[assignment]
    stretch: Array = field(default=1.0)  # type: ignore[assignment]
    stride: Array = field(default=0.0)  # type: ignore[assignment]
    phase: Array = field(default=0.0)  # type: ignore[assignment]
    lean: Array = field(default=0.0)  # type: ignore[assignment]
    nod: Array = field(default=0.0)  # type: ignore[assignment]
    crouch: Array = field(default=0.0)  # type: ignore[assignment]
    sit: Array = field(default=0.0)  # type: ignore[assignment]
    kneel: Array = field(default=0.0)  # type: ignore[assignment]
    arms: Array = field(default=None)  # type: ignore[assignment]
    paw: Array = field(default=0.0)  # type: ignore[assignment]
    flap: Array = field(default=0.0)  # type: ignore[assignment]
    wheel: Array = field(default=0.0)  # type: ignore[assignment]
    splay: Array = field(default=0.0)  # type: ignore[assignment]
    shown: Array = field(default=True)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        frames = len(self.x)
        if self.arms is None:
            self.arms = np.zeros((frames, 4))
        for name, value in vars(self).items():
            if name not in ("front", "grounded", "arms"):
                dtype = bool if name == "shown" else float
                setattr(self, name, np.broadcast_to(np.asarray(value, dtype), (frames,)))

    def backwards(self) -> Pose:
        """The same motion played backwards."""
        flipped = {
            name: value if name in ("front", "grounded") else value[::-1]
            for name, value in vars(self).items()
        }
        return Pose(**flipped)


@dataclass
class Body:
    """A drawn thing: its shapes and key points, placed on the canvas.

    Attributes:
        shapes: outlines in drawing order, canvas pixels.
        points: key point name to [T, 2], canvas pixels.
        depth: [T] y of its ground; things with a larger one are drawn later.
        anchor: [T, 2] where its pattern is fixed.
        shown: [T] whether it is there.
    """

    shapes: list[Shape]
    points: dict[str, Array]
    depth: Array
    anchor: Array
    shown: Array


def along(origin: Array, angle: Array | float, length: Array | float) -> Array:
    """Point at `length` from `origin` [T, 2] in the direction of `angle` (0 is down)."""
    angle = np.asarray(angle)
    return origin + np.stack([np.sin(angle) * length, np.cos(angle) * length], -1)


def limb(a: Array, b: Array, width_a: float, width_b: float) -> Array:
    """Capsule from `a` to `b` [T, 2] of the given half-widths: [T, 10, 2]."""
    direction = b - a
    direction = direction / np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-6)
    normal = np.stack([-direction[..., 1], direction[..., 0]], -1)
    turns = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * np.pi / 2
    ends = []
    for end, width, sign in ((b, width_b, 1.0), (a, width_a, -1.0)):
        for turn in turns:
            ends.append(end + sign * width * (np.cos(turn) * direction + np.sin(turn) * normal))
    return np.stack(ends, 1)


def oval(
    centre: Array,
    rx: Array | float,
    ry: Array | float,
    angle: Array | float = 0.0,
    n: int = 14,
    arc: tuple[float, float] = (0.0, 2 * np.pi),
) -> Array:
    """Ellipse (or its `arc`, closed by the chord) around `centre` [T, 2]: [T, n, 2]."""
    turn = np.linspace(*arc, n, endpoint=arc != (0.0, 2 * np.pi))
    local = np.stack([np.cos(turn), np.sin(turn)], -1)
    scale = np.stack(np.broadcast_arrays(rx, ry), -1)
    scaled = local * (scale[..., None, :] if scale.ndim > 1 else scale)
    return rigid(scaled, centre, angle)


def rigid(points: Array, origin: Array, angle: Array | float = 0.0) -> Array:
    """Turn `points` [n, 2] or [T, n, 2] by `angle` and move them to `origin` [T, 2]: [T, n, 2]."""
    turned = rotate(np.asarray(points, float), np.asarray(angle, float)[..., None])
    return origin[:, None] + turned


def rotate(points: Array, angle: Array) -> Array:
    """Rotate [..., 2] points clockwise (y points down)."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], -1)


def place(
    shapes: list[Shape], points: dict[str, Array], pose: Pose, base: Array | float = 0.0
) -> Body:
    """Put a body on the canvas: roll, stretch and face it, set it on the ground, move it.

    Args:
        shapes: local outlines.
        points: local key points.
        pose: where and how.
        base: local y that is at the ground where the pose is not `grounded`.
    """
    roll = pose.roll[:, None]
    flip = (pose.stretch * pose.facing)[:, None]

    def turn(local: Array) -> Array:
        turned = rotate(local, roll)
        return np.stack([turned[..., 0] * flip, turned[..., 1]], -1)

    placed = [Shape(s.part, turn(s.points), s.layer, s.dark) for s in shapes]
    joints = {name: turn(point[:, None])[:, 0] for name, point in points.items()}
    if pose.grounded:
        low = np.max([s.points[..., 1].max(1) for s in placed], axis=0)
    else:
        low = np.broadcast_to(np.asarray(base, float), pose.x.shape)
    origin = np.stack([pose.x, pose.y - pose.lift - low], -1)
    for shape in placed:
        shape.points = shape.points + origin[:, None]
    joints = {name: joint + origin for name, joint in joints.items()}
    return Body(placed, joints, pose.y, origin, pose.shown)
