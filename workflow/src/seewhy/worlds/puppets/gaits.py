"""How bodies get about: walking, running, rolling, swimming, flying, and stopping or falling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seewhy.worlds.puppets.setting import HUMAN, Setting, clock, rest, travel
from seewhy.worlds.puppets.shapes import Pose
from seewhy.worlds.puppets.vocabulary import VEHICLES

Array = np.ndarray


def speed(kind: str, size: float, pace: str) -> float:
    """Pixels a frame of a `walk` or a `run`."""
    if kind in VEHICLES:
        return {"walk": 1.7, "run": 2.6}[pace]
    return {"walk": 0.045, "run": 0.085}[pace] * size


def cycle(kind: str, size: float, pace: str) -> float:
    """Pixels in which the gait repeats."""
    if kind in VEHICLES:
        return 2 * np.pi * size * 0.13
    return {"walk": 0.42, "run": 0.58}[pace] * size


def gait(kind: str, size: float, at: Setting, distance: Array, under_way: Array, pace: str) -> dict:
    """Entries of a pose for a body that has come `distance` [T] pixels."""
    phase = 2 * np.pi * (distance / cycle(kind, size, pace)) * (-1 if at.backing else 1) + at.beat
    swing = {"walk": 0.57, "run": 0.95}[pace]
    changes = {"phase": phase, "stride": swing * under_way, "wheel": phase}
    if pace == "run":
        changes["lift"] = 2.0 * np.abs(np.sin(phase)) * under_way
        if kind in HUMAN:
            arms = np.zeros((at.frames, 4))
            arms[:, 1] = arms[:, 3] = 1.3 * under_way
            changes |= {"arms": arms, "lean": 0.25 * under_way}
        elif kind not in VEHICLES:
            changes["lean"] = 0.12 * np.sin(phase) * under_way
    elif kind == "bird":
        changes["lift"] = 0.8 * np.abs(np.sin(phase)) * under_way
    return changes


def roam(kind: str, size: float, at: Setting, pace: str) -> Pose:
    """To and fro at one pace."""
    _, on = clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * speed(kind, size, pace) * at.vigour)[:-1]])
    x, direction = travel(at, distance)
    facing = direction * (-1 if at.backing else 1)
    return replace(rest(at), x=x, facing=facing, **gait(kind, size, at, distance, on, pace))


def walk(kind: str, size: float, at: Setting) -> Pose:
    """Walking."""
    return roam(kind, size, at, "walk")


def run(kind: str, size: float, at: Setting) -> Pose:
    """Running."""
    return roam(kind, size, at, "run")


def stop(kind: str, size: float, at: Setting, anchored_at_end: bool) -> Pose:
    """Moving on, slowing down, standing."""
    t = np.arange(at.frames, dtype=float)
    moving = at.end - 4 - at.start
    under_way = np.clip((at.start + moving - t) / 3, 0, 1) * (t >= at.start)
    steps = under_way * speed(kind, size, "walk") * at.vigour
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
    pose = replace(rest(at), **gait(kind, size, at, distance, under_way, "walk"))
    return replace(pose, x=first + at.direction * distance)


def enter(kind: str, size: float, at: Setting) -> Pose:
    """From outside the frame to `at.x`."""
    t = np.arange(at.frames, dtype=float)
    done = np.clip((t - at.start) / max(at.end - 1 - at.start, 1), 0, 1)
    half = size * (0.4 if kind in HUMAN else 0.6) + 1
    edge = at.frame_left[min(at.start, at.frames - 1)]
    outside = edge - half if at.direction > 0 else edge + 64 + half
    x = outside + (at.x - outside) * done
    distance = np.abs(x - outside)
    under_way = ((done < 1) & (t >= at.start)).astype(float)
    under_way = np.minimum(under_way, np.clip((at.end - 1 - t) / 2, 0, 1))
    return replace(rest(at), x=x, **gait(kind, size, at, distance, under_way, "walk"))


def fall(kind: str, size: float, at: Setting) -> Pose:
    """Toppling over and lying; animals and motorcycles on their back."""
    t = np.arange(at.frames, dtype=float)
    done = np.clip((t - at.start) / max(at.end - 1 - at.start, 1), 0, 1) ** 1.7
    wobble = np.sin(np.pi * done)
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 1.9 * wobble + 0.5 * done
        arms[:, 2] = 1.2 * wobble - 0.3 * done
        way = 1.0 if at.vigour > 1 else -1.0
        return replace(rest(at), roll=way * 1.52 * done, arms=arms, crouch=0.35 * wobble)
    way = 1.0 if at.vigour > 1 else -1.0
    return replace(
        rest(at), roll=way * np.pi * done, lift=5 * wobble, crouch=0.3 * done, flap=0.6 * wobble
    )


def swim(kind: str, size: float, at: Setting) -> Pose:
    """Along the waterline."""
    t, on = clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    x, direction = travel(at, distance)
    bob = 0.7 * np.sin(2 * np.pi * t / 7)
    stroke = 2 * np.pi * t / 9 + at.beat
    pose = replace(rest(at), front=False, x=x, facing=direction, grounded=False, lift=bob)
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0], arms[:, 2] = np.pi + stroke, stroke
        return replace(
            pose, roll=1.28, arms=arms, stride=0.22 * on, phase=4 * stroke, nod=-0.5, lift=bob + 1.5
        )
    lift = bob + size * 0.04
    return replace(pose, stride=0.4 * on, phase=2 * stroke, nod=-0.15, lift=lift, crouch=1.0)


def fly(kind: str, size: float, at: Setting) -> Pose:
    """Through the air, flapping."""
    t, _ = clock(at)
    distance = np.concatenate([[0.0], np.cumsum(np.full(at.frames, 1.7 * at.vigour))[:-1]])
    x, direction = travel(at, distance)
    return replace(
        rest(at), x=x, facing=direction, flap=np.sin(2 * np.pi * (t + at.beat) / 5),
        lift=at.altitude + 4 * np.sin(2 * np.pi * t / 17 + at.beat),
    )  # fmt: skip


def drive(kind: str, size: float, at: Setting) -> Pose:
    """Rolling along."""
    return roam(kind, size, at, "walk" if at.vigour < 1 else "run")


def chase(kind: str, size: float, at: Setting) -> Pose:
    """Straight through the frame, `at.lead` pixels ahead of the middle of the two."""
    t = np.arange(at.frames, dtype=float)
    done = (t - at.start) / (at.end - at.start)
    drift = np.linspace(at.frame_left[0], at.frame_left[-1], at.frames)
    x = drift + 32 + at.direction * (at.lead + 54 * at.vigour * (done - 0.5))
    pace = gait(kind, size, at, np.abs(x - x[0]), np.ones(at.frames), "run")
    return replace(rest(at), front=False, x=x, **pace)


def ride(kind: str, size: float, at: Setting) -> Pose:
    """The mount's motion; the rider follows its back."""
    return roam(kind, size, replace(at, vigour=0.75 * at.vigour), "run")


