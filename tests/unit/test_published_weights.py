"""Checkpoints as they are published load as they are; nothing of theirs runs."""

import argparse
import io
import pathlib
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seewhy.backbones import load_backbone
from seewhy.backbones.published import fit_names
from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.backbones.weights import load_into, read_weights
from seewhy.dissection.networks import open_network, pretrained
from seewhy.errors import InputError
from seewhy.files import sha256
from seewhy.grounding.checkpoint import load_vgg
from seewhy.grounding.networks import VGG, VGGShape

HERE = __name__


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x)).mean((2, 3)))


def build():
    return Small()


def build_wrapped():
    return nn.DataParallel(Small())


@pytest.fixture
def small():
    torch.manual_seed(3)
    network = Small().eval()
    with torch.no_grad():
        for value in network.state_dict().values():
            value.copy_(torch.randn(value.shape) if value.is_floating_point() else value)
        network.norm.running_var.abs_()
    return network


def prefixed(network, prefix):
    return OrderedDict((prefix + k, v) for k, v in network.state_dict().items())


def other(network, by=2.0):
    """The same names with other values."""
    return {k: v * by + 1 for k, v in network.state_dict().items()}


class Made:
    """A class of a training's own, such as a configuration."""

    def __init__(self):
        self.rate = 0.1


def pickled_by(module, name, monkeypatch):
    """An object of a class that is nowhere when the file is read."""
    made = types.ModuleType(module)
    made.__dict__[name] = type(name, (), {"__module__": module})
    for above in (module.partition(".")[0], module):
        monkeypatch.setitem(sys.modules, above, made)
    one = made.__dict__[name]()
    one.rate = 0.1
    return one


def optimiser(network):
    adam = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    adam.step()
    return adam.state_dict()


CASES = {
    "bare": lambda n: n.state_dict(),
    "module.": lambda n: prefixed(n, "module."),
    "compiled": lambda n: prefixed(n, "_orig_mod."),
    "both": lambda n: prefixed(n, "module._orig_mod."),
    "Moments, Places": lambda n: {
        "epoch": 90, "arch": "resnet50", "state_dict": prefixed(n, "module."),
        "best_prec1": torch.tensor(54.65), "optimizer": {"state": {}, "param_groups": []},
    },
    "NumPy's numbers beside": lambda n: {
        "state_dict": n.state_dict(), "best": np.float64(0.5), "classes": np.arange(3),
        "curve": np.array([0.5, 1.0], np.float32),
    },
    "arguments beside": lambda n: {
        "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("/tmp")),
        "model": n.state_dict(), "meters": defaultdict(float, loss=0.5),
    },
    "a class of theirs beside": lambda n: {"net": n.state_dict(), "config": Made()},
    "model_state_dict": lambda n: {"model_state_dict": n.state_dict(), "loss": 0.5},
    "net": lambda n: {"net": prefixed(n, "module."), "acc": 95.1, "epoch": 3},
    "model": lambda n: {"model": n.state_dict(), "scaler": {"scale": torch.tensor(2.0)}},
    "a tensor beside": lambda n: {"model": n.state_dict(), "prototypes": torch.rand(4, 4)},
    "any name": lambda n: {"resnet_weights": n.state_dict(), "epoch": 1},
    "two deep": lambda n: {"checkpoint": {"model": n.state_dict()}, "epoch": 1},
    "optimiser beside": lambda n: {"model": n.state_dict(), "optimizer": other(n)},
    "average beside": lambda n: {"model_ema": other(n), "model": n.state_dict()},
    "average beside, timm": lambda n: {"state_dict": n.state_dict(), "state_dict_ema": other(n)},
    "average beside, AveragedModel": lambda n: {
        "model": n.state_dict(),
        "model_ema": {f"module.{k}": v for k, v in other(n).items()} | {"n_averaged": 3},
    },
    "average alone": lambda n: {"ema": n.state_dict()},
    "average among the names": lambda n: {
        **prefixed(n, "model."), **{f"ema.{k}": v for k, v in other(n).items()},
    },
    "Lightning": lambda n: {
        "state_dict": prefixed(n, "model.") | {"criterion.weight": torch.ones(2)},
        "pytorch-lightning_version": "2.1", "callbacks": {}, "loops": {"state": torch.ones(1)},
    },
    "before 0.4.1": lambda n: {
        k: v for k, v in n.state_dict().items() if not k.endswith("num_batches_tracked")
    },
    "with an epoch among the names": lambda n: {**n.state_dict(), "epoch": 4, "arch": "small"},
    "parameters": lambda n: {**n.state_dict(), **dict(n.named_parameters())},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "without zip"])
