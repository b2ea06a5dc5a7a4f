"""Training a captioner: eq. 2 by Adadelta, with early stopping, resumable to the same end."""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from seewhy.captioning.checkpoint import save_captioner
from seewhy.captioning.data import (
    Batch,
    FeatureFile,
    all_batches,
    caption_arrays,
    epoch_batches,
)
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.corpora.canonical import read_table
from seewhy.device import autocast, check_network, choose_device, choose_precision
from seewhy.errors import InputError
from seewhy.files import input_stamp, whole_file
from seewhy.progress import progress
from seewhy.readable import make_again
from seewhy.resume import Unfinished
from seewhy.table_numbers import number_format
from seewhy.text.tokens import Vocabulary
from seewhy.text.vectors import read_topic_vectors, vectors_of
from seewhy.training_remarks import history_remarks, sound
from seewhy.training_steps import passes_an_epoch

log = logging.getLogger(__name__)


SHAPE = (
    *("components", "motion", "encoder", "features", "concat_cnn"),
    *("embedding", "decoder", "attention", "interpreter"),
)
SAMPLE = 14_000  # train frames from which the scale of the encoder's input is taken


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How a captioner is trained; the settings of `params.yaml`, section captioner, by their names.

    `lambda_` is the weight of eq. 8 in eq. 2. A batch is `clips_per_batch` clips with
    `captions_per_clip` captions each; an epoch passes each clip once, or, where that makes fewer
    than `least_steps` steps, as often as it takes (`seewhy.training_steps`).

    An epoch gains if the validation loss falls below its lowest so far by at least the share
    `least_gain` of it. After the first epoch that does not, the learning rate is multiplied by
    `anneal` before each further epoch. Training stops after `patience` epochs in succession that do
    not gain, at the latest after `max_epochs`; the weights of the lowest validation loss are kept.
    The paper stops early too and leaves open how: `least_gain` 0 and `anneal` 1 are plain early
    stopping, which ends at much the same loss in about twice the epochs.
    """

    lambda_: float
    optimizer: str
    learning_rate: float
    dropout: float
    input_dropout: float
    gradient_clip: float
    min_count: int
    max_words: int
    clips_per_batch: int
    captions_per_clip: int
    max_epochs: int
    patience: int
    least_gain: float
    anneal: float
    validation_captions: int
    least_steps: int = 1

    def next_epoch(self, validation: Sequence[float]) -> float | None:
        """What to multiply the learning rate by in the next epoch; None to stop.

        Args:
            validation: the validation loss after each epoch so far.
        """
        lowest, waited, rate = math.inf, 0, 1.0
        for loss in validation:
            waited = 0 if loss < lowest * (1 - self.least_gain) else waited + 1
            lowest = min(lowest, loss)
            if waited or rate < 1:
                rate *= self.anneal
        return None if waited >= self.patience or len(validation) >= self.max_epochs else rate

    def optimizer_for(self, captioner: Captioner) -> torch.optim.Optimizer:
        """Adadelta with the closest ancestor's rho and epsilon, or Adam."""
        if self.optimizer == "adadelta":
            return torch.optim.Adadelta(
                captioner.parameters(), lr=self.learning_rate, rho=0.95, eps=1e-6, foreach=True
            )
        return torch.optim.Adam(captioner.parameters(), lr=self.learning_rate, foreach=True)


