r"""Which images an attribute retrieves, against what their captions say (Table 2).

Restricted, as the paper: attribute t retrieves the images whose explanation sentence names it, that
is, which have it among the top 5 of

.. math::
    p(t_j | x_i, c_m) = \sum_k p(t_j | f_k)\, p(f_k | x_i, c_m) \quad (5)

with c_m the class the network says. Recall is the share of the images with t in a caption that are
retrieved, the true negative rate that of the others that are not. The paper's third figure,
"Accuracy 27.9%", cannot be one beside a true negative rate of 92.9%: it is the precision, the
share of the retrieved images whose captions have t.

Open: all images ranked by p(t | x, c); average precision, the sum over ranks of the rise in recall
times the precision there. Equal scores form one step, so a ranking that says nothing (constant)
gets exactly the prevalence, which is what a random one gets on average.

Captions leave out much that is in the image, so that all of these are lower bounds. And a class
alone tells most attributes: the class's caption profile, without a look at the image, stands in the
table as a row to beat.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, Score, bootstrap_rows
from seewhy.scores.columns import interval_columns, verdict
from seewhy.scores.jackknife import jackknife_rows

Array = np.ndarray
TOP = 5  # attributes of a sentence
MEASURES = ("recall", "true negative", "precision", "average precision")
FIGURES = (*MEASURES, "pooled recall", "pooled precision")
JUDGED = ("precision", "pooled precision", "average precision")  # verdicts of differences
PUBLISHED = {"recall": 0.309, "true negative": 0.929, "precision": 0.279}
_AT_ONCE = 64  # resamples, so that what is summed stays in the processor's cache


@dataclass(frozen=True)
class Retrieval:
    """What a system says of the queried attributes.

    Attributes:
        said: whether the image's sentence names the attribute, [m, q] bool.
        scores: by which images are ranked, [m, q].
    """

    said: Array
    scores: Array


def top_attributes(scores: Array, *, top: int = TOP) -> Array:
    """The attributes of each image's sentence, best first, [m, top].

    Args:
        scores: p(t|x, c), [m, l]. Equal scores go by the attributes' order.
        top: attributes of a sentence.

    Raises:
        InputError: scores that are not finite, or fewer attributes than `top`.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or not 1 <= top <= scores.shape[1]:
        raise InputError(
            f"attributes: scores are {scores.shape} and top is {top}; give [images, attributes] "
            "and a top within them"
        )
    if not np.isfinite(scores).all():
        image = np.flatnonzero(~np.isfinite(scores).all(axis=1))[0]
        raise InputError(f"attributes: image {image} has a score that is NaN or infinite")
    # a partial sort would be faster but settles ties at its border by chance
    return np.argsort(-scores, axis=1, kind="stable")[:, :top]


def retrieve(scores: Array, attributes: Array, *, top: int = TOP) -> Retrieval:
    """What a system with these scores says of the queried attributes.

    Args:
        scores: p(t|x, c), [m, l], over all attributes.
        attributes: those queried, [q].
        top: attributes of a sentence; one with a score of 0 is not said.
    """
    scores = np.asarray(scores)
    said = np.zeros(scores.shape, bool)
    np.put_along_axis(said, top_attributes(scores, top=top), True, axis=1)
    return Retrieval((said & (scores > 0))[:, attributes], scores[:, attributes])


def frequent_attributes(presence: csr_matrix, *, top: int = 50) -> Array:
    """The attributes most images have, most frequent first, [top or fewer].

    Args:
        presence: [m, l], of the train images, lest the test set choose what it is tested on.
        top: how many; attributes that no image has are never among them.
    """
    counts = np.asarray(csr_matrix(presence, dtype=bool).sum(axis=0)).ravel()
    chosen = np.argsort(-counts, kind="stable")[:top]
    return chosen[counts[chosen] > 0]


def class_profile(presence: csr_matrix, labels: Array, classes: int) -> Array:
    """The share of each class's captions with each attribute, [o, l]; 0 for a class without any.

    Args:
        presence: of the TRAIN images (or of single captions), [m, l].
        labels: class of each row, [m], 0 to `classes` - 1.
        classes: their number, o.

    Raises:
        InputError: labels of another number than rows, or out of range.
    """
    presence, labels = csr_matrix(presence, dtype=float), np.asarray(labels, int)
    presence.data[:] = presence.data != 0
    if labels.shape != (presence.shape[0],):
        raise InputError(f"profile: {len(labels)} labels for {presence.shape[0]} rows of captions")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"profile: labels run from {labels.min()} to {labels.max()}; "
            f"there are {classes} classes"
        )
    once = np.ones(len(labels))
    member = csr_matrix((once, (labels, np.arange(len(labels)))), (classes, len(labels)))
    count = np.asarray(member.sum(axis=1))
    return (member @ presence).toarray() / np.where(count > 0, count, 1)


