r"""The evidence for what went wrong with an image, in numbers and named attributes (Figure 8).

With the classifier's weights w, given class g, predicted class c and the given class's train mean
mu_g, filter k loses

.. math::
    \mathrm{lost}_k = (w_{g,k} - w_{c,k})\,(\mu_{g,k} - \phi_k),

which sums to the margin of g over c at mu_g plus the margin of c over g in the image. Lost by
filters that speak for g is unseen, by those that speak for c excess; p(t|f) names both (eq. 7).
`seewhy.summaries.triage` says what the evidence amounts to.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import softmax

from seewhy.errors import InputError
from seewhy.summaries.lacks import Lacks
from seewhy.summaries.retrieval import class_profile, top_attributes

Array = np.ndarray
NUMBERS = ("nearer", "inside", "caption fit", "far", "foreign", "oddness", "towards", "lost",
           "unseen share", "confidence")  # fmt: skip
RARE = 0.05  # share of a class's captions below which it does not have an attribute
_BLOCK = 256  # images whose attributes are scored at a time


@dataclass(frozen=True)
class TrainClasses:
    """What the train images say of the classes; made by `describe_train`.

    Attributes:
        weights: W of the classifier, [o, n].
        pdf: p(t|f), [n, l].
        names: of the attributes, [l].
        mean: of phi, [o, n].
        spread: standard deviation of phi within classes, [n].
        typical: median distance of a class's train images from its mean, [o].
        profile: share of the class's captions with each attribute, [o, l]; None without captions.
        images: train images of each class, those with captions where these are known, [o].
        centre: medians of the image statistics; None without.
        scale: their spread, as a standard deviation; None without.
    """

    weights: Array
    pdf: Array
    names: tuple[str, ...]
    mean: Array
    spread: Array
    typical: Array
    profile: Array | None
    images: Array
    centre: pd.Series | None
    scale: pd.Series | None


def describe_train(
    phi: Array,
    labels: Array,
    weights: Array,
    pdf: Array,
    names: Sequence[str],
    *,
    presence: csr_matrix | None = None,
    described: Array | None = None,
    statistics: pd.DataFrame | None = None,
) -> TrainClasses:
    """Describe the classes by their train images.

    Args:
        phi: pooled activations of the train images, [m, n].
        labels: their given classes, [m].
        weights: W of the classifier, [o, n].
        pdf: p(t|f), [n, l].
        names: of the attributes, [l].
        presence: attributes in the train images' captions, [m, l].
        described: which of them have captions, [m] bool; None: all.
        statistics: of the train images, see `image_statistics`.

    Raises:
        InputError: shapes that do not fit.
        Lacks: a class without a train image.
    """
    phi, weights, pdf = np.asarray(phi, float), np.asarray(weights, float), np.asarray(pdf)
    labels = np.asarray(labels, int)
    o, n = weights.shape
    if phi.shape != (len(labels), n) or pdf.shape != (n, len(names)):
        raise InputError(
            f"triage: phi {phi.shape}, {len(labels)} labels, weights {weights.shape}, p(t|f) "
            f"{pdf.shape} and {len(names)} names; give [m, n], [m], [o, n], [n, l] and [l]"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < o:
        raise InputError(
            f"triage: labels run from {labels.min()} to {labels.max()}; there are {o} classes"
        )
    images = np.bincount(labels, minlength=o)
    if not images.all():
        raise Lacks(f"train images of each class: class {int(images.argmin())} has no train image")
    mean = np.zeros((o, n))
    np.add.at(mean, labels, phi)
    mean /= images[:, None]
    spread = (phi - mean[labels]).std(axis=0)
    spread = np.maximum(spread, 1e-3 * spread.mean() + 1e-12)  # a filter that never varies
    own = _distance(phi, mean[labels], spread)
    typical = np.array([np.median(own[labels == c]) for c in range(o)])
    typical = np.maximum(typical, 0.1 * np.median(own) + 1e-12)  # a class of one image
    centre = scale = None
    if statistics is not None:
        centre = statistics.median()
        deviation = 1.4826 * (statistics - centre).abs().median()
        scale = deviation.where(deviation > 0, statistics.std(ddof=0)).clip(lower=1e-6)
    profile = None
    if presence is not None:
        known = np.full(len(labels), True) if described is None else np.asarray(described, bool)
        profile = class_profile(csr_matrix(presence)[known], labels[known], o)
        images = np.bincount(labels[known], minlength=o)
    return TrainClasses(
        weights, pdf, tuple(names), mean, spread, typical, profile, images, centre, scale
    )


def gather_evidence(
    train: TrainClasses,
    phi: Array,
    logits: Array,
    given: Array,
    *,
    presence: csr_matrix | None = None,
    statistics: pd.DataFrame | None = None,
    top: int = 5,
    named: int = 3,
) -> pd.DataFrame:
    """The evidence of each image.

    Args:
        train: of the train images.
        phi: [m, n].
        logits: [m, o].
        given: given classes, [m].
        presence: attributes in the images' captions, [m, l]; None: `caption fit` is NaN.
        statistics: see `image_statistics`; None: `oddness` is NaN.
        top: attributes of an explanation.
        named: attributes that each column of names holds at most.

    Returns:
        A row an image. `given`, `predicted` (classes); `confidence` (softmax of the predicted class
        minus that of the given);

        of a wrong label: `nearer` (distance from the given class over that from the predicted one,
        each in units of its class's typical distance), `inside` (1 over the latter: above 1 is
        deeper than a typical train image), `caption fit` (mean over the captions' attributes of ln
        of the predicted class's share over the given's), `told` (those that say so most);

        of a poor image: `far` (the smaller of both distances), `foreign` (share of the
        explanation's attributes that fewer than 5% of both classes' captions have; NaN without
        train captions) and `foreign attributes`, `oddness` (largest robust z of a statistic) and
        `odd` (which, with its z);

        of a missing feature: `towards` (cosine between phi's deviation from the given class's mean,
        in units of `spread`, and what tells the predicted class from the given), `lost` (margin
        lost against the mean), `unseen share` (of the loss, by filters that speak for the given
        class), `unseen` and `excess` (attributes).

    Raises:
        InputError: shapes that do not fit, or statistics that the train images have not.
    """
    phi, logits, given = np.asarray(phi, float), np.asarray(logits, float), np.asarray(given, int)
    m, (o, n) = len(phi), train.weights.shape
    if phi.shape != (m, n) or logits.shape != (m, o) or given.shape != (m,):
        raise InputError(
            f"triage: phi {phi.shape}, logits {logits.shape} and {len(given)} given classes; "
            f"give [m, {n}], [m, {o}] and [m]"
        )
    if m and not 0 <= given.min() <= given.max() < o:
        raise InputError(f"triage: given classes run from {given.min()} to {given.max()}, of {o}")
    predicted, every = logits.argmax(axis=1), np.arange(m)
    odds = softmax(logits, axis=1)
    away = _distance(phi, train.mean[given], train.spread) / train.typical[given]
    near = _distance(phi, train.mean[predicted], train.spread) / train.typical[predicted]
    apart = train.weights[given] - train.weights[predicted]  # [m, n]
    moved = phi - train.mean[given]
    lost = -apart * moved
    unseen, excess = (
        np.where(apart > 0, lost, 0).clip(min=0),
        np.where(apart < 0, lost, 0).clip(min=0),
    )
    total = (unseen + excess).sum(axis=1)
    found: dict[str, Any] = {
        "given": given,
        "predicted": predicted,
        "confidence": odds[every, predicted] - odds[every, given],
        "nearer": away / np.maximum(near, 1e-12),
        "inside": 1 / np.maximum(near, 1e-12),
        "far": np.minimum(away, near),
        "towards": _cosine(moved / train.spread, -apart * train.spread),
        "lost": lost.sum(axis=1),
        "unseen share": unseen.sum(axis=1) / np.where(total > 0, total, 1),
    }
    found |= _caption_evidence(train, presence, given, predicted, named)
    found |= _statistic_evidence(train, statistics, m)
    blocks = [
        _named_evidence(train, phi[i], unseen[i], excess[i], given[i], predicted[i], top, named)
        for i in (slice(start, start + _BLOCK) for start in range(0, m, _BLOCK))
    ]
    for name in ("foreign", "foreign attributes", "unseen", "excess"):
        found[name] = [value for block in blocks for value in block[name]]
    return pd.DataFrame(found).astype({"foreign": float})


def _caption_evidence(
    train: TrainClasses, presence: csr_matrix | None, given: Array, predicted: Array, named: int
) -> dict[str, list[Any]]:
    m = len(given)
    if presence is None or train.profile is None:
        return {"caption fit": [np.nan] * m, "told": [""] * m}
    presence = csr_matrix(presence)
    if presence.shape != (m, len(train.names)):
        raise InputError(
            f"triage: captions' attributes are {presence.shape}; give [{m}, {len(train.names)}]"
        )
    fit, told = [], []
    for i in range(m):
        own = presence.indices[presence.indptr[i] : presence.indptr[i + 1]]
        own = own[presence.data[presence.indptr[i] : presence.indptr[i + 1]] != 0]
        # half a caption more in each class, lest one that a class never has decide alone
        classes = [predicted[i], given[i]]
        images = train.images[classes, None]
        share = (train.profile[np.ix_(classes, own)] * images + 0.5) / (images + 1)
        ratio = np.log(share[0] / share[1])
        fit.append(ratio.mean() if len(own) else np.nan)
        best = np.argsort(-ratio, kind="stable")[:named]
        told.append(_listed(train.names, own[best[ratio[best] > 0]]))
    return {"caption fit": fit, "told": told}


def _statistic_evidence(
    train: TrainClasses, statistics: pd.DataFrame | None, m: int
) -> dict[str, list[Any]]:
    if statistics is None or train.centre is None or train.scale is None:
        return {"oddness": [np.nan] * m, "odd": [""] * m}
    if len(statistics) != m or set(statistics.columns) != set(train.centre.index):
        raise InputError(
            f"triage: statistics {', '.join(statistics.columns)} of {len(statistics)} images; give "
            f"{', '.join(train.centre.index)} of {m}"
        )
    z = (statistics - train.centre) / train.scale
    which = z.abs().to_numpy().argmax(axis=1)
    largest = z.to_numpy()[np.arange(m), which]
    odd = [f"{z.columns[i]} {value:+.1f} sd" for i, value in zip(which, largest, strict=True)]
    return {"oddness": abs(largest).tolist(), "odd": odd}


def _named_evidence(
    train: TrainClasses,
    phi: Array,
    unseen: Array,
    excess: Array,
    given: Array,
    predicted: Array,
    top: int,
    named: int,
) -> dict[str, list[Any]]:
    """What takes p(t|f), of a block of images."""
    explained = _share((phi * train.weights[predicted]).clip(min=0)) @ train.pdf  # eqs. 5 and 6
    best = top_attributes(explained, top=min(top, len(train.names)))
    foreign, foreign_names = [np.nan] * len(phi), [""] * len(phi)
    allowed = [np.ones_like(explained, bool)] * 2
    if train.profile is not None:
        one, two = train.profile[given], train.profile[predicted]
        neither = np.take_along_axis((one < RARE) & (two < RARE), best, axis=1)
        foreign = neither.mean(axis=1).tolist()
        foreign_names = [
            _listed(train.names, row[here][:named]) for row, here in zip(best, neither, strict=True)
        ]
        allowed = [one > two, two > one]  # attributes that do tell the two classes apart
    usual = train.pdf.mean(axis=0)
    names = []
    for lost, which in zip((unseen, excess), allowed, strict=True):
        # what the filters that lost stand for more than filters on average do
        lift = np.where(which, _share(lost) @ train.pdf - usual, -np.inf)
        lift[~lost.any(axis=1)] = -np.inf
        order = np.argsort(-lift, axis=1, kind="stable")[:, :named]
        names.append(
            [
                _listed(train.names, row[some[row] > 0])
                for row, some in zip(order, lift, strict=True)
            ]
        )
    return {"foreign": foreign, "foreign attributes": foreign_names, "unseen": names[0],
            "excess": names[1]}  # fmt: skip


def _distance(phi: Array, mean: Array, spread: Array) -> Array:
    """Root mean square over filters of phi's deviation in units of `spread`, [m]."""
    return np.sqrt((((phi - mean) / spread) ** 2).mean(axis=1))


def _cosine(one: Array, two: Array) -> Array:
    length = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return (one * two).sum(axis=1) / np.where(length > 0, length, 1)


def _share(values: Array) -> Array:
    total = values.sum(axis=1, keepdims=True)
    return values / np.where(total > 0, total, 1)


def _listed(names: Sequence[str], indices: Array) -> str:
    return ", ".join(names[i] for i in indices)