def train_captioner(
    output: str | Path,
    history: str | Path,
    *,
    resume: str | Path | None = None,
    train_features: str | Path,
    val_features: str | Path,
    corpus: str | Path | Sequence[str | Path],
    topics: str | Path,
    settings: Mapping[str, Any],
    seed: int,
    device: str = "auto",
) -> None:
    """Train one captioner until validation stops it; write its best weights and its history.

    The validation loss is eq. 1 alone, so that models with and without topics stop by one rule.
    Everything random depends on `seed` and the epoch only: two models with one seed see the same
    batches, and a killed training resumes from `resume` to the end of an unbroken one.

    Args:
        output: the captioner (safetensors).
        history: CSV, a row an epoch: `epoch`, then the mean of eq. 1 (`task`) and eq. 8
            (`interpretive`) over its batches, dropout on, eq. 1 on `validation` clips, and the
            `learning_rate`.
        resume: folder for the last whole epoch of an unfinished training; None: beside `output`.
        train_features: CNN features of the train split (HDF5).
        val_features: those of the validation split.
        corpus: the corpus in canonical form, or the folders of its train and validation splits;
            the vocabulary is that of its train captions.
        topics: s of every train clip (CSV, from `mine_topics`).
        settings: a value for each name in `SHAPE` (see `CaptionerShape`) and each field of
            `TrainingPlan`, with ``lambda`` for `lambda_`.
        seed: of the initial weights, the batches and the dropout.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: unusable data, or a loss that is not a number.
    """
    shape = {name: settings[name] for name in SHAPE}
    others = {name: value for name, value in settings.items() if name not in SHAPE}
    plan = TrainingPlan(lambda_=others.pop("lambda"), **others)
    where = choose_device(device)
    train, val = FeatureFile(train_features), FeatureFile(val_features)
    captions, in_train = _captions(corpus if isinstance(corpus, list | tuple) else [corpus])
    vocabulary = Vocabulary.build(captions.loc[in_train, "text"], min_count=plan.min_count)
    train_captions = caption_arrays(captions, train.clips, vocabulary, max_words=plan.max_words)
    val_captions = caption_arrays(captions, val.clips, vocabulary, max_words=plan.max_words)
    vectors = read_topic_vectors(topics, split="train")
    s = torch.from_numpy(vectors_of(vectors, train.clips, split="train")).float()  # [clips, N_t]
    if shape["components"] > train.shape[2]:
        raise InputError(
            f"params.yaml: captioner.components: {shape['components']} is more than the "
            f"{train.shape[2]} channels of {train_features}; take fewer, or 0 for the channels"
        )
    sizes = CaptionerShape(
        vocabulary=len(vocabulary.words), topics=s.shape[1], cnn=train.shape[2], **shape
    )
    check_network(
        lambda: Captioner(sizes),
        where,
        "params.yaml: captioner",
        remedy="lower captioner.encoder, decoder, embedding, attention or interpreter",
    )
    torch.manual_seed(seed)
    captioner = Captioner(
        sizes,
        dropout=plan.dropout,
        input_dropout=plan.input_dropout,
    )
    try:
        captioner.encoder.input.fit(train.sample(SAMPLE))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{train_features}: {error}; {make_again(train_features)}") from None
    captioner.to(where)
    optimizer = plan.optimizer_for(captioner)
    numbers = hashlib.sha256()
    for array in (train_captions.words, val_captions.words, s):
        numbers.update(array.numpy().tobytes())
    made_from = [repr(plan), repr(captioner.shape), seed, where.type, vocabulary.words]
    made_from += [input_stamp(train_features), input_stamp(val_features), numbers.hexdigest()]
    unfinished = Unfinished(output, resume, made_from, captioner=captioner, optimizer=optimizer)
    told = sum(len(own) > 0 for own in train_captions.of_clip)
    passes = passes_an_epoch(told, plan.clips_per_batch, plan.least_steps)
    if passes > 1:
        log.info("%s: an epoch is %d passes over the %d train clips", output, passes, told)
    state = unfinished.take_up()
    rows, best = state.get("history", []), state.get("best", {})

    with progress(
        what=Path(output).stem, total=plan.max_epochs, unit="epoch", initial=len(rows)
    ) as bar:
        while (rate := plan.next_epoch([row["validation"] for row in rows])) is not None:
            epoch = len(rows)
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate
            torch.manual_seed(hash_seed(seed, epoch))  # dropout of this epoch
            batches = itertools.chain.from_iterable(
                epoch_batches(
                    train,
                    train_captions,
                    clips=plan.clips_per_batch,
                    captions_per_clip=plan.captions_per_clip,
                    seed=seed,
                    epoch=one,
                )
                for one in range(passes * epoch, passes * (epoch + 1))
            )
            row = _train_epoch(captioner, optimizer, batches, s, plan, where, epoch)
            row["validation"] = validation_loss(
                captioner,
                all_batches(
                    val,
                    val_captions,
                    clips=plan.clips_per_batch,
                    captions_per_clip=plan.validation_captions,
                ),
                where,
            )
            if not math.isfinite(row["validation"]):
                raise _not_a_number(plan, f"on validation after epoch {epoch + 1}")
            row["learning_rate"] = plan.learning_rate * rate
            rows.append({"epoch": epoch + 1, **row})
            lowest = _lowest(rows)
            if lowest is rows[-1]:
                best = {
                    name: value.detach().cpu().clone()
                    for name, value in captioner.state_dict().items()
                }
            unfinished.save(rows, best=best)
            bar.update()
            bar.set_postfix(
                train=f"{row['task']:.2f}", val=f"{row['validation']:.2f}", best=lowest["epoch"]
            )

    captioner.load_state_dict(best)
    with whole_file(history) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format=number_format("%.6g"))
    save_captioner(output, captioner, vocabulary, backbone=train.backbone)
    unfinished.discard()
    log.info(
        "%s: best validation loss %.3f nats a caption after epoch %d of %d",
        output,
        _lowest(rows)["validation"],
        _lowest(rows)["epoch"],
        len(rows),
    )
    sound(log, output, history_remarks(history))


