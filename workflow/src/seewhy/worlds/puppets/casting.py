"""Filling a clip: camera, actors, what they act on, and who stands by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.layout import Backdrop
from seewhy.worlds.puppets.plan import Act, Member, Plan
from seewhy.worlds.puppets.scenes import build_scene

TWO_ACTORS, BYSTANDER, DISTRACTOR = 0.24, 0.22, 0.16
"""Shares of clips with a second actor, a bystander of another class, one of the same class."""
_DEPTH = {"horse": 13.0, "elephant": 15.0, "dog": 9.0, "cat": 9.0, "bird": 9.0}
_ALONE = {"chase", "throw", "enter", "leave", "fly", "juggle", "crawl", "push"}
_ROOM = 16.0
"""Pixels that everyone has to move in, at least."""


def camera_path(rng: np.random.Generator, frames: int, camera: str) -> np.ndarray:
    """[T, 2] canvas position of the frame's top left corner."""
    t = np.linspace(-0.5, 0.5, frames)
    base = np.array([rng.uniform(-3, 3), 0.0])
    if camera == "pan":
        way = rng.choice([-1, 1]) * rng.uniform(9, 14)
        return base + np.stack([way * t, np.zeros(frames)], 1)
    if camera == "jitter":
        walk = np.cumsum(rng.normal(0, 0.9, (frames, 2)), 0)
        walk -= walk.mean(0)
        return base + np.clip(walk + rng.normal(0, 0.5, (frames, 2)), -4, 4)
    return np.repeat(base[None], frames, 0)


def half_width(kind: str, size: float) -> float:
    """Half the width of a body, pixels."""
    return size * (0.22 if kind in words.PEOPLE or kind == "robot" else 0.5)


def zone_of(
    view: np.ndarray, half: float, left: float = 0.0, right: float = 64.0
) -> tuple[float, float]:
    """Where the middle of a body can be and (nearly) stay in the frame."""
    low = view[:, 0].max() + left + half * 0.9 + 1
    high = view[:, 0].min() + right - half * 0.9 - 1
    if high - low < _ROOM:  # big ones reach over into the other's part of the frame
        middle = (low + high) / 2
        least, most = view[:, 0].max() + half * 0.8, view[:, 0].min() + 64 - half * 0.8
        if most - least <= _ROOM:
            low, high = (least + most) / 2 - 4, (least + most) / 2 + 4
        else:
            low = np.clip(middle - _ROOM / 2, least, most - _ROOM)
            high = low + _ROOM
    return float(low), float(high)


def choose_colour(
    rng: np.random.Generator, kind: str, backdrop: Backdrop, other_than: tuple[str, ...] = ()
) -> str:
    """A colour of that class that stands out from the scene."""
    options = [c for c in words.COLOURS_OF[kind] if c not in other_than]
    clear = [
        c for c in options
        if all(np.linalg.norm(np.subtract(words.COLOURS[c], rgb)) > 75 for rgb in backdrop.avoid)
    ]  # fmt: skip
    return str(rng.choice(clear or options or list(words.COLOURS_OF[kind])))


def choose_texture(rng: np.random.Generator) -> str:
    """Mostly plain."""
    return str(rng.choice(words.TEXTURES, p=[0.56, 0.24, 0.20]))


def window(rng: np.random.Generator, action: str, frames: int) -> tuple[int, int]:
    """When the action takes place within `frames` frames: start <= t < end."""
    unit = frames / 32
    if action in ("fall", "get up"):
        length = int(rng.integers(8, 12) * unit)
        start = int(rng.integers(5, 15) * unit)
        end = min(frames, start + length)
        return (start, end) if action == "fall" else (frames - end, frames - start)
    if action in ("stop", "start"):
        end = int(rng.integers(16, 25) * unit)
        return (0, end) if action == "stop" else (frames - end, frames)
    if action in ("enter", "leave"):
        start, end = int(rng.integers(1, 6) * unit), int(rng.integers(19, 27) * unit)
        return (start, end) if action == "enter" else (frames - end, frames - start)
    if action == "throw":
        start = int(rng.integers(1, 7) * unit)
        return start, min(frames, start + 22)
    start = int(rng.integers(0, 6) * unit)
    return start, frames - int(rng.integers(0, 5) * unit)


def act(rng: np.random.Generator, action: str, kind: str, first: int, last: int) -> Act:
    """An action in frames first <= t < last, with its variations."""
    start, end = window(rng, action, last - first)
    backing = action in ("stop", "start", "enter", "leave") and rng.random() < 0.5
    vigour = rng.uniform(0.8, 0.98) if rng.random() < 0.5 else rng.uniform(1.02, 1.25)
    return Act(
        action,
        first,
        last,
        first + start,
        first + end,
        float(rng.choice([-1.0, 1.0])),
        bool(backing),
        float(vigour),
        float(rng.uniform(0, 6)),
        float(rng.uniform(13, 21)),
    )


