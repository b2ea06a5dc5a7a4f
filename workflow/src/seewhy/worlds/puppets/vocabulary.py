"""What there is in the world of puppets: classes, actions, scenes, colours, and what goes together.

An action says who can do it and which object it takes; everything else (how it moves, how it is
told) stands in :mod:`.motion` and :mod:`.describe`. Rare things make the long tail that a person
in the loop has to help with.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

PEOPLE = ("man", "woman", "girl", "boy")
QUADRUPEDS = ("dog", "cat", "horse")
VEHICLES = ("car", "motorcycle")
ACTORS = (*PEOPLE, *QUADRUPEDS, "bird", *VEHICLES)
RARE_ACTORS = ("robot", "elephant")
OBJECTS = ("ball", "apple", "bowl", "cup", "bucket", "guitar", "chair")
RARE_OBJECTS = ("banana", "pizza", "box")
THINGS = (*ACTORS, *RARE_ACTORS, *OBJECTS, *RARE_OBJECTS)

SCENES = ("field", "road", "stage", "kitchen", "water", "snow", "beach", "room", "forest")
RARE_SCENES = ("city", "desert")
OUTDOORS = ("field", "road", "water", "snow", "beach", "forest", "city", "desert")

CAMERAS = ("still", "pan", "jitter")
FACINGS = ("left", "right", "front")
TEXTURES = ("plain", "stripe", "dot")
POSTURES = ("upright", "sitting", "lying", "airborne", "in water")

COLOURS = {
    "red": (214, 40, 40),
    "orange": (240, 130, 30),
    "yellow": (245, 210, 40),
    "green": (40, 160, 70),
    "blue": (45, 90, 215),
    "purple": (140, 60, 180),
    "pink": (245, 120, 180),
    "brown": (125, 75, 40),
    "white": (245, 245, 245),
    "grey": (130, 135, 140),
    "black": (30, 30, 36),
}
SKINS = ((250, 215, 180), (232, 184, 140), (190, 130, 90), (130, 85, 55))
CLOTHES = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
FURS = ("brown", "white", "grey", "black", "orange")
PAINTS = ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")
COLOURS_OF = {
    **dict.fromkeys(PEOPLE, CLOTHES),
    **dict.fromkeys(QUADRUPEDS, FURS),
    "bird": ("red", "yellow", "green", "blue", "white", "black"),
    **dict.fromkeys(VEHICLES, PAINTS),
    "robot": ("grey", "white", "blue"),
    "elephant": ("grey", "pink", "brown"),
    "ball": ("red", "yellow", "blue", "orange", "pink", "white"),
    "apple": ("red", "green"),
    "bowl": ("white", "blue", "red"),
    "cup": ("white", "yellow", "blue", "red"),
    "bucket": ("blue", "grey", "green"),
    "guitar": ("brown", "red", "black"),
    "chair": ("brown", "blue", "green"),
    "banana": ("yellow",),
    "pizza": ("orange",),
    "box": ("brown",),
}

# Height (upright) or length (the others) in pixels of a 64-pixel frame: smallest and largest.
SIZES = {
    "man": (33.0, 39.0),
    "woman": (31.0, 37.0),
    "girl": (26.5, 29.5),
    "boy": (26.5, 29.5),
    "dog": (26.5, 30.0),
    "cat": (26.5, 29.5),
    "horse": (33.0, 38.0),
    "bird": (26.5, 30.0),
    "car": (32.0, 38.0),
    "motorcycle": (28.0, 33.0),
    "robot": (33.0, 38.0),
    "elephant": (34.0, 38.0),
}
SMALLEST = (12.0, 25.0)
"""Every actor, standing and unhidden, spans at least this: short side, long side (64-px frame)."""


@dataclass(frozen=True)
class Action:
    """What an action needs: who can do it, with what, where.

    Attributes:
        actors: classes that can do it.
        objects: classes of the object it acts on, for people and for others; empty for none.
        scenes: scenes it is confined to; empty for anywhere that suits the actor.
        by_motion: single frames do not tell it from some other action.
        begins: posture before it: `stand`, `lie`, or `off` (outside the frame).
        ends: posture after it.
    """

    actors: tuple[str, ...]
    objects: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    by_motion: bool = False
    begins: str = "stand"
    ends: str = "stand"


_LEGS = (*PEOPLE, *QUADRUPEDS, "bird")
_EVERYONE = (*_LEGS, *VEHICLES)
_SWIMMERS = (*PEOPLE, *QUADRUPEDS, "bird")

ACTIONS: dict[str, Action] = {
    "walk": Action(_LEGS, by_motion=True),
    "run": Action((*PEOPLE, *QUADRUPEDS), by_motion=True),
    "jump": Action(_EVERYONE, by_motion=True),
    "spin": Action(_EVERYONE, by_motion=True),
    "dance": Action((*PEOPLE, "dog", "cat", "bird"), by_motion=True),
    "wave": Action((*PEOPLE, "dog", "cat", "bird")),
    "fall": Action((*_LEGS, "motorcycle"), by_motion=True, ends="lie"),
    "get up": Action((*_LEGS, "motorcycle"), by_motion=True, begins="lie"),
    "stop": Action(_EVERYONE, by_motion=True),
    "start": Action(_EVERYONE, by_motion=True),
    "enter": Action(_EVERYONE, by_motion=True, begins="off"),
    "leave": Action(_EVERYONE, by_motion=True, ends="off"),
    "sit": Action((*PEOPLE, "dog", "cat"), objects=("chair",)),
    "kick": Action((*PEOPLE, "horse"), objects=("ball",), by_motion=True),
    "throw": Action(PEOPLE, objects=("ball",), by_motion=True),
    "bounce": Action((*PEOPLE, "dog"), objects=("ball",), by_motion=True),
    "eat": Action(_LEGS, objects=("apple", "bowl")),
    "drink": Action(_LEGS, objects=("cup", "bucket")),
    "play": Action(PEOPLE, objects=("guitar",)),
    "ride": Action(PEOPLE, objects=("horse", "motorcycle")),
    "swim": Action(_SWIMMERS, scenes=("water", "beach")),
    "fly": Action(("bird",)),
    "drive": Action(VEHICLES, by_motion=True),
    "chase": Action((*PEOPLE, *QUADRUPEDS), by_motion=True),
}
RARE_ACTIONS: dict[str, Action] = {
    "juggle": Action(PEOPLE, objects=("ball",)),
    "crawl": Action(PEOPLE),
    "push": Action((*PEOPLE, "horse", "car"), objects=("box",)),
}
ALL_ACTIONS = {**ACTIONS, **RARE_ACTIONS}

REVERSED = {"get up": "fall", "start": "stop", "leave": "enter"}
"""Actions that are another action played backwards, frame by frame."""

# The long tail, most frequent first: thing and what sort of thing it is; the n-th is drawn with
# probability proportional to 1 / n (Zipf).
RARITIES = (
    ("robot", "actor"),
    ("juggle", "action"),
    ("city", "scene"),
    ("banana", "object"),
    ("elephant", "actor"),
    ("crawl", "action"),
    ("desert", "scene"),
    ("pizza", "object"),
    ("push", "action"),
)
RARE_SHARE = {"train": 0.08, "val": 0.16, "test": 0.16}
"""Share of the clips of a split that show a rare thing: enough of them to score in val and test."""
HELD_OUT_SHARE = 0.2
"""Share of the test clips whose actor-action-scene triple occurs in no other split."""
SPLITS = ("train", "val", "test")

_LIKE = {"robot": "man", "elephant": "horse"}
_NOT_INDOORS = {"horse", "elephant", *VEHICLES}


def can_do(actor: str, action: str) -> bool:
    """Whether an actor of this class can do the action (a robot does what a man does)."""
    return _LIKE.get(actor, actor) in ALL_ACTIONS[action].actors


def scenes_for(actor: str, action: str, mount: str = "") -> tuple[str, ...]:
    """Scenes (the common ones) in which `actor` can do `action`, on `mount` if it rides one."""
    confined = ALL_ACTIONS[action].scenes
    if confined:
        return confined
    if actor in _NOT_INDOORS or mount in _NOT_INDOORS or action == "ride":
        return tuple(s for s in SCENES if s not in ("kitchen", "room"))
    return SCENES


@functools.cache
def pair_weights(only: tuple[str, ...] = ()) -> dict[tuple[str, str], float]:
    """Probability of each feasible (actor, action), as near to independent as can be.

    `only` names the actions that there are; none: all (the common ones).

    Iterative proportional fitting of the feasible pairs to uniform actions and to actors that are
    uniform but for half a power of how many actions they can do (a car cannot do enough of them to
    be as frequent as a woman).
    """
    actors, actions = list(ACTORS), [name for name in ACTIONS if not only or name in only]
    actors = [actor for actor in actors if any(can_do(actor, action) for action in actions)]
    weights = np.array([[float(can_do(actor, action)) for action in actions] for actor in actors])
    rows = np.sqrt(weights.sum(1))
    rows /= rows.sum()
    for _ in range(200):
        weights *= (rows / weights.sum(1))[:, None]
        weights /= weights.sum(0) * len(actions)
    return {
        (actor, action): float(weights[i, j])
        for i, actor in enumerate(actors)
        for j, action in enumerate(actions)
        if weights[i, j] > 0
    }


@functools.cache
def held_out() -> frozenset[tuple[str, str, str]]:
    """The (actor, action, scene) triples that occur in test only: about a tenth of the feasible.

    Every pair within a held-out triple stays in sight: its actor does its action in other scenes,
    its actor is seen in its scene, its action is done in its scene by others.
    """
    triples = [
        (actor, action, scene)
        for actor in ACTORS
        for action in ACTIONS
        if can_do(actor, action)
        for scene in scenes_for(actor, action)
    ]
    order = np.random.default_rng(20_180_618).permutation(len(triples))
    seen = {pair: 0 for triple in triples for pair in _pairs(triple)}
    for triple in triples:
        for pair in _pairs(triple):
            seen[pair] += 1
    chosen: set[tuple[str, str, str]] = set()
    for position in order:
        triple = triples[position]
        if len(chosen) >= len(triples) // 10:
            break
        if all(seen[pair] > 2 for pair in _pairs(triple)):
            chosen.add(triple)
            for pair in _pairs(triple):
                seen[pair] -= 1
    return frozenset(chosen)


def _pairs(triple: tuple[str, str, str]) -> tuple[tuple[str, str, str], ...]:
    actor, action, scene = triple
    return (actor, action, ""), (actor, "", scene), ("", action, scene)