def baseline_retrievals(
    profile: Array,
    predicted: Array,
    frequency: Array,
    attributes: Array,
    *,
    top: int = TOP,
    seed: int = 0,
) -> dict[str, Retrieval]:
    """The rows to beat.

    Args:
        profile: of the train captions, [o, l], see `class_profile`.
        predicted: the class the network says of each image, [m] (never the given label).
        frequency: share of the train images with each attribute, [l].
        attributes: those queried, [q].
        top: attributes of a sentence.
        seed: of the random ranking.

    Returns:
        "class profile": what captions of the said class have; "constant": the most frequent
        attributes for every image; "random": each image is given a random ranking of attributes.
    """
    m = len(predicted)
    rng = np.random.default_rng(seed)
    return {
        "class profile": retrieve(np.asarray(profile)[predicted], attributes, top=top),
        "constant": retrieve(np.tile(frequency, (m, 1)), attributes, top=top),
        "random": retrieve(rng.random((m, len(frequency))), attributes, top=top),
    }


def another_images(retrieval: Retrieval, *, seed: int = 0) -> Retrieval:
    """The same sentences and scores, each given to a random image: keeps how often each is said."""
    order = np.random.default_rng(seed).permutation(len(retrieval.said))
    return Retrieval(retrieval.said[order], retrieval.scores[order])


def by_attribute(retrieval: Retrieval, truth: Array) -> pd.DataFrame:
    """Scores of each queried attribute.

    Args:
        retrieval: of a system.
        truth: whether a caption of the image has the attribute, [m, q] bool.

    Returns:
        Row i is attribute i of the query: `images` (that have it), `retrieved`, and `MEASURES`;
        recall and average precision are NaN where no image has it, precision where none is
        retrieved.
    """
    said, scores, truth = _checked(retrieval, truth)
    right = (said & truth).sum(axis=0).astype(float)
    return pd.DataFrame(
        {
            "images": truth.sum(axis=0),
            "retrieved": said.sum(axis=0),
            "recall": _ratio(right, truth.sum(axis=0)),
            "true negative": _ratio((~said & ~truth).sum(axis=0), (~truth).sum(axis=0)),
            "precision": _ratio(right, said.sum(axis=0)),
            "average precision": average_precision(scores, truth),
        }
    )


def average_precision(scores: Array, truth: Array) -> Array:
    """Average precision of each column; equal scores form one step.

    Args:
        scores: [m, q], larger first.
        truth: [m, q] bool.

    Returns:
        [q]; NaN for a column without a True.
    """
    once = np.ones((len(scores), 1))
    columns = zip(np.asarray(scores).T, np.asarray(truth, bool).T, strict=True)
    return np.array([_Ranking(s, t).average_precision(once)[0] for s, t in columns])


def macro_scores(retrieval: Retrieval, truth: Array) -> Score:
    """Means over attributes as a function of how often each image is drawn, [resamples, m].

    An attribute that is nowhere retrieved has no precision and is left out of its mean, which
    favours systems that say little; "pooled precision", over all (image, attribute) pairs, does
    not.
    """
    said, _, truth = _checked(retrieval, truth)
    right, right_not = (said & truth).astype(float), (~said & ~truth).astype(float)
    named, true = said.astype(float), truth.astype(float)

    def score(times: Array) -> dict[str, Array]:
        hits, retrieved, having = times @ right, times @ named, times @ true  # [resamples, q]
        not_having = times.sum(axis=1, keepdims=True) - having
        return {
            "recall": _mean(_ratio(hits, having)),
            "true negative": _mean(_ratio(times @ right_not, not_having)),
            "precision": _mean(_ratio(hits, retrieved)),
            "pooled recall": hits.sum(axis=1) / having.sum(axis=1),
            "pooled precision": _or_zero(_ratio(hits.sum(axis=1), retrieved.sum(axis=1))),
        }

    return score


def ranking_scores(retrieval: Retrieval, truth: Array) -> Score:
    """The mean over attributes of the average precision, of multiplicities [resamples, m]."""
    _, scores, truth = _checked(retrieval, truth)
    rankings = [_Ranking(s, t) for s, t in zip(scores.T, truth.T, strict=True)]

    def score(times: Array) -> dict[str, Array]:
        found = np.empty((len(times), len(rankings)))
        for start in range(0, len(times), _AT_ONCE):
            by_image = np.ascontiguousarray(times[start : start + _AT_ONCE].T)
            for column, ranking in enumerate(rankings):
                precision = ranking.average_precision(by_image)
                found[start : start + _AT_ONCE, column] = precision
        return {"average precision": _mean(found)}

    return score


