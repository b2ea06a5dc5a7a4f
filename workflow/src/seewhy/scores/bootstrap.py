"""Percentile bootstrap intervals over clips, for one system and for the difference of two.

Clips are drawn with replacement, as many as there are, and the corpus score is computed anew for
each draw (Efron and Tibshirani 1993, chapter 13); for a difference both systems get the same draw
(Koehn 2004). The interval runs between the quantiles (1 - level) / 2 and (1 + level) / 2.

What is scored is given as `Weighable` scores, or as a function of multiplicities
``[resamples, clips]`` (how often each clip is there), such as ``mean_of(values)``.

The interval covers other clips of the same kind and, with ``resample_seeds``, other training seeds.
Without it the seeds at hand are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from seewhy.errors import InputError

Score = Callable[[np.ndarray], Mapping[str, np.ndarray]]
_CHUNK = 1 << 22  # multiplicities held at a time


@runtime_checkable
class Weighable(Protocol):
    """Scores that know their clips, such as `seewhy.scores.captions.ClipScores`."""

    clips: tuple[str, ...]

    def weighted(self, times: np.ndarray) -> Mapping[str, np.ndarray]:
        """Scores of resamples, given multiplicities `[resamples, clips]`."""
        ...


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval.

    Attributes:
        value: of the clips as they are.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


def mean_of(values: np.ndarray, *, name: str = "mean") -> Score:
    """The mean over clips as a score.

    Args:
        values: `[clips]`.
        name: of the figure.
    """
    values = np.asarray(values, float)
    return lambda times: {name: times @ values / times.sum(1)}


def multiplicities(indices: np.ndarray, clips: int) -> np.ndarray:
    """How often each clip is drawn: `[resamples, clips]`, of indices `[resamples, drawn]`."""
    resamples = len(indices)
    flat = (np.arange(resamples)[:, None] * clips + indices).ravel()
    return np.bincount(flat, minlength=resamples * clips).reshape(resamples, clips)


def bootstrap_interval(
    scores: Sequence[Weighable | Score],
    *,
    clips: int | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    resample_seeds: bool = False,
) -> dict[str, Interval]:
    """Intervals of one system's scores, averaged over its training seeds.

    Args:
        scores: one a training seed, of the same clips in the same order.
        clips: their number, where `scores` are functions.
        resamples: draws.
        level: of the interval.
        seed: of the draws.
        resample_seeds: draw the training seeds too.

    Returns:
        An interval for each figure that the scores give.

    Raises:
        InputError: no scores, scores of different clips, fewer than two clips, or settings out of
            range.

    Example::

        bootstrap_interval([score_captions(predictions, references)])["BLEU-4"].low
    """
    return {
        name: Interval(value, *_ends(draws, level))
        for name, (value, draws) in _draws(
            [scores], clips, resamples, level, seed, resample_seeds
        ).items()
    }


def bootstrap_rows(
    scores: Mapping[str, Score],
    compared: Sequence[tuple[str, str]],
    *,
    clips: int,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, dict[str, Interval]]:
    """Intervals of the rows of a table and of differences of rows, all of the same draws.

    Each row is scored once a draw, however many differences it is in.

    Args:
        scores: of each row.
        compared: rows of which the first minus the second is wanted, named ``a minus b``; both
            have the same figures.
        clips: see `bootstrap_interval`, as are the others.
        resamples: draws.
        level: of the interval.
        seed: of the draws.

    Returns:
        ``{row: {figure: interval}}``, those of `scores` first.

    Raises:
        InputError: as `bootstrap_interval`.
    """

    draws = {"clips": clips, "resamples": resamples, "level": level, "seed": seed}
    return compared_rows(scores, compared, lambda score: bootstrap_interval([score], **draws))


def compared_rows(
    scores: Mapping[str, Score],
    compared: Sequence[tuple[str, str]],
    intervals: Callable[[Score], Mapping[str, Interval]],
) -> dict[str, dict[str, Interval]]:
    """Rows and differences of rows as one score, so that all are of the same draws.

    Args:
        scores: see `bootstrap_rows`.
        compared: see there.
        intervals: of every figure that a score gives.
    """

    def all_rows(times: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        found = {row: score(times) for row, score in scores.items()}
        for one, two in compared:
            found[f"{one} minus {two}"] = {k: v - found[two][k] for k, v in found[one].items()}
        return {(row, name): v for row, figures in found.items() for name, v in figures.items()}

    rows: dict[str, dict[str, Interval]] = {}
    for (row, name), interval in intervals(all_rows).items():
        rows.setdefault(row, {})[name] = interval
    return rows


def paired_bootstrap(
    first: Sequence[Weighable | Score],
    second: Sequence[Weighable | Score],
    *,
    clips: int | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
    resample_seeds: bool = False,
) -> dict[str, Interval]:
    """Intervals of the difference first - second, averaged over paired training seeds.

    Args:
        first: one score a training seed.
        second: the same for the other system, in the same order of seeds; all of the same clips.
        clips: see `bootstrap_interval`, as are the others.
        resamples: draws.
        level: of the interval.
        seed: of the draws.
        resample_seeds: draw the pairs of seeds too.

    Raises:
        InputError: unequal numbers of seeds, or as `bootstrap_interval`.
    """
    if len(first) != len(second):
        raise InputError(
            f"paired bootstrap: {len(first)} seeds of the first system and {len(second)} of the "
            "second; give as many of both"
        )
    return {
        name: Interval(value, *_ends(draws, level))
        for name, (value, draws) in _draws(
            [first, second], clips, resamples, level, seed, resample_seeds
        ).items()
    }


def _draws(
    systems: Sequence[Sequence[Weighable | Score]],
    clips: int | None,
    resamples: int,
    level: float,
    seed: int,
    resample_seeds: bool,
) -> dict[str, tuple[float, np.ndarray]]:
    """Of each figure the value and the resamples `[resamples]` of system 0 (minus system 1)."""
    if not all(systems):
        raise InputError("bootstrap: there are no scores; give at least one training seed")
    clips = _number_of_clips(systems, clips)
    if clips < 2:
        raise InputError(f"bootstrap: {clips} clips; an interval needs at least two")
    if resamples < 1 or not 0 < level < 1:
        raise InputError(f"bootstrap: resamples ({resamples}) or level ({level}) out of range")
    rng = np.random.default_rng(seed)
    seeds = len(systems[0])
    functions = [[_function(score) for score in scores] for scores in systems]
    whole = _by_seed(functions, np.ones((1, clips)))
    parts: list[dict[str, np.ndarray]] = []
    step = max(1, _CHUNK // clips)
    for start in range(0, resamples, step):
        n = min(step, resamples - start)
        drawn = rng.integers(clips, size=(n, clips))
        # [figure][seeds, n]
        by_seed = _by_seed(functions, multiplicities(drawn, clips).astype(float))
        weight = np.full((n, seeds), 1 / seeds)
        if resample_seeds:
            weight = multiplicities(rng.integers(seeds, size=(n, seeds)), seeds) / seeds
        parts.append({k: np.einsum("sn,ns->n", v, weight) for k, v in by_seed.items()})
    return {
        name: (float(values.mean()), np.concatenate([part[name] for part in parts]))
        for name, values in whole.items()
    }


def _number_of_clips(systems: Sequence[Sequence[Weighable | Score]], clips: int | None) -> int:
    of_each = [s.clips for scores in systems for s in scores if isinstance(s, Weighable)]
    if len(set(of_each)) > 1:
        raise InputError("bootstrap: the scores are of different clips, or in another order")
    if of_each and clips not in (None, len(of_each[0])):
        raise InputError(f"bootstrap: clips is {clips}, and the scores are of {len(of_each[0])}")
    if not of_each and clips is None:
        raise InputError("bootstrap: give the number of clips of scores that are functions")
    return len(of_each[0]) if of_each else clips


def _function(score: Weighable | Score) -> Score:
    return score.weighted if isinstance(score, Weighable) else score


def _by_seed(systems: Sequence[Sequence[Score]], times: np.ndarray) -> dict[str, np.ndarray]:
    """Of each figure its value, or the difference: `[seeds, resamples]`."""
    results = [[score(times) for score in scores] for scores in systems]
    names = set.intersection(*(set(found) for by_seed in results for found in by_seed))
    tables = [
        {name: np.stack([found[name] for found in found_by_seed]) for name in names}
        for found_by_seed in results
    ]
    order = [name for name in results[0][0] if name in names]
    if len(tables) == 1:
        return {name: tables[0][name] for name in order}
    return {name: tables[0][name] - tables[1][name] for name in order}


def _ends(draws: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
