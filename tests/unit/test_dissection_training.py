"""The network that is dissected: its shapes, its file, how it learns and how it resumes."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.dissection import train as training
from seewhy.dissection.network import BLOCKS, ResidualNetwork, load_network, save_network
from seewhy.dissection.networks import Scaling, open_network
from seewhy.dissection.train import Schedule, train_network, vary
from seewhy.errors import InputError
from seewhy.grounding import stages

CLASSES = ["fly", "run", "swim"]
WIDTHS = (4, 6, 8, 12)
SHORT = Schedule(steps=8, batch=6)


def write_crops(path, n, seed, *, size=32, classes=CLASSES):
    """Images whose action is told by where their bright bar lies, and by nothing else."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(len(CLASSES), size=n)
    images = rng.integers(0, 120, (n, size, size, 3))
    for image, action in zip(images, actions, strict=True):
        image[4 + 9 * action : 10 + 9 * action] += 120
    with h5py.File(path, "w") as file:
        file["image"] = images.astype(np.uint8)
        file["action"] = actions.astype("i2")
        file.attrs["actions"] = np.array(classes, h5py.string_dtype())
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    write_crops(folder / "train.h5", 150, 0)
    write_crops(folder / "val.h5", 60, 1)
    return folder


def run(crops, folder, **changes):
    settings = {
        "train": crops / "train.h5", "val": crops / "val.h5", "widths": WIDTHS,
        "schedule": SHORT, "device": "cpu", "precision": "float32",
    } | changes  # fmt: skip
    train_network(folder / "net.safetensors", folder / "net.json", folder / "net.csv", **settings)
    return folder


# --- the network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = ResidualNetwork((24, 48, 96, 192), CLASSES).train()
    with torch.no_grad():
        network(torch.rand(8, 3, 64, 64))  # batch norm has seen something
    return network.eval()


def test_the_maps_of_the_blocks(network):
    with torch.no_grad():
        found = network.features(torch.rand(2, 3, 64, 64))
    assert list(found) == list(BLOCKS)
    assert [tuple(f.shape[1:]) for f in found.values()] == [
        (24, 32, 32), (48, 16, 16), (96, 8, 8), (192, 8, 8),
    ]  # fmt: skip
    for f in found.values():
        assert (f >= 0).all()
        assert (f > 0).any()


def test_the_blocks_are_modules_of_that_name_whose_outputs_are_the_features(network):
    modules, seen = dict(network.named_modules()), {}
    x = torch.rand(1, 3, 64, 64)
    hooks = [
        modules[name].register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name in BLOCKS
    ]
    with torch.no_grad():
        logits = network(x)
        for hook in hooks:
            hook.remove()
        expected = network.features(x)
    for name in BLOCKS:
        assert torch.equal(seen[name], expected[name])
    by_hand = seen["block4"].mean((2, 3)) @ network.fc.weight.T + network.fc.bias
    torch.testing.assert_close(logits, by_hand)


def test_a_block_is_what_its_equation_says():
    torch.manual_seed(1)
    network = ResidualNetwork(WIDTHS, CLASSES).eval()
    block, x = network.block2, torch.rand(2, 4, 8, 8)
    for bn in (block.bn1, block.bn2, block.shortcut[1]):
        bn.running_mean.uniform_(-1, 1)
        bn.running_var.uniform_(0.5, 2)
        bn.weight.data.uniform_(-1, 1)
        bn.bias.data.uniform_(-1, 1)

    def normed(h, bn):
        scale = bn.weight / (bn.running_var + bn.eps).sqrt()
        return (h - bn.running_mean[:, None, None]) * scale[:, None, None] + bn.bias[:, None, None]

    conv = torch.nn.functional.conv2d
    with torch.no_grad():
        h = normed(conv(x, block.conv1.weight, stride=2, padding=1), block.bn1).clamp(min=0)
        h = normed(conv(h, block.conv2.weight, padding=1), block.bn2)
        h = h + normed(conv(x[:, :, ::2, ::2], block.shortcut[0].weight), block.shortcut[1])
        torch.testing.assert_close(block(x), h.clamp(min=0))
        assert isinstance(ResidualNetwork((4, 4, 4, 4), CLASSES).block1.shortcut, torch.nn.Identity)


