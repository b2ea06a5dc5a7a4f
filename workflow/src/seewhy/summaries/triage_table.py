"""How well the triage of mistakes finds the recorded faults, against two simpler ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Score, bootstrap_interval, bootstrap_rows
from seewhy.scores.columns import interval_columns, verdict
from seewhy.summaries.evidence import NUMBERS
from seewhy.summaries.triage import AMBIGUOUS, KINDS, macro_f1

Array = np.ndarray
_CUTS = 20  # confidences tried as cuts


@dataclass(frozen=True)
class ConfidenceRule:
    """A kind of mistake for each of three ranges of the network's confidence.

    Attributes:
        cuts: the two confidences between the ranges.
        kinds: of low, middle and high confidence.
    """

    cuts: tuple[float, float]
    kinds: tuple[str, str, str]

    def __call__(self, confidence: Array) -> Array:
        """The kind of each mistake, [m]."""
        return np.array(self.kinds)[np.digitize(np.asarray(confidence, float), self.cuts)]


def fit_confidence(confidence: Array, truth: Array) -> ConfidenceRule:
    """The cuts, and the kind between them, that sort VALIDATION mistakes best by macro F1.

    Args:
        confidence: how much surer the network is of its class than of the given one, [m].
        truth: recorded kind of each mistake, [m].

    Raises:
        InputError: no mistake, or unequal numbers.
    """
    confidence, truth = np.asarray(confidence, float), np.asarray(truth)
    if not len(truth) or confidence.shape != truth.shape:
        raise InputError(f"triage: {len(confidence)} confidences of {len(truth)} mistakes")
    levels = np.unique(np.quantile(confidence, np.arange(1, _CUTS) / _CUTS))
    rules = [
        ConfidenceRule((float(low), float(high)), kinds)
        for low, high in combinations([-np.inf, *levels, np.inf], 2)
        for kinds in permutations(KINDS)
    ]
    said = np.stack([rule(confidence) for rule in rules])
    f1 = macro_f1({kind: said == kind for kind in KINDS}, truth)
    return rules[int(f1.argmax())]


def majority(truth: Array) -> str:
    """The most common kind among VALIDATION mistakes; of equals the first in `KINDS`."""
    return max(KINDS, key=lambda kind: int((np.asarray(truth) == kind).sum()))


def triage_scores(kinds: Array, truth: Array) -> Score:
    """Precision, recall and macro F1 as a function of how often each mistake is drawn.

    Args:
        kinds: said of each mistake, [m], `AMBIGUOUS` among them: it is never right.
        truth: recorded kind, [m].

    Returns:
        Of multiplicities [resamples, m]: "precision <kind>", "recall <kind>" (0 where none is said
        or true), "macro F1" (over the kinds that a draw has), "accuracy" and "ambiguous" (its
        share).

    Raises:
        InputError: unequal numbers, or an unknown kind.
    """
    kinds, truth = np.asarray(kinds), np.asarray(truth)
    unknown = (set(kinds.tolist()) - {*KINDS, AMBIGUOUS}) | (set(truth.tolist()) - set(KINDS))
    if kinds.shape != truth.shape or not len(truth):
        raise InputError(f"triage: {len(kinds)} kinds said of {len(truth)} mistakes; give one each")
    if unknown:
        raise InputError(f"triage: {sorted(unknown)[0]!r} is no kind; give {', '.join(KINDS)}")
    said = np.stack([kinds == kind for kind in KINDS], axis=1).astype(float)  # [m, kinds]
    true = np.stack([truth == kind for kind in KINDS], axis=1).astype(float)

    def score(times: Array) -> dict[str, Array]:
        hits, named, there = times @ (said * true), times @ said, times @ true
        f1 = 2 * hits / np.maximum(named + there, 1)
        found = {}
        for column, kind in enumerate(KINDS):
            found[f"precision {kind}"] = hits[:, column] / np.maximum(named[:, column], 1)
            found[f"recall {kind}"] = hits[:, column] / np.maximum(there[:, column], 1)
        some = there > 0
        found["macro F1"] = np.where(some, f1, 0).sum(axis=1) / some.sum(axis=1)
        drawn = times.sum(axis=1)
        found["accuracy"] = hits.sum(axis=1) / drawn
        found["ambiguous"] = times @ (kinds == AMBIGUOUS) / drawn
        return found

    return score


def tabulate_triage(
    systems: Mapping[str, Array],
    baselines: Mapping[str, Array],
    truth: Array,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Precision and recall of each kind with intervals, and each system minus each baseline.

    Args:
        systems: kinds said by each system, [m].
        baselines: by the majority and the confidence rule, [m].
        truth: recorded kind of each TEST mistake, [m].
        resamples: of the bootstrap, which draws mistakes.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        Columns `row`, `kind` (method, baseline, paired difference), `mistakes`, the figures of
        `triage_scores` with low and high, ``said <kind>`` and ``true <kind>`` (numbers), and the
        `verdict` of a difference's macro F1.
    """
    truth = np.asarray(truth)
    said = {**systems, **baselines}
    scores = {row: triage_scores(kinds, truth) for row, kinds in said.items()}
    compared = [(system, baseline) for system in systems for baseline in baselines]
    draws = {"clips": len(truth), "resamples": resamples, "level": confidence, "seed": seed}
    intervals = bootstrap_rows(scores, compared, **draws)
    rows: list[dict[str, Any]] = []
    for row, found in intervals.items():
        kind = "method" if row in systems else "baseline" if row in said else "paired difference"
        about: dict[str, Any] = {"row": row, "kind": kind, "mistakes": len(truth)}
        for name, interval in found.items():
            about |= interval_columns(name, interval)
        if row in said:
            about |= {f"said {k}": int((np.asarray(said[row]) == k).sum()) for k in KINDS}
            about |= {f"true {k}": int((truth == k).sum()) for k in KINDS}
        else:
            about["verdict"] = verdict(found["macro F1"])
        rows.append(about)
    whole = [f"{what} {kind}" for what in ("said", "true") for kind in KINDS]
    return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64"))