def crawl(kind: str, size: float, at: Setting) -> Pose:
    """On hands and knees."""
    _, on = clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    x, direction = travel(at, distance)
    phase = 2 * np.pi * distance / 9
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = 0.45 + 0.4 * np.sin(phase), 0.45 - 0.4 * np.sin(phase)
    legs = 0.25 * on * np.sin(phase)
    return replace(
        rest(at), front=False, x=x, facing=direction, lean=1.35, nod=-1.0, arms=arms,
        kneel=1.0, stride=0.3 * on, phase=phase, paw=legs,
    )  # fmt: skip


def push(kind: str, size: float, at: Setting) -> Pose:
    """Leaning on and following what is pushed."""
    _, on = clock(at)
    distance = np.concatenate([[0.0], np.cumsum(on * 0.9 * at.vigour)[:-1]])
    low, high = at.zone
    distance = np.minimum(distance, max((high - at.x) if at.direction > 0 else at.x - low, 0.0))
    pose = replace(rest(at), **gait(kind, size, at, distance, on, "walk"))
    pose = replace(pose, front=False, x=at.x + at.direction * distance)
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 1.35 - 0.5 * np.sin(pose.phase + np.pi) * pose.stride
        arms[:, 2] = 1.35 - 0.5 * np.sin(pose.phase) * pose.stride
        return replace(pose, arms=arms, lean=0.3)
    return pose
