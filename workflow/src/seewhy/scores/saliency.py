r"""How far off an interval is, and how much the network loses without what a map calls salient.

The boundary error of an interval [s, e) against the truth [s*, e*) is, in frames,

.. math::
    \tfrac12 \big(|s - s^*| + |e - e^*|\big).

Deletion replaces ever more of a clip by a fill, the most salient first, and follows the network's
probability; insertion starts from the fill and puts ever more of the clip back. The area under the
curve over the share 0..1 (trapezoids) is the score: low for deletion, high for insertion. In space,
blocks of the map's resolution are replaced in all frames at once, in each frame the same share by
that frame's own order; in time, whole frames are.

Equal values stand in an order drawn from `seed`, so that a constant map is a random one and its
upper left corner is nothing special.

Example::

    deletion(predict, clip, rank_blocks(maps)).area
    deletion(predict, clip, rank_frames(maps.sum((1, 2))), fill="mean").area

Reference: V. Petsiuk et al., *RISE: Randomized Input Sampling for Explanation of Black-box Models*,
BMVC 2018, section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.errors import InputError

STEPS = 20
BATCH = 8
FILLS = ("blur", "mean")
BLUR = 0.05  # standard deviation over the shorter side: 11 pixels of 224

# clips [b, T, 3, H, W] -> probability of the explained class [b]
Predict = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Curve:
    """A network's probability while its clip is taken away or given back.

    Attributes:
        shares: of the blocks or frames that are replaced (deletion) or given back (insertion), from
            0 to 1, [steps + 1].
        probabilities: [steps + 1].
    """

    shares: np.ndarray
    probabilities: np.ndarray

    @property
    def area(self) -> float:
        """Under the curve, by trapezoids."""
        return float(np.trapezoid(self.probabilities, self.shares))


def boundary_error(
    found: np.ndarray, truth: np.ndarray, *, missing: float | np.ndarray = np.nan
) -> np.ndarray:
    """The mean distance of start and end from those of the truth, in frames.

    Args:
        found: [n, 2]; an empty interval (start = end) is no detection.
        truth: [n, 2].
        missing: the error of no detection, one or [n]. NaN leaves it out, which flatters a method
            that keeps silent: count those, or give the clip's length, which no detection exceeds.

    Returns:
        [n].

    Raises:
        InputError: shapes that differ, or a truth that does not end after its start.
    """
    found, truth = np.asarray(found, float), np.asarray(truth, float)
    if found.shape != truth.shape or found.ndim != 2 or found.shape[1] != 2:
        raise InputError(
            f"boundary error: intervals of {found.shape} and truth of {truth.shape}; "
            "give [n, 2] of both"
        )
    if (truth[:, 1] <= truth[:, 0]).any():
        item = np.flatnonzero(truth[:, 1] <= truth[:, 0])[0]
        raise InputError(f"boundary error: the truth of item {item} does not end after its start")
    error = abs(found - truth).mean(axis=1)
    return np.where(found[:, 1] > found[:, 0], error, missing)


def rank_blocks(maps: Tensor, *, seed: int = 0) -> Tensor:
    """The order of each frame's blocks, the most salient first.

    Args:
        maps: [T, h, w].
        seed: of the order of equal values.

    Returns:
        0 for the first to go, [T, h, w].

    Raises:
        InputError: another shape, or values that are not finite.
    """
    if maps.ndim != 3 or not maps.numel():
        raise InputError(f"saliency: maps of the shape {tuple(maps.shape)}; give [T, h, w]")
    return _rank(maps.flatten(1), seed).reshape(maps.shape)


def rank_frames(sums: Tensor, *, seed: int = 0) -> Tensor:
    """The order of a clip's frames, that of the highest sum first.

    Args:
        sums: [T].
        seed: of the order of equal values.

    Returns:
        0 for the first to go, [T, 1, 1].

    Raises:
        InputError: another shape, or values that are not finite.
    """
    if sums.ndim != 1 or not sums.numel():
        raise InputError(f"saliency: sums of the shape {tuple(sums.shape)}; give [T]")
    return _rank(sums[None], seed).reshape(-1, 1, 1)


def deletion(
    predict: Predict,
    clip: Tensor,
    ranks: Tensor,
    *,
    fill: str | Tensor = "mean",
    steps: int = STEPS,
    batch: int = BATCH,
) -> Curve:
    """The probability while the most salient is replaced first.

    Args:
        predict: clips [b, T, 3, H, W] to the probability of the class explained, [b].
        clip: as the network is given it, [T, 3, H, W].
        ranks: from `rank_blocks` (in space) or `rank_frames` (in time), on the clip's device.
        fill: `mean`: the clip's mean colour; `blur`: each frame, blurred (Gaussian, its standard
            deviation a twentieth of the shorter side); or what to replace by, [T, 3, H, W] or to be
            broadcast to it.
        steps: the share is raised in as many equal steps (fewer where there are fewer blocks).
        batch: clips that `predict` is given at a time.

    Raises:
        InputError: shapes that do not fit, an unknown fill, steps or batch below 1, or
            probabilities that are not finite or not one a clip.
    """
    return _curve(predict, clip, ranks, fill, steps, batch, inserted=False)


def insertion(
    predict: Predict,
    clip: Tensor,
    ranks: Tensor,
    *,
    fill: str | Tensor = "blur",
    steps: int = STEPS,
    batch: int = BATCH,
) -> Curve:
    """The probability while the most salient is put back first; arguments as of `deletion`."""
    return _curve(predict, clip, ranks, fill, steps, batch, inserted=True)


def _rank(values: Tensor, seed: int) -> Tensor:
    """Places of the values of each row in falling order, [rows, n]."""
    if not torch.isfinite(values).all():
        raise InputError("saliency: the maps hold NaN or infinity; leave such clips out")
    random = torch.Generator().manual_seed(seed)
    shuffle = torch.rand(values.shape, generator=random).argsort(dim=1).to(values.device)
    order = values.gather(1, shuffle).argsort(dim=1, descending=True, stable=True)
    order = shuffle.gather(1, order)  # positions from the highest value to the lowest
    return order.argsort(dim=1)


@torch.no_grad()
def _curve(
    predict: Predict,
    clip: Tensor,
    ranks: Tensor,
    fill: str | Tensor,
    steps: int,
    batch: int,
    *,
    inserted: bool,
) -> Curve:
    if clip.ndim != 4 or not clip.is_floating_point():
        raise InputError(
            f"saliency: a clip of the shape {tuple(clip.shape)} and type {clip.dtype}; "
            "give what the network takes, [T, 3, H, W] of floats"
        )
    frames, _, height, width = clip.shape
    if ranks.ndim != 3 or len(ranks) != frames:
        raise InputError(
            f"saliency: ranks of the shape {tuple(ranks.shape)} for {frames} frames; give [T, h, w]"
        )
    if ranks.shape[1] > height or ranks.shape[2] > width:
        raise InputError(
            f"saliency: a map of {tuple(ranks.shape[1:])} is finer than the frame of "
            f"{(height, width)}; pool it first"
        )
    if steps < 1 or batch < 1:
        raise InputError(f"saliency: {steps} steps in batches of {batch}; give 1 or more of both")
    filling = _filling(clip, fill)
    units = int(ranks.max()) + 1
    counts = torch.linspace(0, units, steps + 1, dtype=torch.float64).round().long().unique()
    blocks = F.interpolate(ranks[:, None].double(), (height, width), mode="nearest-exact")
    found = []
    for some in counts.to(clip.device).split(batch):
        chosen = blocks < some[:, None, None, None, None]  # [b, T, 1, H, W]
        probability = predict(torch.where(chosen == inserted, clip, filling))
        if probability.shape != some.shape or not torch.isfinite(probability).all():
            raise InputError(
                f"saliency: predict gives the shape {tuple(probability.shape)} for {len(some)} "
                "clips, or values that are not finite; give one probability a clip"
            )
        found.append(probability.double().cpu())
    return Curve(counts.double().numpy() / units, torch.cat(found).numpy())


def _filling(clip: Tensor, fill: str | Tensor) -> Tensor:
    if isinstance(fill, Tensor):
        try:
            return fill.to(clip).expand_as(clip)
        except RuntimeError:
            raise InputError(
                f"saliency: a fill of the shape {tuple(fill.shape)} for a clip of "
                f"{tuple(clip.shape)}; give one that can be broadcast to it"
            ) from None
    if fill == "mean":
        return clip.mean(dim=(0, 2, 3), keepdim=True).expand_as(clip)
    if fill == "blur":
        return _blurred(clip, BLUR * min(clip.shape[2:]))
    raise InputError(f"saliency: fill is {fill!r}; choose one of {', '.join(FILLS)}, or a tensor")


def _blurred(clip: Tensor, sigma: float) -> Tensor:
    """Each frame under a Gaussian of `sigma` pixels, the border repeated outwards."""
    reach = int(np.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, dtype=clip.dtype, device=clip.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = F.pad(clip.flatten(0, 1)[:, None], [reach] * 4, mode="replicate")  # [T * 3, 1, H, W]
    planes = F.conv2d(planes, kernel.reshape(1, 1, -1, 1))
    return F.conv2d(planes, kernel.reshape(1, 1, 1, -1)).reshape(clip.shape)
