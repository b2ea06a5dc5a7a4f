"""Tables 3 and 4: pointing in time, and temporal detection, in untrimmed videos.

The paper's rows stand beside figures that need no map at all: chance, the middle of the clip, the
prior of a network that looks back from the end, the margin of single frames, the whole clip.
Intervals are of the percentile bootstrap over videos; of mAP, whose bootstrap draws lie too high,
of the jackknife (`seewhy.scores.jackknife`). Rows that guess once and rows that guess twice are
compared by how much of the way from chance to perfect they go, (a - c) / (1 - c).

Reference: S. A. Bargal et al., *Excitation Backprop for RNNs*, CVPR 2018, section 5.2.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.localise import (
    CLIP_FRAMES,
    combined_hits,
    detections,
    grow_interval,
    merge_touching,
    temporal_chance,
    temporal_hits,
    thresholded,
)
from seewhy.grounding.timing import (
    CNN_PROBABILITY,
    MAPS,
    MARGIN,
    NAMED,
    PRIOR,
    PROBABILITY,
    Annotations,
    Items,
    Signals,
    annotation_items,
    named_alone,
    read_annotations,
    read_signals,
)
from seewhy.grounding.untrimmed import UntrimmedFile
from seewhy.scores.bootstrap import Score, bootstrap_interval, paired_bootstrap
from seewhy.scores.clusters import cluster_mean_interval, clustered_above_chance
from seewhy.scores.columns import interval_columns, verdict
from seewhy.scores.detection import ACTIVITYNET, THUMOS14, activitynet, temporal_iou, thumos14
from seewhy.scores.jackknife import jackknife_interval
from seewhy.table_numbers import number_format

log = logging.getLogger(__name__)

RANDOM_DRAWS = 20
ABOVE = "over chance"  # column of (a - c) / (1 - c)
SHOWN_OF_ACTIVITYNET = (0.5, 0.75)
# Bargal et al., CVPR 2018: pointing in time, and mAP at an IoU of 0.1, both on THUMOS14.
PUBLISHED_POINTING = {
    "random": 0.573,
    "peak probability": 0.658,
    "cEB-R": 0.651,
    "peak probability + cEB-R": 0.774,
}
PUBLISHED_DETECTION = {
    "Karaman et al.": 0.046,
    "Wang et al.": 0.182,
    "Oneata et al.": 0.366,
    "Richard et al.": 0.397,
    "Shou et al.": 0.477,
    "Yeung et al.": 0.489,
    "Yuan et al.": 0.514,
    "Xu et al.": 0.545,
    "Zhao et al.": 0.603,
    "Kaufman et al.": 0.611,
    "cEB-R": 0.579,
}
OURS = ("cEB-R, rule gates-const", "cEB-R, seed all")
# The first less the second, and what the paper says of it, or a control asks.
CLAIMS = (
    ("cEB-R", "peak probability", "cEB-R points as well as the probability, or better", "paper"),
    ("cEB-R", "EB-R", "contrast helps", "paper"),
    ("peak probability + cEB-R, either peak", "cEB-R", "both together beat cEB-R", "paper"),
    ("peak probability + cEB-R, peak of the product", "cEB-R", "both together beat cEB-R", "paper"),
    ("cEB-R", "peak CNN margin, frame by frame", "recurrence helps", "control"),
    ("cEB-R", "mean time profile of EB-R", "cEB-R tells more than a prior", "control"),
)

Array = np.ndarray


def score_untrimmed(
    corpus: str | Path,
    features: str | Path,
    lrcn: str | Path,
    cnn: str | Path,
    pointing: str | Path,
    detection: str | Path,
    *,
    name: str,
    clips: Sequence[int] = (CLIP_FRAMES,),
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write Tables 3 and 4.

    Args:
        corpus: folder in canonical form, with the annotated intervals.
        features: of `seewhy.grounding.untrimmed.encode_untrimmed`.
        lrcn: ``.safetensors`` of the network that is explained.
        cnn: that of single frames, above the same CNN.
        pointing: CSV, Table 3.
        detection: CSV, Table 4.
        name: of the corpus.
        clips: frames of a clip; rows for each number.
        resamples: of the bootstrap.
        confidence: coverage of the intervals.
        seed: of the resamples and of random intervals.

    Raises:
        InputError: files that do not fit together, no annotated action that the network knows, or
            fewer than two videos with one.
    """
    file = UntrimmedFile(features)
    network, by_frame = load_action_network(lrcn), load_action_network(cnn)
    truth = read_annotations(corpus, file, network)
    bootstrap = {"resamples": resamples, "level": confidence, "seed": seed}
    points: list[dict[str, Any]] = []
    finds: list[dict[str, Any]] = []
    for clip in clips:
        signals = read_signals(network, by_frame, file, truth.table, clip=clip)
        items = annotation_items(signals, truth.table, clip)
        videos = signals.pairs["video"].iloc[items.pair]
        if not len(videos):
            raise InputError(f"{corpus}/segments.csv: all intervals begin after their videos' ends")
        if videos.nunique() < 2:
            raise InputError(
                f"{corpus}/segments.csv: one video ({videos.iloc[0]}) alone has an action that the "
                "network knows; intervals need two or more"
            )
        alone = named_alone(network, file, signals, items)
        about = {"clip": clip, "corpus": name, "videos": videos.nunique()}
        about["actions"] = truth.table["label"].nunique()
        points += pointing_rows(signals, items, alone, truth.unknown, about, bootstrap)
        finds += detection_rows(signals, truth, about, bootstrap)
    for rows, path, table, figure, published in (
        (points, pointing, 3, "accuracy", PUBLISHED_POINTING),
        (finds, detection, 4, "mAP@0.1", PUBLISHED_DETECTION),
    ):
        about = {"clip": CLIP_FRAMES, "corpus": "thumos14"}
        about["kind"] = f"published (Bargal et al. 2018, Table {table})"
        rows += [{**about, "row": row, figure: value} for row, value in published.items()]
        counts = ["clip", "videos", "actions", "intervals", "left out", "detections"]
        whole = pd.DataFrame(rows)
        whole = whole.astype(dict.fromkeys(whole.columns.intersection(counts), "Int64"))
        first = ["clip", "row", "kind"]
        whole = whole[[*first, *whole.columns.drop(first)]]
        with whole_file(path) as temporary:
            whole.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def pointing_hits(
    signals: Signals, items: Items, alone: Array
) -> dict[str, tuple[str, Array, Array]]:
    """The pointing game in time.

    Args:
        signals: of the clips.
        items: annotations in them.
        alone: of `seewhy.grounding.timing.named_alone`, ``[items]``.

    Returns:
        For each row of the table its kind, its hits ``[items]``, and the hits expected of as many
        random guesses. ``named`` is no pointing, and has NaN there: whether the action is the
        LRCN's most probable one at the interval's last frame.
    """
    lengths = signals.pairs["frames"].to_numpy()[items.pair]
    of = {name: signal[items.pair] for name, signal in signals.of.items()}
    steps = np.arange(next(iter(of.values())).shape[1])
    of["middle"] = -abs(2 * steps - (lengths[:, None] - 1))
    chance = temporal_chance(items.interval, lengths)

    def hits(name: str) -> Array:
        return temporal_hits(of[name], items.interval, lengths=lengths)

    def both(how: str) -> Array:
        return combined_hits(of["cEB-R"], of[PROBABILITY], items.interval, how=how, lengths=lengths)

    none = np.full(len(chance), np.nan)
    twice = 1 - (1 - chance) ** 2
    kind_of = {name: "ours" if name in OURS else "method" for name in MAPS}
    return {
        "named": ("reference", _named(signals, items), none),
        "named, the interval alone": ("reference", alone, none),
        "random": ("control", chance, chance),
        "middle of the clip": ("control", hits("middle"), chance),
        "mean time profile of EB-R": ("control", hits(PRIOR), chance),
        "peak probability": ("reference", hits(PROBABILITY), chance),
        "peak CNN margin, frame by frame": ("reference", hits(MARGIN), chance),
        **{name: (kind_of[name], hits(name), chance) for name in MAPS},
        "two random frames": ("control", twice, twice),
        "peak probability + cEB-R, either peak": ("method", both("either"), twice),
        "peak probability + cEB-R, peak of the product": ("method", both("product"), chance),
    }


