"""From a plan to figures that can be drawn: bodies moved over time, and their paints."""

from __future__ import annotations

import numpy as np

from seewhy.worlds.puppets import animals, people, things
from seewhy.worlds.puppets.draw import Figure, Paint
from seewhy.worlds.puppets.gestures import BOUNCE_PERIOD, KICK_PERIOD, THROW_RELEASE
from seewhy.worlds.puppets.motion import move
from seewhy.worlds.puppets.plan import Act, Member, Plan
from seewhy.worlds.puppets.setting import Setting
from seewhy.worlds.puppets.shapes import Body, Pose
from seewhy.worlds.puppets.vocabulary import COLOURS, PEOPLE, QUADRUPEDS, SKINS

Array = np.ndarray
_HUMAN = (*PEOPLE, "robot")


def build_figures(plan: Plan) -> tuple[list[Figure], dict[int, Pose]]:
    """Everything in the clip, ready to be drawn, and the pose of each moving member by number."""
    figures: list[Figure] = []
    poses: dict[int, Pose] = {}
    bodies: dict[int, Body] = {}
    for member in plan.cast:
        if member.role == "object" and not member.acts:
            continue
        mount = plan.member(member.object) if member.action == "ride" and member.object else None
        if mount is not None and member.role == "actor":
            poses[mount.instance], bodies[mount.instance] = _mount(plan, member, mount)
            poses[member.instance], bodies[member.instance] = _rider(
                member, poses[mount.instance], bodies[mount.instance], mount.kind
            )
        elif member.instance not in poses:
            pose = member_pose(plan, member)
            poses[member.instance] = pose
            bodies[member.instance] = body_of(member.kind, member.size, pose)
    for member in plan.cast:
        if member.role == "object" and not member.acts:
            holder = plan.member(member.holder)
            nth = member.instance - holder.instance - 1
            bodies[member.instance] = held_object(
                member, holder, poses[holder.instance], bodies[holder.instance], nth
            )
    for member in plan.cast:
        body = bodies[member.instance]
        swims = member.action == "swim"
        figures.append(
            Figure(
                member.instance, member.kind, body, paints_of(member),
                upright_stripes=member.kind not in _HUMAN,
                waterline=poses[member.instance].y if swims else None,
                group=member.holder or member.instance,
            )
        )  # fmt: skip
    return figures, poses


def setting_of(plan: Plan, member: Member, act: Act, x: float) -> Setting:
    """The setting of one act, in the frames that are its share."""
    return Setting(
        frames=act.last - act.first, start=act.start - act.first, end=act.end - act.first,
        zone=member.zone, ground=member.ground, frame_left=plan.view[act.first : act.last, 0],
        x=x, direction=act.direction, backing=act.backing, front=member.front, vigour=act.vigour,
        beat=act.beat, altitude=act.altitude, lead=act.lead, at_rest=len(member.acts) == 1,
    )  # fmt: skip


def member_pose(plan: Plan, member: Member) -> Pose:
    """A member's pose over the whole clip: its acts, one after the other from where it was."""
    parts: list[Pose] = []
    x = member.x
    for act in member.acts:
        pose = move(act.action, member.kind, member.size, setting_of(plan, member, act, x))
        parts.append(pose)
        if act.action not in ("leave",):
            x = float(pose.x[-1])
    if len(parts) == 1:
        return parts[0]
    joined = {}
    for name, value in vars(parts[0]).items():
        same = name in ("front", "grounded")
        joined[name] = value if same else np.concatenate([vars(part)[name] for part in parts])
    return Pose(**joined)


def body_of(kind: str, size: float, pose: Pose) -> Body:
    """The body of a class in a pose."""
    if kind in _HUMAN:
        return people.person(kind, size, pose)
    if kind in (*QUADRUPEDS, "elephant"):
        return animals.quadruped(kind, size, pose)
    if kind == "bird":
        return animals.bird(size, pose)
    return things.car(size, pose) if kind == "car" else things.motorcycle(size, pose)


