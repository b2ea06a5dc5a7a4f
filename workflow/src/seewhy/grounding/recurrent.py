"""Excitation backprop through time: from the hidden states of a ReLU LSTM to its inputs.

Eqs. 1 to 4 say how a neuron hands its probability to the neurons that excite it through weights;
they do not say what happens where neurons are multiplied, at the gates. Three readings:

``released``
    What the authors' code does. Within a step the signal flows as the ordinary derivative does,
    into the four gates (sigmoid(1 - sigmoid)) and into c_{t-1}. The gates hand theirs to x_t by
    eq. 1 through W+; nothing returns to h_{t-1}, so time flows through the cell alone.
``paper``
    The same, but the gates hand their signal to x_t and h_{t-1} together, with one Z_j over both,
    as eq. 1 is written.
``gates-const``
    The gates i, f, o are weights, not neurons. What reaches h_t goes to c_t, is shared between
    f c_{t-1} and i g in proportion, and the candidate g hands its part to x_t and h_{t-1}
    together. Nothing is lost on the way.

All signals are at least 0, since the states of a ReLU LSTM are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seewhy.errors import InputError
from seewhy.grounding.excitation import PositiveWeights, share
from seewhy.grounding.relu_lstm import ReluLSTM, TemporalDifference, Trace

RULES = ("released", "paper", "gates-const")
_LARGE = 1e6  # of signals; beyond it a clip's are divided


def excite_lstm(
    lstm: ReluLSTM, trace: Trace, prior: Tensor, *, rule: str, positive: PositiveWeights
) -> Tensor:
    """P of the inputs at every step.

    Args:
        lstm: the layer.
        trace: of its run.
        prior: P of the hidden states ``[…, b, T, H]``, 0 at steps where nothing is asked; leading
            dimensions are priors of the same run (a class and its dual).
        rule: one of `RULES`.
        positive: where positive weights are kept.

    Returns:
        ``[…, b, T, D]``, not normalised. By the rule ``paper`` signals can grow without bound in
        long sequences; those of a clip are then divided by a common factor.

    Raises:
        InputError: an unknown rule.
    """
    if rule not in RULES:
        raise InputError(f"rule {rule!r} is not one of {', '.join(RULES)}")
    w, u = positive(lstm.weight_ih), positive(lstm.weight_hh)
    x, i, f, g, o, c, h = (getattr(trace, name) for name in ("x", "i", "f", "g", "o", "c", "h"))
    gates_only = rule == "gates-const"
    if gates_only:  # only the candidate is a neuron
        candidate = slice(2 * lstm.hidden, 3 * lstm.hidden)
        w, u = w[candidate], u[candidate]
    before = torch.zeros_like(c[:, 0])
    excitation = x @ w.T  # [b, T, 4 H], sum_i a_i w+_ij
    if rule != "released":
        earlier = torch.cat([before[:, None], h[:, :-1]], dim=1)
        excitation = excitation + earlier @ u.T
    into_h, into_c = torch.zeros_like(prior[..., 0, :]), torch.zeros_like(prior[..., 0, :])
    signals, scales = [], []
    scale = torch.zeros_like(prior[..., 0, :1])  # logarithm of what signals were divided by
    for t in reversed(range(x.shape[1])):
        p = prior[..., t, :] * (-scale).exp() + into_h
        c_before = c[:, t - 1] if t else before
        if gates_only:
            at_c = share(p * (c[:, t] > 0) + into_c, c[:, t])
            into_c = at_c * f[:, t] * c_before
            signal = at_c * i[:, t] * g[:, t]
        else:
            at_c = p * o[:, t] * (c[:, t] > 0) + into_c
            into_c = at_c * f[:, t]
            signal = torch.cat(
                [
                    at_c * g[:, t] * i[:, t] * (1 - i[:, t]),
                    at_c * c_before * f[:, t] * (1 - f[:, t]),
                    at_c * i[:, t] * (g[:, t] > 0),
                    p * c[:, t].relu() * o[:, t] * (1 - o[:, t]),
                ],
                dim=-1,
            )
        signal = share(signal, excitation[:, t].expand_as(signal))
        signals.append(signal)
        scales.append(scale)
        if rule != "released" and t:
            into_h = h[:, t - 1] * (signal @ u)
        if rule == "paper":
            largest = torch.maximum(into_h, into_c).amax(dim=-1, keepdim=True)
            factor = torch.where(largest > _LARGE, largest, torch.ones_like(largest))
            into_h, into_c, scale = into_h / factor, into_c / factor, scale + factor.log()
    together = torch.stack(scales[::-1], dim=-2)  # […, b, T, 1]
    together = (together - together.amax(dim=-2, keepdim=True)).exp()
    return x * ((torch.stack(signals[::-1], dim=-2) * together) @ w)


def excite_difference(difference: TemporalDifference, p: Tensor) -> Tensor:
    """P of x from P of x', ``[…, b, T, times * D]`` to ``[…, b, T, D]``.

    A rise is excited by the number now, a fall by the number before: their weights are positive.
    """
    own, *changes = p.chunk(difference.times, dim=-1)
    result = own.clone()
    for lag, rise, fall in zip(difference.lags, changes[::2], changes[1::2], strict=True):
        result += rise
        before = difference.before(p.shape[-2], lag).to(p.device)
        result.index_add_(-2, before, fall)
    return result
