"""Training the captioner whose words are grounded: the mean over the frames, then two ReLU LSTMs.

The CNN begins as that of the action networks. Two stages, by teacher forcing (the decoder reads the
reference caption and says its next word):

1. `decoder`: the LSTMs alone, on stored fc7;
2. `all`: the CNN too, on a few frames of each clip, equally spaced from a random first one on.

Clips are drawn with several of their captions, which share the CNN's pass. Captions that are known
to be wrong are read like the others: a network that learns from people does not know which are.

An image is a clip of one frame, and the mean over one frame is that frame: for a corpus of images
this is the paper's captioner "without the average pooling layer", with nothing to set.

Reference: S. Venugopalan et al., Translating Videos to Natural Language, NAACL 2015.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.captioning.data import CaptionArrays, caption_arrays
from seewhy.corpora.canonical import read_table
from seewhy.device import autocast, check_network, choose_device, choose_precision
from seewhy.errors import InputError
from seewhy.files import sha256, write_json
from seewhy.grounding.checkpoint import load_cnn, save_word_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.networks import VGG, CaptionerSizes, MeanPoolCaptioner, VGGShape
from seewhy.grounding.stages import Stage, StagedTraining
from seewhy.text.tokens import Vocabulary
from seewhy.training_remarks import as_metrics

log = logging.getLogger(__name__)

DROPOUT = 0.3
VALIDATION_CAPTIONS = 5  # a clip


@dataclass(frozen=True)
class WordSchedule:
    """How long and how fast.

    Attributes:
        decoder, all: optimiser steps of the two stages.
        decoder_rate, all_rate: highest learning rates.
        clips: a step.
        captions: of each of them.
        frames: of each of them in stage `all`.
        weight_decay: of AdamW.
    """

    decoder: int = 1200
    all: int = 0
    decoder_rate: float = 1e-2
    all_rate: float = 5e-4
    clips: int = 32
    captions: int = 4
    frames: int = 6
    weight_decay: float = 0.05


def train_word_network(
    output: str | Path,
    metrics: str | Path,
    history: str | Path,
    *,
    corpus: str | Path,
    train: str | Path,
    val: str | Path,
    cnn: str | Path,
    embedding: int = 64,
    hidden: int = 128,
    steps: int = 16,
    min_count: int = 2,
    max_words: int = 30,
    schedule: WordSchedule | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Train the captioner and write it.

    Args:
        output: the captioner with its vocabulary, ``.safetensors``.
        metrics: JSON: loss and perplexity a word on the validation clips, and the settings.
        history: CSV ``stage,step,loss``.
        corpus: folder in canonical form, with captions.
        train: frames of the train split.
        val: of the validation split.
        cnn: an action network with a CNN of `VGG`'s kind, the first weights.
        embedding: numbers a word.
        hidden: units of each LSTM.
        steps: frames of a clip (of clips that have fewer: those).
        min_count: rarer words of the train captions are unknown words.
        max_words: captions of this many words or more are left out.
        schedule: how long and how fast; None: its defaults.
        seed: of everything random.
        device: ``cpu``, ``cuda`` or ``auto``.
        precision: see `seewhy.device.choose_precision`.
        resume: folder for unfinished work; None: beside `output`.

    Raises:
        InputError: captions or frames that do not fit, or a loss that is no longer finite.

    A killed run goes on from the last saved steps and ends where an unbroken one ends.
    """
    schedule = schedule or WordSchedule()
    on = choose_device(device)
    precision = choose_precision(precision, on, training=True)
    source = _Source(corpus, train, steps, min_count=min_count, max_words=max_words)
    encoder, shape = _cnn_of(cnn, source.file)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = CaptionerSizes(len(source.vocabulary), embedding, hidden)
        check_network(
            lambda: MeanPoolCaptioner(nn.Identity(), encoder.outputs, sizes, size=shape.size),
            on,
            "params.yaml: grounding.words",
            remedy="lower its embedding or hidden",
        )
        captioner = MeanPoolCaptioner(
            encoder, encoder.outputs, sizes, size=shape.size, scale=shape.scale
        ).to(on, memory_format=torch.channels_last)
        made_from = {
            "shape": asdict(shape), "sizes": asdict(sizes), "steps": steps,
            "min_count": min_count, "max_words": max_words, "schedule": asdict(schedule),
            "seed": seed, "precision": precision, "cnn": sha256(cnn), "data": source.digest(),
        }  # fmt: skip
        training = _Trainer(source, captioner, schedule, on, precision).staged(seed)
        unfinished = training.run(output, resume, made_from)
    loss = validation_loss(
        captioner, source.vocabulary, corpus, val, steps=source.steps, max_words=max_words
    )
    log.info("validation: loss %.4f, perplexity %.2f a word", loss, math.exp(loss))
    save_word_network(output, captioner, shape, source.vocabulary)
    training.write_history(history)
    scores = {"loss": loss, "perplexity": math.exp(loss), "words": len(source.vocabulary)}
    about = {"validation": scores, "settings": made_from} | as_metrics(training.remarks())
    write_json(metrics, about)
    unfinished.discard()


