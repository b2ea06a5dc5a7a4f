r"""From one number a frame to when an action happens, and pointing in time.

The number is the sum of the frame's saliency map, which gives a clip of T frames the vector
:math:`\mathcal{S} \in \mathbb{R}^T`; negative sums speak against the action. Then

* `grow_interval`: from the anchor, the frame of the highest sum, in both directions until a frame
  with a negative sum, which is left out (section 4.1; the length of the action is unknown). A frame
  of sum 0 is not negative and stays. EB-R is never negative, so it always gives the whole clip.
* `best_window`: the L consecutive frames with the highest sum (the length is known).
* `thresholded`: the paper's baseline, the probability turned into +1 and -1, for either of them.

Intervals are [start, end), in frames from the clip's first. Where the anchor is not positive
nothing speaks for the action: there is no detection, which is the empty interval [anchor, anchor).

Ties (values within 1e-9 of the largest magnitude): of tied anchors, peaks or windows the one
highest in a second signal is taken if there is one, and of those left the one nearest to the mean
of their positions, the earlier of two. So a constant signal points at the middle, not at frame 0.

Clips of unequal length stand padded in one array; `lengths` says how many frames of each are real.

Reference: S. A. Bargal et al., *Excitation Backprop for RNNs*, CVPR 2018, sections 4.1 and 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from seewhy.errors import InputError

CLIP_FRAMES = 128  # a long video is cut into clips of as many
SCORES = ("sum", "mean", "peak")
COMBINATIONS = ("either", "product", "sum")
TIES = ("expected", "central")
_ROUNDING = 1e-9  # of the largest magnitude: below it, two values are equal

Array = np.ndarray


class InClips(NamedTuple):
    """Annotations of a video, each in every clip that it overlaps.

    Attributes:
        annotation: which one, [pairs].
        clip: which clip, [pairs].
        interval: the part that lies in the clip, in frames from the clip's first, [pairs, 2].
    """

    annotation: Array
    clip: Array
    interval: Array


def grow_interval(
    sums: Array, *, lengths: Sequence[int] | None = None, prefer: Array | None = None
) -> Array:
    """The interval round the frame of the highest sum, up to the nearest negative sums.

    Args:
        sums: S, [clips, T].
        lengths: frames of each clip, [clips]; None: T.
        prefer: decides between frames of equal sum, [clips, T]; for a thresholded probability, the
            probability.

    Returns:
        Start and end in frames, [clips, 2]; start = end where there is no detection.

    Raises:
        InputError: another shape, no frames, or values that are not finite.
    """
    sums, there = _checked(sums, lengths)
    anchor = _highest(sums, there, _second(prefer, sums))
    frames, every = np.arange(sums.shape[1]), np.arange(len(sums))
    stops = ~there | (sums < 0)
    before = np.where(stops & (frames < anchor[:, None]), frames, -1).max(axis=1)
    after = np.where(stops & (frames > anchor[:, None]), frames, len(frames)).min(axis=1)
    found = np.stack([before + 1, after], axis=1)
    return np.where((sums[every, anchor] > 0)[:, None], found, anchor[:, None])


def best_window(
    sums: Array,
    length: int,
    *,
    lengths: Sequence[int] | None = None,
    prefer: Array | None = None,
) -> Array:
    """The window of `length` consecutive frames with the highest sum.

    Args:
        sums: S, [clips, T].
        length: L of the action in frames; a clip that is no longer gives all of it.
        lengths: see `grow_interval`.
        prefer: decides, by its sum, between windows of equal sum, [clips, T].

    Returns:
        Start and end in frames, [clips, 2]. There always is a detection, whatever the sign of S.

    Raises:
        InputError: a length below 1, or as `grow_interval`.
    """
    sums, there = _checked(sums, lengths)
    if length < 1:
        raise InputError(f"localise: the length of the window is {length}; give at least 1 frame")
    width = min(int(length), sums.shape[1])
    fits = sliding_window_view(there, width, axis=1).all(axis=2)
    fits[:, 0] = True  # in a clip that is shorter than the window

    def windows(values: Array) -> Array:
        return sliding_window_view(np.where(there, values, 0), width, axis=1).sum(axis=2)

    second = _second(prefer, sums)
    start = _highest(windows(sums), fits, None if second is None else windows(second))
    return np.stack([start, np.minimum(start + width, there.sum(axis=1))], axis=1)


def thresholded(probability: Array, *, threshold: float = 0.5) -> Array:
    """+1 where the action's probability is at least the threshold, -1 elsewhere; any shape."""
    return np.where(np.asarray(probability, float) >= threshold, 1.0, -1.0)


