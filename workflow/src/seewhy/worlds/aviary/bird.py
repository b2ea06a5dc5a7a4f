"""A bird as polygons: outlines of its parts, and its key points.

Local coordinates have the bird's trunk around the origin, its head to the right: x forward, y down,
the trunk about 0.9 long. The body's axis, the head, the tail and the wings turn; the whole is
foreshortened, mirrored for a bird that faces left, and put on the image. What depends on a slot
(bill, tail) is drawn from outlines of its own, and its place from none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray
POSES = ("perching", "standing", "feeding", "flying", "clinging")
_OFTEN = (0.32, 0.18, 0.12, 0.20, 0.18)
# Axis of the trunk, degrees; who clings climbs up, climbs down or hangs.
_AXES = {
    "perching": ((-75, 0),),
    "standing": ((-42, 22),),
    "feeding": ((15, 52),),
    "flying": ((-55, 45),),
    "clinging": ((-112, -55), (48, 105), (150, 210)),
}
POINTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
"""CUB's names of key points."""

HEAD, RADIUS = np.array([0.36, -0.30]), 0.225  # the head's centre on the trunk, its radius


def smooth(points: list[tuple[float, float]] | Array, per: int = 5) -> Array:
    """Closed Catmull-Rom curve through `points` [n, 2]: [n * per, 2]."""
    p = np.asarray(points, float)
    t = (np.arange(per) / per)[:, None, None]
    a, b, c, d = np.roll(p, 1, 0), p, np.roll(p, -1, 0), np.roll(p, -2, 0)
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return curve.transpose(1, 0, 2).reshape(-1, 2)


def disk(x: float, y: float, radius: float, n: int = 24) -> Array:
    """Circle as a polygon: [n, 2]."""
    turn = np.arange(n) * (2 * np.pi / n)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)


def band(a: Array, b: Array, width_a: float, width_b: float) -> Array:
    """Quadrilateral from `a` to `b` of the given widths: [4, 2]."""
    along = b - a
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) / 2
    return np.stack([a + across * width_a, b + across * width_b, b - across * width_b,
                     a - across * width_a])  # fmt: skip


def turned(points: Array, angle: float, about: Array | float = 0.0) -> Array:
    """Turn points [..., 2] by `angle` radians about a point; positive lowers what is in front."""
    c, s = np.cos(angle), np.sin(angle)
    return (points - about) @ np.array([[c, s], [-s, c]]) + about


TRUNK = smooth(
    [(-0.46, -0.06), (-0.25, -0.22), (0.02, -0.31), (0.26, -0.34), (0.46, -0.22), (0.52, -0.02),
     (0.42, 0.18), (0.18, 0.30), (-0.10, 0.28), (-0.34, 0.13)]
)  # fmt: skip
BREAST = np.array([(0.13, -0.02), (0.75, -0.30), (0.75, 0.5), (0.13, 0.5)])
BELLY = np.array([(-0.7, 0.0), (0.14, -0.03), (0.14, 0.5), (-0.7, 0.5)])
SPOTS = [(0.22, 0.06), (0.33, 0.0), (0.44, -0.04), (0.2, 0.17), (0.31, 0.12), (0.42, 0.08),
         (0.27, 0.22)]  # fmt: skip
_STRIPES = np.linspace(-0.42, 0.30, 8)
STRIPES = [np.array([(x, -0.6), (x + 0.048, -0.6), (x + 0.10, 0.1), (x + 0.05, 0.1)])
           for x in _STRIPES]  # fmt: skip

# In the head's own coordinates, around its centre.
_ARC = np.linspace(np.radians(187), np.radians(350), 16)
CROWN = RADIUS * np.stack([np.cos(_ARC), np.sin(_ARC)], 1)
THROAT = np.array([(0.24, 0.055), (0.02, 0.075), (-0.05, 0.17), (-0.02, 0.30), (0.10, 0.37),
                   (0.26, 0.34), (0.36, 0.2)])  # fmt: skip
EYE = (0.085, -0.005)
BILLS = {  # of the same base, at the rim of the head
    "short": smooth([(-0.06, -0.085), (0.06, -0.06), (0.17, 0.035), (0.05, 0.085), (-0.06, 0.095)]),
    "long": np.array([(-0.06, -0.055), (0.2, -0.015), (0.46, 0.03), (0.2, 0.055), (-0.06, 0.07)]),
    "curved": smooth([(-0.06, -0.065), (0.14, -0.06), (0.3, 0.04), (0.36, 0.22), (0.27, 0.13),
                      (0.13, 0.05), (-0.06, 0.07)]),
    "thick": smooth([(-0.06, -0.13), (0.1, -0.145), (0.26, -0.07), (0.33, 0.1), (0.25, 0.075),
                     (0.1, 0.125), (-0.06, 0.12)]),
}  # fmt: skip
BILL_BASE = np.array([0.205, 0.03])

