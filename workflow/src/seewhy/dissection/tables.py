"""Table 1, the blocks (Figure 6) and the units that change their name, with their controls.

A unit is interpretable where its best IoU reaches a threshold (`seewhy.dissection.tally`). Three
thresholds stand side by side: 0.04 (Bau et al. 2017, the paper), 0.08, and one calibrated for each
dissection by its own null, so that 5% of the units would reach it with other images' labels. Two
controls stand in the same table: a network with random weights, and the action regions with their
names dealt anew. What these reach too, neither learning nor meaning is needed for.

`held out` counts a unit whose label, chosen on one half of the images, reaches the threshold on the
other half (the mean of both ways): the best of many labels looks better than it is on the images it
was chosen on.

The calibrated threshold of a network with random weights is that of the network that it is held
against: its own null lies lower, and would name more.

Intervals: groups of images drawn with replacement; thresholds T_u, and the calibrated ones, stay.
Dissections of the same seed of draws are paired. A unit's best IoU is the best of many, so in a
resample, with fewer different images, it tends to be higher: the draws are moved so that their
median is the value, and their quantiles then are the interval's ends. (In a simulation where noise
decides, percentile intervals missed the true count always, these never; where signal does, they
covered it in 97% and 98%.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.dissection.details import compositions, compositions_summary, details
from seewhy.dissection.dissect import Dissection, read_dissection
from seewhy.dissection.layers import RANDOM
from seewhy.dissection.sets import ACTION, BRODEN, COMBINED, SETS, SHUFFLED, main_set
from seewhy.dissection.tally import (
    Named,
    best_of,
    calibrated_threshold,
    ceilings,
    resampled,
)
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.scores.bootstrap import Interval
from seewhy.scores.columns import interval_columns, verdict
from seewhy.table_numbers import number_format

Array = np.ndarray
FIXED = (0.04, 0.08)
CALIBRATED = "5% by chance"


@dataclass(frozen=True)
class Draws:
    """How intervals are made: number of resamples, confidence and seed."""

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def interval(self, value: float, draws: Array) -> Interval:
        """Quantiles of the draws about their median, moved to the value; NaN without draws."""
        if not len(draws):
            return Interval(float(value), np.nan, np.nan)
        ends = (
            value
            - np.median(draws)
            + np.quantile(draws, [(1 - self.confidence) / 2, (1 + self.confidence) / 2])
        )
        return Interval(float(value), float(ends[0]), float(ends[1]))


@dataclass(frozen=True)
class _Read:
    """A dissection with what all rows need of it."""

    scores: Array
    labels: Array
    drawn_scores: Array
    drawn_labels: Array
    calibrated: float

    def threshold(self, kind: str | float) -> float:
        return self.calibrated if kind == CALIBRATED else float(kind)

    def named(self, kind: str | float) -> Named:
        return _named(self.scores, self.labels, self.threshold(kind))

    def drawn(self, kind: str | float) -> tuple[Array, Array]:
        """Units and concepts of each resample."""
        at = self.threshold(kind)
        pairs = [
            _named(s, c, at) for s, c in zip(self.drawn_scores, self.drawn_labels, strict=True)
        ]
        return np.array([p.units for p in pairs]), np.array([p.concepts for p in pairs])


def _reaches(scores: Array, at: float) -> Array:
    """At least `at`; 0, an overlap with nothing, reaches no threshold."""
    return (scores >= at) & (scores > 0)


def _named(scores: Array, labels: Array, at: float) -> Named:
    reaches = _reaches(scores, at)
    return Named(int(reaches.sum()), len(np.unique(labels[reaches])))


def _read(found: Dissection, draws: Draws) -> _Read:
    label, score = best_of(found).overall()
    drawn_scores, drawn_labels = resampled(found, draws.resamples, draws.seed)
    return _Read(score, label, drawn_scores, drawn_labels, calibrated_threshold(found))


def _read_all(found: Mapping[tuple, Dissection], draws: Draws) -> dict[tuple, _Read]:
    """Dissections by network and whatever else, with the calibrated thresholds of the module."""
    reads = {key: _read(one, draws) for key, one in found.items()}
    for key, read in reads.items():
        trained = (key[0].removeprefix(RANDOM), *key[1:])
        reads[key] = replace(read, calibrated=reads.get(trained, read).calibrated)
    return reads


def held_out(found: Dissection, threshold: float) -> float:
    """Units whose label, chosen on one half of the images, reaches `threshold` on the other."""
    halves, units = (slice(0, None, 2), slice(1, None, 2)), np.arange(found.units)
    counted = []
    for chosen, other in (halves, halves[::-1]):
        label, score = best_of(found, chosen).overall()
        again = found.scores(other)[units, label]
        counted.append((_reaches(again, threshold) & (score > 0)).sum())
    return float(np.mean(counted))


def table1(
    found: Mapping[tuple[str, str], Dissection],
    draws: Draws,
    *,
    titles: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Concepts and interpretable units by set, network and threshold; then the differences.

    Args:
        found: by network and set (a key of `seewhy.dissection.sets.SETS`), all of one layer.
        draws: of the intervals.
        titles: of the sets, by name; by default those of `SETS`.

    Returns:
        Columns network, row, threshold (as asked), IoU (its value), units and concepts with their
        intervals, held out, total (units of the layer), within reach (labels whose ceiling reaches
        the threshold), verdict (of the rows of differences: is that of the units above 0). The ends
        of intervals are NaN where all images are of one group.
    """
    reads, titles = _read_all(found, draws), titles or SETS
    main = main_set([name for _, name in found])
    networks = list(dict.fromkeys(network for network, _ in found))
    rows = []
    for kind in (*FIXED, CALIBRATED):
        for network in networks:
            for name in SETS:
                if (network, name) not in found:
                    continue
                one, read = found[network, name], reads[network, name]
                at, named, (units, concepts) = (
                    read.threshold(kind), read.named(kind), read.drawn(kind),
                )  # fmt: skip
                rows.append(
                    {"network": network, "row": titles[name], "threshold": str(kind), "IoU": at}
                    | interval_columns("units", draws.interval(named.units, units))
                    | interval_columns("concepts", draws.interval(named.concepts, concepts))
                    | {
                        "held out": held_out(one, at),
                        "total": one.units,
                        "within reach": int(_reaches(ceilings(one), at).sum()),
                    }
                )
            for first, second in (
                ((network, COMBINED), (network, BRODEN)),
                ((network, main), (network, SHUFFLED)),
                ((network, main), (RANDOM + network, main)),
            ):
                if first in reads and second in reads:
                    rows.append(_difference(reads, first, second, kind, draws, titles))
    return pd.DataFrame(rows)


