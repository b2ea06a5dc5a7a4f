"""The numbered vocabulary that a decoder speaks, of the words of `seewhy.text.words.tokenise`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from seewhy.errors import InputError
from seewhy.text.words import tokenise

__all__ = ["BOS", "EOS", "PAD", "SPECIALS", "UNK", "Vocabulary", "tokenise"]

SPECIALS = ("<pad>", "<bos>", "<eos>", "<unk>")
PAD, BOS, EOS, UNK = range(4)


class Vocabulary:
    """The words that a captioner can say, each with its index; unknown words share ``<unk>``.

    Indices 0 to 3 are ``<pad>``, ``<bos>``, ``<eos>``, ``<unk>`` (`PAD`, `BOS`, `EOS`, `UNK`); the
    words follow by falling count, equal counts by alphabet.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Take `words` without the specials, in the order of their indices.

        Raises:
            InputError: a word is repeated, empty, or one of the specials.
        """
        self._words = (*SPECIALS, *words)
        self._index = {word: index for index, word in enumerate(self._words)}
        if len(self._index) != len(self._words) or "" in self._index:
            counts = Counter(self._words)
            wrong = next((word for word in counts if counts[word] > 1 or not word), "")
            raise InputError(f"vocabulary: the word {wrong!r} is empty or stands in it twice")

    @classmethod
    def build(cls, captions: Iterable[str], *, min_count: int = 1) -> Vocabulary:
        """Count the words of `captions` (give it those of the train split, and no others).

        Args:
            captions: descriptions as written; they are tokenised here.
            min_count: words seen less often become ``<unk>``.

        Raises:
            InputError: `min_count` below 1, or no word reaches it.
        """
        if min_count < 1:
            raise InputError(f"min_count ({min_count}): must be at least 1")
        counts = Counter(token for text in captions for token in tokenise(text))
        words = sorted((w for w in counts if counts[w] >= min_count), key=lambda w: (-counts[w], w))
        if not words:
            raise InputError(
                f"vocabulary: none of the {len(counts)} words of the train captions is seen "
                f"min_count ({min_count}) times; lower min_count or give captions"
            )
        return cls(words)

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: str) -> bool:
        return word in self._index

    @property
    def words(self) -> tuple[str, ...]:
        """All entries by index, the specials first."""
        return self._words

    def index(self, word: str) -> int:
        """Index of `word`, `UNK` where it is not known."""
        return self._index.get(word, UNK)

    def encode(self, text: str) -> np.ndarray:
        """Indices ``<bos> words <eos>`` of a caption: int64 `[tokens + 2]`."""
        return np.array([BOS, *(self.index(token) for token in tokenise(text)), EOS], np.int64)

    def decode(self, indices: Iterable[int]) -> str:
        """The words before the first ``<eos>``, joined by spaces, without ``<pad>`` and ``<bos>``.

        Raises:
            InputError: an index lies outside the vocabulary.
        """
        words = []
        for index in indices:
            if not 0 <= index < len(self):
                raise InputError(f"token {int(index)}: the vocabulary has {len(self)} words")
            if index == EOS:
                break
            if index not in (PAD, BOS):
                words.append(self._words[index])
        return " ".join(words)
