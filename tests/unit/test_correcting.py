"""Corrections by a person and by an oracle: what they name, refuse, write and leave alone."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning import correcting
from seewhy.captioning.checkpoint import load_captioner, save_captioner
from seewhy.captioning.correcting import (
    choose_cases,
    correct_cases,
    open_refiner,
    read_corrections,
    refine_captioner,
)
from seewhy.captioning.decode import caption_clips
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.refinement_table import tabulate_refinement
from seewhy.captioning.tables import references_of
from seewhy.errors import InputError
from seewhy.scores.captions import CaptionScorer
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import Vocabulary

WORDS = ["cat", "dog", "walks", "sleeps", "animal", "flies"]
PLAN = dict(
    direction="contribution", weights="neuron", dose=30.0, margin=0.5, parts=2, most=400.0,
    threshold=0.1, rise=0.3, mu=0.01, anchor=0.01, anchor_clips=2, steps=2, learning_rate=0.01,
)  # fmt: skip
DECODING = {"beam": 2, "max_words": 4, "length_power": 1.0}
COUNTS = {"train": 20, "val": 8, "test": 10}


@pytest.fixture
def world(tmp_path, made_features):
    """A captioner with random weights, features, topics and human captions."""
    torch.manual_seed(2)
    vocabulary = Vocabulary(WORDS)
    shape = CaptionerShape(
        vocabulary=len(vocabulary), topics=3, cnn=6, encoder=4, embedding=3, decoder=5, attention=4,
        interpreter=7,
    )  # fmt: skip
    captioner = Captioner(shape).eval()
    with torch.no_grad():
        captioner.decoder.W_p.weight[:, 5 : 5 + shape.neurons] *= 20  # it says what neurons say
        captioner.decoder.W_p.bias.zero_()
    for model in ("I", "B"):
        path = tmp_path / f"{model}-seed0.safetensors"
        save_captioner(path, captioner, vocabulary, backbone="made up")
    features = {
        split: made_features(clips=count, n=6, d=6, split=split, seed=len(split))
        for split, count in COUNTS.items()
    }
    random = np.random.default_rng(3)
    rows = []
    for split, count in COUNTS.items():
        s = random.integers(0, 2, (count, 3))
        s[0] = 1
        with h5py.File(features[split], "r+") as file:
            file["features"][:, :, :3] += 4 * s[:, None, :]  # so that f has topics to read
        rows += [(f"{split}{k:05d}", split, *row) for k, row in enumerate(s)]
    names = ["cat", "dog", "sleeps"]
    pd.DataFrame(rows, columns=["clip", "split", *names]).to_csv(
        tmp_path / "vectors.csv", index=False
    )
    topic_word = np.array(
        [[6, 0.1, 1, 0.1, 2, 0.1], [0.1, 6, 1, 0.1, 2, 0.1], [0, 0, 1, 6, 2, 0.1]]
    )
    topic_word /= topic_word.sum(axis=1, keepdims=True)
    with h5py.File(tmp_path / "topics.h5", "w") as file:
        file["topic_word"] = topic_word
    about = {"topics": [{"name": name} for name in names], "vocabulary": WORDS, "settings": {}}
    (tmp_path / "topics.json").write_text(json.dumps(about))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    clips = pd.DataFrame([row[:2] for row in rows], columns=["clip", "split"])
    clips.assign(video="x.mp4").to_csv(corpus / "clips.csv", index=False)
    captions = [
        (
            f"{clip}.{k}",
            clip,
            "a " + " ".join(n for n, has in zip(names, s, strict=True) if has) + " x",
        )
        for clip, _, *s in rows
        for k in range(2)
    ]
    pd.DataFrame(captions, columns=["caption", "clip", "text"]).to_csv(
        corpus / "captions.csv", index=False
    )
    return tmp_path, features


def opened(world, **changes):
    folder, features = world
    return open_refiner(
        folder / "I-seed0.safetensors", features, folder / "vectors.csv", plan=PLAN | changes,
        decoding=DECODING, seed=0,
    )  # fmt: skip


def cases(world, **changes):
    folder, features = world
    settings = dict(cases=5, seed=0, decoding=DECODING) | changes
    models = [folder / f"{model}-seed0.safetensors" for model in ("B", "I")]
    choose_cases(models, features["test"], folder / "corpus", folder / "topics.json",
                 folder / "vectors.csv", folder / "cases.csv", **settings)  # fmt: skip
    return pd.read_csv(folder / "cases.csv")


def test_strict_words_are_those_that_hardly_another_topic_has(world):
    topics = TopicWords.load(world[0] / "topics.json")
    assert topics.strict() == [["cat"], ["dog"], ["sleeps"]]
    assert topics.find("dog") == 1
    assert topics.find("flies") in (0, 1, 2)
    with pytest.raises(
        InputError, match="'dogg' is neither a topic nor a word of one; did you mean"
    ):
        topics.find("dogg")


def test_a_case_is_wrong_and_misses_a_topic_of_its_own(world):
    folder, features = world
    found = cases(world, cases=100)
    vectors = pd.read_csv(folder / "vectors.csv").set_index("clip")
    said = correcting._said_of_halves(
        folder / "I-seed0.safetensors", features["test"], DECODING, "cpu"
    )
    assert len(found)
    human = pd.read_csv(folder / "corpus/captions.csv").groupby("clip")["text"].agg(" ".join)
    for case in found.itertuples():
        assert vectors.loc[case.clip, case.topic] == 1
        assert case.words == case.topic
        assert case.agreed == 1
        assert all(case.topic not in half for half in said[case.clip])
        assert said[case.clip][1] - set(human[case.clip].split())  # says what no human says
    again = cases(world, cases=2)
    assert len(again) == 2
    assert set(again["clip"]) <= set(found["clip"])


def test_corrections_of_cases_are_recorded_and_scored(world):
    folder, features = world
    cases(world)
    start = opened(world, dose="caption")
    original = {k: v.clone() for k, v in start.refiner.captioner.encoder.state_dict().items()}
    own = folder / "I-seed0.own.json"
    for name, control_for in (
        ("I-seed0.own", None),
        ("B-seed0.own", None),
        ("I-seed0.random", own),
    ):
        correct_cases(opened(world), folder / "cases.csv", folder / f"{name}.json",
                      in_turn=2, control_for=control_for)  # fmt: skip
    # As if the other network had not been helped by anything, to tell the two apart in the table.
    other = json.loads((folder / "B-seed0.own.json").read_text())
    for case in other["cases"]:
        case["corrected"] = False
    (folder / "B-seed0.own.json").write_text(json.dumps(other))
    control = json.loads((folder / "I-seed0.random.json").read_text())["cases"]
    assert [case["dose"] for case in control] == [30.0] * len(control)
    correct_cases(start, folder / "cases.csv", folder / "searched.json", in_turn=0)
    searched = json.loads((folder / "searched.json").read_text())["cases"]
    record = json.loads((folder / "I-seed0.own.json").read_text())
    caption_clips(folder / "I-seed0.safetensors", features["test"], folder / "whole.jsonl", beam=2,
                  max_words=4)  # fmt: skip
    whole = [json.loads(line) for line in (folder / "whole.jsonl").read_text().splitlines()]
    assert record["before"] == {line["clip"]: line["caption"] for line in whole}
    assert any(case["changed"] for case in record["cases"])
    for case in record["cases"] + searched:
        assert case["clip"] not in case["changed"]
        assert case["corrected"] == (case["topic"] in case["after"].split())
        assert all(record["before"][clip] != text for clip, text in case["changed"].items())
        assert case["gained"] <= min(case["without"], len(case["changed"]))
        if case["dose"] is None:
            assert case["before"] == case["after"]
            assert not case["changed"]
    for key, value in start.refiner.captioner.encoder.state_dict().items():
        assert torch.equal(value, original[key])
    names = ("B-seed0.own", "I-seed0.own", "I-seed0.random")
    tabulate_refinement(
        folder / "corpus", folder / "topics.json",
        [folder / f"{name}.json" for name in names], folder / "table.csv",
        resamples=100, confidence=0.9, seed=0,
    )  # fmt: skip
    table = pd.read_csv(folder / "table.csv").set_index("row")
    row = table[table["kind"] == "network"].loc["LSTM-I"]
    assert row["corrected"] == pytest.approx(
        np.mean([case["corrected"] for case in record["cases"]]), abs=1e-4
    )
    assert row["others changed"] == pytest.approx(
        np.mean([len(case["changed"]) / 9 for case in record["cases"]]), abs=1e-4
    )
    assert row["BLEU-4 before low"] <= row["BLEU-4 before"] <= row["BLEU-4 before high"]
    assert table.loc["LSTM-I minus LSTM-B", "corrected"] == pytest.approx(row["corrected"])
    assert row["made"] == 2
    human = references_of(folder / "corpus", "test")
    scorer = CaptionScorer({case["clip"]: human[case["clip"]] for case in record["cases"]},
                           meteor=None)  # fmt: skip
    for when in ("before", "after"):
        captions = {case["clip"]: case[when] for case in record["cases"]}
        score = scorer.score(captions).corpus()["BLEU-4"]
        assert row[f"BLEU-4 halves {when}"] == pytest.approx(score, abs=1e-4)
    assert row["BLEU-4 halves change"] == pytest.approx(
        row["BLEU-4 halves after"] - row["BLEU-4 halves before"], abs=2e-4
    )
    assert row["BLEU-4 change low"] <= row["BLEU-4 change"] <= row["BLEU-4 change high"]
    assert row["BLEU-4 in turn"] == pytest.approx(
        row["BLEU-4 before"] + row["BLEU-4 change"], abs=2e-4
    )


def test_no_case_is_a_table_without_shares(world):
    folder, _ = world
    pd.DataFrame(columns=correcting.CASE).to_csv(folder / "cases.csv", index=False)
    correct_cases(opened(world), folder / "cases.csv", folder / "I-seed0.own.json",
                  in_turn=2)  # fmt: skip
    tabulate_refinement(
        folder / "corpus", folder / "topics.json", [folder / "I-seed0.own.json"],
        folder / "table.csv",
        resamples=100, confidence=0.9, seed=0,
    )  # fmt: skip
    row = pd.read_csv(folder / "table.csv").iloc[0]
    assert row["cases"] == 0
    assert np.isnan(row["corrected"])


def refine(world, text, **changes):
    folder, _ = world
    (folder / "corrections.yaml").write_text(text)
    refine_captioner(opened(world, **changes), folder / "corrections.yaml",
                     folder / "topics.json", folder / "refined.safetensors",
                     folder / "refined.csv")  # fmt: skip
    return pd.read_csv(folder / "refined.csv")


def test_a_person_s_corrections_are_made_and_kept(world):
    folder, features = world
    table = refine(world, "- {clip: test00003, topics: [dog]}\n- {clip: train00002, topics: cat}\n")
    assert table[["clip", "split", "topic"]].values.tolist() == [
        ["test00003", "test", "dog"],
        ["train00002", "train", "cat"],
    ]
    assert (table["dose"] == 30).all()
    caption_clips(folder / "refined.safetensors", features["test"], folder / "new.jsonl", beam=2,
                  max_words=4)  # fmt: skip
    lines = [json.loads(line) for line in (folder / "new.jsonl").read_text().splitlines()]
    now = {line["clip"]: line["caption"] for line in lines}
    assert table.loc[0, "after"] == now["test00003"]
    assert table.loc[0, "said"] == ("dog" in now["test00003"].split())
    old, new = (load_captioner(folder / f"{n}.safetensors")[0] for n in ("I-seed0", "refined"))
    assert new.shape.corrections == 2
    for name, value in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a list"),
        ("- {clip: test00003, topics: [dog, dog]}", "which is there twice"),
        ("clip: test00001", "is not a list of entries"),
        ("- test00001", "entry 1: is not of the form"),
        ("- {clip: test00001}", "entry 1: is not of the form"),
        ("- {clip: test00001, topics: []}", r"entry 1 \(test00001\): names no topic"),
        ("- {clip: test00001, topics:}", r"entry 1 \(test00001\): names no topic"),
        ("- {clip: a, topics: cat}\n- {clip: a, topics: dog}", "twice"),
        ("- {clip: [", "not YAML"),
        ("- {clip: test0003, topics: [dog]}", "test0003: there is no .* did you mean test00003"),
        ("- {clip: test00003, topics: [dogs]}", "'dogs' is neither a .* did you mean dog"),
        ("- {clip: test00003, topics: [zzzz]}", "topics.json lists them"),
    ],
)  # fmt: skip
def test_corrections_that_say_nothing_or_nonsense_are_refused(world, text, message):
    with pytest.raises(InputError, match=message):
        refine(world, text)
    assert not (world[0] / "refined.safetensors").exists()


def test_an_empty_list_refines_nothing(world):
    table = refine(world, "[]")
    assert table.empty
    folder, _ = world
    old, new = (load_captioner(folder / f"{n}.safetensors")[0] for n in ("I-seed0", "refined"))
    for name, value in new.state_dict().items():
        assert torch.equal(value, old.state_dict()[name])


def test_a_missing_file_of_corrections_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file; write a list"):
        read_corrections(tmp_path / "corrections.yaml")


@pytest.mark.parametrize(
    "changes", [{"direction": "spoken"}, {"weights": "encoder", "dose": 1.0}], ids=str
)
def test_a_captioner_of_signed_features_is_refined_too(world, changes):
    folder, _ = world
    captioner, vocabulary, backbone = load_captioner(folder / "I-seed0.safetensors")
    signed = Captioner(CaptionerShape(**{**vars(captioner.shape), "features": "signed"}))
    save_captioner(folder / "I-seed0.safetensors", signed, vocabulary, backbone=backbone)
    refine(world, "- {clip: test00003, topics: [dog]}\n", **changes)
    refined = load_captioner(folder / "refined.safetensors")[0]
    assert refined.shape.features == "signed"