def _captions(folders: Sequence[str | Path]) -> tuple[pd.DataFrame, pd.Series]:
    """The captions in some folders, and which of them are of train clips."""
    captions = pd.concat([read_table(folder, "captions") for folder in folders], ignore_index=True)
    clips = pd.concat([read_table(folder, "clips") for folder in folders])
    return captions, captions["clip"].isin(clips.loc[clips["split"] == "train", "clip"])


def _lowest(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """The epoch of the lowest validation loss, the first of several."""
    return min(history, key=lambda row: row["validation"])


def precision_on(device: torch.device) -> str:
    """bfloat16 on a GPU that has it; on a CPU these products are too small to gain by it."""
    return choose_precision("auto" if device.type == "cuda" else "float32", device, training=True)


def hash_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _train_epoch(
    captioner: Captioner,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    s: torch.Tensor,
    plan: TrainingPlan,
    device: torch.device,
    epoch: int,
) -> dict[str, float]:
    captioner.train()
    task_sum = interpretive_sum = clips = 0.0
    for number, batch in enumerate(_to(batches, device)):
        with autocast(device, precision_on(device)):
            task, interpretive = captioner.losses(
                batch.cnn,
                batch.lengths,
                batch.words,
                batch.targets,
                s[batch.rows].to(device) if plan.lambda_ else None,
            )
        loss = task + plan.lambda_ * interpretive
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(captioner.parameters(), plan.gradient_clip)
        if not math.isfinite(loss.item() + norm.item()):
            losses = f"task {task.item():.4g}, interpretive {interpretive.item():.4g}"
            where = f"epoch {epoch + 1}, batch {number + 1}: {losses}"
            raise _not_a_number(plan, f"{where}, gradient norm {norm.item():.4g}")
        optimizer.step()
        task_sum += task.item() * len(batch.rows)
        interpretive_sum += interpretive.item() * len(batch.rows)
        clips += len(batch.rows)
    return {"task": task_sum / clips, "interpretive": interpretive_sum / clips}


def _not_a_number(plan: TrainingPlan, where: str) -> InputError:
    return InputError(
        f"params.yaml: captioner: the loss is not a number any more ({where}); lower learning_rate "
        f"({plan.learning_rate}), gradient_clip ({plan.gradient_clip}) or lambda ({plan.lambda_}), "
        "and check the features"
    )


@torch.no_grad()
def validation_loss(captioner: Captioner, batches: Iterable[Batch], device: torch.device) -> float:
    """Eq. 1 on held-out clips: nats a caption, the mean over captions."""
    captioner.eval()
    total = captions = 0.0
    for batch in _to(batches, device):
        with autocast(device, precision_on(device)):
            task, _ = captioner.losses(batch.cnn, batch.lengths, batch.words, batch.targets, None)
        here = float((batch.targets >= 0).any(dim=-1).sum())
        total += task.item() * here
        captions += here
    return total / captions


def _to(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    for batch in batches:
        yield Batch(*(part.to(device) for part in batch[:4]), batch.rows)
