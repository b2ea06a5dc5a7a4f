"""BLEU-1 … 4, METEOR 1.5, ROUGE-L and CIDEr as pycocoevalcap has them, for any resample of clips.

What a corpus score needs of each clip is kept (`ClipScores`), so that thousands of resamples cost a
few matrix products and each is exact:

- BLEU (Papineni et al. 2002): matched and spoken n-grams, length, closest reference length, summed.
- METEOR: the program's 23 statistics, summed (`seewhy.scores.meteor`).
- ROUGE-L (Lin 2004), beta 1.2: with the longest common subsequence of each reference, P the largest
  share of the caption's and R of a reference's words, (1 + beta^2) P R / (R + beta^2 P); averaged.
- CIDEr (Vedantam et al. 2015), the clipped, length-punished variant (CIDEr-D): cosine of tf-idf
  n-gram vectors, averaged over references, n = 1 … 4 and clips, times 10. Document frequencies are
  counted over the whole set of references, also where only some of its clips are resampled.
  (Of a single clip CIDEr is 0: each of its n-grams is in every document.)

Texts are tokenised by `seewhy.text.tokens`; the Penn Treebank tokeniser that the COCO server runs
first changes nothing in text without punctuation. Scores are fractions (CIDEr up to 10); papers
print them times 100.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.meteor import Meteor, meteor_score
from seewhy.text.tokens import tokenise

log = logging.getLogger(__name__)

N = 4  # longest n-gram
SCORES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr")
ROUGE_BETA = 1.2
CIDER_SIGMA = 6.0
Ngram = tuple[str, ...]


@dataclass(frozen=True)
class ClipScores:
    """What the corpus scores need of each clip.

    Attributes:
        clips: identifiers.
        bleu: int64 `[clips, 10]`: matched n-grams, n = 1 … 4; n-grams said, n = 1 … 4; words said;
            words of the reference closest in length.
        meteor: float64 `[clips, 23]`, or None where METEOR was not asked for.
        rouge_l: float64 `[clips]`.
        cider: float64 `[clips]`.
    """

    clips: tuple[str, ...]
    bleu: np.ndarray
    meteor: np.ndarray | None
    rouge_l: np.ndarray
    cider: np.ndarray

    def corpus(self) -> dict[str, float]:
        """Scores of all clips together, by the names in `SCORES`."""
        once = np.ones((1, len(self.clips)))
        return {name: float(values[0]) for name, values in self.weighted(once).items()}

    def weighted(self, times: np.ndarray) -> dict[str, np.ndarray]:
        """Scores where clip i is there ``times[…, i]`` times.

        Args:
            times: `[resamples, clips]`, with a positive sum in each row.

        Returns:
            Each score `[resamples]`.
        """
        times = np.asarray(times, float)
        n = times.sum(1)
        result = dict(zip(SCORES[:N], bleu_score(times @ self.bleu).T, strict=True))
        if self.meteor is not None:
            result["METEOR"] = meteor_score(times @ self.meteor)
        result["ROUGE-L"] = times @ self.rouge_l / n
        result["CIDEr"] = times @ self.cider / n
        return result

    def table(self) -> pd.DataFrame:
        """Scores of each clip by itself: columns `clip` and `SCORES`.

        BLEU of one sentence has no smoothing: BLEU-4 is near 0 without a matching four-gram.
        """
        table = {"clip": list(self.clips)}
        table |= dict(zip(SCORES[:N], bleu_score(self.bleu).T, strict=True))
        if self.meteor is not None:
            table["METEOR"] = meteor_score(self.meteor)
        return pd.DataFrame(table | {"ROUGE-L": self.rouge_l, "CIDEr": self.cider})


def bleu_score(statistics: np.ndarray) -> np.ndarray:
    """BLEU-1 … 4 of summed statistics, with pycocoevalcap's guards against 0 / 0.

    Args:
        statistics: `[…, 10]`, see `ClipScores.bleu`.

    Returns:
        `[…, 4]`: the geometric means of the n-gram precisions up to n, times the brevity penalty
        exp(1 - reference length / length) of captions that are too short.
    """
    s = np.asarray(statistics, float)
    precision = (s[..., :N] + 1e-15) / (s[..., N : 2 * N] + 1e-9)
    geometric_mean = np.cumprod(precision, -1) ** (1 / np.arange(1, N + 1))
    ratio = (s[..., 8] + 1e-15) / (s[..., 9] + 1e-9)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return geometric_mean * brevity[..., None]


class CaptionScorer:
    """Scores many systems against the same references, which are counted only once.

    Example::

        with Meteor() as meteor:
            scorer = CaptionScorer(references, meteor=meteor)
            for system, predictions in systems.items():
                print(system, scorer.score(predictions).corpus())
    """

    def __init__(
        self,
        references: Mapping[str, Sequence[str]],
        *,
        meteor: Meteor | None = None,
        document_frequency_of: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Count the n-grams of `references`.

        Args:
            references: reference captions of each clip.
            meteor: the running program; None leaves METEOR out.
            document_frequency_of: references from which CIDEr's document frequencies are counted,
                where that is not `references` itself (a part of a test set, say).

        Raises:
            InputError: no clips, or a clip without a reference that has a word in it.
        """
        if not references:
            raise InputError("references: there are none; give captions of each clip")
        self._meteor = meteor
        self._texts = _tokenised(references)
        self._ngrams = {c: [_ngrams(t) for t in texts] for c, texts in self._texts.items()}
        if document_frequency_of is None:
            corpus = self._ngrams
        else:
            corpus = {
                clip: [_ngrams(text) for text in texts]
                for clip, texts in _tokenised(document_frequency_of).items()
            }
        frequency = Counter(g for texts in corpus.values() for g in set().union(*texts))
        self._log_clips = np.log(len(corpus))
        self._idf = {g: self._log_clips - np.log(count) for g, count in frequency.items()}
        self._largest: dict[str, dict[Ngram, int]] = {}
        self._vectors: dict[str, list[_Vector]] = {}
        for clip, texts in self._ngrams.items():
            largest: dict[Ngram, int] = {}
            for counts in texts:
                for ngram, count in counts.items():
                    if count > largest.get(ngram, 0):
                        largest[ngram] = count
            self._largest[clip] = largest
            self._vectors[clip] = [self._vector(counts) for counts in texts]

    def score(self, predictions: Mapping[str, str]) -> ClipScores:
        """Score one caption a clip.

        Args:
            predictions: the caption of each clip of `references`; it may be empty (it scores 0).

        Raises:
            InputError: no predictions, a clip without a prediction or without references, or METEOR
                fails.
        """
        _check_clips(predictions, self._texts)
        clips = tuple(predictions)
        captions = [tokenise(predictions[clip]) for clip in clips]
        references = [self._texts[clip] for clip in clips]
        meteor = None
        if self._meteor is not None:
            meteor = self._meteor.statistics(
                [" ".join(caption) for caption in captions],
                [[" ".join(text) for text in texts] for texts in references],
            )
        return ClipScores(
            clips=clips,
            bleu=self.bleu(predictions),
            meteor=meteor,
            rouge_l=np.array([rouge_l(c, r) for c, r in zip(captions, references, strict=True)]),
            cider=np.array([self._cider(*pair) for pair in zip(clips, captions, strict=True)]),
        )

    def bleu(self, predictions: Mapping[str, str]) -> np.ndarray:
        """The statistics of BLEU alone: int64 `[clips, 10]`, see `ClipScores.bleu`."""
        rows = [self._bleu(clip, tokenise(text)) for clip, text in predictions.items()]
        return np.array(rows, np.int64).reshape(len(rows), 2 * N + 2)

    def _bleu(self, clip: str, caption: list[str]) -> list[int]:
        largest, matched = self._largest[clip], [0] * N
        for ngram, count in _ngrams(caption).items():
            matched[len(ngram) - 1] += min(count, largest.get(ngram, 0))
        said = [max(0, len(caption) - n) for n in range(N)]
        closest = min((abs(len(t) - len(caption)), len(t)) for t in self._texts[clip])[1]
        return [*matched, *said, len(caption), closest]

    def _vector(self, counts: Mapping[Ngram, int]) -> _Vector:
        vector: list[dict[Ngram, float]] = [{} for _ in range(N)]
        squares, bigrams = [0.0] * N, 0
        for ngram, count in counts.items():
            n = len(ngram) - 1
            weight = count * self._idf.get(ngram, self._log_clips)
            vector[n][ngram] = weight
            squares[n] += weight * weight
            bigrams += count if n == 1 else 0
        return _Vector(vector, np.sqrt(squares), bigrams)

    def _cider(self, clip: str, caption: list[str]) -> float:
        hypothesis = self._vector(_ngrams(caption))
        total = 0.0
        for reference in self._vectors[clip]:
            products = np.zeros(N)
            for n in range(N):
                of_reference = reference.weights[n]
                products[n] = sum(
                    min(weight, of_reference[ngram]) * of_reference[ngram]
                    for ngram, weight in hypothesis.weights[n].items()
                    if ngram in of_reference
                )
            norms = hypothesis.norms * reference.norms
            cosine = np.divide(products, norms, out=np.zeros(N), where=norms != 0)
            difference = hypothesis.bigrams - reference.bigrams
            total += cosine.mean() * np.exp(-(difference**2) / (2 * CIDER_SIGMA**2))
        return 10.0 * total / len(self._vectors[clip])


