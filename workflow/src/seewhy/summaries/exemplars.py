"""Images that show what a filter, or an attribute in a network's decisions, is about.

Letters and shapes: m images, n filters, l attributes, o classes.
"""

from __future__ import annotations

import numpy as np

from seewhy.errors import InputError
from seewhy.summaries.explain import filter_importance, in_groups

Array = np.ndarray


def filter_exemplars(phi: Array, filter_: int, k: int = 9) -> Array:
    """The `k` images that activate a filter the most, the strongest first: int ``[k]``."""
    return _highest(np.asarray(phi)[:, _place(filter_, np.shape(phi)[1], "filter")], k)


def attribute_exemplars(
    phi: Array, weight: Array, distributions: Array, attribute: int, decided: Array, k: int = 9
) -> Array:
    """The `k` images decided the most by an attribute, by p(t|x, c): int ``[k]``.

    Args:
        phi: ``[m, n]``.
        weight: W ``[o, n]``.
        distributions: ``[n, l]``.
        attribute: its place.
        decided: class of each image, ``[m]``.
        k: so many.
    """
    column = distributions[:, _place(attribute, distributions.shape[1], "attribute")]
    scores = [
        filter_importance(phi[some], weight[decided[some]]) @ column
        for some in in_groups(len(phi), 2 * phi.shape[1])
    ]
    return _highest(np.concatenate(scores), k)


def class_exemplars(logits: Array, labels: Array, class_: int, k: int = 9) -> Array:
    """The `k` images of a class that the network gives it the most surely: int ``[k]``.

    Args:
        logits: ``[m, o]``.
        labels: given classes, ``[m]``.
        class_: whose.
        k: so many, or as many as there are of those that the network takes for it.
    """
    own = np.flatnonzero((np.asarray(labels) == class_) & (logits.argmax(axis=1) == class_))
    others = np.delete(logits[own], _place(class_, logits.shape[1], "class"), axis=1)
    return own[_highest(logits[own, class_] - others.max(axis=1, initial=-np.inf), k)]


def _highest(values: Array, k: int) -> Array:
    return np.argsort(-values, kind="stable")[:k]


def _place(place: int, count: int, what: str) -> int:
    if not 0 <= place < count:
        raise InputError(f"{what} {place} is not one of 0 … {count - 1}")
    return place
