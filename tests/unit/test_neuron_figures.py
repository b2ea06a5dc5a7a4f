"""Figures 3 and 4 and the trade-off: what they compute, which topics and clips they take."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning.checkpoint import save_captioner
from seewhy.captioning.encoding import encode_means
from seewhy.captioning.interpretability import MEASURES, open_splits, read_neurons
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.neuron_figures import (
    TRADED,
    Traces,
    choose_topics,
    draw_activations,
    draw_neurons,
    draw_tradeoff,
    mean_activations,
    sample_clips,
    share_a_word,
    telling_caption,
)
from seewhy.captioning.traces import trace_neurons
from seewhy.corpora.canonical import SPLITS
from seewhy.errors import InputError
from seewhy.text.tokens import Vocabulary

NAMES = ("dog", "cat_kitten", "run", "field", "dog_puppy")
FRAMES = 6
SHAPE = {
    "topics": len(NAMES),
    "cnn": 8,
    "encoder": 5,
    "embedding": 3,
    "decoder": 5,
    "attention": 4,
    "interpreter": 7,
}


def made_up_traces(random, clips=40, neurons=7):
    s = (random.random((clips, len(NAMES))) < (0.5, 0.4, 0.3, 0.2, 0.1)).astype(np.uint8)
    traces = Traces(
        clips=[f"test{i}" for i in range(clips)],
        lengths=random.integers(2, FRAMES + 1, clips),
        means=random.random((clips, neurons)),
        topics=list(NAMES),
        neuron=np.array([3, 1, 0, 3, -1]),
        activations=random.random((clips, FRAMES, len(NAMES))),
        predicted=random.random((clips, len(NAMES))),
        measured=np.array([True, True, True, True, True]),
    )
    return traces, s


def test_mean_activations_are_those_of_a_loop():
    traces, s = made_up_traces(np.random.default_rng(0))
    s[:, 2] = 0
    with_topic, without = mean_activations(traces.means, s)
    for i, j in np.ndindex(len(NAMES), traces.means.shape[1]):
        has = [v[j] for v, topics in zip(traces.means, s, strict=True) if topics[i]]
        lacks = [v[j] for v, topics in zip(traces.means, s, strict=True) if not topics[i]]
        assert without[i, j] == pytest.approx(np.mean(lacks))
        if i == 2:
            assert np.isnan(with_topic[i, j])
        else:
            assert with_topic[i, j] == pytest.approx(np.mean(has))


def test_topics_are_spread_over_the_ranking_and_share_no_word():
    s = np.zeros((50, 6), np.uint8)
    for topic, count in enumerate((10, 40, 20, 50, 30, 45)):
        s[:count, topic] = 1
    names = ["a", "b", "c", "d", "e", "f"]
    everyone = np.ones(6, bool)
    # from frequent to rare: d f b e c a
    assert choose_topics(names, s, everyone, 2) == [5, 2]
    assert choose_topics(names, s, everyone, 3) == [5, 4, 0]
    assert choose_topics(names, s, everyone, 9) == [3, 5, 1, 4, 2, 0]
    assert choose_topics(names, s, np.arange(6) != 5, 3) == [3, 4, 0]
    names[2] = "f_g"
    assert choose_topics(names, s, everyone, 2) == [5, 0]
    assert choose_topics(names, s, ~everyone, 2) == []


def test_names_share_words_as_wholes():
    assert share_a_word("dog_puppy", ["cat", "dog"])
    assert not share_a_word("dog_puppy", ["dogs", "up"])


def test_relevant_topics_are_the_rarest_and_irrelevant_ones_the_most_predicted():
    first, s = made_up_traces(np.random.default_rng(1))
    second, _ = made_up_traces(np.random.default_rng(2))
    traces = {"I": first, "B": second}
    known = np.arange(len(s)) % 4 != 0
    samples = sample_clips(traces, s, known, n=5, most=2, seed=0)
    assert len(samples) == 5
    assert samples == sample_clips(traces, s, known, n=5, most=2, seed=0)
    readable = [0, 1, 2, 3]  # the last topic has no neuron
    predicted = first.predicted + second.predicted
    for sample in samples:
        assert known[sample.row]
        has = [i for i in readable if s[sample.row, i]]
        assert sample.relevant == sorted(has, key=lambda i: s[:, i].sum())[:2]
        lacks = [i for i in readable if not s[sample.row, i]]
        if s[sample.row, 4] and 0 in lacks:
            lacks.remove(0)  # "dog" is another name for "dog_puppy", which the clip has
        expected = sorted(lacks, key=lambda i: -predicted[sample.row, i])[:2]
        assert sample.irrelevant == expected
    rows = {sample.row for sample in sample_clips(traces, s, known, n=99, most=2, seed=0)}
    assert rows == set(np.flatnonzero(known & s[:, readable].any(axis=1)))


def test_the_caption_that_names_most_topics_is_shown():
    captions = [
        "an animal moves",
        "A kitten runs",
        "the dog and the cat run",
        "a dog, a cat, a run",
    ]
    assert telling_caption(captions, ["dog_puppy", "cat_kitten", "run"]) == captions[2]
    assert telling_caption(captions, ["snow"]) == captions[0]


# --- from a captioner to the files ----------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two untrained captioners, features, topics, frames and captions, as the rules have them."""
    folder = tmp_path_factory.mktemp("made")
    random = np.random.default_rng(0)
    rows = []
    for split, count in (("train", 60), ("val", 24), ("test", 24)):
        s = (random.random((count, len(NAMES))) < 0.4).astype(int)
        features = random.normal(0, 0.3, (count, FRAMES, 8)).astype(np.float32)
        features[:, :, : len(NAMES)] += s[:, None]
        names = [f"{split}{i}" for i in range(count)]
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["features"] = features
            file["lengths"] = random.integers(2, FRAMES + 1, count).astype(np.int32)
            file["clip"] = names
            file.attrs["weights"] = "made up"
            if split == "test":
                file["frames"] = random.integers(0, 255, (count, FRAMES, 8, 8, 3), np.uint8)
        rows += [[name, split, *topics] for name, topics in zip(names, s, strict=True)]
    pd.DataFrame(rows, columns=["clip", "split", *NAMES]).to_csv(
        folder / "vectors.csv", index=False
    )
    captions = [[f"{row[0]}_0", row[0], "a dog runs"] for row in rows]
    pd.DataFrame(captions, columns=["caption", "clip", "text"]).to_csv(
        folder / "captions.csv", index=False
    )
    vocabulary = Vocabulary(["dog", "runs"])
    for seed, model in enumerate("IB"):
        torch.manual_seed(seed)
        captioner = Captioner(CaptionerShape(vocabulary=len(vocabulary), **SHAPE))
        path = folder / f"{model}.safetensors"
        save_captioner(path, captioner, vocabulary, backbone="made up")
        trace_neurons(*arguments(folder, model), folder / f"{model}.h5", seed=0, least_clips=3)
    return folder


