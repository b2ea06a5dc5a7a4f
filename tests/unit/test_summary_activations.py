"""Reading activations: against hooks by hand, torchvision's ResNets, networks of another form."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.dissection.network import ResidualNetwork
from seewhy.dissection.networks import Scaling
from seewhy.errors import InputError
from seewhy.summaries import activations
from seewhy.summaries.activations import (
    feature_maps,
    load_activations,
    load_maps,
    network_digest,
    read_activations,
)

OURS = {"layer": "block4", "linear": "fc", "prepare": Scaling()}
CLASSES = ["tern", "gull", "auk"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ResidualNetwork((4, 6, 8, 10), CLASSES)


@pytest.fixture
def images(tmp_path):
    path = tmp_path / "birds.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["image"] = rng.integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
        file["grey"] = np.zeros((3, 32, 32), np.uint8)
        file["none"] = np.zeros((0, 32, 32, 3), np.uint8)
    return path


def by_hand(network, images, rows):
    """phi, logits and maps, one image at a time."""
    with h5py.File(images) as file:
        pixels = file["image"][:]
    phi, logits, maps = [], [], []
    with torch.no_grad():
        for i in rows:
            x = torch.tensor(pixels[i]).permute(2, 0, 1)[None].float() / 255
            last = network.features(x)["block4"]
            maps.append(last[0].numpy())
            phi.append(last[0].mean(dim=(1, 2)).numpy())
            logits.append(network(x)[0].numpy())
    return np.array(phi), np.array(logits), np.array(maps)


@pytest.mark.parametrize("rows", [None, [7, 2, 2, 10]])
def test_activations_are_those_of_each_image(network, images, tmp_path, rows):
    network.train()  # what is read is of evaluation mode; the mode stays
    out = tmp_path / "out.h5"
    read_activations(
        network, images, out, **OURS, rows=rows, classes=CLASSES, batch=3, maps="float32"
    )
    assert network.training
    assert network.block4.bn1.training
    network.eval()
    places = list(range(11)) if rows is None else rows
    phi, logits, maps = by_hand(network, images, places)
    found = load_activations(out, network=network_digest(network))
    np.testing.assert_allclose(found.phi, phi, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.phi @ found.weight.T + found.bias, found.logits, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(load_maps(out, slice(1, 4)), maps[1:4], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(load_maps(out, [0, 3]), maps[[0, 3]], rtol=1e-4, atol=1e-5)
    assert found.rows.tolist() == places
    assert found.classes == tuple(CLASSES)
    assert (found.layer, found.linear) == ("block4", "fc")
    assert found.decided.tolist() == logits.argmax(axis=1).tolist()


def test_maps_on_demand_are_the_same_and_the_rest_does_not_run(network, images):
    network.eval()
    _, _, maps = by_hand(network, images, [9, 1, 4])
    network.fc = None  # would fail if it ran
    got = list(
        feature_maps(network, images, rows=[9, 1, 4], batch=2, layer="block4", prepare=Scaling())
    )
    assert [places.tolist() for places, _ in got] == [[9, 1], [4]]
    np.testing.assert_allclose(np.concatenate([m for _, m in got]), maps, rtol=1e-4, atol=1e-5)
    assert not network.block4._forward_hooks


def test_a_torchvision_network_is_read(images, tmp_path):
    torch.manual_seed(0)
    network = import_torchvision().models.resnet18(num_classes=4).eval()
    out = tmp_path / "out.h5"
    prepare = Scaling(size=48, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    read_activations(network, images, out, layer="layer4", linear="fc", prepare=prepare)
    found = load_activations(out)
    assert found.phi.shape == (11, 512)
    with h5py.File(images) as file, torch.no_grad():
        expected = network(prepare(file["image"][:])).numpy()
    np.testing.assert_allclose(found.logits, expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="keeps no maps; read the activations with maps='float1"):
        load_maps(out, [0])


def test_a_linear_layer_without_bias_has_a_bias_of_0(network, images, tmp_path):
    network.fc = nn.Linear(10, 3, bias=False)
    read_activations(network, images, tmp_path / "out.h5", **OURS)
    assert load_activations(tmp_path / "out.h5").bias.tolist() == [0, 0, 0]


class Ends(nn.Module):
    """A network that ends otherwise."""

    def __init__(self, end):
        super().__init__()
        self.end = end
        self.block4 = nn.Sequential(nn.Conv2d(3, 10, 3), nn.ReLU())
        self.fc = nn.Linear(10, 3)
        self.spare = nn.Linear(10, 3)

    def forward(self, x):
        maps = self.block4(x / 0 - x / 0 if self.end == "nan" else x)
        if self.end == "max":
            return self.fc(maps.amax(dim=(2, 3)))
        logits = self.fc(maps.mean(dim=(2, 3)))
        return logits.softmax(dim=1) if self.end == "softmax" else logits


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("max", "lies up to .* from W phi . b with phi the spatial means of 'block4'; summaries"),
        ("softmax", "the network does not answer what its layer 'fc' gives; .*no softmax"),
        ("nan", "layer 'block4' gives values that are not finite"),
    ],
)
def test_a_network_of_another_form_is_refused(images, tmp_path, end, message):
    torch.manual_seed(0)
    network = Ends(end)
    with pytest.raises(InputError, match=message):
        read_activations(network, images, tmp_path / "out.h5", **OURS)
    assert [p.name for p in tmp_path.iterdir()] == ["birds.h5"]  # nothing half written
    assert network.training
    assert not network.block4._forward_hooks


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"layer": "block3"}, "layer 'block3' gives 8 filters, 'fc' reads 10 values"),
        ({"layer": "block5"}, "layer 'block5' is not in the network; give one such as"),
        ({"linear": "pool"}, "layer 'pool' is AdaptiveAvgPool2d, not a linear layer"),
        ({"layer": "fc"}, "layer 'fc' gives 3 filters, 'fc' reads 10"),
        ({"classes": ["tern"]}, "1 names of classes for 3 outputs"),
        ({"maps": "int8"}, "maps 'int8' is not one of float16, float32, None"),
        ({"rows": [3, 11]}, "birds.h5: row 11 is not one of 0 … 10"),
        ({"rows": []}, "birds.h5: no image to read"),
        ({"name": "none"}, "birds.h5: no image to read"),
        ({"name": "grey"}, r"birds.h5: grey is \[3, 32, 32\] of uint8, not images"),
        ({"name": "images"}, "birds.h5: has no data set images"),
        ({"batch": 0}, "batch is 0; give at least 1"),
        ({"device": "tpu"}, "device: 'tpu' is not one of auto, cpu, cuda"),
    ],
)
def test_errors_name_the_value(network, images, tmp_path, how, message):
    with pytest.raises(InputError, match=message):
        read_activations(network, images, tmp_path / "out.h5", **{**OURS, **how})
    assert [p.name for p in tmp_path.iterdir()] == ["birds.h5"]


def test_a_layer_that_does_not_run_is_refused(images, tmp_path):
    with pytest.raises(InputError, match="layer 'spare' does not run in a forward pass"):
        read_activations(Ends("mean"), images, tmp_path / "o.h5", **{**OURS, "linear": "spare"})


def test_activations_of_another_network_are_refused_by_name(network, images, tmp_path):
    out = tmp_path / "out.h5"
    read_activations(network, images, out, **OURS)
    digest = network_digest(network)
    with torch.no_grad():
        network.fc.bias[0] += 1
    assert network_digest(network) != digest
    with pytest.raises(InputError, match=f"is of network {digest}, not {network_digest(network)}"):
        load_activations(out, network=network_digest(network))
    with h5py.File(out, "a") as file:
        file.attrs["format"] = "older"
    with pytest.raises(InputError, match="not activations of this version"):
        load_activations(out)
    with pytest.raises(InputError, match="no such file"):
        load_activations(tmp_path / "none.h5")


def test_logits_a_little_off_by_rounding_are_accepted(network, images, tmp_path, monkeypatch):
    network.double()
    prepare = lambda pixels: Scaling()(pixels).double()  # noqa: E731
    read_activations(network, images, tmp_path / "o.h5", **{**OURS, "prepare": prepare})
    monkeypatch.setattr(activations, "TOLERANCE", 0.0)
    with pytest.raises(InputError, match="from W phi"):
        read_activations(network, images, tmp_path / "p.h5", **{**OURS, "prepare": prepare})
