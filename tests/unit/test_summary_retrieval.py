"""Attribute retrieval against hand-worked counts, literal loops and scikit-learn's definition."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from seewhy.errors import InputError
from seewhy.summaries.retrieval import (
    Retrieval,
    another_images,
    average_precision,
    baseline_retrievals,
    by_attribute,
    class_profile,
    frequent_attributes,
    macro_scores,
    ranking_scores,
    retrieve,
    tabulate_retrieval,
    top_attributes,
)


def literal_average_precision(scores, truth):
    """Sum over thresholds of the rise in recall times the precision at or above the threshold."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        above = [t for s, t in zip(scores, truth, strict=True) if s >= threshold]
        recall = sum(above) / sum(truth)
        total += (recall - before) * sum(above) / len(above)
        before = recall
    return total


def random_case(seed, m=60, q=7):
    rng = np.random.default_rng(seed)
    truth = rng.random((m, q)) < np.linspace(0.1, 0.6, q)
    truth[0] = True
    scores = np.round(rng.random((m, q)) + truth * 0.4, 1)  # with ties
    return Retrieval(scores > 0.7, scores), truth


def test_a_sentence_names_the_top_attributes():
    scores = np.array([[0.1, 0.5, 0.2, 0.2], [0, 0, 1, 0]])
    assert top_attributes(scores, top=3).tolist() == [[1, 2, 3], [2, 0, 1]]
    found = retrieve(scores, np.array([3, 1]), top=2)
    np.testing.assert_array_equal(found.said, [[False, True], [False, False]])  # 0 is not said
    np.testing.assert_array_equal(found.scores, scores[:, [3, 1]])
    with pytest.raises(InputError, match="top is 5"):
        top_attributes(scores, top=5)
    with pytest.raises(InputError, match="image 1 has a score that is NaN"):
        top_attributes(np.array([[0, 1], [np.nan, 1]]), top=1)


def test_counts_of_one_attribute_by_hand():
    # retrieved: images 0, 1, 2; having it: 0, 2, 4 of 6
    said = np.array([[1], [1], [1], [0], [0], [0]], bool)
    truth = np.array([[1], [0], [1], [0], [1], [0]], bool)
    scores = np.array([[6.0], [5], [4], [3], [2], [1]])
    row = by_attribute(Retrieval(said, scores), truth).iloc[0]
    assert row[["images", "retrieved"]].tolist() == [3, 3]
    assert row["recall"] == pytest.approx(2 / 3)
    assert row["true negative"] == pytest.approx(2 / 3)
    assert row["precision"] == pytest.approx(2 / 3)
    assert row["average precision"] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_average_precision_is_the_loops_and_prevalence_for_a_constant():
    retrieval, truth = random_case(0)
    found = average_precision(retrieval.scores, truth)
    for column in range(truth.shape[1]):
        expected = literal_average_precision(retrieval.scores[:, column], truth[:, column])
        assert found[column] == pytest.approx(expected)
    np.testing.assert_allclose(average_precision(np.ones(truth.shape), truth), truth.mean(0))
    assert np.isnan(average_precision(np.ones((4, 1)), np.zeros((4, 1), bool))[0])


def test_a_random_ranking_gets_the_prevalence_on_average():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random((400, 1)) < 0.3, 300, axis=1)
    found = average_precision(rng.random(truth.shape), truth).mean()
    assert found == pytest.approx(truth[:, 0].mean(), abs=0.015)  # slightly above it: finite m


def test_resamples_score_as_the_drawn_images_would():
    retrieval, truth = random_case(1)
    rng = np.random.default_rng(2)
    drawn = rng.integers(60, size=(5, 60))
    times = np.stack([np.bincount(d, minlength=60) for d in drawn]).astype(float)
    found = macro_scores(retrieval, truth)(times) | ranking_scores(retrieval, truth)(times)
    for i, images in enumerate(drawn):
        some = Retrieval(retrieval.said[images], retrieval.scores[images])
        table = by_attribute(some, truth[images])
        for name in ("recall", "true negative", "precision", "average precision"):
            assert found[name][i] == pytest.approx(table[name].mean())
        both = (some.said & truth[images]).sum()
        assert found["pooled precision"][i] == pytest.approx(both / some.said.sum())
        assert found["pooled recall"][i] == pytest.approx(both / truth[images].sum())


