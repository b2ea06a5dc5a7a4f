r"""A sparse autoencoder on the frame features of a trained encoder: today's way to readable units.

.. math::
    z_i = \mathrm{top}_k\big(\mathrm{relu}(W (v_i - b) + c)\big), \qquad \hat v_i = D z_i + b,

trained to :math:`\lVert v_i - \hat v_i \rVert^2` with the columns of D of length 1; top_k keeps the
k largest codes of a frame. It is the rival of the interpretive loss that needs no topics.

Reference: L. Gao et al., *Scaling and Evaluating Sparse Autoencoders*, 2024 (k in place of an L1
penalty).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.device import check_network
from seewhy.training_steps import passes_an_epoch

BATCH, RATE = 512, 2e-3
LEAST_STEPS = 50  # of an epoch


class SparseAutoencoder(nn.Module):
    """The module's equation.

    Args:
        features: v, length of a frame's feature.
        codes: number of codes.
        k: codes kept a frame.
    """

    def __init__(self, features: int, codes: int, k: int) -> None:
        super().__init__()
        self.k = min(k, codes)
        self.decoder = nn.Linear(codes, features)  # D and b
        self.encoder = nn.Linear(features, codes)  # W and c
        with torch.no_grad():
            self.normalise()
            self.encoder.weight.copy_(self.decoder.weight.T)
            self.encoder.bias.zero_()

    def encode(self, v: Tensor) -> Tensor:
        """Features [..., v] to codes [..., codes], at most k of them not zero."""
        z = self.encoder(v - self.decoder.bias).relu()
        best, place = z.topk(self.k, dim=-1)
        return torch.zeros_like(z).scatter(-1, place, best)

    def forward(self, v: Tensor) -> Tensor:
        """Features [..., v] rebuilt."""
        return self.decoder(self.encode(v))

    @torch.no_grad()
    def normalise(self) -> None:
        """Give each column of D the length 1."""
        self.decoder.weight.div_(self.decoder.weight.norm(dim=0).clamp(min=1e-8))


def fit_sparse_autoencoder(
    frames: Tensor, *, codes: int, k: int, epochs: int, seed: int
) -> tuple[SparseAutoencoder, float]:
    """Train on frame features, [frames, v]; the autoencoder and the share of variance it explains.

    The learning rate falls to 0 along a straight line. For the training all features are divided by
    one number, their overall spread; the codes are of features so divided.
    """
    check_network(
        lambda: SparseAutoencoder(frames.shape[1], codes, k),
        frames.device,
        f"params.yaml: neurons.sparse.codes: {codes} codes",
        remedy="lower it",
    )
    mean, scale = frames.mean(dim=0), (frames - frames.mean(dim=0)).square().mean().sqrt()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SparseAutoencoder(frames.shape[1], codes, k)
        with torch.no_grad():
            model.decoder.bias.copy_(mean / scale)
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, foreach=True)
        epochs *= passes_an_epoch(len(frames), BATCH, LEAST_STEPS)
        steps, done = epochs * -(-len(frames) // BATCH), 0
        for _ in range(epochs):
            for rows in torch.randperm(len(frames)).split(BATCH):
                x = frames[rows] / scale
                optimizer.param_groups[0]["lr"] = RATE * (1 - done / steps)
                optimizer.zero_grad(set_to_none=True)
                F.mse_loss(model(x), x).backward()
                optimizer.step()
                model.normalise()
                done += 1
    with torch.no_grad():  # read features as they come
        model.encoder.weight.div_(scale)
        model.decoder.weight.mul_(scale)
        model.decoder.bias.mul_(scale)
        lost = sum((model(x) - x).square().sum() for x in frames.split(8192))
    explained = 1 - lost / (frames - mean).square().sum()
    return model.eval().requires_grad_(False), float(explained)
