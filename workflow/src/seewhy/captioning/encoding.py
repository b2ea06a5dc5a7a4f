"""Encoder features of a corpus by a trained captioner: what its neurons are read from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from seewhy.captioning.data import FeatureFile
from seewhy.captioning.model import Captioner, mean_feature

_CLIPS = 64  # encoded together


@torch.no_grad()
def encode(
    captioner: Captioner, features: FeatureFile
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Encoder features of all clips, some at a time, on the captioner's device.

    Args:
        captioner: in evaluation mode.
        features: CNN features.

    Yields:
        Rows [c'], V [c', n, v] (zero past a clip's length) and lengths [c'].
    """
    rows = np.arange(len(features.clips))
    groups = [rows[start : start + _CLIPS] for start in range(0, len(rows), _CLIPS)]
    device = captioner.encoder.input.mean.device
    for group, (cnn, lengths) in zip(groups, features.batches(groups), strict=True):
        cnn, lengths = cnn.to(device), lengths.to(device)
        yield group, captioner.encoder(cnn, lengths), lengths


def encode_means(captioner: Captioner, features: FeatureFile) -> Tensor:
    """The mean feature of every clip, in the order of the file: float32 [c, v]."""
    means = [mean_feature(V, lengths) for _, V, lengths in encode(captioner, features)]
    return torch.cat(means).cpu()
