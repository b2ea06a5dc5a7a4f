"""Training on a small made-up corpus: it learns, stops, resumes to the same end, fails clearly."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning.checkpoint import load_captioner
from seewhy.captioning.data import FeatureFile, caption_arrays, epoch_batches
from seewhy.captioning.decode import caption_clips
from seewhy.captioning.inputs import FrameInput
from seewhy.captioning.predictions import read_predictions, read_records
from seewhy.captioning.train import SHAPE, TrainingPlan, train_captioner
from seewhy.corpora.canonical import read_table, write_tables
from seewhy.errors import InputError
from seewhy.text.tokens import Vocabulary

SETTINGS = {
    "lambda": 1.0,
    "features": "relu",
    "components": 6,
    "motion": [1, 2],
    "concat_cnn": False,
    "encoder": 8,
    "embedding": 8,
    "decoder": 16,
    "attention": 8,
    "interpreter": 8,
    "min_count": 1,
    "max_words": 10,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "dropout": 0.2,
    "input_dropout": 0.1,
    "gradient_clip": 10.0,
    "clips_per_batch": 8,
    "captions_per_clip": 2,
    "max_epochs": 60,
    "patience": 60,
    "least_gain": 0.0,
    "anneal": 1.0,
    "validation_captions": 2,
}
THINGS = ("dog", "cat", "horse")
DEEDS = ("runs", "sleeps")


@pytest.fixture
def corpus(tmp_path):
    """Clips whose first features tell the thing and the deed; three captions each."""
    random = np.random.default_rng(0)
    clips, captions, vectors = [], [], []
    for split, count in (("train", 48), ("val", 12), ("test", 12)):
        features = random.normal(0, 0.3, (count, 5, 12)).astype(np.float32)
        names = [f"{split}{i}" for i in range(count)]
        for i, name in enumerate(names):
            thing, deed = i % 3, i % 2
            features[i, :, thing] += 2
            features[i, :, 3 + deed] += 2
            clips.append({"clip": name, "split": split, "video": f"{name}.mp4"})
            texts = [f"a {THINGS[thing]} {DEEDS[deed]}", f"the {THINGS[thing]} {DEEDS[deed]}"]
            texts.append(f"A {THINGS[thing]}, it {DEEDS[deed]}!")
            captions += [
                {"caption": f"{name}.{k}", "clip": name, "text": text}
                for k, text in enumerate(texts)
            ]
            s = [int(thing == k) for k in range(3)] + [int(deed == k) for k in range(2)]
            vectors.append([name, split, *s])
        with h5py.File(tmp_path / f"{split}.h5", "w") as file:
            file["features"] = features
            file["lengths"] = np.full(count, 5, np.int32)
            file["clip"] = names
            file.attrs["weights"] = "abc"
    write_tables(tmp_path, {"clips": pd.DataFrame(clips), "captions": pd.DataFrame(captions)})
    columns = ["clip", "split", *THINGS, *DEEDS]
    pd.DataFrame(vectors, columns=columns).to_csv(tmp_path / "vectors.csv", index=False)
    return tmp_path


def train(folder, *, name="model", seed=0, **changes):
    train_captioner(
        folder / f"{name}.safetensors",
        folder / f"{name}.csv",
        train_features=folder / "train.h5",
        val_features=folder / "val.h5",
        corpus=folder,
        topics=folder / "vectors.csv",
        settings={**SETTINGS, **changes},
        seed=seed,
        device="cpu",
    )
    return pd.read_csv(folder / f"{name}.csv")


def test_it_learns_to_say_who_and_what_on_unseen_clips(corpus):
    history = train(corpus)
    assert history["interpretive"].iloc[-1] < 0.3 < history["interpretive"].iloc[0]
    caption_clips(
        corpus / "model.safetensors", corpus / "test.h5", corpus / "said.jsonl", device="cpu"
    )
    said = read_predictions(corpus / "said.jsonl")
    assert len(said) == 12
    for i in range(12):
        assert THINGS[i % 3] in said[f"test{i}"].split()
        assert DEEDS[i % 2] in said[f"test{i}"].split()
    record = read_records(corpus / "said.jsonl")[0]
    assert len(record["attention"]) == len(record["caption"].split())
    assert record["attention"][0] == pytest.approx(record["attention"][0], abs=0)
    assert sum(record["attention"][0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "adadelta"])
def test_both_optimizers_lower_the_loss(corpus, optimizer):
    rate = {"adam": 0.01, "adadelta": 1.0}[optimizer]
    history = train(corpus, optimizer=optimizer, learning_rate=rate, max_epochs=25)
    assert history["validation"].iloc[-1] < 0.7 * history["validation"].iloc[0]


def test_early_stopping_keeps_the_best_epoch(corpus):
    history = train(corpus, patience=3, learning_rate=0.05, max_epochs=200)
    best = history["validation"].idxmin()
    assert len(history) == best + 1 + 3
    captioner, vocabulary, backbone = load_captioner(corpus / "model.safetensors")
    assert backbone == "abc"
    assert not captioner.training
    features = FeatureFile(corpus / "val.h5")
    captions = read_table(corpus, "captions")
    arrays = caption_arrays(captions, features.clips, vocabulary, max_words=10)
    rows = np.concatenate([own[:2] for own in arrays.of_clip])
    (cnn, lengths) = next(features.batches([range(12)]))
    with torch.no_grad():
        loss, _ = captioner.losses(
            cnn,
            lengths,
            arrays.words[rows].view(12, 2, -1),
            arrays.targets[rows].view(12, 2, -1),
            None,
        )
    assert loss.item() == pytest.approx(history["validation"].min(), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "validation", "expected"),
    [
        ({}, [], 1.0),
        ({}, [10.0, 9.0, 9.5, 9.2], 1.0),
        ({}, [10.0, 9.0, 9.5, 9.2, 9.0], None),  # equal is no gain
        ({}, [5.0, 4.0, 3.0, 2.0, 1.0], 1.0),
        ({}, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], None),  # max_epochs
        ({"least_gain": 0.1}, [10.0, 8.0, 7.5, 7.3, 7.25], None),
        ({"anneal": 0.5}, [10.0, 9.0], 1.0),
        ({"anneal": 0.5}, [10.0, 9.0, 9.5], 0.5),
        ({"anneal": 0.5}, [10.0, 9.0, 9.5, 8.0], 0.25),  # and on, whether it gains or not
        ({"anneal": 0.5, "least_gain": 0.1}, [10.0, 8.0, 7.5, 7.3], 0.25),
    ],
)
def test_the_schedule_of_a_training(changes, validation, expected):
    settings = {"patience": 3, "max_epochs": 6, "lambda_": 1.0, **changes}
    others = {k: v for k, v in SETTINGS.items() if k not in SHAPE and k != "lambda"}
    assert TrainingPlan(**{**others, **settings}).next_epoch(validation) == expected


def test_an_epoch_of_few_clips_is_several_passes_with_a_least_number_of_steps(corpus, monkeypatch):
    """48 clips in batches of 8 are 6 steps; of 20 at least, an epoch is 4 passes of them."""
    steps, seen = [], []
    usual_step, usual_batches = torch.optim.Adam.step, epoch_batches

    def batches(*given, epoch, **settings):
        seen.append(epoch)
        return usual_batches(*given, epoch=epoch, **settings)

    monkeypatch.setattr("seewhy.captioning.train.epoch_batches", batches)
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (steps.append(1), usual_step(self))[1]
    )
    history = train(corpus, max_epochs=3, least_steps=20)
    assert len(history) == 3
    assert len(steps) == 3 * 4 * 6
    assert seen == list(range(12))  # a pass has captions and an order of its own
    # A killed training would go on from a whole epoch: what is random hangs on its number alone.
    train(corpus, name="usual", max_epochs=3, least_steps=6)
    train(corpus, name="before", max_epochs=3)
    for ending in ("safetensors", "csv"):
        usual, before = (corpus / f"{name}.{ending}" for name in ("usual", "before"))
        assert usual.read_bytes() == before.read_bytes()


def test_a_training_that_learns_nothing_says_so(corpus, caplog):
    train(corpus, max_epochs=4, learning_rate=1e-9)
    assert "the training loss never fell" in caplog.text
    caplog.clear()
    train(corpus, name="well", max_epochs=8)
    assert "never fell" not in caplog.text


def test_annealing_shows_in_the_history(corpus):
    history = train(corpus, least_gain=0.5, anneal=0.5, patience=3)
    assert history["learning_rate"].iloc[0] == 0.01
    assert history["learning_rate"].iloc[-1] < 0.005


def test_more_components_than_channels_are_refused_by_name(corpus):
    with pytest.raises(InputError, match=r"captioner\.components: 13 is more than the 12 channels"):
        train(corpus, components=13)


@pytest.mark.parametrize("components", [0, 3])
def test_the_encoders_input_is_put_on_one_scale(components):
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(6, 6, generator=random, dtype=torch.double)
    clips = [torch.randn(n, 6, generator=random, dtype=torch.double) @ mix + 5 for n in (9, 14, 30)]
    read = FrameInput(6, components, [1, 4]).double()
    read.fit(clips)
    z = torch.cat([read(clip[None])[0] for clip in clips])
    kept = components or 6
    assert z.shape == (53, 3 * kept)
    assert read.width == 3 * kept
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(3 * kept).double(), atol=1e-5, rtol=0)
    still, moved = z[:, :kept].square().mean(dim=0), z[:, kept:].square().mean(dim=0)
    torch.testing.assert_close(moved, torch.ones_like(moved), rtol=1e-4, atol=0)
    if components:
        covariance = z[:, :kept].T @ z[:, :kept] / 53
        assert (covariance - covariance.diag().diag()).abs().max() < 1e-5
        assert (still.diff() < 0).all()
        assert still.mean() == pytest.approx(1, rel=1e-5)
        variance = torch.linalg.eigvalsh(torch.cat(clips).T.cov(correction=0)).flip(0)
        torch.testing.assert_close(still / still[0], variance[:3] / variance[0])
    else:
        torch.testing.assert_close(still, torch.ones_like(still), rtol=1e-5, atol=0)


def test_a_channel_that_never_changes_does_no_harm():
    read = FrameInput(4, 0, [1])
    clip = torch.rand(20, 4)
    clip[:, 2] = 1.0
    read.fit([clip])
    assert read(clip[None]).isfinite().all()
    assert read(clip[None])[0, :, 2].abs().max() == 0


def test_a_seed_gives_the_same_bytes_and_another_seed_others(corpus):
    train(corpus, name="a", max_epochs=3)
    train(corpus, name="b", max_epochs=3)
    train(corpus, name="c", max_epochs=3, seed=1)
    a, b, c = ((corpus / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def _history(unfinished):
    return torch.load(unfinished, weights_only=True)["more"]["history"]


def test_a_killed_training_ends_where_an_unbroken_one_ends(corpus):
    train(corpus, name="unbroken", max_epochs=12)
    script = corpus / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys; from pathlib import Path
            sys.path.insert(0, {str(os.path.dirname(__file__))!r})
            import test_training, torch
            torch.set_num_threads(1)
            test_training.train(Path({str(corpus)!r}), name="killed", max_epochs=12)
            """
        )
    )
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    resume = corpus / ".killed.unfinished.pt"
    deadline = time.time() + 60
    while time.time() < deadline and process.poll() is None:
        if resume.exists() and len(_history(resume)) >= 3:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert resume.exists(), "killed too late for this test to mean anything"
    assert not (corpus / "killed.safetensors").exists()
    train(corpus, name="killed", max_epochs=12)
    for suffix in ("safetensors", "csv"):
        killed, unbroken = corpus / f"killed.{suffix}", corpus / f"unbroken.{suffix}"
        assert killed.read_bytes() == unbroken.read_bytes()
    assert not resume.exists()


