"""How well single neurons stand for concepts: measures on activations and labels of clips.

Activations are [c, v] (clips, neurons), labels 0 or 1, [c, t] (clips, concepts; here topics). What
picks a neuron for a concept is computed on train clips, what scores it on held-out ones.

References:
    T. Q. Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018 (mutual
    information gap).
    C. Eastwood, C. Williams, A Framework for the Quantitative Evaluation of Disentangled
    Representations, ICLR 2018 (DCI).
    P. Hoyer, Non-negative Matrix Factorization with Sparseness Constraints, JMLR 2004.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

BINS = 20  # of an activation, for the mutual information
Array = np.ndarray


def auc(activations: Array, labels: Array) -> Array:
    """Area under the ROC curve of every neuron for every concept; ties count half.

    Args:
        activations: [c, v].
        labels: [c, t].

    Returns:
        [v, t]; NaN for a concept that all clips have, or none.
    """
    labels = np.asarray(labels, bool)
    ranks = rankdata(activations, axis=0)  # from 1, the mean rank for ties
    positives = labels.sum(axis=0)
    negatives = len(labels) - positives
    above = ranks.T @ labels - positives * (positives + 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((positives > 0) & (negatives > 0), above / (positives * negatives), np.nan)


def single_neuron_auc(
    train: Array, train_labels: Array, held_out: Array, held_out_labels: Array
) -> Array:
    """Held-out AUC of each concept's best single neuron, whichever way it turns.

    Neuron and direction are those of the train AUC farthest from one half.

    Returns:
        [t]; NaN where either set lacks clips with, or without, the concept.
    """
    found = auc(train, train_labels)
    strength = np.nan_to_num(abs(found - 0.5), nan=-1.0)
    best, every = strength.argmax(axis=0), np.arange(found.shape[1])
    value = auc(held_out, held_out_labels)[best, every]
    value = np.where(found[best, every] < 0.5, 1 - value, value)
    return np.where(strength[best, every] < 0, np.nan, value)


def mutual_information(activations: Array, labels: Array, *, bins: int = BINS) -> Array:
    """Mutual information of each neuron, in `bins` bins of equal count, and each concept, in nats.

    Returns:
        [v, t]. Its bias of about (bins - 1) / (2 c) nats is the same for all neurons that do not
        stand still, and cancels in a difference of two.
    """
    labels = np.asarray(labels, float)
    clips = len(labels)
    ranks = rankdata(activations, axis=0, method="average") - 0.5
    place = np.minimum((ranks * bins / clips).astype(int), bins - 1)  # [c, v]
    result = np.zeros((activations.shape[1], labels.shape[1]))
    p = labels.mean(axis=0)
    for b in range(bins):
        inside = (place == b).astype(float)  # [c, v]
        share = inside.mean(axis=0)[:, None]  # [v, 1]
        both = inside.T @ labels / clips  # [v, t]
        for joint, marginal in ((both, share * p), (share - both, share * (1 - p))):
            with np.errstate(divide="ignore", invalid="ignore"):
                result += np.where(joint > 0, joint * np.log(joint / marginal), 0)
    return result


def mutual_information_gap(activations: Array, labels: Array, *, bins: int = BINS) -> Array:
    """By how much the most informative neuron leads the second, over the concept's entropy.

    Returns:
        [t], 0 to 1; NaN for a concept without entropy.
    """
    information = np.sort(mutual_information(activations, labels, bins=bins), axis=0)
    p = np.mean(np.asarray(labels, float), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
        return (information[-1] - information[-2]) / entropy


def disentanglement(importance: Array) -> float:
    """DCI's D: how few concepts each neuron matters to, weighted by how much it matters.

    Args:
        importance: at least 0, [v, t].

    Returns:
        0 (every neuron matters equally to all) to 1 (each to one); NaN if nothing matters.
    """
    total = importance.sum()
    if not total > 0:
        return float("nan")
    weight = importance.sum(axis=1) / total
    return float((weight * _certainty(importance)).sum())


def completeness(importance: Array) -> float:
    """DCI's C: by how few neurons each concept is carried, the mean over the concepts."""
    carried = importance[:, importance.sum(axis=0) > 0]
    return float(_certainty(carried.T).mean()) if carried.size else float("nan")


def _certainty(importance: Array) -> Array:
    """1 - H(row) / log(columns) of each row; 0 for a row of zeros."""
    total = importance.sum(axis=1, keepdims=True)
    share = importance / np.where(total > 0, total, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(share > 0, share * np.log(share), 0).sum(axis=1)
    return np.where(total[:, 0] > 0, 1 - entropy / np.log(importance.shape[1]), 0)


def peakiness(activations: Array, labels: Array) -> Array:
    """How few neurons stand out where a concept is (the paper's figure 3, as a number).

    Hoyer's sparseness of how far the concept's mean activations lie from those of all clips, each
    neuron in units of its own spread: 0 if all neurons do alike, 1 if one alone does.

    Returns:
        [t]; NaN for a concept without a clip.
    """
    labels = np.asarray(labels, float)
    spread = activations.std(axis=0)
    z = (activations - activations.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = abs(labels.T @ z / labels.sum(axis=0)[:, None])  # [t, v]
        root = np.sqrt(z.shape[1])
        return (root - mean.sum(axis=1) / np.linalg.norm(mean, axis=1)) / (root - 1)
