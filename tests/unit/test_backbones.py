"""The networks, their weights, and the checks on files of weights."""

from __future__ import annotations

import hashlib
import json
import warnings

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from seewhy.backbones import load_backbone
from seewhy.backbones.slim_inception import InceptionBlock, SlimInception, fold_batch_norm
from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.backbones.train import MEASURES, _standardised, losses
from seewhy.errors import InputError
from seewhy.vision import BACKBONES, check_weights


def shake(network, seed=0):
    """Give batch norms statistics of their own, so that folding them is a real test."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2.0),
            ):  # fmt: skip
                value.data.copy_(torch.rand(value.shape, generator=generator) * (high - low) + low)
    return network.eval()


def save_slim(path, **metadata):
    torch.manual_seed(1)
    network = shake(SlimInception({"scene": 4, "things": 3}))
    about = {"architecture": "slim_inception", "heads": {"scene": 4, "things": 3}} | metadata
    metadata = {"seewhy": json.dumps(about)}
    safetensors.torch.save_file(network.state_dict(), path, metadata=metadata)
    return network


@pytest.fixture(scope="module")
def torchvision_googlenet(tmp_path_factory):
    """A state dict as torchvision publishes it, with auxiliary classifiers, and its network."""
    models = import_torchvision().models
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(2)
        network = models.googlenet(
            weights=None, aux_logits=True, transform_input=True, init_weights=False
        )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    path = tmp_path_factory.mktemp("weights") / "googlenet.pth"
    torch.save(shake(network).state_dict(), path)
    return path, network


# -- architectures


def test_inception_block_against_its_equation():
    torch.manual_seed(0)
    block = shake(InceptionBlock(6, 2, (3, 4), (2, 3), 5))
    x = torch.randn(2, 6, 7, 7)

    def convolve(layer, x):
        convolution, norm, _ = layer
        x = functional.conv2d(x, convolution.weight, padding=convolution.weight.shape[-1] // 2)
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        x = (x - norm.running_mean[:, None, None]) * scale[:, None, None]
        return (x + norm.bias[:, None, None]).clamp(min=0)

    pooled = functional.unfold(functional.pad(x, (1, 1, 1, 1), value=-1e9), 3)
    pooled = pooled.reshape(2, 6, 9, 7, 7).amax(dim=2)
    expected = torch.cat(
        [
            convolve(block.one, x),
            convolve(block.three[1], convolve(block.three[0], x)),
            convolve(block.five[2], convolve(block.five[1], convolve(block.five[0], x))),
            convolve(block.pool[1], pooled),
        ],
        dim=1,
    )
    assert expected.shape[1] == block.outputs == 14
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_slim_inception_shapes_and_parameters():
    network = SlimInception({"scene": 9, "things": 20}).eval()
    x = torch.zeros(2, 3, 64, 64)
    assert network.feature_map(x).shape == (2, 1024, 8, 8)
    assert network.features(x).shape == (2, 1024)
    assert {name: tuple(y.shape) for name, y in network(x).items()} == {
        "scene": (2, 9),
        "things": (2, 20),
    }

    def layer(inputs, outputs, kernel):  # weights, and scale and shift of the batch norm
        return inputs * outputs * kernel**2 + 2 * outputs

    def block(inputs, one, three, five, pool):
        return (
            layer(inputs, one, 1)
            + layer(inputs, three[0], 1) + layer(three[0], three[1], 3)
            + layer(inputs, five[0], 1) + layer(five[0], five[1], 3) + layer(five[1], five[1], 3)
            + layer(inputs, pool, 1)
        )  # fmt: skip

    expected = (
        layer(3, 32, 3) + layer(32, 64, 3)
        + block(64, 32, (48, 64), (16, 32), 32)
        + block(160, 96, (64, 128), (24, 48), 48)
        + block(320, 128, (96, 192), (32, 64), 64)
        + layer(448 + 2, 1024, 1)  # two channels say where a cell is
        + 1025 * 9 + 1025 * 20
    )  # fmt: skip
    assert sum(p.numel() for p in network.parameters()) == expected


def test_the_pooled_features_tell_where_a_thing_is():
    """Moving the only thing in a frame changes the features, though they are an average."""
    network = SlimInception({}).eval()
    left, right = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    left[..., 24:40, 16:24], right[..., 24:40, 40:48] = 1, 1  # both far from the border
    assert (network.features(left) - network.features(right)).abs().max() > 1e-3


def test_measures_are_learnt_in_units_of_their_spread_and_unknown_ones_left_out():
    targets = {"where": np.array([[1.0, 10], [3, np.nan], [5, 30]], np.float32)}
    scaled = _standardised(targets, targets)["where"]
    assert scaled[:, 0] == pytest.approx([-1.2247, 0, 1.2247], abs=2e-3)
    assert scaled[:, 1] == pytest.approx([-1, np.nan, 1], abs=2e-3, nan_ok=True)
    said = torch.tensor([[0.0, 0], [0, 99], [0, 0]])
    loss = losses({"where": said}, {"where": torch.from_numpy(scaled)})["where"]
    assert loss.item() == pytest.approx(MEASURES * (2 * 1.2247**2 + 2) / 5, rel=5e-3)


def test_folding_batch_norm_changes_no_output_and_not_the_network():
    torch.manual_seed(0)
    network = shake(SlimInception({"scene": 4})).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    x = torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(folded.features(x), network.eval().features(x), rtol=1e-4, atol=1e-5)


def test_googlenet_pool5_is_torchvisions(torchvision_googlenet):
    """Against torchvision's own path: /255, ImageNet normalisation, transform_input, avgpool."""
    path, network = torchvision_googlenet
    backbone = load_backbone("googlenet", path, sha256=sha256(path), device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    pooled = []
    hook = network.avgpool.register_forward_hook(lambda _m, _i, output: pooled.append(output))
    x = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        network((x - mean[:, None, None]) / deviation[:, None, None])
    hook.remove()
    features = backbone.features(backbone.preprocess(frames))
    assert features.shape == (2, 1024)
    scale = pooled[0].abs().mean()
    torch.testing.assert_close(features / scale, pooled[0].flatten(1) / scale, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in backbone.network.modules())


# -- frames to values


def test_preprocess_scales_to_minus_one_to_one():
    backbone = load_backbone("slim_inception", "random", device="cpu")
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[0, 0, 0] = (255, 51, 204)
    x = backbone.preprocess(frames)
    assert x.shape == (1, 3, 64, 64)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor([1.0, -0.6, 0.6]))
    assert (x[0, :, 1:] == -1).all()