def test_a_checkpoint_of_other_settings_or_damaged_is_not_resumed(corpus, caplog):
    train(corpus, name="plain", max_epochs=2)
    for name, spoil in (("other", b""), ("damaged", b"rubbish")):
        (corpus / f".{name}.unfinished.pt").write_bytes(spoil)
        train(corpus, name=name, max_epochs=2)
        assert "starts anew" in caplog.text
        plain, again = corpus / "plain.safetensors", corpus / f"{name}.safetensors"
        assert plain.read_bytes() == again.read_bytes()


def test_every_caption_is_used_once_before_any_is_used_again(corpus):
    features = FeatureFile(corpus / "train.h5")
    captions = read_table(corpus, "captions")
    vocabulary = Vocabulary.build(captions["text"])
    arrays = caption_arrays(captions, features.clips, vocabulary, max_words=10)
    seen = {clip: [] for clip in range(len(features.clips))}
    for epoch in (0, 1):
        batches = epoch_batches(features, arrays, clips=7, captions_per_clip=2, seed=3, epoch=epoch)
        rows = []
        for batch in batches:
            rows += list(batch.rows)
            for row, words, targets in zip(batch.rows, batch.words, batch.targets, strict=True):
                for k in range(2):
                    if (targets[k] >= 0).any():
                        seen[row].append(tuple(words[k].tolist()))
        assert sorted(rows) == list(range(48))
        assert rows != sorted(rows)
    assert all(len(own) == 3 and len(set(own)) >= 2 for own in seen.values())


