"""Intervals and peaks in time, against literal loops and cases worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from seewhy.errors import InputError
from seewhy.grounding.localise import (
    best_window,
    clip_bounds,
    combined_hits,
    detections,
    grow_interval,
    in_clips,
    merge_touching,
    peak_frames,
    temporal_chance,
    temporal_hits,
    thresholded,
)
from seewhy.scores.detection import thumos14


def literal_middle(positions):
    return min(positions, key=lambda t: (abs(t - np.mean(positions)), t))


def literal_growth(sums):
    anchor = literal_middle([t for t, s in enumerate(sums) if s == max(sums)])
    if sums[anchor] <= 0:
        return anchor, anchor
    start = end = anchor
    while start > 0 and sums[start - 1] >= 0:
        start -= 1
    while end + 1 < len(sums) and sums[end + 1] >= 0:
        end += 1
    return start, end + 1


def literal_window(sums, length):
    if length >= len(sums):
        return 0, len(sums)
    totals = [sum(sums[t : t + length]) for t in range(len(sums) - length + 1)]
    start = literal_middle([t for t, s in enumerate(totals) if s == max(totals)])
    return start, start + length


def signals(seed, clips=60, frames=20):
    """Whole numbers, so that sums and ties are exact; padded with what must not be looked at."""
    rng = np.random.default_rng(seed)
    sums = rng.integers(-3, 4, (clips, frames)).astype(float)
    lengths = rng.integers(1, frames + 1, clips)
    for row, length in zip(sums, lengths, strict=True):
        row[length:] = 99
    return sums, lengths


def test_growth_is_that_of_the_loop():
    sums, lengths = signals(0)
    found = grow_interval(sums, lengths=lengths)
    for row, length, interval in zip(sums, lengths, found, strict=True):
        assert tuple(interval) == literal_growth(row[:length].tolist())
    assert (found[:, 0] == found[:, 1]).any()
    assert (found[:, 1] - found[:, 0] > 2).any()


@pytest.mark.parametrize("length", [1, 3, 8, 20, 50])
def test_the_best_window_is_that_of_the_loop(length):
    sums, lengths = signals(1)
    found = best_window(sums, length, lengths=lengths)
    for row, n, interval in zip(sums, lengths, found, strict=True):
        assert tuple(interval) == literal_window(row[:n].tolist(), length)


def test_growth_by_hand():
    sums = np.array(
        [
            [-1, 2, 0, 5, 1, -1, 4],  # a frame of sum 0 stays, a negative one stops
            [9, 1, -1, 1, 1, 1, 1],  # up to the clip's first frame
            [-1, -1, -1, -1, -1, 1, 9],  # up to its last
            [-3, -2, -1, -2, -3, -4, -5],  # nothing speaks for the action
            [0, 0, 0, 0, 0, 0, 0],
            [1, 2, 3, 4, 3, 2, 1],  # as EB-R, never negative
        ]
    )
    assert grow_interval(sums).tolist() == [[1, 5], [0, 2], [5, 7], [2, 2], [3, 3], [0, 7]]


def test_a_tie_goes_to_the_preferred_and_then_to_the_middle():
    probability = np.array([[0.6, 0.7, 0.2, 0.9, 0.1, 0.8, 0.8, 0.3]])
    signal = thresholded(probability)
    assert signal.tolist() == [[1, 1, -1, 1, -1, 1, 1, -1]]
    assert thresholded(np.array([0.5])) == 1
    # frames 0, 1, 3, 5, 6 are tied; their mean is 3
    assert grow_interval(signal).tolist() == [[3, 4]]
    assert grow_interval(signal, prefer=1 - probability).tolist() == [[0, 2]]
    # windows of two that hold two +1: 0 and 5
    assert best_window(signal, 2).tolist() == [[0, 2]]
    assert best_window(signal, 2, prefer=probability).tolist() == [[5, 7]]
    assert best_window(np.zeros((1, 10)), 4).tolist() == [[3, 7]]
    assert peak_frames(np.full((1, 9), 0.1)).tolist() == [4]


def test_windows_of_equal_sum_tie_in_spite_of_rounding():
    sums = np.array([[0.1, 0.2, 0.3, -1, 0.3, 0.2, 0.1, -1, 0.2, 0.3, 0.1]])
    assert best_window(sums, 3).tolist() == [[4, 7]]


def test_a_video_is_cut_into_clips_and_its_annotations_with_it():
    bounds = clip_bounds(300)
    assert bounds.tolist() == [[0, 128], [128, 256], [256, 300]]
    assert clip_bounds(256).tolist() == [[0, 128], [128, 256]]
    assert clip_bounds(5).tolist() == [[0, 5]]
    found = in_clips([[10, 20], [120, 270], [256, 400]], bounds)
    assert found.annotation.tolist() == [0, 1, 1, 1, 2]
    assert found.clip.tolist() == [0, 0, 1, 2, 2]
    assert found.interval.tolist() == [[10, 20], [120, 128], [0, 128], [0, 14], [0, 44]]


def test_detections_are_in_frames_of_the_video_with_a_score():
    sums = np.array([[1, 2, 3, -1], [-1, -2, -1, -1], [-1, 4, -1, 0]])
    intervals = grow_interval(sums)
    settings = dict(videos=["a", "a", "b"], labels=["run"] * 3, starts=[0, 4, 8])
    table = detections(intervals, sums, **settings)
    assert table.to_numpy().tolist() == [["a", "run", 0, 3, 6], ["b", "run", 9, 10, 4]]
    by_score = {
        score: detections(intervals, sums, score=score, **settings)["score"].tolist()
        for score in ("sum", "mean", "peak")
    }
    assert by_score == {"sum": [6, 4], "mean": [2, 4], "peak": [3, 4]}
    weighed = detections(intervals, sums, confidence=[0.5, 1, 0.25], **settings)
    assert weighed["score"].tolist() == [3, 1]
    truth = pd.DataFrame({"video": ["a"], "label": ["run"], "start": [0], "end": [3]})
    assert thumos14(truth, table, thresholds=[0.5]).mean_average_precision() == [1]


def test_detections_that_meet_at_a_border_are_one():
    table = pd.DataFrame(
        [
            ("b", "run", 128, 140, 0.9),
            ("a", "run", 100, 128, 0.2),
            ("a", "run", 256, 300, 0.4),
            ("a", "run", 128, 256, 0.7),
            ("a", "fall", 300, 310, 0.1),
            ("a", "run", 310, 320, 0.3),
        ],
        columns=["video", "label", "start", "end", "score"],
    )
    assert merge_touching(table).to_numpy().tolist() == [
        ["a", "fall", 300, 310, 0.1],
        ["a", "run", 100, 300, 0.7],
        ["a", "run", 310, 320, 0.3],
        ["b", "run", 128, 140, 0.9],
    ]
    assert merge_touching(table.iloc[:0]).empty


def test_hits_in_time_are_those_of_the_loop():
    sums, lengths = signals(2)
    rng = np.random.default_rng(3)
    start = rng.integers(0, lengths)
    intervals = np.stack([start, start + rng.integers(1, 6, len(start))], axis=1)
    expected = []
    for row, length, (first, end) in zip(sums, lengths, intervals, strict=True):
        peaks = [t for t in range(length) if row[t] == max(row[:length])]
        expected.append(np.mean([first <= t < end for t in peaks]))
    found = temporal_hits(sums, intervals, lengths=lengths)
    np.testing.assert_allclose(found, expected)
    constant = temporal_hits(0 * sums + 0.7, intervals, lengths=lengths)
    np.testing.assert_allclose(constant, temporal_chance(intervals, lengths))
    central = temporal_hits(sums, intervals, lengths=lengths, ties="central")
    peak = peak_frames(sums, lengths=lengths)
    np.testing.assert_array_equal(central, (intervals[:, 0] <= peak) & (peak < intervals[:, 1]))


def test_the_three_readings_of_probability_and_saliency_together():
    # peaks at 0 and 4 of S, at 2 and 4 of p, at 1 and 4 of both together
    sums = np.array([[10.0, 9, 0, 0, 0], [0, 0, 0, 9, 10.0]])
    probability = np.array([[0.0, 0.9, 1, 0, 0], [0, 0, 0, 0.2, 1]])
    truth = np.array([[2, 3], [3, 4]])
    found = {
        how: combined_hits(sums, probability, truth, how=how).tolist()
        for how in ("either", "product", "sum")
    }
    assert found == {"either": [1, 0], "product": [0, 0], "sum": [0, 0]}
    between = [[1, 2], [4, 5]]
    assert combined_hits(sums, probability, between, how="product").tolist() == [1, 1]
    assert combined_hits(sums, probability, between, how="either").tolist() == [0, 1]
    # scaled 0, 1, 0.45, 0 and 1, 0.125, 0.625, 0
    parted = np.array([[0, 2, 0.9, 0]]), np.array([[0.9, 0.2, 0.6, 0.1]])
    assert combined_hits(*parted, [[1, 2]], how="sum").tolist() == [1]
    assert combined_hits(*parted, [[2, 3]], how="product").tolist() == [1]
    # a constant signal leaves the word to the other
    for how in ("product", "sum"):
        assert combined_hits(sums, 0 * probability, [[0, 1], [4, 5]], how=how).tolist() == [1, 1]


def test_either_reading_with_chance_alone_is_that_of_two_random_frames():
    constant = np.ones((1, 10))
    found = combined_hits(constant, constant, [[0, 2]], how="either")
    assert found == pytest.approx([1 - 0.8**2])


def test_errors_say_what_is_wrong():
    sums = np.ones((2, 5))
    broken = np.array([[1.0, 2], [np.nan, 3]])
    given = dict(videos=["a", "b"], labels=["run", "run"])
    for call, message in [
        (lambda: grow_interval(sums[0]), r"shape of the signal is \(5,\)"),
        (lambda: grow_interval(broken), "clip 1 holds NaN"),
        (lambda: grow_interval(sums, lengths=[5, 6]), "each of the 2 clips 1 to 5 frames"),
        (lambda: grow_interval(sums, prefer=sums[:1]), r"second signal .* \(1, 5\)"),
        (lambda: best_window(sums, 0), "length of the window is 0"),
        (lambda: clip_bounds(0), "0 frames in clips of 128"),
        (lambda: temporal_hits(sums, [[0, 1]]), r"shape \(1, 2\) for 2 clips"),
        (lambda: temporal_hits(sums, [[0, 1]] * 2, ties="first"), "ties is 'first'"),
        (lambda: combined_hits(sums, sums, [[0, 1]] * 2, how="max"), "how is 'max'"),
        (lambda: detections([[0, 1]] * 2, sums, score="area", **given), "score is 'area'"),
        (lambda: detections([[0, 1]], sums, **given), "1 intervals for 2 clips"),
        (
            lambda: detections([[0, 1]] * 2, sums, confidence=[-1, 1], **given),
            "confidence is negative",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            call()
