"""An unbroken shot in which one actor does one thing after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.casting import (
    act,
    add_idle,
    camera_path,
    choose_colour,
    choose_size,
    choose_texture,
    half_width,
    zone_of,
)
from seewhy.worlds.puppets.plan import Act, Member, Plan
from seewhy.worlds.puppets.scenes import build_scene


def compose_chain(
    rng: np.random.Generator, actor: str, actions: list[str], scene: str, lengths: list[int]
) -> Plan:
    """One actor doing one action after the other, `lengths` frames each, without a cut."""
    scene_seed = int(rng.integers(2**31))
    backdrop = build_scene(scene, scene_seed)
    camera = "jitter" if rng.random() < 0.4 else "still"
    view = camera_path(rng, sum(lengths), camera)
    size = choose_size(rng, actor)
    zone = zone_of(view, half_width(actor, size))
    front = actor in words.PEOPLE and rng.random() < 0.4
    acts: list[Act] = []
    for action, length in zip(actions, lengths, strict=True):
        first = acts[-1].last if acts else 0
        one = act(rng, action, actor, first, first + length)
        if acts and action == "get up":  # it lies as it fell
            fallen = acts[-1]
            one = replace(
                one, direction=fallen.direction, backing=fallen.backing, vigour=fallen.vigour
            )
        acts.append(one)
    member = Member(
        1, actor, "actor", choose_colour(rng, actor, backdrop), choose_texture(rng), size,
        int(rng.integers(2**31)), zone, float(rng.uniform(*zone)),
        float(rng.uniform(*backdrop.ground)), bool(front), tuple(acts),
    )  # fmt: skip
    cast = [member]
    if rng.random() < 0.3:
        others = [k for k in words.PEOPLE if k != actor]
        side = (0.0, 24.0) if member.x > view[:, 0].mean() + 32 else (40.0, 64.0)
        kind = str(rng.choice(others))
        add_idle(rng, cast, backdrop, view, kind, "bystander", side, sum(lengths), ())
    return Plan(scene, scene_seed, camera, view, sum(lengths), tuple(cast))
