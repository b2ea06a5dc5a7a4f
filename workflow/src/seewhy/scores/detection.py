r"""Temporal detection: average precision over thresholds of the intersection over union (IoU).

.. math::
    IoU(a, b) = \frac{|a \cap b|}{|a \cup b|}, \qquad
    AP = \frac{1}{N} \sum_{i:\,\text{true positive}} P_i, \qquad mAP = \frac{1}{|C|} \sum_c AP_c,

with N intervals of a label in the truth and :math:`P_i` the precision among the detections down to
the i-th of falling score. Two evaluators, which differ in who chooses whom and in :math:`P_i`:

=================  =====================================  ====================================
\                  `thumos14`                             `activitynet`
=================  =====================================  ====================================
who chooses        each interval of the truth, in the     each detection, in falling score,
                   order of the table, takes the free     takes the free interval of the truth
                   detection of largest IoU               of largest IoU
a match            IoU > threshold                        IoU >= threshold
equal IoU          the detection of higher score          the interval that stands first
not matched        a false positive, unless it overlaps   a false positive
                   an Ambiguous interval at all: then it
                   counts neither way
precision          :math:`P_i` as it is                   the highest :math:`P_j` of j >= i
=================  =====================================  ====================================

Detections of equal score stand in the order of their videos' names, then of the table (so does the
official code for THUMOS14; ActivityNet's leaves it to the sorting routine). A second detection of
an interval is a false positive. A label without truth has no average precision and is not in the
mean; a label of the truth without detections has 0.

Starts and ends are in any one unit (seconds, frames), an interval being start <= t < end.

References:
    THUMOS Challenge 2014, evaluation kit (TH14evalDet with the AP that is not interpolated).
    F. Caba Heilbron et al., *ActivityNet*, CVPR 2015, and its evaluation code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seewhy.errors import InputError

AMBIGUOUS = "Ambiguous"
THUMOS14 = (0.1, 0.2, 0.3, 0.4, 0.5)
ACTIVITYNET = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())
CLIFF_DIVING = {"CliffDiving": "Diving"}
_CHUNK = 1 << 22  # weights of detections held at a time

Array = np.ndarray
# IoU [truth, detections], thresholds [k] -> which detections are matched [k, detections]
Match = Callable[[Array, Array], Array]


def temporal_iou(first: Array, second: Array) -> Array:
    """Intersection over union of intervals.

    Args:
        first: starts and ends, [..., 2].
        second: [..., 2]; leading axes are broadcast, so that ``temporal_iou(a[:, None], b)`` gives
            every pair.

    Returns:
        [...]; 0 where both are empty.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    inner = np.minimum(first[..., 1], second[..., 1]) - np.maximum(first[..., 0], second[..., 0])
    inner = inner.clip(min=0)
    union = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0]) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


@dataclass(frozen=True)
class _OfLabel:
    """A label's detections in falling score.

    Attributes:
        truth: intervals of the truth in each video, [videos].
        video: each detection's, [detections].
        true: the true positives, [k, detections].
        counted: those that are not dropped, [k, detections].
    """

    truth: Array
    video: Array
    true: Array
    counted: Array


