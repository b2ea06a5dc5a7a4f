"""Interpretability of planted neurons: what is there is found, and a rotation hides it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning.interpretability import (
    MEASURES,
    Read,
    measurable,
    measure,
    random_rotation,
    tabulate_interpretability,
)
from seewhy.captioning.interpreter import fit_interpreter
from seewhy.captioning.reading import prefer
from seewhy.captioning.sparse import fit_sparse_autoencoder

TOPICS = 8


def planted(clips, seed):
    """Neuron 2 i fires for topic i, and does nothing else; the odd ones are noise."""
    random = torch.Generator().manual_seed(seed)
    s = (torch.rand(clips, TOPICS, generator=random) < 0.3).to(torch.uint8)
    means = 0.1 * torch.rand(clips, 2 * TOPICS, generator=random)
    means[:, ::2] += s
    return Read(means, s)


@pytest.fixture(scope="module")
def splits():
    return planted(400, 0), planted(100, 1), planted(200, 2)


def test_planted_neurons_are_found_and_a_rotation_hides_them(splits):
    rotation = random_rotation(2 * TOPICS, 0)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(2 * TOPICS), atol=1e-5, rtol=0)
    found = []
    for turn in (torch.eye(2 * TOPICS), rotation):
        train, val, test = (Read(read.means @ turn, read.s) for read in splits)
        f = fit_interpreter(*train, *val, hidden=16, seed=0)
        found.append(measure(f, prefer(f, *train), train, test, least_clips=5))
    plain, rotated = found
    assert set(plain) == set(MEASURES)
    assert plain["single-neuron AUC"] == plain["signed AUC"] == pytest.approx(1)
    assert plain["topic AUC"] > 0.99
    assert plain["completeness"] > 0.8
    assert plain["MI gap"] > 0.4
    assert rotated["topic AUC"] > 0.99  # all is still there
    for name in ("single-neuron AUC", "signed AUC", "MI gap", "completeness", "peakiness"):
        assert rotated[name] < plain[name] - 0.05, name


def test_topics_of_too_few_clips_are_not_measured(splits):
    train, _, test = splits
    train_s = train.s.clone()
    train_s[:, 1] = 0
    train_s[:4, 1] = 1
    assert measurable(train_s, test.s, 5).tolist() == [0, *range(2, TOPICS)]
    with pytest.raises(ValueError, match="no topic is in 300 train and 300 held-out clips"):
        measurable(train.s, test.s, 300)


def test_a_sparse_autoencoder_finds_planted_directions():
    random = torch.Generator().manual_seed(3)
    directions = torch.linalg.qr(torch.randn(8, 8, generator=random))[0][:5]
    codes = torch.rand(4000, 5, generator=random) * (torch.rand(4000, 5, generator=random) < 0.2)
    frames = 3 * codes @ directions + 1
    model, explained = fit_sparse_autoencoder(frames, codes=16, k=3, epochs=150, seed=0)
    z = model.encode(frames)
    assert (z > 0).sum(dim=1).max() <= 3
    assert explained > 0.9
    rebuilt = model(frames)
    error = (rebuilt - frames).square().sum() / (frames - frames.mean(0)).square().sum()
    assert explained == pytest.approx(1 - error.item(), abs=1e-4)
    columns = torch.nn.functional.normalize(model.decoder.weight, dim=0)
    chance = torch.nn.functional.normalize(torch.randn(8, 16, generator=random), dim=0)
    near, by_chance = ((directions @ one).abs().max(dim=1).values for one in (columns, chance))
    assert near.mean() > by_chance.mean() + 0.15


def measured(value):
    """Every measure of test clips is `value`; of validation clips it is another."""
    return {"test": dict.fromkeys(MEASURES, value), "val": dict.fromkeys(MEASURES, 0.1)}


def test_the_table_pairs_seeds(tmp_path):
    paths = []
    values = {"I": (0.9, 0.8), "B": (0.7, 0.65)}
    for model, by_seed in values.items():
        for seed, value in enumerate(by_seed):
            folder = tmp_path / "captioner"
            folder.mkdir(exist_ok=True)
            paths.append(folder / f"{model}-seed{seed}.plain.json")
            paths[-1].write_text(json.dumps(measured(value)))
    (tmp_path / "sweep").mkdir()
    paths.append(tmp_path / "sweep/lambda-3.0-seed1.plain.json")
    paths[-1].write_text(json.dumps(measured(0.5)))
    tabulate_interpretability(paths, tmp_path / "table.csv", confidence=0.95)
    table = pd.read_csv(tmp_path / "table.csv").set_index("row")
    assert list(table.index) == [
        *("LSTM-I", "LSTM-B", "LSTM-I, lambda 3.0"),
        *("LSTM-I minus LSTM-B", "LSTM-I minus LSTM-I, lambda 3.0"),
    ]
    difference = table.loc["LSTM-I minus LSTM-B"]
    assert difference["MI gap"] == pytest.approx(0.175)
    half = 12.7062 * np.std([0.2, 0.15], ddof=1) / np.sqrt(2)  # Student's t, one degree of freedom
    assert difference["MI gap high"] == pytest.approx(0.175 + half, abs=1e-4)
    assert table.loc["LSTM-I minus LSTM-I, lambda 3.0", "seeds"] == 1
    assert table.loc["LSTM-I minus LSTM-I, lambda 3.0", "MI gap"] == pytest.approx(0.3)
