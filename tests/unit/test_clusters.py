"""Intervals over clips of means over frames, against a literal loop."""

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.scores.bootstrap import bootstrap_interval, paired_bootstrap
from seewhy.scores.clusters import (
    cluster_mean_interval,
    clustered_above_chance,
    clustered_mean_of,
)


def clustered(seed=0, clips=15):
    """Frames of clips of unequal length, a few without a value, in two classes."""
    rng = np.random.default_rng(seed)
    clip = np.repeat(np.arange(clips), rng.integers(1, 9, clips))
    values = 3 + rng.normal(size=clips)[clip] + 0.1 * rng.normal(size=len(clip))
    values[rng.random(len(clip)) < 0.1] = np.nan
    values[clip == 4] = np.nan  # a clip without any
    return values, clip, np.where(clip % 6, "run", "fall")  # some draws lack one


@pytest.mark.parametrize("by_class", [False, True])
def test_clusters_are_drawn_whole_as_in_a_literal_loop(by_class):
    values, clip, labels = clustered()
    kept = [c for c in np.unique(clip) if not np.isnan(values[clip == c]).all()]
    assert len(kept) < 15
    n, rng = len(kept), np.random.default_rng(3)

    def mean(numbers):
        items = np.concatenate([np.flatnonzero(clip == c) for c in numbers])
        groups = [items[labels[items] == k] for k in ("run", "fall")] if by_class else [items]
        return np.mean([np.nanmean(values[g]) for g in groups if len(g)])

    draws = [mean([kept[i] for i in drawn]) for drawn in rng.integers(n, size=(300, n))]
    found = cluster_mean_interval(
        values,
        [f"{c:02d}" for c in clip],
        labels=labels if by_class else None,
        resamples=300,
        seed=3,
    )
    assert found.value == pytest.approx(mean(kept))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


def test_frames_alike_within_clips_widen_the_interval():
    values = np.repeat(np.random.default_rng(0).normal(size=30), 50)
    clip = np.repeat(np.arange(30), 50)
    whole = cluster_mean_interval(values, clip)
    apart = cluster_mean_interval(values, np.arange(1500))
    assert whole.high - whole.low > 5 * (apart.high - apart.low)
    score, clips = clustered_mean_of(values, clip)
    other, _ = clustered_mean_of(values - 0.25, clip)
    difference = paired_bootstrap([score], [other], clips=clips)["mean"]
    assert (difference.low, difference.high) == pytest.approx((0.25, 0.25))


def test_above_chance_as_in_a_literal_loop():
    values, clip, _ = clustered()
    hits = np.where(np.isnan(values), np.nan, values > 3)
    chance = np.random.default_rng(1).uniform(0.1, 0.9, len(clip))
    kept = [c for c in np.unique(clip) if not np.isnan(hits[clip == c]).all()]
    draws = []
    for drawn in np.random.default_rng(3).integers(len(kept), size=(300, len(kept))):
        items = np.concatenate([np.flatnonzero(clip == kept[i]) for i in drawn])
        items = items[~np.isnan(hits[items])]
        a, c = hits[items].mean(), chance[items].mean()
        draws.append((a - c) / (1 - c))
    score, clips = clustered_above_chance(hits, chance, [f"{c:02d}" for c in clip])
    found = bootstrap_interval([score], clips=clips, resamples=300, seed=3)["above chance"]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


def test_above_chance_is_0_for_guesses_1_for_perfect_and_nothing_where_guesses_are_perfect():
    chance = np.array([0.5, 0.25])
    for values, expected in ((chance, 0), ([1, 1], 1), ([0, 0], -0.375 / 0.625)):
        score, _ = clustered_above_chance(values, chance, ["a", "b"])
        assert score(np.ones((1, 2)))["above chance"] == pytest.approx(expected)
    score, _ = clustered_above_chance([1, 0, 0], [0.75] * 3, ["a", "b", "b"])
    each = score(np.array([[1.0, 0], [0, 1], [2, 1]]))["above chance"]  # little room, and more
    np.testing.assert_allclose(each, [1, -3, (0.5 - 0.75) / 0.25])
    score, _ = clustered_above_chance([1, 1], np.ones(2), ["a", "b"])
    assert np.isnan(score(np.ones((1, 2)))["above chance"])


def test_a_draw_of_one_item_is_that_item():
    score, _ = clustered_mean_of([4.0, 7, 9], ["a", "b", "b"], labels=["x", "x", "y"])
    drawn = score(np.array([[1.0, 0], [0, 1], [1, 1]]))["mean"]
    np.testing.assert_allclose(drawn, [4, (7 + 9) / 2, (11 / 2 + 9) / 2])


def test_the_level_of_an_interval_counts():
    values, clip, _ = clustered()
    narrow, wide = (cluster_mean_interval(values, clip, level=level) for level in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_errors_say_what_is_wrong():
    for call, message in [
        (lambda: cluster_mean_interval(np.ones(3), ["a"]), "3 values, 1 clusters and 3 labels"),
        (lambda: cluster_mean_interval(np.full(2, np.nan), ["a", "b"]), "all values are NaN"),
        (lambda: cluster_mean_interval(np.ones(2), ["a", "a"]), "needs at least two"),
        (lambda: clustered_above_chance(np.ones(2), np.ones(1), ["a", "b"]), "and 1 chances"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
