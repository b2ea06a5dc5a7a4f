r"""Why was the network wrong: a missing feature, a poor image, or a wrong label (Figure 8).

The paper ("Network Debugging") finds three patterns by eye. Here each wrong image gets the evidence
for them as numbers and named attributes, and rules with thresholds fitted on validation faults say
which it is:

- ``label``: the image fits the predicted class and not the given one. Its pooled activations phi
  lie nearer to the predicted class's train images, and inside them, and the attributes in its
  captions are those of the predicted class.
- ``perturbation``: the image is odd. phi is far from the train images of both classes, or its
  explanation names attributes that captions of neither class have, or its light, colour, sharpness
  or grain are far from the train images'.
- ``missing``: neither, and phi has moved from the given class's mean along what tells the two
  classes apart: true discriminative attributes are not seen, or others weigh too much.
- ``ambiguous``: the rest, and where both of the first two speak.

The numbers are those of `seewhy.summaries.evidence`.

Reference:
    P. Guo et al., *Neural Network Interpretation via Fine-Grained Textual Summarization*, 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from seewhy.errors import InputError

Array = np.ndarray
KINDS = ("missing", "perturbation", "label")
AMBIGUOUS = "ambiguous"
UNSORTED = "unsorted"
"""Of a mistake of a network that makes none on the validation images."""
_LABEL = ("nearer", "inside", "caption fit")  # evidence of a wrong label, more of it says so
_ODD = ("far", "foreign", "oddness")  # evidence of a poor image, more of it says so
_LEVELS = 10  # thresholds tried lie between as many equal parts of the validation mistakes


@dataclass(frozen=True)
class Thresholds:
    """Where evidence begins to speak; made by `fit_thresholds`.

    Attributes:
        label: least `nearer`, `inside` and `caption fit` of a wrong label, all three needed; minus
            infinity where one is not asked for, infinity where no label is called wrong.
        odd: least `far`, `foreign` and `oddness` of a poor image, of which one suffices; infinity
            where one does not count.
        towards: least `towards` of a missing feature.
        f1: macro F1 on the validation mistakes.
    """

    label: dict[str, float]
    odd: dict[str, float]
    towards: float
    f1: float


def fit_thresholds(evidence: pd.DataFrame, truth: Sequence[str]) -> Thresholds:
    """Thresholds that sort the VALIDATION images' mistakes best, by macro F1 over `KINDS`.

    All combinations of a coarse grid are tried; of equally good ones that which calls the fewest
    images faulty is kept. Where neither speaks an image is "missing", so the fit is never worse
    than saying so of all.

    Args:
        evidence: of wrongly classified validation images.
        truth: recorded kind of each, see `true_kinds`.

    Raises:
        InputError: other numbers of images and kinds, an unknown kind, or no mistake.
    """
    truth = true_kinds(truth)
    if len(truth) != len(evidence) or not len(truth):
        raise InputError(
            f"triage: {len(evidence)} validation mistakes and {len(truth)} recorded kinds; give at "
            "least one, and a kind for each"
        )
    asked = [_candidates(evidence[name]) for name in _LABEL]
    counted = [[*_candidates(evidence[name])[1:], np.inf] for name in _ODD]
    labels = [dict(zip(_LABEL, least, strict=True)) for least in product(*asked)]
    labels.append(dict.fromkeys(_LABEL, np.inf))  # no wrong label at all
    odds = [dict(zip(_ODD, least, strict=True)) for least in product(*counted)]
    fits = np.stack([_fits(evidence, least) for least in labels]).astype(float)
    odd = np.stack([_is_odd(evidence, least) for least in odds]).astype(float)

    def called(weight: Array) -> dict[str, Array]:
        """How much of `weight` [m] each pair of rules calls what, [odds, labels]."""
        both = (odd * weight) @ fits.T
        one, two = (odd @ weight)[:, None], (fits @ weight)[None]
        return {"missing": weight.sum() - one - two + both, "perturbation": one - both,
                "label": two - both}  # fmt: skip

    said = called(np.ones(len(truth)))
    present = [kind for kind in KINDS if (truth == kind).any()]
    f1 = np.zeros((len(odds), len(labels)))
    for kind in present:
        true = (truth == kind).astype(float)
        f1 += 2 * called(true)[kind] / (said[kind] + true.sum()) / len(present)
    best = np.lexsort((-said["missing"].ravel(), -np.round(f1, 9).ravel()))[0]
    i, j = np.unravel_index(best, f1.shape)
    found = Thresholds(labels[j], odds[i], towards=-np.inf, f1=float(f1[i, j]))
    for towards in _candidates(evidence["towards"])[1:]:
        kinds = triage(evidence, replace(found, towards=towards))
        score = float(macro_f1({kind: (kinds == kind)[None] for kind in KINDS}, truth)[0])
        if score > found.f1 + 1e-9:
            found = replace(found, towards=towards, f1=score)
    return found


def triage(evidence: pd.DataFrame, thresholds: Thresholds) -> Array:
    """The kind of each mistake, one of `KINDS` or `AMBIGUOUS`, [m].

    Args:
        evidence: of wrongly classified images.
        thresholds: fitted on others.
    """
    odd, fits = _is_odd(evidence, thresholds.odd), _fits(evidence, thresholds.label)
    specific = evidence["towards"].to_numpy(float) >= thresholds.towards
    return np.select(
        [odd & fits, odd, fits, specific],
        [AMBIGUOUS, "perturbation", "label", "missing"],
        default=AMBIGUOUS,
    )


def true_kinds(faults: Sequence[str]) -> Array:
    """The kind of mistake that an image with a recorded fault makes: "missing" where it has none.

    Raises:
        InputError: an unknown fault.
    """
    kinds = np.array([str(fault) or "missing" for fault in faults], dtype=str)
    unknown = set(kinds.tolist()) - set(KINDS)
    if unknown:
        raise InputError(
            f"faults: {sorted(unknown)[0]!r} is not known; give perturbation, label or nothing"
        )
    return kinds


def macro_f1(kinds: dict[str, Array], truth: Array) -> Array:
    """Mean over the kinds that occur in `truth` of 2 TP / (said + true).

    Args:
        kinds: for each of `KINDS` whether it is said, [answers, m] bool.
        truth: [m].

    Returns:
        [answers].
    """
    scores = []
    for kind in KINDS:
        true = truth == kind
        if true.any():
            hits = (kinds[kind] & true).sum(axis=1)
            scores.append(2 * hits / (kinds[kind].sum(axis=1) + true.sum()))
    return np.mean(scores, axis=0)


def say_evidence(row: pd.Series, kind: str, class_names: Sequence[str]) -> str:
    """One line that says what kind of mistake an image is, and why.

    Args:
        row: of `gather_evidence`.
        kind: of `triage`.
        class_names: [o].
    """
    given, predicted = class_names[int(row["given"])], class_names[int(row["predicted"])]
    if kind == UNSORTED:
        return f"{given} taken for {predicted}: {kind}"
    told = f"; its captions say {row['told']}" if row["told"] else ""
    foreign = f"; {row['foreign attributes']} of neither class" if row["foreign attributes"] else ""
    odd = f"; {row['odd']}" if row["odd"] else ""
    parts = [
        f"{what}: {row[column]}"
        for column, what in (("unseen", "not seen"), ("excess", "too much"))
        if row[column]
    ]
    why = {
        "label": f"{row['nearer']:.1f} times nearer to {predicted}{told}",
        "perturbation": f"{row['far']:.1f} times as far from both classes as usual{foreign}{odd}",
        "missing": "; ".join(parts) or f"a margin of {row['lost']:.1f} lost",
    }.get(kind, "the evidence does not decide")
    return f"{given} taken for {predicted}: {kind} ({why})"


def _candidates(values: pd.Series) -> list[float]:
    """Thresholds to try, rising: none, and those that part the values in `_LEVELS`."""
    there = values.dropna().to_numpy(float)
    if not len(there):
        return [-np.inf]
    inner = np.quantile(there, np.arange(1, _LEVELS) / _LEVELS)
    return [-np.inf, *np.unique(inner).tolist()]


def _fits(evidence: pd.DataFrame, least: dict[str, float]) -> Array:
    """Whether all evidence of a wrong label reaches its threshold; what is absent is not asked."""
    fits = np.ones(len(evidence), bool)
    for name, value in least.items():
        values = evidence[name].to_numpy(float)
        fits &= (values >= value) | np.isnan(values)
    return fits


def _is_odd(evidence: pd.DataFrame, least: dict[str, float]) -> Array:
    """Whether some evidence of a poor image reaches its threshold."""
    odd = np.zeros(len(evidence), bool)
    for name, value in least.items():
        odd |= evidence[name].to_numpy(float) >= value  # False where it is absent
    return odd