def test_a_published_checkpoint_loads_as_it_is(small, tmp_path, case, zipped):
    path = tmp_path / "weights.pth.tar"
    saved = CASES[case](small)
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    opened = open_network(path, name=f"{HERE}:build")
    for name, value in small.state_dict().items():
        assert torch.equal(opened.network.state_dict()[name], value), name
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(opened.network(x), small(x))


def test_the_optimiser_and_classes_that_are_gone_stand_beside(small, tmp_path, monkeypatch):
    saved = {"model": small.state_dict(), "optimizer": optimiser(Small()),
             "cfg": pickled_by("gone.config", "CfgNode", monkeypatch)}  # fmt: skip
    torch.save(saved, tmp_path / "w.pth")
    monkeypatch.undo()
    found, about = read_weights(tmp_path / "w.pth", names=small.state_dict())
    assert about == {}
    assert torch.equal(found["fc.weight"], small.fc.weight)


def test_an_average_that_is_left_out_is_told(small, tmp_path, caplog):
    caplog.set_level("INFO")
    torch.save(CASES["average beside"](small), tmp_path / "w.pth")
    read_weights(tmp_path / "w.pth", names=small.state_dict())
    assert "w.pth: holds model_ema too, which is not used" in caplog.text


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_those_of_a_network_in_float32(small, tmp_path, kind):
    half = {k: v.to(kind) if v.is_floating_point() else v for k, v in small.state_dict().items()}
    torch.save({"state_dict": half}, tmp_path / "w.pt")
    save_file(half, tmp_path / "w.safetensors")
    for file in ("w.pt", "w.safetensors"):
        network = open_network(tmp_path / file, name=f"{HERE}:build").network
        assert network.fc.weight.dtype == torch.float32
        assert torch.equal(network.fc.weight, half["fc.weight"].float())
        assert network(torch.randn(1, 3, 8, 8)).isfinite().all()


def test_the_content_tells_safetensors_and_not_the_name(small, tmp_path):
    save_file(small.state_dict(), tmp_path / "w.bin", {"format": "pt"})
    torch.save(small.state_dict(), tmp_path / "v.bin")
    for file in ("w.bin", "v.bin"):
        found, about = read_weights(tmp_path / file)
        assert torch.equal(found["conv.weight"], small.conv.weight)
        assert about == {}


def test_a_network_that_is_wrapped_itself_takes_weights_with_and_without_its_prefix(
    small, tmp_path
):
    torch.save(small.state_dict(), tmp_path / "bare.pth")
    torch.save(prefixed(small, "module."), tmp_path / "wrapped.pth")
    for file in ("bare.pth", "wrapped.pth"):
        network = open_network(tmp_path / file, name=f"{HERE}:build_wrapped").network
        assert torch.equal(network.state_dict()["module.fc.weight"], small.fc.weight)


def test_only_wrappers_are_looked_through():
    """A layer of another network that happens to have a weight and a bias is not taken."""
    linear = {"fc.weight": torch.zeros(2, 4), "fc.bias": torch.zeros(2)}
    theirs = {"stem.conv.weight": torch.ones(2, 4), "stem.conv.bias": torch.ones(2)}
    assert fit_names(theirs, linear, "w.pth") == theirs
    assert fit_names(theirs, (), "w.pth") == theirs


def test_a_network_that_is_there_twice_is_not_guessed(small, tmp_path):
    twice = {**prefixed(small, "encoder_q."), **prefixed(small, "encoder_k.")}
    torch.save({"state_dict": twice}, tmp_path / "moco.pth")
    line = r"moco\.pth: holds this network more than once \(below encoder_k\., encoder_q\.\)"
    with pytest.raises(InputError, match=line):
        open_network(tmp_path / "moco.pth", name=f"{HERE}:build")
    torch.save({"G": small.state_dict(), "D": other(small)}, tmp_path / "gan.pth")
    with pytest.raises(InputError, match=r"gan\.pth: holds several state dicts \(D, G\); save th"):
        open_network(tmp_path / "gan.pth", name=f"{HERE}:build")


