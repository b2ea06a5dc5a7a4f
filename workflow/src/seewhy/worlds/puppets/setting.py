"""Where, when and how an action takes place, and what the motions share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seewhy.worlds.puppets.shapes import Pose
from seewhy.worlds.puppets.vocabulary import PEOPLE

Array = np.ndarray
HUMAN = (*PEOPLE, "robot")


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


def clock(at: Setting) -> tuple[Array, Array]:
    """Frame numbers, and how far the action is under way (0 to 1, with ramps of two frames)."""
    t = np.arange(at.frames, dtype=float)
    up = np.clip((t - at.start + 1) / 2, 0, 1)
    down = np.clip((at.end - t) / 2, 0, 1)
    return t, np.minimum(up, down)


def rest(at: Setting, **changes) -> Pose:
    """Standing still, but for `changes`."""
    t = np.arange(at.frames)
    pose = {
        "x": np.full(at.frames, at.x),
        "y": np.full(at.frames, at.ground),
        "facing": np.full(at.frames, at.direction * (-1 if at.backing else 1)),
        "front": at.front,
        "nod": 0.05 * np.sin(2 * np.pi * (t + at.beat) / 11),
    }
    return Pose(**(pose | changes))


def travel(at: Setting, distance: Array) -> tuple[Array, Array]:
    """x and direction after `distance` [T] pixels to and fro within the zone."""
    low, high = at.zone
    span = max(high - low, 1e-3)
    offset = (at.x - low) if at.direction > 0 else (2 * span - (at.x - low))
    turn = (offset + distance) % (2 * span)
    forth = turn < span
    x = low + np.where(forth, turn, 2 * span - turn)
    return x, np.where(forth, 1.0, -1.0)
