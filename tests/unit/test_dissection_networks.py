"""Networks of three kinds are opened, and images made into their input."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.dissection.network import ResidualNetwork, save_network
from seewhy.dissection.networks import Scaling, open_network
from seewhy.errors import InputError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLASSES = ["fly", "run", "swim"]
HERE = __name__


def images(n, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


class Small(nn.Module):
    """A user's network, that drops half of what it is given while it learns."""

    classes = (1, 2)

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.fc(self.drop(x.flatten(1)))


def build():
    torch.manual_seed(1)
    return Small()


def build_nothing():
    return "a network"


# --- the three kinds


def test_a_network_trained_here(tmp_path):
    torch.manual_seed(0)
    network = ResidualNetwork((4, 4, 4, 4), CLASSES)
    save_network(tmp_path / "net.safetensors", network)
    opened = open_network(tmp_path / "net.safetensors", scaling=Scaling(8, MEAN, STD))
    assert opened.classes == CLASSES
    assert not any(module.training for module in opened.network.modules())
    # It takes images as they are, whatever scaling other networks ask for.
    pixels = images(2, 32, 24)
    expected = torch.from_numpy(pixels / 255).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(opened.prepare(pixels), expected)
    with torch.no_grad():
        answer = opened.network(opened.prepare(pixels))
        torch.testing.assert_close(answer, network.eval()(expected))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    torch.manual_seed(0)
    network = import_torchvision().models.resnet18(weights=None)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(network.state_dict(), folder / "resnet18.pth")
    save_file(network.state_dict(), folder / "resnet18.safetensors")
    return network.eval(), folder


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_one_of_torchvision_s_with_the_weights_of_a_file(resnet, suffix):
    network, folder = resnet
    opened = open_network(
        folder / f"resnet18{suffix}", name="resnet18", scaling=Scaling(64, MEAN, STD)
    )
    assert opened.classes == []
    assert not any(module.training for module in opened.network.modules())
    given = opened.prepare(images(1, 40, 50))
    assert given.shape == (1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(opened.network(given), network(given))


def test_a_function_of_ones_own_with_and_without_a_file_of_weights(tmp_path):
    own = open_network(None, name=f"{HERE}:build")
    torch.testing.assert_close(own.network.fc.weight, build().fc.weight)
    assert not own.network.drop.training
    assert own.classes == ["1", "2"]
    other = Small()
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    loaded = open_network(tmp_path / "other.safetensors", name=f"{HERE}:build")
    assert torch.equal(loaded.network.fc.weight, other.fc.weight)
    pixels = images(1, 2, 2)
    torch.testing.assert_close(own.prepare(pixels), Scaling()(pixels))


@pytest.mark.parametrize(
    ("name", "weights", "line"),
    [
        ("resnet19", "resnet18.pth", "'resnet19' is no classifier of torchvision's, nor package"),
        ("fcn_resnet50", "resnet18.pth", "'fcn_resnet50' is no classifier of torchvision's"),
        ("resnet18", None, "dissection.model.weights: resnet18 needs a file of weights"),
        ("resnet18", "none.pth", "none.pth: no such file"),
        ("resnet18", "broken.pth", "broken.pth: not a whole file of weights"),
        ("resnet34", "resnet18.pth", "not weights of resnet34: lacks layer1.2.bn1.bias"),
        (f"{HERE}:build", "resnet18.pth", "not weights of .*:build: lacks fc|has an unknown"),
        (f"{HERE}:destroy", None, ":destroy' cannot be imported .* no attribute 'destroy'"),
        (f"{HERE}:HERE", None, ":HERE' is str, no function that returns a torch.nn.Module"),
        (f"{HERE}:build_nothing", None, "build_nothing' returns str, no torch.nn.Module"),
        ("no.such.package:build", None, "cannot be imported .*No module named 'no'"),
        (":build", None, "':build' cannot be imported .*Empty module name"),
        (f"{HERE}:", None, ":' cannot be imported"),
        (None, None, "a network trained here needs a file of weights"),
        (None, "none.safetensors", "no such file; run the rule train_dissected_network"),
        (None, "resnet18.safetensors", "not a network to dissect of this version"),
    ],
)
def test_what_cannot_be_opened_is_refused(resnet, name, weights, line):
    folder = resnet[1]
    (folder / "broken.pth").write_bytes(b"PK not weights")
    with pytest.raises(InputError, match=line):
        open_network(weights and folder / weights, name=name)


# --- their input


def test_scaling_is_torchvision_s_normalisation_by_hand():
    pixels = images(3, 6, 6)
    found = Scaling(6, MEAN, STD)(pixels)
    assert found.dtype == torch.float32
    expected = np.empty((3, 3, 6, 6))
    for n, y, x, channel in np.ndindex(pixels.shape):
        value = pixels[n, y, x, channel] / 255
        expected[n, channel, y, x] = (value - MEAN[channel]) / STD[channel]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(Scaling(None, MEAN, STD)(pixels), found)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (50, 80), (20, 20)])
def test_resizing_is_pillow_s_with_antialiasing(height, width):
    pixels = images(1, height, width)
    found = Scaling(32)(pixels)[0].numpy() * 255
    for channel in range(3):
        picture = Image.fromarray(pixels[0, ..., channel].astype(np.float32))
        expected = picture.resize((32, 32), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found[channel], np.asarray(expected), atol=1e-3)


@pytest.mark.filterwarnings("error")
def test_images_may_be_read_only_and_stay_as_they_are():
    pixels = images(2, 5, 5)
    before = pixels.copy()
    pixels.setflags(write=False)  # as Pillow's are
    Scaling(5, MEAN, STD)(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_a_network_of_torchvision_s_may_have_classes_of_ones_own(resnet, tmp_path):
    seven = {"fc.weight": torch.ones(7, 512), "fc.bias": torch.ones(7)}
    torch.save(resnet[0].state_dict() | seven, tmp_path / "seven.pth")
    opened = open_network(tmp_path / "seven.pth", name="resnet18")
    assert opened.network.fc.out_features == 7
    with torch.inference_mode():
        assert opened.network(torch.rand(1, 3, 64, 64)).shape == (1, 7)
