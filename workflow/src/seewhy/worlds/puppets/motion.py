"""What each action does to a body over time.

A motion fills a :class:`~.shapes.Pose` for all T frames: at rest outside its window, acting inside.
Fall and get up, stop and start, enter and leave are one motion, played forwards or backwards.
"""

from __future__ import annotations

from collections.abc import Callable

from seewhy.worlds.puppets import gaits, gestures
from seewhy.worlds.puppets.setting import Setting
from seewhy.worlds.puppets.shapes import Pose
from seewhy.worlds.puppets.vocabulary import REVERSED

_MOTIONS: dict[str, Callable[[str, float, Setting], Pose]] = {
    "walk": gaits.walk,
    "run": gaits.run,
    "enter": gaits.enter,
    "fall": gaits.fall,
    "swim": gaits.swim,
    "fly": gaits.fly,
    "drive": gaits.drive,
    "chase": gaits.chase,
    "ride": gaits.ride,
    "crawl": gaits.crawl,
    "push": gaits.push,
    "jump": gestures.jump,
    "spin": gestures.spin,
    "dance": gestures.dance,
    "wave": gestures.wave,
    "sit": gestures.sit,
    "kick": gestures.kick,
    "throw": gestures.throw,
    "bounce": gestures.bounce,
    "eat": gestures.eat,
    "drink": gestures.drink,
    "play": gestures.play,
    "juggle": gestures.juggle,
    "idle": gestures.idle,
}


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
        return gaits.stop(kind, size, at, anchored_at_end or at.at_rest)
    return _MOTIONS[action](kind, size, at)
