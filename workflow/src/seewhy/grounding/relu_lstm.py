"""An LSTM that excitation backprop can pass: ReLU in place of tanh, its states at least 0.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)    gates
    g = relu(W_g x_t + U_g h_{t-1} + b_g)       candidate
    c_t = f * c_{t-1} + i * g
    h_t = o * relu(c_t)

It is written out, and trained so: with tanh, activations are negative, and excitation backprop's
assumptions A1 and A2 (Bargal et al., section 3) do not hold. Since nothing bounds c_t, weights
begin small (orthogonal, times 0.3) and sequences in training should be longer than the clips.

The weights are laid out as those of ``nn.LSTM``: rows of i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.errors import InputError

RECURRENT_SCALE = 0.3  # of the orthogonal initial recurrent weights


@dataclass(frozen=True)
class Trace:
    """What happened in an LSTM: its input x ``[b, T, D]``, and the rest ``[b, T, H]``."""

    x: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor
    h: Tensor


class ReluLSTM(nn.Module):
    """One layer.

    Args:
        inputs: D, numbers a step.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        nn.init.xavier_uniform_(self.weight_ih)
        with torch.no_grad():
            for block in self.weight_hh.chunk(4):
                nn.init.orthogonal_(block, gain=RECURRENT_SCALE)
            self.bias[hidden : 2 * hidden] = 1.0  # remember, until taught to forget

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``[b, T, D]`` to h ``[b, T, H]`` and the last h and c, each ``[b, H]``."""
        steps, state = self._run(x, state)
        return torch.stack([step[-1] for step in steps], dim=1), state

    def trace(self, x: Tensor) -> Trace:
        """All that happens, from an empty state on."""
        steps, _ = self._run(x, None)
        i, f, g, o, c, h = (torch.stack(parts, dim=1) for parts in zip(*steps, strict=True))
        return Trace(x, i, f, g, o, c, h)

    def _run(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[list[tuple[Tensor, ...]], tuple[Tensor, Tensor]]:
        empty = x.new_zeros(len(x), self.hidden)
        h, c = state or (empty, empty)
        from_input = functional.linear(x, self.weight_ih, self.bias)  # [b, T, 4 H]
        steps = []
        for t in range(x.shape[1]):
            gates = from_input[:, t] + functional.linear(h, self.weight_hh)
            i, f, g, o = gates.chunk(4, dim=1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.relu(), o.sigmoid()
            c = f * c + i * g
            h = o * c.relu()
            steps.append((i, f, g, o, c, h))
        return steps, (h, c)


class TemporalDifference(nn.Module):
    """How the numbers have risen and fallen since some steps ago, beside the numbers themselves.

    x'_t = [x_t, relu(x_t - x_{t-k}), relu(x_{t-k} - x_t) for each lag k], where x_0 stands for what
    was before it. Nothing is learnt, everything is at least 0 if x is: a fixed layer of weights
    1 and -1 with a ReLU, which excitation backprop passes as any other. An LSTM on few videos
    learns motion from it that it does not find in x alone.

    Args:
        lags: k, in steps; none: x as it is.
    """

    def __init__(self, lags: Sequence[int] = ()) -> None:
        super().__init__()
        if any(lag < 1 for lag in lags):
            raise InputError(f"lags {list(lags)} are not all at least 1")
        self.lags = tuple(lags)
        self.times = 1 + 2 * len(self.lags)

    def forward(self, x: Tensor) -> Tensor:
        """``[b, T, D]`` to ``[b, T, times * D]``."""
        parts = [x]
        for lag in self.lags:
            change = x - x[:, self.before(x.shape[1], lag)]
            parts += [change.relu(), (-change).relu()]
        return torch.cat(parts, dim=2)

    @staticmethod
    def before(length: int, lag: int) -> Tensor:
        """The step that each step is compared with, ``[T]``."""
        return (torch.arange(length) - lag).clamp(min=0)
