r"""Why this class and not that one: a margin dealt over attributes, exactly.

    (held,) = contrast_classes(
        phi[:1], weight, bias, distributions, names, "tern", "gull", classes=["tern", "gull"]
    )
    held.favour                          # (("red bill", 1.31), ...), and held.against
    held.total                           # the margin: these, the rest, no_attribute and bias

The margin between two classes is a sum over filters, since only global average pooling and a linear
layer stand above them; each filter's part is dealt over attributes by its p(t|f), whose rows sum to
1, or to 0 for a filter without any:

.. math::
    y_i - y_j &= \sum_k d_k + (b_i - b_j), \qquad d_k = (w_{ik} - w_{jk})\, \phi_k \\
        &= \sum_t \underbrace{\sum_k d_k\, p(t|f_k)}_{\text{attribute } t}
          + \sum_{k:\, p(\cdot|f_k) = 0} d_k + (b_i - b_j).

Nothing is cut off at 0 here, so what speaks for the other class stands beside what speaks for this
one. What the two classes share, the paper's "both birds have long beaks", is read from eq. 5 of
both: the lower of the two probabilities of an attribute.

Letters and shapes: m images, n filters, l attributes, o classes.

Reference: Neural Network Interpretation via Fine-Grained Textual Summarization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seewhy.dissection.hooks import class_index
from seewhy.errors import InputError
from seewhy.summaries.explain import (
    attribute_probabilities,
    class_names,
    filter_importance,
    signed_importance,
)

Array = np.ndarray
Part = tuple[str, float]

_FLOATS = 1 << 23


class Dealt(NamedTuple):
    """A margin in parts: ``attributes.sum(1) + no_attribute + bias`` is the margin.

    Attributes:
        attributes: ``[m, l]`` float64.
        no_attribute: of filters without any, ``[m]``.
        bias: ``[m]``.
    """

    attributes: Array
    no_attribute: Array
    bias: Array


@dataclass(frozen=True)
class Contrast:
    """One class against another, for an image, as parts of the margin between their logits.

    Attributes:
        image: its place among those asked for.
        class_, other: numbers.
        class_name, other_name: names.
        margin: logit of the class less that of the other.
        favour: attributes whose parts are above 0, the highest first.
        against: those whose parts are below 0, the lowest first.
        rest: the parts of all other attributes together.
        no_attribute: the parts of filters without any attribute.
        bias: the part of the biases.
        shared: attributes that speak for both classes, and the lower of their probabilities.
    """

    image: int
    class_: int
    other: int
    class_name: str
    other_name: str
    margin: float
    favour: tuple[Part, ...]
    against: tuple[Part, ...]
    rest: float
    no_attribute: float
    bias: float
    shared: tuple[Part, ...]

    @property
    def total(self) -> float:
        """All parts together: the margin."""
        named = sum(part for _, part in self.favour + self.against)
        return named + self.rest + self.no_attribute + self.bias


def deal_margin(
    phi: Array, weight: Array, bias: Array, distributions: Array, class_: Array, other: Array
) -> Dealt:
    """The parts of the margin for each image.

    Args:
        phi: ``[m, n]``.
        weight: W ``[o, n]``.
        bias: ``[o]``.
        distributions: p(t|f) or scores at least 0, ``[n, l]``: rows are made to sum to 1.
        class_: of each image, int ``[m]``.
        other: of each image, int ``[m]``.

    Raises:
        InputError: distributions below 0, or of other filters.
    """
    phi, weight, bias = (np.asarray(v, float) for v in (phi, weight, bias))
    rows, none = _rows(distributions, phi.shape[1])
    return _dealt(phi, weight, bias, rows, none, np.asarray(class_), np.asarray(other))


def contrast_classes(
    phi: Array,
    weight: Array,
    bias: Array,
    distributions: Array,
    names: Sequence[str],
    class_: int | str | Sequence[int | str],
    other: int | str | Sequence[int | str],
    *,
    classes: Sequence[str] = (),
    top: int = 5,
    support: Array | None = None,
    least: int = 5,
) -> list[Contrast]:
    """Why one class and not another, for many images.

    Args:
        phi: ``[m, n]``.
        weight: W ``[o, n]``.
        bias: ``[o]``.
        distributions: ``[n, l]``, at least 0.
        names: of the attributes, l.
        class_: one for all images, or one each.
        other: likewise.
        classes: names, o.
        top: so many attributes in favour, against and shared.
        support: training images that bear each attribute, ``[l]``; None: enough.
        least: attributes of fewer are in `rest`, not named.

    Raises:
        InputError: no such class, a class against itself, shapes that do not agree.
    """
    phi, weight, bias = (np.asarray(v, float) for v in (phi, weight, bias))
    labels = class_names(classes, len(weight))
    first, second = (_each(c, len(phi), len(weight), classes) for c in (class_, other))
    if (first == second).any():
        raise InputError(
            f"class {labels[first[first == second][0]]!r} against itself; give two classes"
        )
    if len(names) != distributions.shape[1]:
        raise InputError(f"{len(names)} names for {distributions.shape[1]} attributes; one each")
    rows, none = _rows(distributions, phi.shape[1])
    known = np.full(len(names), True) if support is None else np.asarray(support) >= least
    found = []
    size = max(1, _FLOATS // (3 * len(names) + 4 * phi.shape[1]))
    for start in range(0, len(phi), size):
        some = slice(start, start + size)
        x, i, j = phi[some], first[some], second[some]
        dealt = _dealt(x, weight, bias, rows, none, i, j)
        pair = (attribute_probabilities(filter_importance(x, weight[c]), rows) for c in (i, j))
        shared = np.where(known, np.minimum(*pair), 0)
        named = np.where(known, dealt.attributes, 0)
        for k in range(len(x)):
            favour = _parts(named[k], names, top)
            against = tuple((name, -part) for name, part in _parts(-named[k], names, top))
            shown = sum(part for _, part in favour + against)
            found.append(
                Contrast(
                    image=start + k,
                    class_=int(i[k]),
                    other=int(j[k]),
                    class_name=labels[i[k]],
                    other_name=labels[j[k]],
                    margin=float((weight[i[k]] - weight[j[k]]) @ x[k] + bias[i[k]] - bias[j[k]]),
                    favour=favour,
                    against=against,
                    rest=float(dealt.attributes[k].sum() - shown),
                    no_attribute=float(dealt.no_attribute[k]),
                    bias=float(dealt.bias[k]),
                    shared=_parts(shared[k], names, top),
                )
            )
    return found


def _dealt(
    phi: Array, weight: Array, bias: Array, rows: Array, none: Array, i: Array, j: Array
) -> Dealt:
    parts = signed_importance(phi, weight[i] - weight[j])  # d, [m, n]
    return Dealt(parts @ rows, parts[:, none].sum(axis=1), bias[i] - bias[j])


def _rows(distributions: Array, filters: int) -> tuple[Array, Array]:
    """Rows in float64 that sum to 1, and which filters have none, bool ``[n]``."""
    rows = np.asarray(distributions, float)
    if rows.ndim != 2 or len(rows) != filters:
        raise InputError(
            f"{filters} filters in the network, {list(rows.shape)} in the filter attributes; make "
            "them with the same layer"
        )
    if (rows < 0).any():
        raise InputError("filter attributes below 0 cannot be a distribution; take their ReLU")
    total = rows.sum(axis=1, keepdims=True)
    return rows / np.where(total > 0, total, 1), total[:, 0] == 0


def _each(
    given: int | str | Sequence[int | str], images: int, count: int, classes: Sequence[str]
) -> Array:
    if isinstance(given, (int, str, np.integer)):
        given = [given] * images
    if len(given) != images:
        raise InputError(f"{len(given)} classes for {images} images; give one for all or one each")
    return np.array([class_index(c, count, classes) for c in given], int)


def _parts(values: Array, names: Sequence[str], top: int) -> tuple[Part, ...]:
    best = np.argsort(-values, kind="stable")[:top]
    return tuple((names[t], float(values[t])) for t in best if values[t] > 0)