_FRONT = {
    "walk": 0.35,
    "stop": 0.5,
    "start": 0.5,
    "enter": 0.5,
    "leave": 0.5,
    "wave": 0.6,
    "jump": 0.5,
    "fall": 0.3,
    "get up": 0.3,
    "spin": 0.3,
    "dance": 1.0,
    "idle": 0.8,
    "play": 1.0,
    "juggle": 1.0,
}


def compose(
    rng: np.random.Generator,
    action: str,
    actor: str,
    scene: str,
    frames: int,
    rarity: tuple[str, str] | None = None,
    held_out: bool = False,
    only: tuple[str, ...] = (),
) -> Plan:
    """A clip in which `actor` does `action` in `scene`, with whatever company comes along.

    Args:
        rng: where the variations come from.
        action: of the main actor.
        actor: its class.
        scene: where.
        frames: length T.
        rarity: the rare thing that the clip is to show, and what sort of thing it is.
        held_out: the triple is one of the held-out.
        only: the actions that there are, for a second actor; none: all.
    """
    scene_seed = int(rng.integers(2**31))
    backdrop = build_scene(scene, scene_seed)
    camera = str(rng.choice(words.CAMERAS, p=[0.4, 0.3, 0.3]))
    if action in ("enter", "leave") and camera == "pan":
        camera = "jitter"
    view = camera_path(rng, frames, camera)
    cast: list[Member] = []
    company = str(
        rng.choice(
            ["two", "bystander", "distractor", "alone"],
            p=[TWO_ACTORS, BYSTANDER, DISTRACTOR, 1 - TWO_ACTORS - BYSTANDER - DISTRACTOR],
        )
    )
    second = _second_actor(rng, action, actor, scene, only) if company == "two" else None
    if company == "two" and second is None:
        company = "alone"
    if action == "chase" or (action in ("enter", "leave") and company == "two"):
        company, second = "alone", None
    mine, other = (0.0, 64.0), (0.0, 64.0)
    if company != "alone":
        share = 35.0 if company == "two" else 42.0
        mine, other = (
            ((0.0, share), (share - 2, 64.0))
            if rng.random() < 0.5
            else ((64 - share, 64.0), (0.0, 66 - share))
        )
    _add_actor(rng, cast, backdrop, view, action, actor, mine, frames, rarity)
    if company == "two":
        _add_actor(rng, cast, backdrop, view, *second, other, frames, None)
    elif company in ("bystander", "distractor"):
        kinds = [k for k in words.ACTORS if (k == actor) == (company == "distractor")]
        if scene in ("kitchen", "room"):
            kinds = [k for k in kinds if k not in ("horse", *words.VEHICLES)] or kinds
        kind = actor if company == "distractor" else str(rng.choice(kinds))
        taken = tuple(m.colour for m in cast if m.kind == kind)
        add_idle(rng, cast, backdrop, view, kind, company, other, frames, taken)
    rarities = (rarity[0],) if rarity else ()
    return Plan(
        scene,
        scene_seed,
        camera,
        view,
        frames,
        tuple(cast),
        rarities,
        held_out,
        int(rng.integers(2**31)),
    )


def _suits(kind: str, action: str, scene: str) -> bool:
    if scene in words.RARE_SCENES:
        return not words.ALL_ACTIONS[action].scenes
    return scene in words.scenes_for(kind, action)


def _second_actor(
    rng: np.random.Generator, action: str, actor: str, scene: str, only: tuple[str, ...]
) -> tuple[str, str] | None:
    """Action and class of another actor that fits the scene and does something else."""
    if action in _ALONE:
        return None
    pairs, weights = zip(*words.pair_weights(only).items(), strict=True)
    weights = np.array(weights) / sum(weights)
    for _ in range(60):
        kind, other = pairs[rng.choice(len(pairs), p=weights)]
        if other == action or other in _ALONE or not _suits(kind, other, scene):
            continue
        if "ride" in (action, other) and (
            kind in ("horse", *words.VEHICLES) or actor in ("horse", *words.VEHICLES)
        ):
            continue
        # One held-out triple is for the main actor to show; the second never adds another.
        if (kind, other, scene) in words.held_out():
            continue
        return other, kind
    return None


def choose_size(rng: np.random.Generator, kind: str) -> float:
    """Height or length of a `kind`, pixels of a 64-pixel frame."""
    return float(rng.uniform(*words.SIZES[kind]))


