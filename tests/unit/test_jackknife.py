"""Jackknife intervals: Student's for a mean, and around a mAP what the bootstrap misses."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seewhy.errors import InputError
from seewhy.scores import jackknife
from seewhy.scores.bootstrap import bootstrap_interval, mean_of
from seewhy.scores.detection import thumos14
from seewhy.scores.jackknife import jackknife_interval, jackknife_rows

VALUES = np.random.default_rng(0).normal(2, 3, 17)


def test_of_a_mean_it_is_students_interval():
    found = jackknife_interval([mean_of(VALUES)], clips=17, level=0.9)["mean"]
    half = stats.t.ppf(0.95, 16) * VALUES.std(ddof=1) / np.sqrt(17)
    assert found.value == pytest.approx(VALUES.mean())
    assert (found.low, found.high) == pytest.approx((VALUES.mean() - half, VALUES.mean() + half))


def test_against_a_literal_loop_of_a_ratio():
    weights = np.random.default_rng(1).uniform(1, 2, 17)

    def ratio(times):
        return {"ratio": times @ VALUES / (times @ weights)}

    without = [np.delete(VALUES, i).sum() / np.delete(weights, i).sum() for i in range(17)]
    se = np.sqrt(16 / 17 * sum((one - np.mean(without)) ** 2 for one in without))
    found = jackknife_interval([ratio], clips=17)["ratio"]
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 16) * se)


def test_several_scores_are_averaged_and_ends_are_cut():
    found = jackknife_interval(
        [mean_of(VALUES), mean_of(VALUES + 2)], clips=17, bounds=(2.5, np.inf)
    )["mean"]
    assert found.value == pytest.approx(VALUES.mean() + 1)
    assert found.low == 2.5


def test_rows_and_differences():
    rows = jackknife_rows({"a": mean_of(VALUES), "b": mean_of(-VALUES)}, [("a", "b")], clips=17)
    assert list(rows) == ["a", "b", "a minus b"]
    assert rows["a minus b"]["mean"].value == pytest.approx(2 * VALUES.mean())
    twice = jackknife_interval([mean_of(2 * VALUES)], clips=17)["mean"]
    assert rows["a minus b"]["mean"].low == pytest.approx(twice.low)
    narrow = jackknife_rows({"a": mean_of(VALUES)}, [], clips=17, level=0.5)["a"]["mean"]
    assert narrow == jackknife_interval([mean_of(VALUES)], clips=17, level=0.5)["mean"]


def test_two_clips_are_enough_by_hand():
    found = jackknife_interval([mean_of(np.array([1.0, 3.0]))], clips=2)["mean"]
    assert (found.value, found.high) == (2, pytest.approx(2 + 12.706, abs=1e-3))


def test_many_clips_pass_in_several_parts(monkeypatch):
    whole = jackknife_interval([mean_of(VALUES)], clips=17)["mean"]
    for most in (17, 34, 90):
        monkeypatch.setattr(jackknife, "_CHUNK", most)
        parts = jackknife_interval([mean_of(VALUES)], clips=17)["mean"]
        assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high))


def detections_of(rng, videos=12):
    """One action a video; detections of random scores, half of them right."""
    names = [f"v{i:02d}" for i in range(videos)]
    truth = pd.DataFrame({"video": names, "label": "run", "start": 0.0, "end": 1.0})
    right = rng.random(videos) < 0.5
    found = truth.assign(score=rng.random(videos), start=np.where(right, 0.0, 5.0))
    found["end"] = found["start"] + 1
    return truth, found, names


def test_a_map_lies_in_its_interval_where_a_bootstrap_lies_above():
    lifted = []
    for seed in range(40):
        truth, found, names = detections_of(np.random.default_rng(seed))
        score = thumos14(truth, found, thresholds=(0.5,), videos=names).weighted
        one = jackknife_interval([score], clips=12, bounds=(0, 1))["mAP@0.5"]
        assert 0 <= one.low <= one.value <= one.high <= 1
        drawn = bootstrap_interval([score], clips=12, resamples=200)["mAP@0.5"]
        lifted.append((drawn.low + drawn.high) / 2 - drawn.value)
    assert np.mean(lifted) > 0.02  # why there is a jackknife


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jackknife_interval([], clips=3), "no scores"),
        (lambda: jackknife_interval([mean_of(VALUES[:1])], clips=1), "at least two"),
        (lambda: jackknife_interval([mean_of(VALUES)], clips=17, level=1), "level 1"),
        (lambda: jackknife_interval([mean_of(VALUES)], clips=17, level=0), "level 0"),
    ],
)
def test_what_cannot_be_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message):
        call()
