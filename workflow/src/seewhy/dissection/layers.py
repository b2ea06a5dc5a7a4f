"""The output of any layer of any network, by the layer's name, with the network left as it was.

with outputs_of(network, ["layer3", "layer4"]) as found:
    network(images)
found["layer4"]  # [n, units, h, w]
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from seewhy.dissection.hooks import named_layer
from seewhy.errors import InputError

RANDOM = "random-"
"""Prefix of the names of networks that `randomised` made."""


class Reached(Exception):
    """All layers that were asked for have run."""


@contextlib.contextmanager
def outputs_of(
    network: nn.Module, names: Sequence[str], *, stop: bool = False
) -> Iterator[dict[str, Tensor]]:
    """Keep the outputs of layers at each forward pass within the block.

    Args:
        network: left as it was afterwards.
        names: of its layers.
        stop: end the pass with `Reached` once all of them have run: nothing above is needed.

    Yields:
        The last output of each layer, once it has run: [n, units, h, w]; the activations of a
        linear layer, [n, units], become maps of one cell.

    Raises:
        InputError: an unknown name; an output of another form.
    """
    found: dict[str, Tensor] = {}
    reached: set[str] = set()

    def keep(name: str):
        def hook(module: nn.Module, given: object, output: object) -> None:
            if not isinstance(output, Tensor) or output.dim() not in (2, 4):
                form = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise InputError(
                    f"layer {name!r} gives {form}; a dissection needs feature maps [n, units, h, w]"
                )
            # A copy: a layer in place after this one would change it.
            maps = output.detach().clone()
            found[name] = maps if maps.dim() == 4 else maps[..., None, None]
            reached.add(name)
            if stop and reached == set(names):
                reached.clear()
                raise Reached

        return hook

    handles = [named_layer(network, name).register_forward_hook(keep(name)) for name in names]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def randomised(network: nn.Module, images: Tensor, *, seed: int = 0) -> nn.Module:
    """A copy with random weights of calibrated norms: what the architecture alone can do.

    Convolutions and linear layers get normal weights, with the norm that each layer's trained
    weights have; biases are 0. Batch norm scales by 1 and shifts by 0, and its means and variances
    are those of `images`, layer by layer, so that no layer dies or runs away. Other norms scale by
    1 and shift by 0.

    Args:
        network: left as it is.
        images: [n, …], as the network takes them.
        seed: of the weights.

    Raises:
        InputError: a layer of another kind has weights: what it has learnt would stay.
    """
    copied = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    norms = []
    with torch.no_grad():
        for module in copied.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.reset_running_stats()
                module.momentum = None  # a plain mean over what passes
                if module.affine:
                    module.weight.fill_(1)
                    module.bias.zero_()
                norms.append(module)
            elif isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
                weight = torch.randn(module.weight.shape, generator=generator)
                weight *= module.weight.norm().cpu() / weight.norm()
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, (nn.GroupNorm, nn.LayerNorm)):
                for name, value in module.named_parameters():
                    value.fill_(name == "weight")
            elif list(module.parameters(recurse=False)):
                raise InputError(f"{type(module).__name__}: how to randomise it is not known")
        copied.eval()
        for module in norms:
            module.train()
        if norms:
            copied(images)
    return copied.eval()
