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
