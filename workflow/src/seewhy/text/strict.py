"""Words that give a topic away: what a caption must say to count as naming it.

Read from the files of the topics alone, without the engine that mined them.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seewhy.errors import InputError
from seewhy.files import open_hdf5, read_json

TOP, LEAST = 10, 0.5


class TopicWords(NamedTuple):
    """Topics as distributions of words.

    Attributes:
        names: of the topics.
        words: the vocabulary.
        topic_word: `[topics, words]`, each row a distribution.
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    topic_word: np.ndarray

    @classmethod
    def load(cls, path: str | Path) -> TopicWords:
        """Read ``topics.json`` and the matrix beside it.

        Raises:
            InputError: a file is missing or damaged.
        """
        about, matrix = read_json(path), Path(path).with_suffix(".h5")
        with open_hdf5(matrix, needs=("topic_word",)) as file:
            topic_word = file["topic_word"][:]
        try:
            names = tuple(topic["name"] for topic in about["topics"])
            words = tuple(about["vocabulary"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a file of topics; delete it and run again") from error
        if topic_word.shape != (len(names), len(words)):
            raise InputError(f"{matrix}: does not belong to {path}; delete both and run again")
        return cls(names, words, topic_word)

    def shares(self) -> np.ndarray:
        """p(topic | word) with all topics equally likely, `[topics, words]`."""
        return self.topic_word / self.topic_word.sum(axis=0, keepdims=True)

    def strict(self, *, top: int = TOP, least: float = LEAST) -> list[list[str]]:
        """Of each topic the words that hardly any other topic has.

        A word counts if it is among the topic's `top` most probable ones and p(topic | word) is at
        least `least`. A synonym that several share ("animal" of cats and dogs) does not count.

        Returns:
            For each topic its words, the most probable first; maybe none.
        """
        share = self.shares()
        order = np.argsort(-self.topic_word, axis=1, kind="stable")[:, :top]
        return [
            [self.words[word] for word in row if share[topic, word] >= least]
            for topic, row in enumerate(order)
        ]

    def find(self, name: str) -> int:
        """The topic of this name, or else the one that the word belongs to most.

        Raises:
            InputError: neither a topic nor a word of one; the line has the nearest.
        """
        if name in self.names:
            return self.names.index(name)
        if name in self.words:
            return int(self.shares()[:, self.words.index(name)].argmax())
        near = difflib.get_close_matches(name, [*self.names, *self.words], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "topics.json lists them"
        raise InputError(f"{name!r} is neither a topic nor a word of one; {hint}")
