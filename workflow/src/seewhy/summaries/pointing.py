r"""Where in the image an attribute is (eq. 9), and how near its key points that lies (Table 1).

An attribute t of image x is located by the filters that stand for it,

.. math::
    y = \sigma\Big(\sum_{k=1}^{n} \alpha_k f_k(x)\Big), \qquad \alpha_k = p(t | f_k) \quad (9)

with p(t|f) the distribution of each filter, which sums to 1 over the attributes as in eqs. 5 and 7
(else a filter with large scores for everything would decide), and sigma as in eqs. 6 and 8:
negative values to 0, then divided by the sum. Its place is the largest value of the sum, brought to
the crop's resolution (`seewhy.scores.pointing`); sigma does not move it. PCK@alpha is the
share of (image, attribute) pairs whose place lies within alpha times the object's size of a key
point that the attribute's noun names. The crop is the object's box made
square, so the size is the crop's side: the paper's row "Random", 3.1, 12.6 and 28.3%, is exactly
pi alpha^2.

Points are x, y in pixels of the crop, pixel i reaching from i to i + 1 (its centre is i + 1/2).

What the paper does not say, and what is done here: of several key points (left and right wing) the
nearest visible one counts; a pair without a visible one is left out; "constant p.d.f." gives all
filters the same weight (a constant distribution over l attributes is 1/l for each filter); pairs
are pooled, and the mean over attributes stands beside.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, Score, bootstrap_interval
from seewhy.scores.clusters import clustered_mean_of
from seewhy.scores.columns import interval_columns, verdict
from seewhy.scores.pointing import peaks, upsample

Array = np.ndarray
ALPHAS = (0.1, 0.2, 0.3)
# Guo et al. 2019, Table 1: CUB-200-2011.
PUBLISHED = {
    "random": (0.031, 0.126, 0.283),
    "constant p.d.f.": (0.085, 0.281, 0.475),
    "paper": (0.122, 0.387, 0.609),
}


@dataclass(frozen=True)
class Pairs:
    """What is scored: attributes in images that have them and show a key point of theirs.

    Attributes:
        image: row of the image, [q], not falling.
        attribute: column of the attribute, [q].
        points: x, y of all key points of the image in pixels of the crop, [q, p, 2].
        there: those of the attribute that are visible, [q, p] bool; at least one a pair.
        size: side of the crop in pixels.
    """

    image: Array
    attribute: Array
    points: Array
    there: Array
    size: float

    def __len__(self) -> int:
        return len(self.image)


def grounding_pairs(
    presence: csr_matrix,
    parts: Array,
    points: Array,
    visible: Array,
    *,
    size: float,
    top: int = 50,
    counts: Array | None = None,
) -> Pairs:
    """Pairs of the most frequent attributes that have key points.

    Args:
        presence: which image has which attribute, [m, l].
        parts: key points of each attribute, [l, p] bool, see `seewhy.summaries.parts`.
        points: x, y in pixels of the crop, [m, p, 2].
        visible: [m, p] bool.
        size: side of the crop in pixels.
        top: how many attributes.
        counts: how frequent each attribute is, [l] (those of the train images, say); None: counted
            in `presence`.

    Raises:
        InputError: shapes that do not fit, or no pair at all.
    """
    presence, points = csr_matrix(presence, dtype=bool), np.asarray(points, float)
    parts, visible = np.asarray(parts, bool), np.asarray(visible, bool)
    m, l = presence.shape  # noqa: E741 (the paper's letter)
    p = parts.shape[1]
    if parts.shape != (l, p) or points.shape != (m, p, 2) or visible.shape != (m, p):
        raise InputError(
            f"key points: presence {presence.shape}, parts {parts.shape}, points {points.shape} "
            f"and visible {visible.shape}; give [m, l], [l, p], [m, p, 2] and [m, p]"
        )
    counts = presence.sum(axis=0) if counts is None else counts
    counts = np.asarray(counts, float).ravel()
    if counts.shape != (l,):
        raise InputError(f"key points: {len(counts)} counts for {l} attributes; give one each")
    counts = np.where(parts.any(axis=1), counts, 0)
    chosen = np.argsort(-counts, kind="stable")[:top]
    chosen = chosen[counts[chosen] > 0]
    image, column = presence[:, chosen].nonzero()
    order = np.lexsort((column, image))
    image, attribute = image[order], chosen[column[order]]
    there = parts[attribute] & visible[image]
    kept = there.any(axis=1)
    if not kept.any():
        raise InputError(
            "key points: no image has an attribute whose key point is visible; check the "
            "attributes' nouns and the key points' names"
        )
    image, attribute = image[kept], attribute[kept]
    return Pairs(image, attribute, points[image], there[kept], float(size))


def heat_maps(feature_maps: Array, alpha: Array, *, size: int | None = None) -> Array:
    """Heat maps y of eq. 9.

    Args:
        feature_maps: f, [b, n, h, w].
        alpha: weight of each filter for each query, [n, q].
        size: side of the crop in pixels, for maps at its resolution; None: the feature maps'.

    Returns:
        [b, q, h, w] or [b, q, size, size]; not negative, each sums to 1, or is 0 where nothing
        speaks for the attribute.

    Raises:
        InputError: shapes that do not fit.
    """
    maps = _weighted(feature_maps, alpha)
    b, q, h, w = maps.shape
    if size is not None:
        maps = upsample(maps.reshape(b * q, h, w), (size, size)).reshape(b, q, size, size)
    maps = maps.clip(min=0)
    total = maps.sum(axis=(2, 3), keepdims=True)
    return maps / np.where(total > 0, total, 1)


def predicted_points(blocks: Iterable[Array], pairs: Pairs, alpha: Array) -> Array:
    """The place of each pair's attribute: the peak of its map at the crop's resolution.

    Equal peaks give the pixel nearest to their mean position, so a constant map gives the centre.

    Args:
        blocks: feature maps [b, n, h, w] of all images, in order, some at a time.
        pairs: of these images.
        alpha: p(t|f), rows that sum to 1, [..., n, l]; several tables are answered in one pass
            over the blocks.

    Returns:
        x, y in pixels of the crop, [..., q, 2].

    Raises:
        InputError: shapes that do not fit, or fewer images than the pairs have.
    """
    alpha = np.asarray(alpha)
    if alpha.ndim < 2 or alpha.shape[-1] <= pairs.attribute.max():
        raise InputError(
            f"heat maps: alpha is {alpha.shape} and the pairs have attribute "
            f"{pairs.attribute.max()}; give [filters, attributes]"
        )
    side = round(pairs.size)
    tables = alpha.reshape(-1, *alpha.shape[-2:])
    found, start = np.full((len(tables), len(pairs), 2), np.nan), 0
    for block in blocks:
        first, last = np.searchsorted(pairs.image, [start, start + len(block)])
        if last > first:
            asked, query = np.unique(pairs.attribute[first:last], return_inverse=True)
            for places, table in zip(found, tables, strict=True):
                maps = _weighted(block, table[:, asked])[pairs.image[first:last] - start, query]
                at = peaks(maps, frame=(side, side))[:, ::-1] + 0.5
                places[first:last] = at * pairs.size / side
        start += len(block)
    if start <= pairs.image.max():
        raise InputError(
            f"heat maps: the pairs have image {pairs.image.max()} and there are feature maps of "
            f"{start}; give those of all images"
        )
    return found.reshape(*alpha.shape[:-2], len(pairs), 2)


def _weighted(feature_maps: Array, alpha: Array) -> Array:
    """Sums over filters, [b, q, h, w]."""
    f, alpha = np.asarray(feature_maps), np.asarray(alpha)
    if f.ndim != 4 or alpha.ndim != 2 or f.shape[1] != len(alpha):
        raise InputError(
            f"heat maps: feature maps {f.shape} and alpha {alpha.shape}; "
            "give [images, filters, h, w] and [filters, queries]"
        )
    b, n, h, w = f.shape
    maps = alpha.T.astype(float) @ f.reshape(b, n, h * w).astype(float)
    return maps.reshape(b, alpha.shape[1], h, w)


def centre_points(pairs: Pairs) -> Array:
    """The baseline that always says the box's centre, [q, 2]."""
    return np.full((len(pairs), 2), pairs.size / 2)


