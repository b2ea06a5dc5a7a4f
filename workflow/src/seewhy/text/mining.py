"""From a corpus to its topics: the files that the interpretive loss and Table 1 are made of.

The captioning paper, section 2.3: topics from the descriptions of the train clips, the topic
vectors of all clips, and the words of each topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import SPLITS, read_table
from seewhy.errors import InputError
from seewhy.files import read_json, whole_file, write_json
from seewhy.scaled_defaults import least_clips_of_a_word
from seewhy.text.measures import jaccard, npmi_coherence, topic_diversity
from seewhy.text.topics import TOP_WORDS, Topics, document, fit_topics
from seewhy.text.vectors import RULES, read_topic_vectors, topic_vectors, write_topic_vectors


def mine_topics(
    corpus: str | Path,
    *,
    topics_path: str | Path,
    vectors_path: str | Path,
    table_path: str | Path,
    metrics_path: str | Path,
    rule: str = "share",
    min_share: float = 0.05,
    min_df: int | str = 10,
    **settings: Any,
) -> Topics:
    """Mine the topics of a corpus and write them, the topic vectors, Table 1 and the measures.

    Args:
        corpus: folder in canonical form. Captions known to be wrong stay in: they are the ordinary
            noise of descriptions.
        topics_path: JSON, with a ``.h5`` of the same stem beside it (`Topics.load`).
        vectors_path: CSV, `clip`, `split` and a 0/1 column a topic (`read_topic_vectors`); clips
            without descriptions are left out.
        table_path: CSV, the paper's Table 1: `topic`, `name`, `words` (the five most probable),
            `clips` (share of train clips), `coherence`; most frequent first.
        metrics_path: JSON.
        rule: `share` or `any`.
        min_share: for `share`.
        min_df: see `fit_topics`; `auto`: see `seewhy.scaled_defaults`.
        settings: see `fit_topics`.

    Raises:
        InputError: unusable corpus or settings.
    """
    topic_vectors(np.zeros((1, 1)), rule=rule, min_share=min_share)  # before the long work
    clips, texts = _described(corpus)
    splits = {split: clips.loc[clips["split"] == split, "clip"].tolist() for split in SPLITS}
    if not splits["train"]:
        raise InputError(f"{corpus}: no clip of the train split has captions; add them")
    train = [texts[clip] for clip in splits["train"]]
    least = least_clips_of_a_word(min_df, len(train))
    topics, (counts, *later) = fit_topics(train, min_df=least, **settings)
    vectors = {"train": topic_vectors(counts, rule=rule, min_share=min_share)}
    for split in ("val", "test"):
        found = topics.token_counts([texts[clip] for clip in splits[split]])
        vectors[split] = topic_vectors(found, rule=rule, min_share=min_share)
    documents = [document(descriptions) for descriptions in train]
    coherence = npmi_coherence(topics.top_words(), documents)
    topics.save(topics_path)
    write_topic_vectors(vectors_path, splits, vectors, topics.names)
    with whole_file(table_path) as temporary:
        topic_table(topics, vectors["train"], coherence).to_csv(temporary, index=False)
    metrics = measure_topics(topics, vectors, coherence)
    metrics |= {"rule": rule, "documents": len(train), "tokens": round(float(counts.sum()))}
    if later:  # a sampler: how much of the vectors is chance
        samples = {
            r: [topic_vectors(c, rule=r, min_share=min_share) for c in (counts, *later)]
            for r in RULES
        }
        metrics["stability_jaccard"] = {r: round(jaccard(*s), 4) for r, s in samples.items()}
    write_json(metrics_path, metrics)
    return topics


def _described(corpus: str | Path) -> tuple[pd.DataFrame, pd.Series]:
    """The clips that have descriptions, and of each the list of them."""
    clips = read_table(corpus, "clips")
    texts = read_table(corpus, "captions").groupby("clip", sort=False)["text"].agg(list)
    return clips[clips["clip"].isin(texts.index)].reset_index(drop=True), texts


def find_topics(
    held_out: Mapping[str, str | Path],
    *,
    topics_path: str | Path,
    train_vectors: str | Path,
    train_metrics: str | Path,
    vectors_path: str | Path,
    metrics_path: str | Path,
    rule: str = "share",
    min_share: float = 0.05,
) -> None:
    """Find mined topics in the descriptions of other splits.

    Apart from `mine_topics`, so that a clip more to be captioned mines nothing anew. The same files
    come of it as of `mine_topics` on all splits at once.

    Args:
        held_out: of each other split the folder of its corpus in canonical form.
        topics_path, train_vectors, train_metrics: what `mine_topics` wrote of the train split.
        vectors_path: CSV, the topic vectors of all splits.
        metrics_path: JSON, the measures, with the topics a clip of all splits.
        rule: as `mine_topics` had it.
        min_share: likewise.

    Raises:
        InputError: files that are missing or damaged.
    """
    topics = Topics.load(topics_path)
    known = read_topic_vectors(train_vectors, split="train")
    splits, vectors = {"train": list(known.index)}, {"train": known.to_numpy()}
    for split, folder in held_out.items():
        clips, texts = _described(folder)
        splits[split] = clips["clip"].tolist()
        found = topics.token_counts([texts[clip] for clip in splits[split]])
        vectors[split] = topic_vectors(found, rule=rule, min_share=min_share)
    write_topic_vectors(vectors_path, splits, vectors, topics.names)
    metrics = read_json(train_metrics)
    write_json(metrics_path, metrics | {"topics_per_clip": topics_per_clip(vectors)})


def topics_per_clip(vectors: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean number of topics of the clips of each split that has any."""
    return {split: round(float(s.sum(1).mean()), 4) for split, s in vectors.items() if len(s)}


def topic_table(topics: Topics, s: np.ndarray, coherence: np.ndarray) -> pd.DataFrame:
    """The paper's Table 1 with two measures: a row a topic, the most frequent first.

    Args:
        topics: fitted.
        s: topic vectors of the train clips, `[clips, topics]`.
        coherence: of each topic, `[topics]`.

    Returns:
        `topic` (its index), `name`, `words` (the five most probable), `clips` (share of `s`),
        `coherence`.
    """
    table = pd.DataFrame(
        {
            "topic": range(len(topics)),
            "name": topics.names,
            "words": [", ".join(words) for words in topics.top_words(5)],
            "clips": s.mean(0).round(4),
            "coherence": coherence.round(4),
        }
    )
    return table.sort_values("clips", ascending=False, kind="stable")


def measure_topics(
    topics: Topics, vectors: Mapping[str, np.ndarray], coherence: Sequence[float]
) -> dict[str, Any]:
    """Figures by which settings of the topic model are compared.

    Args:
        topics: fitted.
        vectors: of each split the topic vectors, `[clips, topics]`.
        coherence: of each topic, `[topics]`.
    """
    top = topics.top_words(TOP_WORDS)
    return {
        "engine": topics.settings["engine"],
        "n_topics": len(topics),
        "vocabulary": len(topics.words),
        "coherence_npmi": round(float(np.mean(coherence)), 4),
        "diversity_10": round(topic_diversity(top, top=10), 4),
        "diversity_25": round(topic_diversity(top, top=25), 4),
        "topics_without_clips": int((vectors["train"].sum(0) == 0).sum()),
        "topics_per_clip": topics_per_clip(vectors),
    }
