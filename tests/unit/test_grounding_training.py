"""The stages of training: they learn, they resume to the same bytes, they refuse what cannot be."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from seewhy.corpora.importing import import_corpus
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.grounding import stages, train
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.networks import VGG, VGGShape
from seewhy.grounding.train import Schedule, train_action_networks
from seewhy.worlds.puppets import render_clips

SHAPE = VGGShape(groups=((4,), (6,), (8,)), linear=(16,), size=64)
SHORT = Schedule(frames=6, clips=4, long=4, frame_batch=8, clip_batch=4, long_batch=8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    counts = {"train": 12, "val": 8, "test": 1}
    render_clips(folder / "world", seed=0, clips=counts, frames=16, actions=["swim", "walk", "sit"])
    import_corpus("puppets", folder / "world", folder / "corpus")
    for split in ("train", "val"):
        sample_frames(
            folder / "corpus", folder / f"{split}.h5", folder / "report.csv", split=split, n=8
        )
    return folder


def run(world, output, **changes):
    output.mkdir(exist_ok=True)
    settings = {
        "corpus": world / "corpus", "train": world / "train.h5", "val": world / "val.h5",
        "shape": SHAPE, "hidden": 8, "lags": (1,), "steps": 4, "schedule": SHORT,
        "precision": "float32",
    } | changes  # fmt: skip
    train_action_networks(
        output / "cnn.safetensors", output / "lrcn.safetensors", output / "metrics.json",
        output / "history.csv", **settings,
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def unbroken(world, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "A_ROUND", 2)
        return run(world, tmp_path_factory.mktemp("unbroken"))


def test_networks_metrics_and_history_are_written(unbroken):
    lrcn, cnn = (load_action_network(unbroken / f"{n}.safetensors") for n in ("lrcn", "cnn"))
    assert lrcn.classes == cnn.classes == ["sit", "swim", "walk"]
    assert cnn.lstm is None
    for name, value in cnn.cnn.state_dict().items():
        assert torch.equal(value, lrcn.cnn.state_dict()[name])
    scores = json.loads((unbroken / "metrics.json").read_text())["validation"]
    assert set(scores) == {"frame", "cnn", "lrcn", "lrcn shuffled", "lrcn x4", "clips"}
    assert scores["clips"] >= 4
    history = pd.read_csv(unbroken / "history.csv")
    assert history.groupby("stage")["step"].max().to_dict() == {"frames": 6, "clips": 4, "long": 4}
    assert not list(unbroken.glob("*.pt"))  # nothing is left to take up


@pytest.mark.parametrize("rounds", [1, 4, 6])
def test_a_killed_training_ends_where_an_unbroken_one_ends(
    world, unbroken, tmp_path, monkeypatch, killed_after, rounds
):
    monkeypatch.setattr(stages, "A_ROUND", 2)
    with killed_after(rounds):
        run(world, tmp_path)
    assert not (tmp_path / "lrcn.safetensors").exists()
    run(world, tmp_path)
    for name in ("lrcn.safetensors", "cnn.safetensors", "history.csv", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (unbroken / name).read_bytes(), name


def test_it_learns(world, tmp_path):
    """Who swims is in water and who sits has a chair: frames tell, and soon."""
    schedule = Schedule(frames=60, clips=20, long=20, frame_batch=24, clip_batch=6, long_batch=8)
    run(world, tmp_path, schedule=schedule)
    history = pd.read_csv(tmp_path / "history.csv").set_index("stage")["loss"]
    assert history["frames"].iloc[-1] < 0.8 * history["frames"].iloc[0]
    metrics = json.loads((tmp_path / "metrics.json").read_text())["validation"]
    assert metrics["cnn"] > 0.5


def test_a_users_weights_are_where_it_begins(world, tmp_path):
    torch.manual_seed(7)
    own = VGG(SHAPE).state_dict()
    save_file({**own, "classifier.6.weight": torch.zeros(1000, 16)}, tmp_path / "own.safetensors")
    still = Schedule(**{**SHORT.__dict__, "frame_rate": 0.0, "clip_rate": 0.0, "long_rate": 0.0})
    run(world, tmp_path, weights=tmp_path / "own.safetensors", schedule=still)
    found = load_action_network(tmp_path / "lrcn.safetensors").cnn.state_dict()
    learnt = [name for name in own if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(found[name], own[name]) for name in learnt)
    save_file({"features.0.weight": torch.zeros(2, 2)}, tmp_path / "bad.safetensors")
    with pytest.raises(InputError, match=r"bad.safetensors: not weights of a VGG of this shape"):
        run(world, tmp_path, weights=tmp_path / "bad.safetensors")


def test_what_does_not_fit_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="frames of 64 pixels for a network that reads 32"):
        run(world, tmp_path, shape=VGGShape(groups=((4,),), linear=(8,), size=32))
    broken = Schedule(**{**SHORT.__dict__, "frame_rate": float("inf")})
    with pytest.raises(InputError, match=r"in stage frames before step \d+; lower grounding"):
        run(world, tmp_path, schedule=broken)
    assert not list(tmp_path.glob("*.safetensors"))


def test_one_action_alone_is_refused(world, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "labelled", lambda *_: (np.arange(3), np.ones((3, 1)), ["sit"]))
    with pytest.raises(InputError, match=r"one action \(sit\) alone; give two"):
        run(world, tmp_path)
