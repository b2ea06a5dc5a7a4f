"""The output of any layer of any network, by the layer's name, with the network left as it was.

    read = LayerReader(network, ["layer3", "layer4"])
    maps, answer = read(images)
    maps["layer4"]  # [n, units, h, w]

How layers are named: `seewhy.hooking`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.hooking import LayerOutputs, Reached
from seewhy.modes import evaluating
from seewhy.running import NetworkError, readable_input, require_weights, run

RANDOM = "random-"
"""Prefix of the names of networks that `randomised` made."""


class LayerReader:
    """Reads what layers give for batches of images.

    Args:
        network: left as it was, on the device where it is.
        names: of its layers.
        stop: run no further than is needed, but for the first batch, which tells how often each
            layer runs.

    Raises:
        InputError: no such layer, or weights that have no values yet.
    """

    def __init__(self, network: nn.Module, names: Sequence[str], *, stop: bool = False) -> None:
        require_weights(network)
        self._layers = LayerOutputs(network, names, stop=stop, edit=_as_maps)

    def __call__(self, images: Tensor) -> tuple[dict[str, Tensor], object]:
        """Run a batch in evaluation mode, without gradients.

        Args:
            images: ``[n, …]``, as the network takes them; brought to its device and precision.

        Returns:
            The layers' outputs by the names that were asked for, each ``[n, units, h, w]``, those
            of a linear layer maps of one cell; and what the network answers, None where it stopped.

        Raises:
            InputError: images that the network cannot read; a layer that does not run, runs several
                times, gives something else than maps, or none for each image.
        """
        network = self._layers.network
        with (
            evaluating(network), torch.inference_mode(False), torch.no_grad(),
            self._layers.recording() as found,
        ):  # fmt: skip
            images = readable_input(network, images, "input of the network")
            try:
                answer = run(network, images)
            except Reached:
                answer = None
            except NetworkError:
                if not self._layers.reached(found):
                    raise
                answer = None  # what stands above the layers is not needed
        for name, maps in found.items():
            if len(maps) != len(images):
                raise InputError(
                    f"layer {name!r} gives {len(maps)} maps for {len(images)} images; give a layer "
                    "that gives one for each"
                )
        return dict(found), answer


@contextlib.contextmanager
def outputs_of(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Keep the outputs of layers at each forward pass within the block.

    Args:
        network: left as it was afterwards.
        names: of its layers.

    Yields:
        The output of each layer in the last pass, once it has run: [n, units, h, w]; the
        activations of a linear layer, [n, units], become maps of one cell.

    Raises:
        InputError: as `LayerReader`.
    """
    with LayerOutputs(network, names, edit=_as_maps).recording() as found:
        yield found


def _as_maps(output: Tensor, name: str) -> Tensor:
    """``[n, units, h, w]``, of that or of ``[n, units]``."""
    if output.dim() not in (2, 4):
        raise InputError(
            f"layer {name!r} gives {list(output.shape)}; a dissection needs feature maps "
            "[n, units, h, w]"
        )
    return output if output.dim() == 4 else output[..., None, None]


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
