"""Reading neurons, against literal re-readings of eq. 9."""

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.captioning import reading
from seewhy.captioning.reading import contributions, prefer

CLIPS, NEURONS, HIDDEN, TOPICS = 30, 7, 5, 4
NAMES = ("dog", "cat", "run", "field")


@pytest.fixture
def case():
    torch.manual_seed(0)
    f = nn.Sequential(nn.Linear(NEURONS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, TOPICS)).double()
    means = torch.randn(CLIPS, NEURONS, dtype=torch.double).relu()
    s = (torch.rand(CLIPS, TOPICS) < 0.4).to(torch.uint8)
    s[0] = 0
    s[:, 3] = 0
    return f, means, s


def literal_difference(f, v, i, j):
    off = v.clone()
    off[j] = 0
    return (f(v)[i] - f(off)[i]).item()


@pytest.mark.parametrize("floats", [1 << 24, 100])
def test_each_pick_is_the_argmax_of_equation_9(case, monkeypatch, floats):
    monkeypatch.setattr(reading, "_FLOATS", floats)  # clips a group: all, or one
    f, means, s = case
    counts, differences = np.zeros((NEURONS, TOPICS)), np.zeros((NEURONS, TOPICS))
    for v, topics in zip(means, s, strict=True):
        for i in range(TOPICS):
            if topics[i]:
                by_neuron = [literal_difference(f, v, i, j) for j in range(NEURONS)]
                j = int(np.argmax(by_neuron))
                counts[j, i] += 1
                differences[j, i] += by_neuron[j]
    found = prefer(f, means, s)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.differences, differences, atol=1e-12)
    np.testing.assert_array_equal(found.clips, s.sum(dim=0))


def test_contributions_are_means_over_the_clips_of_a_topic(case):
    f, means, s = case
    expected = np.zeros((NEURONS, TOPICS))
    for i in range(TOPICS):
        own = [v for v, topics in zip(means, s, strict=True) if topics[i]]
        for j in range(NEURONS):
            if own:
                expected[j, i] = np.mean([literal_difference(f, v, i, j) for v in own])
    np.testing.assert_allclose(contributions(f, means, s), expected, atol=1e-12)


def test_neurons_are_named_after_the_topic_they_are_picked_for_most(case):
    f, means, s = case
    found = prefer(f, means, s)
    for neuron, topic in enumerate(found.topic_of()):
        own = found.counts[neuron]
        assert (topic == -1) if not own.any() else own[topic] == own.max()
    assert found.neuron_of()[3] == -1  # no clip has this topic
    table = found.table(NAMES)
    assert set(table["topic"]) <= set(NAMES[:3])
    assert table["count"].sum() == s.sum()
    assert (table.groupby("neuron")["named"].sum() == 1).all()
    np.testing.assert_allclose(table.groupby("neuron")["share"].sum(), 1)
    np.testing.assert_allclose(table.groupby("topic")["of_topic"].sum(), 1)


def test_a_tie_goes_to_the_topic_with_the_larger_contributions():
    counts = np.array([[2, 2, 1]])
    found = reading.Preferences(counts, np.array([[0.1, 0.3, 5.0]]), np.array([4, 4, 4]))
    assert found.topic_of().tolist() == [1]


def test_clips_without_topics_pick_nothing(case):
    f, means, s = case
    assert prefer(f, means, torch.zeros_like(s)).counts.sum() == 0
