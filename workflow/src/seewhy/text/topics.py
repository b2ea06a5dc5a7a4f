"""Topics in descriptions of clips (captioning paper, section 2.3: human ones).

All descriptions of a clip together are one document, and latent Dirichlet allocation on the
documents of the train split gives N_t topics (`seewhy.text.engines`). Which of them a clip has, its
topic vector, is read from the tokens under each topic (`seewhy.text.vectors`).
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from gensim.corpora import Dictionary
from gensim.parsing.preprocessing import STOPWORDS

from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, read_json, whole_file, write_json
from seewhy.text.engines import Engine, engine_named
from seewhy.text.stop_words import KEPT_WORDS
from seewhy.text.strict import strict_words
from seewhy.text.tokens import tokenise
from seewhy.text.words_left import LEAST_WORDS, too_few_words

log = logging.getLogger(__name__)

TOP_WORDS = 25  # words of each topic that are written to topics.json


@dataclass(frozen=True)
class Topics:
    """Fitted topics, which can be read, saved, and looked for in new descriptions.

    Attributes:
        names: of each topic its top word, or as many as tell it apart (`topic_names`).
        words: the vocabulary.
        topic_word: float64 `[topics, words]`, each row a distribution.
        engine: the fitted model.
        settings: what it was fitted with.
        strict: of each topic the words that name it and nothing else (`seewhy.text.strict`).
    """

    names: tuple[str, ...]
    words: tuple[str, ...]
    topic_word: np.ndarray
    engine: Engine = field(repr=False)
    settings: Mapping[str, Any]
    strict: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.names)

    def top_words(self, n: int = 10) -> list[list[str]]:
        """The `n` most probable words of each topic, most probable first."""
        order = np.argsort(-self.topic_word, axis=1, kind="stable")[:, :n]
        return [[self.words[index] for index in row] for row in order]

    def index(self, name: str) -> int:
        """Position of the topic called `name`.

        Raises:
            InputError: there is none.
        """
        if name not in self.names:
            near = [other for other in self.names if name in other.split("_")]
            hint = f"did you mean {', '.join(near)}" if near else "topics.json lists them"
            raise InputError(f"topic {name!r}: there is none of this name; {hint}")
        return self.names.index(name)

    def token_counts(self, descriptions: Sequence[Sequence[str]]) -> np.ndarray:
        """Tokens of each clip's descriptions under each topic, the topics fixed.

        Args:
            descriptions: for each clip its descriptions as written.

        Returns:
            `[clips, topics]`; deterministic, and the same for a clip whatever stands beside it.
        """
        known = set(self.words)
        documents = [[w for w in document(texts) if w in known] for texts in descriptions]
        return self.engine.token_counts(documents)

    def save(self, path: str | Path) -> None:
        """Write ``<path>`` (JSON, to be read) and beside it ``<stem>.h5`` (the whole model)."""
        path = Path(path)
        order = np.argsort(-self.topic_word, axis=1, kind="stable")[:, :TOP_WORDS]
        topics = [
            {
                "name": name,
                "strict": list(strict),
                "words": [[self.words[index], round(float(row[index]), 6)] for index in indices],
            }
            for name, strict, row, indices in zip(
                self.names, self.strict, self.topic_word, order, strict=True
            )
        ]
        with whole_file(path.with_suffix(".h5")) as temporary, create_hdf5(temporary) as file:
            file["topic_word"] = self.topic_word
            for name, value in self.engine.state().items():
                file[f"engine/{name}"] = value
        write_json(
            path,
            {"topics": topics, "vocabulary": list(self.words), "settings": dict(self.settings)},
        )

    @classmethod
    def load(cls, path: str | Path) -> Topics:
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing or damaged, or another version of the engine wrote it.
        """
        path = Path(path)
        value = read_json(path)
        try:
            names = tuple(topic["name"] for topic in value["topics"])
            strict = tuple(tuple(topic["strict"]) for topic in value["topics"])
            words, settings = tuple(value["vocabulary"]), value["settings"]
            engine_class = engine_named(settings["engine"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a file of topics; mine the topics again") from error
        installed = importlib.metadata.version(engine_class.package)
        if settings.get("version") != installed:
            raise InputError(
                f"{path}: written with {engine_class.package} {settings.get('version')}, and "
                f"{installed} is installed; mine the topics again"
            )
        matrix = path.with_suffix(".h5")
        with open_hdf5(matrix, needs=("topic_word", "engine")) as file:
            topic_word = file["topic_word"][:]
            state = {name: data[()] for name, data in file["engine"].items()}
        if topic_word.shape != (len(names), len(words)):
            raise InputError(f"{matrix}: does not belong to {path}; mine the topics again")
        try:
            engine = engine_class.from_state(state, words)
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(f"{matrix}: damaged ({error}); mine the topics again") from error
        return cls(names, words, topic_word, engine, settings, strict)


def fit_topics(
    descriptions: Sequence[Sequence[str]],
    *,
    engine: str = "gibbs",
    n_topics: int = 100,
    seed: int = 0,
    alpha: float = 0.1,
    eta: float = 0.01,
    iterations: int = 500,
    min_df: int = 10,
    max_df: float = 0.8,
    min_word_length: int = 2,
    stop_words: Sequence[str] = (),
    kept_words: Sequence[str] = KEPT_WORDS,
    **engine_settings: Any,
) -> tuple[Topics, list[np.ndarray]]:
    """Fit topics to the descriptions of the train clips.

    Args:
        descriptions: for each clip its descriptions as written.
        engine: `gibbs` or `variational`.
        n_topics: N_t.
        seed: of the sampler, or of the variational starting point.
        alpha: Dirichlet prior of topics in a document.
        eta: Dirichlet prior of words in a topic.
        iterations: sweeps of the sampler, or at most so many updates of a document in a pass.
        min_df: clips whose descriptions must hold a word.
        max_df: share of the clips whose descriptions may hold it.
        min_word_length: letters.
        stop_words: words to leave out besides gensim's list.
        kept_words: words of gensim's list to keep all the same.
        engine_settings: further settings of the engine's ``fit``.

    Returns:
        The topics, and token counts of the given clips, each `[clips, topics]`: those to use, and
        from the sampler a second sample, 50 sweeps later.

    Raises:
        InputError: a setting out of range, or too few words left.
    """
    for name, value, right in [
        ("n_topics", n_topics, n_topics >= 2),
        ("alpha", alpha, alpha > 0),
        ("eta", eta, eta > 0),
        ("iterations", iterations, iterations >= 1),
        ("min_df", min_df, min_df >= 1),
        ("max_df", max_df, 0 < max_df <= 1),
    ]:
        if not right:
            raise InputError(f"{name} ({value}): out of range")
    engine_class = engine_named(engine)
    documents = [document(texts) for texts in descriptions]
    words = _vocabulary(
        documents,
        left_out=(STOPWORDS - set(kept_words)) | set(stop_words),
        min_df=min_df,
        max_df=max_df,
        min_word_length=min_word_length,
    )
    known = set(words)
    documents = [[word for word in document if word in known] for document in documents]
    filled = [index for index, document in enumerate(documents) if document]
    if len(filled) < len(documents):
        log.warning("%d clips have no word of the topics' vocabulary", len(documents) - len(filled))
    try:
        fitted, *filled_counts = engine_class.fit(
            [documents[index] for index in filled],
            n_topics=n_topics,
            alpha=alpha,
            eta=eta,
            iterations=iterations,
            seed=seed,
            **engine_settings,
        )
    except TypeError as error:
        if "keyword argument" not in str(error):
            raise
        raise InputError(f"topics: the engine {engine} has no such setting ({error})") from error
    counts = []
    for sample in filled_counts:
        counts.append(np.zeros((len(documents), n_topics), sample.dtype))
        counts[-1][filled] = sample
    topic_word = fitted.topic_word(words)
    settings = {
        "engine": engine,
        "package": engine_class.package,
        "version": importlib.metadata.version(engine_class.package),
        "n_topics": n_topics,
        "seed": seed,
        "alpha": alpha,
        "eta": eta,
        "iterations": iterations,
        "min_df": min_df,
        "max_df": max_df,
        "min_word_length": min_word_length,
        "stop_words": sorted(stop_words),
        "kept_words": sorted(kept_words),
        **engine_settings,
    }
    strict = tuple(map(tuple, strict_words(topic_word, words, documents)))
    topics = Topics((), tuple(words), topic_word, fitted, settings, strict)
    names = topic_names(topics.top_words(TOP_WORDS), counts[0].sum(0))
    return replace(topics, names=names), counts


def topic_names(top_words: Sequence[Sequence[str]], weights: Sequence[float]) -> tuple[str, ...]:
    """Name each topic by its top word, or by as many top words as tell it apart.

    Where several share a top word, the topic with the most weight is called by it alone: ``cat``
    and ``cat_table``.

    Args:
        top_words: of each topic, most probable first.
        weights: of the topics: tokens, say.
    """
    taken = {"clip", "split"}  # columns of the topic vectors
    names = [""] * len(top_words)
    for index in np.argsort(-np.asarray(weights), kind="stable"):
        starts = ["_".join(top_words[index][:n]) for n in range(1, len(top_words[index]) + 1)]
        names[index] = next((name for name in starts if name not in taken), f"{starts[0]}_{index}")
        taken.add(names[index])
    return tuple(names)


def document(texts: Sequence[str]) -> list[str]:
    """The tokens of a clip's descriptions, one after the other."""
    return [token for text in texts for token in tokenise(text)]


def _vocabulary(
    documents: Sequence[Sequence[str]],
    *,
    left_out: set[str] | frozenset[str],
    min_df: int,
    max_df: float,
    min_word_length: int,
) -> list[str]:
    dictionary = Dictionary(documents)
    dictionary.filter_extremes(no_below=min_df, no_above=max_df, keep_n=None)
    words = sorted(
        w for w in dictionary.token2id if len(w) >= min_word_length and w not in left_out
    )
    if len(words) < LEAST_WORDS:
        raise InputError(too_few_words(len(words), len(documents), min_df, max_df))
    return words
