"""Two ways to fit latent Dirichlet allocation (Blei, Ng and Jordan 2003).

Each document d mixes topics, theta_d ~ Dirichlet(alpha); each topic is a distribution over words,
phi_k ~ Dirichlet(eta); each token draws its topic z from theta_d, then its word from phi_z.

- `GibbsEngine` samples z with theta and phi integrated out, as the WarpLDA of the captioning paper
  does, and counts tokens under the last sample.
- `VariationalEngine` fits by variational Bayes (Hoffman, Blei and Bach 2010) and counts *expected*
  tokens: the sum of the responsibilities that each word of the document gives to each topic.

Both give `token_counts` `[documents, topics]`, from which topic vectors are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
import tomotopy
from gensim.corpora import Dictionary
from gensim.models import LdaModel
from scipy.special import digamma

from seewhy.errors import InputError
from seewhy.progress import progress

Documents = Sequence[Sequence[str]]


class Engine(Protocol):
    """A fitted model; documents hold only words of its vocabulary."""

    package: ClassVar[str]

    def topic_word(self, words: Sequence[str]) -> np.ndarray:
        """Probabilities phi of `words` under each topic: float64 `[topics, words]`."""

    def token_counts(self, documents: Documents) -> np.ndarray:
        """Tokens of each document under each topic, the topics fixed: `[documents, topics]`.

        The same document gives the same counts whatever stands beside it.
        """

    def state(self) -> dict[str, np.ndarray]:
        """Arrays from which ``from_state`` rebuilds the engine."""


class GibbsEngine:
    """Collapsed Gibbs sampling by tomotopy, in one thread: the same seed gives the same topics.

    (On processors with the same vector instructions: tomotopy adds in another order with others.)
    """

    package = "tomotopy"

    def __init__(self, model: tomotopy.LDAModel, *, inference_iterations: int) -> None:
        self._model = model
        self._iterations = inference_iterations

    @classmethod
    def fit(
        cls,
        documents: Documents,
        *,
        n_topics: int,
        alpha: float,
        eta: float,
        iterations: int,
        seed: int,
        optimise_alpha: bool = True,
        inference_iterations: int = 100,
        stability_sweeps: int = 50,
    ) -> tuple[GibbsEngine, np.ndarray, np.ndarray]:
        """Sample the topics of `documents`.

        Args:
            documents: tokens, none of the documents empty.
            n_topics: N_t.
            alpha: prior of the topics in a document, of each topic.
            eta: prior of the words in a topic, of each word.
            iterations: sweeps over all tokens.
            seed: of the sampler.
            optimise_alpha: start at `alpha` and fit one to each topic on the way (Wallach, Mimno
                and McCallum 2009): steadier topic vectors, at no cost in coherence.
            inference_iterations: sweeps over a new document.
            stability_sweeps: sweeps between the sample that is used and the later one.

        Returns:
            The engine; int64 `[documents, topics]` tokens under the last sample; the same under a
            sample `stability_sweeps` later, to see how much of it is chance.
        """
        model = tomotopy.LDAModel(k=n_topics, alpha=alpha, eta=eta, seed=seed)
        model.optim_interval = 10 if optimise_alpha else 0
        for document in documents:
            model.add_doc(document)
        with progress(what="Gibbs sampling", total=iterations, unit="sweep") as bar:
            while model.global_step < iterations:
                step = min(10, iterations - model.global_step)
                model.train(step, workers=1)
                bar.update(step)
        engine = cls(_reloaded(model), inference_iterations=inference_iterations)
        counts = _assigned(model.docs, n_topics)
        model.optim_interval = 0
        model.train(stability_sweeps, workers=1)
        return engine, counts, _assigned(model.docs, n_topics)

    def topic_word(self, words: Sequence[str]) -> np.ndarray:
        """See `Engine.topic_word`."""
        position = {word: index for index, word in enumerate(self._model.used_vocabs)}
        order = [position[word] for word in words]
        phi = [self._model.get_topic_word_dist(k) for k in range(self._model.k)]
        return np.array(phi, float)[:, order]

    def token_counts(self, documents: Documents) -> np.ndarray:
        """See `Engine.token_counts`; each document is sampled by itself, from a fixed seed."""
        counts = np.zeros((len(documents), self._model.k), np.int64)
        filled = [index for index, document in enumerate(documents) if document]
        made = [self._model.make_doc(documents[index]) for index in filled]
        if made:
            self._model.infer(made, iterations=self._iterations, workers=1)
            counts[filled] = _assigned(made, self._model.k)
        return counts

    def state(self) -> dict[str, np.ndarray]:
        """See `Engine.state`: tomotopy's own format, without the documents."""
        return {
            "model": np.frombuffer(self._model.saves(full=False), np.uint8),
            "inference_iterations": np.array(self._iterations),
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], words: Sequence[str]) -> GibbsEngine:
        """Rebuild from `state`."""
        del words  # the model knows them
        model = tomotopy.LDAModel.loads(state["model"].tobytes())
        return cls(model, inference_iterations=int(state["inference_iterations"]))


