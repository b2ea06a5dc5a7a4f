"""Backbones: convolutional networks whose 1024-d average pool (pool5) stands for a frame.

==================  =====  =================================================================
name                input  weights
==================  =====  =================================================================
``slim_inception``  64 px  trained by `seewhy.backbones.train.train_backbone` on drawn stills
``googlenet``       224    torchvision's file, which the user provides: nothing is downloaded
==================  =====  =================================================================
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.backbones import googlenet, slim_inception
from seewhy.backbones.weights import check_hash, digest_of_tensors, load_into, read_weights
from seewhy.checkpoint_metadata import COUNT, build, check_metadata, table_of
from seewhy.device import autocast, choose_device, choose_precision
from seewhy.errors import InputError
from seewhy.vision import about_backbone, check_weights

log = logging.getLogger(__name__)

FEATURES = 1024


class Backbone:
    """A network in evaluation mode, ready to turn frames into features.

    Attributes:
        name: ``slim_inception`` or ``googlenet``.
        input_size: side in pixels of the frames that the network wants.
        weights: SHA-256 of its file of weights (of its tensors, where they are random).
        device: where it runs.
        precision: ``float32``, or the type that the heavy operations are done in.
        network: the module, batch norms folded into its convolutions.
    """

    def __init__(
        self, name: str, network: nn.Module, *, weights: str, device: str, precision: str
    ) -> None:
        self.name, self.weights = name, weights
        self.input_size = about_backbone(name).input_size
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device, training=False)
        self.network = (
            slim_inception.fold_batch_norm(network)
            .requires_grad_(False)
            .to(self.device, memory_format=torch.channels_last)
        )

    def preprocess(self, frames: np.ndarray) -> Tensor:
        """Frames uint8 ``[b, h, w, 3]`` to values ``[b, 3, s, s]`` in -1 … 1, on the CPU.

        Frames of another size than `input_size` are resized (bilinear, antialiased). Safe in a
        thread beside the network's: it is numpy's arithmetic, so it takes no core from torch's own
        threads.
        """
        values = np.multiply(frames, np.float32(1 / 127.5), dtype=np.float32)
        values -= np.float32(1)
        x = torch.from_numpy(values).permute(0, 3, 1, 2)  # [b, 3, h, w], channels last in memory
        if x.shape[2:] != (self.input_size, self.input_size):
            x = nn.functional.interpolate(
                x, size=(self.input_size,) * 2, mode="bilinear", antialias=True, align_corners=False
            )
        return x

    @torch.inference_mode()
    def features(self, x: Tensor) -> Tensor:
        """What `preprocess` gave, ``[b, 3, s, s]``, to float32 ``[b, 1024]`` on the CPU."""
        x = x.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        with autocast(self.device, self.precision):
            pooled = self.network.features(x)
        return pooled.float().cpu()


def load_backbone(
    name: str,
    weights: str | Path,
    *,
    sha256: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Backbone:
    """Load a backbone.

    Args:
        name: ``slim_inception`` or ``googlenet``.
        weights: its file (see `seewhy.backbones.weights.read_weights`), or ``random``, for
            tries: such features mean nothing, and a warning says so.
        sha256: the first digits (at least eight) of the file's SHA-256. None: not checked for
            ``slim_inception``; for ``googlenet`` that of the file that torchvision publishes.
        device: ``cpu``, ``cuda``, or ``auto`` (CUDA where there is one).
        precision: ``float32``, ``bfloat16``, ``float16``, ``auto`` (mixed precision, float16, on a
            GPU, float32 on a CPU), or ``native`` (bfloat16 where the device multiplies it, else
            float32). bfloat16 on a CPU that has it takes a little over half the time and changes
            features in the third digit.

    Raises:
        InputError: an unknown name, no such file, a file that is cut short, has another hash, or is
            of another network.
    """
    builders: dict[str, Callable[..., tuple[nn.Module, str]]] = {
        "slim_inception": _slim_inception,
        "googlenet": _googlenet,
    }
    about_backbone(name)
    if str(weights) == "random":
        log.warning(
            "backbone %s has RANDOM weights: its features mean nothing, use them for tries only",
            name,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network: nn.Module = (
                slim_inception.SlimInception({})
                if name == "slim_inception"
                else googlenet.GoogLeNet()
            )
        digest = "random-" + digest_of_tensors(network)
    else:
        network, digest = builders[name](Path(weights), sha256)
    return Backbone(name, network, weights=digest, device=device, precision=precision)


def _slim_inception(path: Path, sha256: str | None) -> tuple[nn.Module, str]:
    check_weights("slim_inception", path)
    digest = check_hash(path, sha256)
    tensors, about = read_weights(path)
    if about.get("architecture") != "slim_inception":
        raise InputError(
            f"{path}: not weights of slim_inception (its metadata say architecture "
            f"{about.get('architecture')!r}); run the rule train_backbone"
        )
    check_metadata(
        {"format": "slim_inception", "heads": about.get("heads")},
        path,
        table_of(heads={"type": "object", "additionalProperties": COUNT}),
        form="slim_inception",
        what="weights of slim_inception",
    )
    network = build(
        lambda: slim_inception.SlimInception(about["heads"]), tensors, path, "slim_inception"
    )
    load_into(network, tensors, path, "slim_inception")
    return network, digest


def _googlenet(path: Path, sha256: str | None) -> tuple[nn.Module, str]:
    check_weights("googlenet", path)
    digest = check_hash(path, about_backbone("googlenet").sha256 if sha256 is None else sha256)
    network = googlenet.GoogLeNet()
    tensors, _ = read_weights(path, names=network.layers.state_dict())
    load_into(network.layers, googlenet.without_auxiliary(tensors), path, "googlenet")
    return network, digest
