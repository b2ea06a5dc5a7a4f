"""Choosing who does what where.

Action and actor are as near to independent as the feasible pairs allow, the scene is uniform given
both; a tenth of the actor-action-scene triples is kept for the test split.
"""

from __future__ import annotations

import numpy as np

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.casting import compose
from seewhy.worlds.puppets.plan import Plan, clip_generator


def plan_clip(
    seed: int,
    split: str,
    index: int,
    *,
    frames: int = 32,
    purpose: int = 0,
    only: tuple[str, ...] = (),
) -> Plan:
    """Decide on clip `index` of `split`.

    Args:
        seed: of the whole corpus.
        split: train, val, test or stills.
        index: position in the split, from 0.
        frames: length T.
        purpose: keeps the randomness of different products of one seed apart.
        only: the actions that there are; none: all.
    """
    rng = clip_generator(seed, split, index, purpose)
    rarity = _rarity(rng, split, only)
    action, actor, scene, held_out = _triple(rng, split, rarity, only)
    return compose(rng, action, actor, scene, frames, rarity, held_out, only)


def _rarity(rng: np.random.Generator, split: str, only: tuple[str, ...]) -> tuple[str, str] | None:
    if rng.random() >= words.RARE_SHARE.get(split, words.RARE_SHARE["train"]):
        return None
    weights = 1 / np.arange(1, len(words.RARITIES) + 1)
    name, sort = words.RARITIES[rng.choice(len(weights), p=weights / weights.sum())]
    needed = {"action": name, "object": "eat"}.get(sort)
    return None if only and needed and needed not in only else (name, sort)


def _triple(
    rng: np.random.Generator,
    split: str,
    rarity: tuple[str, str] | None,
    only: tuple[str, ...],
) -> tuple[str, str, str, bool]:
    """Action, actor and scene, and whether the triple is one of the held-out."""
    pairs, weights = zip(*words.pair_weights(only).items(), strict=True)
    weights = np.array(weights) / sum(weights)
    held_out = words.held_out()
    want = split == "test" and rarity is None and rng.random() < words.HELD_OUT_SHARE
    while True:
        actor, action = pairs[rng.choice(len(pairs), p=weights)]
        if rarity:
            actor, action = _make_rare(rng, rarity, actor, action)
            if not actor:
                continue
        scenes = list(words.scenes_for(actor, action))
        scene = rarity[0] if rarity and rarity[1] == "scene" else str(rng.choice(scenes))
        if rarity and rarity[1] == "scene" and words.ALL_ACTIONS[action].scenes:
            continue
        if ((actor, action, scene) in held_out) == want:
            return action, actor, scene, want


def _make_rare(
    rng: np.random.Generator, rarity: tuple[str, str], actor: str, action: str
) -> tuple[str, str]:
    """Put the rare thing into an actor-action pair; empty strings where it does not fit."""
    name, sort = rarity
    if sort == "actor":
        return (name, action) if words.can_do(name, action) and action != "ride" else ("", "")
    if sort == "action":
        doers = [a for a in words.ACTORS if words.can_do(a, name)]
        return str(rng.choice(doers)), name
    if sort == "object":
        return str(rng.choice(words.PEOPLE)), "eat"
    return actor, action
