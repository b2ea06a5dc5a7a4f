"""Captions from a trained captioner: beam search over many clips at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seewhy.captioning.checkpoint import load_for
from seewhy.captioning.encoding import encode
from seewhy.captioning.model import Captioner, mean_feature
from seewhy.captioning.predictions import write_records
from seewhy.device import choose_device
from seewhy.progress import progress
from seewhy.text.tokens import BOS, EOS, PAD, UNK, Vocabulary


@dataclass(frozen=True)
class Caption:
    """One generated caption: word indices without marks, their log-probability, the attention."""

    words: list[int]
    log_probability: float  # natural logarithm, the end mark included
    attention: np.ndarray  # alpha of eq. 4 for each word, [words, n]


@torch.no_grad()
def beam_search(
    captioner: Captioner,
    V: Tensor,
    lengths: Tensor,
    *,
    beam: int = 5,
    max_words: int = 30,
    length_power: float = 1.0,
) -> list[Caption]:
    """The best caption of each clip that a beam search finds.

    A finished caption stays in its beam, at its score, and competes with the unfinished ones. Of
    the final beam the caption with the highest log-probability divided by
    ``(words + 1) ** length_power`` wins. Unknown words are never said.

    Args:
        captioner: in evaluation mode.
        V: encoder features, [c, n, v], possibly edited by the caller.
        lengths: real frames of each clip, [c].
        beam: captions kept for each clip.
        max_words: longest caption, in words.
        length_power: 0 prefers by probability alone, 1 by probability per word.

    Returns:
        One `Caption` a clip.
    """
    decoder = captioner.decoder
    c, n = V.shape[:2]
    clip = decoder.context(V, lengths)
    state = decoder.initial_state(mean_feature(V, lengths), beam)
    h, cell = (part.contiguous() for part in state)
    word = torch.full((c, beam), BOS, device=V.device)
    score = torch.full((c, beam), float("-inf"), device=V.device)
    score[:, 0] = 0.0  # all beams start alike: only one of them counts at the first step
    words = torch.full((c, beam, max_words + 1), PAD, device=V.device)
    attention = torch.zeros(c, beam, max_words + 1, n, device=V.device)
    ended = torch.zeros(c, beam, dtype=torch.bool, device=V.device)
    said = torch.zeros(c, beam, device=V.device)  # words said, the end mark included
    for step in range(max_words + 1):
        y = decoder.embed(word)
        (h, cell), alpha = decoder.step(decoder.W_y(y), (h, cell), clip)
        logits = decoder.logits(h, alpha @ clip.V, y)  # [c, k, vocabulary]
        log_p = logits.float().log_softmax(dim=-1)
        log_p[..., [PAD, BOS, UNK]] = float("-inf")
        if step == max_words:  # only the end may follow the last word
            log_p[..., torch.arange(log_p.shape[-1], device=V.device) != EOS] = float("-inf")
        log_p = log_p.masked_fill(ended.unsqueeze(-1), float("-inf"))
        log_p[..., EOS] = log_p[..., EOS].masked_fill(ended, 0.0)  # an ended caption costs no more
        score, best = (score.unsqueeze(-1) + log_p).flatten(1).topk(beam, dim=-1)  # [c, k]
        source, word = best // log_p.shape[-1], best % log_p.shape[-1]

        def follow(history: Tensor, source: Tensor = source) -> Tensor:
            index = source.view(*source.shape, *[1] * (history.dim() - 2))
            return history.gather(1, index.expand(-1, -1, *history.shape[2:]))

        h, cell, words, attention = follow(h), follow(cell), follow(words), follow(attention)
        ended, said, alpha = follow(ended), follow(said), follow(alpha)
        said += ~ended
        words[:, :, step] = torch.where(ended, PAD, word)
        attention[:, :, step] = alpha
        ended |= word == EOS
        if ended.all():
            break
    winner = (score / said**length_power).argmax(dim=1)  # [c]
    captions = []
    for number, k in enumerate(winner.tolist()):
        length = int(said[number, k]) - 1
        captions.append(
            Caption(
                words=words[number, k, :length].tolist(),
                log_probability=float(score[number, k]),
                attention=attention[number, k, :length].cpu().numpy(),
            )
        )
    return captions


def caption_clips(
    captioner_path: str | Path,
    features_path: str | Path,
    output: str | Path,
    *,
    beam: int = 5,
    max_words: int = 29,
    length_power: float = 1.0,
    device: str = "auto",
) -> None:
    """Caption every clip of a feature file.

    Args:
        captioner_path: from `train_captioner`.
        features_path: CNN features of the clips, of the backbone that the captioner was trained on.
        output: JSON lines, one object a clip: `clip`, `caption`, `log_probability`, and
            `attention`, a list of n weights for each word.
        beam: see `beam_search`, as `max_words` and `length_power`.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: an unreadable file, or features of another backbone.
    """
    where = choose_device(device)
    captioner, vocabulary, (features,) = load_for(captioner_path, features_path)
    captioner.to(where)
    with write_records(output) as write:
        bar = progress(what="captions", total=len(features.clips))
        for rows, V, lengths in encode(captioner, features):
            captions = beam_search(
                captioner, V, lengths, beam=beam, max_words=max_words, length_power=length_power
            )
            for row, caption in zip(rows, captions, strict=True):
                line = as_record(features.clips[row], caption, vocabulary, features.lengths[row])
                write(line)
            bar.update(len(rows))
        bar.close()


def as_record(clip: str, caption: Caption, vocabulary: Vocabulary, length: int) -> dict[str, Any]:
    """One line of a predictions file; attention on padding frames (always zero) is left out."""
    return {
        "clip": clip,
        "caption": vocabulary.decode(caption.words),
        "log_probability": round(caption.log_probability, 4),
        "attention": [[round(float(a), 4) for a in row[:length]] for row in caption.attention],
    }
