"""Do the units of a concept path matter for this image? Silence them, and as many others.

    check = ablation_check(network, image, "block3", [12, 40, 7], "juggling")
    check.effect, check.random.mean, check.random.share

A unit is silenced by setting its map to 0. The effect is what the class's margin loses: its logit
minus the best of the others (minus that of `against`), before minus after. The same is done with as
many units drawn by chance:

* `random`: any units of the layer;
* `matched`: for each unit one of those nearest to it in mean activation on this image. Silencing a
  unit that is not active does nothing, and a path picks active units, so the first control alone
  would take activity for meaning.

Either draw may take the path's own units again: so, had the path's units been drawn by chance too,
`share` = (1 + draws with at least the effect) / (1 + draws) would be at most p in p of all cases
(exactly for `random`, nearly for `matched`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.dissection.hooks import (
    class_index,
    class_names,
    one_image,
    require_maps,
    seen,
    silenced,
)
from seewhy.dissection.paths import ConceptPath
from seewhy.errors import InputError, require_whole
from seewhy.modes import explaining
from seewhy.running import readable_input, require_finite
from seewhy.scores.bootstrap import Interval, paired_bootstrap
from seewhy.scores.clusters import clustered_mean_of

CONTROLS = ("random", "matched")


@dataclass(frozen=True)
class Control:
    """What silencing units drawn by chance does.

    Attributes:
        effects: of each draw ``[draws]``.
        activation: mean activation of the units drawn; a match that is far from the path's own is
            no match.
        mean: of the effects.
        low: 2.5% of the draws are below it.
        high: 2.5% are above it.
        share: (1 + draws whose effect is at least that of the units in question) / (1 + draws).
    """

    effects: np.ndarray
    activation: float
    mean: float
    low: float
    high: float
    share: float


@dataclass(frozen=True)
class AblationCheck:
    """What silencing some units does to a decision.

    Attributes:
        layer: whose units they are.
        units: which.
        class_: whose margin is measured.
        margin: with all units.
        effect: margin minus margin without the units: positive where they spoke for the class.
        activation: mean activation of the units on this image.
        random: control: any units.
        matched: control: units as active.
    """

    layer: str
    units: tuple[int, ...]
    class_: int
    margin: float
    effect: float
    activation: float
    random: Control
    matched: Control


def ablation_check(
    network: nn.Module,
    image: Tensor,
    layer: str,
    units: Iterable[int],
    class_: int | str,
    *,
    against: int | str | None = None,
    classes: Sequence[str] | None = None,
    draws: int = 200,
    pool: int = 20,
    seed: int = 0,
    batch: int = 64,
) -> AblationCheck:
    """Silence units, and as many others by chance, and compare what the class's margin loses.

    Args:
        network: answers ``[n, classes]``, logits; it is left as it was found.
        image: ``[c, h, w]`` or ``[1, c, h, w]``.
        layer: name of a layer that gives maps ``[n, c, h, w]``.
        units: of it.
        class_: number or name.
        against: the class that the margin is measured to; None: the best of the others each time.
        classes: names; None: the network's attribute ``classes``, if it has one.
        draws: of each control.
        pool: units nearest in mean activation, itself among them, that each unit's match is drawn
            from.
        seed: of the draws.
        batch: draws that pass the layers above at once.

    Raises:
        InputError: no such layer, unit or class; units named twice, or none; a layer that gives no
            maps; one class; fewer than one draw, or a pool with fewer units than are silenced.
    """
    require_whole(1, batch=batch)
    image = one_image(image)
    classes = class_names(network, classes)
    with explaining(network):
        image = readable_input(network, image, "image")
        answer, (there,) = seen(network, image, [layer])
        if answer.shape[1] < 2:
            raise InputError("the network has one class; a margin needs at least two")
        activation = require_maps(there.output, layer).double().mean(dim=(0, 2, 3)).cpu().numpy()
        asked = class_index(class_, answer.shape[1], classes)
        other = None if against is None else class_index(against, answer.shape[1], classes)
        named = _checked_units(units, len(activation), layer)
        pool = min(pool, len(activation))
        if draws < 1 or pool < len(named):
            raise InputError(
                f"ablation: {draws} draws from pools of {pool} units for {len(named)} units; give "
                "at least one draw, and a pool of at least as many units"
            )
        rng = np.random.default_rng(seed)
        drawn = {
            "random": np.stack(
                [rng.choice(len(activation), len(named), replace=False) for _ in range(draws)]
            ),
            "matched": matched_units(activation, named, draws=draws, pool=pool, rng=rng),
        }
        sets = np.concatenate([named[None], *drawn.values()])  # [1 + 2 draws, units]
        kept = torch.ones(len(sets), len(activation), dtype=torch.bool)
        kept[torch.arange(len(sets))[:, None], torch.from_numpy(sets)] = False
        answers = silenced(network, image, layer, kept.to(image.device), batch=batch)
        require_finite(answers, "answers of the network", "look at the weights")
    margin = float(_margins(answer, asked, other)[0])
    effects = margin - _margins(answers, asked, other)  # [1 + 2 draws]
    effect = float(effects[0])
    rounding = 1e-6 * float(answer.abs().max())  # the same units in another batch may differ by it
    controls = {
        name: _control(own, activation[units], effect - rounding)
        for (name, units), own in zip(drawn.items(), np.split(effects[1:], 2), strict=True)
    }
    return AblationCheck(
        layer=layer,
        units=tuple(int(unit) for unit in named),
        class_=asked,
        margin=margin,
        effect=effect,
        activation=float(activation[named].mean()),
        **controls,
    )


def ablate_path(
    network: nn.Module, image: Tensor, path: ConceptPath, **settings: object
) -> dict[tuple[str, str], AblationCheck]:
    """`ablation_check` of both blocks' units on both routes of a path.

    Args:
        network: the path's.
        image: the path's.
        path: of `explain_decision`.
        **settings: draws, pool, seed, batch of `ablation_check`.

    Returns:
        A check for each route (``weight``, ``contribution``) and block.
    """
    return {
        (name, layer): ablation_check(
            network, image, layer, [one.unit for one in units], path.class_,
            against=path.against, **settings,
        )
        for name, route in (("weight", path.by_weight), ("contribution", path.by_contribution))
        for layer, units in zip(path.blocks, (route.before, route.units), strict=True)
    }  # fmt: skip


def summarise_ablations(
    checks: Sequence[AblationCheck],
    *,
    clusters: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, float | Interval]]:
    """Over many images: do the named units do more than those drawn by chance?

    Args:
        checks: one an image.
        clusters: what belongs together, such as the clip of each frame: the bootstrap draws these;
            None: the images.
        resamples: draws of the bootstrap.
        level: of the intervals.
        seed: of the draws.

    Returns:
        For each control: `images`; `effect`, mean of the named units'; `control`, mean of the
        drawn units'; `difference`, an `Interval` of effect minus control, paired by image;
        `beaten`, the share of images whose `share` is at most 0.05 (chance: at most 0.05);
        `activation` and `control_activation`, mean over images.

    Of one image, or of one cluster, the difference has no interval: its ends are NaN.

    Raises:
        InputError: no images, or clusters of another number.
    """
    if not checks:
        raise InputError("ablations of 0 images; give at least one")
    clusters = list(range(len(checks))) if clusters is None else clusters
    effect = np.array([check.effect for check in checks])
    table = {}
    for name in CONTROLS:
        controls: list[Control] = [getattr(check, name) for check in checks]
        mean = np.array([control.mean for control in controls])
        (first, count), (second, _) = (
            clustered_mean_of(values, clusters) for values in (effect, mean)
        )
        difference = Interval(float((effect - mean).mean()), np.nan, np.nan)
        if count > 1:
            difference = paired_bootstrap(
                [first], [second], clips=count, resamples=resamples, level=level, seed=seed
            )["mean"]
        table[name] = {
            "images": len(checks),
            "effect": float(effect.mean()),
            "control": float(mean.mean()),
            "difference": difference,
            "beaten": float(np.mean([control.share <= 0.05 for control in controls])),
            "activation": float(np.mean([check.activation for check in checks])),
            "control_activation": float(np.mean([control.activation for control in controls])),
        }
    return table


def matched_units(
    activation: np.ndarray,
    named: np.ndarray,
    *,
    draws: int,
    pool: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """For each named unit one of the `pool` units nearest in activation, none twice in a draw.

    Args:
        activation: of all units ``[units]``.
        named: ``[k]``.
        draws: number of draws.
        pool: units to draw from, at least k.
        rng: of the draws.

    Returns:
        ``[draws, k]``.
    """
    distance = abs(activation[None] - activation[named][:, None])  # [k, units]
    # Ties, such as between units that are all silent, are broken by chance.
    pools = np.stack(
        [np.lexsort((rng.permutation(len(activation)), own))[:pool] for own in distance]
    )
    drawn = np.empty((draws, len(named)), int)
    for row in drawn:
        taken: set[int] = set()
        for place in rng.permutation(len(named)):
            left = [unit for unit in pools[place] if unit not in taken]
            row[place] = rng.choice(left)
            taken.add(row[place])
    return drawn


def _control(effects: np.ndarray, activation: np.ndarray, at_least: float) -> Control:
    low, high = np.quantile(effects, (0.025, 0.975))
    return Control(
        effects=effects,
        activation=float(activation.mean()),
        mean=float(effects.mean()),
        low=float(low),
        high=float(high),
        share=(1 + int((effects >= at_least).sum())) / (1 + len(effects)),
    )


def _margins(logits: Tensor, class_: int, against: int | None) -> np.ndarray:
    logits = logits.double().cpu().numpy()
    if against is not None:
        return logits[:, class_] - logits[:, against]
    return logits[:, class_] - np.delete(logits, class_, axis=1).max(axis=1)


def _checked_units(units: Iterable[int], count: int, layer: str) -> np.ndarray:
    named = np.array(list(units), int)
    if not len(named) or len(set(named.tolist())) < len(named):
        raise InputError(
            f"ablation: units {named.tolist()} of layer {layer!r}; give at least one, none twice"
        )
    if named.min() < 0 or named.max() >= count:
        raise InputError(
            f"ablation: units {named.tolist()} of layer {layer!r} are not all of 0 … {count - 1}"
        )
    return named