def _difference(
    reads: Mapping[tuple[str, str], _Read],
    first: tuple[str, str],
    second: tuple[str, str],
    kind: str | float,
    draws: Draws,
    titles: Mapping[str, str],
) -> dict[str, object]:
    a, b = reads[first], reads[second]
    of_a, of_b = a.named(kind), b.named(kind)
    drawn_a, drawn_b = a.drawn(kind), b.drawn(kind)
    units = draws.interval(of_a.units - of_b.units, drawn_a[0] - drawn_b[0])
    concepts = draws.interval(of_a.concepts - of_b.concepts, drawn_a[1] - drawn_b[1])
    less = titles[second[1]] + ("" if first[0] == second[0] else ", random weights")
    return (
        {"network": first[0], "row": f"{titles[first[1]]} minus {less}", "threshold": str(kind)}
        | interval_columns("units", units)
        | interval_columns("concepts", concepts)
        | {"verdict": verdict(units)}
    )


def blocks(
    found: Mapping[tuple[str, str, str], Dissection], draws: Draws, *, threshold: float
) -> pd.DataFrame:
    """Units that each category names, layer by layer.

    Args:
        found: by network, layer and set.
        draws: of the intervals.
        threshold: IoU; the calibrated one of each dissection stands beside it.

    Returns:
        Columns network, layer, set, threshold, IoU, category, units with its interval, total.
    """
    rows = []
    reads = _read_all(found, draws)
    for (network, layer, name), one in found.items():
        read = reads[network, layer, name]
        for kind in (threshold, CALIBRATED):
            at = read.threshold(kind)
            of = one.category[read.labels]
            drawn = one.category[read.drawn_labels]
            for k, category in enumerate(one.categories):
                value = ((of == k) & _reaches(read.scores, at)).sum()
                counted = ((drawn == k) & _reaches(read.drawn_scores, at)).sum(1)
                rows.append(
                    {"network": network, "layer": layer, "set": name, "threshold": str(kind),
                     "IoU": at, "category": category}
                    | interval_columns("units", draws.interval(value, counted))
                    | {"total": one.units}
                )  # fmt: skip
    return pd.DataFrame(rows)


