r"""Grad-CAM and recurrent Grad-CAM: feature maps weighted by gradients that may cross time.

    maps = recurrent_grad_cam(network, frames, "wave")  # Grad-CAM, if the network has no LSTM

With :math:`A_t^k` the k-th feature map of a convolution at input time t, Z its number of pixels,
and :math:`y_{t'}^c` the score (before the softmax) of class c at output time t', each map gets as
its weight the mean of the gradient, which flows back through the LSTM from t' to t,

.. math::
    \beta_{ktt'}^c = \frac{1}{Z} \sum_i \sum_j \frac{\partial y_{t'}^c}{\partial A_{tij}^k}, \tag{1}

and the heat map is their sum where it is positive,

.. math::
    L_t^c = \mathrm{ReLU} \Big( \sum_k \beta_{ktt'}^c A_t^k \Big). \tag{2}

The paper takes t' = T, the final time, and says that it is one variation of many; others here are
every other t' (`output_time`) and signed maps (`relu`). Causality: no frame after t' has a weight.
Without an LSTM t' = t, which is Grad-CAM of each frame by itself.

Neither needs a ReLU LSTM nor activations of at least 0, as excitation backprop does.

References:
    N. Yamashita et al., Visually Explaining Videos using Recurrent Neural Networks with
    Gradient-Based Localization.
    R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from seewhy.errors import InputError
from seewhy.grounding.chain import Chain
from seewhy.grounding.maps import asked_layer, targets
from seewhy.grounding.networks import ActionNetwork
from seewhy.modes import frozen

LAST, ALL_PAIRS = "last", "all pairs"


def recurrent_grad_cam(
    network: ActionNetwork,
    frames: Tensor,
    action: str | int | Sequence[str | int] | Tensor,
    *,
    layer: str | None = None,
    output_time: str | int = LAST,
    relu: bool = True,
    batch: int = 64,
) -> Tensor:
    """Where the network saw what raised the score of an action, at each input time (eqs. 1 and 2).

    Only the layers above the map's layer are differentiated, and these run forward once.

    Args:
        network: an LRCN, or a CNN for plain Grad-CAM; it is left as it was found.
        frames: ``[clips, T, 3, h, w]``, as ``network.preprocess`` gives them.
        action: one for all clips, or one a clip: names or numbers of classes.
        layer: of the CNN, whose feature maps A are weighted (`seewhy.grounding.chain`); None: the
            last convolution.
        output_time: t' of the score: ``last``, a step from 0 to T - 1, or ``all pairs``, every t'
            beside every t. A network without an LSTM knows only ``last``: each frame's own score.
        relu: of eq. 2; False keeps what speaks against the action, negative.
        batch: frames that pass the CNN at once. Clips are worked through one group after another,
            of no more frames than this or of one clip, so memory does not grow with their number.

    Returns:
        L ``[clips, T, h', w']``, of the layer's size; for ``all pairs`` ``[clips, T', T, h', w']``.

    Raises:
        InputError: an unknown name or number, or a CNN with layers of another kind.
    """
    target = targets(network, frames, action)
    length = frames.shape[1]
    times = output_times(network, length, output_time)
    reach = times[-1] + 1 if network.lstm else length  # later frames have no weight
    group = max(1, batch // max(1, reach))
    maps = []
    with frozen(network), torch.enable_grad():
        chain = Chain(network.cnn)
        place = asked_layer(chain, layer)
        for own, classes in zip(frames[:, :reach].split(group), target.split(group), strict=True):
            maps.append(_of_group(network, chain, place, own, classes, times, batch))
    found = torch.cat(maps)  # [clips, t', t, h', w']
    found = functional.pad(found, (0, 0, 0, 0, 0, length - reach))
    found = found.relu() if relu else found
    return found if output_time == ALL_PAIRS else found[:, 0]


def _of_group(
    network: ActionNetwork,
    chain: Chain,
    place: int,
    frames: Tensor,
    target: Tensor,
    times: list[int],
    batch: int,
) -> Tensor:
    """The maps of some clips before the ReLU, ``[clips, t', t, h', w']``."""
    parts = []  # of each lot of frames: A, and what the layers above make of it, fc7
    for lot in frames.flatten(0, 1).split(batch):
        with torch.no_grad():
            a = chain.part(lot, stop=place + 1)
        a = a.detach().requires_grad_()
        parts.append((a, chain.part(a, start=place + 1)))
    features = torch.cat([fc7.detach() for _, fc7 in parts]).unflatten(0, frames.shape[:2])
    at_fc7 = gradients_at_features(network, features, target, times)
    maps = []
    for slope in at_fc7.flatten(1, 2):  # [b, D], of one t'
        weighted = []
        for (a, fc7), own in zip(parts, slope.split(batch), strict=True):
            (gradient,) = torch.autograd.grad(fc7, a, own, retain_graph=True)
            beta = _pictures(gradient).mean(dim=(2, 3))  # [b, k], eq. 1
            weighted.append(torch.einsum("bk,bkij->bij", beta, _pictures(a.detach())))  # eq. 2
        maps.append(torch.cat(weighted).unflatten(0, frames.shape[:2]))
    return torch.stack(maps, dim=1)


def _pictures(x: Tensor) -> Tensor:
    """``[b, k, h, w]``; a linear layer's units are pictures of one pixel."""
    return x[:, :, None, None] if x.ndim == 2 else x


def gradients_at_features(
    network: ActionNetwork, features: Tensor, target: Tensor, times: Sequence[int]
) -> Tensor:
    """How the scores at some output times hang on fc7 at every input time.

    Args:
        network: of frozen weights; without an LSTM, each score hangs on its own frame alone, and
            one gradient says all.
        features: fc7 ``[clips, t, D]``.
        target: classes c ``[clips]``.
        times: the output times t'.

    Returns:
        dy_t'^c / dfc7_t, ``[t', clips, t, D]``; without an LSTM dy_t^c / dfc7_t, ``[1, …]``.
    """
    with torch.enable_grad():
        x = features.detach().requires_grad_()
        scores = network.classify(x)[torch.arange(len(x), device=x.device), :, target]  # [clips, t]
        if network.lstm is None:
            return torch.autograd.grad(scores.sum(), x)[0][None]
        asked = scores[:, list(times)].sum(dim=0)  # clips do not meet, so their sum parts them
        one_hot = torch.eye(len(asked), dtype=x.dtype, device=x.device)
        return torch.autograd.grad(asked, x, one_hot, is_grads_batched=True)[0]


def output_times(network: ActionNetwork, length: int, output_time: str | int) -> list[int]:
    """The output times t' that are asked for, in order.

    Raises:
        InputError: another word, a step that the clips do not have, or one of a network without an
            LSTM.
    """
    if network.lstm is None and output_time != LAST:
        raise InputError(
            f"output time {output_time!r}: the network has no LSTM, so each frame has a score of "
            f"its own; give {LAST!r}"
        )
    if output_time == ALL_PAIRS:
        return list(range(length))
    if output_time == LAST:
        return [length - 1]
    if isinstance(output_time, str) or not 0 <= output_time < length:
        raise InputError(
            f"output time {output_time!r} is not one of 0 … {length - 1}, {LAST!r}, {ALL_PAIRS!r}"
        )
    return [int(output_time)]
