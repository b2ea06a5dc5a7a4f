r"""What a unit does to the classes, and to the units of the next block, whatever the image.

    effects = unit_to_class(network.fc)                        # [classes, units]
    units, weights = class_to_units(network.fc, class_, top=5)
    effects = unit_to_unit(network.layer4, 1024, (14, 14))     # [units of 4, units of 3]

Section 3.3 of the paper sets the values of one unit u to 1, those of all others and all biases to
0, and reads the output. Behind the last block come global average pooling and a linear layer, so
the outputs are the u-th column of its weights,

.. math:: y_c = \sum_k w_{ck} \frac{1}{hw} \sum_{ij} [k = u] = w_{cu};

the inverse operation asks which units bring a class c the most: row c in decreasing order.

"The same process again" one block down: a map of ones in unit u of block b, zeros in its others,
goes through block b + 1, which I call f, and its output v is averaged over space,

.. math:: m_{vu} = \frac{1}{hw} \sum_{ij} f_0(\mathbb{1}_u)_{vij}
    \qquad \text{or} \qquad
    m_{vu} = \frac{1}{hw} \sum_{ij} \big( f(\mathbb{1}_u) - f(0) \big)_{vij}.

:math:`f_0` is f with all biases zeroed (``biases="zero"``, the paper's words). Folded into the
convolution before it, a batch norm is :math:`s (Wx + b - \mu) + \beta = sWx + s(b - \mu) + \beta`
with :math:`s = \gamma / \sqrt{\sigma^2 + \epsilon}`: the weights keep its scale, and its bias, the
rest, is zeroed. So b, mu and beta are all 0, and nothing has to be folded. A network of ReLUs
without biases is positively homogeneous: then a map of twos does twice as much. The trained network
is not so; with its biases kept (``biases="kept"``), where the units stand about their thresholds
matters, and a unit may change nothing because f is at 0 without it. Neither is the truth about an
image; `seewhy.dissection.ablation` asks there.

Reference: Examining Interpretable Feature Relationships in Deep Networks for Action recognition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from seewhy.dissection.hooks import (
    Seen,
    class_index,
    named_layer,
    one_image,
    require_maps,
    seen,
)
from seewhy.errors import InputError, require_whole
from seewhy.hooking import find_layer, unwrapped
from seewhy.modes import explaining
from seewhy.running import (
    apart,
    readable_input,
    require_running_statistics,
    run,
    tolerance,
)

ZERO, KEPT = "zero", "kept"
BIASES = (ZERO, KEPT)
_OWN_MEAN = (nn.GroupNorm, nn.LayerNorm, _InstanceNorm)  # subtract what they find in their input


def unit_to_class(linear: nn.Linear) -> Tensor:
    """What each class gets from each unit of the last block that is 1 everywhere (section 3.3).

    Args:
        linear: what reads the spatial means of the last block.

    Returns:
        w ``[classes, units]``: column u is the output if u alone is set to 1, without biases.
    """
    return linear.weight.detach().clone()


def class_to_units(
    linear: nn.Linear,
    class_: int | str,
    *,
    against: int | str | None = None,
    top: int | None = None,
    classes: Sequence[str] = (),
) -> tuple[Tensor, Tensor]:
    """The inverse: the units of the last block in the order of what they do for a class.

    Args:
        linear: what reads the spatial means of the last block.
        class_: its number, or its name.
        against: another class: the order of the difference between the two; None: of the class.
        top: so many units; None: all.
        classes: names.

    Returns:
        The units ``[top]``, from the highest output on, and the outputs w_cu ``[top]``.

    Raises:
        InputError: no such class.
    """
    weight = class_weight(linear, class_, against, classes)
    units = strongest(weight, len(weight) if top is None else top)
    return units, weight[units]


def class_weight(
    linear: nn.Linear,
    class_: int | str,
    against: int | str | None = None,
    classes: Sequence[str] = (),
) -> Tensor:
    """w_c ``[units]``, or the difference w_c - w_against."""
    own = linear.weight.detach()[class_index(class_, linear.out_features, classes)]
    if against is None:
        return own.clone()
    return own - linear.weight.detach()[class_index(against, linear.out_features, classes)]


def strongest(values: Tensor, top: int) -> Tensor:
    """Places of the `top` highest values ``[n]``, the first of equal ones first.

    Raises:
        InputError: top is less than 1.
    """
    if top < 1:
        raise InputError(f"top is {top}; give at least 1")
    return values.sort(descending=True, stable=True).indices[:top]


def unit_to_unit(
    block: nn.Module,
    units: int,
    size: tuple[int, int],
    *,
    biases: str = ZERO,
    batch: int = 64,
) -> Tensor:
    """What each unit of a block gets from each unit of the block before (section 3.3).

    Args:
        block: block b + 1, which takes ``[n, units, h, w]`` and gives maps: convolutions, batch
            norm, ReLU, pools, additions, linear layers, in any order; it is left as it was found.
        units: of block b, the number of channels that `block` reads.
        size: h, w of the maps of block b, as they are in the network: borders count.
        biases: ``zero``: of the block's convolutions, batch norms and linear layers; ``kept``: as
            they are, and f(0) subtracted. Both run batch norm by its running statistics.
        batch: units of block b at once; the memory that is used grows with it alone.

    Returns:
        m ``[units of block b + 1, units of block b]``.

    Raises:
        InputError: another word for `biases`; a block that does not give maps;
            batch norm without running statistics, which would mix the units that pass together.
            Where biases are zeroed also: group, layer or instance norm, whose shift is taken from
            the input itself, so that there is none to zero; a layer of another kind with parameters
            of its own, since which of them is a bias cannot be known; a block that does not answer
            0 to maps of 0 then. All these can be asked with biases kept.
    """
    if biases not in BIASES:
        raise InputError(f"biases {biases!r} is not one of {', '.join(BIASES)}")
    require_whole(1, batch=batch)
    block = unwrapped(block)
    require_running_statistics(block)
    effects = []
    with explaining(block):
        zeroed = zeroed_biases(block) if biases == ZERO else {}
        like = next((p for p in block.parameters() if p.is_floating_point()), torch.empty(0))

        def means(x: Tensor) -> Tensor:
            y = run(lambda x: functional_call(block, zeroed, (x,)), x, what=f"block {kind}")
            return require_maps(y, kind).mean(dim=(2, 3))

        kind = type(block).__name__
        rest = means(like.new_zeros(1, units, *size))  # f(0), [1, units of block b + 1]
        if biases == ZERO and rest.any():
            raise InputError(
                f"block {type(block).__name__} answers up to {rest.abs().max():.3g} to maps of 0 "
                f"with its biases zeroed, so it adds something else; ask with biases={KEPT!r}"
            )
        for some in torch.arange(units, device=like.device).split(batch):
            x = like.new_zeros(len(some), units, *size)
            x[torch.arange(len(some)), some] = 1
            effects.append(means(x) - rest)
    return torch.cat(effects).T.contiguous()


def block_effects(
    network: nn.Module,
    image: Tensor,
    *,
    blocks: tuple[str, str] = ("block3", "block4"),
    biases: str = ZERO,
    batch: int = 64,
) -> Tensor:
    """m between two blocks of a network, once for all images of this one's size.

    Args:
        network: it is left as it was found.
        image: ``[c, h, w]`` or ``[1, c, h, w]``, which tells the size of the maps alone.
        blocks: names; the second reads what the first gives.
        biases: ``zero`` or ``kept``.
        batch: units at once.

    Returns:
        ``[units of the second block, units of the first]``.

    Raises:
        InputError: as `unit_to_unit`, or blocks that do not follow each other.
    """
    with explaining(network):
        image = readable_input(network, one_image(image), "image")
        _, (before, last) = seen(network, image, list(blocks))
        require_follows(network, before, last, blocks)
    return unit_to_unit(
        named_layer(network, blocks[1]),
        before.output.shape[1],
        tuple(before.output.shape[2:]),
        biases=biases,
        batch=batch,
    )


def zeroed_biases(block: nn.Module) -> dict[str, Tensor]:
    """Zeros for all that shifts, by the names of the block's parameters and buffers.

    These are the biases of convolutions and linear layers and, of batch norms, the bias and the
    running mean: all that folding would leave in the bias.

    Raises:
        InputError: a layer whose shift cannot be zeroed; the line names it.
    """
    zeros = {}
    for where, layer in block.named_modules():
        if isinstance(layer, _BatchNorm):
            shifts = ("bias", "running_mean")
        elif isinstance(layer, (_ConvNd, nn.Linear)):
            shifts = ("bias",)
        elif isinstance(layer, _OWN_MEAN):
            raise InputError(
                f"layer {where or 'at the top'}: {type(layer).__name__} subtracts the mean of its "
                f"own input, so it has no bias that can be zeroed; ask with biases={KEPT!r}"
            )
        elif next(layer.parameters(recurse=False), None) is None or isinstance(layer, nn.PReLU):
            shifts = ()
        else:
            raise InputError(
                f"layer {where or 'at the top'}: which parameters of {type(layer).__name__} are "
                f"biases is not known; ask with biases={KEPT!r}"
            )
        for shift in shifts:
            if getattr(layer, shift) is not None:
                zeros[f"{where}.{shift}".lstrip(".")] = torch.zeros_like(getattr(layer, shift))
    return zeros


def require_follows(network: nn.Module, before: Seen, last: Seen, blocks: tuple[str, str]) -> None:
    """Refuse two blocks of which the second reads something else than the maps of the first.

    Args:
        network: whose blocks they are, within `seewhy.modes.explaining`.
        before, last: what they read and gave in it.
        blocks: their names.

    Raises:
        InputError: they do not follow each other, or do not give maps ``[n, units, h, w]``; or the
            second gives something else outside of the network.
    """
    for one, name in zip((before, last), blocks, strict=True):
        require_maps(one.output, name)
    layer = find_layer(network, blocks[1])
    if layer.channels_last or find_layer(network, blocks[0]).channels_last:
        raise InputError(
            f"layers {' and '.join(blocks)}: effects between blocks need maps [n, units, h, w]; "
            "give blocks of convolutions"
        )
    if last.given.shape != before.output.shape or not torch.equal(last.given, before.output):
        raise InputError(
            f"layer {blocks[1]!r} does not read what layer {blocks[0]!r} gives; give two blocks "
            "that follow each other"
        )
    alone = run(layer.module, last.given, what=f"layer {blocks[1]!r} alone")
    off = apart(alone, last.output) if isinstance(alone, Tensor) else torch.inf
    if off > tolerance(last.output.dtype):
        raise InputError(
            f"layer {blocks[1]!r} alone gives something else than in the network (off by {off:.2g} "
            "of the largest), so its effects are not those in the network; give another block"
        )
