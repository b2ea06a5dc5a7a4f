r"""Which topic a neuron stands for: prediction difference maximisation, eq. 9 of the paper.

For a clip with topic i, the neuron that contributes most to predicting it is

.. math::
    j_i^* = \arg\max_j \left( [f(\bar v)]_i - [f(\bar v_{\setminus j})]_i \right), \tag{9}

where :math:`\bar v_{\setminus j}` is :math:`\bar v` with neuron j set to zero. Over many clips a
neuron is picked for several topics; it is named after the one it is picked for most often.

With :math:`f(v) = W_2\,\mathrm{relu}(W_1 v + b_1) + b_2`, switching a neuron off takes
:math:`v_j W_1^{(j)}` from the hidden layer's input, so that all neurons of a clip are one product
of matrices, and only the topics that the clip has need to be computed.

Shapes: c clips, v neurons, h hidden units of f, t topics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

_FLOATS = 1 << 24  # of the largest intermediate result, 64 MB


@dataclass(frozen=True)
class Preferences:
    """How often eq. 9 picked each neuron for each topic, and how much it then contributed.

    Attributes:
        counts: clips in which the neuron was picked for the topic, int64 [v, t].
        differences: the sum of its contributions there, float64 [v, t].
        clips: clips that have the topic, int64 [t].
    """

    counts: np.ndarray
    differences: np.ndarray
    clips: np.ndarray

    def topic_of(self) -> np.ndarray:
        """The topic that each neuron is named after, -1 for a neuron that was never picked: [v].

        Of topics it was picked for equally often, the one it contributed more to.
        """
        rank = self.counts + 0.5 * self.differences / (1 + abs(self.differences).max(initial=0))
        return np.where(self.counts.any(axis=1), rank.argmax(axis=1), -1)

    def neuron_of(self) -> np.ndarray:
        """The neuron picked most often for each topic, -1 for a topic without a clip: [t]."""
        return np.where(self.counts.any(axis=0), self.counts.argmax(axis=0), -1)

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """A row for each neuron and topic it was picked for, the most frequent first.

        Args:
            names: of the topics.

        Returns:
            Columns `neuron`, `topic`, `named` (whether the neuron is named after this topic),
            `count`, `share` (of all picks of this neuron), `of_topic` (share of the clips with
            the topic), `difference` (the mean contribution).
        """
        neurons, topics = np.nonzero(self.counts)
        counts = self.counts[neurons, topics]
        table = pd.DataFrame(
            {
                "neuron": neurons,
                "topic": [names[topic] for topic in topics],
                "named": self.topic_of()[neurons] == topics,
                "count": counts,
                "share": counts / self.counts.sum(axis=1)[neurons],
                "of_topic": counts / self.clips[topics],
                "difference": self.differences[neurons, topics] / counts,
            }
        )
        return table.sort_values(["neuron", "count"], ascending=[True, False], kind="stable")


@torch.no_grad()
def prefer(f: nn.Sequential, means: Tensor, s: Tensor) -> Preferences:
    """Eq. 9 for every clip and each of its topics.

    Args:
        f: two-layer perceptron, ``Linear(v, h), ReLU, Linear(h, t)``.
        means: mean features of the clips, [c, v].
        s: topic vectors, 0 or 1, [c, t].
    """
    v, t = means.shape[1], s.shape[1]
    counts, differences = np.zeros((v, t), np.int64), np.zeros((v, t))
    for topics, neurons, difference in _picks(f, means, s):
        np.add.at(counts, (neurons, topics), 1)
        np.add.at(differences, (neurons, topics), difference)
    return Preferences(counts, differences, s.sum(dim=0).long().cpu().numpy())


@torch.no_grad()
def contributions(f: nn.Sequential, means: Tensor, s: Tensor) -> np.ndarray:
    """How much each neuron contributes to each topic, the mean over the clips that have it.

    Returns:
        [v, t]: the mean of ``f(v)_i - f(v without j)_i``; 0 for a topic without a clip.
    """
    total = torch.zeros(means.shape[1], s.shape[1], dtype=torch.double, device=means.device)
    for topics, real, difference in _differences(f, means, s):
        by_topic = (difference * real.unsqueeze(1)).double()  # [c', v, m], zero where padding
        total.index_add_(1, topics.flatten(), by_topic.transpose(0, 1).flatten(1))
    return (total / s.sum(dim=0).clamp(min=1)).cpu().numpy()


def _picks(
    f: nn.Sequential, means: Tensor, s: Tensor
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Topics, neurons picked for them and contributions, [picks] each, some clips at a time."""
    for topics, real, difference in _differences(f, means, s):
        best, neurons = difference.max(dim=1)  # [c', m]
        yield tuple(x[real].cpu().numpy() for x in (topics, neurons, best))


def _differences(
    f: nn.Sequential, means: Tensor, s: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For some clips at a time: their topics [c', m], which of these are no padding, and
    ``f(v)_i - f(v without j)_i`` for them, [c', v, m].
    """
    first, second = f[0], f[2]
    clips, v = means.shape
    most = int(s.sum(dim=1).max()) if clips else 0
    if not most:
        return
    # The topics that a clip has, first; then others as padding.
    topics = s.float().argsort(dim=1, descending=True, stable=True)[:, :most]
    real = s.gather(1, topics) > 0
    group = max(1, _FLOATS // (v * max(first.out_features, most)))
    for start in range(0, clips, group):
        rows = slice(start, start + group)
        a = first(means[rows])  # [c', h]
        W = second.weight[topics[rows]].transpose(1, 2)  # [c', h, m]
        without = torch.einsum("cv,hv->cvh", means[rows], first.weight)  # v_j W_1^(j)
        without = without.neg_().add_(a.unsqueeze(1)).relu_()
        yield topics[rows], real[rows], torch.bmm(a.relu().unsqueeze(1), W) - torch.bmm(without, W)
