"""Eq. 9 for all neurons at once against a loop over the neurons."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.bench.timing import compare
from seewhy.captioning.model import topic_perceptron
from seewhy.captioning.reading import prefer


def loop_over_neurons(f: nn.Sequential, means: Tensor, s: Tensor) -> np.ndarray:
    """Counts of eq. 9's picks, [v, t]: one neuron after the other switched off in all clips."""
    whole = f(means)
    best = torch.full_like(whole, -torch.inf)
    pick = torch.zeros(whole.shape, dtype=torch.long)
    for neuron in range(means.shape[1]):
        off = means.clone()
        off[:, neuron] = 0
        difference = whole - f(off)
        pick = torch.where(difference > best, neuron, pick)
        best = torch.maximum(difference, best)
    counts = np.zeros((means.shape[1], s.shape[1]), np.int64)
    clips, topics = np.nonzero(s.numpy())
    np.add.at(counts, (pick.numpy()[clips, topics], topics), 1)
    return counts


@torch.no_grad()
def bench_reading(
    *, clips: int = 1200, neurons: int = 1024, topics: int = 100, hidden: int = 256
) -> dict[str, Any]:
    """Time both on made-up features, at the paper's size by default.

    Returns:
        The ratio of their times, and `megabytes_more`: by how much the process grew at its peak
        while ours ran.

    Raises:
        AssertionError: they pick other neurons, so that the times would mean nothing.
    """
    torch.manual_seed(0)
    f = topic_perceptron(neurons, hidden, topics)
    means = torch.randn(clips, neurons).relu()
    s = (torch.rand(clips, topics) < 0.06).to(torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = prefer(f, means, s).counts
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # Sums in another order may swap two neurons that contribute alike.
    differing = np.abs(counts - loop_over_neurons(f, means, s)).sum() / 2
    assert differing <= 0.001 * counts.sum(), f"{differing} of {counts.sum()} picks differ"
    return {
        "what": "eq. 9 for all neurons at once against a loop over the neurons",
        "clips": clips,
        "neurons": neurons,
        "topics": topics,
        "threads": torch.get_num_threads(),
        "megabytes_more": grown / 1024,
    } | compare(lambda: prefer(f, means, s), lambda: loop_over_neurons(f, means, s))
