"""Interpretability measures against plain definitions, scikit-learn-like literals and extremes."""

import itertools
import math

import numpy as np
import pytest

from seewhy.scores.interpretability import (
    auc,
    completeness,
    disentanglement,
    mutual_information,
    mutual_information_gap,
    peakiness,
    single_neuron_auc,
)


def literal_auc(values, labels):
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for (a, la), (b, lb) in itertools.product(zip(values, labels, strict=True), repeat=2)
        if la and not lb
    ]
    return np.mean(pairs)


def test_auc_counts_pairs_with_ties_half():
    rng = np.random.default_rng(0)
    activations = rng.integers(0, 5, (40, 6)).astype(float)
    labels = rng.random((40, 3)) < 0.3
    found = auc(activations, labels)
    for j, i in itertools.product(range(6), range(3)):
        assert found[j, i] == pytest.approx(literal_auc(activations[:, j], labels[:, i]))
    assert np.isnan(auc(activations, np.ones((40, 1)))).all()


def test_the_best_neuron_is_picked_on_train_clips_and_may_turn_either_way():
    rng = np.random.default_rng(1)
    labels = rng.random((2, 200, 2)) < 0.4
    activations = rng.normal(size=(2, 200, 5))
    activations[:, :, 3] -= 3 * labels[:, :, 0]  # says concept 0 by falling silent
    activations[1, :, 4] += 100 * labels[1, :, 1]  # tells concept 1 on held-out clips only
    found = single_neuron_auc(activations[0], labels[0], activations[1], labels[1])
    assert found[0] > 0.95
    assert 0.4 < found[1] < 0.6
    labels[1, :, 0] = False
    assert np.isnan(single_neuron_auc(activations[0], labels[0], activations[1], labels[1])[0])


def literal_information(values, labels, bins):
    order = np.argsort(np.argsort(values))
    place = order * bins // len(values)
    total = 0.0
    for b, label in itertools.product(range(bins), (False, True)):
        joint = np.mean((place == b) & (labels == label))
        if joint:
            total += joint * math.log(joint / (np.mean(place == b) * np.mean(labels == label)))
    return total


def test_mutual_information_is_that_of_the_table_of_bins():
    rng = np.random.default_rng(2)
    labels = rng.random((100, 3)) < 0.4
    activations = rng.normal(size=(100, 4)) + labels[:, :1]
    found = mutual_information(activations, labels, bins=5)
    for j, i in itertools.product(range(4), range(3)):
        expected = literal_information(activations[:, j], labels[:, i], 5)
        assert found[j, i] == pytest.approx(expected, abs=1e-12)


def test_the_gap_is_one_for_a_neuron_alone_and_none_for_two_alike():
    labels = (np.arange(400) % 2 == 0)[:, None]
    alone = np.stack([labels[:, 0].astype(float), np.zeros(400)], axis=1)
    assert mutual_information_gap(alone, labels)[0] == pytest.approx(1)
    twins = np.stack([labels[:, 0].astype(float)] * 2, axis=1)
    assert mutual_information_gap(twins, labels)[0] == pytest.approx(0)


def test_dci_of_extremes_and_by_hand():
    assert disentanglement(np.eye(4)) == completeness(np.eye(4)) == pytest.approx(1)
    assert disentanglement(np.ones((4, 3))) == pytest.approx(0)
    assert completeness(np.ones((4, 3))) == pytest.approx(0)
    importance = np.array([[3.0, 1.0], [0.0, 0.0], [0.0, 4.0]])
    half = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert disentanglement(importance) == pytest.approx(0.5 * (1 - half) + 0.5)
    fifth = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8)) / math.log(3)
    assert completeness(importance) == pytest.approx((1 + 1 - fifth) / 2)
    assert math.isnan(disentanglement(np.zeros((2, 2))))


def test_peakiness_is_one_where_one_neuron_stands_out_and_none_where_all_do():
    bits = (np.arange(320)[:, None] >> np.arange(3)) & 1  # three independent labels
    activations = np.repeat(bits[:, 2:], 10, axis=1).astype(float)
    activations[:, 4] = 5 * bits[:, 0]
    one, _ = peakiness(activations, bits[:, :2])
    assert one == pytest.approx(1)
    everyone = np.repeat(bits[:, 2:] + 3 * bits[:, 1:2], 10, axis=1) * np.arange(1.0, 11)
    assert peakiness(everyone, bits[:, 1:2])[0] == pytest.approx(0, abs=1e-9)
    assert np.isnan(peakiness(activations, np.zeros((320, 1)))).all()