def test_preprocess_resizes_antialiased():
    backbone = load_backbone("slim_inception", "random", device="cpu")
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    frames[:, :, ::2] = 255
    x = backbone.preprocess(frames)
    assert x.shape == (1, 3, 64, 64)
    assert x[..., 2:-2].abs().max() < 0.05


def test_bfloat16_features_are_near_float32():
    frames = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    exact, lower = (
        load_backbone("slim_inception", "random", device="cpu", precision=precision)
        for precision in ("float32", "bfloat16")
    )
    x = exact.preprocess(frames)
    a, b = exact.features(x), lower.features(x)
    assert b.dtype == torch.float32
    assert not torch.equal(a, b)
    assert (a - b).abs().mean() < 0.01 * a.std()


# -- files of weights


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_slim_inception_is_read_back(tmp_path):
    path = tmp_path / "slim.safetensors"
    network = save_slim(path)
    backbone = load_backbone("slim_inception", path, sha256=sha256(path)[:12], device="cpu")
    assert backbone.weights == sha256(path)
    assert (backbone.name, backbone.input_size) == ("slim_inception", 64)
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    x = backbone.preprocess(frames)
    with torch.inference_mode():
        expected = network.features(x)
    torch.testing.assert_close(backbone.features(x), expected, rtol=1e-4, atol=1e-5)


