"""How often the networks name the action."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.grounding.clips import ClipFile, labelled
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.networks import ActionNetwork


def right_answers(
    cnn: ActionNetwork,
    lrcn: ActionNetwork,
    corpus: str | Path,
    path: str | Path,
    *,
    steps: int,
    precision: str = "float32",
    most: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether they are right on clips that show one action.

    Args:
        cnn: the CNN, of the same convolutions as the LRCN.
        lrcn: the LRCN.
        corpus: folder in canonical form.
        path: frames of a split.
        steps: frames of a clip that are read.
        precision: see `seewhy.device.choose_precision`.
        most: so many clips at most, drawn with `seed`; None: all.
        seed: of that, and of the shuffled frames.

    Returns:
        A row a clip: `clip`, and 1 for right, 0 for wrong: ``frame`` (the CNN, share of the single
        frames), ``cnn`` (its mean over the frames), ``lrcn``, ``lrcn shuffled`` (the frames in
        random order), ``lrcn x4`` (the clip four times over).
    """
    file = ClipFile(path)
    rows, actions, _ = labelled(corpus, file, lrcn.classes)
    alone = actions.sum(axis=1) == 1
    rows, truth = rows[alone], torch.from_numpy(actions[alone].argmax(axis=1))
    rng = np.random.default_rng(seed)
    if most is not None and len(rows) > most:
        drawn = np.sort(rng.choice(len(rows), size=most, replace=False))
        rows, truth = rows[drawn], truth[torch.from_numpy(drawn)]
    on = next(lrcn.parameters()).device
    cnn.eval(), lrcn.eval()
    parts: list[dict[str, Tensor]] = []
    place = 0
    for h in encode_clips(lrcn, file, rows, steps, precision=precision):
        y = truth[place : place + len(h)]
        place += len(h)
        order = np.stack([rng.permutation(steps) for _ in h])
        h = h.to(on)
        shuffled = h[torch.arange(len(h))[:, None], torch.from_numpy(order)]
        with torch.no_grad():
            by_frame = cnn.classify(h).softmax(dim=2)
            said = {
                "cnn": by_frame.mean(dim=1),
                "lrcn": lrcn.probabilities(h),
                "lrcn shuffled": lrcn.probabilities(shuffled),
                "lrcn x4": lrcn.probabilities(h.repeat(1, 4, 1)),
            }
        right = {"frame": (by_frame.argmax(dim=2).cpu() == y[:, None]).float().mean(dim=1)}
        right |= {name: (p.argmax(dim=1).cpu() == y).float() for name, p in said.items()}
        parts.append(right)
    columns = {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
    return pd.DataFrame({"clip": [file.clips[row] for row in rows], **columns})
