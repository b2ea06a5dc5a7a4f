"""Train the slim inception on drawn stills, to name what is in them: one head a target.

A target is either a class a still (scene, actor, colour, …), with the cross-entropy as its loss, or
several things at once (those present), with the sum of their binary cross-entropies, or measures
(where things are, the pose), with their square error. The network is trained on the sum of these;
what is kept of it downstream is the average pool under the heads.

Stills are changed a little in brightness, contrast and tint, and half of them lose the fine colour
that video files do not carry. They are never moved or mirrored: where things are and which way
someone faces are targets.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.backbones.slim_inception import SlimInception
from seewhy.device import autocast, choose_device, choose_precision
from seewhy.errors import InputError
from seewhy.files import whole_file, write_json
from seewhy.progress import progress
from seewhy.resume import Unfinished
from seewhy.table_numbers import number_format
from seewhy.training_remarks import as_metrics, never_fell, sound
from seewhy.training_steps import passes_an_epoch

log = logging.getLogger(__name__)

Targets = Mapping[str, np.ndarray]
DrawStills = Callable[..., tuple[np.ndarray, Targets]]

MEASURES = 4.0  # weight of the square error of a target of measures
BRIGHTNESS = 0.15  # of the range of values
CONTRAST = 0.2
TINT = 0.04
WARM_UP = 0.15  # share of the steps over which the learning rate rises


def train_backbone(
    output: str | Path,
    metrics: str | Path,
    history: str | Path,
    *,
    draw_stills: DrawStills,
    count: int = 10_000,
    held_out: int | None = None,
    epochs: int = 4,
    least_steps: int = 1,
    batch: int = 64,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.05,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Train the network and write it, with how well it does on stills that it has not seen.

    Args:
        output: the weights, ``.safetensors``; their metadata say the architecture, the heads and
            the settings.
        metrics: JSON: for each target on the held-out stills ``accuracy`` and ``chance`` (share of
            the commonest class), or for things present ``average_precision`` (mean over the things)
            and ``chance`` (mean share of stills with the thing), or for measures ``r2`` (share of
            the variance explained, over all of them together) and ``chance`` 0.
        history: CSV, a line an epoch: ``epoch,train_loss,held_out_loss`` and a column a target.
        draw_stills: ``draw_stills(seed=, count=)`` gives stills uint8 ``[count, s, s, 3]`` and for
            each target either classes, integers ``[count]`` (-1: does not apply), or things
            present, 0 or 1, ``[count, k]``, or measures, floats ``[count, k]`` (NaN: does not
            apply), which are brought to mean 0 and spread 1 by those of the training stills.
        count: stills to train on. They are kept in memory, 12 kB each at 64 px.
        held_out: stills to test on, drawn with the next seed; None: a tenth of those to train on,
            at least 100.
        epochs: passes over the stills; of at least `least_steps` steps each, where need be by more
            passes (`seewhy.training_steps`).
        least_steps: of an epoch.
        batch: stills a step.
        learning_rate: the highest; it rises to it and falls to 0 along a cosine.
        weight_decay: of AdamW.
        seed: of stills, initial weights, order and augmentation.
        device: ``cpu``, ``cuda`` or ``auto``.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the processor or GPU has
        it.
        resume: folder for the last whole epoch of an unfinished training; None: beside `output`.

    Raises:
        InputError: a setting is out of range, the loss is no longer finite, or the disk is full.

    A killed run goes on from its last whole epoch, and ends where an unbroken one ends. The same
    seed, machine and number of threads give the same bytes.
    """
    if held_out is None:
        held_out = max(100, count // 10) if isinstance(count, int) else 100
    settings = {
        "count": count, "held_out": held_out, "epochs": epochs, "batch": batch,
        "learning_rate": learning_rate, "weight_decay": weight_decay, "seed": seed,
    }  # fmt: skip
    _check(settings)
    passes = passes_an_epoch(count, batch, least_steps)
    if passes > 1:
        settings["passes"] = passes  # an epoch
        log.info("%s: an epoch is %d passes over the %d stills", output, passes, count)
    on = choose_device(device)
    settings["precision"] = choose_precision(precision, on, training=True)
    log.info("drawing %d stills to train on and %d held out", count, held_out)
    images, targets = draw_stills(seed=seed, count=count)
    test_images, test_targets = draw_stills(seed=seed + 1, count=held_out)
    targets, test_targets = _standardised(targets, targets), _standardised(test_targets, targets)
    heads = _heads(images, targets, test_targets)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SlimInception(heads).to(on, memory_format=torch.channels_last)
        optimiser = torch.optim.AdamW(_groups(network, weight_decay), lr=learning_rate)
        made_from = settings | {"heads": heads, "stills": _digest(images, targets)}
        unfinished = Unfinished(output, resume, made_from, network=network, optimiser=optimiser)
        lines = unfinished.take_up().get("history", [])
        first = len(lines)
        a_epoch = passes * math.ceil(count / batch)
        bar = progress(
            what="backbone", total=epochs * a_epoch, unit="step", initial=first * a_epoch
        )
        with bar:
            for epoch in range(first, epochs):
                train_loss = _train_epoch(
                    network, optimiser, images, targets, epoch, settings, bar.update
                )
                if not math.isfinite(train_loss):
                    raise InputError(
                        f"{output}: the loss is {train_loss} in epoch {epoch + 1} of {epochs}; "
                        f"lower backbone.learning_rate ({learning_rate:g})"
                    )
                scores, test_loss = evaluate(
                    network, test_images, test_targets, precision=settings["precision"]
                )
                bar.set_postfix(held_out_loss=f"{test_loss:.3f}")
                lines.append(
                    {"epoch": epoch + 1, "train_loss": train_loss, "held_out_loss": test_loss}
                    | {name: next(iter(score.values())) for name, score in scores.items()}
                )
                unfinished.save(lines)
    scores, test_loss = evaluate(
        network, test_images, test_targets, precision=settings["precision"]
    )
    # One key only: safetensors writes several in an order that changes from run to run.
    about = {"architecture": "slim_inception", "heads": heads, "settings": settings}
    with whole_file(output) as temporary:
        tensors = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        safetensors.torch.save_file(
            tensors, temporary, metadata={"seewhy": json.dumps(about, sort_keys=True)}
        )
    with whole_file(history) as temporary:
        pd.DataFrame(lines).to_csv(temporary, index=False, float_format=number_format("%.6g"))
    told = never_fell([line["train_loss"] for line in lines])
    remarks = [told] if told else []
    sound(log, output, remarks)
    write_json(
        metrics,
        {"scores": scores, "held_out_loss": test_loss, "settings": settings} | as_metrics(remarks),
    )
    unfinished.discard()


def _train_epoch(
    network: SlimInception,
    optimiser: torch.optim.Optimizer,
    images: np.ndarray,
    targets: Targets,
    epoch: int,
    settings: Mapping[str, Any],
    update: Callable[[], Any],
) -> float:
    """One pass over the stills; the mean loss, not finite if a step's was not (it stops there).

    All that is random hangs on the seed and the number of the epoch alone, so that a training taken
    up from a whole epoch goes on as it would have.
    """
    on = next(network.parameters()).device
    count, batch = len(images), settings["batch"]
    seed = settings["seed"] * 1_000_003 + epoch
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # of the dropout
    network.train()
    total = 0.0
    passes = settings.get("passes", 1)
    a_epoch = passes * math.ceil(count / batch)
    step, steps = epoch * a_epoch, settings["epochs"] * a_epoch
    order = [torch.randperm(count, generator=generator) for _ in range(passes)]
    for chosen in itertools.chain.from_iterable(one.split(batch) for one in order):
        for group in optimiser.param_groups:
            group["lr"] = settings["learning_rate"] * _schedule(step / steps)
        rows = chosen.numpy()
        x = augment(torch.from_numpy(images[rows]), generator)
        x = x.to(on, memory_format=torch.channels_last)
        y = {name: torch.from_numpy(target[rows]).to(on) for name, target in targets.items()}
        with autocast(on, settings["precision"]):
            logits = network(x)
        loss = torch.stack(list(losses(logits, y).values())).sum()
        total += loss.item() * len(rows)
        if not math.isfinite(total):
            return total
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        update()
    return total / (passes * count)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Stills uint8 ``[b, s, s, 3]`` to varied values ``[b, 3, s, s]`` around -1 … 1.

    Each is changed in brightness, contrast and the share of each colour, nothing moves; every other
    one has its colour, not its brightness, averaged over 2 x 2 pixels, as in a video file (4:2:0).
    """
    b, size = images.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1

    x = images.permute(0, 3, 1, 2).float().mul_(1 / 127.5).sub_(1)  # [b, 3, s, s]
    luma = x[1::2].mean(dim=1, keepdim=True)
    coarse = functional.avg_pool2d(x[1::2] - luma, 2)
    x[1::2] = luma + functional.interpolate(coarse, size=(size, size), mode="nearest")
    x *= 1 + CONTRAST * uniform(b, 1, 1, 1)
    x *= 1 + TINT * uniform(b, 3, 1, 1)
    return x.add_(2 * BRIGHTNESS * uniform(b, 1, 1, 1))


def losses(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of each target the batch mean: cross-entropy, sum of binary ones, or square error."""
    result = {}
    for name, value in logits.items():
        target, value = targets[name], value.float()
        if target.ndim == 1:
            known = target >= 0
            summed = functional.cross_entropy(
                value, target.long(), ignore_index=-1, reduction="sum"
            )
            result[name] = summed / known.sum().clamp(min=1)
        elif target.is_floating_point():
            known = ~target.isnan()
            result[name] = MEASURES * functional.mse_loss(value[known], target[known])
        else:
            each = functional.binary_cross_entropy_with_logits(
                value, target.float(), reduction="none"
            )
            result[name] = each.sum(dim=1).mean()
    return result


@torch.inference_mode()
def evaluate(
    network: SlimInception, images: np.ndarray, targets: Targets, *, precision: str = "float32"
) -> tuple[dict[str, dict[str, float]], float]:
    """Scores of every head on stills, and the loss (see `train_backbone`)."""
    on = next(network.parameters()).device
    network.eval()
    parts: dict[str, list[Tensor]] = {name: [] for name in targets}
    for start in range(0, len(images), 256):
        x = torch.from_numpy(images[start : start + 256]).to(on).permute(0, 3, 1, 2)
        with autocast(on, precision):
            for name, value in network(x.float().mul_(1 / 127.5).sub_(1)).items():
                parts[name].append(value.float().cpu())
    logits = {name: torch.cat(values) for name, values in parts.items()}
    expected = {name: torch.from_numpy(value) for name, value in targets.items()}
    loss = sum(value.item() for value in losses(logits, expected).values())
    scores: dict[str, dict[str, float]] = {}
    for name, target in targets.items():
        predicted = logits[name].numpy()
        if target.ndim == 1:
            known = target >= 0
            right = predicted.argmax(axis=1)[known] == target[known]
            commonest = np.bincount(target[known]).max() if known.any() else 0
            scores[name] = {
                "accuracy": float(right.mean()) if known.any() else math.nan,
                "chance": float(commonest / max(1, known.sum())),
            }
        elif target.dtype.kind == "f":
            known = ~np.isnan(target)
            error = np.square(predicted[known] - target[known]).mean()
            scores[name] = {"r2": float(1 - error / np.square(target[known]).mean()), "chance": 0.0}
        else:
            present = [k for k in range(target.shape[1]) if target[:, k].any()]
            scores[name] = {
                "average_precision": float(
                    np.mean([average_precision(predicted[:, k], target[:, k]) for k in present])
                ),
                "chance": float(target[:, present].mean()),
            }
    return scores, loss


def average_precision(scores: np.ndarray, present: np.ndarray) -> float:
    """Mean, over the positives in order of falling score, of the precision down to each."""
    ranked = np.asarray(present, dtype=bool)[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    return float(precision[ranked].mean())


def _check(settings: dict[str, Any]) -> None:
    for name in ("count", "held_out", "epochs", "batch"):
        if (
            isinstance(settings[name], bool)
            or not isinstance(settings[name], int)
            or settings[name] < 1
        ):
            raise InputError(
                f"backbone.{name}: {settings[name]!r} is not a whole number of at least 1"
            )
    if settings["batch"] < 2 or settings["count"] % settings["batch"] == 1:
        raise InputError(
            f"backbone.batch: {settings['batch']} leaves one still of {settings['count']} over"
            " for the last batch, which batch norm cannot train on; take another"
        )
    for name in ("learning_rate", "weight_decay"):
        if not 0 <= settings[name] < math.inf:
            raise InputError(f"backbone.{name}: {settings[name]!r} is not a number of at least 0")


def _standardised(targets: Targets, by: Targets) -> dict[str, np.ndarray]:
    """Targets as they are, but measures with the mean and spread of `by`'s taken out."""
    result = dict(targets)
    for name, target in targets.items():
        if target.dtype.kind == "f":
            known = ~np.isnan(by[name]).all(axis=0)  # measures that the training stills have
            result[name] = np.full_like(target, np.nan)
            mean = np.nanmean(by[name][:, known], axis=0)
            spread = np.nanstd(by[name][:, known], axis=0) + 1e-3
            result[name][:, known] = (target[:, known] - mean) / spread
    return result


def _heads(images: np.ndarray, targets: Targets, test_targets: Targets) -> dict[str, int]:
    """Outputs of each head, from the values that its target takes."""
    heads = {}
    for name, target in targets.items():
        if len(target) != len(images) or target.ndim not in (1, 2):
            raise ValueError(f"target {name}: {target.shape}, for {len(images)} stills")
        if target.ndim == 2:
            heads[name] = target.shape[1]
        else:
            heads[name] = int(max(target.max(), test_targets[name].max())) + 1
    return heads


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and the scales of batch norm do not."""
    heavy = [p for p in network.parameters() if p.ndim > 1]
    light = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": heavy, "weight_decay": weight_decay}, {"params": light, "weight_decay": 0.0}]


def _schedule(done: float) -> float:
    """Share of the highest learning rate, at a share `done` of the steps."""
    if done < WARM_UP:
        return 0.02 + 0.98 * done / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _digest(images: np.ndarray, targets: Targets) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(images))
    for name in sorted(targets):
        digest.update(np.ascontiguousarray(targets[name]))
    return digest.hexdigest()
