"""What else is known of each unit's label, and the formulas of two labels, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seewhy.dissection.compositions import OPERATORS, Compositions
from seewhy.dissection.dissect import Dissection
from seewhy.dissection.tally import best_of, ceilings, resampled
from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, bootstrap_interval, mean_of
from seewhy.scores.columns import interval_columns

Array = np.ndarray
CHOSEN_ON = ("even", "odd")
LABELS = ("true", "of other images")
_TOLD = ("gain", "gain over part", "free gain")  # with intervals


def details(
    found: Dissection, *, resamples: int = 500, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Each unit's label, and how far other figures agree: a row a unit, the best IoU first.

    Args:
        found: a dissection.
        resamples: draws of groups of images with replacement; thresholds T_u stay.
        level: of the intervals.
        seed: of the draws.

    Returns:
        Columns unit (from 1), category, label, iou with `iou low`, `iou high` (percentile
        bootstrap of the IoU with this label), label kept (share of the draws in which it is the
        best label), correlation (Pearson's, of activation and label over the pixels), auprc
        (average precision), chance (what auprc is by chance), lift (auprc / chance) and ceiling
        (the greatest IoU that the label allows). NaN: not counted, or, of the interval, fewer than
        two groups.
    """
    units = np.arange(found.units)
    best = best_of(found)
    label, score = best.overall()
    nothing = np.full(found.units, np.nan)
    auprc = chance = nothing
    if found.average_precision is not None:
        auprc, chance = found.average_precision[units, label], found.chance[label]
    intervals = _intervals(found, label, best.category, resamples=resamples, level=level, seed=seed)
    again = resampled(found, resamples, seed)[1]
    table = pd.DataFrame(
        {
            "unit": units + 1,
            "category": [found.categories[k] for k in best.category],
            "label": [found.names[c] for c in label],
            "iou": score,
            "iou low": [one.low for one in intervals],
            "iou high": [one.high for one in intervals],
            "label kept": (again == label).mean(0) if len(again) else nothing,
            "correlation": found.correlation[units, label],
            "auprc": auprc,
            "chance": chance,
            "lift": auprc / chance,
            "ceiling": ceilings(found, found.counts.total().fired_all[:, None])[units, label],
        }
    )
    return table.sort_values("iou", ascending=False, kind="stable", ignore_index=True)


def _intervals(found: Dissection, label: Array, category: Array, **draws: float) -> list[Interval]:
    """Of the IoU of each unit with one label."""
    counts, units = found.counts, np.arange(found.units)
    some = np.flatnonzero(counts.pixels > 0)
    if len(some) < 2:
        return [Interval(np.nan, np.nan, np.nan)] * found.units
    both = counts.both[some][:, units, label].astype(float)  # [groups, units]
    union = counts.fired[some][:, units, category] + counts.truth[some][:, label] - both

    def score(times: Array) -> dict[str, Array]:
        part, whole = times @ both, times @ union
        values = np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
        return {str(u): values[:, u] for u in units}

    drawn = bootstrap_interval([score], clips=len(some), **draws)
    return [drawn[str(u)] for u in units]


