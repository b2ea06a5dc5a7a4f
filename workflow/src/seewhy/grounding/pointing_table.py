"""Table 1: the spatial pointing game, and what recurrence and contrast change (section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import read_csv
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.grounding.grounded import MEASURES
from seewhy.readable import make_again
from seewhy.scores.bootstrap import Interval, bootstrap_interval, paired_bootstrap
from seewhy.scores.clusters import clustered_mean_of
from seewhy.scores.columns import interval_columns, verdict
from seewhy.table_numbers import number_format

# Bargal et al., CVPR 2018, Table 1: UCF101's 24 classes with boxes, in per cent.
PUBLISHED = {"EB": 55.8, "EB-R": 61.5, "cEB": 37.0, "cEB-R": 39.1, "BP": 37.3, "BP-R": 39.2}
CHANCE = "random"
"""The baseline that other baselines are held against."""
BASELINES = ("activation", "centre", "uniform", "uniform-R", CHANCE)
CLAIMS = (
    ("EB-R", "EB", "recurrence helps", "paper"),
    ("cEB-R", "cEB", "recurrence helps", "paper"),
    ("BP-R", "BP", "recurrence helps", "paper"),
    ("EB", "cEB", "contrast costs pointing", "paper"),
    ("EB-R", "cEB-R", "contrast costs pointing", "paper"),
    ("EB-R", "BP-R", "EB points better than gradients", "paper"),
    ("EB-R", "uniform-R", "EB-R points better than a class-free seed", "control"),
    ("cEB-R", "uniform-R", "cEB-R points better than a class-free seed", "control"),
)
TABLE1 = (*PUBLISHED, *BASELINES)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Scores of one method, written by `seewhy.grounding.grounded.score_maps`.

    Raises:
        InputError: another file.
    """
    table = read_csv(path)
    lacking = {"clip", "action", "step", "sum", *MEASURES} - set(table.columns)
    if lacking or table.empty:
        raise InputError(f"{path}: not whole scores of maps; {make_again(path)}")
    numbers = ["instance", "step", "sum", *MEASURES]
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce").astype(float)
    table["during"] = table["during"].str.lower() == "true"
    return table


def method_of(path: str | Path) -> str:
    """The method of a file of scores, by its name."""
    return Path(path).name.removesuffix(".csv")


def tabulate_pointing(
    scores: Sequence[str | Path],
    table_path: str | Path,
    *,
    name: str,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write Table 1 with intervals, differences, and what becomes of the paper's claims.

    Args:
        scores: files of `TABLE1`, ``<method>.csv``.
        table_path: CSV. `accuracy`: share of all annotated frames in which the map's peak, with the
            paper's tolerance (a disc of 15 pixels across on frames 240 high), meets the actor's
            box; `by_class`: the mean over actions; `wide`: with a radius of 15; `positive`: over
            the frames in which cEB-R's map has a positive sum, the same for every row. (In the
            others all of cEB-R's evidence speaks against the action, and its peak is where it does
            so least: the first column mixes where with when.) Intervals draw clips. Of differences,
            `verdict` is confirmed or refuted where the interval of the first column excludes 0,
            else undecided, and says so if what is taken off points worse than `CHANCE`; `whose` the
            claim is: the paper's, or a control's.
        name: of the corpus.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the draws.
    """
    read = {method_of(path): read_scores(path) for path in scores}
    positive = read["cEB-R"]["sum"] > 0
    for table in read.values():
        table["positive"] = table["box"].where(positive)
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    rows: list[dict[str, Any]] = []
    for method in TABLE1:
        table = read[method]
        about = {"row": method, "kind": "baseline" if method in BASELINES else "method"}
        about |= {"corpus": name, "frames": int(table["box"].notna().sum())}
        rows.append(
            about
            | interval_columns("accuracy", mean_interval(table, "box", draws))
            | interval_columns("by_class", mean_interval(table, "box", draws, by_class=True))
            | interval_columns("wide", mean_interval(table, "box_wide", draws))
            | interval_columns("positive", mean_interval(table, "positive", draws))
        )
    for first, second, claim, whose in CLAIMS:
        found = difference(read[first], read[second], "box", draws)
        over = difference(read[second], read[CHANCE], "box", draws)
        rows.append(
            {"row": f"{first} minus {second}", "kind": "paired difference", "corpus": name}
            | interval_columns("accuracy", found)
            | interval_columns("positive", difference(read[first], read[second], "positive", draws))
            | {"claim": claim, "whose": whose, "verdict": verdict(found, baseline=over)}
        )
    rows += [
        {"row": method, "kind": "published (Bargal et al. 2018, Table 1)", "corpus": "ucf101",
         "accuracy": value / 100}
        for method, value in PUBLISHED.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows).astype({"frames": "Int64"})
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def mean_interval(
    table: pd.DataFrame, measure: str, draws: Mapping[str, Any], *, by_class: bool = False
) -> Interval | None:
    """Mean of a measure over frames, its interval over clips; None where nothing has it."""
    if table[measure].isna().all():
        return None
    labels = table["action"] if by_class else None
    score, clips = clustered_mean_of(table[measure].to_numpy(), table["clip"], labels=labels)
    return bootstrap_interval([score], clips=clips, **draws)["mean"]


def difference(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, draws: Mapping[str, Any]
) -> Interval:
    """First minus second, over the same frames.

    Raises:
        InputError: scores of other frames.
    """
    keys = ["clip", "instance", "action", "step"]
    if not first[keys].equals(second[keys]):
        raise InputError(
            "scores of maps are of different frames; make them again (snakemake --forcerun "
            "ground_clips)"
        )
    there = first[measure].notna() & second[measure].notna()
    one, clips = clustered_mean_of(first.loc[there, measure].to_numpy(), first.loc[there, "clip"])
    two, _ = clustered_mean_of(second.loc[there, measure].to_numpy(), second.loc[there, "clip"])
    return paired_bootstrap([one], [two], clips=clips, **draws)["mean"]
