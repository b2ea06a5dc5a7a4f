"""Words that give a topic away: what a caption must say to count as naming it."""

from __future__ import annotations

import numpy as np

from seewhy.text.topics import Topics

TOP, LEAST = 10, 0.5


def strict_words(topics: Topics, *, top: int = TOP, least: float = LEAST) -> list[list[str]]:
    """Of each topic the words that hardly any other topic has.

    A word counts if it is among the topic's `top` most probable ones and at least the share `least`
    of its probability, summed over all topics, is this topic's: p(topic | word) with all topics
    equally likely. A synonym that several share ("animal" of cats and dogs) does not count.

    Returns:
        For each topic its words, the most probable first; maybe none.
    """
    share = topics.topic_word / topics.topic_word.sum(axis=0, keepdims=True)  # [topics, words]
    order = np.argsort(-topics.topic_word, axis=1, kind="stable")[:, :top]
    return [
        [topics.words[word] for word in row if share[topic, word] >= least]
        for topic, row in enumerate(order)
    ]
