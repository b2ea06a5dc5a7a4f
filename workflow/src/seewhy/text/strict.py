"""Words that give a topic away: what a caption must say to count as naming it.

A topic's most probable words may mean several things: of puppets' clips one topic has stage,
curtain and green, for curtains are green, and so are dresses far from any stage. Words are *strict*
that hardly any other topic has, and that are said of the same clips as the topic's first such
word.

`TopicWords` is read from the files of the topics alone, without the engine that mined them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seewhy.errors import InputError, nearest
from seewhy.files import open_hdf5, read_json
from seewhy.hdf5_files import Expect
from seewhy.json_files import has_form

TOP, LEAST, TOGETHER = 10, 0.5, 0.75
_FORM = {"topic_word": Expect("number", ("topics", "words"), least=0, finite=True)}


def strict_words(
    topic_word: np.ndarray,
    words: Sequence[str],
    documents: Sequence[Sequence[str]],
    *,
    top: int = TOP,
    least: float = LEAST,
    together: float = TOGETHER,
) -> list[list[str]]:
    """Of each topic the words that name it and nothing else.

    Candidates are those of the topic's `top` most probable words with p(topic | word), all topics
    equally likely, of at least `least`: a synonym that several share ("animal" of cats and dogs)
    is none. The most probable candidate is strict; another is if at least the share `together` of
    the documents that have it also have the first.

    Args:
        topic_word: each row a distribution, `[topics, words]`.
        words: the vocabulary.
        documents: tokens of the train clips' descriptions, a document a clip.

    Returns:
        For each topic its words, the most probable first; maybe none.
    """
    share = _shares(topic_word)
    order = np.argsort(-topic_word, axis=1, kind="stable")[:, :top]
    tokens = [set(document) for document in documents]

    def said_with(word: str, first: str) -> bool:
        having = [first in document for document in tokens if word in document]
        return bool(having) and np.mean(having) >= together

    found = []
    for topic, row in enumerate(order):
        candidates = [words[index] for index in row if share[topic, index] >= least]
        found.append(candidates[:1])
        found[-1] += [word for word in candidates[1:] if said_with(word, candidates[0])]
    return found


def _shares(topic_word: np.ndarray) -> np.ndarray:
    """p(topic | word) with all topics equally likely, `[topics, words]`."""
    return topic_word / topic_word.sum(axis=0, keepdims=True)


class TopicWords(NamedTuple):
    """Topics as distributions of words.

    Attributes:
        names: of the topics.
        words: the vocabulary.
        topic_word: `[topics, words]`, each row a distribution.
        strict: of each topic its `strict_words`.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    topic_word: np.ndarray
    strict: tuple[tuple[str, ...], ...]

    @classmethod
    def load(cls, path: str | Path) -> TopicWords:
        """Read ``topics.json`` and the matrix beside it.

        Raises:
            InputError: a file is missing or damaged.
        """
        about, matrix = read_json(path), Path(path).with_suffix(".h5")
        if not has_form(about, {"topics": [{"name": str, "strict": [str]}], "vocabulary": [str]}):
            raise InputError(f"{path}: not a file of topics; mine the topics again")
        with open_hdf5(matrix, needs=_FORM) as file:
            topic_word = file["topic_word"][:]
        names = tuple(topic["name"] for topic in about["topics"])
        strict = tuple(tuple(topic["strict"]) for topic in about["topics"])
        words = tuple(about["vocabulary"])
        if topic_word.shape != (len(names), len(words)):
            raise InputError(f"{matrix}: does not belong to {path}; mine the topics again")
        return cls(names, words, topic_word, strict)

    def find(self, name: str) -> int:
        """The topic of this name, or else the one that the word belongs to most.

        Raises:
            InputError: neither a topic nor a word of one; the line has the nearest.
        """
        if name in self.names:
            return self.names.index(name)
        if name in self.words:
            return int(_shares(self.topic_word)[:, self.words.index(name)].argmax())
        near = nearest(name, [*self.names, *self.words], cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "topics.json lists them"
        raise InputError(f"{name!r} is neither a topic nor a word of one; {hint}")
