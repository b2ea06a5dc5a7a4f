"""Sentence BLEU against NLTK's, and the differences of right and wrong against literal loops."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from nltk.translate.bleu_score import SmoothingFunction
from nltk.translate.bleu_score import sentence_bleu as nltk_bleu

from seewhy.errors import InputError
from seewhy.scores.captions import CaptionScorer
from seewhy.summaries.sentences import (
    baseline_sentences,
    bleu_of_counts,
    held_out_bleu,
    right_and_wrong,
    sentence_bleu,
    tabulate_sentences,
)
from seewhy.text.tokens import tokenise

WORDS = tokenise("this bird has a yellow crown and grey wings that are long with black tail")


def random_texts(seed, images=40, captions=4):
    rng = np.random.default_rng(seed)

    def text():
        return " ".join(rng.choice(WORDS, rng.integers(1, 12)))

    return [text() for _ in range(images)], [
        [text() for _ in range(captions)] for _ in range(images)
    ]


def nltks(sentence, captions, smoothing):
    said, references = sentence.split(), [caption.split() for caption in captions]
    smooth = getattr(SmoothingFunction(), smoothing)
    none = SmoothingFunction(epsilon=0).method1  # a precision of 0 stays 0, without a warning
    with np.errstate(all="ignore"):
        two = 0.0 if not matched_pairs(said, references) else nltk_bleu(
            references, said, (0.5, 0.5), none
        )  # fmt: skip
    one = nltk_bleu(references, said, (1.0,), SmoothingFunction().method1)
    return [one, two, nltk_bleu(references, said, smoothing_function=smooth)]


def matched_pairs(said, references):
    pairs = set(pairwise(said))
    return any(pairs & set(pairwise(text)) for text in references)


@pytest.mark.parametrize("smoothing", ["method1", "method2"])
def test_bleu_is_nltks(smoothing):
    sentences, captions = random_texts(0)
    sentences[0], sentences[1] = "zebra stripes", "bird"  # no match; too short for a pair
    captions[1][0] = "the bird"
    found = sentence_bleu(sentences, captions, smoothing=smoothing)
    expected = [nltks(s, c, smoothing) for s, c in zip(sentences, captions, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[0].tolist() == [0, 0, 0]
    assert (found[:, 2] > 0).sum() > 30


def test_counts_are_those_of_the_caption_scorer():
    sentences, captions = random_texts(1)
    scorer = CaptionScorer({str(i): texts for i, texts in enumerate(captions)})
    counts = scorer.bleu({str(i): text for i, text in enumerate(sentences)})
    np.testing.assert_allclose(bleu_of_counts(counts), sentence_bleu(sentences, captions))


def test_a_sentence_by_hand():
    # 4 of 5 words and 2 of 4 pairs match; 5 words against 5
    found = sentence_bleu(["A red crown, grey wing"], [["a red crown and wing"]])[0]
    assert found[0] == pytest.approx(4 / 5)
    assert found[1] == pytest.approx((4 / 5 * 2 / 4) ** 0.5)
    assert found[2] == pytest.approx((4 / 5 * 2 / 4 * 1 / 3 * 0.1 / 2) ** 0.25)
    short = sentence_bleu(["a red"], [["a red crown and wing"]])[0]
    assert short[0] == pytest.approx(np.exp(1 - 5 / 2))
    with pytest.raises(InputError, match="smoothing is 'method9'"):
        sentence_bleu(["a"], [["a"]], smoothing="method9")


def test_one_caption_is_held_out_in_turn():
    sentences, captions = random_texts(2, images=5, captions=3)
    oracle, said = held_out_bleu(None, captions), held_out_bleu(sentences, captions)
    for i, (a, b, c) in enumerate(captions):
        others = [(a, [b, c]), (b, [a, c]), (c, [a, b])]
        np.testing.assert_allclose(
            oracle[i], np.mean([sentence_bleu([t], [o])[0] for t, o in others], axis=0)
        )
        np.testing.assert_allclose(
            said[i], np.mean([sentence_bleu([sentences[i]], [o])[0] for _, o in others], axis=0)
        )
    with pytest.raises(InputError, match="image 1 has 1 with a word in it"):
        held_out_bleu(None, [["a", "b"], ["a", "."]])


def test_differences_are_those_of_the_loop():
    rng = np.random.default_rng(0)
    values, right = rng.random(50), rng.random(50) < 0.7
    given = rng.integers(6, size=50)
    right[given == 5] = True  # a class without a wrong image
    drawn = np.r_[[np.arange(50)], rng.integers(50, size=(4, 50))]
    times = np.stack([np.bincount(d, minlength=50) for d in drawn]).astype(float)
    found = right_and_wrong(values, right, given)(times)
    for i, images in enumerate(drawn):
        v, r, g = values[images], right[images], given[images]
        assert found["BLEU overall"][i] == pytest.approx(v.mean())
        assert found["BLEU right minus wrong"][i] == pytest.approx(v[r].mean() - v[~r].mean())
        within = [
            v[r & (g == g[j])].mean() - v[j] for j in np.flatnonzero(~r) if (r & (g == g[j])).any()
        ]
        assert found["BLEU within class"][i] == pytest.approx(np.mean(within))


def test_easy_classes_make_a_difference_that_is_not_there_within_them():
    rng = np.random.default_rng(1)
    given = np.repeat([0, 1], 500)
    right = rng.random(1000) < np.where(given == 0, 0.95, 0.5)
    values = np.where(given == 0, 0.6, 0.3) + rng.normal(0, 0.01, 1000)  # of the class alone
    found = right_and_wrong(values, right, given)(np.ones((1, 1000)))
    assert found["BLEU right minus wrong"] > 0.08
    assert abs(found["BLEU within class"]) < 0.003


def test_baselines_know_less():
    sentences = [f"sentence {i}" for i in range(9)]
    predicted = np.arange(9) % 2
    profile = np.array([[0.9, 0.1, 0.5, 0, 0], [0, 0.2, 0.1, 0, 0.9]])
    found = baseline_sentences(
        sentences, lambda c, a: f"{c}:{' '.join(map(str, a))}", predicted,
        profile=profile, frequency=[0.5, 0.3, 0.2, 0, 0.1], top=2, seed=3,
    )  # fmt: skip
    assert found["class profile"][:2] == ["0:0 2", "1:4 1"]
    assert sorted(found["another image's"]) == sorted(sentences)
    assert all(a != b for a, b in zip(found["another image's"], sentences, strict=True))
    assert all("3" not in text.split(":")[1] for text in found["random by frequency"])
    for text in found["random attributes"] + found["random by frequency"]:
        assert len(set(text.split(":")[1].split())) == 2
    with pytest.raises(InputError, match="1 attributes occur and a sentence has 2"):
        baseline_sentences(sentences, str, predicted, profile=profile, frequency=[1, 0], top=2)
    with pytest.raises(InputError, match="there are 1; another"):
        baseline_sentences(["a"], str, [0], profile=profile, frequency=[1, 1], top=2)


def test_the_table_has_the_oracle_above_and_chance_below():
    rng = np.random.default_rng(5)
    colours, parts = ["red", "blue", "grey", "black"], ["crown", "wing", "tail", "throat"]
    truth = rng.integers(4, size=(80, 4))
    captions = [
        [f"this bird has a {colours[t[a]]} {parts[a]} and a {colours[t[b]]} {parts[b]}"
         for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))] for t in truth
    ]  # fmt: skip
    right = rng.random(80) < 0.6
    given = rng.integers(3, size=80)

    def say(attributes):
        return "this is a bird because it has a " + " and a ".join(attributes)

    seen = [
        say([f"{colours[t[j] if r else rng.integers(4)]} {parts[j]}" for j in range(2)])
        for t, r in zip(truth, right, strict=True)
    ]
    random = [say([f"{rng.choice(colours)} {part}" for part in parts[:2]]) for _ in truth]
    table = tabulate_sentences(
        {"method": seen}, {"random": random}, captions, right, given, resamples=200
    )
    two = table[table["measure"] == "BLEU-2"].set_index(["row", "captions"])
    scores = sentence_bleu(seen, captions)[:, 1]
    method = two.loc["method", "all"]
    assert method["overall"] == pytest.approx(scores.mean())
    assert method["right"] == pytest.approx(scores[right].mean())
    assert (method["verdict"], method["verdict within class"]) == ("confirmed", "confirmed")
    assert two.loc["method minus random", "all"]["verdict"] == "confirmed"
    assert two.loc["method minus a reference caption", "all but one"]["verdict"] == "refuted"
    assert two.loc["random", "all"]["verdict"] == "undecided"
    assert two.loc["random", "all"]["overall"] > 0.2  # the template's words alone
    assert table.iloc[-1][["right", "wrong", "overall"]].tolist() == [0.415, 0.381, 0.409]
    alone = tabulate_sentences({"method": seen}, {}, captions, right, np.arange(80), resamples=20)
    assert "within class" not in alone or alone["within class"].isna().all()
    assert pd.isna(alone.iloc[0].get("verdict within class"))


@pytest.mark.parametrize("right", [True, False])
def test_where_all_are_right_or_none_only_the_difference_is_untried(right):
    captions = [["a red crown", "a crown that is red"], ["a blue tail", "it has a tail"]]
    said = ["it has a red crown", "it has a red tail"]
    table = tabulate_sentences(
        {"m": said}, {"b": said[::-1]}, captions, [right] * 2, [0, 1], resamples=20
    )
    method = table[(table["row"] == "m") & (table["measure"] == "BLEU-2")].iloc[0]
    assert method["overall"] == pytest.approx(sentence_bleu(said, captions)[:, 1].mean())
    assert method["right" if right else "wrong"] == method["overall"]
    assert method["verdict"] == "untried: it takes right and wrong images"
    assert "wrong" not in table.iloc[:-1] or table.iloc[:-1]["wrong"].isna().all() or not right
    less = table[(table["row"] == "m minus b") & (table["measure"] == "BLEU-1")].iloc[0]
    assert less["verdict"] in ("confirmed", "undecided")


def test_the_oracle_is_of_the_images_with_two_captions():
    captions = [["a red crown"], ["a blue tail", "it has a tail"], ["a wing", "..."],
                ["a grey wing", "two wings"], ["a bill"]]  # fmt: skip
    said = ["a red crown"] * 5
    given = {"right": [True, False, True, True, False], "given": [0, 1, 0, 1, 0]}
    table = tabulate_sentences({"m": said}, {}, captions, **given, resamples=20)
    of = table[table["measure"] == "BLEU-1"].set_index(["row", "captions"])
    assert of.loc["m", "all"]["images"] == 5
    assert of.loc["a reference caption", "all but one"]["images"] == 2
    two = [captions[1], captions[3]]
    expected = held_out_bleu(["a red crown"] * 2, two)[:, 0].mean()
    assert of.loc["m", "all but one"]["overall"] == pytest.approx(expected)
    single = tabulate_sentences({"m": said}, {}, [c[:1] for c in captions], **given, resamples=20)
    assert set(single["captions"].dropna()) == {"all"}
    assert single.iloc[0]["overall"] == pytest.approx(sentence_bleu(said, captions)[:, 0].mean(),
                                                      abs=0.2)  # fmt: skip


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="2 for 1 images"):
        sentence_bleu(["a", "b"], [["a"]])
    with pytest.raises(InputError, match="image 1 has none with a word"):
        sentence_bleu(["a", "b"], [["a"], ["..."]])
    texts = [["a b", "a c"]] * 3
    with pytest.raises(InputError, match="2 right or wrong and 3 given"):
        tabulate_sentences({}, {}, texts, [True, False], [0, 1, 2])