def tabulate_retrieval(
    methods: Mapping[str, Retrieval],
    baselines: Mapping[str, Retrieval],
    truth: Array,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Table 2 with intervals, and each method minus each baseline.

    Args:
        methods: of each method.
        baselines: see `baseline_retrievals` and `another_images`.
        truth: whether a caption of the image has the attribute, [m, q] bool.
        resamples: of the bootstrap, which draws images. (Images drawn twice stand side by side in a
            ranking and lift its average precision: that has jackknife intervals.)
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        Columns `row`, `kind` (method, baseline, paired difference, published), `images`,
        `attributes`, `retrieved` (attributes that some sentence names); `FIGURES` (means over
        attributes, and pooled), each with low and high; of a difference
        the verdicts on precision, pooled precision and average precision. The row "prevalence" is
        what a random choice of images gets for precision and average precision.
    """
    truth = np.asarray(truth, bool)
    m, q = truth.shape
    draws = {"clips": m, "resamples": resamples, "level": confidence, "seed": seed}
    systems = {**methods, **baselines}
    compared = [(method, baseline) for method in methods for baseline in baselines]
    closed = {row: macro_scores(retrieval, truth) for row, retrieval in systems.items()}
    ranked = {row: ranking_scores(retrieval, truth) for row, retrieval in systems.items()}
    for scores in (closed, ranked):
        scores["prevalence"] = partial(_prevalence, truth)
    closed_rows = bootstrap_rows(closed, compared, **draws)
    ranked_rows = jackknife_rows(ranked, compared, clips=m, level=confidence)
    intervals = {row: found | ranked_rows[row] for row, found in closed_rows.items()}
    rows: list[dict[str, Any]] = []
    for row, found in intervals.items():
        about: dict[str, Any] = {"row": row, "images": m, "attributes": q}
        if row in systems:
            about["kind"] = "method" if row in methods else "baseline"
            about["retrieved"] = int(systems[row].said.any(axis=0).sum())
        else:
            about["kind"] = "baseline" if row == "prevalence" else "paired difference"
        about |= _columns({name: found[name] for name in FIGURES if name in found})
        if about["kind"] == "paired difference":
            about |= {f"{name} verdict": verdict(found[name]) for name in JUDGED}
        rows.append(about)
    rows.append({"row": "paper", "kind": "published (Guo et al. 2019, Table 2)"} | PUBLISHED)
    table = pd.DataFrame(rows)
    table.insert(1, "kind", table.pop("kind"))
    return table.astype(dict.fromkeys(("images", "attributes", "retrieved"), "Int64"))


class _Ranking:
    """Images in falling order of a score, to take the average precision of any resample."""

    def __init__(self, scores: Array, truth: Array) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # of equal scores
        self._truth = truth[self._order, None].astype(float)

    def average_precision(self, times: Array) -> Array:
        """`[resamples]` of multiplicities `[m, resamples]`; NaN where no drawn image has it."""
        times = times[self._order]
        seen = times.cumsum(axis=0)[self._ends]
        found = (times * self._truth).cumsum(axis=0)[self._ends]
        rise = np.diff(found, axis=0, prepend=0)
        precision = found / np.maximum(seen, 1)  # where none is seen, none is found
        return _ratio((rise * precision).sum(axis=0), found[-1])


def _prevalence(truth: Array, times: Array) -> dict[str, Array]:
    """What a random choice of images gets for precision and average precision."""
    having = times @ truth.astype(float)
    share = _ratio(having, np.where(having > 0, times.sum(axis=1, keepdims=True), 0))
    return {"precision": _mean(share), "average precision": _mean(share)}


def _ratio(part: Array, whole: Array) -> Array:
    """part / whole, NaN where whole is 0."""
    whole = np.asarray(whole, float)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _mean(values: Array) -> Array:
    """Mean over the last axis of what is not NaN; 0 where all of it is."""
    there = ~np.isnan(values)
    return np.where(there, values, 0).sum(axis=-1) / np.maximum(there.sum(axis=-1), 1)


def _or_zero(values: Array) -> Array:
    return np.nan_to_num(values, nan=0.0)


def _checked(retrieval: Retrieval, truth: Array) -> tuple[Array, Array, Array]:
    said, scores = np.asarray(retrieval.said, bool), np.asarray(retrieval.scores, float)
    truth = np.asarray(truth, bool)
    if not said.shape == scores.shape == truth.shape or truth.ndim != 2:
        raise InputError(
            f"retrieval: said {said.shape}, scores {scores.shape} and truth {truth.shape}; "
            "give all as [images, queried attributes]"
        )
    if not truth.any():
        raise InputError("retrieval: no caption has a queried attribute; query frequent ones")
    return said, scores, truth


def _columns(intervals: Mapping[str, Interval]) -> dict[str, float]:
    columns: Sequence[dict[str, float]] = [interval_columns(k, v) for k, v in intervals.items()]
    return {name: value for some in columns for name, value in some.items()}
