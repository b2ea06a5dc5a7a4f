"""What each action does to a body over time.

A motion fills a :class:`~.shapes.Pose` for all T frames: at rest outside its window, acting inside.
Fall and get up, stop and start, enter and leave are one motion, played forwards or backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seewhy.worlds.puppets.shapes import Pose
from seewhy.worlds.puppets.vocabulary import PEOPLE, REVERSED, VEHICLES

Array = np.ndarray


@dataclass(frozen=True)
class Setting:
    """Where, when and how an action takes place.

    Attributes:
        frames: T.
        start, end: the window, frames start <= t < end.
        zone: smallest and largest x of the actor's middle, canvas pixels.
        ground: y of the ground there.
        frame_left: [T] x of the frame's left edge on the canvas.
        x: where the actor is at the first frame (at the last one for a motion played backwards).
        direction: +1 to the right, -1 to the left.
        backing: it moves against the way it faces.
        front: seen from the front.
        vigour: about 1, scales speeds and amplitudes.
        beat: frames by which the cycle is shifted.
        altitude: pixels above ground, for flying.
        lead: pixels ahead of the middle of two, for a chase.
        at_rest: `x` is where it stands still, for a stop.
    """

    frames: int
    start: int
    end: int
    zone: tuple[float, float]
    ground: float
    frame_left: Array
    x: float
    direction: float = 1.0
    backing: bool = False
    front: bool = False
    vigour: float = 1.0
    beat: float = 0.0
    altitude: float = 18.0
    lead: float = 0.0
    at_rest: bool = False

    def mirrored(self) -> Setting:
        """The setting seen backwards in time."""
        return replace(
            self,
            start=self.frames - self.end,
            end=self.frames - self.start,
            frame_left=self.frame_left[::-1],
        )


def move(
    action: str, kind: str, size: float, at: Setting, *, anchored_at_end: bool = False
) -> Pose:
    """The pose of a `kind` of `size` pixels doing `action`.

    Args:
        action: one of :data:`~.vocabulary.ALL_ACTIONS`, or `idle`.
        kind: the actor's class.
        size: its height or length, pixels.
        at: the setting.
        anchored_at_end: `at.x` is where a stop ends, rather than where it begins.
    """
    if action in REVERSED:
        return move(
            REVERSED[action], kind, size, at.mirrored(), anchored_at_end=not anchored_at_end
        ).backwards()
    if action == "stop":
        return _stop(kind, size, at, anchored_at_end or at.at_rest)
    return _MOTIONS[action](kind, size, at)


def _clock(at: Setting) -> tuple[Array, Array]:
    """Frame numbers, and how far the action is under way (0 to 1, with ramps of two frames)."""
    t = np.arange(at.frames, dtype=float)
    up = np.clip((t - at.start + 1) / 2, 0, 1)
    down = np.clip((at.end - t) / 2, 0, 1)
    return t, np.minimum(up, down)


def _rest(at: Setting, **changes) -> Pose:
    t = np.arange(at.frames)
    pose = {
        "x": np.full(at.frames, at.x),
        "y": np.full(at.frames, at.ground),
        "facing": np.full(at.frames, at.direction * (-1 if at.backing else 1)),
        "front": at.front,
        "nod": 0.05 * np.sin(2 * np.pi * (t + at.beat) / 11),
    }
    return Pose(**(pose | changes))


def _travel(at: Setting, distance: Array) -> tuple[Array, Array]:
    """x and direction after `distance` [T] pixels to and fro within the zone."""
    low, high = at.zone
    span = max(high - low, 1e-3)
    offset = (at.x - low) if at.direction > 0 else (2 * span - (at.x - low))
    turn = (offset + distance) % (2 * span)
    forth = turn < span
    x = low + np.where(forth, turn, 2 * span - turn)
    return x, np.where(forth, 1.0, -1.0)


def _speed(kind: str, size: float, pace: str) -> float:
    if kind in VEHICLES:
        return {"walk": 1.7, "run": 2.6}[pace]
    return {"walk": 0.045, "run": 0.085}[pace] * size


def _cycle(kind: str, size: float, pace: str) -> float:
    """Pixels in which the gait repeats."""
    if kind in VEHICLES:
        return 2 * np.pi * size * 0.13
    return {"walk": 0.42, "run": 0.58}[pace] * size


def _gait(
    kind: str, size: float, at: Setting, distance: Array, under_way: Array, pace: str
) -> dict:
    """Entries of a pose for a body that has come `distance` [T] pixels."""
    phase = 2 * np.pi * (distance / _cycle(kind, size, pace)) * (-1 if at.backing else 1) + at.beat
    swing = {"walk": 0.55, "run": 0.95}[pace] if kind in PEOPLE or kind == "robot" else (
        {"walk": 0.6, "run": 0.95}[pace]
    )  # fmt: skip
    changes = {"phase": phase, "stride": swing * under_way, "wheel": phase}
    if pace == "run":
        changes["lift"] = 2.0 * np.abs(np.sin(phase)) * under_way
        if kind in PEOPLE or kind == "robot":
            arms = np.zeros((at.frames, 4))
            arms[:, 1] = arms[:, 3] = 1.3 * under_way
            changes |= {"arms": arms, "lean": 0.25 * under_way}
        elif kind not in VEHICLES:
            changes["lean"] = 0.12 * np.sin(phase) * under_way
    elif kind == "bird":
        changes["lift"] = 0.8 * np.abs(np.sin(phase)) * under_way
    return changes


def _roam(kind: str, size: float, at: Setting, pace: str) -> Pose:
    _, on = _clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * _speed(kind, size, pace) * at.vigour)[:-1]])
    x, direction = _travel(at, distance)
    facing = direction * (-1 if at.backing else 1)
    return _with(_rest(at), x=x, facing=facing, **_gait(kind, size, at, distance, on, pace))


def _with(pose: Pose, **changes) -> Pose:
    return Pose(**(vars(pose) | changes))


def _walk(kind: str, size: float, at: Setting) -> Pose:
    return _roam(kind, size, at, "walk")


def _run(kind: str, size: float, at: Setting) -> Pose:
    return _roam(kind, size, at, "run")


def _stop(kind: str, size: float, at: Setting, anchored_at_end: bool) -> Pose:
    t = np.arange(at.frames, dtype=float)
    moving = at.end - 4 - at.start
    under_way = np.clip((at.start + moving - t) / 3, 0, 1) * (t >= at.start)
    steps = under_way * _speed(kind, size, "walk") * at.vigour
    distance = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    low, high = at.zone
    distance *= min(1.0, (high - low) / max(distance[-1], 1e-3))
    first = at.x - at.direction * distance[-1] if anchored_at_end else at.x
    if not low <= first <= high or not low <= first + at.direction * distance[-1] <= high:
        if anchored_at_end:  # its end is given: come from the roomier side
            direction = 1.0 if at.x - low > high - at.x else -1.0
            distance *= min(1.0, max(at.x - low, high - at.x) / max(distance[-1], 1e-3))
            first = at.x - direction * distance[-1]
        else:
            direction = 1.0 if high - at.x > at.x - low else -1.0
            distance *= min(1.0, max(at.x - low, high - at.x) / max(distance[-1], 1e-3))
        at = replace(at, direction=direction)
    pose = _with(_rest(at), **_gait(kind, size, at, distance, under_way, "walk"))
    return _with(pose, x=first + at.direction * distance)


def _enter(kind: str, size: float, at: Setting) -> Pose:
    t = np.arange(at.frames, dtype=float)
    done = np.clip((t - at.start) / max(at.end - 1 - at.start, 1), 0, 1)
    half = size * (0.4 if kind in PEOPLE or kind == "robot" else 0.6) + 1
    edge = at.frame_left[min(at.start, at.frames - 1)]
    outside = edge - half if at.direction > 0 else edge + 64 + half
    x = outside + (at.x - outside) * done
    distance = np.abs(x - outside)
    under_way = ((done < 1) & (t >= at.start)).astype(float)
    under_way = np.minimum(under_way, np.clip((at.end - 1 - t) / 2, 0, 1))
    return _with(_rest(at), x=x, **_gait(kind, size, at, distance, under_way, "walk"))


def _fall(kind: str, size: float, at: Setting) -> Pose:
    t = np.arange(at.frames, dtype=float)
    done = np.clip((t - at.start) / max(at.end - 1 - at.start, 1), 0, 1) ** 1.7
    wobble = np.sin(np.pi * done)
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 1.9 * wobble + 0.5 * done
        arms[:, 2] = 1.2 * wobble - 0.3 * done
        way = 1.0 if at.vigour > 1 else -1.0
        return _with(_rest(at), roll=way * 1.52 * done, arms=arms, crouch=0.35 * wobble)
    way = 1.0 if at.vigour > 1 else -1.0
    return _with(
        _rest(at), roll=way * np.pi * done, lift=5 * wobble, crouch=0.3 * done, flap=0.6 * wobble
    )


def _jump(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    turn = ((t - at.start) % 9) / 9
    air = np.clip((turn - 0.3) / 0.6, 0, 1)
    height = 4 * air * (1 - air) * on
    crouch = np.where(turn < 0.3, np.sin(np.pi * turn / 0.3), 0) * on
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = arms[:, 2] = 2.3 * height - 0.4 * crouch
    drift = np.cumsum(np.where(height > 0, 0.9, 0.0) * on) * at.vigour
    x, direction = _travel(at, drift)
    return _with(
        _rest(at), x=x, facing=direction, lift=(11 if size > 30 else 13) * height * at.vigour,
        crouch=0.75 * crouch, arms=arms, lean=np.where(kind in PEOPLE, 0.0, 0.22 * height),
        flap=np.sin(t * 2.2) * height, stride=0.35 * height, phase=np.pi / 2,
    )  # fmt: skip


def _spin(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    angle = np.cumsum(on) * 2 * np.pi / 9 * at.vigour
    turned = np.cos(angle)
    stretch = np.where(turned >= 0, 1, -1) * np.maximum(np.abs(turned), 0.25)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = 1.35 * on, (-1.35 if not at.front else 1.35) * on
    return _with(_rest(at), stretch=stretch, arms=arms, flap=0.0, paw=np.zeros(at.frames))


def _dance(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    beat = 2 * np.pi * (t + at.beat) / 8
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = (1.5 + 1.1 * np.sin(beat)) * on
        arms[:, 2] = (1.5 - 1.1 * np.sin(beat)) * on
        arms[:, 1] = arms[:, 3] = 0.7 * np.cos(beat) * on
        return _with(
            _rest(at), front=True, arms=arms, lean=0.22 * np.sin(beat) * on,
            crouch=0.55 * np.abs(np.sin(beat)) * on, splay=0.25 * on,
            x=at.x + 3.5 * np.sin(beat) * on,
        )  # fmt: skip
    sway = at.x + 3 * np.sin(beat) * on
    if kind == "bird":
        return _with(
            _rest(at), x=sway, paw=(0.55 + 0.45 * np.sin(beat)) * on, nod=0.5 * np.sin(2 * beat) * on,
            crouch=0.7 * np.abs(np.sin(beat)) * on, lift=2 * np.maximum(0, np.cos(beat)) * on,
        )  # fmt: skip
    return _with(
        _rest(at), x=sway, lean=(0.95 + 0.15 * np.sin(2 * beat)) * on, paw=0.7 * np.sin(beat) * on,
        lift=2.5 * np.abs(np.sin(beat)) * on, stride=0.35 * on, phase=beat,
    )  # fmt: skip


def _wave(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    beat = np.sin(2 * np.pi * (t + at.beat) / 5)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 2.15 * on
    arms[:, 1] = (0.45 + 0.65 * beat) * on
    if kind in PEOPLE or kind == "robot":
        return _with(_rest(at), arms=arms)
    if kind == "bird":
        return _with(_rest(at), paw=(0.75 + 0.35 * beat) * on)
    return _with(_rest(at), paw=(1.3 + 0.35 * beat) * on, sit=0.9 * on)


def _sit(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    look = 0.22 * np.sin(2 * np.pi * (t + at.beat) / 14) * on
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = arms[:, 2] = 0.7
        return _with(
            _rest(at), front=False, sit=1.0, nod=look, arms=arms, paw=0.2 * np.sin(t / 1.5) * on
        )
    return _with(_rest(at), sit=1.0, nod=look, phase=t * 0.9)


KICK_PERIOD = 14


def _kick(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    q = (t - at.start - 5) % KICK_PERIOD
    q = np.where(q > KICK_PERIOD / 2, q - KICK_PERIOD, q)
    live = (t >= at.start) & (t < at.end)
    swing = 1.25 * np.exp(-((q - 0.3) ** 2) / 2.2) - 0.85 * np.exp(-((q + 3) ** 2) / 2.5)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = -0.7 * swing * live, 0.9 * swing * live
    return _with(
        _rest(at), front=False, paw=swing * live, arms=arms, lean=-0.2 * np.abs(swing) * live
    )


def _throw(kind: str, size: float, at: Setting) -> Pose:
    t = np.arange(at.frames, dtype=float) - at.start
    arms = np.zeros((at.frames, 4))
    times = [-1, 0, 5, 8, 10, 14]
    arms[:, 0] = np.interp(t, times, [0.5, 0.5, 3.5, 2.6, 1.0, 0.0])
    arms[:, 1] = np.interp(t, times, [0.8, 0.8, 0.7, 0.2, 0.0, 0.0])
    arms[:, 2] = np.interp(t, times, [0.0, 0.0, 1.3, 0.6, -0.6, 0.0])
    lean = np.interp(t, times, [0.0, 0.0, -0.25, 0.1, 0.25, 0.0])
    return _with(_rest(at), front=False, arms=arms, lean=lean)


THROW_RELEASE = 8
BOUNCE_PERIOD = 6


def _bounce(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    beat = np.cos(2 * np.pi * (t - at.start) / BOUNCE_PERIOD)
    if kind == "dog":
        return _with(_rest(at), nod=-0.35 - 0.2 * beat * on, crouch=0.25 * (1 + beat) * on)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = (0.75 + 0.3 * beat) * np.maximum(on, 0.6)
    arms[:, 1] = 0.45
    return _with(_rest(at), front=False, arms=arms, crouch=0.18, lean=0.12)


def _eat(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    up = 0.5 - 0.5 * np.cos(2 * np.pi * (t - at.start) / 9)
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 0.45 + 0.5 * up * on
        arms[:, 1] = 1.1 + 1.0 * up * on
        arms[:, 2] = 0.2
        return _with(_rest(at), front=False, arms=arms, nod=0.12 * up * on)
    deep = {"horse": 1.25, "elephant": 0.6, "bird": 0.95}.get(kind, 1.15)
    dip = (0.85 + 0.15 * np.sin(2 * np.pi * t / 4)) * on
    return _with(_rest(at), nod=deep * dip, crouch=0.45 * on, phase=t * 0.7)


def _drink(kind: str, size: float, at: Setting) -> Pose:
    if kind not in PEOPLE and kind != "robot":
        return _eat(kind, size, at)
    t, on = _clock(at)
    up = np.clip(1.6 * np.sin(2 * np.pi * (t - at.start) / 16 - 0.5) + 0.4, 0, 1) * on
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 0.4 + 0.75 * up
    arms[:, 1] = 1.2 + 0.85 * up
    return _with(_rest(at), front=False, arms=arms, nod=-0.3 * up)


def _play(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 1] = 0.75, 0.9 + 0.1 * np.sin(t / 3) * on
    arms[:, 2] = 0.5
    arms[:, 3] = -1.35 + 0.45 * np.sin(2 * np.pi * t / 4 + at.beat) * on
    return _with(_rest(at), front=True, arms=arms, lean=0.05 * np.sin(t * 0.8) * on)


def _swim(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    x, direction = _travel(at, distance)
    bob = 0.7 * np.sin(2 * np.pi * t / 7)
    stroke = 2 * np.pi * t / 9 + at.beat
    pose = _with(_rest(at), front=False, x=x, facing=direction, grounded=False, lift=bob)
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0], arms[:, 2] = np.pi + stroke, stroke
        return _with(
            pose, roll=1.28, arms=arms, stride=0.22 * on, phase=4 * stroke, nod=-0.5, lift=bob + 1.5
        )
    lift = bob + size * 0.04
    return _with(pose, stride=0.4 * on, phase=2 * stroke, nod=-0.15, lift=lift, crouch=1.0)


def _fly(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    distance = np.concatenate([[0.0], np.cumsum(np.full(at.frames, 1.7 * at.vigour))[:-1]])
    x, direction = _travel(at, distance)
    return _with(
        _rest(at), x=x, facing=direction, flap=np.sin(2 * np.pi * (t + at.beat) / 5),
        lift=at.altitude + 4 * np.sin(2 * np.pi * t / 17 + at.beat),
    )  # fmt: skip


def _drive(kind: str, size: float, at: Setting) -> Pose:
    return _roam(kind, size, at, "walk" if at.vigour < 1 else "run")


def _chase(kind: str, size: float, at: Setting) -> Pose:
    """Straight through the frame, `at.lead` pixels ahead of the middle of the two."""
    t = np.arange(at.frames, dtype=float)
    done = (t - at.start) / (at.end - at.start)
    drift = np.linspace(at.frame_left[0], at.frame_left[-1], at.frames)
    x = drift + 32 + at.direction * (at.lead + 54 * at.vigour * (done - 0.5))
    pace = _gait(kind, size, at, np.abs(x - x[0]), np.ones(at.frames), "run")
    return _with(_rest(at), front=False, x=x, **pace)


def _ride(kind: str, size: float, at: Setting) -> Pose:
    """The mount's motion; the rider follows its back."""
    return _roam(kind, size, replace(at, vigour=0.75 * at.vigour), "run")


