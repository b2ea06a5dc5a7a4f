"""Every method on exact truth, in one table: which map to trust for what.

Measures (of each the mean and its interval over clips; `MEASURES` says which way is better):

``box mask actor object others``
    share of frames in which the map's peak points at the actor's box, at actor and object, at the
    actor, at what it acts on, and at anybody else.
``energy``
    share of the positive map inside actor and object.
``two_actors``
    in clips in which two actors do different things, how often the mean of the map over the asked
    one, over all frames in which both show, is above that over the other; chance is one half.
``right_half boundary_error``
    in time, from Table 2: the order pairs, and the mean error of start and end, in frames, of the
    best window of 41 frames in 128 (the length is known).
``deletion_… insertion_… like_…``
    `seewhy.grounding.probes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.figures import COLOURS, figure
from seewhy.files import whole_file
from seewhy.grounding.pointing_table import mean_interval, method_of, read_scores
from seewhy.grounding.probes import CURVES, LIKE
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.scores.columns import interval_columns
from seewhy.table_numbers import number_format

POINTING = ("box", "mask", "actor", "object", "others", "energy")
MEASURES: dict[str, str] = {
    **dict.fromkeys(("box", "mask", "actor", "object", "energy", "two_actors"), "higher"),
    "others": "lower",
    "right_half": "higher",
    "boundary_error": "lower",
    "deletion_space": "lower",
    "insertion_space": "higher",
    "deletion_time": "lower",
    "insertion_time": "higher",
    **dict.fromkeys(LIKE, "lower"),
}
"""Every measure, and which way is better."""


def tabulate_benchmark(
    scores: Sequence[str | Path],
    probes: Sequence[str | Path],
    table2: str | Path,
    table_path: str | Path,
    figure_path: str | Path,
    *,
    name: str,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write the table and draw it.

    Args:
        scores: of each method, written by `seewhy.grounding.grounded.score_maps`.
        probes: of some of them, written by `seewhy.grounding.probes.probe_method`.
        table2: written by `seewhy.grounding.concatenated.tabulate_concatenated`.
        table_path: CSV, a row a method; of each measure the value and the ends of its interval.
        figure_path: PNG.
        name: of the corpus.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the draws.
    """
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    probed = {method_of(path): read_csv(path) for path in probes}
    in_time = _in_time(table2)
    rows: list[dict[str, Any]] = []
    for path in scores:
        method, table = method_of(path), read_scores(path)
        row: dict[str, Any] = {"row": method, "corpus": name, "items": _items(table)}
        for measure in POINTING:
            row |= interval_columns(measure, mean_interval(table, measure, draws))
        row |= interval_columns("two_actors", two_actors(table, draws))
        row |= in_time.get(method, {})
        if method in probed:
            row |= _probe_columns(probed[method], draws)
        rows.append(row)
    mapped = {row["row"] for row in rows}  # the others of Table 2 have a time and no map
    rows += [{"row": one, "corpus": name} | in_time[one] for one in in_time if one not in mapped]
    table = pd.DataFrame(rows).astype({"items": "Int64"})
    ordered = [c for m in MEASURES for c in (m, f"{m} low", f"{m} high") if c in table.columns]
    table = table[["row", "corpus", "items", *ordered]]
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.4f"))
    draw_benchmark(table, figure_path)


def two_actors(table: pd.DataFrame, draws: Mapping[str, Any]) -> Any:
    """How often a map lies more on its own actor than on the other; None without such clips."""
    both = table.dropna(subset=["own", "partner"])
    if both.empty:
        return None
    means = both.groupby(["clip", "instance", "action"])[["own", "partner"]].mean()
    right = (means["own"] > means["partner"]) + 0.5 * (means["own"] == means["partner"])
    return cluster_mean_interval(right.to_numpy(float), means.index.get_level_values(0), **draws)


def _items(table: pd.DataFrame) -> int:
    return int((table["step"] == 0).sum())


def _probe_columns(table: pd.DataFrame, draws: Mapping[str, Any]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for measure in (*CURVES, *LIKE):
        values = table[measure].astype(float).to_numpy() if measure in table else np.full(1, np.nan)
        if not np.isnan(values).all():
            found = cluster_mean_interval(values, table["clip"], **draws)
            columns |= interval_columns(measure, found)
    return columns


def _in_time(path: str | Path) -> dict[str, dict[str, float]]:
    """Measures in time by the names of Table 2."""
    table = read_csv(path)
    found: dict[str, dict[str, float]] = {}
    for measure, chosen in (
        ("right_half", table["action_length"] == "order pairs"),
        ("boundary_error", (table["action_length"] == "known") & (table["length"] == "41")),
    ):
        if measure not in table:
            continue
        for row in table[chosen & table[measure].notna()].to_dict("records"):
            own = found.setdefault(row["row"], {})
            for column in (measure, f"{measure} low", f"{measure} high"):
                own[column] = float(row[column])
    return found


def draw_benchmark(table: pd.DataFrame, path: str | Path) -> None:
    """A panel a measure, a line a method: the value and its interval."""
    shown = [measure for measure in MEASURES if measure in table]
    columns = 4
    lines = -(-len(shown) // columns)
    with figure(path, width=11, height=lines * (0.6 + 0.13 * len(table)), dpi=130) as drawn:
        panels = drawn.subplots(lines, columns, squeeze=False).ravel()
        for axes, measure in zip(panels, shown, strict=False):
            known = table[table[measure].notna()]
            place = np.arange(len(known))[::-1]
            low, high = (known[f"{measure} {end}"].to_numpy(float) for end in ("low", "high"))
            axes.hlines(place, low, high, color="0.6", lw=1.5)
            axes.plot(known[measure].to_numpy(float), place, "o", color=COLOURS[0], ms=3.5)
            if measure in ("two_actors", "right_half"):
                axes.axvline(0.5, color="0.3", lw=0.8, ls=":")
            axes.set_title(f"{measure} ({MEASURES[measure]} is better)", fontsize=7)
            axes.tick_params(labelsize=6)
            axes.set_yticks(place, known["row"], fontsize=6)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
