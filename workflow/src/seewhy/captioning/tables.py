"""Table 2 and the choice of lambda: generated captions against references, with intervals."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seewhy.captioning.predictions import model_and_seed, read_predictions
from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.scores.bootstrap import Interval, bootstrap_interval, paired_bootstrap
from seewhy.scores.captions import CaptionScorer, ClipScores
from seewhy.scores.meteor import Meteor
from seewhy.scores.reference_rows import best_constant_caption, reference_against_others
from seewhy.table_numbers import number_format
from seewhy.text.tokens import tokenise
from seewhy.training_remarks import all_alike, history_remarks, in_one, sound

log = logging.getLogger(__name__)

SCORES = ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "BLEU-1", "BLEU-2", "BLEU-3")
# Dong et al., CVPR 2017, Table 2: BLEU-4 and METEOR on the 670 test clips of MSVD.
PUBLISHED = {
    "LSTM-B (GoogLeNet)": (0.416, 0.295),
    "LSTM-I (GoogLeNet)": (0.446, 0.297),
    "LSTM-YT (AlexNet)": (0.333, 0.291),
    "S2VT (RGB + optical flow)": (None, 0.298),
    "SA (GoogLeNet)": (0.403, 0.290),
    "LSTM-E (VGG)": (0.402, 0.295),
    "h-RNN (VGG)": (0.443, 0.311),
    "SA (GoogLeNet + C3D)": (0.419, 0.296),
    "LSTM-E (VGG + C3D)": (0.453, 0.310),
    "h-RNN (VGG + C3D)": (0.499, 0.326),
}


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn: resamples of the clips, coverage, seed of the draws."""

    resamples: int
    confidence: float
    seed: int

    def of(self, scores: Sequence[ClipScores]) -> dict[str, Interval]:
        """Intervals of the mean over training seeds."""
        return bootstrap_interval(
            scores, resamples=self.resamples, level=self.confidence, seed=self.seed
        )

    def difference(
        self, first: Sequence[ClipScores], second: Sequence[ClipScores]
    ) -> dict[str, Interval]:
        """Intervals of the mean paired difference; the pairs of seeds are drawn as well."""
        return paired_bootstrap(
            first,
            second,
            resamples=self.resamples,
            level=self.confidence,
            seed=self.seed,
            resample_seeds=True,
        )


def references_of(corpus: str | Path, split: str, *, least: int = 2) -> dict[str, list[str]]:
    """Reference captions of each clip of a split.

    Args:
        corpus: in canonical form.
        split: whose.
        least: clips that must have one; an interval needs two.

    Raises:
        InputError: fewer clips of the split have one.
    """
    clips = read_table(corpus, "clips")
    captions = read_table(corpus, "captions")
    own = captions[captions["clip"].isin(clips.loc[clips["split"] == split, "clip"])]
    own = own[[bool(tokenise(text)) for text in own["text"]]]
    if own.empty:
        raise InputError(
            f"{corpus}/captions.csv: no captions of the {split} split, so nothing to score "
            "against; add them to the corpus (corpus.json says where they are to be had)"
        )
    references = own.groupby("clip", sort=False)["text"].agg(list).to_dict()
    if len(references) < least:
        raise InputError(
            f"{corpus}/captions.csv: only one {split} clip has captions, and an interval needs "
            f"two; put more clips into the {split} split"
        )
    return references


def score_models(
    paths: Sequence[str | Path],
    references: Mapping[str, Sequence[str]],
    meteor: Meteor,
) -> tuple[dict[str, list[ClipScores]], list[int], CaptionScorer]:
    """Score each model and training seed on the clips that all of them captioned.

    Args:
        paths: predictions, named `<model>-seed<seed>.<split>.jsonl`; all of the same clips, every
            model with every seed.
        references: of the clips; those that no video could be read of are left out.
        meteor: the running program.

    Returns:
        Scores of each model by seed, the seeds, and the scorer of these clips.

    Raises:
        InputError: predictions of different clips, or none that has references.
    """
    predictions: dict[str, dict[int, dict[str, str]]] = {}
    scored = [clip for clip in read_predictions(paths[0]) if clip in references]
    for path in map(Path, paths):
        said = {c: text for c, text in read_predictions(path).items() if c in references}
        if not said or set(said) != set(scored):
            raise InputError(
                f"{path}: captions of {len(said)} clips that have references, {paths[0]} of "
                f"{len(scored)}; caption the clips again"
            )
        model, seed = model_and_seed(path)
        predictions.setdefault(model, {})[seed] = said
    scorer = CaptionScorer({clip: references[clip] for clip in scored}, meteor=meteor)
    seeds = sorted(next(iter(predictions.values())))
    scores = {
        model: [scorer.score({clip: own[seed][clip] for clip in scored}) for seed in seeds]
        for model, own in predictions.items()
    }
    return scores, seeds, scorer