def _named(signals: Signals, items: Items) -> Array:
    last = items.interval[:, 1] - 1
    return signals.of[NAMED][items.pair, last]


def pointing_rows(
    signals: Signals,
    items: Items,
    alone: Array,
    unknown: int,
    about: Mapping[str, Any],
    bootstrap: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Rows of Table 3.

    Args:
        signals: of the clips.
        items: annotations in them.
        alone: see `pointing_hits`.
        unknown: annotations that were left out.
        about: columns that all rows share.
        bootstrap: resamples, level, seed.
    """
    videos = signals.pairs["video"].to_numpy()[items.pair]
    about = {**about, "intervals": len(items.pair), "left out": unknown + items.outside}
    rows = []
    found = pointing_hits(signals, items, alone)
    above = {
        row: clustered_above_chance(hits, chance, videos, name=ABOVE)
        for row, (_, hits, chance) in found.items()
        if not np.isnan(chance).any()
    }
    over = {
        row: bootstrap_interval([score], clips=clips, **bootstrap)[ABOVE]
        for row, (score, clips) in above.items()
    }
    for row, (kind, hits, _) in found.items():
        figures = interval_columns("accuracy", cluster_mean_interval(hits, videos, **bootstrap))
        figures |= interval_columns(ABOVE, over.get(row))
        rows.append({"row": row, "kind": kind, **about, **figures})
    for first, second, claim, whose in CLAIMS:
        (one, clips), (two, _) = above[first], above[second]
        interval = paired_bootstrap([one], [two], clips=clips, **bootstrap)[ABOVE]
        row = {"row": f"{first} minus {second}", "kind": "paired difference", **about}
        said = {"claim": claim, "whose": whose, "verdict": verdict(interval, baseline=over[second])}
        rows.append(row | interval_columns(ABOVE, interval) | said)
    return rows


def found_intervals(signals: Signals, *, seed: int) -> dict[str, tuple[str, list[pd.DataFrame]]]:
    """Detections in seconds.

    The score of a detection is the highest probability of the action within it, of the LRCN for
    all rows but the CNN's, which has its own: so rows differ in their intervals.

    Args:
        signals: of every clip, for the actions of its video.
        seed: of random intervals.

    Returns:
        For each row of the table its kind and its detections; those of random intervals several
        times.
    """
    lengths = signals.pairs["frames"].to_numpy()

    def table(found: Array, *, score: str = PROBABILITY, merged: bool = True) -> pd.DataFrame:
        one = detections(
            found,
            signals.of[score],
            videos=signals.pairs["video"],
            labels=signals.pairs["label"],
            starts=signals.pairs["start"],
            score="peak",
        )
        one = merge_touching(one) if merged and len(one) else one
        return one.assign(start=one["start"] / signals.rate, end=one["end"] / signals.rate)

    def grown(signal: Array, prefer: Array | None = None) -> Array:
        return grow_interval(signal, lengths=lengths, prefer=prefer)

    probability, prior = signals.of[PROBABILITY], signals.of[PRIOR]
    mean = prior.sum(axis=1, keepdims=True) / lengths[:, None]
    rng = np.random.default_rng(seed)
    drawn = [table(_random(lengths, rng), merged=False) for _ in range(RANDOM_DRAWS)]
    whole = np.stack([np.zeros_like(lengths), lengths], axis=1)
    rows = {
        name: ("ours" if name in OURS else "method", [table(grown(signals.of[name]))])
        for name in MAPS
        if MAPS[name].get("contrastive", True)
    }
    return {
        "random interval": ("control", drawn),
        "whole clip": ("control", [table(whole, merged=False)]),
        "mean time profile of EB-R, above its mean": ("control", [table(grown(prior - mean))]),
        "probability, at least 0.5": (
            "reference",
            [table(grown(thresholded(probability), probability))],
        ),
        "CNN margin, frame by frame": (
            "reference",
            [table(grown(signals.of[MARGIN]), score=CNN_PROBABILITY)],
        ),
        **rows,
    }


def _random(lengths: Array, rng: np.random.Generator) -> Array:
    """An interval of each clip, all that there are equally likely."""
    first = rng.integers(lengths + 1)
    second = rng.integers(lengths)
    second = second + (second >= first)  # another border
    return np.sort(np.stack([first, second], axis=1), axis=1)


def boundary_errors(truth: pd.DataFrame, found: pd.DataFrame) -> Array:
    """How far the detections' borders are from the true ones.

    Args:
        truth: columns video, label, start, end.
        found: the same.

    Returns:
        Of each interval of the truth the mean distance of its start and its end to those of the
        detection, of its video and label, that overlaps it most (IoU); NaN where none does.
    """
    by_key = {key: own[["start", "end"]].to_numpy(float) for key, own in found.groupby(_KEY)}
    errors = np.full(len(truth), np.nan)
    for row, (video, label, start, end) in enumerate(
        truth[[*_KEY, "start", "end"]].itertuples(index=False)
    ):
        spans = by_key.get((video, label))
        if spans is None:
            continue
        iou = temporal_iou(np.array([start, end]), spans)
        best = iou.argmax()
        if iou[best] > 0:
            errors[row] = abs(spans[best] - (start, end)).mean()
    return errors


_KEY = ["video", "label"]


def detection_rows(
    signals: Signals,
    truth: Annotations,
    about: Mapping[str, Any],
    bootstrap: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Rows of Table 4; `about` are columns that all rows share."""
    videos = sorted(set(truth.table["video"]))
    with_doubtful = pd.concat([truth.table, truth.ambiguous], ignore_index=True)
    about = {**about, "intervals": len(truth.table), "left out": truth.unknown}
    of_video = truth.table["video"].to_numpy()
    rows = []
    for row, (kind, tables) in found_intervals(signals, seed=bootstrap["seed"]).items():
        scores = [_scores(with_doubtful, truth.table, found, videos) for found in tables]
        means = jackknife_interval(
            scores, clips=len(videos), level=bootstrap["level"], bounds=(0, 1)
        )
        figures = {}
        for figure, interval in means.items():
            figures |= interval_columns(figure, interval)
        errors = np.stack([boundary_errors(truth.table, found) for found in tables])
        overlapped = ~np.isnan(errors)
        with_error = np.where(overlapped.any(axis=0), np.nansum(errors, axis=0), np.nan)
        with_error = with_error / np.maximum(overlapped.sum(axis=0), 1) * signals.rate
        figures |= {"detections": round(np.mean([len(found) for found in tables]))}
        found = cluster_mean_interval(overlapped.mean(axis=0), of_video, **bootstrap)
        figures |= interval_columns("overlapped", found)
        if len(set(of_video[~np.isnan(with_error)])) > 1:
            error = cluster_mean_interval(with_error, of_video, **bootstrap)
            figures |= interval_columns("boundary error", error)
        rows.append({"row": row, "kind": kind, **about, **figures})
    return rows


def _scores(
    truth: pd.DataFrame, clear: pd.DataFrame, found: pd.DataFrame, videos: Sequence[str]
) -> Score:
    """Both evaluators' figures of resampled videos."""
    first = thumos14(truth, found, thresholds=THUMOS14, videos=videos)
    second = activitynet(clear, found, thresholds=ACTIVITYNET, videos=videos)

    def score(times: Array) -> dict[str, Array]:
        by_threshold = second.weighted(times)
        shown = {f"ActivityNet mAP@{t:g}": by_threshold[f"mAP@{t:g}"] for t in SHOWN_OF_ACTIVITYNET}
        average = np.mean(list(by_threshold.values()), axis=0)
        return {**first.weighted(times), **shown, "ActivityNet average mAP": average}

    return score
