r"""Why a network took a class: which attributes its filters stand for, for an image or a class.

    null = shuffled_images("joint", train_phi, presence)      # of `seewhy.summaries.chance`
    said = explain_images(phi, weight, table.distributions(), table.names, null=null,
                          support=table.support)
    said[0].attributes                       # (Reason("red crown", 0.12, p=0.01), ...), or ()
    said[0].sentence(say)                    # "This is a cardinal because it has ..."

With :math:`p(t|f)` of `seewhy.summaries.filters` in rows that sum to 1,

.. math::
    p(t_j|x_i, c_m) = \sum_k p(t_j|f_k)\, p(f_k|x_i, c_m) \tag{5}
.. math::
    p(f_k|x_i, c_m) = \sigma(\phi(f_k(x_i))\, w_{m,k}) \tag{6}
.. math::
    p(t_j|c_m) = \sum_k p(t_j|f_k)\, p(f_k|c_m) \tag{7}
.. math::
    p(f_k|c_m) = \sigma(w_{m,k}) \tag{8}

:math:`\sigma` is ReLU, then L1 over the filters: a filter that speaks against the class does not
speak for its attributes, and the rest is a distribution. For one class against another see
`seewhy.summaries.contrast`.

**When it says nothing.** Eq. 5 ranks attributes whatever the filters are. An attribute is named
only if at least `least` training images bear it, and its evidence is more than chance gives, by
tables p(t|f) that mean nothing (`seewhy.summaries.chance`): those of shuffled images if they are
given as `null`, else of `draws` exchanges of the filters. Evidence is measured from what an
exchange of filters gives on average, in its standard deviations (both known exactly),

.. math::
    z_j = \frac{\sum_k g_k s_{kj} - n \bar g \bar s_j}
        {\sqrt{\sum_k (g_k - \bar g)^2 \sum_k (s_{kj} - \bar s_j)^2 / (n - 1)}},

g the importances of eq. 6, s the column of attribute j. The p-value of j is the share of tables,
the real one counted among them, whose highest z over all attributes is at least :math:`z_j`. So
with `level` 0.05 an image gets a reason by chance in one case of twenty; an image with no attribute
left abstains. By exchanges that holds only where filters are no more alike than chance makes them:
in a trained network, whose filters share their classes, take shuffled images.

Letters and shapes: m images, n filters, l attributes, o classes.

Reference: Neural Network Interpretation via Fine-Grained Textual Summarization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.dissection.hooks import class_index
from seewhy.errors import InputError
from seewhy.summaries.chance import exchanged_filters

Array = np.ndarray
Say = Callable[[str, Sequence[str]], str]

_FLOATS = 1 << 24  # of the largest intermediate result, 64 MB


@dataclass(frozen=True)
class Reason:
    """An attribute that speaks for a class.

    Attributes:
        name: of the attribute.
        score: p(t|x, c), or p(t|c).
        p: how often chance gives any attribute as much; NaN where it was not asked.
    """

    name: str
    score: float
    p: float = float("nan")


@dataclass(frozen=True)
class Explanation:
    """Why this class, for an image or in general.

    Attributes:
        class_: its number.
        class_name: its name.
        attributes: the strongest first; none: it abstains.
        image: its place among those asked for; -1: of the class in general.
    """

    class_: int
    class_name: str
    attributes: tuple[Reason, ...]
    image: int = -1

    @property
    def abstains(self) -> bool:
        """Whether nothing supports any attribute."""
        return not self.attributes

    def sentence(self, say: Say) -> str:
        """The sentence.

        Args:
            say: makes it of the class's name and the attributes' names, the strongest first.
        """
        if self.abstains:
            return f"This is a {self.class_name}; no attribute says why better than chance."
        return say(self.class_name, [reason.name for reason in self.attributes])


def filter_importance(phi: Array, w: Array) -> Array:
    """Eq. 6: p(f|x, c), ReLU then L1 over the filters.

    Args:
        phi: ``[m, n]``.
        w: the weights of the class that is asked about, ``[n]``, or of each image's, ``[m, n]``.

    Returns:
        ``[m, n]``, rows that sum to 1, or to 0 where no filter speaks for the class.
    """
    return _sigma(signed_importance(phi, w))


def signed_importance(phi: Array, w: Array) -> Array:
    """``phi_k w_mk`` before σ: parts of the logit, which they sum to without its bias, ``[m, n]``.

    Raises:
        InputError: another number of filters or images.
    """
    phi, w = np.asarray(phi), np.asarray(w)
    if phi.ndim != 2 or w.ndim not in (1, 2) or np.atleast_2d(w).shape[1] != phi.shape[1]:
        raise InputError(f"phi {list(phi.shape)} and w {list(w.shape)} must be of the same filters")
    if w.ndim == 2 and len(w) not in (1, len(phi)):
        raise InputError(f"w has {len(w)} rows for {len(phi)} images; give one for all or one each")
    return phi * w


def class_importance(weight: Array) -> Array:
    """Eq. 8: p(f|c), ReLU then L1 over the filters: ``[o, n]`` of W ``[o, n]``."""
    return _sigma(np.asarray(weight))


def attribute_probabilities(importance: Array, distributions: Array) -> Array:
    """Eqs. 5 and 7: importances ``[m, n]`` and p(t|f) ``[n, l]`` to ``[m, l]``."""
    return importance @ distributions


def explain_images(
    phi: Array,
    weight: Array,
    distributions: Array,
    names: Sequence[str],
    *,
    bias: Array | None = None,
    asked: Sequence[int | str] | None = None,
    classes: Sequence[str] = (),
    top: int = 5,
    support: Array | None = None,
    least: int = 5,
    null: Iterable[Array] | None = None,
    draws: int = 99,
    level: float = 0.05,
    seed: int = 0,
) -> list[Explanation]:
    """Eqs. 5 and 6 for many images.

    Args:
        phi: ``[m, n]``.
        weight: W ``[o, n]``.
        distributions: p(t|f), rows that sum to 1 or 0, ``[n, l]``.
        names: of the attributes, l.
        bias: ``[o]``; None: 0. It tells the class decided alone.
        asked: a class for each image, m; None: the one that the network decides for.
        classes: names, o.
        top: so many attributes, of those that are admitted.
        support: training images that bear each attribute, ``[l]``; None: enough.
        least: so many are enough.
        null: tables that mean nothing, each as `distributions`; None: of filters exchanged.
        draws: so many exchanges; 0: nothing is asked, every score above 0 is admitted, as in the
            paper.
        level: highest p-value of a reason; 1 / (tables + 1) is the lowest there is.
        seed: of the exchanges.

    Raises:
        InputError: shapes that do not agree, no such class, a level that so few tables cannot
            reach.
    """
    weight, phi = np.asarray(weight), np.asarray(phi)
    labels = class_names(classes, len(weight))
    if phi.ndim != 2 or weight.ndim != 2 or phi.shape[1] != weight.shape[1]:
        raise InputError(
            f"phi {list(phi.shape)} and weight {list(weight.shape)} must be [images, filters] and "
            "[classes, filters] of the same filters"
        )
    if asked is None:
        logits = phi @ weight.T + (0 if bias is None else bias)
        decided = logits.argmax(axis=1)
    elif len(asked) != len(phi):
        raise InputError(f"asked has {len(asked)} classes for {len(phi)} images; give one each")
    else:
        decided = np.array([class_index(c, len(weight), classes) for c in asked], int)
    if null is None:
        null = exchanged_filters(distributions, draws=draws, seed=seed)
    judge = _Judge(distributions, names, top=top, support=support, least=least, level=level)
    reasons = judge(
        lambda some: filter_importance(phi[some], weight[decided[some]]), len(phi), null
    )
    return [
        Explanation(int(c), labels[c], why, i)
        for i, (c, why) in enumerate(zip(decided, reasons, strict=True))
    ]


def explain_image(phi: Array, weight: Array, *given, **how) -> Explanation:
    """`explain_images` for one, phi ``[n]``; a class as `asked`."""
    if how.get("asked") is not None:
        how["asked"] = [how["asked"]]
    return explain_images(np.asarray(phi)[None], weight, *given, **how)[0]


def describe_classes(
    weight: Array,
    distributions: Array,
    names: Sequence[str],
    *,
    classes: Sequence[str] = (),
    top: int = 5,
    support: Array | None = None,
    least: int = 5,
    null: Iterable[Array] | None = None,
    draws: int = 99,
    level: float = 0.05,
    seed: int = 0,
) -> list[Explanation]:
    """Eqs. 7 and 8: what each class looks for, whatever the image; arguments as `explain_images`.

    Returns:
        One of each class, o.
    """
    weight = np.asarray(weight)
    labels = class_names(classes, len(weight))
    if null is None:
        null = exchanged_filters(distributions, draws=draws, seed=seed)
    judge = _Judge(distributions, names, top=top, support=support, least=least, level=level)
    reasons = judge(lambda some: class_importance(weight[some]), len(weight), null)
    return [Explanation(c, labels[c], why) for c, why in enumerate(reasons)]


def describe_class(class_: int | str, weight: Array, *given, **how) -> Explanation:
    """`describe_classes` for one class, by its number or name."""
    c = class_index(class_, len(weight), how.get("classes", ()))
    how["classes"] = [class_names(how.get("classes", ()), len(weight))[c]]
    said = describe_classes(np.asarray(weight)[c : c + 1], *given, **how)[0]
    return Explanation(c, said.class_name, said.attributes)


def class_names(classes: Sequence[str], count: int) -> list[str]:
    """Names of the classes, or ``class 3``.

    Raises:
        InputError: another number of names.
    """
    if classes and len(classes) != count:
        raise InputError(f"{len(classes)} names of classes for {count} outputs; give one each")
    return list(classes) or [f"class {c}" for c in range(count)]


class _Judge:
    """Ranks the attributes of some importances and leaves out what chance gives."""

    def __init__(
        self,
        distributions: Array,
        names: Sequence[str],
        *,
        top: int,
        support: Array | None,
        least: int,
        level: float,
    ) -> None:
        l = distributions.shape[1]  # noqa: E741
        if len(names) != l or (support is not None and len(support) != l):
            raise InputError(
                f"{len(names)} names for {l} attributes; give one name, one support each"
            )
        if top < 1:
            raise InputError(f"top is {top}; give at least 1")
        enough = np.full(l, True) if support is None else np.asarray(support) >= least
        self._named = np.flatnonzero(enough)
        self._table, self._shape = _Table(distributions, self._named), distributions.shape
        self._names, self._top, self._level = names, top, level

    def __call__(
        self, importance: Callable[[slice], Array], count: int, null: Iterable[Array]
    ) -> list[tuple[Reason, ...]]:
        """Reasons of each of `count` rows of importances, which are asked for some at a time."""
        n = len(self._table.s)
        groups = in_groups(count, 3 * len(self._named) + 4 * n)
        if count and (found := importance(slice(0, 1)).shape[1]) != n:
            raise InputError(
                f"{found} filters in the network, {n} in the filter attributes; make them with the "
                "same layer"
            )
        if not (count and len(self._named)):
            return [()] * count
        highest = self._highest(importance, groups, null)  # [tables, count]
        reasons = []
        for some in groups:
            g = importance(some)
            scores = self._table.scores(g)  # [rows, named]
            z = self._table.standard(g, scores)
            for k, row in enumerate(scores):
                p = np.full(len(row), np.nan)
                if len(highest):
                    # Equal but for rounding is reached: filters all alike give the same each time.
                    chance = np.sort(highest[:, some.start + k] + 1e-4)
                    reached = len(chance) - np.searchsorted(chance, z[k])
                    p = (1 + reached) / (1 + len(chance))
                best = np.argsort(-row, kind="stable")
                best = best[(row[best] > 0) & ~(p[best] > self._level)][: self._top]
                reasons.append(
                    tuple(
                        Reason(self._names[self._named[j]], float(row[j]), float(p[j]))
                        for j in best
                    )
                )
        return reasons

    def _highest(
        self, importance: Callable[[slice], Array], groups: Sequence[slice], null: Iterable[Array]
    ) -> Array:
        """The highest z that each table which means nothing gives each row: ``[tables, rows]``."""
        highest = []
        for distributions in null:
            if distributions.shape != self._shape:
                raise InputError(
                    f"a table of chance is {list(distributions.shape)}, the filter attributes are "
                    f"{list(self._shape)}; make it of the same filters and attributes"
                )
            table = _Table(distributions, self._named)
            given = (importance(some) for some in groups)
            highest.append(
                np.concatenate([table.standard(g, table.scores(g)).max(axis=1) for g in given])
            )
        if highest and not self._level * (len(highest) + 1) >= 1:
            raise InputError(
                f"level {self._level} cannot be reached by {len(highest)} tables of chance; give "
                f"at least {int(np.ceil(1 / max(self._level, 1e-9))) - 1}, or none to admit all"
            )
        return np.array(highest)


class _Table:
    """Some columns of p(t|f), and what an exchange of the filters gives on average."""

    def __init__(self, distributions: Array, columns: Array) -> None:
        self.s = np.ascontiguousarray(distributions[:, columns], np.float32)
        self._mean, self._spread = self.s.mean(axis=0, dtype=float), self.s.std(axis=0, dtype=float)

    def scores(self, g: Array) -> Array:
        """Eqs. 5 and 7 of importances ``[rows, n]``."""
        return attribute_probabilities(g.astype(np.float32), self.s)

    def standard(self, g: Array, scores: Array) -> Array:
        """z of the scores."""
        n = len(self.s)
        expected = g.sum(axis=1, dtype=float, keepdims=True) * self._mean
        spread = g.std(axis=1, dtype=float, keepdims=True) * self._spread
        spread *= n / np.sqrt(max(n - 1, 1))
        known = spread > 1e-6 * expected  # below, float32 has no digits left
        return np.divide(scores - expected, spread, out=np.zeros(scores.shape), where=known)


def _sigma(values: Array) -> Array:
    positive = np.maximum(values, 0)
    total = positive.sum(axis=1, keepdims=True)
    return positive / np.where(total > 0, total, 1)


def in_groups(count: int, floats_each: int) -> list[slice]:
    """Slices of so many rows that a few intermediate results fit."""
    size = max(1, _FLOATS // max(floats_each, 1))
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
