"""Training the networks that are explained: a CNN on frames, and the LRCN on top of it.

Three stages, all by AdamW with a learning rate that rises and falls once:

1. `frames`: the CNN names the action of single frames, and, where the corpus tells, what else its
   clip shows (scene, actor, object, colour; labels of whole clips, no places), as VGG-16 knows
   objects before it learns actions.
2. `clips`: CNN and LSTM together on clips of equally spaced frames, with the loss at every step,
   the later the heavier; the CNN's own classifier goes on learning beside.
3. `long`: the LSTM alone on stored fc7, clips at several speeds and repeated to three times the
   length, with the loss at every step. Nothing bounds the states of a ReLU LSTM: one that has only
   seen short clips runs away on long ones.

Frames are varied in brightness and contrast, and mirrored, clip by clip. A clip in which two
actors do different things has both actions as its target, half and half.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.device import autocast, check_network, choose_device, choose_precision
from seewhy.errors import InputError
from seewhy.files import write_json
from seewhy.grounding.answers import right_answers
from seewhy.grounding.checkpoint import load_vgg, save_action_network
from seewhy.grounding.clips import ClipFile, label_matrix, labelled
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network
from seewhy.grounding.stages import Stage, StagedTraining
from seewhy.memory import check_memory
from seewhy.training_remarks import as_metrics

log = logging.getLogger(__name__)

SHOWN = ("scene", "actor", "object", "bystander", "colour")
"""Kinds of labels that the CNN also learns to name in stage 1."""
SHOWN_WEIGHT = 0.1
FRAME_WEIGHT = 0.5  # of the CNN's own loss in stage 2
FIRST_STEP = 0.2  # weight of the loss at the first step of a clip; 1 at the last
REPEATS = 3  # stage 3: sequences of so many times the steps of a clip
SPEEDS = (0.75, 1.0, 1.5, 2.0)  # stage 3: a clip takes so many times its usual steps
BRIGHTNESS, CONTRAST = 0.15, 0.2
DROPOUT = 0.3
LONG_DROPOUT = 0.1  # of the stored fc7 in stage 3


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        frames, clips, long: optimiser steps of the three stages.
        frame_batch, clip_batch, long_batch: frames, clips, clips a step.
        frame_rate, clip_rate, long_rate: highest learning rates.
        weight_decay: of AdamW.
    """

    frames: int = 700
    clips: int = 1500
    long: int = 600
    frame_batch: int = 96
    clip_batch: int = 12
    long_batch: int = 64
    frame_rate: float = 3e-3
    clip_rate: float = 1e-3
    long_rate: float = 5e-4
    weight_decay: float = 0.05

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Schedule:
        """From ``grounding.training`` of params.yaml."""
        rate, clips = settings["rate"], settings["clips_per_batch"]
        return cls(
            **{name: settings[name] for name in ("frames", "clips", "long")},
            clip_batch=clips,
            frame_batch=8 * clips,
            frame_rate=rate * cls.frame_rate,
            clip_rate=rate * cls.clip_rate,
            long_rate=rate * cls.long_rate,
        )