def _cnn_of(path: str | Path, file: ClipFile) -> tuple[VGG, VGGShape]:
    encoder, shape = load_cnn(path)
    if file.size != shape.size:
        raise InputError(
            f"{file.path}: frames of {file.size} pixels, but the CNN of {path} reads {shape.size}; "
            "sample frames of that size, or train the action networks again"
        )
    return encoder, shape


class _Source:
    """Train clips with their captions."""

    def __init__(
        self, corpus: str | Path, path: str | Path, steps: int, *, min_count: int, max_words: int
    ) -> None:
        self.file = ClipFile(path)
        self.steps = min(steps, int(self.file.lengths.max()))
        captions = read_table(corpus, "captions")
        own = captions[captions["clip"].isin(set(self.file.clips))]
        self.vocabulary = Vocabulary.build(own["text"], min_count=min_count)
        self.captions = caption_arrays(own, self.file.clips, self.vocabulary, max_words=max_words)
        self.rows = np.flatnonzero([len(rows) > 0 for rows in self.captions.of_clip])

    def digest(self) -> str:
        text = json.dumps([self.file.clips, self.file.lengths.tolist(), self.vocabulary.words])
        digest = hashlib.sha256(text.encode())
        digest.update(self.captions.words.numpy().tobytes())
        return digest.hexdigest()


