"""Excitation backprop through the layers of a CNN.

A neuron a_j hands its winning probability on to the neurons a_i below it in proportion to what they
excite it with (Zhang et al., eq. 1; Bargal et al., eqs. 1, 3, 8, 9):

    P(a_i) = sum_j P(a_i | a_j) P(a_j),   P(a_i | a_j) = a_i w+_ij / sum_i a_i w+_ij,

with w+ = max(w, 0) and without biases. Where nothing excites a_j (0 / 0), nothing is handed on.
An average pool is a layer of equal weights; a max pool hands everything to the neuron that it took;
a ReLU changes nothing. All of this is linear in P(a_j), which may therefore be signed: the
contrastive map needs one pass.

References:
    J. Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016.
    S. Bargal et al., Excitation Backprop for RNNs, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary

from seewhy.grounding.chain import Chain, Step, plain_forward

_SAMPLE = 1000


class PositiveWeights:
    """w+ of layers, computed once and again when the weights have changed.

    An optimiser's step, anything done in place under ``torch.no_grad()``, another device, type or
    storage is noticed by what PyTorch keeps of it; numbers written through ``weight.data`` by the
    weights' sum and some of them, which takes about as long as a hundredth of a forward pass.
    """

    def __init__(self) -> None:
        self._known = WeakTensorKeyDictionary()  # weight to (what it was, w+)

    def __call__(self, weight: Tensor) -> Tensor:
        """max(w, 0), of the same shape, detached."""
        now = (weight._version, weight.data_ptr(), weight.dtype, weight.device, _numbers(weight))
        known = self._known.get(weight)
        if known is None or known[0] != now:
            known = (now, weight.detach().clamp(min=0))
            self._known[weight] = known
        return known[1]


def _numbers(weight: Tensor) -> tuple[float, bytes]:
    """The sum of a weight, and `_SAMPLE` of its numbers."""
    flat = weight.detach().reshape(-1)
    some = flat[:: max(1, len(flat) // _SAMPLE)]
    return float(flat.sum()), some.double().cpu().numpy().tobytes()


def share(probability: Tensor, excitation: Tensor) -> Tensor:
    """P(a_j) / sum_i a_i w+_ij, and 0 where nothing excites a_j."""
    return probability / functional.threshold(excitation, 0, torch.inf)


def excite(
    chain: Chain,
    activations: Sequence[Tensor],
    probability: Tensor,
    *,
    positive: PositiveWeights,
) -> Tensor:
    """Walk from the chain's output down to one of its layers.

    Args:
        chain: the CNN.
        activations: what ``chain(x, keep=layer)`` kept: those of the layer and of all above it but
            the last, each ``[b, …]``, at least 0.
        probability: P of the chain's output, ``[b, features]``; may be signed.
        positive: where positive weights are kept.

    Returns:
        P of the layer's activations, ``[b, channels, h, w]``; of each item it sums to what
        `probability` sums to, but for neurons that nothing excites.
    """
    steps = chain.steps[len(chain.steps) - len(activations) :]
    for step, a in zip(reversed(steps), reversed(activations), strict=True):
        probability = excite_step(step, a, probability, positive)
    return probability


def excite_step(step: Step, a: Tensor, probability: Tensor, positive: PositiveWeights) -> Tensor:
    """P of a layer's input `a`, from P of its output."""
    layer = step.layer
    if isinstance(layer, nn.Linear):
        w = positive(layer.weight)
        return a * (share(probability, a @ w.T) @ w)
    if isinstance(layer, nn.Conv2d):
        w = positive(layer.weight)
        if layer.padding_mode != "zeros":  # the mirrored pixels are neurons too
            return a * _pull_back(
                lambda x: nn.Conv2d._conv_forward(layer, x, w, None),
                a,
                lambda z: share(probability, z),
            )
        how = (layer.stride, layer.padding, layer.dilation, layer.groups)
        if isinstance(layer.padding, str):
            return a * _pull_back(
                lambda x: functional.conv2d(x, w, None, *how), a, lambda z: share(probability, z)
            )
        z = functional.conv2d(a, w, None, *how)
        # What a stride leaves over at the edge, z does not say.
        left_over = [
            side - ((out - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
            for side, out, stride, padding, dilation, kernel in zip(
                a.shape[2:], z.shape[2:], layer.stride, layer.padding, layer.dilation,
                layer.kernel_size, strict=True,
            )
        ]  # fmt: skip
        return a * functional.conv_transpose2d(
            share(probability, z), w, None, layer.stride, layer.padding, left_over, layer.groups,
            layer.dilation,
        )  # fmt: skip
    if isinstance(layer, nn.MaxPool2d):
        return _pull_back(lambda x: plain_forward(layer, x), a, lambda _: probability)
    if isinstance(layer, (nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
        return a * _pull_back(lambda x: plain_forward(layer, x), a, lambda z: share(probability, z))
    return probability.reshape(a.shape)  # flatten


def _pull_back(function, a: Tensor, seed) -> Tensor:
    """Transposed derivative of `function` at `a`, applied to ``seed(function(a))``."""
    with torch.enable_grad():
        x = a.detach().requires_grad_()
        y = function(x)
        (result,) = torch.autograd.grad(y, x, seed(y.detach()))
    return result
