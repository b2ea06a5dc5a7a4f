"""Counting for a dissection against a literal counter and against a dense matrix product.

The floor is what NetDissect-Lite does: image by image and unit by unit, pass over a unit whose
greatest cell is below its threshold, upsample the map of another, find the pixels above, and count
the labels there by ``bincount``. It upsamples by Pillow or by torch, whichever is faster here.
``dense`` is one matrix product an image: where units fire, times where labels are.

All begin with maps and masks in memory; listing the labels of the pixels is in our time. Values are
multiples of 1/256, so that upsampling is exact in float32 too, and all counts must be equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from seewhy.bench.timing import in_turn
from seewhy.dissection.concepts import Labels
from seewhy.dissection.counting import Counter, Counts, list_labels
from seewhy.dissection.upsampling import axis

Array = np.ndarray
_PLANES = 5


def bench_dissection(
    *,
    images: int = 48,
    units: int = 512,
    concepts: int = 200,
    mask: int = 112,
    cells: int = 7,
    repeats: int = 9,
) -> dict[str, Any]:
    """Time the three on made-up maps and masks, on one thread.

    Args:
        images: how many.
        units: of the layer.
        concepts: labels.
        mask: its pixels on a side.
        cells: of a feature map, on a side.
        repeats: turns.

    Returns:
        `times_faster`, than the literal counter (also where it upsamples by Pillow, as
        NetDissect-Lite does) and than the dense product; of each way its milliseconds an image,
        and of listing labels, which is part of ours.

    Raises:
        RuntimeError: counts differ, so that times would mean nothing.
    """
    rng = np.random.default_rng(0)
    maps = made_maps(rng, images, units, cells)
    labels = [made_labels(rng, concepts, mask) for _ in range(images)]
    category = np.r_[-1, np.arange(concepts) * (_PLANES + 1) // concepts]
    thresholds = np.quantile(maps.transpose(1, 0, 2, 3).reshape(units, -1), 0.995, axis=1)
    given = (maps, labels, thresholds, category)
    ways: dict[str, Callable[[], tuple[Array, Array]]] = {
        "Pillow": lambda: literal(*given, upsample=by_pillow),
        "torch": lambda: literal(*given, upsample=by_torch),
        "dense": lambda: dense(*given),
    }
    counts = ours(*given)
    for way, work in ways.items():
        both, fired = work()
        if (both != counts.both[0]).any() or (fired != counts.fired[0]).any():
            raise RuntimeError(f"{way}: other counts than ours")
    works: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(*given),
        **ways,
        "listing": lambda: [list_labels(one, len(category)) for one in labels],
    }
    timed = in_turn(works, repeats=repeats)
    upsampler = min(("Pillow", "torch"), key=lambda way: timed[way]["seconds"])
    timed["literal"] = timed[upsampler]
    return {
        "what": "counting for a dissection against a literal counter and a dense matrix product",
        "images": images,
        "units": units,
        "concepts": concepts,
        "mask": mask,
        "cells": cells,
        "threads": torch.get_num_threads(),
        "literal_upsamples_by": upsampler,
        "fired_share": float(counts.fired_all.sum() / (units * counts.pixels.sum())),
        "times_faster": {way: timed[way]["ratio"] for way in ("literal", "Pillow", "dense")},
        "times_faster_lowest": {
            way: timed[way]["ratio_lowest"] for way in ("literal", "Pillow", "dense")
        },
        "milliseconds_an_image": {way: 1000 * timed[way]["seconds"] / images for way in timed},
        "repeats": repeats,
    }


def made_maps(rng: np.random.Generator, images: int, units: int, cells: int) -> Array:
    """Smooth and sparse, as a layer's after ReLU: [images, units, cells, cells] float32, multiples
    of 1/256.
    """
    noise = gaussian_filter(rng.normal(size=(images, units, cells, cells)), (0, 0, 1, 1))
    # Units differ from image to image as a whole, too: most are silent in most images.
    level = rng.normal(size=(images, units, 1, 1)) - 1
    maps = np.maximum(noise / noise.std() + level, 0)
    return (np.round(256 * maps) / 256).astype(np.float32)


def made_labels(rng: np.random.Generator, concepts: int, size: int) -> Labels:
    """Five planes of blobs, each with labels of its own category and gaps, and a whole label."""
    each = concepts // (_PLANES + 1)
    planes = np.zeros((_PLANES, size, size), np.int32)
    for k, plane in enumerate(planes):
        blobs = gaussian_filter(rng.normal(size=(12, size, size)), (0, size / 12, size / 12))
        borne = rng.integers(1, each, 12) + k * each
        borne[rng.random(12) < 0.1 * k] = 0  # the first plane is full, as colours and objects are
        plane[:] = borne[blobs.argmax(0)]
    return Labels(planes, (int(rng.integers(_PLANES * each + 1, concepts + 1)),))


def ours(maps: Array, labels: Sequence[Labels], thresholds: Array, category: Array) -> Counts:
    """By the package, labels listed first."""
    counter = Counter(thresholds, category, int(category.max()) + 1, semantics="lite", workers=1)
    size = labels[0].planes.shape[1:]
    axes = (axis(maps.shape[2], size[0]), axis(maps.shape[3], size[1]))
    listed = [list_labels(one, len(category)) for one in labels]
    counter.add(maps, listed, [axes] * len(maps), [0] * len(maps))
    counter.close()
    return counter.counts


def by_pillow(maps: Array, size: tuple[int, int]) -> list[Array]:
    """Maps [units, h, w] enlarged one by one."""
    way = Image.Resampling.BILINEAR
    return [np.asarray(Image.fromarray(one).resize(size[::-1], way)) for one in maps]


def by_torch(maps: Array, size: tuple[int, int]) -> Array:
    """Maps [units, h, w] enlarged at once."""
    return torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], size, mode="bilinear", align_corners=False
    )[0].numpy()


def literal(
    maps: Array,
    labels: Sequence[Labels],
    thresholds: Array,
    category: Array,
    *,
    upsample: Callable[[Array, tuple[int, int]], Any],
) -> tuple[Array, Array]:
    """I [units, labels] and A [units, categories] as NetDissect-Lite counts them; no two planes may
    repeat a label.
    """
    both = np.zeros((len(thresholds), len(category)), np.int64)
    fired = np.zeros((len(thresholds), category.max() + 1), np.int64)
    of = np.zeros((len(category), fired.shape[1]), np.int64)
    of[np.arange(1, len(category)), category[1:]] = 1
    for units, one in zip(maps, labels, strict=True):
        active = np.flatnonzero(units.max((1, 2)) > thresholds)
        if not len(active):
            continue
        upsampled = upsample(units[active], one.planes.shape[1:])
        for u, values in zip(active, upsampled, strict=True):
            where = values > thresholds[u]
            n = int(np.count_nonzero(where))
            here = np.bincount(one.planes[:, where].ravel(), minlength=len(category))
            here[0] = 0
            here[list(one.whole)] += n
            both[u] += here
            fired[u] += n * (here @ of > 0)
    return both, fired


def dense(
    maps: Array, labels: Sequence[Labels], thresholds: Array, category: Array
) -> tuple[Array, Array]:
    """The same as one matrix product an image, [units, pixels] @ [pixels, labels]."""
    both = torch.zeros(len(thresholds), len(category), dtype=torch.int64)
    fired = torch.zeros(len(thresholds), int(category.max()) + 1, dtype=torch.int64)
    of = torch.zeros(len(category), fired.shape[1])
    of[np.arange(1, len(category)), category[1:]] = 1
    limits = torch.from_numpy(thresholds)[:, None]
    for units, one in zip(maps, labels, strict=True):
        values = torch.from_numpy(by_torch(units, one.planes.shape[1:])).flatten(1)
        where = (values > limits).float()
        masks = torch.zeros(len(category), where.shape[1])
        for plane in one.planes:
            masks.scatter_(0, torch.from_numpy(plane.reshape(1, -1)).long(), 1)
        masks[list(one.whole)] = 1
        masks[0] = 0
        here = where @ masks.T
        both += here.long()
        fired += where.sum(1, keepdim=True).long() * (here @ of > 0)
    return both.numpy(), fired.numpy()
