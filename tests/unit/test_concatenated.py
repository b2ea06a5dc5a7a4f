"""Sequences of two actions: what is put where, and what finds it."""

import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.grounding import concatenated
from seewhy.grounding.concatenated import Material, signals
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network

SHAPE = VGGShape(groups=((4,),), linear=(8,), size=16, batch_norm=False)
CLASSES = ["fall", "get up", "wave"]


@pytest.fixture
def material():
    """Nine clips of six frames, whose first number tells the clip, and second the frame."""
    found = object.__new__(Material)
    clips, frames = 9, 6
    features = torch.zeros(clips, frames, 8)
    features[:, :, 0] = torch.arange(clips)[:, None]
    features[:, :, 1] = torch.arange(frames)
    found.features, found.clips = features, [f"c{k}" for k in range(clips)]
    found.action = np.arange(clips) % 3
    found.companion = (np.arange(clips) + 1) % clips
    found.place = np.linspace(0, 0.999, clips)
    return found


def networks():
    torch.manual_seed(0)
    lrcn = vgg_action_network(SHAPE, CLASSES, hidden=6).eval()
    return lrcn, ActionNetwork(lrcn.cnn, torch.nn.Linear(8, 3), classes=CLASSES, size=16)


def test_the_asked_action_is_inserted_where_the_truth_says(material):
    sequences = material.inserted(5, 20)
    assert sequences.features.shape == (9, 20, 8)
    assert sequences.truth[0].tolist() == [0, 5]
    assert sequences.truth[-1].tolist() == [15, 20]
    for k in range(9):
        start, end = sequences.truth[k]
        inside = sequences.features[k, start:end, 0]
        assert (inside == k).all()
        outside = torch.cat([sequences.features[k, :start, 0], sequences.features[k, end:, 0]])
        assert (outside == (k + 1) % 9).all()
        # both are spread over the whole of their clips
        assert sequences.features[k, start:end, 1].tolist() == [0, 1, 3, 4, 5]
        rest = torch.cat([sequences.features[k, :start, 1], sequences.features[k, end:, 1]])
        assert (rest.diff() >= 0).all()
        assert {0, 5} <= set(rest.tolist())


def test_halves_and_reversals(material):
    first, second = (material.beside(8, first=one) for one in (True, False))
    assert first.truth.tolist() == [[0, 4]] * 9
    assert second.truth.tolist() == [[4, 8]] * 9
    assert (first.features[2, :4, 0] == 2).all()
    assert (second.features[2, 4:, 0] == 2).all()
    pairs = material.reversals(0, 1, 8)
    assert len(pairs.clips) == 6
    assert pairs.target.tolist() == [0] * 6
    for k, clip in enumerate((0, 0, 3, 3, 6, 6)):
        start, end = pairs.truth[k]
        assert (pairs.features[k, start:end, 0] == clip).all()
        other = pairs.features[k, 4:, 0] if start == 0 else pairs.features[k, :4, 0]
        assert (other % 3 == 1).all()