def train_action_networks(
    cnn_output: str | Path,
    lrcn_output: str | Path,
    metrics: str | Path,
    history: str | Path,
    *,
    corpus: str | Path,
    train: str | Path,
    val: str | Path,
    shape: VGGShape,
    hidden: int = 96,
    lags: Sequence[int] = (1, 2),
    steps: int = 16,
    schedule: Schedule | None = None,
    weights: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Train the CNN and the LRCN and write both.

    Args:
        cnn_output: the CNN with its classifier of frames, ``.safetensors``.
        lrcn_output: the same CNN with LSTM and classifier.
        metrics: JSON: accuracies on the validation clips (see `right_answers`) and the settings.
        history: CSV ``stage,step,loss``, the mean over the steps since the last line.
        corpus: folder in canonical form, with labels of kind action.
        train: frames of the train split.
        val: of the validation split.
        shape: of the CNN; its `size` is that of the frames.
        hidden: units of the LSTM.
        lags: of `TemporalDifference`.
        steps: frames of a clip that the LSTM reads.
        schedule: how long and how fast; None: its defaults.
        weights: a user's weights for the CNN to begin with (VGG-16's, with torchvision's names).
        seed: of everything random.
        device: ``cpu``, ``cuda`` or ``auto``.
        precision: see `seewhy.device.choose_precision`.
        resume: folder for unfinished work; None: beside `lrcn_output`.

    Raises:
        InputError: labels or frames that do not fit, or a loss that is no longer finite.

    A killed run goes on from the last saved steps and ends where an unbroken one ends.
    """
    schedule = schedule or Schedule()
    on = choose_device(device)
    precision = choose_precision(precision, on, training=True)
    source = _Source(corpus, train, steps)
    if source.file.size != shape.size:
        raise InputError(
            f"{train}: frames of {source.file.size} pixels for a network that reads {shape.size}; "
            "set grounding.frames.size to that"
        )
    check_network(
        lambda: vgg_action_network(shape, source.classes, hidden=hidden, lags=lags),
        on,
        "params.yaml: grounding.network",
        remedy="lower its groups, linear or hidden",
    )
    at_once = max(schedule.frame_batch, schedule.clip_batch * steps)
    check_memory(
        4 * 3 * at_once * shape.size**2,
        f"params.yaml: grounding.training.clips_per_batch: {at_once} frames of a step",
        remedy="lower it",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        lrcn = vgg_action_network(shape, source.classes, hidden=hidden, lags=lags)
        if weights:
            load_vgg(lrcn.cnn, weights)
        lrcn = lrcn.to(on, memory_format=torch.channels_last)
        head = nn.Linear(lrcn.cnn.outputs, len(source.classes)).to(on)
        cnn = ActionNetwork(
            lrcn.cnn, head, classes=source.classes, size=shape.size, scale=shape.scale
        )
        shown = nn.Linear(lrcn.cnn.outputs, max(1, source.shown.shape[1])).to(on)
        made_from = {
            "shape": asdict(shape), "hidden": hidden, "lags": list(lags), "steps": steps,
            "schedule": asdict(schedule), "seed": seed, "precision": precision,
            "weights": str(weights), "data": source.digest(),
        }  # fmt: skip
        training = _Trainer(source, lrcn, cnn, shown, schedule, on, precision).staged(seed)
        unfinished = training.run(lrcn_output, resume, made_from)
    right = right_answers(cnn, lrcn, corpus, val, steps=steps, precision=precision)
    scores = right.drop(columns="clip").mean().to_dict() | {"clips": len(right)}
    log.info("validation: %s", ", ".join(f"{k} {v:.3f}" for k, v in scores.items()))
    save_action_network(cnn_output, cnn, shape)
    save_action_network(lrcn_output, lrcn, shape)
    training.write_history(history)
    about = {"validation": scores, "settings": made_from} | as_metrics(training.remarks())
    write_json(metrics, about)
    unfinished.discard()


class _Source:
    """Train clips with their targets."""

    def __init__(self, corpus: str | Path, path: str | Path, steps: int) -> None:
        self.file = ClipFile(path)
        self.rows, actions, self.classes = labelled(corpus, self.file)
        if len(self.classes) < 2:
            raise InputError(f"{corpus}/labels.csv: one action ({self.classes[0]}) alone; give two")
        self.targets = torch.from_numpy(actions / actions.sum(axis=1, keepdims=True))
        shown, _ = label_matrix(corpus, self.file.clips, SHOWN)
        self.shown = torch.from_numpy(shown[self.rows])
        self.steps = steps

    def digest(self) -> str:
        text = json.dumps([self.file.clips, self.file.lengths.tolist(), self.classes])
        digest = hashlib.sha256(text.encode())
        digest.update(self.targets.numpy().tobytes())
        digest.update(self.shown.numpy().tobytes())
        return digest.hexdigest()


class _Trainer:
    """The losses of the three stages over one set of networks."""

    def __init__(
        self,
        source: _Source,
        lrcn: ActionNetwork,
        cnn: ActionNetwork,
        shown: nn.Linear,
        schedule: Schedule,
        on: torch.device,
        precision: str,
    ) -> None:
        self.source, self.lrcn, self.cnn, self.shown = source, lrcn, cnn, shown
        self.schedule, self.on, self.precision = schedule, on, precision
        self.stored: Tensor | None = None

    def staged(self, seed: int) -> StagedTraining:
        """The stages, ready to run."""
        s, cnn, lrcn = self.schedule, self.cnn, self.lrcn
        stages = {
            "frames": Stage(s.frames, s.frame_rate, [*cnn.parameters(), *self.shown.parameters()],
                            self.frames, self.train_all),
            "clips": Stage(s.clips, s.clip_rate, [*lrcn.parameters(), *cnn.classifier.parameters()],
                           self.clips, self.train_all),
            "long": Stage(s.long, s.long_rate,
                          [*lrcn.lstm.parameters(), *lrcn.classifier.parameters()],
                          self.long, self.train_lstm, anew=False),
        }  # fmt: skip
        return StagedTraining(
            stages,
            {"lrcn": lrcn, "head": cnn.classifier, "shown": self.shown},
            seed=seed,
            weight_decay=s.weight_decay,
            what="action networks",
            setting="grounding.training",
        )

    def train_all(self) -> None:
        """Training mode."""
        self.lrcn.train()
        self.cnn.train()

    def train_lstm(self) -> None:
        """The CNN as it is, its numbers stored."""
        self.train_all()
        self.lrcn.cnn.eval()
        if self.stored is None:
            self.stored = self._encoded()

    def frames(self, rng: np.random.Generator) -> Tensor:
        """Stage 1: a frame each of some clips."""
        picked, x = self._drawn(rng, self.schedule.frame_batch, 1, spread=False)
        with autocast(self.on, self.precision):
            h = functional.dropout(self.lrcn.cnn(x), DROPOUT)
            logits, shown = self.cnn.classifier(h), self.shown(h)
        targets = self.source.targets[picked].to(self.on)
        loss = _cross_entropy(logits, targets).mean()
        if self.source.shown.shape[1]:
            present = self.source.shown[picked].to(self.on)
            loss = (
                loss
                + SHOWN_WEIGHT
                * functional.binary_cross_entropy_with_logits(
                    shown.float(), present, reduction="none"
                )
                .sum(dim=1)
                .mean()
            )
        return loss

    def clips(self, rng: np.random.Generator) -> Tensor:
        """Stage 2: whole clips."""
        count, steps = self.schedule.clip_batch, self.source.steps
        picked, x = self._drawn(rng, count, steps, spread=True)
        with autocast(self.on, self.precision):
            h = self.lrcn.cnn(x)
            by_frame = self.cnn.classifier(functional.dropout(h, DROPOUT))
        targets = self.source.targets[picked, None].to(self.on)
        h = h.float().unflatten(0, (count, steps))
        weight = torch.linspace(FIRST_STEP, 1, steps, device=self.on)
        loss = (_cross_entropy(self._states(h), targets) * weight).mean()
        by_frame = by_frame.unflatten(0, (count, steps))
        return loss + FRAME_WEIGHT * _cross_entropy(by_frame, targets).mean()

    def long(self, rng: np.random.Generator) -> Tensor:
        """Stage 3: stored fc7 at several speeds, over and over."""
        source = self.source
        picked = torch.from_numpy(rng.integers(len(source.rows), size=self.schedule.long_batch))
        steps = round(source.steps * rng.choice(SPEEDS))
        length = REPEATS * source.steps
        frames = self.stored.shape[1]
        chosen = np.minimum(
            ((np.arange(steps) + rng.random()) * frames / steps).astype(int), frames - 1
        )
        x = self.stored[picked][:, chosen].repeat(1, -(-length // steps), 1)[:, :length]
        targets = source.targets[picked, None].to(self.on)
        x = functional.dropout(x.to(self.on).float(), LONG_DROPOUT)
        return _cross_entropy(self._states(x), targets).mean()

    def _states(self, h: Tensor) -> Tensor:
        states, _ = self.lrcn.lstm(self.lrcn.difference(h))
        return self.lrcn.classifier(functional.dropout(states, DROPOUT))

    def _drawn(
        self, rng: np.random.Generator, clips: int, steps: int, *, spread: bool
    ) -> tuple[Tensor, Tensor]:
        """Random clips, by number, and frames of them ``[clips * steps, 3, h, w]``, varied.

        The frames are spread over the clip, in order, or are any of it.
        """
        source = self.source
        picked = rng.integers(len(source.rows), size=clips)
        rows = source.rows[picked]
        numbers = [
            source.file.numbers(row, steps, rng.random())
            if spread
            else rng.integers(source.file.lengths[row], size=steps)
            for row in rows
        ]
        x = self.lrcn.preprocess(source.file.read(rows, numbers))
        mirrored = torch.from_numpy(rng.random(clips) < 0.5)
        x[mirrored] = x[mirrored].flip(4)
        contrast = torch.from_numpy(rng.uniform(-CONTRAST, CONTRAST, (clips, 1, 1, 1, 1)))
        brightness = torch.from_numpy(rng.uniform(-BRIGHTNESS, BRIGHTNESS, (clips, 1, 1, 1, 1)))
        x = x * (1 + contrast.float()) + brightness.float()
        return torch.from_numpy(picked), x.flatten(0, 1).to(
            self.on, memory_format=torch.channels_last
        )

    def _encoded(self) -> Tensor:
        """fc7 of all frames of the train clips, ``[clips, frames, D]``, in half the bytes."""
        length = int(self.source.file.lengths.max())
        parts = [
            h.half()
            for h in encode_clips(
                self.lrcn, self.source.file, self.source.rows, length, precision=self.precision
            )
        ]
        return torch.cat(parts)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Of distributions: ``[…, classes]`` to ``[…]``."""
    return -(targets * functional.log_softmax(logits.float(), dim=-1)).sum(dim=-1)
