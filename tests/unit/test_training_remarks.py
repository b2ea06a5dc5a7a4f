"""Trainings that learnt nothing, and schedules on a handful of clips."""

import itertools
import json
import logging
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy.captioning.figures import draw_training
from seewhy.captioning.interpreter import LEAST_STEPS as INTERPRETER_STEPS
from seewhy.captioning.interpreter import fit_interpreter
from seewhy.captioning.sparse import fit_sparse_autoencoder
from seewhy.captioning.tables import add_remarks, remarks_on_models, write_rows
from seewhy.captioning.transfer import PERCEPTRON, Split, fit_network
from seewhy.grounding.stages import A_ROUND, Stage, StagedTraining
from seewhy.training_remarks import (
    all_alike,
    as_metrics,
    history_remarks,
    in_one,
    metrics_remarks,
    never_better,
    never_fell,
)
from seewhy.training_steps import passes_an_epoch


@pytest.mark.parametrize(
    ("items", "batch", "least", "passes"),
    [(1800, 16, 50, 1), (70, 16, 50, 10), (6, 16, 50, 50), (800, 16, 50, 1), (799, 16, 51, 2),
     (1, 1, 1, 1), (0, 8, 3, 3)],
)  # fmt: skip
def test_an_epoch_has_its_least_number_of_steps_by_whole_passes(items, batch, least, passes):
    assert passes_an_epoch(items, batch, least) == passes
    steps = max(1, math.ceil(items / batch))
    assert passes * steps >= least > (passes - 1) * steps or passes == 1


@pytest.mark.parametrize(
    ("losses", "fell"),
    [
        ([3.0, 2.0, 1.0], True),
        ([3.0, 3.1, 2.99, 3.0], False),
        ([3.0, 1.0, 1.0, 4.0, 4.0, 4.0, 4.0, 4.0], False),  # it came back
        ([3.0, 2.8], True),
        ([3.0, 2.9], False),
        ([3.0], None),
        ([], None),
    ],
)
def test_a_loss_that_never_fell(losses, fell):
    told = never_fell(losses, of="the loss")
    assert (told is None) == (fell is not False)
    assert told is None or told.startswith("the loss never fell (3 at first, ")


def test_a_validation_loss_that_was_best_at_once():
    assert never_better([2.0, 2.1, 2.0]).startswith("the validation loss never fell below")
    assert never_better([2.0, 2.1, 1.9]) is None
    assert never_better([2.0]) is None


@pytest.mark.parametrize(
    ("answers", "references", "told"),
    [
        (["a man"] * 4 + ["a dog"] * 4, [], True),
        (["a man"] * 3 + [str(k) for k in range(5)], [], False),
        (["a man"] * 4 + ["a dog"] * 4, ["a man"] * 5 + ["a dog"] * 3, False),  # so do these
        (["a man", "a man"], [], True),
        (["a man", "a man", "a dog"], [], False),  # three clips tell nothing
        (["a man"], [], False),
        (["", "", ""], [], True),
    ],
)
def test_answers_that_are_all_alike(answers, references, told):
    remark = all_alike(answers, references=references)
    assert (remark is not None) == told
    if told:
        assert f"{answers.count(answers[0])} of {len(answers)} clips" in remark


def test_remarks_of_seeds_share_a_cell():
    assert in_one({"seed 0": ["x"], "seed 1": ["x", "y"], "seed 2": []}) == (
        "seed 0, seed 1: x; seed 1: y"
    )
    assert in_one({"seed 0": []}) is None


def history(path, task, validation):
    table = pd.DataFrame({"task": task, "interpretive": 0.0, "validation": validation})
    table.insert(0, "epoch", range(1, len(table) + 1))
    table.assign(learning_rate=1.0).to_csv(path, index=False)
    return path