def test_a_saved_network_is_read_again(network, tmp_path):
    save_network(tmp_path / "net.safetensors", network)
    before = torch.random.get_rng_state()
    again = load_network(tmp_path / "net.safetensors")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not again.training
    assert again.classes == CLASSES
    assert again.widths == (24, 48, 96, 192)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(x), again(x))


def test_broken_files_are_refused(network, tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="no such file; run the rule train_dissected_network"):
        load_network(path)
    save_network(path, network)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"net\.safetensors: not a whole file of weights"):
        load_network(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="not a network to dissect of this version; make it again"):
        load_network(path)
    about = {"format": "seewhy dissection 1", "widths": [4, 4, 4, 4], "classes": CLASSES}
    save_file({"a": torch.zeros(2)}, path, metadata={"seewhy": json.dumps(about)})
    with pytest.raises(InputError, match=r"not a network to dissect: a is \[2\] in it"):
        load_network(path)


def test_shapes_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"widths \[4, 4\] must be four numbers"):
        ResidualNetwork((4, 4), CLASSES)
    with pytest.raises(InputError, match=r"widths \[4, 4, 4, 0\] must be four numbers"):
        ResidualNetwork((4, 4, 4, 0), CLASSES)
    with pytest.raises(InputError, match=r"classes \['run'\] are fewer than two"):
        ResidualNetwork(WIDTHS, ["run"])


# --- training


def test_varied_images_are_shifted_and_mirrored_ones(monkeypatch):
    monkeypatch.setattr(training, "BRIGHTNESS", 0)
    monkeypatch.setattr(training, "CONTRAST", 0)
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    found = vary(images, np.random.default_rng(1)).permute(0, 2, 3, 1).numpy() * 255
    reach, kinds = training.SHIFT, set()
    for image, got in zip(images, found, strict=True):
        padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
        matches = [
            (dy, dx, turn)
            for dy in range(2 * reach + 1)
            for dx in range(2 * reach + 1)
            for turn in (1, -1)
            if np.abs(padded[dy : dy + 16, dx : dx + 16][:, ::turn] - got).max() < 0.01
        ]
        assert len(matches) == 1
        kinds.add(matches[0][2])
    assert kinds == {1, -1}


def test_variation_of_light_stays_within_its_bounds():
    images = np.full((64, 8, 8, 3), 51, np.uint8)  # 0.2
    found = vary(images, np.random.default_rng(0))
    assert np.ptp(found.numpy(), axis=(1, 2, 3)).max() < 1e-6
    values = found[:, 0, 0, 0]
    least, most = 0.5 - 0.3 * (1 + training.CONTRAST), 0.5 - 0.3 * (1 - training.CONTRAST)
    assert values.min() >= least - training.BRIGHTNESS
    assert values.max() <= most + training.BRIGHTNESS
    assert values.std() > 0.05


