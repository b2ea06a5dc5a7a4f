"""Training a residual network to name what an image shows: the action of a crop, a bird's species.

By AdamW, with a learning rate that rises and falls once, on the cross-entropy with smoothed labels.
Crops are mirrored, shifted by a few pixels (the border goes on), and changed in brightness and
contrast.

What was tried, chosen on 5,807 crops of 1,500 validation clips (24 actions, the commonest of which
is 0.06 of them; one seed, so that differences of 0.01 mean little; seconds: half the processor's,
of one thread with bfloat16, thus about those of two free cores)::

    widths         train clips  batch  steps   rate  validation  train  seconds
    32 64 96 192          4000     64   1350  0.003       0.621  0.693        –
    32 64 96 192          7000     64   1350  0.003       0.631  0.663      142
    16 32 64 192          7000     64   1850  0.003       0.632  0.657      107
    32 64 96 192          7000     32   2500  0.002       0.634  0.652      134
    32 64 96 192          7000     32   2500  0.010       0.651  0.662      134
    32 64 96 192          7000     32   2500  0.005       0.654  0.669      135   the default

What is left are actions that one image does not tell apart: start and stop look like walk or drive,
get up like fall, leave like enter.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from seewhy.device import (
    autocast,
    check_network,
    choose_device,
    choose_precision,
    training_format,
)
from seewhy.dissection.network import ResidualNetwork, save_network
from seewhy.dissection.networks import Scaled, Scaling, pretrained
from seewhy.errors import InputError
from seewhy.files import input_stamp, open_hdf5, whole_file, write_json
from seewhy.grounding.stages import Stage, StagedTraining
from seewhy.hdf5_files import Expect
from seewhy.memory import check_memory
from seewhy.readable import make_again
from seewhy.table_numbers import number_format
from seewhy.training_remarks import as_metrics

log = logging.getLogger(__name__)

SHIFT = 4  # pixels, at most
BRIGHTNESS, CONTRAST = 0.15, 0.2  # of the range of values; shares


class Target(NamedTuple):
    """What is named: a data set of a file of images, and the attribute with the classes' names, of
    it or of the file.
    """

    numbers: str
    names: str


ACTION = Target("action", "actions")
LABEL = Target("label", "classes")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: of the optimiser.
        batch: crops a step.
        rate: highest learning rate.
        weight_decay: of AdamW.
        smoothing: share of a label that is spread over all classes.
    """

    steps: int = 2500
    batch: int = 32
    rate: float = 5e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1


