"""What is decided about a clip before it is drawn: the cast, what each does, the scene, the camera.

Everything random about a clip comes from one generator seeded by (seed, split, index), so a clip
can be made again alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from seewhy.errors import InputError, require_whole

_SPLIT_KEYS = {"train": 0, "val": 1, "test": 2, "stills": 3}


@dataclass(frozen=True)
class Act:
    """One action of a member, whose share of the clip is first <= t < last, its window within that
    start <= t < end (frames).
    """

    action: str
    first: int
    last: int
    start: int
    end: int
    direction: float
    backing: bool
    vigour: float
    beat: float
    altitude: float
    lead: float = 0.0


@dataclass(frozen=True)
class Member:
    """One thing of the cast.

    Attributes:
        instance: number from 1.
        role: actor, object, bystander or distractor.
        look: seed of its hair, skin and clothes.
        zone, x, ground: where it may be, where it begins, on which line it stands (canvas pixels).
        acts: what it does, in order; empty for objects.
        object: instance that it acts on, or 0; holder: instance that acts on this object, or 0.
    """

    instance: int
    kind: str
    role: str
    colour: str
    texture: str
    size: float
    look: int
    zone: tuple[float, float] = (0.0, 64.0)
    x: float = 32.0
    ground: float = 54.0
    front: bool = False
    acts: tuple[Act, ...] = ()
    object: int = 0
    holder: int = 0

    @property
    def action(self) -> str:
        """Its (first) action, `idle` for who only stands by, empty for objects."""
        return self.acts[0].action if self.acts else ""


@dataclass(frozen=True)
class Plan:
    """A clip before it is drawn."""

    scene: str
    scene_seed: int
    camera: str
    view: np.ndarray = field(repr=False)
    frames: int = 32
    cast: tuple[Member, ...] = ()
    rarities: tuple[str, ...] = ()
    is_held_out: bool = False
    caption_seed: int = 0

    @property
    def actors(self) -> list[Member]:
        """Members with role `actor`."""
        return [member for member in self.cast if member.role == "actor"]

    def member(self, instance: int) -> Member:
        """The member with this number."""
        return self.cast[instance - 1]


def clip_generator(seed: int, split: str, index: int, purpose: int = 0) -> np.random.Generator:
    """The generator of one clip's own randomness.

    Raises:
        InputError: an unknown split, a negative or fractional seed or index.
    """
    if split not in _SPLIT_KEYS:
        raise InputError(f"split {split!r} is not one of {', '.join(_SPLIT_KEYS)}")
    require_whole(0, seed=seed, index=index)
    return np.random.default_rng([int(seed), _SPLIT_KEYS[split], int(index), purpose])
