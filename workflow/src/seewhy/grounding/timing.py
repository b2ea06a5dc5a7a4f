"""What networks say about when actions happen in untrimmed videos: numbers a frame, clip by clip.

A video is cut into consecutive clips (128 frames in the paper), and each is run by itself, the
LSTM's state empty at its beginning. Every clip is asked for every action that the annotations of
its video name and that the networks know; other actions are background.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.corpora.canonical import read_table
from seewhy.corpora.thumos14 import AMBIGUOUS
from seewhy.errors import InputError
from seewhy.grounding.localise import CLIP_FRAMES, clip_bounds, in_clips
from seewhy.grounding.maps import evidence_of_action
from seewhy.grounding.networks import ActionNetwork
from seewhy.grounding.untrimmed import UntrimmedFile
from seewhy.progress import progress

log = logging.getLogger(__name__)

MAPS = {
    "EB-R": {"contrastive": False},
    "cEB-R": {},
    "cEB-R, rule paper": {"rule": "paper"},
    "cEB-R, rule gates-const": {"rule": "gates-const"},
    "cEB-R, seed all": {"seed": "all"},
}
PROBABILITY, MARGIN, CNN_PROBABILITY = "probability", "CNN margin", "CNN probability"
PRIOR = "recency prior"
NAMED = "named"  # 1 where the action is the most probable one, else 0
_TOGETHER = 16  # pairs of a clip and an action that pass the LSTM at once

Array = np.ndarray


@dataclass(frozen=True)
class Annotations:
    """The annotated intervals of the videos that were read.

    Attributes:
        table: columns video, label, start, end (seconds from the beginning of the clip that the
            corpus names), of actions that the network knows.
        ambiguous: the same of intervals that are marked as ambiguous.
        unknown: how many there are of actions that the network does not know.
    """

    table: pd.DataFrame
    ambiguous: pd.DataFrame
    unknown: int


@dataclass(frozen=True)
class Signals:
    """One number a frame of each clip and action that it was asked for.

    Attributes:
        pairs: columns video, label, start (first frame of the clip in its video), frames.
        rate: frames a second.
        of: signals ``[pairs, T]`` by name: those of `MAPS`, `PROBABILITY`, `MARGIN`,
            `CNN_PROBABILITY`, `NAMED`, `PRIOR`; 0 from a clip's end on.
    """

    pairs: pd.DataFrame
    rate: float
    of: Mapping[str, Array]


def read_annotations(
    corpus: str | Path, file: UntrimmedFile, network: ActionNetwork
) -> Annotations:
    """Intervals of the videos of a file.

    Args:
        corpus: folder in canonical form; its ``segments`` count in seconds, or else in frames.
        file: the videos.
        network: whose actions can be asked for.

    Raises:
        InputError: no interval, or none of an action that the network knows.
    """
    table = read_table(corpus, "segments")
    table = table[table["clip"].isin(file.clips)]
    doubtful = table["label"] == AMBIGUOUS
    known = table["label"].isin(network.classes)
    where = f"{corpus}/segments.csv"
    if not (~doubtful).any():
        raise InputError(f"{where}: no interval of any action in the videos of {file.path}")
    if not known.any():
        names = ", ".join(sorted(set(table.loc[~doubtful, "label"]))[:3])
        raise InputError(
            f"{where}: none of its actions ({names}, …) is one that the network knows "
            f"({', '.join(network.classes[:3])}, …); train it on clips of those actions, "
            "grounding.corpus, or choose other videos, grounding.untrimmed.corpus"
        )
    fps = table["clip"].map(dict(zip(file.clips, file.fps, strict=True)))
    begins = read_table(corpus, "clips").set_index("clip")["start"].fillna(0.0)
    begin = table["clip"].map(begins)
    seconds = pd.DataFrame({"video": table["clip"].astype(object)})
    seconds["label"] = table["label"].astype(object)
    for end in ("start", "end"):
        given = table[f"{end}_seconds"] - begin
        seconds[end] = given.fillna(table[end] / fps).astype(float)
    unknown = int((~known & ~doubtful).sum())
    if unknown:
        log.info(
            "%s: %d of %d intervals are of actions that the network does not know; left out",
            where, unknown, int((~doubtful).sum()),
        )  # fmt: skip
    return Annotations(
        seconds[known].reset_index(drop=True), seconds[doubtful].reset_index(drop=True), unknown
    )


def read_signals(
    lrcn: ActionNetwork,
    cnn: ActionNetwork,
    file: UntrimmedFile,
    annotations: pd.DataFrame,
    *,
    clip: int = CLIP_FRAMES,
) -> Signals:
    """Ask every clip for the actions that the annotations of its video name.

    Args:
        lrcn: with an LSTM.
        cnn: the classifier of single frames above the same CNN.
        file: fc7 of the videos, by that CNN.
        annotations: columns video, label.
        clip: frames of a clip.

    Raises:
        InputError: networks of different CNNs or actions, or fc7 of another width.
    """
    _check(lrcn, cnn, file)
    asked = annotations.groupby("video")["label"].unique()
    rows: list[pd.DataFrame] = []
    parts: list[dict[str, Array]] = []
    for row, video in enumerate(progress(file.clips, what="evidence", unit="video")):
        if video not in asked:
            continue
        labels = sorted(asked[video])
        target = torch.tensor([lrcn.index(label) for label in labels])
        for starts, frames in _alike(clip_bounds(int(file.frames[row]), clip), len(labels)):
            clips = [file.features(row, first, first + frames) for first in starts]
            parts.append(_of_clips(lrcn, cnn, torch.stack(clips), target))
            about = {"video": video, "label": labels * len(starts)}
            about["start"] = np.repeat(starts, len(labels))
            rows.append(pd.DataFrame({**about, "frames": frames}))
    pairs = pd.concat(rows, ignore_index=True)
    longest = int(pairs["frames"].max())
    of = {
        name: np.concatenate(
            [np.pad(part[name], [(0, 0), (0, longest - part[name].shape[1])]) for part in parts]
        )
        for name in parts[0]
    }
    lengths = pairs["frames"].to_numpy()
    return Signals(pairs, file.rate, {**of, PRIOR: recency_prior(of["EB-R"], lengths)})


def _check(lrcn: ActionNetwork, cnn: ActionNetwork, file: UntrimmedFile) -> None:
    if lrcn.lstm is None or cnn.lstm is not None:
        raise InputError("timing: the first network must have an LSTM, the second none")
    own, other = lrcn.cnn.state_dict(), cnn.cnn.state_dict()
    same = own.keys() == other.keys() and all(torch.equal(own[k], other[k]) for k in own)
    if not same or lrcn.classes != cnn.classes:
        raise InputError(
            "timing: the CNN of the LRCN is not that of the frame classifier, or their actions "
            "differ; run train_action_networks again"
        )
    if file.width != cnn.classifier.in_features:
        raise InputError(
            f"{file.path}: fc7 of {file.width} numbers for a network of "
            f"{cnn.classifier.in_features}; make it again (snakemake --forcerun encode_untrimmed)"
        )


def _alike(bounds: Array, actions: int) -> Iterator[tuple[list[int], int]]:
    """Clips of one length that pass the LSTM at once: their first frames, and the length."""
    lengths = bounds[:, 1] - bounds[:, 0]
    together = max(1, _TOGETHER // actions)
    for length in np.unique(lengths)[::-1]:
        starts = bounds[lengths == length, 0].tolist()
        for first in range(0, len(starts), together):
            yield starts[first : first + together], int(length)


def _of_clips(
    lrcn: ActionNetwork, cnn: ActionNetwork, features: Tensor, target: Tensor
) -> dict[str, Array]:
    """Signals of clips ``[n, T, D]``, each asked for some actions: ``[n * actions, T]``."""
    with torch.no_grad():
        p = lrcn.classify(features).softmax(dim=2).mT  # [n, classes, T]
        logits = cnn.classify(features).mT
    others = [logits.index_fill(1, one, -torch.inf).amax(dim=1) for one in target]
    signals = {
        PROBABILITY: p[:, target],
        MARGIN: logits[:, target] - torch.stack(others, dim=1),
        CNN_PROBABILITY: logits.softmax(dim=1)[:, target],
        NAMED: p.argmax(dim=1, keepdim=True) == target[:, None],
    }
    signals = {name: values.flatten(0, 1) for name, values in signals.items()}
    asked = features.repeat_interleave(len(target), dim=0)
    for name, how in MAPS.items():
        evidence = evidence_of_action(lrcn, asked, target.repeat(len(features)), **how)
        signals[name] = evidence.sum(dim=2)
    return {name: values.double().numpy() for name, values in signals.items()}


def recency_prior(evidence: Array, lengths: Array) -> Array:
    """The mean time profile of EB-R, which knows neither the clip nor the action.

    EB-R is asked at the last step, so profiles are laid upon each other from their ends: at so many
    steps before the end the mean over all clips that are long enough.

    Args:
        evidence: EB-R, ``[clips, T]``, 0 from a clip's end on.
        lengths: frames of each clip, ``[clips]``.

    Returns:
        ``[clips, T]``, each clip's part of the profile; 0 from its end on.
    """
    steps = np.arange(evidence.shape[1])
    before = lengths[:, None] - 1 - steps  # steps to the end
    there = before >= 0
    total = np.bincount(before[there], weights=evidence[there])
    profile = total / np.bincount(before[there])
    return np.where(there, profile[np.where(there, before, 0)], 0)


@dataclass(frozen=True)
class Items:
    """Annotations in clips: what the pointing game in time is played on.

    Attributes:
        pair: row of `Signals.pairs`, ``[items]``.
        interval: in frames from the clip's first, ``[items, 2]``.
        outside: annotations that begin after the video's end; they are left out.
    """

    pair: Array
    interval: Array
    outside: int


def annotation_items(signals: Signals, annotations: pd.DataFrame, clip: int) -> Items:
    """Every annotation in every clip that it overlaps.

    An annotation holds the frames on screen at its times; one so short that there is none holds
    the first after it.
    """
    ends = signals.pairs["start"] + signals.pairs["frames"]
    frames = ends.groupby(signals.pairs["video"]).max()
    columns = [signals.pairs[name] for name in ("video", "label", "start")]
    places = {key: row for row, key in enumerate(zip(*columns, strict=True))}
    pair: list[int] = []
    intervals: list[Array] = []
    outside = 0
    for (video, label), own in annotations.groupby(["video", "label"], sort=False):
        seconds = own[["start", "end"]].to_numpy(float)
        start, end = np.ceil((seconds * signals.rate - 0.5).round(6)).astype(int).T
        span = np.stack([start, np.maximum(end, start + 1)], axis=1)
        bounds = clip_bounds(int(frames[video]), clip)
        cut = in_clips(span, bounds)
        outside += len(own) - len(np.unique(cut.annotation))
        pair += [places[video, label, int(bounds[one, 0])] for one in cut.clip]
        intervals.append(cut.interval)
    return Items(np.array(pair, int), np.concatenate(intervals).reshape(-1, 2), outside)


def named_alone(lrcn: ActionNetwork, file: UntrimmedFile, signals: Signals, items: Items) -> Array:
    """Whether the LRCN names the action if it is run on the interval alone, ``[items]``, 0 or 1.

    Held against what it says in the course of the clip, it tells whether its state can let go of
    what came before.
    """
    rows = {video: row for row, video in enumerate(file.clips)}
    named = np.zeros(len(items.pair))
    for item, (pair, (start, end)) in enumerate(zip(items.pair, items.interval, strict=True)):
        of = signals.pairs.iloc[pair]
        features = file.features(rows[of["video"]], of["start"] + start, of["start"] + end)
        p = lrcn.probabilities(features[None])[0]
        named[item] = p.argmax() == lrcn.index(of["label"])
    return named