# From the root of the tail, at the trunk's end, which lies behind the origin.
TAILS = {
    "forked": np.array([(0.1, -0.09), (-0.2, -0.12), (-0.58, -0.23), (-0.56, -0.15), (-0.27, 0.0),
                        (-0.56, 0.15), (-0.58, 0.23), (-0.2, 0.12), (0.1, 0.09)]),
    "rounded": smooth([(0.1, -0.09), (-0.15, -0.12), (-0.36, -0.19), (-0.49, -0.12), (-0.52, 0.0),
                       (-0.49, 0.12), (-0.36, 0.19), (-0.15, 0.12), (0.1, 0.09)]),
}  # fmt: skip
TAIL_ROOT = np.array([-0.38, -0.01])

FOLDED = smooth([(0.24, -0.10), (0.05, -0.20), (-0.22, -0.15), (-0.50, -0.02), (-0.60, 0.07),
                 (-0.36, 0.08), (-0.08, 0.11), (0.16, 0.06)])  # fmt: skip
FOLDED_BARS = [np.array([(x, -0.3), (x + 0.075, -0.3), (x + 0.005, 0.2), (x - 0.07, 0.2)])
               for x in (0.06, -0.12)]  # fmt: skip
# A wing spread upwards from its root.
SPREAD = smooth([(0.16, 0.02), (0.17, -0.22), (0.06, -0.52), (-0.16, -0.84), (-0.24, -0.60),
                 (-0.33, -0.48), (-0.34, -0.26), (-0.27, 0.02)])  # fmt: skip
SPREAD_BARS = [np.array([(-0.6, y + 0.02), (0.4, y - 0.02), (0.4, y + 0.06), (-0.6, y + 0.10)])
               for y in (-0.24, -0.43)]  # fmt: skip
WING_ROOT = np.array([0.05, -0.12])


@dataclass(frozen=True)
class Body:
    """How a bird holds itself; angles in radians, positive lowers what is in front.

    Attributes:
        facing: +1 right, -1 left.
        axis: of the trunk. head: of the head, from the horizontal. tail: from the trunk's axis.
        wings: near and far wing of a flying bird, from straight up.
        turn: foreshortening, cos of the turn out of the picture.
        plump: height of the trunk, and `tail_length`, in shares of the usual.
        legs: length of the legs, in trunks.
        scale: pixels of a 1-pixel-high image: times its size gives pixels.
        where: place of the frame around it, in shares of the room that there is.
    """

    pose: str
    facing: int
    axis: float
    head: float
    tail: float
    wings: tuple[float, float]
    turn: float
    plump: float
    tail_length: float
    legs: float
    scale: float
    where: tuple[float, float]


@dataclass
class Outlines:
    """A bird on its image: part to polygons [n, 2] in pixels, key points, and its feet.

    `hold` is the angle of what the feet hold on to, radians, where the bird clings to something.

    `all` bounds whatever bill and tail it might have had: x, y of the least and the greatest.
    """

    parts: dict[str, list[Array]]
    points: dict[str, Array]
    feet: Array
    hold: float
    scale: float
    all: Array = field(repr=False)


def pose_bird(rng: np.random.Generator) -> Body:
    """Draw how a bird holds itself."""
    pose = POSES[int(rng.choice(len(POSES), p=_OFTEN))]
    axis = np.radians(rng.uniform(*_AXES[pose][int(rng.integers(len(_AXES[pose])))]))
    nod = np.radians(rng.uniform(10, 36) if pose == "feeding" else rng.uniform(-16, 16))
    head = nod + {"flying": 0.6, "clinging": 1.0}.get(pose, 0.0) * axis
    near = rng.uniform(-40, 25)
    return Body(
        pose=pose,
        facing=1 if rng.random() < 0.5 else -1,
        axis=axis,
        head=head,
        tail=np.radians(rng.uniform(-18, 22)),
        wings=(np.radians(near), np.radians(near + rng.uniform(12, 40))),
        turn=rng.uniform(0.84, 1.0),
        plump=rng.uniform(0.92, 1.1),
        tail_length=rng.uniform(0.88, 1.12),
        legs=rng.uniform(0.10, 0.16) if pose in ("perching", "clinging") else rng.uniform(0.2, 0.3),
        scale=rng.uniform(0.38, 0.50),
        where=(rng.random(), rng.random()),
    )


