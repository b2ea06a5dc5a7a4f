"""A feed-forward CNN as a chain of layers that excitation backprop can walk down.

Layers get the names that VGG's have: a convolution is ``conv<group>_<number>``, where a pooling
layer ends a group; pools are ``pool<group>``; linear layers go on counting, so that VGG-16 has
``conv1_1`` … ``conv5_3``, ``pool5``, ``fc6``, ``fc7``. A name stands for the layer's activations
after its ReLU, ``[b, channels, h, w]``; ``conv5`` alone is the last convolution of its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from seewhy.errors import InputError, none_such

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
WEIGHTED = (nn.Conv2d, nn.Linear)
_PASSED = (nn.Dropout, nn.Dropout2d, nn.Identity)  # nothing at inference


@dataclass(frozen=True)
class Step:
    """A layer with its name, and whether a ReLU follows it."""

    name: str
    layer: nn.Module
    rectified: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Activations of the layer, after its ReLU."""
        y = self.layer(x)
        if not self.rectified:
            return y
        return functional.relu(y, inplace=isinstance(self.layer, WEIGHTED))  # y is nobody else's


class Chain:
    """The layers of a CNN at inference; the CNN itself is neither changed nor hooked.

    Dropout is left out, batch norm with its running statistics is folded into the layer before it.
    Weights are the CNN's own, so a chain follows its training, but for folded ones: build the chain
    anew after training on.

    Args:
        cnn: an ``nn.Sequential`` (nested ones too) of convolutions, ReLUs, pools, linear layers,
            or a network of torchvision's that is laid out as ``features``, ``avgpool``,
            ``classifier`` (VGG, AlexNet).

    Raises:
        InputError: a layer of another kind; the line names it.
    """

    def __init__(self, cnn: nn.Module) -> None:
        self.steps: list[Step] = []
        group, number, linear = 1, 0, 0
        layers = list(_folded(_flat(cnn, "")))
        if not layers:
            raise InputError("the CNN has no layer")
        for place, (where, layer) in enumerate(layers):
            if isinstance(layer, nn.ReLU):
                if place == 0:
                    raise InputError(
                        f"layer {where}: the chain begins with a ReLU; begin with a layer"
                    )
                continue
            follower = layers[place + 1][1] if place + 1 < len(layers) else None
            rectified = isinstance(follower, nn.ReLU)
            if isinstance(layer, nn.Conv2d):
                number += 1
                name = f"conv{group}_{number}"
            elif isinstance(layer, nn.Linear):
                group += linear == 0 and number > 0
                linear += 1
                name = f"fc{group + linear - 1}"
            elif isinstance(layer, POOLS):
                name = f"pool{group}" if number else f"pool{group - 1}_again"
                group, number = group + (number > 0), 0
            else:
                name = "flatten"
            self.steps.append(Step(name, layer, rectified))

    @property
    def names(self) -> list[str]:
        """Names of the layers, from the first to the last."""
        return [step.name for step in self.steps]

    def place(self, name: str) -> int:
        """Index of the layer of that name, ``conv5`` being the last convolution of group 5.

        Raises:
            InputError: there is none; the line lists those there are.
        """
        if name in self.names:
            return self.names.index(name)
        for index in reversed(range(len(self.steps))):
            if self.steps[index].name.split("_")[0] == name:
                return index
        raise InputError(f"layer {none_such(name, self.names)}")

    def __call__(self, x: Tensor, keep: int | None = None) -> tuple[Tensor, list[Tensor]]:
        """Run the layers.

        Args:
            x: ``[b, channels, h, w]``.
            keep: index of a layer; None keeps nothing.

        Returns:
            The last layer's activations, and those of every layer from `keep` to the last but one:
            what the layers above `keep` read.
        """
        kept = []
        x = channels_last(x)
        for index, step in enumerate(self.steps):
            x = step(x)
            if keep is not None and keep <= index < len(self.steps) - 1:
                kept.append(x)
        return x, kept

    def part(self, x: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """Run the layers from index `start` to the one before `stop`; None: to the last."""
        x = channels_last(x)
        for step in self.steps[start:stop]:
            x = step(x)
        return x

    def require_rectified(self, first: int) -> None:
        """Refuse a chain whose activations from layer `first` on can be negative.

        Raises:
            InputError: names the layer without a ReLU.
        """
        for step in self.steps[first:]:
            if isinstance(step.layer, WEIGHTED) and not step.rectified:
                raise InputError(
                    f"layer {step.name}: no ReLU follows it, so its activations can be negative; "
                    "excitation backprop needs activations of at least 0"
                )
        if not any(isinstance(step.layer, WEIGHTED) for step in self.steps[: first + 1]):
            raise InputError(
                f"layer {self.steps[first].name}: what it gives can be negative, since no "
                "convolution with a ReLU comes before it; take a higher layer"
            )


def channels_last(x: Tensor) -> Tensor:
    """Images ``[b, channels, h, w]`` laid out as convolutions and pools are fastest on a CPU.

    On other devices they stay as they are.
    """
    if x.ndim != 4 or x.device.type != "cpu":
        return x
    return x.contiguous(memory_format=torch.channels_last)


def _flat(module: nn.Module, where: str) -> Iterator[tuple[str, nn.Module]]:
    """Layers in the order in which they run, with their places in the module."""
    if isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            yield from _flat(child, f"{where}.{name}" if where else name)
    elif [name for name, _ in module.named_children()] == ["features", "avgpool", "classifier"]:
        yield from _flat(module.features, "features")
        yield from _flat(module.avgpool, "avgpool")
        yield "flatten", nn.Flatten()
        yield from _flat(module.classifier, "classifier")
    elif isinstance(module, _PASSED):
        return
    elif isinstance(
        module, (nn.ReLU, nn.Flatten, nn.BatchNorm1d, nn.BatchNorm2d, *POOLS, *WEIGHTED)
    ):
        yield where or type(module).__name__, module
    else:
        remedy = "put the network as an nn.Sequential of Conv2d, ReLU, pools, Flatten and Linear"
        if isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
            remedy = (
                "train with seewhy.grounding.relu_lstm.ReluLSTM: excitation backprop needs ReLU"
            )
        raise InputError(
            f"layer {where or 'at the top'}: {type(module).__name__} is not supported by "
            f"excitation backprop; {remedy}"
        )


def _folded(layers: Iterator[tuple[str, nn.Module]]) -> Iterator[tuple[str, nn.Module]]:
    """Batch norms folded into copies of the layers before them."""
    waiting: tuple[str, nn.Module] | None = None
    for where, layer in layers:
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            before = waiting[1] if waiting else None
            if isinstance(before, nn.Conv2d):
                waiting = (waiting[0], _fused(fuse_conv_bn_eval, before, layer))
            elif isinstance(before, nn.Linear):
                waiting = (waiting[0], _fused(fuse_linear_bn_eval, before, layer))
            else:
                raise InputError(
                    f"layer {where}: {type(layer).__name__} can only be folded into a convolution "
                    "or linear layer right before it"
                )
            continue
        if waiting:
            yield waiting
        waiting = (where, layer)
    if waiting:
        yield waiting


def _fused(fuse, layer: nn.Module, norm: nn.Module) -> nn.Module:
    modes = layer.training, norm.training
    layer.eval(), norm.eval()
    try:
        with torch.no_grad():
            return fuse(layer, norm)
    finally:
        layer.train(modes[0]), norm.train(modes[1])