def test_random_weights_are_the_same_each_time_and_said_loudly(caplog):
    state = torch.random.get_rng_state()
    first = load_backbone("slim_inception", "random", device="cpu")
    assert "RANDOM weights" in caplog.text
    assert load_backbone("slim_inception", "random", device="cpu").weights == first.weights
    assert first.weights.startswith("random-")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_googlenet_must_be_torchvisions_published_file_unless_told(torchvision_googlenet):
    path, _ = torchvision_googlenet
    message = f"its SHA-256 begins with {sha256(path)[:8]}, expected 1378be20"
    with pytest.raises(InputError, match=message):
        load_backbone("googlenet", path)


def test_missing_googlenet_says_where_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"no file .*none\.pth; get https://"):
        load_backbone("googlenet", tmp_path / "none.pth")
    with pytest.raises(
        InputError, match=r"backbone\.weights: googlenet needs a file of weights; get"
    ):
        check_weights("googlenet", None)
    assert BACKBONES["googlenet"].sha256 in BACKBONES["googlenet"].url


def test_missing_slim_inception_names_the_rule(tmp_path):
    with pytest.raises(InputError, match="run the rule train_backbone"):
        load_backbone("slim_inception", tmp_path / "none.safetensors")


def test_unknown_backbone():
    with pytest.raises(InputError, match=r"backbone\.name: 'vgg' is not one of slim_inception"):
        load_backbone("vgg", "random")


@pytest.mark.parametrize("digits", ["1234567", "not a hash", "0" * 65])
def test_a_hash_that_is_none(tmp_path, digits):
    path = tmp_path / "slim.safetensors"
    save_slim(path)
    with pytest.raises(InputError, match="is not 8 to 64 hexadecimal digits"):
        load_backbone("slim_inception", path, sha256=digits)


def test_other_architecture(tmp_path, torchvision_googlenet):
    path = tmp_path / "slim.safetensors"
    save_slim(path, architecture="vgg")
    with pytest.raises(InputError, match="its metadata say architecture 'vgg'"):
        load_backbone("slim_inception", path)
    with pytest.raises(InputError, match=r"not weights of googlenet: lacks conv1\.bn\.bias and"):
        load_backbone("googlenet", path, sha256=sha256(path))
    with pytest.raises(InputError, match="not weights of slim_inception"):
        load_backbone("slim_inception", torchvision_googlenet[0])


def test_other_shape(tmp_path):
    path = tmp_path / "slim.safetensors"
    tensors = save_slim(path).state_dict()
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    tensors["last.0.weight"] = torch.zeros(1024, 400, 1, 1)
    safetensors.torch.save_file(tensors, path, metadata=metadata)
    with pytest.raises(InputError, match=r"last\.0\.weight is \[1024, 400, 1, 1\] in it"):
        load_backbone("slim_inception", path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_files(tmp_path, torchvision_googlenet, suffix, damage):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        content = torchvision_googlenet[0].read_bytes()
    else:
        save_slim(path)
        content = path.read_bytes()
    changed = {"cut": content[: len(content) // 2], "text": b"hello " * 99, "empty": b""}[damage]
    path.write_bytes(changed)
    with pytest.raises(InputError, match="not a whole file of weights"):
        load_backbone("googlenet", path, sha256=sha256(path))


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    path = tmp_path / "evil.pth"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(InputError, match="not a whole file of weights"):
        load_backbone("googlenet", path, sha256=sha256(path))


def test_precision_and_device_names():
    with pytest.raises(InputError, match="precision: 'half' is not one of auto"):
        load_backbone("slim_inception", "random", precision="half")
    with pytest.raises(InputError, match="float16 is for inference on a GPU"):
        load_backbone("slim_inception", "random", device="cpu", precision="float16")
    with pytest.raises(InputError, match="device: 'tpu' is not one of"):
        load_backbone("slim_inception", "random", device="tpu")
