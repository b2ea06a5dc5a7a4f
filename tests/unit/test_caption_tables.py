"""Table 2 and the choice of lambda, on made-up captions whose scores are known."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from seewhy.captioning.tables import PUBLISHED, tabulate_captions, tabulate_lambda
from seewhy.corpora.canonical import write_tables
from seewhy.errors import InputError
from seewhy.scores.captions import score_captions

EVALUATION = {"name": "made up", "resamples": 200, "confidence": 0.9, "seed": 0}
THINGS = ("dog", "cat", "horse", "bird")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    clips, captions = [], []
    for split, count in (("train", 8), ("val", 8), ("test", 12)):
        for i in range(count):
            name, thing = f"{split}{i}", THINGS[i % 4]
            clips.append({"clip": name, "split": split, "video": "x.mp4"})
            texts = [f"a {thing} is running on the grass", f"the {thing} runs on the grass"]
            texts.append(f"a {thing} is running in a field")
            captions += [
                {"caption": f"{name}.{k}", "clip": name, "text": text}
                for k, text in enumerate(texts)
            ]
    write_tables(folder, {"clips": pd.DataFrame(clips), "captions": pd.DataFrame(captions)})
    return folder


def say(path, split, right, count):
    """Predictions in which the thing is right in every clip but those after the first `right`."""
    with open(path, "w") as file:
        for i in range(count):
            thing = THINGS[(i + (i >= right)) % 4]
            caption = f"a {thing} is running on the grass"
            print(json.dumps({"clip": f"{split}{i}", "caption": caption}), file=file)
    return path


@pytest.fixture(scope="module")
def table(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    rights = {"B": (6, 7), "I": (11, 9), "B-signed": (8, 8)}
    paths = [
        say(folder / f"{model}-seed{seed}.test.jsonl", "test", right, 12)
        for model, own in rights.items()
        for seed, right in enumerate(own)
    ]
    tabulate_captions(corpus, paths, folder / "table2.csv", folder / "scores.csv", **EVALUATION)
    return folder


def test_rows_are_models_differences_floor_ceiling_and_the_published(table):
    rows = pd.read_csv(table / "table2.csv")
    assert rows["row"].tolist()[:5] == [
        "LSTM-B",
        "LSTM-I",
        "LSTM-B-signed",
        "LSTM-I minus LSTM-B",
        "LSTM-I minus LSTM-B-signed",
    ]
    assert rows["kind"].tolist()[5:7] == ["floor", "ceiling"]
    published = rows[7:]
    assert published["row"].tolist() == list(PUBLISHED)
    assert published["kind"].str.startswith("published").all()
    assert (published["corpus"] == "msvd").all()
    assert published.set_index("row").loc["LSTM-I (GoogLeNet)", "BLEU-4"] == 0.446
    assert (rows["corpus"][:7] == "made up").all()


def test_values_are_means_over_seeds_of_the_corpus_scores(table, corpus):
    rows = pd.read_csv(table / "table2.csv").set_index("row")
    captions = pd.read_csv(corpus / "captions.csv")
    references = captions.groupby("clip")["text"].agg(list)
    values = {}
    for model in ("B", "I"):
        each = []
        for seed in (0, 1):
            lines = (table / f"{model}-seed{seed}.test.jsonl").read_text().splitlines()
            said = {r["clip"]: r["caption"] for r in map(json.loads, lines)}
            each.append(
                score_captions(said, {c: references[c] for c in said}, meteor=False).corpus()
            )
        values[model] = [one["BLEU-4"] for one in each]
        assert rows.loc[f"LSTM-{model}", "BLEU-4"] == pytest.approx(
            np.mean(values[model]), abs=1e-4
        )
        assert rows.loc[f"LSTM-{model}", "BLEU-4 seed sd"] == pytest.approx(
            np.std(values[model], ddof=1), abs=1e-4
        )
    gap = np.subtract(values["I"], values["B"])
    difference = rows.loc["LSTM-I minus LSTM-B"]
    assert difference["BLEU-4"] == pytest.approx(gap.mean(), abs=1e-4)
    assert difference["BLEU-4 seed sd"] == pytest.approx(gap.std(ddof=1), abs=1e-4)
    assert difference["BLEU-4 low"] < difference["BLEU-4"] < difference["BLEU-4 high"]


def test_the_scores_of_every_clip_are_kept(table):
    scores = pd.read_csv(table / "scores.csv")
    assert len(scores) == 12 * 6
    wrong = scores[(scores["model"] == "I") & (scores["seed"] == 0) & (scores["clip"] == "test11")]
    right = scores[(scores["model"] == "I") & (scores["seed"] == 0) & (scores["clip"] == "test0")]
    assert right["BLEU-4"].item() == pytest.approx(1, abs=1e-3)
    assert wrong["BLEU-1"].item() < right["BLEU-1"].item()


def test_the_largest_lambda_that_is_not_behind_on_validation_is_chosen(corpus, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    paths = [
        say(tmp_path / f"lambda-{value}-seed{seed}.val.jsonl", "val", right, 8)
        for value, right in ((0.1, 7), (10.0, 1), (3.0, 6), (0.5, 2))
        for seed in (0, 1)
    ]
    tabulate_lambda(corpus, paths, tmp_path / "lambda.csv", current=0.1, **EVALUATION)
    rows = pd.read_csv(tmp_path / "lambda.csv")
    assert rows["lambda"].tolist() == [0.1, 0.5, 3.0, 10.0]
    assert rows.loc[rows["row"] == "chosen", "lambda"].tolist() == [3.0]
    assert "captioner.lambda is 0.1, but validation chooses 3" in caplog.text
    rows = rows.set_index("lambda")
    np.testing.assert_allclose(rows["behind"], rows.loc[0.1, "BLEU-4"] - rows["BLEU-4"], atol=2e-4)
    assert rows.loc[3.0, "behind low"] <= 0 < rows.loc[3.0, "behind"]
    assert rows.loc[10.0, "behind low"] > 0


def test_predictions_of_different_clips_are_refused(corpus, tmp_path):
    paths = [
        say(tmp_path / "I-seed0.test.jsonl", "test", 12, 12),
        say(tmp_path / "B-seed0.test.jsonl", "test", 12, 11),
    ]
    with pytest.raises(InputError, match=r"B-seed0\.test\.jsonl: captions of 11 clips"):
        tabulate_captions(corpus, paths, tmp_path / "t.csv", tmp_path / "s.csv", **EVALUATION)
    assert not (tmp_path / "t.csv").exists()


def test_a_corpus_without_test_captions_says_so(corpus, tmp_path):
    captions = pd.read_csv(corpus / "captions.csv")[["caption", "clip", "text"]]
    clips = pd.read_csv(corpus / "clips.csv")[["clip", "split", "video"]]
    captions = captions[~captions["clip"].str.startswith("test")]
    write_tables(tmp_path, {"clips": clips, "captions": captions})
    with pytest.raises(InputError, match=r"no captions of the test split"):
        tabulate_captions(tmp_path, ["x"], tmp_path / "t.csv", tmp_path / "s.csv", **EVALUATION)
