"""Words that name a topic and nothing else."""

import numpy as np
import pytest

from seewhy.text.strict import strict_words

WORDS = ["stage", "green", "curtain", "dress", "girl", "animal", "cat", "dog"]
TOPIC_WORD = np.array(
    [
        [0.5, 0.3, 0.19, 0.0025, 0.0025, 0.0025, 0.00125, 0.00125],  # curtains are green
        [0.0025, 0.1, 0.0025, 0.3, 0.58, 0.01, 0.0025, 0.0025],
        [0.0025, 0.0025, 0.0025, 0.0025, 0.0025, 0.4, 0.58, 0.0075],
        [0.0025, 0.0025, 0.0025, 0.0025, 0.0025, 0.4, 0.0075, 0.58],
    ]
)
DOCUMENTS = [
    *[["stage", "curtain", "green"]] * 2,
    *[["stage", "curtain"]] * 3,
    *[["girl", "green", "dress"]] * 5,
    *[["girl", "dress"]] * 3,
    *[["girl"]] * 4,
    *[["cat", "animal"]] * 3,
    *[["dog", "animal"]] * 3,
]


def test_a_word_that_is_said_elsewhere_does_not_name_the_topic():
    found = strict_words(TOPIC_WORD, WORDS, DOCUMENTS)
    assert found[0] == ["stage", "curtain"]  # without green, which girls' dresses are too
    assert found[1] == ["girl", "dress"]


def test_a_word_that_two_topics_share_names_neither():
    assert strict_words(TOPIC_WORD, WORDS, DOCUMENTS)[2:] == [["cat"], ["dog"]]


@pytest.mark.parametrize(("together", "kept"), [(2 / 7, True), (0.29, False)])
def test_the_share_of_documents_counts_exactly(together, kept):
    found = strict_words(TOPIC_WORD, WORDS, DOCUMENTS, together=together)
    assert ("green" in found[0]) == kept


def test_a_topic_may_have_none():
    flat = np.full((3, 8), 1 / 8)
    assert strict_words(flat, WORDS, DOCUMENTS) == [[], [], []]