def test_it_learns(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SHIFT", 1)
    run(crops, tmp_path, schedule=Schedule(steps=60, batch=24, rate=5e-3))
    scores = json.loads((tmp_path / "net.json").read_text())["validation"]
    assert scores["majority"] < 0.5
    assert scores["accuracy"] > scores["majority"] + 0.3
    assert scores["train_accuracy"] > scores["majority"] + 0.3
    assert set(scores["actions"]) == set(CLASSES)
    with h5py.File(crops / "val.h5") as file:
        actions = file["action"][:]
        x = torch.from_numpy(file["image"][:]).permute(0, 3, 1, 2) / 255
    network = load_network(tmp_path / "net.safetensors")
    with torch.no_grad():
        right = network(x).argmax(1).numpy() == actions
    assert scores["accuracy"] == pytest.approx(right.mean())
    assert scores["actions"]["run"] == pytest.approx(right[actions == 1].mean())
    history = pd.read_csv(tmp_path / "net.csv")
    assert list(history.columns) == ["step", "loss"]
    assert history["step"].iloc[-1] == 60


@pytest.fixture(scope="module")
def unbroken(crops, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "A_ROUND", 2)
        return run(crops, tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_killed_training_ends_where_an_unbroken_one_ends(
    crops, unbroken, tmp_path, monkeypatch, killed_after, rounds
):
    monkeypatch.setattr(stages, "A_ROUND", 2)
    with killed_after(rounds):
        run(crops, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".net.unfinished.pt"]
    run(crops, tmp_path)
    names = ["net.csv", "net.json", "net.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (unbroken / name).read_bytes(), name


def test_seeds_differ_and_the_callers_randomness_is_left_alone(crops, unbroken, tmp_path):
    before = torch.random.get_rng_state()
    run(crops, tmp_path, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    one, other = (load_network(f / "net.safetensors") for f in (unbroken, tmp_path))
    assert not torch.equal(one.fc.weight, other.fc.weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, r"dissection\.network\.steps: 0 must be 1 or more"),
        ({"steps": 1.5}, r"dissection\.network\.steps: 1\.5 is no whole number"),
        ({"batch": 1}, r"dissection\.network\.batch: 1 must be 2 or more"),
        ({"smoothing": 1}, r"dissection\.network\.smoothing: 1 must be from 0 to below 1"),
        ({"rate": float("inf")}, r"the loss is nan .*; lower dissection\.network\.rate \(inf"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(crops, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(crops, tmp_path, schedule=Schedule(**{"steps": 4, "batch": 4} | changes))
    assert not list(tmp_path.glob("net.*"))


def test_crops_that_do_not_fit_are_refused(crops, tmp_path):
    with pytest.raises(InputError, match=r"val\.h5: no such file; run the rule"):
        run(crops, tmp_path, val=tmp_path / "val.h5")
    write_crops(tmp_path / "val.h5", 4, 0, size=16)
    with pytest.raises(InputError, match=r"images of 16 pixels, but those of .* have 32; make"):
        run(crops, tmp_path, val=tmp_path / "val.h5")
    write_crops(tmp_path / "other.h5", 4, 0, classes=["fly", "run", "walk"])
    with pytest.raises(InputError, match=r"other\.h5: its actions are not those of .*train\.h5"):
        run(crops, tmp_path, val=tmp_path / "other.h5")
    write_crops(tmp_path / "one.h5", 4, 0, classes=["fly"])
    with pytest.raises(InputError, match=r"one\.h5: 1 actions; there must be two or more"):
        run(crops, tmp_path, train=tmp_path / "one.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["image"] = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match=r"bare\.h5: has no data set action"):
        run(crops, tmp_path, train=tmp_path / "bare.h5")
    (tmp_path / "cut.h5").write_bytes((crops / "train.h5").read_bytes()[:9000])
    with pytest.raises(InputError, match=r"cut\.h5: not a whole HDF5 file"):
        run(crops, tmp_path, train=tmp_path / "cut.h5")


# --- a classifier of torchvision's, fine-tuned


def test_a_classifier_of_torchvision_s_is_fine_tuned(crops, tmp_path):
    torch.manual_seed(0)
    other = import_torchvision().models.resnet18(weights=None, num_classes=7)
    torch.save(other.state_dict(), tmp_path / "seven.pth")
    scaling = Scaling(None, (0.5, 0.4, 0.3), (0.2, 0.2, 0.3))
    given = {"base": "resnet18", "weights": tmp_path / "seven.pth", "scaling": scaling}
    run(crops, tmp_path, schedule=Schedule(steps=2, batch=4, rate=1e-6), **given)
    opened = open_network(tmp_path / "net.safetensors", name="resnet18", scaling=scaling)
    assert opened.classes == CLASSES
    assert opened.network.fc.out_features == 3
    # It began with the weights of the file, but for the classes.
    torch.testing.assert_close(opened.network.conv1.weight, other.conv1.weight, atol=1e-4, rtol=0)
    with h5py.File(crops / "val.h5") as file, torch.inference_mode():
        said = opened.network(opened.prepare(file["image"][:])).argmax(1).numpy()
        right = float((said == file["action"][:]).mean())
    scores = json.loads((tmp_path / "net.json").read_text())["validation"]
    assert scores["accuracy"] == pytest.approx(right)


def test_what_cannot_be_fine_tuned_is_refused(crops, tmp_path):
    with pytest.raises(InputError, match="'resnet19' is no classifier of torchvision's, such as"):
        run(crops, tmp_path, base="resnet19")
    torch.save(import_torchvision().models.resnet18().state_dict(), tmp_path / "r.pth")
    with pytest.raises(InputError, match=r"r\.pth: not weights of resnet34: lacks"):
        run(crops, tmp_path, base="resnet34", weights=tmp_path / "r.pth")
