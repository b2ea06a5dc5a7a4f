"""Layers of a network by name, what they gave for an image, and its answer with units silenced.

    with explaining(network):  # seewhy.modes
        answer, (maps,) = seen(network, image, ["layer4"])   # maps.output [1, c, h, w]
        without = silenced(network, image, "layer4", kept)   # [draws, classes]

Nothing stays behind: hooks are removed, after an error too.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seewhy.errors import InputError, as_whole
from seewhy.hooking import LayerOutputs, edited, find_layer, unwrapped
from seewhy.running import as_tensor, require_finite, run


class Seen(NamedTuple):
    """What a layer read and gave in one forward pass; copies, so in-place layers cannot change it.

    Attributes:
        given: its input.
        output: its output.
    """

    given: Tensor
    output: Tensor


def named_layer(network: nn.Module, name: str) -> nn.Module:
    """The layer of that name (`seewhy.hooking`).

    Raises:
        InputError: there is none; the line has the nearest names.
    """
    return find_layer(network, name).module


def linear_layer(network: nn.Module, name: str) -> nn.Linear:
    """The linear layer of that name.

    Raises:
        InputError: there is none, or it is of another kind; the line has those there are.
    """
    layer = unwrapped(named_layer(network, name))
    if not isinstance(layer, nn.Linear):
        found = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)]
        remedy = f"give one such as {', '.join(found[-3:])}" if found else "the network has none"
        raise InputError(f"layer {name!r} is {type(layer).__name__}, not a linear layer; {remedy}")
    return layer


def one_image(image: Tensor) -> Tensor:
    """``[1, c, h, w]``, of that or of ``[c, h, w]``.

    Raises:
        InputError: of another shape, not of floating point, or with values that are not finite.
    """
    image = as_tensor(image, "image")
    shape = list(image.shape)
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or len(image) != 1 or not image.is_floating_point():
        raise InputError(
            f"image {shape} of {image.dtype} is not one image [c, h, w] of floating point; "
            "give it as the network reads it"
        )
    if not image.numel():
        raise InputError(f"image {shape} has no pixels; give one that has")
    return require_finite(image, "image")


def class_names(network: nn.Module, given: Sequence[str] | None = None) -> list[str]:
    """Names of a network's classes: those given, or else its attribute ``classes``, if that is a
    list.
    """
    if given is not None:
        return list(given)
    own = getattr(unwrapped(network), "classes", ())
    return [str(name) for name in own] if isinstance(own, (list, tuple)) else []


def class_index(class_: int | str, count: int, classes: Sequence[str] = ()) -> int:
    """Number of a class that is given by its number or, where there are names, by its name.

    Raises:
        InputError: there is no such class; the line has the nearest.
    """
    if classes and len(classes) != count:
        raise InputError(f"{len(classes)} names of classes for {count} outputs; give one each")
    if isinstance(class_, str):
        if class_ in classes:
            return list(classes).index(class_)
        near = difflib.get_close_matches(class_, classes, n=3) or list(classes)[:5]
        remedy = f"give one such as {', '.join(near)}" if near else "give its number, or `classes`"
        raise InputError(f"class {class_!r} is not one of the network's {count}; {remedy}")
    number = as_whole(class_)
    if number is None or not 0 <= number < count:
        wrong = repr(class_) if number is None else number
        raise InputError(f"class {wrong} is not one of 0 … {count - 1}")
    return number


def seen(network: nn.Module, image: Tensor, names: Sequence[str]) -> tuple[Tensor, list[Seen]]:
    """The network's answer for an image, and what some layers read and gave.

    Args:
        network: within `seewhy.modes.explaining`.
        image: ``[1, c, h, w]``.
        names: of layers.

    Returns:
        ``[1, classes]``, and one of each layer.

    Raises:
        InputError: no such layer, one that does not run or runs several times (`seewhy.hooking`),
            or an answer of another form.
    """
    layers = LayerOutputs(network, names, inputs=True)
    with layers.recording() as found:
        answer = run(layers.network, image)
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != 1:
        form = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise InputError(f"the network answers {form} to one image; give one with [n, classes]")
    require_finite(answer, "answer of the network", "look at its weights")
    return answer, [Seen(layers.given[name], found[name]) for name in names]


def require_maps(maps: Tensor, name: str) -> Tensor:
    """The maps as they are.

    Raises:
        InputError: not ``[n, c, h, w]``.
    """
    if maps.ndim != 4:
        raise InputError(
            f"layer {name!r} gives {list(maps.shape)}, not maps [n, c, h, w]; give a block of "
            "convolutions"
        )
    return maps


def silenced(
    network: nn.Module, image: Tensor, name: str, kept: Tensor, *, batch: int = 64
) -> Tensor:
    """The network's answers for one image with some units of a layer set to 0.

    The layers below run once a batch, for the one image: the hook gives the layers above as many
    copies of the layer's maps as there are draws.

    Args:
        network: within `seewhy.modes.explaining`.
        image: ``[1, c, h, w]``.
        name: of a layer that gives maps.
        kept: which of its units stay, bool ``[draws, units]``.
        batch: draws at once.

    Returns:
        ``[draws, classes]``.

    Raises:
        InputError: no such layer, or one that does not give maps of so many units.
    """
    answers = []
    for some in kept.split(batch):

        def silence(output: Tensor, some: Tensor = some) -> Tensor:
            maps = require_maps(output, name)
            if maps.shape[1] != some.shape[1]:
                raise InputError(f"layer {name!r} has {maps.shape[1]} units, not {some.shape[1]}")
            return maps * some.to(maps)[:, :, None, None]  # [draws, units, h, w]

        with edited(network, name, silence):
            answer = run(unwrapped(network), image)
        if not isinstance(answer, Tensor) or len(answer) != len(some):
            raise InputError(
                f"the network gives another number of answers than {len(some)} from layer {name!r} "
                "on; give a layer above which images pass one by one"
            )
        answers.append(answer)
    return torch.cat(answers)