def clip_bounds(frames: int, length: int = CLIP_FRAMES) -> Array:
    """Consecutive clips of a video; the last one is shorter unless the length divides `frames`.

    Args:
        frames: of the video.
        length: of a clip.

    Returns:
        First frame and frame after the last, [clips, 2].

    Raises:
        InputError: no frames, or a length below 1.
    """
    if frames < 1 or length < 1:
        raise InputError(f"localise: {frames} frames in clips of {length}; give 1 or more of both")
    starts = np.arange(0, frames, length)
    return np.stack([starts, np.minimum(starts + length, frames)], axis=1)


def in_clips(annotations: Array, bounds: Array) -> InClips:
    """Cut the annotations of a video at its clips' borders: one pair for each overlap.

    Args:
        annotations: [m, 2] in frames of the video, [start, end).
        bounds: of the clips, [clips, 2].
    """
    annotations = np.asarray(annotations).reshape(-1, 2)
    start = np.maximum(annotations[:, None, 0], bounds[None, :, 0])
    end = np.minimum(annotations[:, None, 1], bounds[None, :, 1])
    annotation, clip = np.nonzero(end > start)
    interval = np.stack([start, end], axis=2)[annotation, clip] - bounds[clip, :1]
    return InClips(annotation, clip, interval)


def detections(
    intervals: Array,
    sums: Array,
    *,
    videos: Sequence[str],
    labels: Sequence[str],
    starts: Sequence[int] | None = None,
    score: str = "sum",
    confidence: Sequence[float] | None = None,
) -> pd.DataFrame:
    """A table of the clips' detections, as `seewhy.scores.detection` reads it.

    Args:
        intervals: [clips, 2], from `grow_interval` or `best_window`; empty ones are left out.
        sums: what the score is taken from, [clips, T]: S, or the probability.
        videos: of each clip.
        labels: the action that each clip was asked for.
        starts: first frame of each clip in its video; None: 0.
        score: over the interval, the `sum` (cEB-R sums to 0 over a clip: the share of the evidence
            that the interval gathers), the `mean` or the `peak`.
        confidence: multiplies the score, [clips], 0 or more: maps that are normalised within a clip
            do not say how sure the network is of the clip, its probability does.

    Returns:
        Columns video, label, start, end (frames of the video), score.

    Raises:
        InputError: an unknown score, numbers of clips that differ, or a negative confidence.
    """
    sums, _ = _checked(sums, None)
    intervals = np.asarray(intervals, int)
    n = len(sums)
    starts = np.zeros(n, int) if starts is None else np.asarray(starts, int)
    confidence = np.ones(n) if confidence is None else np.asarray(confidence, float)
    of_each = {
        "intervals": intervals,
        "videos": videos,
        "labels": labels,
        "starts": starts,
        "confidence": confidence,
    }
    for name, values in of_each.items():
        if len(values) != n:
            raise InputError(f"localise: {len(values)} {name} for {n} clips; give one each")
    if score not in SCORES:
        raise InputError(f"localise: score is {score!r}; choose one of {', '.join(SCORES)}")
    if not (confidence >= 0).all():
        raise InputError("localise: a confidence is negative; give probabilities")
    frames = np.arange(sums.shape[1])
    inside = (frames >= intervals[:, :1]) & (frames < intervals[:, 1:])
    value = np.where(inside, sums, 0).sum(axis=1)
    if score == "mean":
        value = value / np.maximum(inside.sum(axis=1), 1)
    elif score == "peak":
        value = np.where(inside, sums, -np.inf).max(axis=1)
    some = inside.any(axis=1)
    return pd.DataFrame(
        {
            "video": np.asarray(videos, object)[some],
            "label": np.asarray(labels, object)[some],
            "start": (starts + intervals[:, 0])[some],
            "end": (starts + intervals[:, 1])[some],
            "score": (value[some] * confidence[some]),
        }
    )