def outline(body: Body, values: dict[str, str], size: int) -> Outlines:
    """Put a bird on an image of `size` pixels a side, as large as its scale says or as fits.

    Its place does not depend on `values`: room is left for any bill and tail.
    """
    tall = np.array([1.0, body.plump])
    flying = body.pose == "flying"

    def on_trunk(points: Array) -> Array:
        return turned(points * tall, body.axis)

    neck = turned(HEAD * tall, body.axis)

    def on_head(points: Array) -> Array:
        return turned(np.asarray(points, float), body.head) + neck

    def on_tail(points: Array) -> Array:
        lengthened = points * np.array([body.tail_length, 1.0]) + TAIL_ROOT
        return turned(turned(lengthened, body.tail, TAIL_ROOT), body.axis)

    def on_wing(points: Array, side: int) -> Array:
        root = WING_ROOT + np.array([0.10, -0.04]) * side
        return turned(turned(points, body.wings[side]) + root, body.axis)

    eye = disk(*EYE, 0.042, 14)
    hips = [turned(np.array([x, 0.16]) * tall, body.axis) for x in (-0.10, 0.02)]
    legs, soles = [], []
    hold = body.axis if body.pose == "clinging" else 0.0
    for hip in hips:
        if flying:
            foot = hip + turned(np.array([-0.24, 0.12]), body.axis)
        elif body.pose == "clinging":
            foot = hip + turned(np.array([0.02, 0.16 + body.legs]), body.axis)
        else:
            foot = np.array([hip[0] + 0.02, hips[0][1] + 0.16 + body.legs])
        toes = turned(np.array([(-0.05, 0.0), (0.09, 0.01)]), hold) + foot
        legs.append([band(hip, foot, 0.045, 0.035), band(*toes, 0.035, 0.03)])
        soles.append(foot)
    bills = {shape: on_head(points + BILL_BASE) for shape, points in BILLS.items()}
    tails = {shape: on_tail(points) for shape, points in TAILS.items()}
    near = on_wing(SPREAD, 0) if flying else on_trunk(FOLDED)
    bars = [on_wing(b, 0) for b in SPREAD_BARS] if flying else [on_trunk(b) for b in FOLDED_BARS]
    parts = {
        "far wing": [on_wing(SPREAD, 1)] if flying else [],
        "far leg": legs[0],
        "leg": legs[1],
        "tail": [tails[values["tail_shape"]]],
        "trunk": [on_trunk(TRUNK)],
        "belly": [on_trunk(BELLY)],
        "breast": [on_trunk(BREAST)],
        "stripe": [on_trunk(stripe) for stripe in STRIPES],
        "spot": [on_trunk(disk(x, y, 0.036, 10)) for x, y in SPOTS],
        "head": [on_head(disk(0, 0, RADIUS))],
        "crown": [on_head(CROWN)],
        "throat": [on_head(THROAT)],
        "eye ring": [on_head(disk(*EYE, 0.098, 18))],
        "eye": [on_head(eye)],
        "glint": [on_head(disk(EYE[0] + 0.012, EYE[1] - 0.014, 0.016, 8))],
        "bill": [bills[values["bill_shape"]]],
        "wing": [near],
        "wing bar": bars,
    }
    points = _points(body, on_trunk, on_head, parts, tails, legs)

    extent = np.concatenate([
        *bills.values(), *tails.values(), near, *parts["far wing"], *parts["trunk"],
        *parts["head"], *legs[0], *legs[1],
    ])  # fmt: skip
    shape = np.array([body.turn * body.facing, 1.0])
    low, high = (extent * shape).min(0), (extent * shape).max(0)
    scale = min(body.scale * size, float((0.95 * size / (high - low)).min()))
    room = size - scale * (high - low)
    origin = np.array(body.where) * room - scale * low
    placed = {
        name: [polygon * shape * scale + origin for polygon in polygons]
        for name, polygons in parts.items()
    }
    return Outlines(
        placed,
        {name: point * shape * scale + origin for name, point in points.items()},
        np.mean(soles, 0) * shape * scale + origin,
        float(np.arctan2(np.sin(hold), np.cos(hold) * shape[0])),
        scale,
        np.stack([low, high]) * scale + origin,
    )


def _points(body, on_trunk, on_head, parts, tails, legs) -> dict[str, Array]:
    """Key points in local coordinates. A bird that faces right shows its right side."""
    near, far = ("right", "left") if body.facing > 0 else ("left", "right")
    bill, wing = parts["bill"][0], parts["wing"][0]
    eye = parts["eye"][0].mean(0)
    return {
        "back": on_trunk(np.array([-0.08, -0.235])),
        "beak": bill.mean(0),
        "belly": on_trunk(np.array([-0.06, 0.19])),
        "breast": on_trunk(np.array([0.33, 0.08])),
        "crown": on_head((0.0, -0.14)),
        "forehead": on_head((0.155, -0.10)),
        "nape": on_head((-0.19, 0.05)),
        "throat": on_head((0.13, 0.17)),
        "tail": np.mean([polygon.mean(0) for polygon in tails.values()], 0),
        f"{near} eye": eye,
        f"{far} eye": eye,
        f"{near} leg": legs[1][0].mean(0),
        f"{far} leg": legs[0][0].mean(0),
        f"{near} wing": wing.mean(0),
        f"{far} wing": (parts["far wing"][0] if parts["far wing"] else wing).mean(0),
    }
