"""Transfer on made-up features whose actions can be told apart: labels, training, Table 3."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning import transfer
from seewhy.captioning.checkpoint import load_captioner, load_for, save_captioner
from seewhy.captioning.model import Captioner, CaptionerShape, mean_feature
from seewhy.captioning.transfer import actions_of, labelled_clips, transfer_actions
from seewhy.captioning.transfer_table import tabulate_transfer
from seewhy.corpora.canonical import SPLITS, write_tables
from seewhy.errors import InputError
from seewhy.text.tokens import Vocabulary

ACTIONS = ["eat", "run", "swim"]
N, D = 5, 12  # frames, channels
ENCODER = {"encoder": 6, "features": "relu", "components": 4, "motion": [1]}
ENCODER |= {"concat_cnn": False, "input_dropout": 0.1}
COUNTS = {"train": 20, "val": 8, "test": 15}  # clips of each action
LABELS = [2, 8, "all"]


@pytest.fixture
def corpus(tmp_path):
    """Three actions, one that two train clips show, one of test clips alone, one clip of two."""
    rows = [
        (f"{split}-{action}-{number}", split, action)
        for split, count in COUNTS.items()
        for action in ACTIONS
        for number in range(count)
    ]
    rows += [("one", "train", "crawl"), ("test-fly", "test", "fly")]
    rows += [("both", "train", "eat"), ("both", "train", "run")]
    table = pd.DataFrame(rows, columns=["clip", "split", "label"])
    clips = table.drop_duplicates("clip")[["clip", "split"]].assign(video="none.mp4")
    labels = table[["clip", "label"]].assign(kind="action")
    labels = pd.concat([labels, pd.DataFrame({"clip": ["one"], "kind": "scene", "label": "snow"})])
    write_tables(tmp_path / "corpus", {"clips": clips, "labels": labels})
    return tmp_path / "corpus"


@pytest.fixture
def features(corpus, tmp_path):
    """Each action has a direction of its own; clips differ in length."""
    rng = np.random.default_rng(0)
    clips = pd.read_csv(corpus / "clips.csv")
    directions = rng.normal(size=(len(ACTIONS), D))
    paths = {}
    for split in SPLITS:
        own = clips.loc[clips["split"] == split, "clip"].tolist()
        lengths = rng.integers(2, N + 1, len(own))
        values = rng.normal(size=(len(own), N, D))
        for place, clip in enumerate(own):
            action = clip.split("-")[1] if "-" in clip else ""
            if action in ACTIONS:
                values[place] += 1.5 * directions[ACTIONS.index(action)]
            values[place, lengths[place] :] = 0
        paths[split] = tmp_path / f"{split}.h5"
        with h5py.File(paths[split], "w") as file:
            file["features"] = values.astype(np.float32)
            file["lengths"] = lengths.astype(np.int32)
            file["clip"] = np.array(own, dtype=object)
            file.attrs["weights"] = "abc"
    return paths


@pytest.fixture
def captioner(tmp_path):
    torch.manual_seed(0)
    vocabulary = Vocabulary(["a", "dog"])
    shape = CaptionerShape(
        vocabulary=len(vocabulary.words), topics=3, cnn=D, encoder=8, features="relu", embedding=4,
        decoder=4, attention=4, interpreter=4,
    )  # fmt: skip
    save_captioner(tmp_path / "I-seed0.safetensors", Captioner(shape), vocabulary, backbone="abc")
    return tmp_path / "I-seed0.safetensors"


@pytest.fixture
def run(corpus, features, captioner, tmp_path):
    """Run one model and read what it predicts."""

    def run(model, *, seed=0, labels=LABELS, **changes):
        output = tmp_path / "out" / f"{model}-seed{seed}.csv"
        given = {
            "captioner": None if model in ("R", "CNN") else captioner, "features": features,
            "corpus": corpus, "encoder": ENCODER, "hidden": 16, "device": "cpu",
        }  # fmt: skip
        transfer_actions(output, model=model, labels=labels, seed=seed, **given | changes)
        return pd.read_csv(output, dtype={"labels": str})

    return run


def test_only_clips_of_one_action_that_enough_train_clips_show_are_recognised(corpus):
    table = actions_of(corpus, LABELS)
    assert set(table["action"]) == set(ACTIONS)  # crawl is in too few, fly in none
    assert not {"both", "one", "test-fly"} & set(table["clip"])
    for split, count in COUNTS.items():
        own = table.loc[table["split"] == split, "action"]
        assert own.value_counts().to_dict() == dict.fromkeys(ACTIONS, count)
    assert set(actions_of(corpus, ["all"])["action"]) == {*ACTIONS, "crawl"}
    with pytest.raises(InputError, match=r"labels\.csv: 0 actions have 30 train clips .* lower"):
        actions_of(corpus, [30])


def test_fewer_labels_are_among_more_and_as_many_of_each_action_as_there_are():
    targets = torch.tensor([0] * 30 + [1] * 10 + [2] * 30)[torch.randperm(70)]
    few, more, everything = (labelled_clips(targets, number, 3) for number in (4, 16, "all"))
    assert targets[few].bincount().tolist() == [4, 4, 4]
    assert targets[more].bincount().tolist() == [16, 10, 16]
    assert set(few.tolist()) < set(more.tolist()) < set(everything.tolist()) == set(range(70))
    assert few.tolist() == labelled_clips(targets, 4, 3).tolist()
    assert few.tolist() != labelled_clips(targets, 4, 4).tolist()


@pytest.mark.parametrize("model", ["I", "R", "CNN"])
def test_separable_actions_are_learnt_and_the_same_seed_says_the_same(run, model):
    table = run(model)
    assert list(table.columns) == ["labels", "clip", "label", "predicted"]
    assert table["labels"].unique().tolist() == ["2", "8", "all"]
    right = table["predicted"] == table["label"]
    assert right[table["labels"] == "all"].mean() > 0.85
    assert (table.groupby("labels")["label"].value_counts() == COUNTS["test"]).all()
    pd.testing.assert_frame_equal(table, run(model))


def test_a_lent_encoder_stays_as_it_is_and_only_the_perceptron_learns(
    run, captioner, features, monkeypatch
):
    lent, fitted = [], []
    fit = transfer.fit_network

    def loaded(*paths):
        lent.append(load_for(*paths)[0])
        return lent[0], *load_for(*paths)[1:]

    def watched(network, train, val, recipe):
        fitted.append(([name for name, _ in network.named_parameters()], train))
        return fit(network, train, val, recipe)

    monkeypatch.setattr(transfer, "load_for", loaded)
    monkeypatch.setattr(transfer, "fit_network", watched)
    run("I", labels=["all"])
    original = load_captioner(captioner)[0]
    for name, value in original.state_dict().items():
        assert torch.equal(value, lent[0].state_dict()[name]), name
    assert all(parameter.grad is None for parameter in lent[0].parameters())
    (names, train), *_ = fitted
    assert names == ["1.0.weight", "1.0.bias", "1.3.weight", "1.3.bias"]
    _, _, (file,) = load_for(captioner, features["train"])
    cnn, lengths = next(file.batches([[0]]))
    with torch.no_grad():
        mean = mean_feature(original.encoder(cnn, lengths), lengths)
    torch.testing.assert_close(train.given[0][:1], mean)


def test_the_encoder_of_lstm_r_learns(run, monkeypatch):
    moved = []
    fit = transfer.fit_network

    def watched(network, *rest):
        before = network.encoder.lstm.weight_ih_l0.detach().clone()
        loss = fit(network, *rest)
        moved.append(not torch.equal(before, network.encoder.lstm.weight_ih_l0))
        return loss

    monkeypatch.setattr(transfer, "fit_network", watched)
    run("R", labels=["all"])
    assert moved == [True]


def test_features_of_another_backbone_are_refused(run, features):
    with h5py.File(features["val"], "a") as file:
        file.attrs["weights"] = "another"
    with pytest.raises(InputError, match="features of another backbone"):
        run("I")


def test_a_split_without_an_action_and_damaged_features_are_named(run, features):
    with h5py.File(features["val"], "a") as file:
        del file["clip"]
        file["clip"] = np.array([f"x{n}" for n in range(len(file["lengths"]))], dtype=object)
    with pytest.raises(InputError, match=r"val\.h5: no val clip shows one of the 3 actions"):
        run("CNN")


def test_features_that_are_not_numbers_are_refused(run, features):
    for path in features.values():
        with h5py.File(path, "a") as file:
            file["features"][...] = np.nan
    with pytest.raises(InputError, match=r"train\.h5: features of the clip .* not all values"):
        run("CNN")
    with pytest.raises(InputError, match=r"train\.h5: features of the clip .* not all values"):
        run("R", labels=["all"])


# --- Table 3 --------------------------------------------------------------------------------------


@pytest.fixture
def predictions(corpus, tmp_path):
    """Models that are right as often as `share` says, for two seeds."""
    clips = [(f"test-{a}-{n}", a) for a in ACTIONS for n in range(COUNTS["test"])]
    paths = []
    for model, shares in {"B": (0.4, 0.6), "I": (0.6, 1), "R": (0, 0.2), "CNN": (0, 0)}.items():
        for seed, share in enumerate(shares):
            rows = [
                (number, clip, label, label if place < share * len(clips) else "wrong")
                for number in ("4", "all")
                for place, (clip, label) in enumerate(clips)
            ]
            paths.append(tmp_path / f"{model}-seed{seed}.csv")
            columns = ["labels", "clip", "label", "predicted"]
            pd.DataFrame(rows, columns=columns).to_csv(paths[-1], index=False)
    return paths


def tabulated(predictions, corpus, labels=(4, "all")):
    output = corpus.parent / "table3.csv"
    tabulate_transfer(predictions, corpus, output, name="made up", labels=labels, confidence=0.95)
    return pd.read_csv(output, dtype={"labels": str})


def test_table_3_has_models_reference_floor_differences_and_the_papers_rows(predictions, corpus):
    table = tabulated(predictions, corpus)
    rows = ["LSTM-B", "LSTM-I", "LSTM-R", "CNN, linear", "constant: eat", "LSTM-I minus LSTM-B"]
    rows += ["LSTM-I minus LSTM-R", "LSTM-I minus CNN, linear"]
    assert table["row"].tolist() == [*rows, *rows, "LSTM-B", "LSTM-I", "LSTM-R"]
    assert table["labels"].tolist() == ["4"] * 8 + ["all"] * 11
    own = table[:8].set_index("row")
    assert own.loc["LSTM-I", "accuracy"] == pytest.approx(0.8)
    assert own.loc["LSTM-I", "accuracy seed sd"] == pytest.approx(0.4 / 2**0.5, abs=1e-4)
    assert own.loc["constant: eat", "accuracy"] == pytest.approx(1 / 3, abs=1e-4)
    assert own.loc["LSTM-I minus LSTM-B", "accuracy"] == pytest.approx(0.3)
    difference = own.loc["LSTM-I minus LSTM-B"]
    assert difference["accuracy low"] < 0 < difference["accuracy high"]  # 0.2 and 0.4: two seeds
    assert (own["clips"] == 45).all()
    assert (own["actions"] == 3).all()
    published = table[table["kind"].str.startswith("published")]
    assert published["accuracy"].tolist() == [0.885, 0.9113, 0.9013]
    assert (published["corpus"] == "ucf11").all()


def test_a_single_seed_goes_without_intervals(predictions, corpus):
    table = tabulated(predictions[::2], corpus)
    assert "accuracy low" not in table.columns


def test_predictions_of_different_clips_or_no_predictions_are_refused(predictions, corpus):
    other = pd.read_csv(predictions[-1])
    other.iloc[:-1].to_csv(predictions[-1], index=False)
    with pytest.raises(InputError, match=r"CNN-seed1\.csv: other clips or actions than in"):
        tabulated(predictions, corpus)
    predictions[-1].write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"CNN-seed1\.csv: not whole predictions; make it again"):
        tabulated(predictions, corpus)