def remarks_on_models(
    captions: Sequence[str | Path],
    histories: Sequence[str | Path],
    references: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """What is odd about the models of a table, by their names; nothing of those that learnt.

    Args:
        captions: predictions, named `<model>-seed<seed>.<split>.jsonl`.
        histories: `<model>-seed<seed>.csv`, from `train_captioner`; maybe none.
        references: reference captions of the clips.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for path in map(Path, histories):
        model, seed = model_and_seed(path)
        found.setdefault(model, {}).setdefault(f"seed {seed}", []).extend(history_remarks(path))
    for path in map(Path, captions):
        model, seed = model_and_seed(path)
        said = {clip: text for clip, text in read_predictions(path).items() if clip in references}
        should = [" ".join(tokenise(references[clip][0])) for clip in said]
        remark = all_alike(said.values(), references=should)
        own = found.setdefault(model, {}).setdefault(f"seed {seed}", [])
        own += [remark] if remark else []
    return {model: told for model, seeds in found.items() if (told := in_one(seeds))}


def add_remarks(
    rows: Sequence[dict], remarks: Mapping[str, str], where: str | Path, *, floor: dict | None
) -> None:
    """Put remarks into the rows of models, and into the log.

    Args:
        rows: of models, with their label in `row`.
        remarks: by that label.
        where: the table, for the log.
        floor: the row of the best constant caption, which a model should be above.
    """
    for row in rows:
        told = [remarks[row["row"]]] if row["row"] in remarks else []
        if floor is not None and row["BLEU-4"] <= floor["BLEU-4"]:
            told.append("BLEU-4 is not above that of the best constant caption")
        if told:
            row["remark"] = "; ".join(told)
            sound(log, where, [f"{row['row']}: {row['remark']}"])


def tabulate_captions(
    corpus: str | Path,
    captions: Sequence[str | Path],
    table_path: str | Path,
    scores_path: str | Path,
    *,
    name: str,
    histories: Sequence[str | Path] = (),
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Write Table 2 and the scores of each clip.

    The rows: each model as the mean over its seeds; the differences of LSTM-I from the others,
    seed by seed; the best constant caption (the floor), one reference against the others (the
    ceiling, which meets one reference less than the models do); and the paper's own rows on MSVD. A
    model that learnt nothing has a `remark`; where none has, there is no such column.

    Args:
        corpus: in canonical form.
        captions: predictions of test clips for each model and seed.
        table_path: CSV; for each score the value, the ends of its interval, and the standard
            deviation between seeds.
        scores_path: CSV, a row a clip, model and seed.
        name: of the corpus.
        histories: of the models' trainings, from `train_captioner`.
        resamples: bootstrap resamples of the clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        InputError: no references, predictions of different clips, METEOR failing.
    """
    references = references_of(corpus, "test")
    bootstrap = Bootstrap(resamples, confidence, seed)
    with Meteor() as meteor:
        models, seeds, scorer = score_models(captions, references, meteor)
        clips = models["I"][0].clips
        constant = best_constant_caption(
            references_of(corpus, "train", least=1), references_of(corpus, "val", least=1)
        )
        floor = scorer.score(dict.fromkeys(clips, constant))
        ceiling = []
        if any(len(references[clip]) > 1 for clip in clips):
            several = {clip: references[clip] for clip in clips}
            ceiling = list(reference_against_others(several, seed=seed, meteor=meteor).draws)
        else:
            log.warning("no test clip has two captions: Table 2 goes without its ceiling")
    rows = []
    for model, own in models.items():
        rows.append(_row(f"LSTM-{model}", "model", name, own, bootstrap.of(own)))
    lowest = _row(f"constant: {constant}", "floor", name, [floor], bootstrap.of([floor]))
    remarks = remarks_on_models(captions, histories, references)
    remarks = {f"LSTM-{model}": told for model, told in remarks.items()}
    add_remarks(rows, remarks, table_path, floor=lowest)
    for model, own in models.items():
        if model != "I":
            rows.append(
                _difference(f"LSTM-I minus LSTM-{model}", name, models["I"], own, bootstrap)
            )
    rows.append(lowest)
    if ceiling:
        label = "one reference against the others"
        rows.append(_row(label, "ceiling", name, ceiling, bootstrap.of(ceiling)))
    rows += [
        {
            "row": label,
            "kind": "published (Dong et al. 2017, Table 2)",
            "corpus": "msvd",
            "clips": 670,
            "BLEU-4": bleu,
            "METEOR": meteor_value,
        }
        for label, (bleu, meteor_value) in PUBLISHED.items()
    ]
    write_rows(table_path, rows)
    parts = [
        scores.table().assign(model=model, seed=number)
        for model, own in models.items()
        for number, scores in zip(seeds, own, strict=True)
    ]
    with whole_file(scores_path) as temporary:
        pd.concat(parts).to_csv(temporary, index=False, float_format=number_format("%.4f"))


def tabulate_lambda(
    corpus: str | Path,
    captions: Sequence[str | Path],
    table_path: str | Path,
    *,
    name: str,
    current: float,
    histories: Sequence[str | Path] = (),
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Write the validation scores of LSTM-I at each lambda, the chosen one marked.

    The columns `behind` say by how much the validation BLEU-4 of each lambda, the mean over the
    seeds, is behind the best one's, with a paired interval. Chosen is the largest lambda whose
    interval holds 0: the strongest interpretive loss that is not shown to cost anything (as in the
    rule of one standard error of Breiman et al. 1984; the paper took the best, 0.1, and does not
    say by how much it was better).

    Args:
        corpus: in canonical form.
        captions: predictions of validation clips by the models `lambda-<value>`, for each seed.
        table_path: CSV.
        name: of the corpus.
        current: the lambda in use, for the log.
        histories: of the trainings, as for `tabulate_captions`.
        resamples: as for `tabulate_captions`, with `confidence` and `seed`.
        confidence: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        InputError: as `tabulate_captions`.
    """
    references = references_of(corpus, "val")
    bootstrap = Bootstrap(resamples, confidence, seed)
    with Meteor() as meteor:
        models, _, _ = score_models(captions, references, meteor)
    scores = {float(model.removeprefix("lambda-")): own for model, own in models.items()}
    rows = [
        {"lambda": value} | _row("", "validation", name, own, bootstrap.of(own))
        for value, own in sorted(scores.items())
    ]
    best = max(rows, key=lambda row: row["BLEU-4"])
    for row in rows:
        behind = bootstrap.difference(scores[best["lambda"]], scores[row["lambda"]])["BLEU-4"]
        row |= {"behind": behind.value, "behind low": behind.low, "behind high": behind.high}
    chosen = max(row["lambda"] for row in rows if row["behind low"] <= 0)
    remarks = remarks_on_models(captions, histories, references)
    for row in rows:
        row["row"] = f"lambda-{row['lambda']:g}"
    add_remarks(rows, {f"lambda-{float(m.removeprefix('lambda-')):g}": told
                       for m, told in remarks.items()}, table_path, floor=None)  # fmt: skip
    for row in rows:
        row["row"] = "chosen" if row["lambda"] == chosen else ""
    write_rows(table_path, rows, first=["lambda", "behind", "behind low", "behind high"])
    log.info("best on validation is lambda %g; chosen is %g", best["lambda"], chosen)
    if chosen != current:
        log.warning(
            "params.yaml: captioner.lambda is %g, but validation chooses %g; set it to that",
            current,
            chosen,
        )


def write_rows(path: str | Path, rows: Sequence[dict], *, first: Sequence[str] = ()) -> None:
    """Write rows as CSV: what they are of, then for each score value, interval and seed sd."""
    columns = [*first, "row", "kind", "corpus", "seeds", "clips"]
    for score in SCORES:
        columns += [score, f"{score} low", f"{score} high", f"{score} seed sd"]
    columns.append("remark")
    table = pd.DataFrame(rows, columns=columns).dropna(axis="columns", how="all")
    for count in ("seeds", "clips"):
        table[count] = table[count].astype("Int64")
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def _row(
    label: str,
    kind: str,
    corpus: str,
    own: Sequence[ClipScores],
    intervals: Mapping[str, Interval],
) -> dict:
    row = {"row": label, "kind": kind, "corpus": corpus, "clips": len(own[0].clips)}
    if kind in ("model", "validation"):
        row["seeds"] = len(own)
    each = [scores.corpus() for scores in own]
    for score in SCORES:
        by_seed = [one[score] for one in each] if "seeds" in row else []
        row |= _columns_of(score, intervals[score], by_seed)
    return row


def _difference(
    label: str,
    corpus: str,
    first: Sequence[ClipScores],
    second: Sequence[ClipScores],
    bootstrap: Bootstrap,
) -> dict:
    intervals = bootstrap.difference(first, second)
    row = {"row": label, "kind": "paired difference", "corpus": corpus, "seeds": len(first)}
    row["clips"] = len(first[0].clips)
    pairs = [(a.corpus(), b.corpus()) for a, b in zip(first, second, strict=True)]
    for score in SCORES:
        row |= _columns_of(score, intervals[score], [a[score] - b[score] for a, b in pairs])
    return row


def _columns_of(score: str, interval: Interval, by_seed: Sequence[float]) -> dict[str, float]:
    columns = {score: interval.value, f"{score} low": interval.low, f"{score} high": interval.high}
    if len(by_seed) > 1:
        columns[f"{score} seed sd"] = float(np.std(by_seed, ddof=1))
    return columns