class VariationalEngine:
    """Variational Bayes by gensim; `token_counts` are expectations, not whole numbers."""

    package = "gensim"

    def __init__(self, lambda_: np.ndarray, alpha: np.ndarray, words: Sequence[str]) -> None:
        """Take the parameters of the topics' Dirichlets `[topics, words]`, and alpha `[topics]`."""
        self._lambda, self._alpha = lambda_, alpha
        self._column = {word: index for index, word in enumerate(words)}
        self._exp_log_beta = np.exp(digamma(lambda_) - digamma(lambda_.sum(1, keepdims=True)))

    @classmethod
    def fit(
        cls,
        documents: Documents,
        *,
        n_topics: int,
        alpha: float,
        eta: float,
        iterations: int,
        seed: int,
        passes: int = 20,
    ) -> tuple[VariationalEngine, np.ndarray]:
        """Fit the topics of `documents`; arguments as in `GibbsEngine.fit`.

        Args:
            documents: tokens.
            n_topics: N_t.
            alpha: prior of the topics in a document.
            eta: prior of the words in a topic.
            iterations: at most so many updates of a document in each pass.
            seed: of the starting point.
            passes: over all documents.

        Returns:
            The engine; float64 `[documents, topics]` expected tokens.
        """
        words = sorted({word for document in documents for word in document})
        dictionary = Dictionary([words])
        model = LdaModel(
            corpus=[dictionary.doc2bow(document) for document in documents],
            id2word=dictionary,
            num_topics=n_topics,
            alpha=np.full(n_topics, alpha),
            eta=eta,
            passes=passes,
            iterations=iterations,
            random_state=seed,
            eval_every=None,
            dtype=np.float64,
        )
        order = [dictionary.token2id[word] for word in words]
        engine = cls(model.state.get_lambda()[:, order], np.asarray(model.alpha, float), words)
        return engine, engine.token_counts(documents)

    def topic_word(self, words: Sequence[str]) -> np.ndarray:
        """See `Engine.topic_word`: the means of the topics' Dirichlets."""
        phi = self._lambda / self._lambda.sum(1, keepdims=True)
        return phi[:, [self._column[word] for word in words]]

    def token_counts(
        self, documents: Documents, *, iterations: int = 200, tolerance: float = 1e-4
    ) -> np.ndarray:
        """See `Engine.token_counts`.

        For the words w of a document, n_w times each, with responsibilities r and gamma, the
        parameters of the document's Dirichlet:

            r_wk ~ exp(E[log theta_k] + E[log beta_kw]),   gamma_k = alpha_k + sum_w n_w r_wk
        """
        counts = np.zeros((len(documents), len(self._alpha)))
        for index, document in enumerate(documents):
            if not document:
                continue
            columns, n = np.unique([self._column[word] for word in document], return_counts=True)
            beta = self._exp_log_beta[:, columns]  # [topics, words of the document]
            gamma = self._alpha + len(document) / len(self._alpha)
            for _ in range(iterations):
                theta = np.exp(digamma(gamma))  # the constant cancels in r
                expected = theta * (beta @ (n / (theta @ beta + 1e-300)))  # sum_w n_w r_wk
                change = np.abs(self._alpha + expected - gamma).mean()
                gamma = self._alpha + expected
                if change < tolerance:
                    break
            counts[index] = expected
        return counts

    def state(self) -> dict[str, np.ndarray]:
        """See `Engine.state`."""
        return {"lambda": self._lambda, "alpha": self._alpha}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], words: Sequence[str]) -> VariationalEngine:
        """Rebuild from `state`."""
        return cls(state["lambda"], state["alpha"], words)


ENGINES: dict[str, type[GibbsEngine] | type[VariationalEngine]] = {
    "gibbs": GibbsEngine,
    "variational": VariationalEngine,
}


def engine_named(name: str) -> type[GibbsEngine] | type[VariationalEngine]:
    """The engine class of a setting.

    Raises:
        InputError: there is none of that name.
    """
    if name not in ENGINES:
        raise InputError(f"topic engine {name!r}: unknown; it is one of {', '.join(ENGINES)}")
    return ENGINES[name]


def _assigned(documents: Sequence[tomotopy.utils.Document], n_topics: int) -> np.ndarray:
    counts = [np.bincount(document.topics, minlength=n_topics) for document in documents]
    return np.array(counts, np.int64).reshape(len(counts), n_topics)


def _reloaded(model: tomotopy.LDAModel) -> tomotopy.LDAModel:
    """A copy of the topics alone, the very one that a saved file gives."""
    return tomotopy.LDAModel.loads(model.saves(full=False))
