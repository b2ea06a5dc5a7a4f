"""Training the slim inception on stills of any kind."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import safetensors
import torch
from torch.nn import functional

from seewhy.backbones import load_backbone
from seewhy.backbones import train as train_module
from seewhy.backbones.slim_inception import SlimInception
from seewhy.backbones.train import augment, average_precision, losses, train_backbone
from seewhy.errors import InputError

COLOURS = np.array([(220, 40, 40), (40, 200, 60), (50, 80, 220)])


def draw_stills(*, seed, count, size=64):
    """Grey noise with a coloured square on the left or right, and dots in two of the corners.

    `colour` is the square's, `side` where it is (-1 for one still in five), `dots` which corners.
    """
    rng = np.random.default_rng(seed)
    colour, side = rng.integers(0, 3, count), rng.integers(0, 2, count)
    dots = rng.integers(0, 2, (count, 2)).astype(np.uint8)
    images = rng.integers(90, 150, (count, size, size, 1)).repeat(3, axis=3).astype(np.uint8)
    for i in range(count):
        left = 6 if side[i] == 0 else 36
        images[i, 22:42, left : left + 22] = COLOURS[colour[i]]
        if dots[i, 0]:
            images[i, 6:14, 28:36] = 255
        if dots[i, 1]:
            images[i, 50:58, 28:36] = 0
    side[rng.random(count) < 0.2] = -1
    left = np.where(side == 0, 6, 36) / 64  # a measure; unknown where `side` is
    where = np.where(side < 0, np.nan, left).astype(np.float32)[:, None]
    return images, {"colour": colour, "side": side, "dots": dots, "where": where}


def train(folder, **settings):
    settings = {"count": 160, "held_out": 60, "epochs": 3, "batch": 16} | settings
    train_backbone(
        folder / "net.safetensors",
        folder / "metrics.json",
        folder / "history.csv",
        **({"draw_stills": draw_stills, "device": "cpu"} | settings),
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    return folder


def test_it_learns_what_there_is_to_see(trained):
    held_out = json.loads((trained / "metrics.json").read_text())["scores"]
    assert held_out["colour"]["accuracy"] > 0.9 > 0.5 > held_out["colour"]["chance"]
    assert 0.2 < held_out["dots"]["chance"] < 0.8
    assert held_out["dots"]["average_precision"] > held_out["dots"]["chance"] + 0.1


@pytest.mark.parametrize(("count", "held_out"), [(10_000, 1_000), (999, 100), (128, 100)])
def test_a_tenth_is_held_out_and_at_least_a_hundred(tmp_path, count, held_out):
    class Drawn(Exception):
        pass

    counts = []

    def draw(*, seed, count):
        counts.append(count)
        if len(counts) == 2:
            raise Drawn
        return None, {}

    files = [tmp_path / name for name in ("net.safetensors", "metrics.json", "history.csv")]
    with pytest.raises(Drawn):
        train_backbone(*files, draw_stills=draw, count=count)
    assert counts == [count, held_out]


def test_an_epoch_of_few_stills_is_several_passes(tmp_path, monkeypatch):
    steps = []
    usual = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *a, **k: (steps.append(1), usual(self, *a, **k))[1]
    )
    train(
        tmp_path, count=32, held_out=4, epochs=2, batch=16, least_steps=3, draw_stills=draw_stills
    )
    assert len(steps) == 2 * 2 * 2
    assert json.loads((tmp_path / "metrics.json").read_text())["settings"]["passes"] == 2


def test_history_has_a_line_an_epoch(trained):
    history = pd.read_csv(trained / "history.csv")
    assert list(history.columns) == [
        "epoch", "train_loss", "held_out_loss", "colour", "side", "dots", "where",
    ]  # fmt: skip
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train_loss"].is_monotonic_decreasing


def test_weights_carry_their_metadata_and_load(trained):
    with safetensors.safe_open(trained / "net.safetensors", "pt") as file:
        about = json.loads(file.metadata()["seewhy"])
    assert about["architecture"] == "slim_inception"
    assert about["heads"] == {"colour": 3, "side": 2, "dots": 2, "where": 1}
    assert about["settings"]["epochs"] == 3
    backbone = load_backbone("slim_inception", trained / "net.safetensors", device="cpu")
    images, targets = draw_stills(seed=9, count=60)
    features = backbone.features(backbone.preprocess(images)).numpy()
    centres = np.stack([features[targets["colour"] == k].mean(axis=0) for k in range(3)])
    nearest = np.square(features[:, None] - centres).sum(axis=2).argmin(axis=1)
    assert (nearest == targets["colour"]).mean() > 0.8


class _Killed(BaseException):
    pass


def test_a_killed_training_ends_with_the_same_bytes_and_disturbs_no_one(
    trained, tmp_path, monkeypatch
):
    save = train_module.Unfinished.save

    def save_and_die(self, *args, **more):
        save(self, *args, **more)
        raise _Killed

    monkeypatch.setattr(train_module.Unfinished, "save", save_and_die)
    with pytest.raises(_Killed):
        train(tmp_path)
    monkeypatch.setattr(train_module.Unfinished, "save", save)
    assert [path.name for path in tmp_path.iterdir()] == [".net.unfinished.pt"]
    epochs = []
    run = train_module._train_epoch
    monkeypatch.setattr(
        train_module, "_train_epoch", lambda *args: epochs.append(args[4]) or run(*args)
    )
    state = torch.random.get_rng_state()
    train(tmp_path)
    assert epochs == [1, 2]
    for name in ("net.safetensors", "metrics.json", "history.csv"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len(list(tmp_path.iterdir())) == 3


def test_other_settings_are_not_taken_up(tmp_path, monkeypatch):
    kwargs = {"count": 32, "held_out": 8, "epochs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(train_module.Unfinished, "discard", lambda self: None)
        train(tmp_path, **kwargs)
    first = (tmp_path / "net.safetensors").read_bytes()
    epochs = []
    run = train_module._train_epoch
    monkeypatch.setattr(
        train_module, "_train_epoch", lambda *args: epochs.append(args[4]) or run(*args)
    )
    train(tmp_path, **kwargs, seed=1)
    assert epochs == [0]
    assert (tmp_path / "net.safetensors").read_bytes() != first


def test_a_loss_that_is_not_finite_stops_it(tmp_path):
    with pytest.raises(InputError, match=r"the loss is (nan|inf) in epoch \d of 3; lower backbone"):
        train(tmp_path, learning_rate=1e30, weight_decay=0.0, epochs=3)
    assert not (tmp_path / "net.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, r"backbone\.epochs: 0 is not a whole number"),
        ({"count": 33, "batch": 16}, r"backbone\.batch: 16 leaves one still of 33 over"),
        ({"learning_rate": -1.0}, r"backbone\.learning_rate: -1\.0 is not"),
        ({"precision": "float16"}, "float16 is for inference"),
    ],
)
def test_wrong_settings(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, **settings)


def test_losses_against_their_definitions():
    logits = {"a": torch.randn(4, 3), "b": torch.randn(4, 2)}
    targets = {
        "a": torch.tensor([2, -1, 0, 1]),
        "b": torch.tensor([[1, 0], [0, 0], [1, 1], [0, 1]], dtype=torch.uint8),
    }
    result = losses(logits, targets)
    chosen = [functional.log_softmax(logits["a"][i], 0)[targets["a"][i]] for i in (0, 2, 3)]
    torch.testing.assert_close(result["a"], -sum(chosen) / 3)
    p = torch.sigmoid(logits["b"])
    y = targets["b"].float()
    torch.testing.assert_close(
        result["b"], -(y * p.log() + (1 - y) * (1 - p).log()).sum() / 4, rtol=1e-4, atol=1e-5
    )


def test_a_target_that_applies_to_no_still_costs_nothing():
    result = losses({"a": torch.randn(2, 3)}, {"a": torch.tensor([-1, -1])})
    assert result["a"] == 0


def test_average_precision_by_hand():
    # ranked: hit, miss, hit, miss -> (1/1 + 2/3) / 2
    assert average_precision(np.array([0.9, 0.1, 0.5, 0.7]), np.array([1, 0, 1, 0])) == (
        pytest.approx((1 + 2 / 3) / 2)
    )


def test_augmentation_moves_and_mirrors_nothing(monkeypatch):
    for name in ("CONTRAST", "BRIGHTNESS", "TINT"):
        monkeypatch.setattr(train_module, name, 0.0)
    columns = np.arange(64, dtype=np.uint8) * 3
    images = torch.from_numpy(np.broadcast_to(columns[None, None, :, None], (64, 64, 64, 3)).copy())
    x = augment(images, torch.Generator().manual_seed(0))
    values = ((x[::2, 0, 0] + 1) * 127.5).round()  # [b, columns]; those whose colour stays fine
    assert (values == torch.arange(64) * 3).all()


def test_augmentation_coarsens_colour_and_not_brightness(monkeypatch):
    for name in ("CONTRAST", "BRIGHTNESS", "TINT"):
        monkeypatch.setattr(train_module, name, 0)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (4, 8, 8, 3), np.uint8))
    plain = images.permute(0, 3, 1, 2) / 127.5 - 1
    x = augment(images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x[::2], plain[::2])
    torch.testing.assert_close(x[1::2].mean(dim=1), plain[1::2].mean(dim=1))
    colour = x[1] - x[1].mean(dim=0)
    torch.testing.assert_close(colour[:, ::2, ::2], colour[:, 1::2, 1::2])


def test_evaluation_is_of_the_network_as_it_stands():
    images, targets = draw_stills(seed=0, count=20)
    del targets["where"]
    network = SlimInception({"colour": 3, "side": 2, "dots": 2})
    scores, loss = train_module.evaluate(network, images, targets)
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        logits = network.eval()(x)
    right = (logits["colour"].argmax(dim=1).numpy() == targets["colour"]).mean()
    assert scores["colour"]["accuracy"] == pytest.approx(right)
    known = targets["side"] >= 0
    right = (logits["side"].argmax(dim=1).numpy() == targets["side"])[known].mean()
    assert scores["side"]["accuracy"] == pytest.approx(right)
    expected = losses(logits, {name: torch.from_numpy(t) for name, t in targets.items()})
    assert loss == pytest.approx(sum(value.item() for value in expected.values()), rel=1e-4)