def _mount(plan: Plan, rider: Member, mount: Member) -> tuple[Pose, Body]:
    pose = move("ride", mount.kind, mount.size, setting_of(plan, rider, rider.acts[0], rider.x))
    return pose, body_of(mount.kind, mount.size, pose)


def _rider(rider: Member, pose: Pose, mount: Body, kind: str) -> tuple[Pose, Body]:
    seat = mount.points["back"]
    arms = np.zeros((len(pose.x), 4))
    arms[:, 0] = arms[:, 2] = 1.0 if kind == "motorcycle" else 0.75
    arms[:, 1] = arms[:, 3] = 0.35 if kind == "motorcycle" else 0.7
    sitting = Pose(
        x=seat[:, 0], y=seat[:, 1] - rider.size * 0.05, facing=pose.facing, grounded=False,
        sit=0.75, lean=0.3 if kind == "motorcycle" else 0.1, arms=arms,
    )  # fmt: skip
    body = people.person(rider.kind, rider.size, sitting)
    for shape in body.shapes:  # one leg behind the mount, all else before it
        shape.layer += -20 if shape.layer < -1.5 and shape.part in ("leg", "foot") else 20
    body.depth = mount.depth
    return sitting, body


def held_object(member: Member, holder: Member, pose: Pose, body: Body, nth: int) -> Body:
    """An object where the action of its holder puts it."""
    act = holder.acts[0]
    frames = len(pose.x)
    t = np.arange(frames, dtype=float)
    on = (t >= act.start) & (t < act.end)
    facing, ground = pose.facing, pose.y
    angle = np.zeros(frames)
    unit = 0.0
    if act.action in ("eat", "drink") and holder.kind not in _HUMAN:
        nose = body.points["nose" if "nose" in body.points else "beak"]
        middle = len(t) // 2
        x = nose[middle, 0] + 1.5 * facing[middle]
        y = ground - things.ground_offset(member.kind) + 1
        centre = np.stack([np.full(frames, x), y], 1)
    elif act.action in ("eat", "drink"):
        centre = body.points["near hand"] + np.stack([facing * 1.5, np.full(frames, -1.5)], 1)
        if act.action == "drink":
            raised = np.clip((pose.arms[:, 0] - 0.4) / 0.75, 0, 1)
            angle = -1.15 * raised
    elif act.action == "play":
        centre = 0.62 * body.points["hip"] + 0.38 * body.points["neck"]
        angle = np.full(frames, -0.42)
        facing = np.ones(frames)
        unit = holder.size * 0.36
    elif act.action == "sit":
        hip = body.points["hip"]
        unit = float(np.clip((ground - hip[:, 1]).mean() / 0.75, 6, 16))
        centre = hip + np.stack([facing * 0.5, np.full(frames, 1.5)], 1)
    elif act.action == "push":
        half = 7.0
        ahead = holder.size * (0.36 if holder.kind in _HUMAN else 0.5) + half + 0.5
        centre = np.stack([pose.x + facing * ahead, ground - things.ground_offset("box")], 1)
    elif act.action == "juggle":
        turn = 2 * np.pi * (t / 9 + nth / 3)
        middle = body.points["neck"]
        top = holder.size * 0.62
        centre = middle + np.stack(
            [np.cos(turn) * holder.size * 0.4, -np.abs(np.sin(turn / 2)) * top + 2], 1
        )
    else:
        centre = _ball(act, holder, pose, body, t, on)
    return things.thing(member.kind, centre, angle, facing, pose.y, pose.shown, unit)