def tabulate_evidence(
    evidence: pd.DataFrame,
    truth: Array,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How well each number alone tells a kind of mistake from the others, whatever the threshold.

    Args:
        evidence: of the TEST mistakes, [m] rows.
        truth: recorded kind of each, [m].
        resamples: of the bootstrap, which draws mistakes.
        confidence: of the intervals.
        seed: of the draws.

    Returns:
        A row for each number: `evidence`, `mistakes` (that have it), and for each kind the area
        under the ROC curve with low and high: the chance that a mistake of this kind has more of
        it than one of another kind (a half for equals). Without a number that no mistake has.
    """
    rows: list[dict[str, Any]] = []
    for name in NUMBERS:
        values = evidence[name].to_numpy(float)
        there = ~np.isnan(values)
        row: dict[str, Any] = {"evidence": name, "mistakes": int(there.sum())}
        for kind in KINDS:
            this = np.asarray(truth)[there] == kind
            if this.any() and not this.all():
                score = _area(values[there], this)
                draws = {"clips": len(this), "resamples": resamples, "level": confidence}
                found = bootstrap_interval([score], seed=seed, **draws)["area"]
                row |= interval_columns(kind, found)
        if there.any():
            rows.append(row)
    return pd.DataFrame(rows)


def _area(values: Array, this: Array) -> Score:
    """The area under the ROC curve, of mistakes drawn; a half where a draw has only one kind."""
    one, two = values[this][:, None], values[~this]
    more = (one > two) + 0.5 * (one == two)  # [this, others]

    def score(times: Array) -> dict[str, Array]:
        pairs = times[:, this].sum(axis=1) * times[:, ~this].sum(axis=1)
        wins = ((times[:, this] @ more) * times[:, ~this]).sum(axis=1)
        return {"area": np.where(pairs > 0, wins / np.maximum(pairs, 1), 0.5)}

    return score
