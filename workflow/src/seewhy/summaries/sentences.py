r"""How near the generated sentences come to the image's captions: sentence BLEU (Table 3).

For a sentence with matched n-grams m_n (clipped by the caption that has most of each) of s_n said,
c words long, against captions of which the closest in length has r words (the shorter of two),

.. math::
    \mathrm{BLEU\text{-}N} = \min(1, e^{1 - r/c}) \Big(\prod_{n=1}^{N} m_n / s_n\Big)^{1/N}

and 0 where no word matches. BLEU-1 and BLEU-2 are as they stand. BLEU-4 is smoothed, since a
sentence seldom shares four words in a row with a caption, by a method named after NLTK's
``SmoothingFunction`` (Chen and Cherry, WMT 2014): ``method1`` counts 0.1 for an n without a match,
``method2`` adds 1 to m_n and s_n for n above 1 (Lin and Och 2004). The paper does not say which
BLEU it means. Most of the score is the template's own words: random attributes are the row to beat.

Explanations of rightly classified images are more accurate, says the paper. But classes that are
easy to tell are right more often, and their captions agree more on what to see: their sentences
would score higher also if no explanation knew whether its class is right. So the same difference
is taken within classes too: each wrong image against the right ones of its own (given) class.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, bootstrap_interval
from seewhy.scores.columns import interval_columns, verdict
from seewhy.text.tokens import tokenise

Array = np.ndarray
N = 4  # longest n-gram
MEASURES = ("BLEU-1", "BLEU-2", "BLEU-4")
SMOOTHING = ("method1", "method2")
EPSILON = 0.1  # of method1, NLTK's default
UNTRIED = "untried: it takes right and wrong images"
PUBLISHED = {"right": 0.415, "wrong": 0.381, "overall": 0.409}


def bleu_of_counts(counts: Array, *, smoothing: str = "method1") -> Array:
    """Sentence BLEU-1 and BLEU-2, and smoothed BLEU-4.

    Args:
        counts: [m, 10], see `seewhy.scores.captions.ClipScores.bleu`: matched n-grams, n = 1 … 4;
            n-grams said; words said; words of the caption closest in length.
        smoothing: of BLEU-4, one of `SMOOTHING`.

    Returns:
        [m, 3]; 0 for a sentence of which no word matches.

    Raises:
        InputError: another smoothing.
    """
    if smoothing not in SMOOTHING:
        raise InputError(f"BLEU: smoothing is {smoothing!r}; choose one of {', '.join(SMOOTHING)}")
    counts = np.asarray(counts, float)
    matched, said = counts[:, :N], counts[:, N : 2 * N].clip(min=1)  # as NLTK: no n-gram counts 1
    words, closest = counts[:, 8], counts[:, 9]
    if smoothing == "method1":
        smooth = np.where(matched > 0, matched, EPSILON) / said
    else:
        smooth = np.column_stack(
            [matched[:, 0] / said[:, 0], (matched[:, 1:] + 1) / (said[:, 1:] + 1)]
        )
    plain = matched / said
    brevity = np.exp(np.minimum(0, 1 - closest / words.clip(min=1)))
    scores = [plain[:, 0], plain[:, :2].prod(axis=1) ** (1 / 2), smooth.prod(axis=1) ** (1 / N)]
    return np.column_stack(scores) * (brevity * (matched[:, 0] > 0))[:, None]


def sentence_bleu(
    sentences: Sequence[str], captions: Sequence[Sequence[str]], *, smoothing: str = "method1"
) -> Array:
    """Sentence BLEU of each image's sentence against all of its captions.

    Args:
        sentences: [m], tokenised here (`seewhy.text.tokens`).
        captions: of each image, [m].
        smoothing: see `bleu_of_counts`.

    Returns:
        [m, 3], `MEASURES`.

    Raises:
        InputError: other numbers of sentences than of images, or an image without a caption.
    """
    _check_lengths(sentences, captions)
    counts = [
        _counts(_ngrams(tokenise(text)), references)
        for text, references in zip(sentences, map(_references, captions), strict=True)
    ]
    return bleu_of_counts(np.array(counts), smoothing=smoothing)


def held_out_bleu(
    sentences: Sequence[str] | None,
    captions: Sequence[Sequence[str]],
    *,
    smoothing: str = "method1",
) -> Array:
    """BLEU against all captions but one, the mean over which one it is.

    More captions match more, so what a reference caption scores against the others (the oracle)
    compares only with what a sentence scores against the same ones.

    Args:
        sentences: [m]; None: the caption that is held out, the oracle.
        captions: of each image, at least two, [m].
        smoothing: see `bleu_of_counts`.

    Returns:
        [m, 3], `MEASURES`.

    Raises:
        InputError: as `sentence_bleu`, or an image with a single caption.
    """
    _check_lengths(captions if sentences is None else sentences, captions)
    scores = np.empty((len(captions), len(MEASURES)))
    for image, texts in enumerate(captions):
        references = _references(texts)
        if len(references) < 2:
            raise InputError(
                f"captions: image {image} has {len(references)} with a word in it; holding one "
                "out needs two or more"
            )
        said = None if sentences is None else _ngrams(tokenise(sentences[image]))
        counts = [
            _counts(references[held] if said is None else said,
                    references[:held] + references[held + 1 :])
            for held in range(len(references))
        ]  # fmt: skip
        scores[image] = bleu_of_counts(np.array(counts), smoothing=smoothing).mean(axis=0)
    return scores


def baseline_sentences(
    sentences: Sequence[str],
    say: Callable[[int, list[int]], str],
    predicted: Array,
    *,
    profile: Array,
    frequency: Array,
    top: int = 5,
    seed: int = 0,
) -> dict[str, list[str]]:
    """Sentences that know less of the image.

    Args:
        sentences: the method's, [m].
        say: the template that wrote them: class and attributes (by index) to a sentence.
        predicted: the class of each sentence, [m].
        profile: share of each class's train captions with each attribute, [o, l].
        frequency: share of the train images with each attribute, [l].
        top: attributes of a sentence.
        seed: of the draws.

    Returns:
        "random attributes": any, drawn evenly; "random by frequency": drawn as often as they occur;
        "another image's": the sentence of a random other image; "class profile": the attributes
        most frequent in the said class's train captions.

    Raises:
        InputError: fewer than two sentences, or fewer attributes (that occur) than `top`.
    """
    rng, m = np.random.default_rng(seed), len(sentences)
    frequency = np.asarray(frequency, float)
    if m < 2:
        raise InputError(f"sentences: there are {m}; another image's needs at least two")
    if (frequency > 0).sum() < top:
        raise InputError(
            f"sentences: {int((frequency > 0).sum())} attributes occur and a sentence has {top}; "
            "lower its number"
        )
    weight = frequency / frequency.sum()
    evenly = [rng.permutation(len(frequency))[:top].tolist() for _ in range(m)]
    often = [rng.choice(len(weight), top, replace=False, p=weight).tolist() for _ in range(m)]
    best = np.argsort(-np.asarray(profile), axis=1, kind="stable")[:, :top].tolist()
    ring = rng.permutation(m)  # each image is given the sentence of the next: never its own
    other = np.empty(m, int)
    other[ring] = np.roll(ring, 1)
    return {
        "random attributes": [say(int(c), a) for c, a in zip(predicted, evenly, strict=True)],
        "random by frequency": [say(int(c), a) for c, a in zip(predicted, often, strict=True)],
        "another image's": [sentences[i] for i in other],
        "class profile": [say(int(c), best[c]) for c in predicted],
    }


def right_and_wrong(
    values: Array, right: Array, given: Array, *, name: str = "BLEU"
) -> Callable[[Array], dict[str, Array]]:
    """Means over right, wrong and all images, and their two differences, as a score to bootstrap.

    Args:
        values: of each image, [m].
        right: whether the network's class is the given one, [m] bool.
        given: the given class, [m].
        name: of the figure.

    Returns:
        A function of how often each image is drawn, [resamples, m], to `name` followed by
        "overall", "right", "wrong", "right minus wrong" and "within class": the mean over wrong
        images of how much higher the right ones of their class score; wrong images of a class
        without a right one do not count. NaN where a draw has none.
    """
    values, right = np.asarray(values, float), np.asarray(right, bool)
    classes, column = np.unique(given, return_inverse=True)
    member = np.zeros((len(values), len(classes)))
    member[np.arange(len(values)), column] = 1
    groups = {True: member * right[:, None], False: member * ~right[:, None]}  # [m, classes]

    def score(times: Array) -> dict[str, Array]:
        count = {group: times @ here for group, here in groups.items()}  # [resamples, classes]
        total = {group: times @ (here * values[:, None]) for group, here in groups.items()}
        mean = {group: _ratio(total[group].sum(1), count[group].sum(1)) for group in groups}
        both = (count[True] > 0) & (count[False] > 0)
        higher = _ratio(total[True], count[True]) - _ratio(total[False], count[False])
        matched = np.where(both, count[False], 0)  # each wrong image counts once
        within = _ratio((matched * np.where(both, higher, 0)).sum(1), matched.sum(1))
        return {
            f"{name} overall": times @ values / times.sum(axis=1),
            f"{name} right": mean[True],
            f"{name} wrong": mean[False],
            f"{name} right minus wrong": mean[True] - mean[False],
            f"{name} within class": within,
        }

    return score


def tabulate_sentences(
    systems: Mapping[str, Sequence[str]],
    baselines: Mapping[str, Sequence[str]],
    captions: Sequence[Sequence[str]],
    right: Array,
    given: Array,
    *,
    smoothing: str = "method1",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Table 3 with intervals, the oracle, and what becomes of the paper's claim.

    Args:
        systems: sentences of each method, [m].
        baselines: see `baseline_sentences`.
        captions: reference captions of each image, at least one with a word in it, [m]. The oracle,
            and what is compared with it, are of the images with two; without two such images they
            are left out.
        right: whether the network's class is the given one, [m] bool.
        given: the given class of each image, [m].
        smoothing: of BLEU-4.
        resamples: of the bootstrap, which draws images.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        A row for each system and each of `MEASURES`. Columns `row`, `kind` (method, baseline,
        oracle, paired difference, published), `captions` (all, or all but one: `held_out_bleu`),
        `measure`, `images`, `wrong images`; `overall`, `right`, `wrong`, `right minus wrong` and
        `within class`, each with low and high; `verdict` and `verdict within class`: of the claim
        that right images are explained better, `UNTRIED` where none is wrong or none is right; for
        a paired difference, `verdict` is of its `overall`.

    Raises:
        InputError: lengths that do not fit.
    """
    right, given = np.asarray(right, bool), np.asarray(given)
    m = len(captions)
    if not right.shape == given.shape == (m,):
        raise InputError(
            f"sentences: {m} images with captions, {len(right)} right or wrong and {len(given)} "
            "given classes; give one each"
        )
    several = np.flatnonzero([sum(map(bool, map(tokenise, texts))) > 1 for texts in captions])
    several = several if len(several) > 1 else several[:0]
    pick = lambda texts: [texts[k] for k in several]  # noqa: E731
    of = {"all": np.arange(m), "all but one": several}
    oracle = "oracle", "a reference caption", "all but one"
    values: dict[tuple[str, str, str], Array] = {}
    if len(several):
        values[oracle] = held_out_bleu(None, pick(captions), smoothing=smoothing)
    for kind, group in (("method", systems), ("baseline", baselines)):
        for row, texts in group.items():
            values[kind, row, "all"] = sentence_bleu(texts, captions, smoothing=smoothing)
    compared = []
    for row, texts in systems.items():
        if len(several):
            held = "method", row, "all but one"
            values[held] = held_out_bleu(pick(texts), pick(captions), smoothing=smoothing)
        compared += [(("method", row, "all"), ("baseline", other, "all")) for other in baselines]
        compared += [(held, oracle)] if len(several) else []
    for one, two in compared:
        about = "paired difference", f"{one[1]} minus {two[1]}", one[2]
        values[about] = values[one] - values[two]  # means are linear, so this is the paired draw
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    rows: list[dict[str, Any]] = []
    for (kind, row, against), scores in values.items():
        mine = of[against]
        counts = {"images": len(mine), "wrong images": int((~right[mine]).sum())}
        for measure, column in zip(MEASURES, scores.T, strict=True):
            score = right_and_wrong(column, right[mine], given[mine], name="")
            each = np.ones((1, len(mine)))
            known = {name for name, value in score(each).items() if value == value}
            found = {
                name.strip(): interval
                for name, interval in bootstrap_interval(
                    [_finite(score)], clips=len(mine), **draws
                ).items()
                if name in known
            }
            claim = "overall" if kind == "paired difference" else "right minus wrong"
            rows.append(
                {"row": row, "kind": kind, "captions": against, "measure": measure} | counts
                | _columns(found)
                | {"verdict": verdict(found[claim]) if claim in found else UNTRIED}
            )  # fmt: skip
            if "within class" in found:
                rows[-1]["verdict within class"] = verdict(found["within class"])
    published = {"row": "paper", "kind": "published (Guo et al. 2019, Table 3)", "measure": "BLEU"}
    rows.append(published | PUBLISHED)
    return pd.DataFrame(rows).astype(dict.fromkeys(("images", "wrong images"), "Int64"))


