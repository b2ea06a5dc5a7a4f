"""What the word network says of clips.

captions = say(captioner, pooled, beam=5)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seewhy.captioning.predictions import write_records
from seewhy.device import choose_device
from seewhy.grounding.checkpoint import load_word_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.networks import MeanPoolCaptioner
from seewhy.text.tokens import BOS, EOS, PAD, UNK

A_BATCH = 128  # clips that are captioned at once


@torch.no_grad()
def say(
    captioner: MeanPoolCaptioner, pooled: Tensor, *, beam: int = 5, max_words: int = 29
) -> list[list[int]]:
    """The caption of each clip with the highest log-probability per word that a beam search finds.

    Args:
        captioner: in evaluation mode.
        pooled: mean fc7 ``[c, D]``.
        beam: captions kept of each clip; 1 says the likeliest word each time.
        max_words: longest caption.

    Returns:
        Indices of words, without marks.
    """
    c, on = len(pooled), pooled.device
    pooled = pooled.repeat_interleave(beam, 0)
    word = torch.full((c * beam, 1), BOS, device=on)
    score = torch.full((c, beam), float("-inf"), device=on)
    score[:, 0] = 0  # the beam begins with one caption, which is empty
    words = torch.full((c, beam, max_words + 1), PAD, device=on)
    ended = torch.zeros(c, beam, dtype=torch.bool, device=on)
    said = torch.zeros(c, beam, device=on)  # words, the end mark among them
    first: tuple[Tensor, Tensor] | None = None
    second: tuple[Tensor, Tensor] | None = None
    for step in range(max_words + 1):
        h, first = captioner.lstm1(captioner.read(word, pooled), first)
        h, second = captioner.lstm2(h, second)
        log_p = captioner.classifier(h[:, -1]).log_softmax(dim=1).unflatten(0, (c, beam))
        log_p[..., [PAD, BOS, UNK]] = float("-inf")
        if step == max_words:
            log_p[..., torch.arange(log_p.shape[2], device=on) != EOS] = float("-inf")
        log_p[ended] = float("-inf")
        log_p[..., EOS][ended] = 0  # what has ended stays, at its score
        score, best = (score[..., None] + log_p).flatten(1).topk(beam, dim=1)
        source, index = best // log_p.shape[2], best % log_p.shape[2]
        words, ended, said = (
            part.gather(1, source.view(c, beam, *[1] * (part.ndim - 2)).expand_as(part))
            for part in (words, ended, said)
        )
        rows = (torch.arange(c, device=on)[:, None] * beam + source).flatten()
        first, second = (tuple(part[rows] for part in state) for state in (first, second))
        said += ~ended
        words[..., step] = torch.where(ended, PAD, index)
        ended |= index == EOS
        word = index.view(-1, 1)
        if ended.all():
            break
    winner = (score / said).argmax(dim=1)
    return [
        words[clip, k, : int(said[clip, k]) - 1].tolist() for clip, k in enumerate(winner.tolist())
    ]


def caption_by_words(
    model: str | Path,
    frames: str | Path,
    output: str | Path,
    *,
    steps: int,
    beam: int = 5,
    max_words: int = 29,
    device: str = "auto",
) -> None:
    """Caption every clip of a file of frames.

    Args:
        model: from `train_word_network`.
        frames: of the split.
        output: JSON lines, an object a clip: `clip`, `caption`.
        steps: frames of a clip (of clips that have fewer: those).
        beam: see `say`.
        max_words: see `say`.
        device: ``cpu``, ``cuda`` or ``auto``.
    """
    on = choose_device(device)
    captioner, vocabulary = load_word_network(model)
    captioner.to(on)
    file = ClipFile(frames)
    steps = min(steps, int(file.lengths.max()))
    rows = np.arange(len(file.clips))
    pooled = torch.cat([h.mean(dim=1) for h in encode_clips(captioner, file, rows, steps)])
    with write_records(output) as write:
        said = (
            words
            for part in pooled.split(A_BATCH)
            for words in say(captioner, part.to(on), beam=beam, max_words=max_words)
        )
        for clip, words in zip(file.clips, said, strict=True):
            write({"clip": clip, "caption": vocabulary.decode(words)})