def compositions(found: Dissection) -> pd.DataFrame:
    """The formula of two labels that each unit detects best: two rows a unit, one for each half of
    the images that label and formula were chosen on, the half of even and that of odd groups.

    Returns:
        Columns unit (from 1), chosen on, label, formula, part (the better one of the formula's two
        labels over the images that the formula is counted in); their `… iou` on the other half;
        gain (of the formula over the label) and `gain over part`; preferred (whether the formula is
        better than the label on the half that was chosen on); and the three IoU and gains on that
        half, `…, chosen on`, which flatter. Without a formula of an IoU above 0 its name is empty
        and its IoU 0.

    Raises:
        InputError: the dissection was made without formulas.
    """
    best, names = _searched(found), found.names
    halves = []
    for half, chosen_on in enumerate(CHOSEN_ON):
        at = 0, half
        formulas = zip(best.operator[at], best.first[at], best.second[at], strict=True)
        table = pd.DataFrame(
            {
                "unit": np.arange(found.units) + 1,
                "chosen on": chosen_on,
                "label": [names[c] for c in best.label[at]],
                "formula": [
                    f"{names[a]} {OPERATORS[o]} {names[b]}" if o >= 0 else ""
                    for o, a, b in formulas
                ],
                "part": [names[c] for c in best.part[at]],
                "preferred": best.formula_iou[at][0] > best.label_iou[at][0],
            }
        )
        for where, suffix in ((1, ""), (0, ", chosen on")):
            label, formula, part = (
                getattr(best, f"{name}_iou")[at][where] for name in ("label", "formula", "part")
            )
            table[f"label iou{suffix}"] = label
            table[f"formula iou{suffix}"] = formula
            table[f"part iou{suffix}"] = part
            table[f"gain{suffix}"] = formula - label
            table[f"gain over part{suffix}"] = formula - part
        halves.append(table)
    return pd.concat(halves).sort_values("unit", kind="stable", ignore_index=True)


def compositions_summary(
    found: Dissection, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """What formulas gain over labels, the mean over the units and over both ways of choosing.

    Three rows, by the column labels: `true`; `of other images`, the same search where nothing is
    detected; and the `difference` of the two, unit by unit: what is left of the gain beyond chance.
    Intervals draw units with replacement: they speak of units like these of this network, on
    these images. Units without a label (an IoU above 0 in either half) are left out.

    Returns:
        Columns labels, units, `label iou`, `formula iou`; with ` low` and ` high`: gain, `gain over
        part`, and `free gain` (of a formula that takes the label's place only where preferred: of a
        search of formulas of one or two labels); then `gain, chosen on` (on the images that were
        chosen on: what selection adds to it), preferred (share of the units) and `same formula`,
        the share of the units for which both halves chose the same one.

    Raises:
        InputError: the dissection was made without formulas, or has fewer than two units with a
            label.
    """
    best = _searched(found)
    live = (best.label[0] > 0).any(0)
    if live.sum() < 2:
        raise InputError(f"{live.sum()} units have a label; a mean gain needs two or more")
    # [rounds, ways, on it or held out, units]
    label, formula, part = (
        getattr(best, f"{name}_iou")[..., live] for name in ("label", "formula", "part")
    )
    preferred = formula[:, :, 0] > label[:, :, 0]
    chosen = np.stack([best.operator, best.first, best.second])[..., live]
    gain = formula - label
    # [rounds, units]
    figures = {
        "label iou": label[:, :, 1].mean(1),
        "formula iou": formula[:, :, 1].mean(1),
        "gain": gain[:, :, 1].mean(1),
        "gain over part": (formula - part)[:, :, 1].mean(1),
        "free gain": (preferred * gain[:, :, 1]).mean(1),
        "gain, chosen on": gain[:, :, 0].mean(1),
        "preferred": preferred.mean(1),
        "same formula": (chosen[:, :, 0] == chosen[:, :, 1]).all(0).astype(float),
    }
    rows = []
    for row, name in enumerate((*LABELS, "difference")):
        columns: dict[str, object] = {"labels": name, "units": int(live.sum())}
        for figure, values in figures.items():
            mine = values[row] if row < len(LABELS) else values[0] - values[1]
            drawn = bootstrap_interval(
                [mean_of(mine)], clips=len(mine), resamples=resamples, level=level, seed=seed
            )["mean"]
            columns |= interval_columns(figure, drawn) if figure in _TOLD else {figure: drawn.value}
        rows.append(columns)
    return pd.DataFrame(rows)


def _searched(found: Dissection) -> Compositions:
    if found.compositions is None:
        raise InputError("no formulas were searched; set dissection.pairs to true")
    return found.compositions
