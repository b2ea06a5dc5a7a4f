"""The floor and the ceiling of a table of caption scores.

Floor: the same sentence said of each clip, the best that the train and validation captions offer.
Ceiling: one reference caption scored against the others. Neither looks at the captions of the split
that is reported, the floor when it chooses, the ceiling when it draws."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.errors import InputError
from seewhy.scores.captions import SCORES, CaptionScorer, ClipScores, bleu_score
from seewhy.scores.meteor import Meteor
from seewhy.text.tokens import tokenise

log = logging.getLogger(__name__)


def best_constant_caption(
    train: Mapping[str, Sequence[str]],
    validation: Mapping[str, Sequence[str]],
    *,
    candidates: int = 200,
) -> str:
    """The sentence with the highest BLEU-4 on the validation clips, when it is said of each.

    Args:
        train: captions of the train clips; the candidates are the most frequent of them.
        validation: references of the validation clips, by which one is chosen.
        candidates: sentences tried.

    Returns:
        The sentence, tokenised and joined by spaces.

    Raises:
        InputError: no captions in `train` or `validation`.
    """
    counts = Counter(" ".join(tokenise(text)) for texts in train.values() for text in texts)
    counts.pop("", None)
    if not counts:
        raise InputError("best constant caption: the train split has no captions")
    frequent = sorted(counts, key=lambda text: (-counts[text], text))[:candidates]
    scorer = CaptionScorer(validation)
    totals = np.array([scorer.bleu(dict.fromkeys(validation, text)).sum(0) for text in frequent])
    return frequent[int(bleu_score(totals)[:, 3].argmax())]


@dataclass(frozen=True)
class ReferenceScores:
    """One reference against the others.

    Attributes:
        draws: scores of each draw, all of the same clips.
        left_out: clips with fewer than two captions.
    """

    draws: tuple[ClipScores, ...]
    left_out: int

    def corpus(self) -> dict[str, float]:
        """Corpus scores, averaged over the draws."""
        each = [draw.corpus() for draw in self.draws]
        return {n: float(np.mean([d[n] for d in each])) for n in SCORES if n in each[0]}


def reference_against_others(
    references: Mapping[str, Sequence[str]],
    *,
    draws: int = 5,
    seed: int = 0,
    meteor: Meteor | None = None,
) -> ReferenceScores:
    """Score one caption of each clip, drawn at random, against the clip's others.

    The others are one fewer than the references that a system meets: the ceiling is a little low.
    CIDEr's document frequencies are those of all the references, as for a system.

    Args:
        references: captions of each clip; clips with one are left out.
        draws: how often to draw.
        seed: of the draws.
        meteor: the running program; None leaves METEOR out.

    Raises:
        InputError: no clip has two captions.
    """
    enough = {clip: list(texts) for clip, texts in references.items() if len(_worded(texts)) > 1}
    left_out = len(references) - len(enough)
    if not enough:
        raise InputError("reference against others: no clip has two captions")
    if left_out:
        log.warning("%d clips have fewer than two captions and are left out", left_out)
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(draws):
        spoken, others = {}, {}
        for clip, texts in enough.items():
            texts = _worded(texts)
            chosen = int(rng.integers(len(texts)))
            spoken[clip] = texts[chosen]
            others[clip] = texts[:chosen] + texts[chosen + 1 :]
        scorer = CaptionScorer(others, meteor=meteor, document_frequency_of=enough)
        scores.append(scorer.score(spoken))
    return ReferenceScores(tuple(scores), left_out)


def _worded(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if tokenise(text)]