def merge_touching(table: pd.DataFrame) -> pd.DataFrame:
    """Join detections of a label that meet, as one cut in two by a clip's border does.

    Args:
        table: from `detections`, one a clip and label, so that only borders can be met.

    Returns:
        The same columns, sorted by video, label and start; a joined detection has the highest score
        of its parts.
    """
    table = table.sort_values(["video", "label", "start"], kind="stable", ignore_index=True)
    same = (table[["video", "label"]] == table[["video", "label"]].shift()).all(axis=1)
    group = (~(same & (table["start"] == table["end"].shift()))).cumsum()
    how = {"video": "first", "label": "first", "start": "first", "end": "last", "score": "max"}
    return table.groupby(group).agg(how).reset_index(drop=True)[list(how)]


def peak_frames(
    signal: Array, *, lengths: Sequence[int] | None = None, prefer: Array | None = None
) -> Array:
    """The frame of the highest value of each clip, [clips]; arguments as of `grow_interval`."""
    signal, there = _checked(signal, lengths)
    return _highest(signal, there, _second(prefer, signal))


def temporal_hits(
    signal: Array,
    intervals: Array,
    *,
    lengths: Sequence[int] | None = None,
    ties: str = "expected",
) -> Array:
    """The pointing game in time: does the peak frame lie in the interval?

    Args:
        signal: [items, T]: S, or the action's probability.
        intervals: start and end of the truth in frames, [items, 2].
        lengths: frames of each item, [items]; None: T.
        ties: `expected` counts the share of the tied peaks that lie inside (a constant signal
            scores the chance of a random frame), `central` the frame of `peak_frames`.

    Returns:
        [items], 1 for a hit and 0 for a miss.

    Raises:
        InputError: an unknown `ties`, numbers of items that differ, or as `grow_interval`.
    """
    signal, there = _checked(signal, lengths)
    inside = _inside(intervals, signal)
    if ties not in TIES:
        raise InputError(f"localise: ties is {ties!r}; choose one of {', '.join(TIES)}")
    if ties == "central":
        return inside[np.arange(len(signal)), _highest(signal, there, None)].astype(float)
    tied = _tied(signal, there)
    return (tied & inside).sum(axis=1) / tied.sum(axis=1)


def temporal_chance(intervals: Array, lengths: Sequence[int]) -> Array:
    """What `temporal_hits` gives a random frame: the interval's share of the clip, [items]."""
    lengths = np.asarray(lengths, int)
    _, there = _checked(np.zeros((len(lengths), lengths.max(initial=1))), lengths)
    return (_inside(intervals, there) & there).sum(axis=1) / lengths


