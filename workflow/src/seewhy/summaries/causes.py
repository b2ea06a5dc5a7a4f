r"""What filters of the aviary's network detect in truth, and how often a preset names it.

    causes = causal_pairs(drawn)                    # ("crown", "yellow") for filter 0, None, ...
    score_naming(tables, causes, attribute_slots(names, slots))

Over birds b that were each given every value v of slot s (`seewhy.summaries.counterfactuals`), the
effect of a value on filter f is how far it raises the pooled activation above the slot's other
values, in standard deviations over the birds as they are,

.. math:: e_{fv} = \frac{1}{\sigma_f} \operatorname{mean}_b \left(\phi_{bvf}
    - \operatorname{mean}_{v' \in s, v' \ne v} \phi_{bv'f}\right),

and the filter's cause is the value with the highest effect, if that reaches a bar.

Letters and shapes: b birds, v pairs of slot and value, n filters, l attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from seewhy.errors import InputError
from seewhy.scores.means import tabulate_means
from seewhy.summaries.counterfactuals import Counterfactuals, Pair
from seewhy.summaries.distributions import FilterAttributes

Array = np.ndarray

BAR = 0.5
"""Standard deviations that a cause must raise a filter by."""
HALVES = "half of the birds"
_SMALL = 1e-12


def causal_effects(found: Counterfactuals) -> Array:
    """The effect of each value on each filter, 0 for a filter that never changes: ``[n, v]``."""
    spread = found.as_they_are.std(axis=0, dtype=float)  # [n]
    mean = found.phi.mean(axis=0, dtype=float)  # [v, n]
    effects = np.zeros_like(mean)
    for slot in range(len(found.slots)):
        of_slot = found.slot_of == slot
        values = of_slot.sum()
        others = (mean[of_slot].sum(axis=0) - mean[of_slot]) / max(values - 1, 1)
        effects[of_slot] = mean[of_slot] - others
    still = spread <= np.maximum(1e-6 * abs(found.as_they_are.mean(axis=0)), _SMALL)
    return np.where(still, 0, effects / np.where(still, 1, spread)).T


def causal_pairs(found: Counterfactuals, *, bar: float = BAR) -> list[Pair | None]:
    """What each filter detects, n; None where no effect reaches `bar`."""
    effects = causal_effects(found)
    best = effects.argmax(axis=1)
    return [
        found.pairs[v] if effects[f, v] >= bar and effects[f, v] > 0 else None
        for f, v in enumerate(best)
    ]


def score_naming(
    tables: Mapping[str, FilterAttributes],
    causes: Sequence[Pair | None],
    pairs: Sequence[Pair | None],
    *,
    halves: Sequence[Sequence[Pair | None]] = (),
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """How often the first attribute of a filter is its cause.

    Args:
        tables: p(t|f) by preset, of the same filters and attributes.
        causes: of `causal_pairs`, n.
        pairs: slot and value that each attribute names (`attribute_slots`), l.
        halves: causes by half of the birds, twice; none: the row that says how sure the causes
            themselves are is left out.
        resamples, confidence, seed: of the bootstrap, which draws filters.

    Returns:
        Columns `row`, `kind`, `filters` (those with a cause that some attribute names), `named`:
        the share whose first attribute is the cause, and `slot`, the share where it is of the
        cause's slot at least, each with low, high and, of a difference, the verdict; `no cause`
        and `nameless`: filters left out for want of a cause, or because no attribute names it, as
        of what is no longer there. The baselines give all filters the same name, that of most
        training images or that of most causes; chance takes any attribute. The bound is how often
        half of the birds agrees with the other half.

    Raises:
        InputError: tables of other filters or attributes, or no filter left.
    """
    for preset, table in tables.items():
        if table.scores.shape != (len(causes), len(pairs)):
            raise InputError(
                f"{preset}: scores {list(table.scores.shape)} for {len(causes)} filters and "
                f"{len(pairs)} attributes; give one cause a filter, one pair an attribute"
            )
    known = {pair for pair in pairs if pair}
    left = [f for f, cause in enumerate(causes) if cause in known]
    if not left:
        raise InputError("naming: no filter has a cause that an attribute names; lower the bar")
    of_left = [causes[f] for f in left]
    said: dict[str, list[Pair | None]] = {}
    for preset, table in tables.items():
        best, score = table.scores[left].argmax(axis=1), table.scores[left].max(axis=1)
        said[preset] = [pairs[j] if s > 0 else None for j, s in zip(best, score, strict=True)]
    support = next(iter(tables.values())).support
    frequent = max((j for j, pair in enumerate(pairs) if pair), key=lambda j: support[j])
    said["most frequent attribute"] = [pairs[frequent]] * len(left)
    said["most frequent cause"] = [Counter(of_left).most_common(1)[0][0]] * len(left)
    measures = {
        "named": {row: _agree(names, of_left) for row, names in said.items()},
        "slot": {
            row: _agree([_slot(name) for name in names], [_slot(cause) for cause in of_left])
            for row, names in said.items()
        },
    }
    if halves:
        one, two = ([half[f] for f in left] for half in halves)
        measures["named"][HALVES] = _agree(one, two)
        measures["slot"][HALVES] = _agree([_slot(c) for c in one], [_slot(c) for c in two])
    counts, slots = Counter(pairs), Counter(_slot(pair) for pair in pairs)
    measures["named"]["chance"] = np.array([counts[cause] for cause in of_left]) / len(pairs)
    measures["slot"]["chance"] = np.array([slots[_slot(c)] for c in of_left]) / len(pairs)
    presets = list(tables)
    baselines = [row for row in measures["named"] if row not in (*presets, HALVES)]
    differences = [(preset, baseline) for preset in presets for baseline in baselines]
    differences += [(presets[-1], other) for other in presets[:-1]]
    draws = {"resamples": resamples, "confidence": confidence, "seed": seed}
    parts = [
        tabulate_means(rows, differences, name=name, items="filters", **draws)
        for name, rows in measures.items()
    ]
    table = parts[0].merge(parts[1], on=["row", "filters"])
    kinds = dict.fromkeys(presets, "method") | dict.fromkeys(baselines, "baseline")
    kinds[HALVES] = "bound"
    table.insert(1, "kind", [kinds.get(row, "paired difference") for row in table["row"]])
    table["no cause"] = sum(cause is None for cause in causes)
    table["nameless"] = sum(cause is not None and cause not in known for cause in causes)
    return table


def _agree(names: Sequence[object], causes: Sequence[object]) -> Array:
    return np.array([name == cause for name, cause in zip(names, causes, strict=True)], float)


def _slot(pair: Pair | None) -> str:
    return pair[0] if pair else ""