def part_mean_points(pairs: Pairs, parts: Array, points: Array, visible: Array) -> Array:
    """The baseline that says where the attribute's key points are on average in the train images.

    Args:
        pairs: to be answered.
        parts: [l, p] bool.
        points: of the train images in pixels of a crop of the same size, [m, p, 2].
        visible: of the train images, [m, p] bool.

    Returns:
        [q, 2]; the centre, where no train image shows a key point of the attribute.
    """
    visible = np.asarray(visible, float)  # [m, p]
    total = np.einsum("mp,mpd->pd", visible, np.where(visible[..., None] > 0, points, 0))
    of_attribute = np.asarray(parts, float)[pairs.attribute]  # [q, p]
    count = of_attribute @ visible.sum(axis=0)
    mean = of_attribute @ total / np.where(count > 0, count, 1)[:, None]
    return np.where(count[:, None] > 0, mean, pairs.size / 2)


def other_attribute(pairs: Pairs, parts: Array, *, seed: int = 0) -> Array:
    """A control: for each attribute another of the pairs' that names none of its key points.

    Args:
        pairs: whose attributes are exchanged.
        parts: [l, p] bool.
        seed: of the draw.

    Returns:
        [l], to index `alpha` by: ``alpha[:, other]``. An attribute stands for itself where all
        others share a key point with it, or it is in no pair.
    """
    rng, parts = np.random.default_rng(seed), np.asarray(parts, bool)
    other, used = np.arange(len(parts)), np.unique(pairs.attribute)
    for t in used:
        apart = used[~(parts[used] & parts[t]).any(axis=1)]
        if len(apart):
            other[t] = rng.choice(apart)
    return other