def train_network(
    output: str | Path,
    metrics: str | Path,
    history: str | Path,
    *,
    train: str | Path,
    val: str | Path,
    widths: Sequence[int] = (32, 64, 96, 192),
    schedule: Schedule | None = None,
    target: Target = ACTION,
    base: str | None = None,
    weights: str | Path | None = None,
    scaling: Scaling | None = None,
    setting: str = "dissection.network",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Train the network on crops and write it, with how well it does on others.

    Args:
        output: the network, ``.safetensors`` (see `seewhy.dissection.network`).
        metrics: JSON: accuracy on the validation images, over all and for each class, that of
            always naming the commonest class of the train images, that on (as many) train images.
        history: CSV ``step,loss``, the mean over the steps since the last line.
        train: HDF5 with `image` [n, s, s, 3] uint8 and the target (crops of puppets, say), kept in
            memory.
        val: other images of the same classes.
        widths: units of the four blocks.
        schedule: how long and how fast; None: its defaults.
        target: what is named.
        base: a classifier of torchvision's that is trained in place of the residual network; its
            file then opens with that name (`seewhy.dissection.networks.open_network`).
        weights: its first weights, of any classes; None: random.
        scaling: of its input.
        setting: section of params.yaml that messages name.
        seed: of first weights, order and variation.
        device: ``cpu``, ``cuda`` or ``auto``.
        precision: see `seewhy.device.choose_precision`.
        resume: folder for unfinished work; None: beside `output`.

    Raises:
        InputError: files that are not there, cut short, or of different actions; a setting out of
            range; a loss that is no longer finite.

    A killed run goes on from the last saved steps and ends where an unbroken one ends.
    """
    schedule = schedule or Schedule()
    _check(schedule, setting)
    on = choose_device(device)
    precision = choose_precision(precision, on, training=True)
    images, targets, classes = _read(train, target)
    val_images, val_targets, val_classes = _read(val, target)
    if val_classes != classes:
        raise InputError(
            f"{val}: its {target.names} are not those of {train}; make both with the same settings"
        )
    if val_images.shape[1:] != images.shape[1:]:
        raise InputError(
            f"{val}: images of {val_images.shape[1]} pixels, but those of {train} have "
            f"{images.shape[1]}; make both with the same settings"
        )
    made_from = {
        "widths": list(widths), "schedule": asdict(schedule), "seed": seed,
        "precision": precision, "images": len(images), "classes": classes, "base": base,
        "weights": input_stamp(weights) if weights else None,
    }  # fmt: skip
    if base is None:
        check_network(
            lambda: ResidualNetwork(widths, classes),
            on,
            f"params.yaml: {setting}.widths {list(widths)}",
            remedy="lower them",
        )
    check_memory(
        4 * schedule.batch * images[0].size,
        f"params.yaml: {setting}.batch {schedule.batch}: the images of a step",
        remedy="lower it",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network(widths, classes, base, weights, scaling)
        format_ = training_format(network)
        network = network.to(on, memory_format=format_)

        def loss(rng: np.random.Generator) -> Tensor:
            picked = rng.integers(len(images), size=schedule.batch)
            x = vary(images[picked], rng).to(on).contiguous(memory_format=format_)
            with autocast(on, precision):
                logits = network(x)
            y = torch.from_numpy(targets[picked]).to(on)
            return functional.cross_entropy(logits.float(), y, label_smoothing=schedule.smoothing)

        # The stage is called after the setting that its message tells to lower.
        stage = Stage(
            schedule.steps, schedule.rate, list(network.parameters()), loss, network.train
        )
        training = StagedTraining(
            {"rate": stage}, {"network": network}, seed=seed,
            weight_decay=schedule.weight_decay, what="training", setting=setting,
        )  # fmt: skip
        unfinished = training.run(output, resume, [made_from, input_stamp(train)])
    right = _right(network, val_images, val_targets)
    some = np.sort(np.random.default_rng(0).permutation(len(images))[: len(val_images)])
    commonest = np.bincount(targets).argmax()
    scores = {
        "accuracy": float(right.mean()),
        "majority": float((val_targets == commonest).mean()),
        "train_accuracy": float(_right(network, images[some], targets[some]).mean()),
        target.names: {
            name: float(right[val_targets == k].mean())
            for k, name in enumerate(classes)
            if (val_targets == k).any()
        },
        "images": len(val_images),
    }
    log.info("validation: accuracy %.3f, majority %.3f", scores["accuracy"], scores["majority"])
    if isinstance(network, Scaled):
        about = {"kind": "torchvision", "name": base, "classes": classes}
        with whole_file(output) as temporary:
            tensors = {k: v.contiguous().cpu() for k, v in network.network.state_dict().items()}
            save_file(tensors, temporary, {"seewhy": json.dumps(about, sort_keys=True)})
    else:
        save_network(output, network)
    with whole_file(history) as temporary:
        lines = pd.DataFrame(training.history, columns=["step", "loss"])
        lines.to_csv(temporary, index=False, float_format=number_format("%.6g"))
    about = {"validation": scores, "settings": made_from} | as_metrics(training.remarks())
    write_json(metrics, about)
    unfinished.discard()


def _network(
    widths: Sequence[int],
    classes: list[str],
    base: str | None,
    weights: str | Path | None,
    scaling: Scaling | None,
) -> nn.Module:
    if base is None:
        return ResidualNetwork(widths, classes)
    return Scaled(pretrained(base, weights, len(classes)), scaling or Scaling())


def vary(images: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Crops uint8 ``[n, s, s, 3]`` to varied ones ``[n, 3, s, s]``, around 0 … 1, channels last.

    Each is, by chance, mirrored, moved by up to `SHIFT` pixels along each axis, and changed in
    contrast and brightness.
    """
    n, size = images.shape[:2]
    at = np.clip(np.arange(size) + rng.integers(-SHIFT, SHIFT + 1, (2, n, 1)), 0, size - 1)
    down, across = at  # [n, s] each
    mirrored = rng.random(n) < 0.5
    across[mirrored] = across[mirrored, ::-1]
    moved = images[np.arange(n)[:, None, None], down[:, :, None], across[:, None]]
    contrast = torch.from_numpy(rng.uniform(1 - CONTRAST, 1 + CONTRAST, (n, 1, 1, 1))).float()
    brightness = torch.from_numpy(rng.uniform(-BRIGHTNESS, BRIGHTNESS, (n, 1, 1, 1))).float()
    x = torch.from_numpy(moved).permute(0, 3, 1, 2).float() / 255
    return (x - 0.5) * contrast + 0.5 + brightness


@torch.inference_mode()
def _right(network: nn.Module, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Whether each crop's action is the one named, in float32."""
    network.eval()
    on = next(network.parameters()).device
    named = []
    for first in range(0, len(images), 256):
        x = torch.from_numpy(images[first : first + 256]).to(on).permute(0, 3, 1, 2).float() / 255
        named.append(network(x).argmax(dim=1).cpu().numpy())
    return np.concatenate(named) == targets


def _read(path: str | Path, target: Target) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images, numbers of their classes, names of these."""
    form = {
        "image": Expect("byte", ("images", "side", "side", 3)),
        target.numbers: Expect("whole", ("images",), least=0),
    }
    with open_hdf5(path, needs=form) as file:
        numbers = file[target.numbers]
        names = numbers.attrs.get(target.names, file.attrs.get(target.names, []))
        names = [str(name) for name in names]
        if len(names) < 2:
            raise InputError(f"{path}: {len(names)} {target.names}; there must be two or more")
        if numbers[:].max(initial=0) >= len(names):
            raise InputError(
                f"{path}: {target.numbers} names the number {numbers[:].max()} of {len(names)} "
                f"{target.names}; {make_again(path)}"
            )
        return file["image"][:], numbers[:].astype(np.int64), names


def _check(schedule: Schedule, setting: str) -> None:
    values: dict[str, Any] = asdict(schedule)
    for name, least in (("steps", 1), ("batch", 2)):
        if isinstance(values[name], bool) or not isinstance(values[name], int):
            raise InputError(f"{setting}.{name}: {values[name]!r} is no whole number")
        if values[name] < least:
            raise InputError(f"{setting}.{name}: {values[name]} must be {least} or more")
    if not 0 <= schedule.smoothing < 1:
        raise InputError(f"{setting}.smoothing: {schedule.smoothing} must be from 0 to below 1")