@dataclass(frozen=True)
class Detected:
    """Matched detections, from which every figure is had.

    Attributes:
        videos: names in the order of `weighted`.
        labels: of the truth.
        thresholds: of the IoU, `[k]`.
        interpolated: whether the precision is.
        left_out: detections of labels without truth.

    Example::

        found = thumos14(truth, detections)
        found.mean_average_precision()
        bootstrap_interval([found.weighted], clips=len(found.videos))["mAP@0.5"]
    """

    videos: tuple[str, ...]
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    interpolated: bool
    left_out: int
    of_label: tuple[_OfLabel, ...]

    def average_precision(self) -> pd.DataFrame:
        """Of each label (row) at each threshold (column)."""
        times = np.ones((1, len(self.videos)))
        table = [self._average_precision(of, times)[:, 0] for of in self.of_label]
        return pd.DataFrame(
            np.reshape(table, (-1, len(self.thresholds))),
            index=pd.Index(self.labels, name="label"),
            columns=pd.Index(self.thresholds, name="IoU"),
        )

    def mean_average_precision(self) -> Array:
        """The mean over labels at each threshold, `[k]`."""
        return self.average_precision().to_numpy().mean(axis=0)

    def weighted(self, times: Array) -> Mapping[str, Array]:
        """The mean average precision of resampled videos, for `seewhy.scores.bootstrap`.

        Detections are matched within a video, so the matches stay and only their weights change;
        the copies of one detection enter the precision together. Labels that a resample lacks are
        not in its mean.

        Args:
            times: how often each video is there, `[resamples, videos]`.

        Returns:
            ``mAP@<threshold>``, `[resamples]` each.
        """
        times = np.asarray(times, float)
        by_label = np.stack([self._average_precision(of, times) for of in self.of_label])
        there = ~np.isnan(by_label)
        mean = np.where(there, by_label, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        return {f"mAP@{t:g}": values for t, values in zip(self.thresholds, mean, strict=True)}

    def _average_precision(self, of: _OfLabel, times: Array) -> Array:
        """`[k, resamples]`, NaN for resamples without truth of the label."""
        found = np.zeros((len(self.thresholds), len(times)))
        truth = times @ of.truth
        step = max(1, _CHUNK // max(1, len(of.video)))
        for start in range(0, len(times) if len(of.video) else 0, step):
            some = slice(start, start + step)
            weight = times[some][:, of.video]  # [resamples, detections]
            for k, (true, counted) in enumerate(zip(of.true, of.counted, strict=True)):
                gained = weight * true
                passed = np.cumsum(weight * counted, axis=1)
                precision = np.cumsum(gained, axis=1) / np.where(passed > 0, passed, 1)
                if self.interpolated:
                    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
                found[k, some] = (gained * precision).sum(axis=1)
        return np.where(truth > 0, found / np.where(truth > 0, truth, 1), np.nan)


def thumos14(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    *,
    thresholds: Sequence[float] = THUMOS14,
    ambiguous: str | None = AMBIGUOUS,
    videos: Iterable[str] | None = None,
) -> Detected:
    """Match as THUMOS14's evaluation kit does; see the module.

    Args:
        truth: columns video, label, start, end; ambiguous intervals are rows of the label
            `ambiguous`. A CliffDiving that is Diving too needs a row of each: see `count_also_as`.
        detections: columns video, label, start, end, score.
        thresholds: of the IoU, each at least 0 and below 1.
        ambiguous: the label of ambiguous intervals; None: there are none.
        videos: only these are evaluated; None: all that either table has.

    Raises:
        InputError: a column is missing, an interval does not end after its start, a value is not
            finite, a threshold is out of range, or nothing but ambiguous intervals is there.
    """
    return _evaluate(truth, detections, thresholds, ambiguous, videos, _truth_chooses, False)


def activitynet(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    *,
    thresholds: Sequence[float] = ACTIVITYNET,
    videos: Iterable[str] | None = None,
) -> Detected:
    """Match as ActivityNet's evaluation does; see the module and `thumos14`.

    It knows no ambiguous intervals: take their rows out of the truth before.
    """
    return _evaluate(truth, detections, thresholds, None, videos, _detection_chooses, True)


def count_also_as(truth: pd.DataFrame, also: Mapping[str, str] = CLIFF_DIVING) -> pd.DataFrame:
    """The truth with every interval of one label counted as another too, where it does not yet.

    Args:
        truth: columns video, label, start, end.
        also: label to further label.
    """
    _check(truth, ["video", "label", "start", "end"], "truth")
    copies = truth[truth["label"].isin(list(also))].copy()
    copies["label"] = copies["label"].map(also)
    key = ["video", "label", "start", "end"]
    known = pd.MultiIndex.from_frame(truth[key])
    copies = copies[~pd.MultiIndex.from_frame(copies[key]).isin(known)]
    return pd.concat([truth, copies], ignore_index=True)


def _truth_chooses(iou: Array, thresholds: Array) -> Array:
    every = np.arange(len(thresholds))
    free = np.ones((len(thresholds), iou.shape[1]), bool)
    for row in iou:
        candidates = np.where(free, row, -1)  # [k, detections]
        best = candidates.argmax(axis=1)  # the first: of the highest score
        taken = candidates[every, best] > thresholds
        free[every[taken], best[taken]] = False
    return ~free


def _detection_chooses(iou: Array, thresholds: Array) -> Array:
    every = np.arange(len(thresholds))
    free = np.ones((len(thresholds), iou.shape[0]), bool)
    matched = np.zeros((len(thresholds), iou.shape[1]), bool)
    for d, column in enumerate(iou.T):
        candidates = np.where(free, column, -1)  # [k, truth]
        best = candidates.argmax(axis=1)
        taken = candidates[every, best] >= thresholds
        free[every[taken], best[taken]] = False
        matched[taken, d] = True
    return matched


def _evaluate(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    thresholds: Sequence[float],
    ambiguous: str | None,
    videos: Iterable[str] | None,
    match: Match,
    interpolated: bool,
) -> Detected:
    key = ["video", "label", "start", "end"]
    _check(truth, key, "truth")
    _check(detections, [*key, "score"], "detections")
    limits = np.asarray(thresholds, float)
    if limits.ndim != 1 or not len(limits) or not ((limits >= 0) & (limits < 1)).all():
        raise InputError(
            f"detection: thresholds are {thresholds}; give one or more, 0 <= threshold < 1"
        )
    if videos is not None:
        videos = set(videos)
        truth = truth[truth["video"].isin(videos)]
        detections = detections[detections["video"].isin(videos)]
    names = sorted(set(truth["video"]) | set(detections["video"]) | set(videos or ()))
    code = {name: i for i, name in enumerate(names)}
    labels = sorted(set(truth["label"]) - {ambiguous})
    if not labels:
        raise InputError("detection: the truth holds no interval of any label; give at least one")
    doubtful = _Intervals.of(truth[truth["label"] == ambiguous], code)
    of_label = tuple(
        _match(
            _Intervals.of(truth[truth["label"] == label], code),
            _Intervals.of(detections[detections["label"] == label], code),
            doubtful,
            limits,
            len(names),
            match,
        )
        for label in labels
    )
    return Detected(
        videos=tuple(names),
        labels=tuple(labels),
        thresholds=tuple(limits.tolist()),
        interpolated=interpolated,
        left_out=int((~detections["label"].isin(labels)).sum()),
        of_label=of_label,
    )


@dataclass(frozen=True)
class _Intervals:
    """Rows of a table, in falling score if they have one: `video` [n], `span` [n, 2]."""

    video: Array
    span: Array

    @classmethod
    def of(cls, table: pd.DataFrame, code: Mapping[str, int]) -> _Intervals:
        video = table["video"].map(code).to_numpy(int)
        span = table[["start", "end"]].to_numpy(float)
        if "score" in table:
            order = np.lexsort((video, -table["score"].to_numpy(float)))  # stable
            video, span = video[order], span[order]
        return cls(video, span)

    def by_video(self) -> dict[int, Array]:
        """Of each video the places of its rows, in their order."""
        order = np.argsort(self.video, kind="stable")
        if not len(order):
            return {}
        numbers, first = np.unique(self.video[order], return_index=True)
        return dict(zip(numbers.tolist(), np.split(order, first[1:]), strict=True))


def _match(
    truth: _Intervals,
    detections: _Intervals,
    doubtful: _Intervals,
    limits: Array,
    videos: int,
    match: Match,
) -> _OfLabel:
    true = np.zeros((len(limits), len(detections.video)), bool)
    dropped = np.zeros(len(detections.video), bool)
    in_truth, in_doubt = truth.by_video(), doubtful.by_video()
    for video, places in detections.by_video().items():
        spans = detections.span[places]
        if video in in_truth:
            iou = temporal_iou(truth.span[in_truth[video]][:, None], spans)
            near = iou.max(axis=0) >= limits.min()  # the others cannot be matched
            true[:, places[near]] = match(iou[:, near], limits) if near.any() else False
        if video in in_doubt:
            other = doubtful.span[in_doubt[video]][:, None]
            dropped[places] = (temporal_iou(other, spans) > 0).any(axis=0)
    return _OfLabel(
        truth=np.bincount(truth.video, minlength=videos),
        video=detections.video,
        true=true,
        counted=true | ~dropped,
    )


def _check(table: pd.DataFrame, columns: list[str], name: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"detection: the {name} lack the column {missing[0]}; needed: {columns}")
    for column in columns[2:]:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
        if not np.isfinite(values).all():
            row = np.flatnonzero(~np.isfinite(values))[0]
            raise InputError(
                f"detection: row {row} of the {name} has {table[column].iloc[row]} as its "
                f"{column}; give a finite number"
            )
    ends = table["end"].to_numpy(float) > table["start"].to_numpy(float)
    if not ends.all():
        row = table.iloc[np.flatnonzero(~ends)[0]]
        raise InputError(
            f"detection: in the {name}, {row['label']} in {row['video']} runs from {row['start']} "
            f"to {row['end']}; an interval ends after its start"
        )
