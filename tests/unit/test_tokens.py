"""Tokens and vocabularies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.errors import InputError
from seewhy.text.tokens import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary, tokenise


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a man is riding a horse", "a man is riding a horse"),
        ("  A man's riding, the T-shirt\tcannon!\n", "a man s riding the t shirt cannon"),
        ("a man’s “dog” … runs", "a man s dog runs"),
        ("two_words ||| 3 cats", "two words 3 cats"),
        ("Café CAFE\u0301 ÉTÉ", "café café été"),  # composed and decomposed alike
        ("ｆｕｌｌ ﬁre", "full fire"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),  # vowel signs are marks, not letters
        ("?! ... '", ""),
    ],
)
def test_tokens_are_lower_case_words_without_punctuation(text, tokens):
    assert tokenise(text) == tokens.split()


@given(st.text())
def test_tokenising_tokens_changes_nothing(text):
    tokens = tokenise(text)
    assert tokenise(" ".join(tokens)) == tokens
    assert all(token and not any(c.isspace() for c in token) for token in tokens)


CAPTIONS = ["a dog runs", "A dog barks!", "a cat sleeps", "the cat runs"]


def test_words_stand_by_falling_count_then_alphabet():
    vocabulary = Vocabulary.build(CAPTIONS)
    assert vocabulary.words == (*SPECIALS, "a", "cat", "dog", "runs", "barks", "sleeps", "the")


def test_min_count_sends_rare_words_to_unk():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    assert len(vocabulary) == 4 + 4
    assert "barks" not in vocabulary
    np.testing.assert_array_equal(
        vocabulary.encode("A dog barks"),
        [BOS, vocabulary.index("a"), vocabulary.index("dog"), UNK, EOS],
    )
    assert vocabulary.decode(vocabulary.encode("a dog barks")) == "a dog <unk>"


def test_decoding_stops_at_the_end_mark():
    vocabulary = Vocabulary.build(CAPTIONS)
    dog, cat = vocabulary.index("dog"), vocabulary.index("cat")
    assert vocabulary.decode([BOS, dog, EOS, cat]) == "dog"
    assert vocabulary.decode([BOS, dog, EOS, PAD, PAD]) == "dog"


def test_errors_name_the_value():
    vocabulary = Vocabulary.build(CAPTIONS)
    with pytest.raises(InputError, match=r"min_count \(0\): must be at least 1"):
        Vocabulary.build(CAPTIONS, min_count=0)
    with pytest.raises(InputError, match=r"none of the 7 words .* min_count \(9\)"):
        Vocabulary.build(CAPTIONS, min_count=9)
    with pytest.raises(InputError, match="token 99: the vocabulary has 11 words"):
        vocabulary.decode([99])
    with pytest.raises(InputError, match="token -1"):
        vocabulary.decode([-1])
    with pytest.raises(InputError, match=r"'dog' .* twice"):
        Vocabulary(["dog", "dog"])