def test_a_loss_that_is_not_a_number_stops_with_one_line(corpus):
    with pytest.raises(InputError, match=r"captioner: the loss is not a number .* learning_rate"):
        train(corpus, learning_rate=1e30, optimizer="adadelta")
    assert not (corpus / "model.safetensors").exists()


def test_features_that_are_not_numbers_are_named(corpus):
    with h5py.File(corpus / "train.h5", "r+") as file:
        file["features"][5, 2, 1] = np.nan
    with pytest.raises(InputError, match=r"train\.h5: features of the clip train5: not all values"):
        train(corpus)


def test_missing_topics_and_cut_files_are_named(corpus):
    vectors = pd.read_csv(corpus / "vectors.csv")
    vectors[vectors["clip"] != "train7"].to_csv(corpus / "vectors.csv", index=False)
    with pytest.raises(InputError, match="none for 1 train clips, train7 among them"):
        train(corpus)
    content = (corpus / "train.h5").read_bytes()
    (corpus / "train.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"train\.h5: not a whole HDF5 file"):
        train(corpus)


def test_features_of_another_backbone_are_refused(corpus):
    train(corpus, max_epochs=1)
    with h5py.File(corpus / "test.h5", "r+") as file:
        file.attrs["weights"] = "other"
    with pytest.raises(InputError, match="features of another backbone"):
        caption_clips(
            corpus / "model.safetensors", corpus / "test.h5", corpus / "said.jsonl", device="cpu"
        )
    assert not (corpus / "said.jsonl").exists()


def test_a_cut_captioner_is_named(corpus):
    train(corpus, max_epochs=1)
    content = (corpus / "model.safetensors").read_bytes()
    (corpus / "model.safetensors").write_bytes(content[:-10])
    with pytest.raises(InputError, match=r"model\.safetensors: not a whole file of weights"):
        load_captioner(corpus / "model.safetensors")
