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


def _complex(points: Array) -> Array:
    """[..., 2] as complex numbers x + iy: turning is then a product, many times quicker."""
    return np.ascontiguousarray(points, np.float64).view(np.complex128)[..., 0]


def _real(points: Array) -> Array:
    return np.ascontiguousarray(points)[..., None].view(np.float64)


def along(origin: Array, angle: Array | float, length: Array | float) -> Array:
    """Point at `length` from `origin` [T, 2] in the direction of `angle` (0 is down)."""
    step = 1j * np.exp(-1j * np.asarray(angle)) * length
    return _real(_complex(origin) + step)


_ROUND = np.exp(0.5j * np.pi * np.linspace(-1, 1, 5))


def limb(a: Array, b: Array, width_a: float, width_b: float) -> Array:
    """Capsule from `a` to `b` [T, 2] of the given half-widths: [T, 10, 2]."""
    start, end = _complex(a)[:, None], _complex(b)[:, None]
    direction = end - start
    direction = direction / np.maximum(np.abs(direction), 1e-6)
    cap = direction * _ROUND
    return _real(np.concatenate([end + width_b * cap, start - width_a * cap], 1))


def oval(
    centre: Array,
    rx: float,
    ry: float,
    angle: Array | float = 0.0,
    n: int = 14,
) -> Array:
    """Ellipse around `centre` [T, 2]: [T, n, 2]."""
    turn = np.arange(n) * (2 * np.pi / n)
    return rigid(np.stack([np.cos(turn) * rx, np.sin(turn) * ry], 1), centre, angle)


def rigid(points: Array, origin: Array, angle: Array | float = 0.0) -> Array:
    """Turn `points` [n, 2] by `angle` (clockwise: y points down), move them to `origin` [T, 2]."""
    turn = np.exp(1j * np.asarray(angle))
    return _real(_complex(origin)[:, None] + _complex(points) * turn[..., None])


def rotate(points: Array, angle: Array) -> Array:
    """Rotate [..., 2] points clockwise (y points down)."""
    return _real(_complex(points) * np.exp(1j * np.asarray(angle)))


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
    counts = [shape.points.shape[1] for shape in shapes]
    local = np.concatenate([*(s.points for s in shapes), *(p[:, None] for p in points.values())], 1)
    placed = rotate(local, pose.roll[:, None])
    placed[..., 0] *= (pose.stretch * pose.facing)[:, None]
    low = placed[:, : sum(counts), 1].max(1) if pose.grounded else base
    origin = np.stack([pose.x, pose.y - pose.lift - low], -1)
    placed += origin[:, None]
    pieces = np.split(placed, np.cumsum(counts), 1)
    outlines = [
        Shape(shape.part, piece, shape.layer, shape.dark)
        for shape, piece in zip(shapes, pieces, strict=False)
    ]
    joints = {name: pieces[-1][:, k] for k, name in enumerate(points)}
    return Body(outlines, joints, pose.y, origin, pose.shown)