def _add_actor(
    rng: np.random.Generator,
    cast: list[Member],
    backdrop: Backdrop,
    view: np.ndarray,
    action: str,
    kind: str,
    span: tuple[float, float],
    frames: int,
    rarity: tuple[str, str] | None,
) -> None:
    """Add an actor within `span` (pixels of the frame), and what it acts on."""
    size = choose_size(rng, kind)
    half = half_width(kind, size)
    needs = words.ALL_ACTIONS[action].objects
    object_kind = ""
    if needs:
        object_kind = _object_kind(rng, action, kind, rarity)
    if action in ("swim", "crawl"):
        half = max(half, size * 0.42)
    if object_kind in ("horse", "motorcycle"):
        half = 17.0
    low, high = backdrop.ground
    ground = rng.uniform(low, high)
    if action in ("chase", "ride"):
        ground = rng.uniform((low + high) / 2, high - 2)
    if action == "swim":  # deep enough for legs and arms to be under water
        most = backdrop.shore - _DEPTH.get(kind, 13.0)
        ground = rng.uniform(min(backdrop.waterline[0], most - 3), min(backdrop.waterline[1], most))
    front = kind in (*words.PEOPLE, "robot") and rng.random() < _FRONT.get(action, 0.0)
    one = act(rng, action, kind, 0, frames)
    zone = zone_of(view, half, *span)
    x = float(rng.uniform(*zone))
    if action in ("kick", "throw", "bounce", "push", "eat", "drink") and not front:
        # There must be room for what it acts on, ahead of it.
        middle = view[:, 0].mean() + (span[0] + span[1]) / 2
        one = _facing(one, 1.0 if x < middle else -1.0)
        if action in ("throw", "push"):
            x = zone[0] if one.direction > 0 else zone[1]
        elif kind not in words.PEOPLE:
            x -= one.direction * min(4.0, abs(x - zone[0 if one.direction > 0 else 1]))
    instance = len(cast) + 1
    taken = tuple(m.colour for m in cast if m.kind == kind or m.role == "actor")
    member = Member(
        instance,
        kind,
        "actor",
        choose_colour(rng, kind, backdrop, taken),
        choose_texture(rng),
        size,
        int(rng.integers(2**31)),
        zone,
        x,
        float(ground),
        bool(front),
        (one,),
        object=instance + 1 if object_kind or action == "chase" else 0,
    )
    cast.append(member)
    if action == "chase":
        cast[-1:] = _chase(rng, backdrop, member)
    elif object_kind:
        big = object_kind in ("horse", "motorcycle")
        count = 3 if action == "juggle" else 1
        for k in range(count):
            colour = choose_colour(rng, object_kind, backdrop)
            cast.append(
                Member(
                    instance + 1 + k,
                    object_kind,
                    "object",
                    colour,
                    choose_texture(rng) if big else "plain",
                    choose_size(rng, object_kind) if big else 0.0,
                    int(rng.integers(2**31)),
                    zone,
                    x,
                    float(ground),
                    False,
                    (one,) if big else (),
                    holder=instance,
                )
            )


def _chase(rng: np.random.Generator, backdrop: Backdrop, hunter: Member) -> list[Member]:
    """The hunter and whom it chases."""
    big = ("horse", "dog")  # only these run after a horse
    kinds = [
        k
        for k in (*words.PEOPLE, *words.QUADRUPEDS, "bird")
        if k != hunter.kind and (k != "horse" or hunter.kind in big)
    ]
    kind = str(rng.choice(kinds))
    size = choose_size(rng, kind)
    lead = float(half_width(hunter.kind, hunter.size) + half_width(kind, size)) / 2 + 3
    one = hunter.acts[0]
    prey = Member(
        hunter.instance + 1,
        kind,
        "object",
        choose_colour(rng, kind, backdrop),
        choose_texture(rng),
        size,
        int(rng.integers(2**31)),
        hunter.zone,
        hunter.x,
        hunter.ground - float(rng.uniform(-1.5, 1.5)),
        False,
        (replace(one, beat=one.beat + 1.0, lead=lead),),
        holder=hunter.instance,
    )
    return [replace(hunter, acts=(replace(one, lead=-lead),)), prey]


def _facing(one: Act, direction: float) -> Act:
    return replace(one, direction=direction)


def _object_kind(
    rng: np.random.Generator, action: str, kind: str, rarity: tuple[str, str] | None
) -> str:
    if rarity and rarity[1] == "object":
        return rarity[0]
    people = kind in words.PEOPLE or kind == "robot"
    if action == "sit":
        return "chair" if people else ""
    if action == "eat":
        return "apple" if people else "bowl"
    if action == "drink":
        return "cup" if people else "bucket"
    return str(rng.choice(words.ALL_ACTIONS[action].objects))


def add_idle(
    rng: np.random.Generator,
    cast: list[Member],
    backdrop: Backdrop,
    view: np.ndarray,
    kind: str,
    role: str,
    span: tuple[float, float],
    frames: int,
    taken: tuple[str, ...],
) -> None:
    """Add somebody who stands by within `span`, in none of the colours `taken`."""
    size = choose_size(rng, kind)
    zone = zone_of(view, half_width(kind, size), *span)
    low, high = backdrop.ground
    ground = rng.uniform(low - 2, (low + high) / 2)
    direction = 1.0 if sum(zone) / 2 < view[:, 0].mean() + 32 else -1.0
    still = Act("idle", 0, frames, 0, frames, direction, False, 1.0, float(rng.uniform(0, 6)), 0.0)
    front = kind in (*words.PEOPLE, "robot") and rng.random() < 0.7
    cast.append(
        Member(
            len(cast) + 1,
            kind,
            role,
            choose_colour(rng, kind, backdrop, taken),
            choose_texture(rng),
            size,
            int(rng.integers(2**31)),
            zone,
            float(rng.uniform(*zone)),
            float(ground),
            bool(front),
            (still,),
        )
    )
