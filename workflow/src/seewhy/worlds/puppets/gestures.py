"""What is done on the spot, with arms, legs, heads and paws; times in frames, angles in radians."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seewhy.worlds.puppets.setting import HUMAN, Setting, clock, rest, travel
from seewhy.worlds.puppets.shapes import Pose
from seewhy.worlds.puppets.vocabulary import PEOPLE

KICK_PERIOD = 14
THROW_RELEASE = 8
BOUNCE_PERIOD = 6
"""Frames between two kicks, from the wind-up to the release, between two bounces."""


def jump(kind: str, size: float, at: Setting) -> Pose:
    """Hopping on the spot and a little onwards."""
    t, on = clock(at)
    turn = ((t - at.start) % 9) / 9
    air = np.clip((turn - 0.3) / 0.6, 0, 1)
    height = 4 * air * (1 - air) * on
    crouch = np.where(turn < 0.3, np.sin(np.pi * turn / 0.3), 0) * on
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = arms[:, 2] = 2.3 * height - 0.4 * crouch
    drift = np.cumsum(np.where(height > 0, 0.9, 0.0) * on) * at.vigour
    x, direction = travel(at, drift)
    return replace(
        rest(at), x=x, facing=direction, lift=(11 if size > 30 else 13) * height * at.vigour,
        crouch=0.75 * crouch, arms=arms, lean=np.where(kind in PEOPLE, 0.0, 0.22 * height),
        flap=np.sin(t * 2.2) * height, stride=0.35 * height, phase=np.pi / 2,
    )  # fmt: skip


def spin(kind: str, size: float, at: Setting) -> Pose:
    """Turning about the upright axis."""
    _, on = clock(at)
    angle = np.cumsum(on) * 2 * np.pi / 9 * at.vigour
    turned = np.cos(angle)
    stretch = np.where(turned >= 0, 1, -1) * np.maximum(np.abs(turned), 0.25)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = 1.35 * on, (-1.35 if not at.front else 1.35) * on
    return replace(rest(at), stretch=stretch, arms=arms, flap=0.0, paw=np.zeros(at.frames))


def dance(kind: str, size: float, at: Setting) -> Pose:
    """Swaying with raised arms; animals on their hind legs."""
    t, on = clock(at)
    beat = 2 * np.pi * (t + at.beat) / 8
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = (1.5 + 1.1 * np.sin(beat)) * on
        arms[:, 2] = (1.5 - 1.1 * np.sin(beat)) * on
        arms[:, 1] = arms[:, 3] = 0.7 * np.cos(beat) * on
        return replace(
            rest(at), front=True, arms=arms, lean=0.22 * np.sin(beat) * on,
            crouch=0.55 * np.abs(np.sin(beat)) * on, splay=0.25 * on,
            x=at.x + 3.5 * np.sin(beat) * on,
        )  # fmt: skip
    sway = at.x + 3 * np.sin(beat) * on
    if kind == "bird":
        return replace(
            rest(at),
            x=sway,
            paw=(0.55 + 0.45 * np.sin(beat)) * on,
            nod=0.5 * np.sin(2 * beat) * on,
            crouch=0.7 * np.abs(np.sin(beat)) * on,
            lift=2 * np.maximum(0, np.cos(beat)) * on,
        )
    return replace(
        rest(at), x=sway, lean=(0.95 + 0.15 * np.sin(2 * beat)) * on, paw=0.7 * np.sin(beat) * on,
        lift=2.5 * np.abs(np.sin(beat)) * on, stride=0.35 * on, phase=beat,
    )  # fmt: skip


def wave(kind: str, size: float, at: Setting) -> Pose:
    """A raised hand, paw or wing to and fro."""
    t, on = clock(at)
    beat = np.sin(2 * np.pi * (t + at.beat) / 5)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 2.15 * on
    arms[:, 1] = (0.45 + 0.65 * beat) * on
    if kind in HUMAN:
        return replace(rest(at), arms=arms)
    if kind == "bird":
        return replace(rest(at), paw=(0.75 + 0.35 * beat) * on)
    return replace(rest(at), paw=(1.3 + 0.35 * beat) * on, sit=0.9 * on)


def sit(kind: str, size: float, at: Setting) -> Pose:
    """On a chair (people) or on the haunches."""
    t, on = clock(at)
    look = 0.22 * np.sin(2 * np.pi * (t + at.beat) / 14) * on
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = arms[:, 2] = 0.7
        return replace(
            rest(at), front=False, sit=1.0, nod=look, arms=arms, paw=0.2 * np.sin(t / 1.5) * on
        )
    return replace(rest(at), sit=1.0, nod=look, phase=t * 0.9)


def kick(kind: str, size: float, at: Setting) -> Pose:
    """A leg swung at the ball, again each time that it comes back."""
    t, _ = clock(at)
    q = (t - at.start - 5) % KICK_PERIOD
    q = np.where(q > KICK_PERIOD / 2, q - KICK_PERIOD, q)
    live = (t >= at.start) & (t < at.end)
    swing = 1.25 * np.exp(-((q - 0.3) ** 2) / 2.2) - 0.85 * np.exp(-((q + 3) ** 2) / 2.5)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 2] = -0.7 * swing * live, 0.9 * swing * live
    return replace(
        rest(at), front=False, paw=swing * live, arms=arms, lean=-0.2 * np.abs(swing) * live
    )


def throw(kind: str, size: float, at: Setting) -> Pose:
    """Reaching back, then hurling."""
    t = np.arange(at.frames, dtype=float) - at.start
    arms = np.zeros((at.frames, 4))
    times = [-1, 0, 5, 8, 10, 14]
    arms[:, 0] = np.interp(t, times, [0.5, 0.5, 3.5, 2.6, 1.0, 0.0])
    arms[:, 1] = np.interp(t, times, [0.8, 0.8, 0.7, 0.2, 0.0, 0.0])
    arms[:, 2] = np.interp(t, times, [0.0, 0.0, 1.3, 0.6, -0.6, 0.0])
    lean = np.interp(t, times, [0.0, 0.0, -0.25, 0.1, 0.25, 0.0])
    return replace(rest(at), front=False, arms=arms, lean=lean)


def bounce(kind: str, size: float, at: Setting) -> Pose:
    """A hand (or a nose) that keeps a ball going."""
    t, on = clock(at)
    beat = np.cos(2 * np.pi * (t - at.start) / BOUNCE_PERIOD)
    if kind == "dog":
        return replace(rest(at), nod=-0.35 - 0.2 * beat * on, crouch=0.25 * (1 + beat) * on)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = (0.75 + 0.3 * beat) * np.maximum(on, 0.6)
    arms[:, 1] = 0.45
    return replace(rest(at), front=False, arms=arms, crouch=0.18, lean=0.12)


def eat(kind: str, size: float, at: Setting) -> Pose:
    """Hand to mouth, or head to bowl."""
    t, on = clock(at)
    up = 0.5 - 0.5 * np.cos(2 * np.pi * (t - at.start) / 9)
    if kind in HUMAN:
        arms = np.zeros((at.frames, 4))
        arms[:, 0] = 0.45 + 0.5 * up * on
        arms[:, 1] = 1.1 + 1.0 * up * on
        arms[:, 2] = 0.2
        return replace(rest(at), front=False, arms=arms, nod=0.12 * up * on)
    deep = {"horse": 1.25, "elephant": 0.6, "bird": 0.95}.get(kind, 1.15)
    dip = (0.85 + 0.15 * np.sin(2 * np.pi * t / 4)) * on
    return replace(rest(at), nod=deep * dip, crouch=0.45 * on, phase=t * 0.7)


def drink(kind: str, size: float, at: Setting) -> Pose:
    """The cup raised now and then."""
    if kind not in HUMAN:
        return eat(kind, size, at)
    t, on = clock(at)
    up = np.clip(1.6 * np.sin(2 * np.pi * (t - at.start) / 16 - 0.5) + 0.4, 0, 1) * on
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 0.4 + 0.75 * up
    arms[:, 1] = 1.2 + 0.85 * up
    return replace(rest(at), front=False, arms=arms, nod=-0.3 * up)


def play(kind: str, size: float, at: Setting) -> Pose:
    """Strumming, seen from the front."""
    t, on = clock(at)
    arms = np.zeros((at.frames, 4))
    arms[:, 0], arms[:, 1] = 0.75, 0.9 + 0.1 * np.sin(t / 3) * on
    arms[:, 2] = 0.5
    arms[:, 3] = -1.35 + 0.45 * np.sin(2 * np.pi * t / 4 + at.beat) * on
    return replace(rest(at), front=True, arms=arms, lean=0.05 * np.sin(t * 0.8) * on)


def juggle(kind: str, size: float, at: Setting) -> Pose:
    """Both hands up and down in turn."""
    t, _ = clock(at)
    arms = np.zeros((at.frames, 4))
    arms[:, 0] = 0.35 + 0.25 * np.sin(2 * np.pi * t / 6)
    arms[:, 2] = 0.35 - 0.25 * np.sin(2 * np.pi * t / 6)
    arms[:, 1] = arms[:, 3] = 1.2
    return replace(rest(at), front=True, arms=arms)


def idle(kind: str, size: float, at: Setting) -> Pose:
    """Standing by."""
    return rest(at, phase=np.arange(at.frames) * 0.5)
