r"""The pointing game: does a saliency map peak where the truth is, and how much of it lies there.

A map is brought to the frame's resolution by bilinear interpolation with half-pixel centres (the
centre of pixel i of H lies at (i + 1/2) / H of the frame, for map and frame alike; beyond the
outermost centres of the map its border value is kept). An item is a hit if a disc round the peak
meets the region of the truth,

.. math::
    Acc = \frac{\#Hits}{\#Hits + \#Misses}.

Ties: every pixel within 1e-9 of the largest magnitude below the maximum is a peak. Under
``ties="expected"`` an item counts the share of its peaks that hit, which is what picking one of
them at random would give on average: a constant map scores the chance of a random point, and no
corner or centre is favoured. Under ``ties="central"`` the one peak counts that `peaks` returns.
Both agree with the usual arg max wherever the maximum is one pixel.

References:
    J. Zhang et al., *Top-down Neural Attention by Excitation Backprop*, ECCV 2016.
    S. A. Bargal et al., *Excitation Backprop for RNNs*, CVPR 2018, section 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.ndimage import distance_transform_edt

from seewhy.errors import InputError

TIES = ("expected", "central")
_ROUNDING = 1e-9  # of the largest magnitude of a map: below it, two values are equal
_CHUNK = 1 << 23  # pixels at the frame's resolution held at a time

Array = np.ndarray
Boxes = Sequence[Sequence[Sequence[float]]]


class Tolerance(float, Enum):
    """Radius of the disc round the peak, in pixels of the frame.

    The CVPR 2018 paper writes of a "15-pixel diameter circle"; Zhang et al. and TorchRay take 15 as
    the radius. TorchRay leaves out the pixels exactly 15 away, this module takes them in.
    """

    PAPER = 7.5
    PEERS = 15.0
    POINT = 0.0


@dataclass(frozen=True)
class Accuracy:
    """Shares of hits.

    Attributes:
        pooled: over all items that have a region; NaN without any.
        per_class: the mean over classes of their accuracies.
        classes: accuracy of each class that has an item with a region.
        counted: items with a region.
        left_out: items without one.
    """

    pooled: float
    per_class: float
    classes: dict[str, float]
    counted: int
    left_out: int


def upsample(maps: Array, frame: tuple[int, int]) -> Array:
    """Maps at the frame's resolution, bilinear with half-pixel centres.

    Args:
        maps: [n, h, w].
        frame: height and width of the frame (H, W) in pixels.

    Returns:
        [n, H, W], as ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)``.

    Raises:
        InputError: maps of another shape, values that are not finite, or a frame without pixels.
    """
    maps, frame = checked_maps(maps, frame)
    return _upsample(maps, frame)


def peaks(maps: Array, *, frame: tuple[int, int]) -> Array:
    """The peak of each map: of several equal pixels the one nearest to their mean position.

    Args:
        maps: [n, h, w].
        frame: height and width of the frame in pixels.

    Returns:
        Row and column of the frame, [n, 2]. Of pixels as near as each other it is the first in
        reading order.

    Raises:
        InputError: maps that are not finite, or finer than the frame.
    """
    maps, frame = _with_peaks(maps, frame)
    found = [_central(tied) for _, values in _chunks(maps, frame) for tied in _peaked(values)]
    return np.array(found, int).reshape(-1, 2)


def pointing_hits(
    maps: Array,
    regions: Array | Boxes,
    *,
    frame: tuple[int, int],
    radius: float = Tolerance.PAPER,
    ties: str = "expected",
) -> Array:
    """Whether a disc round each map's peak meets the region.

    Args:
        maps: [n, h, w], at any resolution.
        regions: masks, [n, H, W] bool; or of each item a list of boxes x, y, width, height in
            pixels of the frame, of which any counts. A box holds the pixels whose centres it
            contains, and at least the one under its own centre.
        frame: height and width of the frame in pixels.
        radius: of the disc in pixels, between pixel centres; 0: the peak itself must lie inside.
        ties: see the module.

    Returns:
        [n], 1 for a hit and 0 for a miss (shares where peaks are tied); NaN for items without a
        region.

    Raises:
        InputError: shapes that do not fit, maps that are not finite or finer than the frame, boxes
            with a negative side, an unknown `ties` or a negative radius.
    """
    maps, frame = _with_peaks(maps, frame)
    regions = _checked_regions(regions, len(maps), frame)
    radius = float(radius)
    if not radius >= 0:
        raise InputError(f"pointing game: the radius is {radius}; give pixels, 0 or more")
    if ties not in TIES:
        raise InputError(f"pointing game: ties is {ties!r}; choose one of {', '.join(TIES)}")
    found = np.full(len(maps), np.nan)
    for where, values in _chunks(maps, frame):
        masks = _masks(regions[where], frame)
        some = masks.any(axis=(1, 2))
        tied = _peaked(values)
        several = some & (tied.sum(axis=(1, 2)) > 1) & (ties == "expected")
        single = np.flatnonzero(some & ~several)
        points = np.array([_central(tied[i]) for i in single], int).reshape(-1, 2)
        result = np.full(len(masks), np.nan)
        result[single] = _disc_meets(masks, single, points, radius)
        for i in np.flatnonzero(several):
            result[i] = (distance_transform_edt(~masks[i])[tied[i]] <= radius).mean()
        found[where] = result
    return found


def region_masks(regions: Array | Boxes, *, frame: tuple[int, int]) -> Array:
    """Regions as masks at the frame's resolution.

    Args:
        regions: see `pointing_hits`.
        frame: height and width of the frame in pixels.

    Returns:
        [n, H, W] bool.

    Raises:
        InputError: see `pointing_hits`.
    """
    return _masks(_checked_regions(regions, len(regions), frame), frame)


def pointing_accuracy(hits: Array, labels: Sequence[str] | None = None) -> Accuracy:
    """The share of hits over all items, and the mean over classes of theirs.

    Args:
        hits: [n], from `pointing_hits`; NaN for items left out.
        labels: class of each item; without them all are of one class "".

    Raises:
        InputError: another number of labels than of hits.
    """
    hits = np.asarray(hits, float)
    labels = np.full(len(hits), "") if labels is None else np.asarray(labels, str)
    if labels.shape != hits.shape:
        raise InputError(f"pointing game: {len(hits)} hits and {len(labels)} labels; give one each")
    there = ~np.isnan(hits)
    names, index = np.unique(labels[there], return_inverse=True)
    of_class = np.bincount(index, hits[there], len(names)) / np.bincount(
        index, minlength=len(names)
    )
    return Accuracy(
        pooled=float(hits[there].mean()) if there.any() else float("nan"),
        per_class=float(of_class.mean()) if len(names) else float("nan"),
        classes={str(name): float(value) for name, value in zip(names, of_class, strict=True)},
        counted=int(there.sum()),
        left_out=int((~there).sum()),
    )


def energy_in_region(maps: Array, regions: Array | Boxes, *, frame: tuple[int, int]) -> Array:
    """The share of each map's positive part that lies in the region, at the frame's resolution.

    Args:
        maps: [n, h, w].
        regions: see `pointing_hits`.
        frame: height and width of the frame in pixels.

    Returns:
        [n]; NaN for items without a region. A map without a positive part says nothing of where: it
        gets what a constant map gets, `area_share`.
    """
    maps, frame = checked_maps(maps, frame)
    regions = _checked_regions(regions, len(maps), frame)
    found = np.full(len(maps), np.nan)
    for where, values in _chunks(maps, frame):
        masks = _masks(regions[where], frame)
        positive = values.clip(min=0)
        # in units of its peak, lest a sum of tiny or huge values leave the range of floats
        positive /= np.where(positive.any(axis=(1, 2)), positive.max(axis=(1, 2)), 1)[:, None, None]
        total = positive.sum(axis=(1, 2))
        inside = np.where(masks, positive, 0).sum(axis=(1, 2))
        area = masks.mean(axis=(1, 2))
        share = np.where(total > 0, inside / np.where(total > 0, total, 1), area)
        found[where] = np.where(area > 0, share, np.nan)
    return found


def area_share(regions: Array | Boxes, *, frame: tuple[int, int]) -> Array:
    """What `energy_in_region` gives by chance: the region's share of the frame.

    Returns:
        [n]; NaN for items without a region.
    """
    n = len(regions)
    maps, frame = checked_maps(np.ones((n, 1, 1)), frame)
    return energy_in_region(maps, regions, frame=frame)


def pointing_chance(
    regions: Array | Boxes, *, frame: tuple[int, int], radius: float = Tolerance.PAPER
) -> Array:
    """What `pointing_hits` gives by chance: the share of the frame that is near enough to a region.

    Returns:
        [n]; NaN for items without a region.
    """
    return pointing_hits(np.ones((len(regions), 1, 1)), regions, frame=frame, radius=radius)


def _upsample(maps: Array, frame: tuple[int, int]) -> Array:
    rows, columns = (_interpolation(m, f) for m, f in zip(maps.shape[1:], frame, strict=True))
    return rows @ maps @ columns.T  # [H, h] [n, h, w] [w, W]


def _interpolation(size: int, frame: int) -> Array:
    """Weights `[frame, size]` of linear interpolation with half-pixel centres."""
    place = ((np.arange(frame) + 0.5) * size / frame - 0.5).clip(0, size - 1)
    lower = np.floor(place).astype(int).clip(max=max(size - 2, 0))
    weights = np.zeros((frame, size))
    every = np.arange(frame)
    weights[every, lower] = 1 - (place - lower)
    weights[every, np.minimum(lower + 1, size - 1)] += place - lower
    return weights


def _chunks(maps: Array, frame: tuple[int, int]) -> Iterator[tuple[slice, Array]]:
    step = max(1, _CHUNK // (frame[0] * frame[1]))
    for start in range(0, len(maps), step):
        where = slice(start, min(start + step, len(maps)))
        yield where, _upsample(maps[where], frame)


def _peaked(values: Array) -> Array:
    """Pixels that share the maximum, `[n, H, W]` bool."""
    rounding = _ROUNDING * abs(values).max(axis=(1, 2), keepdims=True)
    return values >= values.max(axis=(1, 2), keepdims=True) - rounding


def _central(tied: Array) -> Array:
    points = np.argwhere(tied)
    # in whole numbers, so that equal distances are equal: n times the offset from the mean
    offset = points * len(points) - points.sum(axis=0)
    return points[(offset**2).sum(axis=1).argmin()]


def _disc_meets(masks: Array, items: Array, points: Array, radius: float) -> Array:
    """Whether a disc round each item's point meets its mask, `[items]`."""
    height, width = masks.shape[1:]
    reach = int(min(radius, np.hypot(height, width)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = y**2 + x**2 <= radius**2
    rows = points[:, :1] + y[inside]  # [items, pixels of the disc]
    columns = points[:, 1:] + x[inside]
    there = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    return (masks[items[:, None], rows, columns] & there).any(axis=1)


def _masks(regions: Array | list[Array], frame: tuple[int, int]) -> Array:
    """Regions as masks, `[n, H, W]` bool."""
    if isinstance(regions, np.ndarray):
        return regions
    masks = np.zeros((len(regions), *frame), bool)
    for mask, boxes in zip(masks, regions, strict=True):
        for x, y, width, height in boxes:
            mask[_pixels(y, height), _pixels(x, width)] = True
    return masks


def _pixels(start: float, length: float) -> slice:
    """Pixels whose centres lie in start <= centre < start + length, or the one under its middle."""
    first = int(np.ceil(start - 0.5))
    end = int(np.ceil(start + length - 0.5))
    if end <= first and length > 0:
        first = int(np.floor(start + length / 2))
        end = first + 1
    return slice(max(first, 0), max(end, 0))


def _with_peaks(maps: Array, frame: tuple[int, int]) -> tuple[Array, tuple[int, int]]:
    """`checked_maps` of which some pixel of the frame sees every cell, so that no peak is lost."""
    maps, frame = checked_maps(maps, frame)
    if maps.shape[1] > frame[0] or maps.shape[2] > frame[1]:
        raise InputError(
            f"pointing game: maps of {maps.shape[1:]} are finer than the frame of {frame}; pool "
            "them first"
        )
    return maps, frame


def checked_maps(maps: Array, frame: tuple[int, int]) -> tuple[Array, tuple[int, int]]:
    """Maps [n, h, w] as floats, and the frame's height and width.

    Raises:
        InputError: maps of another shape, values that are not finite, or a frame without pixels.
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 3 or 0 in maps.shape[1:]:
        raise InputError(f"saliency maps: the shape is {maps.shape}; give [n, h, w]")
    if not np.isfinite(maps).all():
        item = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))[0]
        raise InputError(f"saliency maps: map {item} holds NaN or infinity; leave such items out")
    if len(frame) != 2 or min(frame) < 1:
        raise InputError(f"saliency maps: the frame is {tuple(frame)}; give height and width")
    return maps, (int(frame[0]), int(frame[1]))


def _checked_regions(regions: Array | Boxes, n: int, frame: tuple[int, int]) -> Array | list[Array]:
    if len(regions) != n:
        raise InputError(f"regions: there are {len(regions)} for {n} maps; give one each")
    if isinstance(regions, np.ndarray) and regions.dtype == bool:
        if regions.shape[1:] != frame:
            raise InputError(
                f"regions: masks of {regions.shape[1:]} pixels in a frame of {frame}; "
                "give masks at the frame's resolution"
            )
        return regions
    if isinstance(regions, np.ndarray) and regions.shape[1:] == frame:
        raise InputError(f"regions: masks are of type {regions.dtype}; give them as bool")
    checked = []
    for item, boxes in enumerate(regions):
        boxes = np.asarray(boxes, float)  # unsigned coordinates would wrap round in sums
        if boxes.size == 0:
            boxes = boxes.reshape(0, 4)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(
                f"regions: item {item} has the shape {boxes.shape}; give boxes x, y, width, height"
            )
        if not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
            raise InputError(
                f"regions: item {item} has a box with a negative side, or one that is not finite"
            )
        checked.append(boxes)
    return checked
