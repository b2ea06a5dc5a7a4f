r"""The decoder's recurrence over known words, with its gradient written out.

Forward, for t = 1 … T (notation and shapes as in `seewhy.captioning.model`):

.. math::
    E_t &= \tanh(U_a h_{t-1} + K), \quad \alpha_t = \mathrm{softmax}(E_t w_a), \\
    G_t &= X_t + W_h h_{t-1} + \alpha_t P, \quad (i, f, g, o) = G_t, \\
    c_t &= \sigma(f) c_{t-1} + \sigma(i) \tanh(g), \quad h_t = \sigma(o) \tanh(c_t),

where X is the words' share of the gates, K the attention keys and P the frames' share. Automatic
differentiation would add up the gradients of the weights, the keys and P once a step; here the
steps' terms are kept and each of these gradients is one matrix product at the end.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class AttentiveRecurrence(torch.autograd.Function):
    """All steps of the decoder at once; ``apply`` takes and returns what :meth:`forward` says."""

    @staticmethod
    def forward(
        ctx: Any,
        X: Tensor,
        h: Tensor,
        c: Tensor,
        W: Tensor,
        w_a: Tensor,
        K: Tensor,
        P: Tensor,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Run the recurrence.

        Args:
            ctx: autograd's.
            X: [t, c, k, 4h].
            h: the first hidden state, [c, k, h].
            c: the first memory state, [c, k, h].
            W: W_h above U_a, [4h + a, h].
            w_a: [a].
            K: [c, n, a].
            P: [c, n, 4h].
            mask: true where a frame is real, [c, 1, n]; None where all are.

        Returns:
            Hidden states [t, c, k, h] and attention weights [t, c, k, n].
        """
        size = h.shape[-1]
        steps = range(X.shape[0])
        H, alphas, memories = [h], [], [c]
        energies, gates = [], []
        for t in steps:
            from_hidden, query = (h @ W.T).split([4 * size, len(w_a)], dim=-1)
            E = (query.unsqueeze(2) + K.unsqueeze(1)).tanh_()  # [c, k, n, a]
            e = E @ w_a  # [c, k, n]
            if mask is not None:
                e.masked_fill_(~mask, float("-inf"))
            alpha = e.softmax(dim=-1)
            G = torch.matmul(alpha, P).add_(from_hidden).add_(X[t])  # [c, k, 4h]
            i, f, g, o = G.split(size, dim=-1)
            i.sigmoid_(), f.sigmoid_(), g.tanh_(), o.sigmoid_()
            c = torch.addcmul(f * c, i, g)
            h = o * c.tanh()
            for history, value in zip(
                (H, alphas, memories, energies, gates), (h, alpha, c, E, G), strict=True
            ):
                history.append(value)
        A = torch.stack(alphas)
        H_all = torch.stack(H)
        ctx.save_for_backward(H_all, A, W, w_a, P, *memories, *energies, *gates)
        return H_all[1:].clone(), A.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dH: Tensor, dA: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients in the order of the arguments."""
        H, A, W, w_a, P, *kept = ctx.saved_tensors
        T, size, units = len(A), H.shape[-1], len(w_a)
        memories, energies, gates = kept[: T + 1], kept[T + 1 : 2 * T + 1], kept[2 * T + 1 :]
        P_T = P.transpose(1, 2)
        Z = H.new_empty(T, *H.shape[1:-1], 4 * size + units)  # gradients of W h_{t-1}
        dh, dc = torch.zeros_like(H[0]), torch.zeros_like(H[0])
        dK, dw_a = torch.zeros_like(energies[0][:, 0]), torch.zeros_like(w_a)
        for t in reversed(range(T)):
            i, f, g, o = gates[t].split(size, dim=-1)
            dG, dq = Z[t].split([4 * size, units], dim=-1)
            di, df, dg, do = dG.split(size, dim=-1)
            dh = dh + dH[t]
            c = memories[t + 1].tanh()
            dc = dc + dh * o * (1 - c * c)
            torch.mul(dh * c, o * (1 - o), out=do)
            torch.mul(dc * g, i * (1 - i), out=di)
            torch.mul(dc * memories[t], f * (1 - f), out=df)
            torch.mul(dc * i, 1 - g * g, out=dg)
            dc = dc * f
            alpha, E = A[t], energies[t]
            dalpha = torch.matmul(dG, P_T) + dA[t]  # [c, k, n]
            de = alpha * (dalpha - (alpha * dalpha).sum(dim=-1, keepdim=True))
            dw_a += de.reshape(-1) @ E.reshape(-1, units)
            dE = torch.addcmul(w_a.expand_as(E), E * w_a, E, value=-1).mul_(de.unsqueeze(-1))
            torch.sum(dE, dim=2, out=dq)
            dK += dE.sum(dim=1)
            dh = Z[t] @ W
        dX = Z[..., : 4 * size]
        dW = Z.flatten(0, -2).T @ H[:-1].flatten(0, -2)
        by_clip = A.permute(1, 3, 0, 2).flatten(2)  # [c, n, t k]
        dP = torch.bmm(by_clip, dX.transpose(0, 1).flatten(1, 2))  # [c, n, 4h]
        return dX, dh, dc, dW, dw_a, dK, dP, None