def arguments(folder, model):
    features = {split: folder / f"{split}.h5" for split in SPLITS}
    return folder / f"{model}.safetensors", features, folder / "vectors.csv"


def test_traces_are_the_activations_of_the_neurons_that_equation_9_names(made):
    captioner, files, names, _ = open_splits(*arguments(made, "I"))
    traces = Traces.read(made / "I.h5")
    assert traces.topics == names == list(NAMES)
    assert traces.clips == files["test"].clips
    assert traces.readable.all()
    means = encode_means(captioner, files["test"]).numpy()
    np.testing.assert_allclose(traces.means, means, atol=1e-6)
    for row, length in enumerate(traces.lengths):
        own = traces.activations[row]
        assert not own[length:].any()
        # The mean over the frames of a topic's neuron is that neuron's mean feature.
        np.testing.assert_allclose(
            own[:length].mean(axis=0), means[row, traces.neuron], atol=1e-5, err_msg=str(row)
        )
    table = made / "read.csv"
    read_neurons(
        *arguments(made, "I"), table, made / "read.json", variant="plain", own=False, seed=0,
        least_clips=3, sparse={},
    )  # fmt: skip
    picks = pd.read_csv(table)
    for topic, neuron in zip(traces.topics, traces.neuron, strict=True):
        counts = picks[picks["topic"] == topic].set_index("neuron")["count"]
        assert counts[neuron] == counts.max()
    measures = json.loads((made / "read.json").read_text())
    assert set(measures) == {"test", "val"}
    assert set(measures["test"]) == set(measures["val"]) == set(MEASURES)
    assert measures["test"] != measures["val"]


