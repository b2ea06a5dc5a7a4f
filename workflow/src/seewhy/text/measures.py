"""How good topics are: coherence, diversity, and how stable the topic vectors are.

Document NPMI (Bouma 2009; Lau, Newman and Baldwin 2014), with probabilities counted over documents,
here clips: P(w) is the share of the documents that hold w, P(w, w') of those that hold both, and

    NPMI(w, w') = log( P(w, w') / (P(w) P(w')) ) / -log P(w, w')

-1 where the two never meet, 0 where they are independent, 1 where they only come together. The
coherence of a topic is the mean over the pairs of its ten top words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse

from seewhy.errors import InputError


def occurrence_matrix(
    documents: Iterable[Iterable[str]], words: Sequence[str]
) -> sparse.csr_matrix:
    """Which document holds which word: 0/1, `[documents, words]`."""
    column = {word: index for index, word in enumerate(words)}
    rows = [sorted({column[w] for w in document if w in column}) for document in documents]
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter((c for row in rows for c in row), np.int64, count=starts[-1])
    return sparse.csr_matrix(
        (np.ones(len(columns)), columns, starts), shape=(len(rows), len(words))
    )


def npmi_coherence(
    topics: Sequence[Sequence[str]], documents: Sequence[Iterable[str]], *, top: int = 10
) -> np.ndarray:
    """Document NPMI of each topic, see the module's head.

    Args:
        topics: each topic's words, most probable first.
        documents: the tokens of each document (clip) that counts are taken from.
        top: how many of each topic's words enter.

    Returns:
        float64 `[topics]` in -1 … 1. A pair whose two words never occur in `documents` counts -1,
        like any pair that never meets.

    Raises:
        InputError: no documents, or a topic with fewer than two words.
    """
    if not len(documents):
        raise InputError("coherence: there are no documents to count words in")
    short = [index for index, words in enumerate(topics) if len(words[:top]) < 2]
    if short:
        raise InputError(f"coherence: topic {short[0]} has fewer than two words")
    words = sorted({word for topic in topics for word in topic[:top]})
    occurs = occurrence_matrix(documents, words)
    together = (occurs.T @ occurs).toarray() / len(documents)  # P(w, w')
    alone = np.diag(together)
    with np.errstate(divide="ignore", invalid="ignore"):
        npmi = np.log(together / np.outer(alone, alone)) / -np.log(together)
    npmi[together == 0] = -1.0
    npmi[together == 1] = 1.0  # both in every document: the limit of 0 / 0
    column = {word: index for index, word in enumerate(words)}
    coherence = np.empty(len(topics))
    for index, topic in enumerate(topics):
        chosen = [column[word] for word in topic[:top]]
        pairs = np.triu_indices(len(chosen), 1)
        coherence[index] = npmi[np.ix_(chosen, chosen)][pairs].mean()
    return coherence


def topic_diversity(topics: Sequence[Sequence[str]], *, top: int = 25) -> float:
    """Share of distinct words among the `top` words of all topics (Dieng, Ruiz and Blei 2020)."""
    words = [word for topic in topics for word in topic[:top]]
    return len(set(words)) / len(words)


def jaccard(s: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two sets of topic vectors: set in both over set in either.

    Args:
        s: 0/1, `[clips, topics]`.
        other: the same for another sample of the same topics.
    """
    s, other = np.asarray(s, bool), np.asarray(other, bool)
    either = (s | other).sum()
    return float((s & other).sum() / either) if either else 1.0
