"""The network that is dissected: a small residual network that names the action of an image.

A stem and four residual blocks, `block1` … `block4`, as conv2 … conv5 of a ResNet are called in the
paper; their outputs are what units are read from, and are never negative. `pool` is the mean over
the map and `fc` the only layer above it, so that the weight of a unit for a class is a number of
`fc.weight`. Of an image of 64 pixels the maps are 32, 16, 8 and 8 pixels wide.

Reference:
    K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from seewhy.backbones.weights import load_into, read_weights
from seewhy.checkpoint_metadata import COUNTS, NAMES, build, check_metadata, table_of
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.readable import check_readable

FORMAT = "seewhy dissection 1"
_SCHEMA = table_of(widths=COUNTS, classes=NAMES)
MEAN, SPREAD = 0.5, 0.25
"""Taken out of every channel of the input, which is 0 … 1, before the stem."""
STRIDES = (1, 2, 2, 1)
"""Of the blocks; the stem's is 2."""
BLOCKS = ("block1", "block2", "block3", "block4")


class ResidualBlock(nn.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)), a basic block.

    The shortcut is x itself where the shapes agree, else a 1x1 convolution with batch norm.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``, at least 0."""
        h = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(h)) + self.shortcut(x)).relu()


class ResidualNetwork(nn.Module):
    """Stem, four blocks, pool and classifier.

    Args:
        widths: units of the four blocks; the stem has as many as the first.
        classes: names of the classes.

    Raises:
        InputError: not four widths, or fewer than two classes.
    """

    def __init__(
        self, widths: Sequence[int] = (32, 64, 96, 192), classes: Sequence[str] = ()
    ) -> None:
        super().__init__()
        if len(widths) != len(BLOCKS) or min(widths) < 1:
            raise InputError(f"widths {list(widths)} must be four numbers, each 1 or more")
        if len(classes) < 2:
            raise InputError(f"classes {list(classes)} are fewer than two; there must be a choice")
        self.widths, self.classes = tuple(widths), list(classes)
        stem = nn.Conv2d(3, widths[0], 3, 2, padding=1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.ReLU())
        inputs = (widths[0], *widths)
        for name, before, after, stride in zip(BLOCKS, inputs, widths, STRIDES, strict=False):
            setattr(self, name, ResidualBlock(before, after, stride))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], len(classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Images ``[n, 3, h, w]`` from 0 to 1, to the outputs of the blocks, by name."""
        x, found = self.stem((images - MEAN) / SPREAD), {}
        for name in BLOCKS:
            found[name] = x = getattr(self, name)(x)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Images ``[n, 3, h, w]`` from 0 to 1, to logits ``[n, classes]``."""
        return self.fc(self.pool(self.features(images)[BLOCKS[-1]]).flatten(1))


def save_network(path: str | Path, network: ResidualNetwork) -> None:
    """Write weights, widths and classes, ``.safetensors``."""
    about = {"format": FORMAT, "widths": network.widths, "classes": network.classes}
    tensors = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
    with whole_file(path) as temporary:
        # One entry, since safetensors writes several in an order that changes from run to run.
        save_file(tensors, temporary, metadata={"seewhy": json.dumps(about, sort_keys=True)})


def load_network(path: str | Path) -> ResidualNetwork:
    """A network that `save_network` wrote, in evaluation mode.

    Raises:
        InputError: missing, cut short, or something else.
    """
    check_readable(path, missing="run the rule train_dissected_network")
    tensors, about = read_weights(path)
    about = check_metadata(about, path, _SCHEMA, form=FORMAT, what="a network to dissect")
    with torch.random.fork_rng():
        network = build(
            lambda: ResidualNetwork(about["widths"], about["classes"]),
            tensors,
            path,
            "a network to dissect",
        )
    load_into(network, tensors, path, "a network to dissect")
    return network.eval()