def test_no_topic_to_measure_is_said(made, tmp_path):
    with pytest.raises(InputError, match="no topic is in 50 train and 50 held-out clips"):
        trace_neurons(*arguments(made, "I"), tmp_path / "t.h5", seed=0, least_clips=50)
    assert not (tmp_path / "t.h5").exists()


def test_equal_inputs_give_equal_bytes(made, tmp_path):
    paths = {model: made / f"{model}.h5" for model in "IB"}
    trace_neurons(*arguments(made, "I"), tmp_path / "again.h5", seed=0, least_clips=3)
    assert (tmp_path / "again.h5").read_bytes() == paths["I"].read_bytes()
    clips = pd.read_csv(made / "vectors.csv")[["clip", "split"]].assign(video="a.mp4")
    clips.to_csv(made / "clips.csv", index=False)
    for name in ("first", "second"):
        draw_activations(paths, made / "vectors.csv", tmp_path / f"{name}-3.png")
        draw_neurons(
            made / "test.h5", paths, made / "vectors.csv", made, tmp_path / f"{name}-4.png", clips=2
        )
    for number in (3, 4):
        first, second = (tmp_path / f"{name}-{number}.png" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
        assert first.stat().st_size > 10_000


def test_files_of_other_clips_are_refused(made, tmp_path):
    vectors = pd.read_csv(made / "vectors.csv").rename(columns={"run": "walk"})
    vectors.to_csv(tmp_path / "vectors.csv", index=False)
    with pytest.raises(InputError, match=r"I\.h5: of other clips or topics than the other files"):
        draw_activations({"I": made / "I.h5"}, tmp_path / "vectors.csv", tmp_path / "a.png")


def test_the_tradeoff_reads_validation_clips(tmp_path):
    """Measures of test clips do not change the figure; those of validation clips do."""
    table = pd.DataFrame({"lambda": [0.0, 0.5, 3.0], "row": ["", "chosen", ""]})
    table[["BLEU-4", "BLEU-4 low", "BLEU-4 high"]] = [[0.5, 0.4, 0.6]] * 3
    table.to_csv(tmp_path / "lambda.csv", index=False)
    drawn = []
    for number, (test, val) in enumerate(((0.9, 0.7), (0.8, 0.7), (0.9, 0.6))):
        measures = {"test": dict.fromkeys(TRADED, test), "val": dict.fromkeys(TRADED, val)}
        swept = []
        for value, seed in ((0.0, 0), (0.5, 0), (0.5, 1), (3.0, 0)):
            swept.append(tmp_path / f"lambda-{value}-seed{seed}.plain.json")
            swept[-1].write_text(json.dumps(measures))
        baseline = tmp_path / "B-seed0.plain.json"
        baseline.write_text(json.dumps({"val": dict.fromkeys(TRADED, 0.5)}))
        output = tmp_path / f"{number}.png"
        draw_tradeoff(tmp_path / "lambda.csv", swept, [baseline], output)
        drawn.append(output.read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
