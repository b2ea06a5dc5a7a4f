"""f of eq. 8, fitted after a captioner is trained, to read neurons that were not trained for it.

The two-layer perceptron of the paper, from mean features to topics, trained on the train clips with
the square distance of eq. 8 while the features stay as they are, until the loss on validation clips
no longer falls. Fitted alike on every model, it makes their neurons comparable.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from seewhy.captioning.model import interpretive_loss, topic_perceptron
from seewhy.training_steps import passes_an_epoch

LEAST_STEPS = 20  # of an epoch
EPOCHS, PATIENCE, BATCH, RATE, WEIGHT_DECAY = 300, 15, 64, 2e-3, 1e-4


def fit_interpreter(
    means: Tensor,
    s: Tensor,
    val_means: Tensor,
    val_s: Tensor,
    *,
    hidden: int,
    seed: int,
) -> nn.Sequential:
    """Fit f by AdamW, with early stopping on validation clips.

    Args:
        means: mean features of the train clips, [c, v].
        s: their topic vectors, [c, t].
        val_means: of validation clips, as `val_s`.
        val_s: their topic vectors.
        hidden: units of the hidden layer.
        seed: of weights and order.

    Returns:
        ``Linear(v, hidden), ReLU, Linear(hidden, t)`` with the lowest validation loss.
    """
    s, val_s = s.float(), val_s.float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        f = topic_perceptron(means.shape[1], hidden, s.shape[1])
        optimizer = torch.optim.AdamW(
            f.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY, foreach=True
        )
        best, best_loss, waited = copy.deepcopy(f), float("inf"), 0
        passes = passes_an_epoch(len(means), BATCH, LEAST_STEPS)
        for _ in range(EPOCHS):
            for _ in range(passes):
                for rows in torch.randperm(len(means)).split(BATCH):
                    optimizer.zero_grad(set_to_none=True)
                    interpretive_loss(f, means[rows], s[rows]).backward()
                    optimizer.step()
            with torch.no_grad():
                loss = interpretive_loss(f, val_means, val_s).item()
            if loss < best_loss:
                best, best_loss, waited = copy.deepcopy(f), loss, 0
            else:
                waited += 1
            if waited >= PATIENCE:
                break
    return best.requires_grad_(False)