def score_captions(
    predictions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    meteor: Meteor | bool = True,
    document_frequency_of: Mapping[str, Sequence[str]] | None = None,
) -> ClipScores:
    """Score one system; see `CaptionScorer` for several.

    Args:
        predictions: one caption a clip.
        references: reference captions of each clip.
        meteor: a running `Meteor`; True to start one for this call, False to leave METEOR out.
        document_frequency_of: see `CaptionScorer`.

    Raises:
        InputError: see `CaptionScorer` and `CaptionScorer.score`.

    Example::

        references = {"vid1": ["a man is running", "someone runs"], "vid2": ["a dog barks"]}
        score_captions({"vid1": "a man runs", "vid2": "a dog"}, references).corpus()
    """
    _check_clips(predictions, references)  # before Java is started
    if meteor is True:
        with Meteor() as started:
            return score_captions(
                predictions, references, meteor=started, document_frequency_of=document_frequency_of
            )
    scorer = CaptionScorer(
        references, meteor=meteor or None, document_frequency_of=document_frequency_of
    )
    return scorer.score(predictions)


def rouge_l(caption: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """ROUGE-L of one tokenised caption against its references, see the module's head."""
    if not caption:
        return 0.0
    # Longest common subsequences, one word of a reference at a time, the whole table's row in the
    # bits of one integer (Hyyrö 2004).
    where: dict[str, int] = {}
    for position, token in enumerate(caption):
        where[token] = where.get(token, 0) | 1 << position
    full = (1 << len(caption)) - 1
    p = r = 0.0
    for reference in references:
        row = full
        for token in reference:
            matches = row & where.get(token, 0)
            row = (row + matches) | (row - matches)
        common = len(caption) - (row & full).bit_count()
        p, r = max(p, common / len(caption)), max(r, common / len(reference))
    if not p:
        return 0.0
    return (1 + ROUGE_BETA**2) * p * r / (r + ROUGE_BETA**2 * p)


@dataclass(frozen=True)
class _Vector:
    weights: list[dict[Ngram, float]]  # tf-idf, by n
    norms: np.ndarray  # [N]
    bigrams: int


def _ngrams(tokens: Sequence[str]) -> Counter[Ngram]:
    return Counter(
        tuple(tokens[start : start + n])
        for n in range(1, N + 1)
        for start in range(len(tokens) - n + 1)
    )


def _tokenised(references: Mapping[str, Sequence[str]]) -> dict[str, list[list[str]]]:
    result, empty = {}, 0
    for clip, texts in references.items():
        tokens = [tokenise(text) for text in texts]
        result[clip] = [text for text in tokens if text]
        empty += len(tokens) - len(result[clip])
        if not result[clip]:
            raise InputError(f"clip {clip}: has no reference caption with a word in it")
    if empty:
        log.warning("%d reference captions have no word in them and are left out", empty)
    return result


def _check_clips(predictions: Mapping[str, str], references: Mapping[str, object]) -> None:
    if not predictions:
        raise InputError("predictions: there are none; give one caption a clip")
    for clip in predictions:
        if clip not in references:
            raise InputError(f"clip {clip}: has a predicted caption but no reference")
    for clip in references:
        if clip not in predictions:
            raise InputError(
                f"clip {clip}: has references but no predicted caption; predict it or leave it out"
            )
