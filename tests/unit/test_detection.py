"""Detection mAP against literal evaluators, and cases worked out by hand."""

import time

import numpy as np
import pandas as pd
import pytest

from seewhy.errors import InputError
from seewhy.scores.bootstrap import bootstrap_interval
from seewhy.scores.detection import activitynet, count_also_as, temporal_iou, thumos14

EVALUATORS = {"thumos14": thumos14, "activitynet": activitynet}


def intervals(*rows, scored=False):
    columns = ["video", "label", "start", "end", "score"]
    return pd.DataFrame(rows, columns=columns if scored else columns[:4])


def scored(*rows):
    return intervals(*rows, scored=True)


def ap(evaluator, truth, detections, threshold=0.5, **settings):
    found = evaluator(truth, detections, thresholds=[threshold], **settings)
    return found.average_precision()[threshold].to_dict()


def literal_iou(a, b):
    inner = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return inner / (a[1] - a[0] + b[1] - b[0] - inner)


def literal_ap(truth, detections, label, threshold, interpolated):
    """One label's average precision, interval by interval."""
    every = [r for r in detections.itertuples() if r.label == label]
    ranked = sorted(every, key=lambda r: (-r.score, r.video, r.Index))
    wanted = [r for r in truth.itertuples() if r.label == label]
    state = {r.Index: "false" for r in ranked}
    free = list(wanted)

    def overlap(a, b):
        return literal_iou((a.start, a.end), (b.start, b.end)) if a.video == b.video else 0

    if interpolated:
        for d in ranked:
            here = [w for w in free if w.video == d.video]
            if here:
                best = max(here, key=lambda w: overlap(w, d))
                if overlap(best, d) >= threshold:
                    state[d.Index] = "true"
                    free.remove(best)
    else:
        for w in wanted:
            here = [d for d in ranked if d.video == w.video and state[d.Index] == "false"]
            if here:
                best = max(here, key=lambda d: overlap(w, d))
                if overlap(w, best) > threshold:
                    state[best.Index] = "true"
        for d in ranked:
            for a in truth.itertuples():
                doubtful = a.label == "Ambiguous" and overlap(a, d) > 0
                if doubtful and state[d.Index] == "false":
                    state[d.Index] = "dropped"
    flags = [state[r.Index] for r in ranked if state[r.Index] != "dropped"]
    precision = [flags[: i + 1].count("true") / (i + 1) for i in range(len(flags))]
    if interpolated:
        precision = [max(precision[i:]) for i in range(len(precision))]
    return sum(p for p, f in zip(precision, flags, strict=True) if f == "true") / len(wanted)


def random_tables(seed, *, truths=60, detected=150, videos=6):
    rng = np.random.default_rng(seed)

    def table(n, labels, columns):
        start = rng.integers(0, 40, n)
        frame = {
            "video": rng.choice([f"v{i}" for i in range(videos)], n),
            "label": rng.choice(labels, n),
            "start": start,
            "end": start + rng.integers(1, 15, n),
        }
        if columns:
            frame["score"] = rng.integers(0, 8, n) / 8  # with ties
        return pd.DataFrame(frame)

    return (
        table(truths, ["run", "fall", "jump", "Ambiguous"], False),
        table(detected, ["run", "fall", "jump", "swim"], True),
    )


def test_iou_of_intervals():
    assert temporal_iou([0, 4], [2, 6]) == pytest.approx(2 / 6)
    assert temporal_iou([0, 4], [4, 6]) == 0
    assert temporal_iou([0, 4], [7, 9]) == 0
    assert temporal_iou([3, 3], [3, 3]) == 0
    pairs = temporal_iou(np.array([[0, 2], [1, 3]])[:, None], np.array([[0, 2], [0, 4], [5, 6]]))
    np.testing.assert_allclose(pairs, [[1, 0.5, 0], [1 / 3, 0.5, 0]])


@pytest.mark.parametrize("name", EVALUATORS)
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_the_literal_evaluator(name, seed):
    truth, detections = random_tables(seed)
    thresholds = [0.1, 0.3, 0.5, 0.75]
    if name == "activitynet":
        truth = truth[truth["label"] != "Ambiguous"]
    found = EVALUATORS[name](truth, detections, thresholds=thresholds)
    table = found.average_precision()
    assert list(table.index) == ["fall", "jump", "run"]
    for label in table.index:
        for threshold in thresholds:
            expected = literal_ap(truth, detections, label, threshold, name == "activitynet")
            assert table.loc[label, threshold] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_allclose(found.mean_average_precision(), table.mean())
    assert 0 < table.to_numpy().max() < 1
    assert found.left_out == (detections["label"] == "swim").sum()


