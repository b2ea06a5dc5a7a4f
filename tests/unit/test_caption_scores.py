"""BLEU, ROUGE-L and CIDEr, against literal forms of their definitions and against pycocoevalcap."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from seewhy.errors import InputError
from seewhy.scores.bootstrap import multiplicities
from seewhy.scores.captions import (
    CaptionScorer,
    ClipScores,
    rouge_l,
    score_captions,
)
from seewhy.scores.reference_rows import best_constant_caption, reference_against_others

WORDS = ["a", "man", "cat", "runs"]


def random_captions(seed: int, clips: int = 12):
    rng = np.random.default_rng(seed)

    def caption(low: int) -> str:
        return " ".join(rng.choice(WORDS, size=rng.integers(low, 9)))

    references = {f"clip{i}": [caption(1) for _ in range(rng.integers(1, 5))] for i in range(clips)}
    predictions = {clip: caption(1) for clip in references}
    predictions["clip3"] = references["clip3"][0]
    return predictions, references


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def literal_bleu(pairs: list[tuple[str, list[str]]], n_max: int) -> float:
    """Papineni et al. 2002: clipped precisions over the corpus, closest reference length."""
    logs, length, reference_length = [], 0, 0
    for n in range(1, n_max + 1):
        matched = said = 0
        for caption, references in pairs:
            for ngram, count in Counter(ngrams(caption, n)).items():
                matched += min(count, max(ngrams(r, n).count(ngram) for r in references))
                said += count
        logs.append(math.log(matched / said) if matched else -math.inf)
    for caption, references in pairs:
        here = len(caption.split())
        length += here
        lengths = sorted(len(r.split()) for r in references)
        reference_length += min(lengths, key=lambda other: abs(other - here))
    brevity = 1.0 if length >= reference_length else math.exp(1 - reference_length / length)
    return brevity * math.exp(sum(logs) / n_max)


def literal_lcs(a: list[str], b: list[str]) -> int:
    """The longest common subsequence, by trying all."""
    for n in range(min(len(a), len(b)), 0, -1):
        if set(itertools.combinations(a, n)) & set(itertools.combinations(b, n)):
            return n
    return 0


def literal_rouge_l(caption: str, references: list[str]) -> float:
    a = caption.split()
    common = [literal_lcs(a, r.split()) for r in references]
    p = max(c / len(a) for c in common)
    r = max(c / len(t.split()) for c, t in zip(common, references, strict=True))
    return 0.0 if p == 0 else (1 + 1.2**2) * p * r / (r + 1.2**2 * p)


def literal_cider(caption: str, references: list[str], corpus: list[list[str]]) -> float:
    """Vedantam et al. 2015, CIDEr-D: dense tf-idf vectors over every n-gram there is."""
    total = 0.0
    for n in range(1, 5):
        space = sorted({g for texts in [*corpus, [caption]] for t in texts for g in ngrams(t, n)})
        frequency = [sum(any(g in ngrams(t, n) for t in texts) for texts in corpus) for g in space]
        idf = np.log(len(corpus)) - np.log(np.maximum(1, frequency))

        def vector(text, space=space, idf=idf, n=n):
            return np.array([ngrams(text, n).count(g) for g in space]) * idf

        h = vector(caption)
        for reference in references:
            r = vector(reference)
            norm = np.linalg.norm(h) * np.linalg.norm(r)
            difference = len(ngrams(caption, 2)) - len(ngrams(reference, 2))
            if norm:
                total += np.minimum(h, r) @ r / norm * math.exp(-(difference**2) / (2 * 6.0**2))
    return 10 * total / 4 / len(references)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_scores_follow_their_definitions(seed):
    predictions, references = random_captions(seed)
    scores = score_captions(predictions, references, meteor=False)
    corpus = scores.corpus()
    pairs = [(predictions[clip], references[clip]) for clip in predictions]
    for n in (1, 2, 3, 4):
        assert corpus[f"BLEU-{n}"] == pytest.approx(
            literal_bleu(pairs, n), abs=1e-4
        )  # its guard against 0
    np.testing.assert_allclose(scores.rouge_l, [literal_rouge_l(*pair) for pair in pairs])
    everything = list(references.values())
    np.testing.assert_allclose(scores.cider, [literal_cider(*pair, everything) for pair in pairs])
    assert corpus["CIDEr"] == pytest.approx(scores.cider.mean())


@pytest.mark.parametrize("seed", [3, 4])
def test_scores_equal_pycocoevalcap(seed):
    predictions, references = random_captions(seed, clips=40)
    predictions["clip5"] = ""
    result = {clip: [text] for clip, text in predictions.items()}
    scores = score_captions(predictions, references, meteor=False)
    corpus, table = scores.corpus(), scores.table()
    bleu, by_clip = Bleu(4).compute_score(references, result, verbose=0)
    for n in range(4):
        assert corpus[f"BLEU-{n + 1}"] == pytest.approx(bleu[n], rel=1e-12)
        np.testing.assert_allclose(table[f"BLEU-{n + 1}"], by_clip[n], rtol=1e-12)
    for name, scorer in (("ROUGE-L", Rouge()), ("CIDEr", Cider())):
        value, values = scorer.compute_score(references, result)
        assert corpus[name] == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(table[name], values, rtol=1e-9, atol=1e-12)


def test_a_resample_is_the_corpus_of_its_clips():
    predictions, references = random_captions(7)
    scores = score_captions(predictions, references, meteor=False)
    drawn = np.array([[0, 0, 3, 5, 5, 5], [1, 2, 3, 4, 5, 6]])
    resampled = scores.weighted(multiplicities(drawn, len(scores.clips)))
    clips = list(predictions)
    for row, indices in enumerate(drawn):
        spoken = {f"{k}": predictions[clips[i]] for k, i in enumerate(indices)}
        heard = {f"{k}": references[clips[i]] for k, i in enumerate(indices)}
        literal = score_captions(
            spoken, heard, meteor=False, document_frequency_of=references
        ).corpus()
        for name, value in literal.items():
            assert resampled[name][row] == pytest.approx(value, rel=1e-12), name


def test_longest_common_subsequence_of_repeated_words():
    assert rouge_l([*"ababa"], [[*"baabba"]]) == pytest.approx(
        literal_rouge_l("a b a b a", ["b a a b b a"])
    )
    assert rouge_l(["x"], [["y"]]) == 0.0
    assert rouge_l([], [["y"]]) == 0.0


def test_punctuation_and_case_do_not_count():
    references = {"1": ["a man rides"], "2": ["the dog barks"]}
    plain = score_captions({"1": "a man", "2": "the dog barks"}, references, meteor=False)
    written = score_captions({"1": "A man.", "2": "The dog barks!"}, references, meteor=False)
    assert plain.corpus() == written.corpus()


def test_an_empty_caption_scores_nothing_and_does_not_break_the_others():
    references = {"1": ["a man rides a horse"], "2": ["the dog barks at night"]}
    scores = score_captions({"1": "", "2": "the dog barks at night"}, references, meteor=False)
    table = scores.table().set_index("clip")
    assert (table.loc["1"] == 0).all()
    assert table.loc["2", "BLEU-4"] == pytest.approx(1)


def test_references_without_a_word_are_left_out_and_counted(caplog):
    whole = {"1": ["a man rides a horse"], "2": ["the dog barks", "dog"]}
    given = {"1": ["...", "a man rides a horse", "!"], "2": ["the dog barks", "dog", ""]}
    predictions = {"1": "a man rides", "2": "the dog"}
    table = score_captions(predictions, whole, meteor=False).table()
    assert caplog.text == ""
    assert score_captions(predictions, given, meteor=False).table().equals(table)
    message = "3 reference captions have no word in them and are left out"
    assert caplog.messages == [message]


def test_errors_name_the_clip():
    references = {"vid1": ["a man"], "vid2": ["a dog"]}
    cases = [
        ({}, references, "predictions: there are none"),
        ({"vid1": "a", "vid2": "a", "vid3": "a"}, references, "clip vid3: .* no reference"),
        ({"vid1": "a"}, references, "clip vid2: .* no predicted caption"),
        ({"vid1": "a"}, {"vid1": []}, "clip vid1: has no reference caption"),
        ({"vid1": "a"}, {"vid1": ["..."]}, "clip vid1: has no reference caption"),
    ]
    for predictions, given, message in cases:
        with pytest.raises(InputError, match=message):
            score_captions(predictions, given, meteor=False)
    with pytest.raises(InputError, match="references: there are none"):
        CaptionScorer({})


def test_best_constant_caption_is_the_best_of_the_candidates():
    _, train = random_captions(1, clips=30)
    _, validation = random_captions(2, clips=15)
    chosen = best_constant_caption(train, validation, candidates=1000)
    scores = {
        text: literal_bleu([(text, refs) for refs in validation.values()], 4)
        for text in {t for texts in train.values() for t in texts}
    }
    assert scores[chosen] == pytest.approx(max(scores.values()), abs=1e-4)
    assert max(scores.values()) > 0.01
    with pytest.raises(InputError, match="train split has no captions"):
        best_constant_caption({"1": []}, validation)


def test_the_most_frequent_sentences_alone_are_candidates():
    train = {"1": ["A dog runs.", "a dog runs", "the cat sits"], "2": ["b b", "a a", "a a", "b b"]}
    validation = {"1": ["the cat sits on the mat"]}
    assert best_constant_caption(train, validation) == "the cat sits"
    assert best_constant_caption(train, validation, candidates=3) == "a a"  # they score alike
    assert best_constant_caption(train, validation, candidates=4) == "the cat sits"


def test_the_ceiling_weighs_words_by_all_captions_and_takes_clips_of_two(caplog):
    references = {
        "1": ["a dog runs fast", "the dog runs"],
        "2": ["a cat sits", "one cat sits still", "..."],
        "3": ["a bird", "."],
    }
    (draw,) = reference_against_others(references, draws=1, seed=3).draws
    assert "1 clips have fewer than two captions and are left out" in caplog.text
    assert list(draw.clips) == ["1", "2"]
    rng, spoken, others = np.random.default_rng(3), {}, {}
    for clip in ("1", "2"):
        chosen = int(rng.integers(2))
        spoken[clip], others[clip] = references[clip][chosen], [references[clip][1 - chosen]]
    both = {clip: references[clip] for clip in spoken}
    known = CaptionScorer(others, document_frequency_of=both).score(spoken)
    assert draw.corpus() == known.corpus()
    assert draw.corpus()["CIDEr"] != CaptionScorer(others).score(spoken).corpus()["CIDEr"]


def test_the_ceiling_never_meets_its_own_words():
    # Every caption of a clip shares no word with the clip's others: a leak would score above 0.
    references = {f"{i}": [f"red{i} one", f"blue{i} two", f"green{i} three"] for i in range(5)}
    references["lonely"] = ["only one"]
    found = reference_against_others(references, draws=3)
    assert found.left_out == 1
    assert [len(draw.clips) for draw in found.draws] == [5, 5, 5]
    assert found.corpus()["ROUGE-L"] == 0.0
    same = {f"{i}": [f"a b c d{i}"] * 3 for i in range(5)}
    assert reference_against_others(same).corpus()["BLEU-4"] == pytest.approx(1)
    with pytest.raises(InputError, match="no clip has two captions"):
        reference_against_others({"1": ["a"]})


def test_draws_of_references_follow_the_seed():
    _, references = random_captions(5)
    first, again, other = (reference_against_others(references, seed=s).corpus() for s in (1, 1, 2))
    assert first == again
    assert first != other
    assert isinstance(reference_against_others(references).draws[0], ClipScores)
