"""Any network to dissect: the one trained here, one of torchvision's, or a user's own.

seewhy                 a file that `seewhy.dissection.train` wrote; `name` is null
resnet50, …            torchvision's, with the weights of a file
package.module:build   a function of yours that returns a torch.nn.Module
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from _seewhy_torchvision import install
from seewhy.backbones.class_names import read_class_names
from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.backbones.weights import load_into, read_weights
from seewhy.dissection.network import load_network
from seewhy.errors import InputError

Array = np.ndarray


@dataclass(frozen=True)
class Scaling:
    """How images become a network's input.

    Attributes:
        size: side in pixels that they are resized to (bilinear, with antialiasing); None: as they
            are.
        mean, std: of the channels red, green, blue in 0 … 1.
    """

    size: int | None = None
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    std: Sequence[float] = (1.0, 1.0, 1.0)

    def __call__(self, images: Array) -> Tensor:
        """Images [n, h, w, 3] uint8 as [n, 3, size, size] float32."""
        pixels = torch.tensor(images).permute(0, 3, 1, 2).float() / 255
        if self.size and tuple(pixels.shape[2:]) != (self.size, self.size):
            pixels = functional.interpolate(
                pixels, (self.size, self.size), mode="bilinear", antialias=True
            )
        mean, std = (torch.tensor(v).float()[:, None, None] for v in (self.mean, self.std))
        return (pixels - mean) / std


@dataclass(frozen=True)
class Opened:
    """A network in evaluation mode, how its input is made, and the names of its classes."""

    network: nn.Module
    prepare: Callable[[Array], Tensor]
    classes: list[str] = field(default_factory=list)


def open_network(
    weights: str | Path | None,
    *,
    name: str | None = None,
    scaling: Scaling | None = None,
    classes: str | Path | None = None,
) -> Opened:
    """Open a network.

    Args:
        weights: its file; for `package.module:build` it may be None: the function has loaded them.
        name: see the module; None: a network trained here.
        scaling: of its input; a network trained here takes images in 0 … 1 at their own size.
        classes: file of the names of its classes (`seewhy.backbones.class_names`); None: those that
            the file of weights or the network's attribute `classes` has.

    Raises:
        InputError: no such name, module, function or file, or weights of another network.
    """
    if name is None:
        if weights is None:
            raise InputError("a network trained here needs a file of weights")
        network = load_network(weights)
        return Opened(network.eval(), Scaling(), list(network.classes))
    if ":" in name:
        network = _from_module(name)
    else:
        models = import_torchvision().models
        if name not in models.list_models(module=models):
            raise InputError(
                f"dissection.model.name: {name!r} is no classifier of torchvision's, nor "
                "package.module:function"
            )
        if weights is None:
            raise InputError(f"dissection.model.weights: {name} needs a file of weights")
        network = models.get_model(name, weights=None)
        # A network of yours may have other classes than ImageNet's 1,000: as many as its last bias.
        last, bias = list(network.state_dict().items())[-1]
        count = len(read_weights(weights, names=network.state_dict())[0].get(last, bias))
        if count != len(bias):
            network = models.get_model(name, weights=None, num_classes=count)
    about: dict = {}
    if weights is not None:
        tensors, about = read_weights(weights, names=network.state_dict())
        load_into(network, tensors, weights, name)
    names = [str(c) for c in about.get("classes") or getattr(network, "classes", [])]
    if classes is not None:
        names = read_class_names(classes)
        outputs = _outputs(network)
        if outputs is not None and len(names) != outputs:
            raise InputError(
                f"{classes}: {len(names)} names of classes for {outputs} outputs; give one each"
            )
    return Opened(network.eval(), scaling or Scaling(), names)


def _outputs(network: nn.Module) -> int | None:
    """How many outputs the last linear layer has; None without one."""
    linear = [one for one in network.modules() if isinstance(one, nn.Linear)]
    return linear[-1].out_features if linear else None


class Scaled(nn.Module):
    """A network that takes images in 0 … 1 as they are, and scales them itself.

    Args:
        network: takes scaled images.
        scaling: mean and std of the channels.
    """

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network = network
        for name in ("mean", "std"):
            values = torch.tensor(getattr(scaling, name)).float()[:, None, None]
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """``[n, 3, h, w]`` in 0 … 1 to logits."""
        return self.network((images - self.mean) / self.std)


def pretrained(name: str, weights: str | Path | None, classes: int) -> nn.Module:
    """A classifier of torchvision's for other classes: its last layer is new, the rest has weights.

    Args:
        name: such as resnet50.
        weights: of any number of classes; None: all is random.
        classes: how many.

    Raises:
        InputError: no such classifier, or weights of another one.
    """
    models = import_torchvision().models
    if name not in models.list_models(module=models):
        raise InputError(f"{name!r} is no classifier of torchvision's, such as resnet50")
    network = models.get_model(name, weights=None, num_classes=classes)
    if weights is not None:
        own = network.state_dict()
        *rest, weight, bias = own  # the last two are of the layer of the classes
        tensors = read_weights(weights, names=rest)[0] | {key: own[key] for key in (weight, bias)}
        load_into(network, tensors, weights, name)
    return network


def _from_module(name: str) -> nn.Module:
    module, _, function = name.partition(":")
    install()  # the module may import torchvision
    if os.getcwd() not in sys.path:  # where params.yaml lies, beside the module perhaps
        sys.path.append(os.getcwd())
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"dissection.model.name: {name!r} cannot be imported ({error})") from None
    if not callable(build):
        raise InputError(
            f"dissection.model.name: {name!r} is {type(build).__name__}, no function that returns "
            "a torch.nn.Module"
        )
    network = build()
    if not isinstance(network, nn.Module):
        raise InputError(
            f"dissection.model.name: {name!r} returns {type(network).__name__}, no torch.nn.Module"
        )
    return network
