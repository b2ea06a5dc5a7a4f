"""What the word network says of clips, and how good that is.

captions = say(captioner, pooled, vocabulary, beam=5)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.captioning.predictions import read_predictions, write_records
from seewhy.captioning.tables import references_of
from seewhy.device import choose_device
from seewhy.files import whole_file
from seewhy.grounding.checkpoint import load_word_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.networks import MeanPoolCaptioner
from seewhy.scores.bootstrap import bootstrap_interval
from seewhy.scores.captions import CaptionScorer, ClipScores
from seewhy.scores.meteor import Meteor
from seewhy.scores.reference_rows import best_constant_caption, human_against_others
from seewhy.text.tokens import BOS, EOS, PAD, UNK

A_BATCH = 128  # clips that are captioned at once
SCORES = ("BLEU-4", "METEOR", "CIDEr")
# Bargal et al., section 6: the captioners whose words they ground, and those of [15].
PUBLISHED = {
    ("mean pooling, VGG-16 (Bargal et al. 2018)", "MSR-VTT"): 0.265,
    ("caption-guided saliency (Ramanishka et al. 2017)", "MSR-VTT"): 0.259,
    ("without pooling, VGG-16 (Bargal et al. 2018)", "Flickr30k"): 0.180,
    ("caption-guided saliency, images (Ramanishka et al. 2017)", "Flickr30k"): 0.183,
}


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


def tabulate_word_captions(
    corpus: str | Path,
    captions: str | Path,
    table: str | Path,
    *,
    name: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Score the captions of test clips, beside the floor, the ceiling and the paper's METEOR.

    Args:
        corpus: in canonical form.
        captions: from `caption_by_words`, of the test clips.
        table: CSV, a row a system.
        name: of the corpus.
        resamples: of the bootstrap over clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap, and of the humans that are drawn.
    """
    references = references_of(corpus, "test")
    said = {c: text for c, text in read_predictions(captions).items() if c in references}
    references = {clip: references[clip] for clip in said}
    with Meteor() as meteor:
        scorer = CaptionScorer(references, meteor=meteor)
        constant = best_constant_caption(
            references_of(corpus, "train"), references_of(corpus, "val")
        )
        systems: dict[tuple[str, str], Sequence[ClipScores]] = {
            ("mean pooling", "model"): [scorer.score(said)],
            (f"constant: {constant}", "floor"): [scorer.score(dict.fromkeys(said, constant))],
        }
        if any(len(texts) > 1 for texts in references.values()):
            systems["one human against the others", "ceiling"] = human_against_others(
                references, seed=seed, meteor=meteor
            ).draws
    rows = []
    for (label, kind), own in systems.items():
        row = {"row": label, "kind": kind, "corpus": name, "clips": len(own[0].clips)}
        intervals = bootstrap_interval(own, resamples=resamples, level=confidence, seed=seed)
        for score in SCORES:
            one = intervals[score]
            row |= {score: one.value, f"{score} low": one.low, f"{score} high": one.high}
        rows.append(row)
    rows += _published()
    with whole_file(table) as temporary:
        frame = pd.DataFrame(rows)
        frame["clips"] = frame["clips"].astype("Int64")
        frame.to_csv(temporary, index=False, float_format="%.4f")


def _published() -> list[Mapping[str, object]]:
    kind = "published (Bargal et al. 2018, section 6)"
    return [
        {"row": label, "kind": kind, "corpus": corpus, "METEOR": value}
        for (label, corpus), value in PUBLISHED.items()
    ]
