"""A training step of the captioner against a literal loop over the words.

The loop does what eqs. 3 to 6 say, a word at a time: at every step it computes the attention keys,
the LSTM's input from [y, phi], and the projection to the vocabulary. It is timed twice: with each
caption encoding its clip for itself, as a plain implementation has it (`plain`), and with the
captions of a clip sharing its encoding, as ours do, so that the ratio is the decoder's doing alone
(`shared`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.bench.timing import compare
from seewhy.captioning.model import Captioner, CaptionerShape, mean_feature
from seewhy.captioning.train import SHAPE


class LiteralDecoder(nn.Module):
    """Eqs. 3 to 6 word by word, with the weights of a `Captioner`."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        d = captioner.decoder
        h = d.hidden
        self.d = d
        self.cell = nn.LSTMCell(d.embed.embedding_dim + captioner.shape.neurons, h)
        with torch.no_grad():
            self.cell.weight_ih.copy_(torch.cat([d.W_y.weight, d.W_phi.weight], dim=1))
            self.cell.weight_hh.copy_(d.W_h_U_a.weight[: 4 * h])
            self.cell.bias_ih.copy_(d.W_y.bias)
            self.cell.bias_hh.zero_()
        self.U_a = nn.Parameter(d.W_h_U_a.weight[4 * h :].detach().clone())

    def forward(self, V: Tensor, mean: Tensor, words: Tensor, targets: Tensor) -> Tensor:
        """Summed -log p of b captions: V [b, n, v], mean [b, v], words and targets [b, t]."""
        d = self.d
        h, c = d.init_h(mean), d.init_c(mean)
        loss = V.new_zeros(())
        for t in range(words.shape[1]):
            y = d.embed(words[:, t])
            e = torch.tanh(F.linear(h, self.U_a).unsqueeze(1) + d.T_a(V)) @ d.w_a.weight[0]
            alpha = e.softmax(dim=-1)
            phi = (alpha.unsqueeze(-1) * V).sum(dim=1)
            h, c = self.cell(torch.cat([y, phi], dim=-1), (h, c))
            logits = d.W_p(torch.cat([h, phi, y], dim=-1))
            loss = loss + F.cross_entropy(logits, targets[:, t], ignore_index=-1, reduction="sum")
        return loss


def bench_training(
    settings: Mapping[str, Any], *, vocabulary: int = 300, words: int = 18, frames: int = 28
) -> dict[str, Any]:
    """Time forward, backward and update of one batch, ours and the loop's.

    Args:
        settings: section captioner of params.yaml: shapes and batch.
        vocabulary: words that the decoder knows.
        words: words of the longest caption, the end mark included; the lengths are even from 4 to
            13 but for that one, much as those of a batch of puppets are.
        frames: frames of each clip.

    Raises:
        AssertionError: their losses differ, so that the times would mean nothing.
    """
    clips, k = settings["clips_per_batch"], settings["captions_per_clip"]
    shape = CaptionerShape(
        vocabulary=vocabulary, topics=60, **{name: settings[name] for name in SHAPE}
    )
    torch.manual_seed(0)
    captioner = Captioner(shape, dropout=0.0)
    literal = LiteralDecoder(captioner)
    cnn, lengths = torch.rand(clips, frames, shape.cnn), torch.full((clips,), frames)
    said = torch.randint(4, shape.vocabulary, (clips, k, words))
    ends = torch.randint(4, 14, (clips, k, 1))
    ends[0, 0] = words
    asked = torch.where(torch.arange(words) < ends, said, -1)
    repeated = cnn.repeat_interleave(k, dim=0)
    repeated_lengths = lengths.repeat_interleave(k)
    ours_of = torch.optim.Adadelta(captioner.parameters(), foreach=True)
    floor_of = torch.optim.Adadelta(
        [*captioner.encoder.parameters(), *literal.parameters()], foreach=True
    )

    def ours(update: bool = True) -> Tensor:
        ours_of.zero_grad()
        loss, _ = captioner.losses(cnn, lengths, said, asked, None)
        if update:
            loss.backward()
            ours_of.step()
        return loss.detach()

    def floor(*, shared: bool, update: bool = True) -> Tensor:
        floor_of.zero_grad()
        x, length = (cnn, lengths) if shared else (repeated, repeated_lengths)
        V = captioner.encoder(x, length)
        mean = mean_feature(V, length)
        if shared:
            V, mean = V.repeat_interleave(k, dim=0), mean.repeat_interleave(k, dim=0)
        loss = literal(V, mean, said.flatten(0, 1), asked.flatten(0, 1)) / (clips * k)
        if update:
            loss.backward()
            floor_of.step()
        return loss.detach()

    for shared in (True, False):
        expected = floor(shared=shared, update=False)
        torch.testing.assert_close(ours(update=False), expected, rtol=1e-4, atol=1e-4)
    return {
        "what": "training step of the captioner against a literal loop over words",
        "clips": clips,
        "captions_per_clip": k,
        "threads": torch.get_num_threads(),
        "plain": compare(ours, partial(floor, shared=False)),
        "shared": compare(ours, partial(floor, shared=True)),
    }