def _juggle(kind: str, size: float, at: Setting) -> Pose:
    t, on = _clock(at)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 0.35 + 0.25 * np.sin(2 * np.pi * t / 6)
    arms[:, 2] = 0.35 - 0.25 * np.sin(2 * np.pi * t / 6)
    arms[:, 1] = arms[:, 3] = 1.2
    return _with(_rest(at), front=True, arms=arms)


def _crawl(kind: str, size: float, at: Setting) -> Pose:
    _, on = _clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    x, direction = _travel(at, distance)
    phase = 2 * np.pi * distance / 9
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = 0.45 + 0.4 * np.sin(phase), 0.45 - 0.4 * np.sin(phase)
    legs = 0.25 * on * np.sin(phase)
    return _with(
        _rest(at), front=False, x=x, facing=direction, lean=1.35, nod=-1.0, arms=arms,
        kneel=1.0, stride=0.3 * on, phase=phase, paw=legs,
    )  # fmt: skip


def _push(kind: str, size: float, at: Setting) -> Pose:
    _, on = _clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    low, high = at.zone
    distance = np.minimum(distance, max((high - at.x) if at.direction > 0 else at.x - low, 0.0))
    pose = _with(_rest(at), **_gait(kind, size, at, distance, on, "walk"))
    pose = _with(pose, front=False, x=at.x + at.direction * distance)
    if kind in PEOPLE or kind == "robot":
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 1.35 - 0.5 * np.sin(pose.phase + np.pi) * pose.stride
        arms[:, 2] = 1.35 - 0.5 * np.sin(pose.phase) * pose.stride
        return _with(pose, arms=arms, lean=0.3)
    return pose


def _idle(kind: str, size: float, at: Setting) -> Pose:
    return _rest(at, phase=np.arange(at.frames) * 0.5)


_MOTIONS = {
    "walk": _walk, "run": _run, "jump": _jump, "spin": _spin, "dance": _dance, "wave": _wave,
    "sit": _sit, "kick": _kick, "throw": _throw, "bounce": _bounce, "eat": _eat, "drink": _drink,
    "play": _play, "ride": _ride, "swim": _swim, "fly": _fly, "drive": _drive, "chase": _chase,
    "juggle": _juggle, "crawl": _crawl, "push": _push, "idle": _idle, "enter": _enter, "fall": _fall,
}  # fmt: skip
