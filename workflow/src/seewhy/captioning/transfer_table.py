"""Table 3: how often each model names the action, by the number of labelled clips."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.captioning.predictions import model_and_seed
from seewhy.captioning.transfer import LINEAR, actions_of
from seewhy.corpora.canonical import read_csv
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.readable import make_again
from seewhy.scores.seeds import DIFFERENCE_OF_SHARES, SHARE, over_seeds
from seewhy.table_numbers import number_format
from seewhy.training_remarks import all_alike, in_one, sound

log = logging.getLogger(__name__)

REFERENCE = "I"
COLUMNS = ("labels", "clip", "label", "predicted")
# Dong et al., CVPR 2017, Table 3: 800 train and 800 test videos of UCF11.
PUBLISHED = {"LSTM-B": 0.8850, "LSTM-I": 0.9113, "LSTM-R": 0.9013}


def tabulate_transfer(
    predictions: Sequence[str | Path],
    corpus: str | Path,
    table_path: str | Path,
    *,
    name: str,
    labels: Sequence[int | str],
    confidence: float,
) -> None:
    """Write the accuracy of each model and what LSTM-I has over it, seed by seed.

    The floor says of every test clip the action that most train clips show. Intervals are
    Student's, over the training seeds (which also draw the labelled clips); the test clips are
    taken as they are. A model that names one action of nearly all clips has a `remark`; where none
    does, there is no such column.

    Args:
        predictions: CSV files of `transfer_actions`, ``<model>-seed<seed>.csv``.
        corpus: the corpus, in canonical form.
        table_path: CSV; the share of the test clips whose action is named, the ends of its
            interval, and the standard deviation between seeds.
        name: of the corpus.
        labels: numbers of labelled clips an action, as in the files.
        confidence: coverage of the intervals.

    Raises:
        InputError: a file that is not such predictions, or predictions of different clips.
    """
    read = {model_and_seed(path): _read(path) for path in map(Path, predictions)}
    truth = next(iter(read.values()))["label"]
    for path, table in zip(predictions, read.values(), strict=True):
        if not table["label"].equals(truth):
            raise InputError(
                f"{path}: other clips or actions than in {predictions[0]}; run "
                "transfer_actions again"
            )
    models = list(dict.fromkeys(model for model, _ in read))
    known = actions_of(corpus, labels)
    commonest = _commonest(known.loc[known["split"] == "train", "action"])
    rows = []
    for number in map(str, labels):
        about = {"labels": number, "corpus": name, "clips": len(truth[number])}
        about["actions"] = known["action"].nunique()
        accuracy: dict[str, dict[int, float]] = {model: {} for model in models}
        alike: dict[str, dict[str, list[str]]] = {model: {} for model in models}
        for (model, seed), table in read.items():
            own = table.loc[number]
            accuracy[model][seed] = float((own["predicted"] == own["label"]).mean())
            remark = all_alike(own["predicted"], references=own["label"])
            alike[model][f"seed {seed}"] = [remark] if remark else []
        for model, by_seed in accuracy.items():
            kind = "reference" if model == LINEAR else "model"
            rows.append(about | _row(_name(model), kind, list(by_seed.values()), confidence))
            if remark := in_one(alike[model]):
                rows[-1]["remark"] = remark
                sound(log, table_path, [f"{_name(model)}, {number} labels: {remark}"])
        floor = float((truth[number] == commonest).mean())
        rows.append(about | {"row": f"constant: {commonest}", "kind": "floor", "accuracy": floor})
        for model, by_seed in accuracy.items():
            if model != REFERENCE:
                pairs = [accuracy[REFERENCE][seed] - value for seed, value in by_seed.items()]
                row = f"{_name(REFERENCE)} minus {_name(model)}"
                rows.append(about | _row(row, "paired difference", pairs, confidence))
    kind = "published (Dong et al. 2017, Table 3)"
    about = {"labels": "all", "kind": kind, "corpus": "ucf11", "clips": 800, "actions": 11}
    rows += [about | {"row": row, "accuracy": value} for row, value in PUBLISHED.items()]
    first = ["labels", "row", "kind", "corpus", "seeds", "clips", "actions", "accuracy"]
    table = pd.DataFrame(rows)
    last = [column for column in ["remark"] if column in table]
    table = table[[*first, *table.columns.drop([*first, *last]), *last]].astype({"seeds": "Int64"})
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def _read(path: Path) -> pd.DataFrame:
    """Predictions by number of labels and clip."""
    table = read_csv(path)
    if tuple(table.columns) != COLUMNS or table.empty or table.isna().any(axis=None):
        raise InputError(f"{path}: not whole predictions; {make_again(path)}")
    return table.set_index(["labels", "clip"])


def _commonest(actions: pd.Series) -> str:
    """The action that occurs most; of several, the first of the alphabet."""
    counts = actions.value_counts()
    return min(counts.index[counts == counts.max()])


def _name(model: str) -> str:
    return "CNN, linear" if model == LINEAR else f"LSTM-{model}"


def _row(row: str, kind: str, values: Sequence[float], confidence: float) -> Mapping[str, Any]:
    bounds = DIFFERENCE_OF_SHARES if kind == "paired difference" else SHARE
    interval = over_seeds(values, confidence, bounds=bounds).columns("accuracy")
    return {"row": row, "kind": kind, "seeds": len(values)} | interval