def emergence(
    found: Mapping[tuple[str, str, str], Dissection],
    draws: Draws,
    *,
    last: str,
    threshold: float,
    category: str = ACTION,
) -> pd.DataFrame:
    """Does a category emerge in the last block? The share of its units there, minus that before.

    Args:
        found: by network, layer and set.
        draws: of the intervals.
        last: the last layer.
        threshold: IoU; the calibrated one of each dissection stands beside it.
        category: whose units are counted.

    Returns:
        Columns network, set, threshold, category, layer (another one), share (of its units that the
        category names), share last, difference (last minus it) with its interval, verdict.
    """
    reads, rows = _read_all(found, draws), []

    def share(key: tuple[str, str, str], kind: str | float) -> tuple[float, Array]:
        one, read, k = found[key], reads[key], found[key].categories.index(category)
        at = read.threshold(kind)
        of, drawn = one.category[read.labels] == k, one.category[read.drawn_labels] == k
        return (
            float((of & _reaches(read.scores, at)).mean()),
            (drawn & _reaches(read.drawn_scores, at)).mean(1),
        )

    for network, layer, name in found:
        if layer == last or (network, last, name) not in found:
            continue
        for kind in (threshold, CALIBRATED):
            (here, drawn), (there, of_last) = (
                share((network, one, name), kind) for one in (layer, last)
            )
            difference = draws.interval(there - here, of_last - drawn)
            rows.append(
                {"network": network, "set": name, "threshold": str(kind), "category": category,
                 "layer": layer, "share": here, "share last": there}
                | interval_columns("difference", difference)
                | {"verdict": verdict(difference)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def relabelled(
    before: Dissection, after: Dissection, shuffled: Dissection, *, threshold: float
) -> pd.DataFrame:
    """Units whose name changes when actions are admitted, IoU before and after.

    Args:
        before: without actions.
        after: with them.
        shuffled: with actions whose names were dealt anew; its best action tells what is chance.
        threshold: a name counts from this IoU on, before or after.

    Returns:
        Columns unit (from 1), label, category, IoU before, label after, category after, IoU after,
        IoU of the same label after (the old name on all images), best shuffled action IoU; the
        greatest gain first.
    """
    if not before.units == after.units == shuffled.units:
        raise InputError("relabelling compares dissections of one layer; these differ in units")
    for one in (after, shuffled):
        if ACTION not in one.categories:
            raise InputError(
                f"relabelling: a set with actions has no category {ACTION!r}, only "
                f"{', '.join(one.categories)}"
            )
    missing = sorted(set(before.names) - set(after.names))
    if missing:
        raise InputError(
            f"relabelling: the set with actions has no label {missing[0]!r}, which the set without "
            "them has; add the actions to that set"
        )
    scores = after.scores()
    by_chance = best_of(shuffled).score[:, shuffled.categories.index(ACTION)]
    rows = []
    for unit, (old, new) in enumerate(zip(_named_best(before), _named_best(after), strict=True)):
        if new[1] != ACTION or old[0] == new[0] or max(old[2], new[2]) < threshold:
            continue
        rows.append(
            {
                "unit": unit + 1, "label": old[0], "category": old[1], "IoU": old[2],
                "label after": new[0], "category after": new[1], "IoU after": new[2],
                "IoU of the old label after": scores[unit, after.names.index(old[0])],
                "best shuffled action": by_chance[unit],
            }
        )  # fmt: skip
    columns = [
        "unit", "label", "category", "IoU", "label after", "category after", "IoU after",
        "IoU of the old label after", "best shuffled action",
    ]  # fmt: skip
    rows.sort(key=lambda row: row["IoU"] - row["IoU after"])
    return pd.DataFrame(rows, columns=columns)


def _named_best(found: Dissection) -> list[tuple[str, str, float]]:
    """Label, category and IoU of each unit."""
    best = best_of(found)
    return [
        (found.names[c], found.categories[k], float(s))
        for c, s, k in zip(*best.overall(), best.category, strict=True)
    ]


def names_of(found: Dissection, threshold: float) -> dict[int, tuple[str, str, float]]:
    """Label, category and IoU of each unit (from 0) that has a name."""
    return {unit: one for unit, one in enumerate(_named_best(found)) if one[2] >= threshold}


def concepts(found: Dissection, threshold: float) -> pd.DataFrame:
    """Every concept: how much of it there is, what IoU it can reach, and which units detect it.

    Args:
        found: a dissection.
        threshold: IoU from which a unit has a name.

    Returns:
        Columns category, label, share (of the pixels of the images that speak of its category),
        ceiling (see `seewhy.dissection.tally.ceilings`), units (that it names), best unit (from 1),
        best IoU; by category, the concepts of most units first.
    """
    counts, scores = found.counts, found.scores()
    labels = np.flatnonzero(found.category >= 0)
    named = scores.argmax(1)[scores.max(1) >= threshold]
    spoken = np.maximum(counts.spoken.sum(0), 1)
    table = pd.DataFrame(
        {
            "category": [found.categories[k] for k in found.category[labels]],
            "label": [found.names[c] for c in labels],
            "share": counts.truth.sum(0)[labels] / spoken[found.category[labels]],
            "ceiling": ceilings(found)[labels],
            "units": np.bincount(named, minlength=len(found.names))[labels],
            "best unit": scores.argmax(0)[labels] + 1,
            "best IoU": scores.max(0)[labels],
        }
    )
    order = ["category", "units", "best IoU"]
    return table.sort_values(order, ascending=[True, False, False], ignore_index=True)


def write_tables(
    outputs: Mapping[str, str | Path],
    counts: Sequence[str | Path],
    keys: Sequence[tuple[str, str, str]],
    *,
    last: str,
    threshold: float,
    evaluation: Mapping[str, Any],
    titles: Mapping[str, str] | None = None,
) -> None:
    """Write all tables of the dissection; one that needs action regions says so without them.

    Args:
        outputs: where the tables go, CSV: `table1`, `blocks`, `emergence`, `relabelled`, and of the
            last layer `concepts`, `units` (`seewhy.dissection.details.details`), `formulas` and
            their summary, `compositions`.
        counts: files of dissections.
        keys: network, layer and set of each.
        last: the layer of Table 1.
        threshold: IoU from which a unit has a name, for all but Table 1.
        evaluation: resamples, confidence and seed.
        titles: of the sets, by name; by default those of `SETS`.
    """
    draws, titles = Draws(**evaluation), SETS | dict(titles or {})
    found = {tuple(key): read_dissection(path) for key, path in zip(keys, counts, strict=True)}
    of_last = {
        (network, name): one for (network, layer, name), one in found.items() if layer == last
    }
    changed = [
        relabelled(
            of_last[network, BRODEN], one, of_last[network, SHUFFLED], threshold=threshold
        ).assign(network=network)
        for (network, name), one in of_last.items()
        if name == COMBINED and (network, SHUFFLED) in of_last
    ]
    main = main_set([name for _, name in of_last])
    trained = {
        k: one for (k, name), one in of_last.items() if name == main and not k.startswith(RANDOM)
    }
    composed = {k: one for k, one in trained.items() if one.compositions is not None}
    several = {key: one for key, one in found.items() if key[2] in (main, SHUFFLED)}
    actions = all(ACTION in one.categories for one in several.values())
    tables = {
        "table1": table1(of_last, draws, titles=titles),
        "blocks": blocks(several, draws, threshold=threshold),
        "emergence": emergence(several, draws, last=last, threshold=threshold)
        if actions
        else _needs(f"action regions, which {titles[main]} has none of"),
        "relabelled": pd.concat(changed)
        if changed
        else _needs(f"two sets, one of them of action regions; {titles[main]} is one"),
        "concepts": pd.concat(
            [concepts(one, threshold).assign(network=name) for name, one in trained.items()]
        ),
        "units": _by_network(trained, details, draws),
        "compositions": _by_network(composed, compositions_summary, draws),
        "formulas": _by_network(composed, compositions),
    }
    for name, table in tables.items():
        with whole_file(outputs[name]) as temporary:
            table.to_csv(temporary, index=False, float_format=number_format("%.4g"))


def _needs(what: str) -> pd.DataFrame:
    """The table that stands for one which these sets do not allow."""
    return pd.DataFrame({"not made: it needs": [what]})


def _by_network(
    found: Mapping[str, Dissection],
    make: Callable[..., pd.DataFrame],
    draws: Draws | None = None,
) -> pd.DataFrame:
    """A table of each network, below each other."""
    settings = (
        {"resamples": draws.resamples, "level": draws.confidence, "seed": draws.seed}
        if draws
        else {}
    )
    tables = [make(one, **settings).assign(network=name) for name, one in found.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=["network"])