def predictions(path, said):
    lines = [json.dumps({"clip": clip, "caption": text}) for clip, text in said.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def models(tmp_path):
    """A model that says the same of all clips, one that learnt nothing, and one that is well."""
    clips = [f"c{k}" for k in range(10)]
    references = {clip: [f"a {clip}"] for clip in clips}
    good = history(tmp_path / "I-seed0.csv", [3, 2, 1, 1], [3, 2, 2, 2])
    flat = history(tmp_path / "B-seed1.csv", [3, 3, 3, 3], [3, 3, 3, 3])
    captions = [
        predictions(tmp_path / "I-seed0.test.jsonl", {clip: f"a {clip}" for clip in clips}),
        predictions(tmp_path / "B-seed1.test.jsonl", {clip: f"the {clip}" for clip in clips}),
        predictions(tmp_path / "B-seed0.test.jsonl", dict.fromkeys(clips, "a man")),
    ]
    return captions, [good, flat], references


def test_models_that_learnt_nothing_are_named(models):
    told = remarks_on_models(*models)
    assert set(told) == {"B"}
    assert "seed 1: the training loss never fell (3 at first, 3 at the end)" in told["B"]
    assert "seed 1: the validation loss never fell below" in told["B"]
    assert "seed 0: says “a man” of 10 of 10 clips" in told["B"]


def test_the_table_and_the_log_say_it_and_a_table_without_has_no_column(models, tmp_path, caplog):
    about = {"kind": "model", "seeds": 2, "clips": 10}
    rows = [about | {"row": "LSTM-B", "BLEU-4": 0.2}, about | {"row": "LSTM-I", "BLEU-4": 0.4}]
    write_rows(tmp_path / "well.csv", rows)
    assert "remark" not in pd.read_csv(tmp_path / "well.csv")
    floor = {"row": "constant", "BLEU-4": 0.2}
    with caplog.at_level(logging.WARNING):
        add_remarks(rows, {"LSTM-B": "seed 0: alike"}, tmp_path / "t.csv", floor=floor)
    write_rows(tmp_path / "t.csv", rows)
    table = pd.read_csv(tmp_path / "t.csv").set_index("row")
    assert table.loc["LSTM-B", "remark"] == (
        "seed 0: alike; BLEU-4 is not above that of the best constant caption"
    )
    assert pd.isna(table.loc["LSTM-I", "remark"])
    assert "WARNING: " in caplog.text
    assert "LSTM-B: seed 0: alike" in caplog.text
    assert list(table.columns)[-1] == "remark"


def test_the_figure_names_what_learnt_nothing(models, tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    written = []
    usual = Figure.text
    monkeypatch.setattr(
        Figure, "text", lambda self, x, y, s, **k: written.append(s) or usual(self, x, y, s, **k)
    )
    _, (good, flat), _ = models
    draw_training([good], tmp_path / "good.png")
    assert not written
    draw_training([good, flat], tmp_path / "flat.png")
    assert "WARNING: LSTM-B, seed 1: the training loss never fell" in written[0].replace("\n", " ")


def train_on(losses, tmp_path, **settings):
    """A staged training whose loss is what is given."""
    weight = nn.Parameter(torch.zeros(1))
    given = iter(losses)
    stage = Stage(
        len(losses), 0.1, [weight], lambda rng: weight.sum() * 0 + next(given), lambda: None,
        **settings,
    )  # fmt: skip
    training = StagedTraining(
        {"only": stage}, {"net": nn.ParameterList([weight])},
        seed=0, weight_decay=0, what="network", setting="x",
    )  # fmt: skip
    training.run(tmp_path / "net", tmp_path / "resume", 0)
    return training.remarks()


def test_stages_that_learn_nothing_are_remarked(tmp_path, caplog):
    flat = [2.0] * (4 * A_ROUND)
    (told,) = train_on(flat, tmp_path / "a")
    assert told.startswith("the loss of network, stage only, never fell (2 at first, 2 at the")
    assert told in caplog.text
    assert train_on(flat, tmp_path / "b", anew=False) == []  # it was trained before
    assert train_on(np.linspace(3, 1, 200).tolist(), tmp_path / "c") == []
    assert train_on([2.0] * A_ROUND, tmp_path / "d") == []  # one round tells nothing


def test_metrics_carry_remarks_only_where_there_are_any(tmp_path):
    path = tmp_path / "m.json"
    for remarks in ([], ["the loss never fell"]):
        path.write_text(json.dumps({"validation": 1} | as_metrics(remarks)))
        assert metrics_remarks(path) == remarks
    assert as_metrics([]) == {}


# --- schedules on a handful of clips --------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch):
    """How many steps the optimisers made."""
    made = itertools.count()
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        usual = kind.step
        monkeypatch.setattr(
            kind, "step", lambda self, *a, usual=usual, **k: (next(made), usual(self, *a, **k))[1]
        )
    return made


def test_f_is_fitted_by_enough_steps_on_six_clips(steps):
    means, s = torch.randn(6, 4), torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 3)
    fit_interpreter(means, s, means, s, hidden=4, seed=0)
    assert next(steps) >= 15 * INTERPRETER_STEPS


def test_the_autoencoder_is_fitted_by_enough_steps_on_a_few_frames(steps):
    _, explained = fit_sparse_autoencoder(torch.randn(40, 4), codes=8, k=4, epochs=4, seed=0)
    assert next(steps) >= 200
    assert explained > 0.5


def test_a_recogniser_is_trained_by_enough_steps_on_two_clips(steps):
    clips = Split((torch.eye(2),), torch.tensor([0, 1]))
    fit_network(nn.Linear(2, 2), clips, clips, PERCEPTRON)
    assert next(steps) >= 3 * PERCEPTRON.patience


def test_where_an_epoch_has_its_steps_nothing_changes(monkeypatch):
    frames = torch.randn(600, 4)
    _, one = fit_sparse_autoencoder(frames, codes=8, k=2, epochs=2, seed=0)
    monkeypatch.setattr("seewhy.captioning.sparse.LEAST_STEPS", 2)  # what two batches make
    _, two = fit_sparse_autoencoder(frames, codes=8, k=2, epochs=2, seed=0)
    monkeypatch.setattr("seewhy.captioning.sparse.LEAST_STEPS", 1)
    _, three = fit_sparse_autoencoder(frames, codes=8, k=2, epochs=2, seed=0)
    assert two == three != one


def test_history_remarks_are_read_from_the_file(tmp_path):
    assert history_remarks(history(tmp_path / "a.csv", [3, 2, 1], [3, 2, 1])) == []
    assert len(history_remarks(history(tmp_path / "b.csv", [3, 3, 3], [3, 3, 3]))) == 2