def pck(
    predicted: Array,
    points: Array,
    visible: Array,
    size: float,
    alphas: Sequence[float] = ALPHAS,
) -> Array:
    """Whether a place lies within alpha x size of the nearest key point (Table 1).

    Args:
        predicted: x, y in pixels of the crop, [q, 2].
        points: [q, p, 2].
        visible: the key points that count, [q, p] bool.
        size: side of the crop, the object's size, in pixels.
        alphas: [a], fractions of the size.

    Returns:
        [q, a], 1 or 0; NaN where no key point counts.

    Raises:
        InputError: shapes that do not fit, or a size or alpha of 0 or less.
    """
    predicted, points, visible, alphas = _checked(predicted, points, visible, size, alphas)
    distance = np.hypot(*np.moveaxis(points - predicted[:, None], -1, 0))  # [q, p]
    nearest = np.where(visible, distance, np.inf).min(axis=1, initial=np.inf)
    hits = (nearest[:, None] <= alphas * size).astype(float)
    return np.where(visible.any(axis=1)[:, None], hits, np.nan)


def random_pck(
    points: Array,
    visible: Array,
    size: float,
    alphas: Sequence[float] = ALPHAS,
    *,
    columns: int = 256,
) -> Array:
    """What `pck` gives on average for a place drawn evenly from the crop.

    That is the share of the crop covered by the discs round the key points. For one disc inside the
    crop it is pi alpha^2; at the border it is less, and several key points make it more.

    Args:
        points: [q, p, 2].
        visible: [q, p] bool.
        size: side of the crop in pixels.
        alphas: [a].
        columns: vertical lines on which the discs' union is measured exactly.

    Returns:
        [q, a]; NaN where no key point counts.
    """
    _, points, visible, alphas = _checked(None, points, visible, size, alphas)
    line = (np.arange(columns) + 0.5) / columns * size
    found = np.full((len(points), len(alphas)), np.nan)
    for i in np.flatnonzero(visible.any(axis=1)):
        x, y = points[i, visible[i]].T[:, :, None]  # [parts, 1]
        for j, radius in enumerate(alphas * size):
            half = np.sqrt((radius**2 - (line - x) ** 2).clip(min=0))  # [parts, columns]
            order = np.argsort(y - half, axis=0)
            low = np.take_along_axis((y - half).clip(0, size), order, 0)
            high = np.take_along_axis((y + half).clip(0, size), order, 0)
            # of each chord the part that the ones before it (they start lower) leave uncovered
            reach = np.maximum.accumulate(high, axis=0)
            reach = np.vstack([np.zeros((1, columns)), reach[:-1]])
            found[i, j] = (high - np.maximum(low, reach)).clip(min=0).sum() / columns / size
    return found


def simulated_pck(
    points: Array,
    visible: Array,
    size: float,
    alphas: Sequence[float] = ALPHAS,
    *,
    draws: int = 20,
    seed: int = 0,
) -> Array:
    """The mean of `pck` over places drawn evenly from the crop, [q, a]; arguments as there."""
    rng = np.random.default_rng(seed)
    return np.mean(
        [pck(rng.uniform(0, size, (len(points), 2)), points, visible, size, alphas)
         for _ in range(draws)], axis=0,
    )  # fmt: skip


