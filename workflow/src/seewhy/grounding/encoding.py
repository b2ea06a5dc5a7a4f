"""fc7 of clips, which is all that excitation backprop through time needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from seewhy.device import autocast
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.networks import FrameEncoder


def encode_clips(
    network: FrameEncoder,
    file: ClipFile,
    rows: np.ndarray,
    steps: int,
    *,
    precision: str = "float32",
    batch: int = 8,
) -> Iterator[Tensor]:
    """fc7 of clips, a few at a time: ``[clips, steps, D]`` float32, on the CPU."""
    on = next(network.parameters()).device
    training = network.cnn.training
    network.cnn.eval()
    try:
        for first in range(0, len(rows), batch):
            x = network.preprocess(file.steps(rows[first : first + batch], steps))
            x = x.flatten(0, 1).to(on, memory_format=torch.channels_last)
            with torch.no_grad(), autocast(on, precision):
                h = network.cnn(x)
            yield h.float().cpu().unflatten(0, (-1, steps))
    finally:
        network.cnn.train(training)