def test_an_attribute_nobody_says_has_no_precision():
    said = np.array([[1, 0], [0, 0]], bool)
    truth = np.ones((2, 2), bool)
    found = macro_scores(Retrieval(said, said.astype(float)), truth)(np.ones((1, 2)))
    assert found["precision"] == [1]
    assert found["recall"] == [0.25]
    silent = macro_scores(Retrieval(said & False, said * 0.0), truth)(np.ones((1, 2)))
    assert silent["pooled precision"] == [0]


def test_profiles_and_frequent_attributes_are_counted():
    presence = csr_matrix(np.array([[2, 0, 1], [1, 0, 0], [0, 0, 3]]))  # counts, not only 1
    profile = class_profile(presence, [0, 0, 2], 4)
    np.testing.assert_allclose(profile, [[1, 0, 0.5], [0, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert presence.data.tolist() == [2, 1, 1, 3]  # the caller's own is left alone
    assert frequent_attributes(presence, top=2).tolist() == [0, 2]
    assert frequent_attributes(presence, top=9).tolist() == [0, 2]
    with pytest.raises(InputError, match="labels run from 0 to 4; there are 4 classes"):
        class_profile(presence, [0, 0, 4], 4)
    with pytest.raises(InputError, match="2 labels for 3 rows"):
        class_profile(presence, [0, 0], 4)


def test_where_the_class_tells_all_the_profile_cannot_be_beaten():
    rng = np.random.default_rng(4)
    labels = rng.integers(4, size=200)
    owns = np.eye(4, 8) + np.eye(4, 8, 4)  # each class its own two attributes
    truth = owns[labels] > 0
    profile = class_profile(csr_matrix(truth), labels, 4)
    attributes = np.arange(8)
    rows = baseline_retrievals(profile, labels, truth.mean(0), attributes, top=2)
    noisy = retrieve(owns[labels] + rng.normal(0, 0.6, truth.shape).clip(0), attributes, top=2)
    rows["another image's"] = another_images(noisy)
    table = tabulate_retrieval({"noisy": noisy}, rows, truth, resamples=200).set_index("row")
    assert (
        table.loc["class profile", ["recall", "precision", "average precision"]].tolist()
        == [pytest.approx(1)] * 3
    )
    assert table.loc["noisy minus class profile", "average precision verdict"] == "refuted"
    assert table.loc["noisy minus random", "pooled precision verdict"] == "confirmed"
    assert table.loc["noisy minus another image's", "precision verdict"] == "confirmed"
    prevalence = truth.mean(0).mean()
    assert table.loc["constant", "average precision"] == pytest.approx(prevalence)
    assert table.loc["prevalence", "precision"] == pytest.approx(prevalence)
    assert table.loc["another image's", "precision"] == pytest.approx(prevalence, abs=0.06)
    assert table.loc["constant", "retrieved"] == 2
    assert table.loc["constant", "true negative"] == pytest.approx(6 / 8)
    assert table.loc["paper", ["recall", "true negative", "precision"]].tolist() == [
        0.309, 0.929, 0.279,
    ]  # fmt: skip
    low, high = table.loc["noisy", ["precision low", "precision high"]]
    assert low < table.loc["noisy", "precision"] < high


def test_the_interval_of_a_random_ranking_holds_its_average_precision():
    rng = np.random.default_rng(5)
    truth = rng.random((300, 6)) < 0.25
    rows = {"random": Retrieval(rng.random(truth.shape) < 0.2, rng.random(truth.shape))}
    table = tabulate_retrieval(rows, {}, truth, resamples=100).set_index("row")
    for figure in ("precision", "average precision", "recall", "true negative"):
        value, low, high = table.loc["random", [figure, f"{figure} low", f"{figure} high"]]
        assert low < value < high
    assert table.loc["random", "average precision low"] < truth.mean(0).mean()


def test_what_does_not_fit_is_refused():
    retrieval, truth = random_case(5)
    with pytest.raises(InputError, match=r"truth \(60, 6\)"):
        macro_scores(retrieval, truth[:, :6])
    with pytest.raises(InputError, match="no caption has a queried attribute"):
        by_attribute(retrieval, truth & False)