def tabulate_pck(
    methods: Mapping[str, Array],
    baselines: Mapping[str, Array],
    pairs: Pairs,
    *,
    alphas: Sequence[float] = ALPHAS,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Table 1 with intervals, the random rows, and each method minus each baseline.

    Args:
        methods: predicted points of each method, [q, 2].
        baselines: predicted points of each baseline, [q, 2].
        pairs: what is scored.
        alphas: of PCK; the published rows stand only beside the paper's.
        resamples: of the bootstrap, which draws images with all their attributes.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        Columns `row`, `kind` (method, baseline, paired difference, published), `pairs`, `images`,
        `attributes`; for each alpha ``PCK@alpha`` over pairs and ``PCK@alpha by attribute``, each
        with low and high; `verdict` and `verdict by attribute` of a difference at the middle alpha,
        which say so if the baseline reaches less than a place drawn evenly from the crop.
    """
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    where = pairs.points, pairs.there, pairs.size, alphas
    free = np.tile(np.pi * np.square(alphas), (len(pairs), 1))
    hits = {
        **{("method", row): pck(points, *where) for row, points in methods.items()},
        **{("baseline", row): pck(points, *where) for row, points in baselines.items()},
        ("baseline", "random, pi alpha^2"): free,
        ("baseline", _CHANCE): random_pck(*where),
        ("baseline", "random, simulated"): simulated_pck(*where, seed=seed),
    }
    counts = {"pairs": len(pairs), "images": len(np.unique(pairs.image)),
              "attributes": len(np.unique(pairs.attribute))}  # fmt: skip
    middle = f"PCK@{alphas[len(alphas) // 2]:g}"
    rows: list[dict[str, Any]] = []
    for (kind, row), found in hits.items():
        score, images = _all_alphas(found, pairs, alphas)
        intervals = bootstrap_interval([score], clips=images, **draws)
        rows.append({"row": row, "kind": kind} | counts | _columns(intervals))
    compared = [row for kind, row in hits if kind == "baseline" and row not in _REDUNDANT]

    def intervals_over(found: Array, baseline: str) -> dict[str, Interval]:
        # means over the same pairs are linear: their difference is the mean difference
        score, images = _all_alphas(found - hits["baseline", baseline], pairs, alphas)
        return bootstrap_interval([score], clips=images, **draws)

    over = {row: intervals_over(hits["baseline", row], _CHANCE) for row in compared}
    for method in methods:
        for baseline in compared:
            intervals = intervals_over(hits["method", method], baseline)
            said = {
                name: verdict(intervals[figure], baseline=over[baseline][figure])
                for name, figure in (
                    ("verdict", middle), ("verdict by attribute", f"{middle} by attribute")
                )
            }  # fmt: skip
            about = {"row": f"{method} minus {baseline}", "kind": "paired difference"}
            rows.append(about | counts | _columns(intervals) | said)
    if tuple(alphas) == ALPHAS:
        for row, values in PUBLISHED.items():
            about = {"row": row, "kind": "published (Guo et al. 2019, Table 1)"}
            rows.append(about | {f"PCK@{a:g}": v for a, v in zip(alphas, values, strict=True)})
    integers = dict.fromkeys(counts, "Int64")
    return pd.DataFrame(rows).astype(integers)


_CHANCE = "random, inside the crop"
_REDUNDANT = ("random, pi alpha^2", "random, simulated")  # the exact random row is compared with


def _all_alphas(hits: Array, pairs: Pairs, alphas: Sequence[float]) -> tuple[Score, int]:
    """Means over pairs and over attributes at each alpha, of images drawn."""
    scores = []
    for alpha, column in zip(alphas, hits.T, strict=True):
        name = f"PCK@{alpha:g}"
        one, images = clustered_mean_of(column, pairs.image, name=name)
        two, _ = clustered_mean_of(
            column, pairs.image, labels=pairs.attribute, name=f"{name} by attribute"
        )
        scores += [one, two]
    return lambda times: {k: v for score in scores for k, v in score(times).items()}, images


def _columns(intervals: Mapping[str, Interval]) -> dict[str, float]:
    return {
        k: v for name, found in intervals.items() for k, v in interval_columns(name, found).items()
    }


def _checked(
    predicted: Array | None, points: Array, visible: Array, size: float, alphas: Sequence[float]
) -> tuple[Array, Array, Array, Array]:
    points, visible = np.asarray(points, float), np.asarray(visible, bool)
    alphas = np.asarray(alphas, float)
    q = len(points)
    predicted = np.zeros((q, 2)) if predicted is None else np.asarray(predicted, float)
    if points.shape != (*visible.shape, 2) or predicted.shape != (q, 2):
        raise InputError(
            f"PCK: predicted {predicted.shape}, points {points.shape} and visible {visible.shape}; "
            "give [q, 2], [q, p, 2] and [q, p]"
        )
    if not size > 0 or not (alphas > 0).all():
        raise InputError(f"PCK: size ({size}) and alphas ({alphas.tolist()}) must be above 0")
    return predicted, points, visible, alphas