def test_every_reader_of_weights_takes_them(tmp_path):
    """torchvision's, fine-tuned ones, GoogLeNet and VGG: all by the one function."""
    models = import_torchvision().models
    torch.manual_seed(0)
    resnet = models.resnet18(weights=None, num_classes=7).eval()
    torch.save({"state_dict": prefixed(resnet, "module.")}, tmp_path / "r.pth.tar")
    opened = open_network(tmp_path / "r.pth.tar", name="resnet18")
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(opened.network(x), resnet(x))
    tuned = pretrained("resnet18", tmp_path / "r.pth.tar", 3)
    assert tuned.fc.out_features == 3
    assert torch.equal(tuned.conv1.weight, resnet.conv1.weight)
    headless = {k: v for k, v in resnet.state_dict().items() if not k.startswith("fc.")}
    torch.save({"model": headless}, tmp_path / "headless.pth")
    tuned = pretrained("resnet18", tmp_path / "headless.pth", 3)
    assert torch.equal(tuned.layer4[1].conv2.weight, resnet.layer4[1].conv2.weight)

    own = VGG(VGGShape())
    published = prefixed(own, "module.") | {"module.classifier.9.weight": torch.ones(2, 2)}
    torch.save({"state_dict": published}, tmp_path / "vgg.pth")
    blank = VGG(VGGShape())
    load_vgg(blank, tmp_path / "vgg.pth")
    assert all(torch.equal(a, b) for a, b in zip(own.parameters(), blank.parameters(), strict=True))

    google = models.googlenet(weights=None, aux_logits=False, init_weights=False)
    torch.save({"state_dict": prefixed(google, "module.")}, tmp_path / "g.pth")
    path = tmp_path / "g.pth"
    assert load_backbone("googlenet", path, sha256=sha256(path)[:8], device="cpu").name


# --- what does not load, and why


class Evil:
    def __init__(self, function, *given):
        self.what = (function, given)

    def __reduce__(self):
        return self.what


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("function", ["os.system", "exec", "open", "subprocess.run", "runpy"])
def test_nothing_of_a_file_runs(small, tmp_path, zipped, beside, function):
    import os
    import runpy
    import subprocess

    marker = tmp_path / "ran"
    evil = {
        "os.system": Evil(os.system, f"touch {marker}"),
        "exec": Evil(exec, f"open({str(marker)!r}, 'w')"),
        "open": Evil(open, str(marker), "w"),
        "subprocess.run": Evil(subprocess.run, ["touch", str(marker)]),
        "runpy": Evil(runpy.run_path, str(marker)),
    }[function]
    saved = {"state_dict": small.state_dict(), "more": evil} if beside else {"weight": evil}
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        InputError, match=r"w\.pth: not a whole file of weights \(it names \S+, which would run\)"
    ):
        read_weights(tmp_path / "w.pth")
    assert not marker.exists()


def test_a_pickle_of_python_itself_runs_nothing_either(small, tmp_path):
    marker = tmp_path / "ran"
    with open(tmp_path / "w.pth", "wb") as file:
        pickle.dump({"a": Evil(exec, f"open({str(marker)!r}, 'w')")}, file, protocol=2)
    with pytest.raises(InputError, match="not a whole file of weights"):
        read_weights(tmp_path / "w.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("saved", "line"),
    [
        ([1, 2], "is no state dict .*an object, list, which"),
        ({}, "is no state dict .* it holds nothing; save"),
        ({"epoch": 3, "lr": 0.1}, "is no state dict .* it holds epoch, lr; save"),
        ({"optimizer": {"state": {0: {"step": torch.ones(1)}}}}, "it holds optimizer; save"),
        (torch.ones(3), "an object, Tensor, which"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(tmp_path, saved, line):
    torch.save(saved, tmp_path / "w.pth")
    with pytest.raises(InputError, match=line):
        read_weights(tmp_path / "w.pth")


def test_a_whole_module_is_refused_by_its_class(small, tmp_path):
    torch.save(small, tmp_path / "whole.pth")
    line = r"whole\.pth: is no state dict .* an object, .*\.Small, which is not opened, for that ru"
    with pytest.raises(InputError, match=line):
        read_weights(tmp_path / "whole.pth")
    torch.save({"model": small, "epoch": 3}, tmp_path / "whole.pth")
    with pytest.raises(InputError, match=line):
        read_weights(tmp_path / "whole.pth")


@pytest.mark.filterwarnings("error", "ignore:`torch.jit:DeprecationWarning")
def test_other_archives_are_refused_in_a_line(small, tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme", "hello")
    (tmp_path / "empty.pth").write_bytes(b"")
    buffer = io.BytesIO()
    torch.save(small.state_dict(), buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "cut.pth").write_bytes(buffer.getvalue()[:-30])
    lines = {"script.pt": "is a TorchScript archive, and to open it would run its code; save its"}
    for name in ("script.pt", "other.pth", "empty.pth", "cut.pth"):
        line = lines.get(name, "not a whole file of weights")
        with pytest.raises(InputError, match=line) as told:
            read_weights(tmp_path / name)
        assert "\n" not in str(told.value)


def test_weights_of_another_network_are_refused_as_before(small, tmp_path):
    torch.save({"state_dict": prefixed(nn.Linear(3, 2), "module.")}, tmp_path / "w.pth")
    tensors, _ = read_weights(tmp_path / "w.pth", names=small.state_dict())
    with pytest.raises(
        InputError, match=r"lacks conv\.bias and 8 more; has an unknown bias and 1 mo"
    ):
        load_into(small, tensors, tmp_path / "w.pth", "small")