def test_signals_are_those_of_their_networks(material):
    lrcn, cnn = networks()
    said = signals(lrcn, cnn, material.inserted(3, 10), batch=4)
    for name, values in said.items():
        assert values.shape == (9, 10), name
    np.testing.assert_allclose(said["EB-R"].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(said["cEB-R"].sum(1), 0, atol=1e-5)
    for name in ("EB-R", "cEB-R"):
        np.testing.assert_allclose(said[f"mean profile of {name}"][4], said[name].mean(0))
    x, target = material.inserted(3, 10)[:2]
    with torch.no_grad():
        scores = cnn.classify(x)[5, 2]
    own = scores[target[5]]
    others = torch.cat([scores[: target[5]], scores[target[5] + 1 :]])
    assert said["CNN margin"][5, 2] == pytest.approx(float(own - others.max()), abs=1e-5)


def test_what_knows_the_truth_is_perfect_and_its_opposite_is_not(material):
    sequences = material.inserted(5, 20)
    frames = np.arange(20)
    inside = (frames >= sequences.truth[:, :1]) & (frames < sequences.truth[:, 1:])
    said = {"EB-R": inside * 1.0, "cEB-R": inside * 2.0 - 1, "probability": inside * 0.9}
    draws = {"resamples": 20, "level": 0.95, "seed": 0}
    rows = {
        (known, row): concatenated._scores(found, score, sequences, draws)
        for known, row, found, score in concatenated._localised(said, 5, sequences, 0)
    }
    for key in (("known", "EB-R"), ("known", "cEB-R"), ("unknown", "cEB-R"),
                ("known", "probability"), ("unknown", "probability")):  # fmt: skip
        assert rows[key]["mAP"] == 1
        assert rows[key]["boundary_error"] == 0
    assert ("unknown", "EB-R") not in rows  # it is never negative, so it has no border
    assert rows["unknown", "the whole sequence"]["localised"] == 0
    wrong = {"EB-R": 1.0 - inside, "cEB-R": -np.ones((9, 20)), "probability": 0.1 * inside}
    rows = {
        (known, row): concatenated._scores(found, score, sequences, draws)
        for known, row, found, score in concatenated._localised(wrong, 5, sequences, 0)
    }
    assert rows["known", "EB-R"]["mAP"] < 0.2
    # Nothing positive is no detection; its error is the whole sequence.
    assert rows["unknown", "cEB-R"]["boundary_error"] == 20
    assert rows["unknown", "cEB-R"]["mAP"] == 0


def test_a_baseline_that_random_windows_beat_is_told(material, tmp_path, monkeypatch):
    """cEB-R knows the truth, EB-R and the margin the contrary; sequences are 40 frames."""
    material.place = np.full(9, 0.2)

    def known_signals(lrcn, cnn, sequences):
        frames = np.arange(sequences.features.shape[1])
        inside = (frames >= sequences.truth[:, :1]) & (frames < sequences.truth[:, 1:])
        right, wrong = inside * 2.0 - 1, 1.0 - 2 * inside
        names = ("mean profile of cEB-R", "probability")
        return {"EB-R": wrong, "cEB-R": right, "CNN margin": wrong} | dict.fromkeys(names, right)

    monkeypatch.setattr(concatenated, "Material", lambda *_, **__: material)
    monkeypatch.setattr(concatenated, "load_action_network", lambda path: torch.nn.Identity())
    monkeypatch.setattr(concatenated, "signals", known_signals)
    monkeypatch.setattr(concatenated, "sums_figure", lambda *_, **__: None)
    monkeypatch.setattr(concatenated, "_order_rows", lambda *_: [])
    monkeypatch.setattr(concatenated, "TOTAL", 40)
    monkeypatch.setattr(concatenated, "LENGTHS", (20,))
    monkeypatch.setattr(concatenated, "PUBLISHED", {})
    concatenated.tabulate_concatenated(
        tmp_path / "table.csv", tmp_path / "sums.png", cnn="", lrcn="", corpus="", frames="",
        steps=4, name="made up", resamples=50,
    )  # fmt: skip
    table = pd.read_csv(tmp_path / "table.csv").set_index(["action_length", "row"])
    assert table.loc[("known", "random window"), "localised"] > 0.2
    verdicts = table["verdict"].dropna()
    assert verdicts["known", "cEB-R minus EB-R"] == "confirmed, baseline below chance"
    assert verdicts["known", "cEB-R minus probability"] == "undecided"
    assert verdicts["unknown", "cEB-R minus probability"] == "undecided"


def test_order_pairs_count_the_right_half(material):
    lrcn, cnn = networks()
    draws = {"resamples": 20, "level": 0.95, "seed": 0}
    rows = pd.DataFrame(concatenated._order_rows(material, lrcn, cnn, 4, "puppets", draws))
    assert (rows["sequences"] == 12).all()  # fall and get up, three clips each, two orders
    for name in ("EB-R", "cEB-R"):  # what is the same for all cannot know in which half it is
        assert rows.set_index("row").loc[f"mean profile of {name}", "right_half"] == 0.5
    assert rows["right_half"].between(0, 1).all()


def test_sums_are_over_the_interval():
    s = np.array([[1.0, 2.0, 4.0], [3.0, -5.0, 0.0]])
    sums = concatenated._sum_in(s, np.array([[1, 3], [0, 2]]))
    assert sums.tolist() == [6.0, -2.0]