def combined_hits(
    sums: Array,
    probability: Array,
    intervals: Array,
    *,
    how: str,
    lengths: Sequence[int] | None = None,
    ties: str = "expected",
) -> Array:
    """The pointing game in time of "peak probability + cEB-R", which the paper does not define.

    Args:
        sums: S, [items, T].
        probability: of the action at each frame, [items, T].
        intervals: see `temporal_hits`, as are the others.
        how: `either`: a hit if one of the two peaks hits (two guesses, so its chance level is that
            of two random frames); `product` or `sum`: one guess, the peak of the two signals'
            product or sum, each scaled to 0..1 over its clip (a constant one to 1).
        lengths: frames of each item.
        ties: with `either` and ties, the two peaks are drawn apart from each other.

    Returns:
        [items], 1 for a hit and 0 for a miss.

    Raises:
        InputError: an unknown `how`, signals of unequal shapes, or as `temporal_hits`.
    """
    if how not in COMBINATIONS:
        raise InputError(f"localise: how is {how!r}; choose one of {', '.join(COMBINATIONS)}")
    sums, there = _checked(sums, lengths)
    probability = _second(probability, sums)
    if how == "either":
        missed = [
            1 - temporal_hits(signal, intervals, lengths=lengths, ties=ties)
            for signal in (sums, probability)
        ]
        return 1 - missed[0] * missed[1]
    first, second = _scaled(sums, there), _scaled(probability, there)
    joint = first * second if how == "product" else first + second
    return temporal_hits(joint, intervals, lengths=lengths, ties=ties)


def _scaled(signal: Array, there: Array) -> Array:
    low = np.where(there, signal, np.inf).min(axis=1, keepdims=True)
    high = np.where(there, signal, -np.inf).max(axis=1, keepdims=True)
    span = high - low
    return np.where(there, np.where(span > 0, (signal - low) / np.where(span > 0, span, 1), 1), 0)


def _tied(values: Array, there: Array) -> Array:
    rounding = _ROUNDING * abs(np.where(there, values, 0)).max(axis=1, keepdims=True)
    highest = np.where(there, values, -np.inf).max(axis=1, keepdims=True)
    return there & (values >= highest - rounding)


def _highest(values: Array, there: Array, prefer: Array | None) -> Array:
    """Position of the highest value of each row, [rows]; ties as the module says."""
    tied = _tied(values, there)
    if prefer is not None:
        tied = _tied(prefer, tied)
    count = tied.sum(axis=1, keepdims=True)
    position = np.arange(values.shape[1])
    # in whole numbers, so that equal distances are equal
    offset = abs(position * count - (tied * position).sum(axis=1, keepdims=True))
    return np.where(tied, offset, np.iinfo(int).max).argmin(axis=1)


def _inside(intervals: Array, like: Array) -> Array:
    intervals = np.asarray(intervals)
    if intervals.shape != (len(like), 2):
        raise InputError(
            f"localise: intervals of the shape {intervals.shape} for {len(like)} clips; "
            "give a start and an end each"
        )
    frames = np.arange(like.shape[1])
    return (frames >= intervals[:, :1]) & (frames < intervals[:, 1:])


def _second(prefer: Array | None, sums: Array) -> Array | None:
    if prefer is None:
        return None
    prefer = np.asarray(prefer, float)
    if prefer.shape != sums.shape or not np.isfinite(prefer).all():
        raise InputError(
            f"localise: the second signal is of the shape {prefer.shape}, the first of "
            f"{sums.shape}; give two of one shape, with finite values"
        )
    return prefer


def _checked(sums: Array, lengths: Sequence[int] | None) -> tuple[Array, Array]:
    """The signal, and which of its frames are real, both [clips, T]."""
    sums = np.asarray(sums, float)
    if sums.ndim != 2 or not sums.shape[1]:
        raise InputError(f"localise: the shape of the signal is {sums.shape}; give [clips, T]")
    lengths = np.full(len(sums), sums.shape[1]) if lengths is None else np.asarray(lengths, int)
    if lengths.shape != (len(sums),) or ((lengths < 1) | (lengths > sums.shape[1])).any():
        raise InputError(
            f"localise: lengths do not fit a signal of {sums.shape}; "
            f"give each of the {len(sums)} clips 1 to {sums.shape[1]} frames"
        )
    there = np.arange(sums.shape[1]) < lengths[:, None]
    if not np.isfinite(sums[there]).all():
        clip = np.flatnonzero((~np.isfinite(sums) & there).any(axis=1))[0]
        raise InputError(f"localise: the signal of clip {clip} holds NaN or infinity; leave it out")
    return np.where(there, sums, 0), there
