"""Bootstrap intervals of means over items that belong together in clusters: frames in clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, Score, bootstrap_interval


def clustered_mean_of(
    values: np.ndarray,
    clusters: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    name: str = "mean",
) -> tuple[Score, int]:
    """The mean over items that belong together in clusters, such as the frames of a clip.

    Frames of a clip are alike, so it is clips that are drawn: every frame of a drawn clip is in.

    Args:
        values: [items]; NaN for items left out, which two systems compared must have in common.
        clusters: the clip of each item, [items].
        labels: class of each item, [items]: the mean over classes of their means; None: over items.
        name: of the figure.

    Returns:
        The score, and the number of clusters, in the order of their sorted names: what the
        bootstrap takes as `clips`. Clusters without a value do not count.

    Raises:
        InputError: values, clusters and labels of unequal number, or not one value.

    Example::

        score, clips = clustered_mean_of(hits, clip_of_frame)
        bootstrap_interval([score], clips=clips)["mean"]
    """
    values = np.asarray(values, float)
    labels = np.zeros(len(values), int) if labels is None else np.asarray(labels)
    there, names, row = _in_clusters(values, clusters, labels=labels)
    classes, column = np.unique(labels[there], return_inverse=True)
    total, count = np.zeros((2, len(names), len(classes)))
    np.add.at(total, (row, column), values[there])
    np.add.at(count, (row, column), 1)

    def score(times: np.ndarray) -> dict[str, np.ndarray]:
        drawn = times @ count  # [resamples, classes]
        mean = times @ total / np.where(drawn > 0, drawn, 1)
        return {name: mean.sum(axis=1) / (drawn > 0).sum(axis=1)}  # of the classes that were drawn

    return score, len(names)


def clustered_above_chance(
    values: np.ndarray,
    chance: np.ndarray,
    clusters: Sequence[str],
    *,
    name: str = "above chance",
) -> tuple[Score, int]:
    r"""How much of the way from chance to perfect is gone: (a - c) / (1 - c).

    a is the mean of the values over the items of the drawn clusters, c that of their chances. 0 is
    chance and 1 perfect for every system, so that two whose chances differ (one guess, two guesses)
    can be compared: perfect ones are alike.

    Args:
        values: between 0 and 1, [items].
        chance: the value expected of guesses, of each item, [items].
        clusters: the clip of each item, [items].
        name: of the figure.

    Returns:
        As `clustered_mean_of`; NaN where chance alone is perfect in all that is drawn.

    Raises:
        InputError: as `clustered_mean_of`.
    """
    values, chance = np.asarray(values, float), np.asarray(chance, float)
    there, names, row = _in_clusters(values, clusters, chances=chance)
    gain, room = np.zeros((2, len(names)))
    np.add.at(gain, row, (values - chance)[there])
    np.add.at(room, row, (1 - chance)[there])

    def score(times: np.ndarray) -> dict[str, np.ndarray]:
        left = times @ room
        return {name: np.where(left > 0, times @ gain / np.where(left > 0, left, 1), np.nan)}

    return score, len(names)


def _in_clusters(
    values: np.ndarray, clusters: Sequence[str], **others: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which items have a value, the sorted names of their clusters, and the cluster of each."""
    sizes = {"values": len(values), "clusters": len(clusters)}
    sizes |= {name: len(other) for name, other in others.items()}
    if len(set(sizes.values())) > 1:
        *most, last = (f"{size} {name}" for name, size in sizes.items())
        raise InputError(
            f"bootstrap: {', '.join(most)} and {last}; give one of each for every item"
        )
    there = ~np.isnan(values)
    if not there.any():
        raise InputError("bootstrap: all values are NaN; give at least one")
    return there, *np.unique(np.asarray(clusters)[there], return_inverse=True)


def cluster_mean_interval(
    values: np.ndarray,
    clusters: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of `clustered_mean_of`; arguments as there and of `bootstrap_interval`."""
    score, clips = clustered_mean_of(values, clusters, labels=labels)
    return bootstrap_interval([score], clips=clips, resamples=resamples, level=level, seed=seed)[
        "mean"
    ]