def _ball(act: Act, holder: Member, pose: Pose, body: Body, t: Array, on: Array) -> Array:
    """Path [T, 2] of a ball that is kicked, thrown or bounced."""
    radius = things.ground_offset("ball")
    facing = pose.facing[0]
    floor = pose.y - radius
    if act.action == "kick":
        since = t - act.start - 5
        last = np.floor((act.end - 1 - act.start - 5) / KICK_PERIOD)
        q = np.where(
            (since >= 0) & (np.floor(since / KICK_PERIOD) <= last),
            (since % KICK_PERIOD) / KICK_PERIOD,
            0,
        )
        reach = holder.size * (0.3 if holder.kind in _HUMAN else 0.55)
        away = 24 * np.sin(np.pi * q)
        hop = 9 * np.abs(np.sin(2 * np.pi * q)) * (q > 0)
        return np.stack([pose.x + facing * (reach + away), floor - hop], 1)
    if act.action == "throw":
        hand = body.points["near hand"] + [0, -2.0]
        release = min(act.start + THROW_RELEASE, len(t) - 1)
        since = np.maximum(t - release, 0)
        x0, y0 = hand[release]
        drop = floor[release] - y0
        flight = 10.0  # frames until it lands
        rise = 22 * 4 * (since / flight) * (1 - since / flight) * 0.5
        y = y0 + drop * (since / flight) - rise
        after = np.clip((since - flight) / 6, 0, 1)
        y = np.where(since > flight, floor[release] - 5 * 4 * after * (1 - after), y)
        x = x0 + facing * (3.0 * np.minimum(since, flight) + 1.2 * np.clip(since - flight, 0, 8))
        return np.where((t <= release)[:, None], hand, np.stack([x, y], 1))
    beat = ((t - act.start) % BOUNCE_PERIOD) / BOUNCE_PERIOD
    if holder.kind == "dog":
        nose = body.points["nose"]
        up = 17 * 4 * beat * (1 - beat) * on
        return np.stack([nose[:, 0], nose[:, 1].min() - radius + 1 - up], 1)
    hand = body.points["near hand"]
    top = hand[:, 1].min() + radius + 2
    # Down and up once a period, fastest at the floor.
    fall = 1 - (2 * np.abs(beat - 0.5)) ** 2
    y = top + (floor - top) * np.where(on, fall, 0.0)
    return np.stack([np.full(len(t), hand[:, 0].mean() + facing * 1.0), y], 1)


_HAIRS = {
    "black": (45, 35, 35),
    "brown": (105, 65, 35),
    "yellow": (235, 195, 95),
    "orange": (200, 95, 40),
}
_TROUSERS = {
    "blue": (60, 75, 125),
    "grey": (95, 95, 105),
    "brown": (110, 85, 65),
    "black": (45, 45, 55),
}