def test_precision_is_interpolated_by_activitynet_alone():
    truth = intervals(("a", "run", 0, 10), ("a", "run", 20, 30))
    detections = scored(
        ("a", "run", 50, 60, 0.9), ("a", "run", 0, 10, 0.8), ("a", "run", 20, 30, 0.7)
    )
    # false, true, true: precisions 0, 1/2, 2/3
    assert ap(thumos14, truth, detections)["run"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert ap(activitynet, truth, detections)["run"] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_a_second_detection_of_an_interval_is_false():
    truth = intervals(("a", "run", 0, 10), ("b", "run", 0, 10))
    detections = scored(("a", "run", 0, 9, 0.9), ("a", "run", 0, 10, 0.8), ("b", "run", 0, 10, 0.7))
    # THUMOS14: the interval takes the second, of larger IoU, which leaves false, true, true
    assert ap(thumos14, truth, detections)["run"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # ActivityNet: the first is there first, which leaves true, false, true
    assert ap(activitynet, truth, detections)["run"] == pytest.approx((1 + 2 / 3) / 2)


def test_an_iou_of_the_threshold_matches_for_activitynet_alone():
    truth, detections = intervals(("a", "run", 0, 10)), scored(("a", "run", 0, 5, 1.0))
    assert ap(thumos14, truth, detections) == {"run": 0}
    assert ap(activitynet, truth, detections) == {"run": 1}
    assert ap(thumos14, truth, detections, threshold=0.499) == {"run": 1}


def test_unmatched_detections_that_touch_an_ambiguous_interval_count_neither_way():
    truth = intervals(("a", "run", 0, 10), ("a", "Ambiguous", 20, 30), ("b", "Ambiguous", 0, 99))
    right = ("a", "run", 0, 10, 0.5)
    for start, end, expected in [(29, 60, 1), (30, 60, 1 / 2), (12, 20, 1 / 2), (22, 23, 1)]:
        detections = scored(("a", "run", start, end, 0.9), right)
        assert ap(thumos14, truth, detections)["run"] == pytest.approx(expected)
    # a match stays one though it overlaps an ambiguous interval
    overlapping = intervals(("a", "run", 0, 10), ("a", "Ambiguous", 5, 30))
    assert ap(thumos14, overlapping, scored(right)) == {"run": 1}
    # told that there are none, the label is one like others
    found = thumos14(truth, scored(right), thresholds=[0.5], ambiguous=None)
    assert found.labels == ("Ambiguous", "run")


def test_ties_in_score_stand_in_the_order_of_videos_then_of_the_table():
    truth = intervals(("a", "run", 0, 10), ("b", "run", 0, 10))
    right, wrong = ("b", "run", 0, 10, 0.5), ("b", "run", 50, 60, 0.5)
    for evaluator in EVALUATORS.values():
        assert ap(evaluator, truth, scored(right, wrong))["run"] == pytest.approx(1 / 2)
        assert ap(evaluator, truth, scored(wrong, right))["run"] == pytest.approx(1 / 4)
        before = ("a", "run", 50, 60, 0.5)
        assert ap(evaluator, truth, scored(right, before))["run"] == pytest.approx(1 / 4)


def test_of_equal_iou_thumos_takes_the_higher_score_and_activitynet_the_first_row():
    truth = intervals(("a", "run", 0, 10))
    detections = scored(("a", "run", 0, 8, 0.2), ("a", "run", 2, 10, 0.9))
    assert ap(thumos14, truth, detections)["run"] == 1
    two = intervals(("a", "run", 0, 8), ("a", "run", 4, 12))
    # the better detection takes row 0, so that the other finds row 1 left
    detections = scored(("a", "run", 2, 10, 0.9), ("a", "run", 5, 13, 0.5))
    assert ap(activitynet, two, detections)["run"] == 1


@pytest.mark.parametrize("evaluator", EVALUATORS.values())
def test_labels_without_detections_have_none_and_labels_without_truth_do_not_count(evaluator):
    truth = intervals(("a", "run", 0, 10), ("a", "fall", 0, 10))
    detections = scored(("a", "run", 0, 10, 1), ("a", "swim", 0, 10, 1))
    found = evaluator(truth, detections, thresholds=[0.5])
    assert found.average_precision()[0.5].to_dict() == {"fall": 0, "run": 1}
    assert found.mean_average_precision() == pytest.approx([0.5])
    assert found.left_out == 1
    nothing = evaluator(truth, detections.iloc[:0], thresholds=[0.5])
    assert nothing.mean_average_precision() == pytest.approx([0])


def test_detections_elsewhere_are_false_unless_only_some_videos_are_asked_for():
    truth = intervals(("a", "run", 0, 10))
    detections = scored(("b", "run", 0, 10, 0.9), ("a", "run", 0, 10, 0.5))
    assert ap(thumos14, truth, detections)["run"] == pytest.approx(1 / 2)
    assert ap(thumos14, truth, detections, videos=["a"])["run"] == 1


def test_cliff_diving_counts_as_diving_once():
    truth = intervals(
        ("a", "CliffDiving", 0, 5),
        ("a", "Diving", 0, 5),
        ("b", "CliffDiving", 1, 4),
        ("b", "Diving", 7, 9),
    )
    found = count_also_as(truth)
    assert len(found) == 5
    assert found.iloc[-1].tolist() == ["b", "Diving", 1, 4]


@pytest.mark.parametrize("name", EVALUATORS)
def test_resampled_videos_have_the_map_of_a_table_of_them(name):
    truth, detections = random_tables(7)
    detections["score"] += np.arange(len(detections)) * 1e-6  # no ties but those of copies
    truth = truth[truth["label"] != "Ambiguous"]
    found = EVALUATORS[name](truth, detections, thresholds=[0.3, 0.5])
    whole = found.weighted(np.ones((1, len(found.videos))))
    assert [v[0] for v in whole.values()] == pytest.approx(found.mean_average_precision().tolist())
    some = np.array([[1, 0, 1, 1, 0, 1]])
    names = [v for v, there in zip(found.videos, some[0], strict=True) if there]
    kept = EVALUATORS[name](truth, detections, thresholds=[0.3, 0.5], videos=names)
    assert found.weighted(some)["mAP@0.3"][0] == pytest.approx(kept.mean_average_precision()[0])
    # every video twice: copies of one detection enter the precision together
    assert found.weighted(2 * some)["mAP@0.5"] == pytest.approx(found.weighted(some)["mAP@0.5"])
    interval = bootstrap_interval([found.weighted], clips=6, resamples=200)["mAP@0.5"]
    assert interval.low < interval.value < interval.high


def test_chunks_do_not_change_a_weighted_map(monkeypatch):
    found = thumos14(*random_tables(8))
    times = np.random.default_rng(0).integers(0, 3, (20, 6))
    whole = found.weighted(times)
    monkeypatch.setattr("seewhy.scores.detection._CHUNK", 100)
    for name, values in found.weighted(times).items():
        np.testing.assert_allclose(values, whole[name])


def test_a_corpus_of_thumos_size_takes_moments():
    truth, detections = random_tables(9, truths=3000, detected=60000, videos=210)
    start = time.perf_counter()
    for evaluator in EVALUATORS.values():
        evaluator(truth, detections)
    assert time.perf_counter() - start < 20


def test_errors_say_what_is_wrong():
    truth, detections = intervals(("a", "run", 0, 10)), scored(("a", "run", 0, 10, 0.5))
    backwards = intervals(("a", "run", 10, 10))
    text = detections.assign(score="high")
    for call, message in [
        (lambda: thumos14(truth, truth), "detections lack the column score"),
        (lambda: thumos14(truth.drop(columns="label"), detections), "truth lack the column label"),
        (lambda: activitynet(backwards, detections), "run in a runs from 10 to 10"),
        (lambda: thumos14(truth, detections.assign(score=np.nan)), "row 0 .* nan as its score"),
        (lambda: thumos14(truth, text), "high as its score"),
        (lambda: thumos14(truth, detections, thresholds=[1.5]), r"thresholds are \[1.5\]"),
        (lambda: thumos14(truth, detections, thresholds=[]), "thresholds are"),
        (lambda: thumos14(truth, detections, ambiguous="run"), "no interval of any label"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