class _Trainer:
    """The losses of the two stages."""

    def __init__(
        self,
        source: _Source,
        captioner: MeanPoolCaptioner,
        schedule: WordSchedule,
        on: torch.device,
        precision: str,
    ) -> None:
        self.source, self.captioner, self.schedule = source, captioner, schedule
        self.on, self.precision = on, precision
        self.stored: Tensor | None = None

    def staged(self, seed: int) -> StagedTraining:
        """The stages, ready to run."""
        s, captioner = self.schedule, self.captioner
        above = [p for name, p in captioner.named_parameters() if not name.startswith("cnn.")]
        stages = {
            "decoder": Stage(s.decoder, s.decoder_rate, above, self.decoder, self.freeze_cnn),
            "all": Stage(
                s.all,
                s.all_rate,
                [*captioner.parameters()],
                self.all,
                captioner.train,
                anew=not s.decoder,
            ),
        }
        return StagedTraining(
            stages,
            {"captioner": captioner},
            seed=seed,
            weight_decay=s.weight_decay,
            what="word network",
            setting="grounding.words.training",
        )

    def freeze_cnn(self) -> None:
        """The CNN as it is, its numbers stored."""
        self.captioner.train()
        self.captioner.cnn.eval()
        if self.stored is None:
            source = self.source
            parts = encode_clips(
                self.captioner, source.file, source.rows, source.steps, precision=self.precision
            )
            self.stored = torch.cat([h.half() for h in parts])

    def decoder(self, rng: np.random.Generator) -> Tensor:
        """Stage 1: stored fc7, of a random half of the frames."""
        picked, words, targets = self._drawn(rng)
        steps = self.stored.shape[1]
        chosen = rng.permutation(steps)[: max(1, steps // 2)]
        h = self.stored[picked][:, chosen].float().to(self.on)
        return self._loss(functional.dropout(h.mean(dim=1), DROPOUT), words, targets)

    def all(self, rng: np.random.Generator) -> Tensor:
        """Stage 2: frames, mirrored clip by clip."""
        source = self.source
        picked, words, targets = self._drawn(rng)
        rows, count = source.rows[picked], min(self.schedule.frames, source.steps)
        numbers = [source.file.numbers(row, count, rng.random()) for row in rows]
        x = self.captioner.preprocess(source.file.read(rows, numbers))
        mirrored = torch.from_numpy(rng.random(len(rows)) < 0.5)
        x[mirrored] = x[mirrored].flip(4)
        x = x.flatten(0, 1).to(self.on, memory_format=torch.channels_last)
        with autocast(self.on, self.precision):
            h = self.captioner.cnn(x)
        return self._loss(h.float().unflatten(0, (-1, count)).mean(dim=1), words, targets)

    def _drawn(self, rng: np.random.Generator) -> tuple[np.ndarray, Tensor, Tensor]:
        """Random clips, by number, and captions of each: words and targets ``[clips * k, L]``."""
        source, s = self.source, self.schedule
        picked = rng.integers(len(source.rows), size=s.clips)
        chosen = np.concatenate(
            [rng.choice(source.captions.of_clip[row], s.captions) for row in source.rows[picked]]
        )
        words, targets = _captions(source.captions, chosen)
        return picked, words.to(self.on), targets.to(self.on)

    def _loss(self, pooled: Tensor, words: Tensor, targets: Tensor) -> Tensor:
        captioner = self.captioner
        pooled = pooled.repeat_interleave(self.schedule.captions, 0)
        h = captioner.lstm2(captioner.lstm1(captioner.read(words, pooled))[0])[0]
        logits = captioner.classifier(functional.dropout(h, DROPOUT))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)


def _captions(captions: CaptionArrays, chosen: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor]:
    """Words and targets of some captions, without the steps that all of them are past."""
    targets = captions.targets[chosen]
    length = int((targets >= 0).any(dim=0).sum())
    return captions.words[chosen, :length], targets[:, :length]


def validation_loss(
    captioner: MeanPoolCaptioner,
    vocabulary: Vocabulary,
    corpus: str | Path,
    path: str | Path,
    *,
    steps: int,
    max_words: int,
) -> float:
    """Mean negative log-probability of a word, nats, over five captions of each clip."""
    file = ClipFile(path)
    captions = caption_arrays(
        read_table(corpus, "captions"), file.clips, vocabulary, max_words=max_words
    )
    rows = np.flatnonzero([len(own) > 0 for own in captions.of_clip])
    on = next(captioner.parameters()).device
    captioner.eval()
    total = count = place = 0
    for h in encode_clips(captioner, file, rows, steps):
        own = [captions.of_clip[row][:VALIDATION_CAPTIONS] for row in rows[place : place + len(h)]]
        place += len(h)
        words, targets = (part.to(on) for part in _captions(captions, np.concatenate(own)))
        pooled = h.mean(dim=1).to(on)[torch.arange(len(h)).repeat_interleave(_lengths(own))]
        with torch.no_grad():
            logits = captioner(words, pooled)
        total += functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
        ).item()
        count += int((targets >= 0).sum())
    return total / count


def _lengths(parts: Sequence[Sequence]) -> Tensor:
    return torch.tensor([len(part) for part in parts])