def test_auc_of_one_clip_against_the_rest_and_of_none():
    activations = np.array([[3.0], [1], [2], [2]])
    labels = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1]])
    assert auc(activations, labels)[0].tolist()[:2] == [1, 0]  # one with it, one without it
    assert np.isnan(auc(activations, labels)[0, 2:]).all()


def literal_single_neuron_auc(train, train_labels, held_out, held_out_labels):
    found = []
    for t in range(train_labels.shape[1]):
        own, other = train_labels[:, t], held_out_labels[:, t]
        if len(set(own)) < 2 or len(set(other)) < 2:
            found.append(math.nan)
            continue
        scores = [literal_auc(column, own) for column in train.T]
        best = max(range(len(scores)), key=lambda j: abs(scores[j] - 0.5))
        value = literal_auc(held_out[:, best], other)
        found.append(1 - value if scores[best] < 0.5 else value)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_best_neuron_is_that_of_a_literal_loop(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (2, 14, 5))
    labels[0, :, 3], labels[1, :, 4] = 1, 0  # NaN, for want of train or held-out clips
    activations = rng.integers(0, 4, (2, 14, 3)) + 2.0 * labels[:, :, :3] * [1, -1, 1]
    found = single_neuron_auc(activations[0], labels[0], activations[1], labels[1])
    expected = literal_single_neuron_auc(activations[0], labels[0], activations[1], labels[1])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_neuron_that_says_nothing_is_one_half_whichever_way():
    labels = np.array([[1], [1], [0], [0]])
    assert single_neuron_auc(np.ones((4, 2)), labels, np.ones((4, 2)), labels)[0] == 0.5


def test_the_highest_activation_falls_into_the_last_bin_and_ties_together():
    labels = np.array([[1], [1], [0], [0]])
    ties = np.array([[1.0], [1], [0], [0]])
    for bins in (2, 4, 20):
        assert mutual_information(ties, labels, bins=bins)[0, 0] == pytest.approx(math.log(2))
    falls_apart = np.array([[0.0, 3], [1, 2], [2, 1], [3, 0]])
    told = mutual_information(falls_apart, labels, bins=4)
    np.testing.assert_allclose(told, math.log(2))


@pytest.mark.parametrize("bins", [3, 20])
def test_the_gap_is_of_each_concept_over_its_own_entropy(bins):
    rng = np.random.default_rng(3)
    labels = rng.random((60, 3)) < [0.2, 0.5, 0.7]  # bins of equal count
    activations = rng.normal(size=(60, 4)) + labels[:, [0, 1, 2, 0]]
    found = mutual_information_gap(activations, labels, bins=bins)
    for t in range(3):
        first, second = sorted(
            (literal_information(column, labels[:, t], bins) for column in activations.T),
            reverse=True,
        )[:2]
        p = labels[:, t].mean()
        entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
        assert found[t] == pytest.approx((first - second) / entropy, abs=1e-12)
    usual = mutual_information_gap(activations, labels)
    np.testing.assert_array_equal(usual, mutual_information_gap(activations, labels, bins=20))


def test_importance_of_any_scale_and_a_neuron_of_none():
    importance = np.array([[0.03, 0.01, 0.0], [0.0, 0.0, 0.0], [0.02, 0.02, 0.0]])
    scaled = [function(importance) for function in (disentanglement, completeness)]
    for function, expected in zip((disentanglement, completeness), scaled, strict=True):
        assert function(importance * 1e4) == pytest.approx(expected)
    certain = 1 + (0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(3)
    even = 1 - math.log(2) / math.log(3)
    assert scaled[0] == pytest.approx((0.04 * certain + 0.04 * even) / 0.08)
    by_concept = [
        1 + sum(p * math.log(p) for p in shares) / math.log(3)
        for shares in ((0.6, 0.4), (1 / 3, 2 / 3))
    ]
    assert scaled[1] == pytest.approx(np.mean(by_concept))  # the third concept is carried by none
    assert math.isnan(completeness(np.zeros((2, 3))))


def test_peakiness_is_hoyers_of_each_concept():
    rng = np.random.default_rng(4)
    labels = rng.random((60, 3)) < [0.1, 0.4, 0.8]
    activations = rng.normal(size=(60, 5)) * [0.01, 1, 10, 1, 1] + labels[:, [0, 0, 1, 2, 2]]
    activations = np.concatenate([activations, np.full((60, 1), 7.0)], axis=1)  # stands still
    found = peakiness(activations, labels)
    for t in range(3):
        far = [
            abs(np.mean((column - column.mean())[labels[:, t]])) / column.std()
            if column.std() > 1e-6
            else 0.0
            for column in activations.T
        ]
        root = math.sqrt(6)
        hoyer = (root - sum(far) / math.sqrt(sum(x**2 for x in far))) / (root - 1)
        assert found[t] == pytest.approx(hoyer)