def second_colour(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """The colour of the stripes or dots on `rgb`: lighter on dark, darker on light."""
    luminance = 0.3 * rgb[0] + 0.6 * rgb[1] + 0.1 * rgb[2]
    if luminance > 140:
        return tuple(int(v * 0.45) for v in rgb)  # type: ignore[return-value]
    return tuple(int(v + 0.72 * (255 - v)) for v in rgb)  # type: ignore[return-value]


def _plain(colour: str, rgb: tuple[int, int, int] | None = None, by: float = 1.0) -> Paint:
    rgb = rgb or COLOURS[colour]
    rgb = tuple(int(np.clip(v * by, 0, 255)) for v in rgb)  # type: ignore[assignment]
    return Paint(colour, rgb, rgb)


def paints_of(member: Member) -> dict[str, Paint]:
    """The paint of each part of a member."""
    rng = np.random.default_rng(member.look)
    kind, colour = member.kind, member.colour
    shift = rng.integers(-12, 13, 3)
    rgb = tuple(int(v) for v in np.clip(np.array(COLOURS[colour]) + shift, 0, 255))
    main = Paint(colour, rgb, second_colour(rgb), member.texture)
    plain, shaded = _plain(colour, rgb), _plain(colour, rgb, 0.8)
    black, white = _plain("black"), _plain("white")
    if kind in PEOPLE:
        skin = _plain("skin", SKINS[rng.integers(len(SKINS))])
        name = str(rng.choice(list(_HAIRS)))
        hair = _plain(name, _HAIRS[name])
        name = str(rng.choice(list(_TROUSERS)))
        bare = kind in ("woman", "girl")
        legs = skin if bare else _plain(name, _TROUSERS[name])
        hat = str(rng.choice([c for c in ("red", "blue", "green", "orange") if c != colour]))
        return {
            "head": skin, "hand": skin, "leg": legs, "torso": main, "arm": shaded, "hair": hair,
            "foot": _plain("black", (50, 40, 40)), "eye": _plain("black", (25, 20, 25)),
            "mouth": _plain("red", (190, 70, 70)), "hat": _plain(hat),
            "ribbon": _plain(str(rng.choice(["red", "pink", "purple", "blue"]))),
        }  # fmt: skip
    if kind == "robot":
        lamp = _plain("yellow", (250, 225, 80))
        return {
            "head": plain,
            "hand": shaded,
            "leg": _plain(colour, rgb, 0.68),
            "torso": main,
            "arm": shaded,
            "foot": black,
            "eye": lamp,
            "mouth": black,
            "antenna": _plain("red"),
        }
    if kind in (*QUADRUPEDS, "elephant"):
        dark = _plain("black", (35, 30, 30))
        mane = (
            _plain("black", (50, 38, 32)) if colour != "black" else _plain("grey", (130, 120, 115))
        )
        eye = dark if sum(rgb) > 200 else white
        return {
            "torso": main,
            "leg": plain,
            "head": plain,
            "muzzle": _plain(colour, rgb, 1.12),
            "ear": shaded,
            "eye": eye,
            "nose": dark if sum(rgb) > 200 else _plain("grey"),
            "foot": _plain(colour, rgb, 0.75),
            "tail": mane if kind == "horse" else plain,
            "mane": mane,
            "trunk": plain,
            "tusk": white,
        }
    if kind == "bird":
        orange = _plain("orange", (240, 150, 40))
        return {
            "torso": main,
            "head": plain,
            "wing": plain,
            "tail": plain,
            "beak": orange,
            "leg": orange,
            "foot": orange,
            "eye": black if sum(rgb) > 200 else white,
            "crest": shaded,
        }
    if kind in ("car", "motorcycle"):
        steel = _plain("grey", (165, 168, 175))
        return {
            "body": main,
            "window": _plain("blue", (190, 225, 245)),
            "light": _plain("yellow", (255, 235, 130)),
            "wheel": _plain("black", (35, 35, 38)),
            "rim": steel,
            "bumper": _plain("grey", (90, 92, 98)),
            "fork": steel,
            "engine": _plain("grey", (100, 100, 106)),
            "seat": black,
            "handlebar": steel,
            "exhaust": steel,
        }
    return _object_paints(kind, plain, shaded)


def _object_paints(kind: str, plain: Paint, shaded: Paint) -> dict[str, Paint]:
    white, black = _plain("white"), _plain("black")
    return {
        "ball": {"ball": plain, "mark": white if plain.colour != "white" else _plain("black")},
        "apple": {"fruit": plain, "stalk": _plain("brown"), "leaf": _plain("green")},
        "banana": {"fruit": plain},
        "pizza": {
            "crust": _plain("brown", (190, 130, 70)),
            "cheese": _plain("yellow"),
            "topping": _plain("red"),
        },
        "bowl": {"bowl": plain, "food": _plain("brown", (110, 65, 35))},
        "cup": {"cup": plain, "handle": shaded, "drink": _plain("brown", (95, 55, 30))},
        "bucket": {"bucket": plain, "drink": _plain("blue", (150, 205, 240))},
        "guitar": {"body": plain, "neck": _plain("brown", (75, 50, 35)), "hole": black},
        "chair": {"seat": plain, "back": plain, "leg": shaded},
        "box": {"box": _plain("brown", (190, 145, 95)), "tape": _plain("yellow", (230, 205, 150))},
    }[kind]