def _finite(score: Callable[[Array], dict[str, Array]]) -> Callable[[Array], dict[str, Array]]:
    """A draw without a right or a wrong image says nothing of their difference: 0."""
    return lambda times: {name: np.nan_to_num(values) for name, values in score(times).items()}


def _ratio(part: Array, whole: Array) -> Array:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _ngrams(tokens: Sequence[str]) -> list[Counter[tuple[str, ...]]]:
    """N-grams of a text, n = 1 … 4."""
    return [Counter(zip(*(tokens[i:] for i in range(n)), strict=False)) for n in range(1, N + 1)]


def _references(texts: Sequence[str]) -> list[list[Counter[tuple[str, ...]]]]:
    return [_ngrams(tokens) for tokens in map(tokenise, texts) if tokens]


def _counts(
    said: list[Counter[tuple[str, ...]]], references: list[list[Counter[tuple[str, ...]]]]
) -> list[int]:
    """What `bleu_of_counts` takes, of one sentence."""
    matched = [
        sum(min(count, max(text[n][ngram] for text in references))
            for ngram, count in said[n].items())
        for n in range(N)
    ]  # fmt: skip
    total = [counts.total() for counts in said]
    lengths = [text[0].total() for text in references]
    closest = min(lengths, key=lambda length: (abs(length - total[0]), length))
    return [*matched, *total, total[0], closest]


def _check_lengths(sentences: Sequence[object], captions: Sequence[Sequence[str]]) -> None:
    if len(sentences) != len(captions) or not len(captions):
        raise InputError(
            f"sentences: {len(sentences)} for {len(captions)} images with captions; give one each"
        )
    for image, texts in enumerate(captions):
        if not any(map(tokenise, texts)):
            raise InputError(f"captions: image {image} has none with a word in it; leave it out")


def _columns(intervals: Mapping[str, Interval]) -> dict[str, float]:
    return {
        k: v for name, found in intervals.items() for k, v in interval_columns(name, found).items()
    }
