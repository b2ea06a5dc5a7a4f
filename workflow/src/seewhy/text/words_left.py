"""Which words the topics may have: those of enough train clips, and not of nearly all.

The same choice as `seewhy.text.topics.fit_topics` makes with gensim, for the plan: without gensim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seewhy.text.stop_words import KEPT_WORDS, STOP_WORDS
from seewhy.text.words import tokenise

LEAST_WORDS = 10  # fewer make no topics


def words_left(
    descriptions: Sequence[Sequence[str]], *, min_df: int, max_df: float, min_word_length: int = 2
) -> list[str]:
    """The words in alphabetical order.

    Args:
        descriptions: for each train clip its descriptions as written.
        min_df: clips whose descriptions must hold a word.
        max_df: share of the clips whose descriptions may hold it.
        min_word_length: letters.
    """
    held = Counter(word for texts in descriptions
                   for word in {word for text in texts for word in tokenise(text)})  # fmt: skip
    left_out = STOP_WORDS - set(KEPT_WORDS)
    most = int(max_df * len(descriptions))
    return sorted(
        word for word, clips in held.items()
        if min_df <= clips <= most and len(word) >= min_word_length and word not in left_out
    )  # fmt: skip


def too_few_words(count: int, clips: int, min_df: int, max_df: float) -> str:
    """What to say where fewer than `LEAST_WORDS` are left."""
    return (
        f"topics: only {count} words of the descriptions of {clips} train clips are left, and "
        f"{LEAST_WORDS} are the least (min_df {min_df}, max_df {max_df}); lower topics.min_df, or "
        "give more descriptions"
    )
