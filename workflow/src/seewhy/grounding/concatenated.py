"""Two actions in a row: does the evidence say when? (Bargal et al., section 5.2, Table 2, Figure 7)

Each test clip that shows one action, the asked one (GT), is put together with one of another
action, drawn at random (rand): in short sequences one after the other (Figure 7, and the order
pairs: actions that are each other's reversal), in long ones the asked action is inserted at a
random place of the other (Table 2). Both are sampled over the whole of their clips, as in the
paper. What is done where is known exactly, and nothing was trained to say it. Mind that puppets'
clips have 32 frames: 65 steps of one, and the 63 to 117 around, show frames twice and more, slower
than any clip that the LRCN was trained on.

Beside the paper's rows stand those that tell what timing is worth: the mean profiles of EB-R and of
cEB-R over all sequences, whatever they show; the CNN's margin frame by frame (no recurrence); a
window at random, and one in the middle; the whole sequence (unknown length). The thresholded
probability is all ties, which the probability itself breaks here: better than the paper's +1 and
-1. In the order pairs it is far below chance: it rises late and stays, long into the other half.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.device import choose_device
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.clips import ClipFile, labelled
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.localise import best_window, grow_interval, thresholded
from seewhy.grounding.maps import evidence_of_action
from seewhy.grounding.methods import Method
from seewhy.grounding.networks import ActionNetwork
from seewhy.saliency_figures import sums_figure
from seewhy.scores.bootstrap import Interval
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.scores.columns import interval_columns, verdict
from seewhy.scores.detection import temporal_iou, thumos14
from seewhy.scores.saliency import boundary_error
from seewhy.table_numbers import number_format

PROFILES = ("EB-R", "cEB-R")
LENGTHS = (11, 41, 65)
TOTAL = 128
IOU = 0.5
REVERSED = (("fall", "get up"), ("enter", "leave"), ("stop", "start"))
# Bargal et al., CVPR 2018, Table 2: mAP at IoU 0.5 on UCF101, in per cent.
PUBLISHED = {
    ("known", "probability"): (8.5, 28.2, 47.7),
    ("known", "EB-R"): (11.3, 38.5, 56.3),
    ("known", "cEB-R"): (15.5, 53.2, 73.5),
    ("unknown", "probability"): (3.4, 9.5, 35.7),
    ("unknown", "cEB-R"): (4.1, 47.9, 62.0),
}
# The first less the second, and what the paper says of it, or a control asks.
CLAIMS = (
    ("known", "cEB-R", "EB-R", "contrast helps", "paper"),
    ("known", "cEB-R", "probability", "cEB-R localises better than the probability", "paper"),
    ("unknown", "cEB-R", "probability", "cEB-R localises better than the probability", "paper"),
    ("known", "cEB-R", "CNN margin", "recurrence helps", "control"),
    ("known", "cEB-R", "mean profile of cEB-R", "cEB-R tells more than its prior", "control"),
    ("known", "cEB-R", "random window", "cEB-R localises in time", "control"),
    ("known", "cEB-R", "window in the middle", "cEB-R localises in time", "control"),
)
# Methods of `seewhy.grounding.methods`; the first two are the paper's, the others are ours.
THROUGH_TIME = ("EB-R", "cEB-R", "cEB-R.paper", "cEB-R.gates-const", "cEB-R.all", "cEB-R.all.paper")


class Sequences(NamedTuple):
    """Sequences of fc7 in which one action is asked for.

    Attributes:
        features: ``[n, T, D]``.
        target: classes asked for ``[n]``.
        truth: start and end of the asked action ``[n, 2]``.
        clips: that it comes from.
    """

    features: Tensor
    target: Tensor
    truth: np.ndarray
    clips: list[str]


class Material:
    """fc7 of the clips that show one action each.

    Args:
        network: the LRCN.
        corpus: folder in canonical form.
        frames: those of the split.
        seed: of the companions and places.

    Raises:
        InputError: fewer than two actions among the clips.
    """

    def __init__(
        self, network: ActionNetwork, corpus: str | Path, frames: str | Path, *, seed: int
    ) -> None:
        file = ClipFile(frames)
        rows, actions, _ = labelled(corpus, file, network.classes)
        alone = actions.sum(axis=1) == 1
        self.rows, self.action = rows[alone], actions[alone].argmax(axis=1)
        if len(set(self.action)) < 2:
            raise InputError(f"{frames}: the clips show fewer than two actions that are known")
        self.clips = [file.clips[row] for row in self.rows]
        self.lengths = file.lengths[self.rows]
        longest = int(self.lengths.max())
        self.features = torch.cat(list(encode_clips(network, file, self.rows, longest)))
        rng = np.random.default_rng(seed)
        self.companion = np.array(
            [rng.choice(np.flatnonzero(self.action != action)) for action in self.action]
        )
        self.place = rng.random(len(self.rows))  # of the asked action, as a share

    def spread(self, clip: int, steps: int) -> Tensor:
        """`steps` equally spaced frames of the whole of a clip, ``[steps, D]``."""
        frames = self.features.shape[1]  # shorter clips were spread over as many
        return self.features[clip, (2 * np.arange(steps) + 1) * frames // (2 * steps)]

    def inserted(self, length: int, total: int) -> Sequences:
        """rand + GT + rand: the asked action at a random place."""
        parts, truth = [], []
        for clip, other in enumerate(self.companion):
            start = int(self.place[clip] * (total - length + 1))
            around = self.spread(other, total - length)
            parts.append(torch.cat([around[:start], self.spread(clip, length), around[start:]]))
            truth.append((start, start + length))
        return self._sequences(parts, truth, np.arange(len(self.clips)))

    def beside(self, total: int, *, first: bool) -> Sequences:
        """GT + rand, or rand + GT, half each."""
        half = total // 2
        parts, truth = [], []
        for clip, other in enumerate(self.companion):
            own, rest = self.spread(clip, half), self.spread(other, total - half)
            parts.append(torch.cat([own, rest] if first else [rest, own]))
            truth.append((0, half) if first else (total - half, total))
        return self._sequences(parts, truth, np.arange(len(self.clips)))

    def reversals(self, action: int, other: int, total: int) -> Sequences:
        """Each clip of an action before and after one of another, which is its reversal."""
        rng = np.random.default_rng([action, other])
        half = total // 2
        parts, truth, clips = [], [], []
        others = np.flatnonzero(self.action == other)
        for clip in np.flatnonzero(self.action == action):
            own, rest = self.spread(clip, half), self.spread(rng.choice(others), half)
            parts += [torch.cat([own, rest]), torch.cat([rest, own])]
            truth += [(0, half), (half, 2 * half)]
            clips += [clip, clip]
        return self._sequences(parts, truth, np.array(clips))

    def _sequences(
        self, parts: list[Tensor], truth: list[tuple[int, int]], clips: np.ndarray
    ) -> Sequences:
        return Sequences(
            torch.stack(parts),
            torch.from_numpy(self.action[clips]),
            np.array(truth),
            [self.clips[clip] for clip in clips],
        )


def signals(
    lrcn: ActionNetwork, cnn: ActionNetwork, sequences: Sequences, *, batch: int = 64
) -> dict[str, np.ndarray]:
    """What each method says of every step, S ``[n, T]``.

    Keys: those of `THROUGH_TIME`, ``probability`` (the LRCN's, of the asked class at that step),
    ``CNN margin`` (its score of the class less the highest other), and the mean profiles of EB-R
    and cEB-R over all sequences.
    """
    found: dict[str, list[Tensor]] = {}
    on = next(lrcn.parameters()).device
    for x, target in zip(
        sequences.features.split(batch), sequences.target.split(batch), strict=True
    ):
        x, target = x.to(on), target.to(on)
        for name in THROUGH_TIME:
            method = Method.parse(name)
            evidence = evidence_of_action(
                lrcn, x, target, contrastive=method.how == "cEB", rule=method.rule, seed=method.seed
            )
            found.setdefault(name, []).append(evidence.sum(dim=2))
        asked = target[:, None, None].expand(-1, x.shape[1], 1)
        with torch.no_grad():
            p = lrcn.classify(x).softmax(dim=2).gather(2, asked)[..., 0]
            scores = cnn.classify(x)
        own = scores.gather(2, asked)[..., 0]
        margin = own - scores.scatter(2, asked, -torch.inf).amax(dim=2)
        found.setdefault("probability", []).append(p)
        found.setdefault("CNN margin", []).append(margin)
    together = {name: torch.cat(parts).double().cpu().numpy() for name, parts in found.items()}
    for name in PROFILES:
        profile = together[name].mean(axis=0)
        together[f"mean profile of {name}"] = np.broadcast_to(profile, together[name].shape)
    return together


def tabulate_concatenated(
    table_path: str | Path,
    figure_path: str | Path,
    *,
    cnn: str | Path,
    lrcn: str | Path,
    corpus: str | Path,
    frames: str | Path,
    steps: int,
    name: str,
    seed: int = 0,
    resamples: int = 1000,
    confidence: float = 0.95,
    device: str = "auto",
) -> None:
    """Write Table 2 with the order pairs, and draw Figure 7.

    Args:
        table_path: CSV. Per row and length of the asked action: mAP at IoU 0.5 (THUMOS14's, no
            interpolation; one detection a sequence, of the asked label, scored by the sum of S in
            it), the share of sequences localised at that IoU, the mean boundary error in frames (of
            no detection: the length of the sequence), and the ends of the intervals of the last
            two. A verdict over a baseline that localises fewer than random windows do says so.
            (Sequences drawn twice lift a mAP of few detections a class, so that a bootstrap
            interval of it would lie too high.)
        figure_path: PNG.
        cnn: the CNN.
        lrcn: the LRCN.
        corpus: folder in canonical form.
        frames: those of the test split.
        steps: length of the short sequences.
        name: of the corpus.
        seed: of companions, places and draws.
        resamples: of the bootstrap.
        confidence: of the intervals.
        device: ``cpu``, ``cuda`` or ``auto``.
    """
    on = choose_device(device)
    network, by_frame = load_action_network(lrcn).to(on), load_action_network(cnn).to(on)
    material = Material(network, corpus, frames, seed=seed)
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    rows: list[dict[str, Any]] = []

    def over_sequences(values: np.ndarray) -> Interval:
        return cluster_mean_interval(values, np.arange(len(values)).astype(str), **draws)

    for length in LENGTHS:
        sequences = material.inserted(length, TOTAL)
        said = signals(network, by_frame, sequences)
        localised = {}
        for known, row, found, score in _localised(said, length, sequences, seed):
            about = {"action_length": known, "length": length, "row": row, "corpus": name}
            rows.append(about | {"kind": _kind(row)} | _scores(found, score, sequences, draws))
            localised[known, row] = temporal_iou(found, sequences.truth) >= IOU
        for known, first, second, claim, whose in CLAIMS:
            gain = localised[known, first] * 1.0 - localised[known, second]
            interval = over_sequences(gain)
            baseline = None  # what guesses of an unknown length reach is not known
            if known == "known":
                above = localised[known, second] * 1.0 - localised[known, "random window"]
                baseline = over_sequences(above)
            rows.append(
                {"action_length": known, "length": length, "row": f"{first} minus {second}",
                 "kind": "paired difference", "corpus": name, "sequences": len(gain)}
                | interval_columns("localised", interval)
                | {"claim": claim, "whose": whose, "verdict": verdict(interval, baseline=baseline)}
            )  # fmt: skip
    for (known, row), values in PUBLISHED.items():
        for length, value in zip(LENGTHS, values, strict=True):
            rows.append(
                {"action_length": known, "length": length, "row": row, "corpus": "ucf101",
                 "kind": "published (Bargal et al. 2018, Table 2)", "mAP": value / 100}
            )  # fmt: skip
    rows += _order_rows(material, network, by_frame, steps, name, draws)
    table = pd.DataFrame(rows)
    first = ["action_length", "length", "row", "kind", "corpus", "sequences"]
    with whole_file(table_path) as temporary:
        table[[*first, *table.columns.drop(first)]].astype({"sequences": "Int64"}).to_csv(
            temporary, index=False, float_format=number_format("%.4f")
        )
    panels: dict[str, dict[str, np.ndarray]] = {"EB-R": {}, "cEB-R": {}}
    for kind, first_half in (("rand + GT", False), ("GT + rand", True)):
        said = signals(network, by_frame, material.beside(steps, first=first_half))
        for panel in panels:
            panels[panel][kind] = said[panel]
    sums_figure(panels, figure_path, boundary=steps / 2 - 0.5)


def _localised(
    said: Mapping[str, np.ndarray], length: int, sequences: Sequences, seed: int
) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """Intervals and scores of each row: known or unknown length, name, ``[n, 2]``, ``[n]``."""
    n, total = said["EB-R"].shape
    found = []
    for row, s in said.items():
        if row == "probability":
            sign = thresholded(s)
            window, grown = best_window(sign, length, prefer=s), grow_interval(sign, prefer=s)
        else:
            window, grown = best_window(s, length), grow_interval(s)
        found.append(("known", row, window, _sum_in(s, window)))
        if s.min() < 0 or row == "probability":  # a map that is never negative has no border
            found.append(("unknown", row, grown, _sum_in(s, grown)))
    rng = np.random.default_rng(seed)
    start = rng.integers(total - length + 1, size=n)
    window = np.stack([start, start + length], axis=1)
    found.append(("known", "random window", window, rng.random(n)))
    middle = np.tile([(total - length) // 2, (total - length) // 2 + length], (n, 1))
    found.append(("known", "window in the middle", middle, rng.random(n)))
    whole = np.tile([0, total], (n, 1))
    found.append(("unknown", "the whole sequence", whole, rng.random(n)))
    return found


def _sum_in(s: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """Sum of S in each interval: a mean would rank short intervals first."""
    sums = np.concatenate([np.zeros((len(s), 1)), s.cumsum(axis=1)], axis=1)
    every = np.arange(len(s))
    return sums[every, intervals[:, 1]] - sums[every, intervals[:, 0]]


def _scores(
    found: np.ndarray, score: np.ndarray, sequences: Sequences, draws: Mapping[str, Any]
) -> dict[str, Any]:
    videos = [f"{k:05d}" for k in range(len(found))]
    truth = pd.DataFrame(
        {"video": videos, "label": sequences.target.numpy().astype(str),
         "start": sequences.truth[:, 0], "end": sequences.truth[:, 1]}
    )  # fmt: skip
    there = found[:, 1] > found[:, 0]
    detections = pd.DataFrame(
        {"video": videos, "label": truth["label"], "start": found[:, 0], "end": found[:, 1],
         "score": score}
    )[there]  # fmt: skip
    total = sequences.features.shape[1]
    result: dict[str, Any] = {"sequences": len(found)}
    detected = thumos14(truth, detections, thresholds=[IOU], videos=videos)
    result["mAP"] = float(detected.mean_average_precision()[0])
    hits = (temporal_iou(found, sequences.truth) >= IOU).astype(float)
    result |= interval_columns("localised", cluster_mean_interval(hits, videos, **draws))
    error = boundary_error(found, sequences.truth, missing=total)
    result |= interval_columns("boundary_error", cluster_mean_interval(error, videos, **draws))
    return result


def _order_rows(
    material: Material,
    lrcn: ActionNetwork,
    cnn: ActionNetwork,
    steps: int,
    name: str,
    draws: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """How often more is said in the half that the asked action is in than in its reversal's."""
    halves: dict[str, list[np.ndarray]] = {}
    clips: list[str] = []
    for one, other in REVERSED:
        for action, rest in ((one, other), (other, one)):
            if action not in lrcn.classes or rest not in lrcn.classes:
                continue
            asked, reverse = lrcn.index(action), lrcn.index(rest)
            if not (material.action == asked).any() or not (material.action == reverse).any():
                continue
            sequences = material.reversals(asked, reverse, 2 * steps)
            clips += sequences.clips
            during = np.arange(2 * steps) < steps
            during = during == (sequences.truth[:, :1] == 0)
            for row, s in signals(lrcn, cnn, sequences).items():
                own, others = (s * during).sum(axis=1), (s * ~during).sum(axis=1)
                halves.setdefault(row, []).append((own > others) + 0.5 * (own == others))
    rows = []
    for row, parts in halves.items():
        about = {"action_length": "order pairs", "length": steps, "row": row, "corpus": name}
        about |= {"kind": _kind(row), "sequences": len(clips)}
        right = cluster_mean_interval(np.concatenate(parts), clips, **draws)
        rows.append(about | interval_columns("right_half", right))
    return rows


def _kind(row: str) -> str:
    if row in THROUGH_TIME:
        return "method" if row in ("EB-R", "cEB-R") else "ours"
    return "baseline"
