"""Grad-CAM and recurrent Grad-CAM: against captum and a literal loop over eqs. 1 and 2."""

import copy

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from seewhy.errors import InputError
from seewhy.gradcam.recurrent import gradients_at_features, recurrent_grad_cam
from seewhy.grounding.networks import VGGShape, vgg_action_network

CLIPS, T, SIZE = 3, 5, 16
RELU_OF = {"conv2": 6, "conv2_1": 4, "conv1": 1}  # place in network.cnn.features, without norms
RELU_OF_NORMED = {"conv2": 9, "conv2_1": 6, "conv1": 2}


def a_network(*, hidden=12, lags=(1,), batch_norm=False):
    torch.manual_seed(0)
    shape = VGGShape(groups=((6,), (8, 8)), linear=(24,), size=SIZE, batch_norm=batch_norm)
    network = vgg_action_network(shape, ["a", "b", "c"], hidden=hidden, lags=lags).double()
    if hidden:
        nn.init.normal_(network.lstm.weight_hh, std=0.4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if trained
            nn.init.normal_(module.weight, 1, 0.3), nn.init.normal_(module.bias, 0, 0.3)
            module.running_mean.normal_(0, 0.3), module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(1)
    shape = CLIPS, T, 3, SIZE, SIZE
    return torch.randn(shape, dtype=torch.float64, generator=generator)


class Folded(nn.Module):
    """An action network as captum takes it: frames in the batch, the scores of one output time."""

    def __init__(self, network, time=None):
        super().__init__()
        self.network, self.time = network, time

    def forward(self, x):
        scores = self.network(x.unflatten(0, (CLIPS, T)))
        return scores.flatten(0, 1) if self.time is None else scores[:, self.time]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("layer", list(RELU_OF))
@pytest.mark.parametrize("time", [2, T - 1])
def test_an_lrcn_agrees_with_captum(frames, layer, time, batch_norm):
    network = a_network(batch_norm=batch_norm)
    places = RELU_OF_NORMED if batch_norm else RELU_OF
    method = LayerGradCam(Folded(network, time), network.cnn.features[places[layer]])
    for relu in (True, False):
        theirs = method.attribute(frames.flatten(0, 1), [2, 0, 1], relu_attributions=relu)
        own = recurrent_grad_cam(
            network, frames, [2, 0, 1], layer=layer, output_time=time, relu=relu
        )
        torch.testing.assert_close(
            own, theirs[:, 0].detach().unflatten(0, (CLIPS, T)), atol=1e-6, rtol=0
        )
        assert own.abs().max() > 1e-3


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_cnn_agrees_with_captum(frames, batch_norm):
    network = a_network(hidden=0, batch_norm=batch_norm)
    places = RELU_OF_NORMED if batch_norm else RELU_OF
    method = LayerGradCam(Folded(network), network.cnn.features[places["conv2"]])
    theirs = method.attribute(frames.flatten(0, 1), 1, relu_attributions=True)
    own = recurrent_grad_cam(network, frames, "b")
    torch.testing.assert_close(own, theirs[:, 0].detach().unflatten(0, (CLIPS, T)))
    assert own.max() > 1e-3


def literal(network, clip, c, place):
    """Eqs. 1 and 2 for every t' and t of one clip, a gradient, a map and a pixel at a time."""
    a = network.cnn.features[: place + 1](clip).detach().requires_grad_()  # [T, K, h, w]
    above = network.cnn.features[place + 1 :](a).flatten(1)
    y = network.classify(network.cnn.classifier(above)[None])[0]
    length, maps, height, width = a.shape
    result = torch.zeros(length, length, height, width, dtype=a.dtype)
    for t_out in range(length):
        (slope,) = torch.autograd.grad(y[t_out, c], a, retain_graph=True)
        for t in range(length):
            heat = torch.zeros(height, width, dtype=a.dtype)
            for k in range(maps):
                beta = sum(slope[t, k, i, j] for i in range(height) for j in range(width))
                heat = heat + beta / (height * width) * a[t, k].detach()
            result[t_out, t] = heat.clamp(min=0)
    return result


def test_all_pairs_are_the_equations(frames):
    network = a_network(lags=(1, 3))
    own = recurrent_grad_cam(network, frames, ["a", "c", "b"], output_time="all pairs")
    assert own.shape == (CLIPS, T, T, 8, 8)
    for clip, c in enumerate((0, 2, 1)):
        expected = literal(network, frames[clip], c, RELU_OF["conv2"])
        torch.testing.assert_close(own[clip], expected, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("relu", [True, False])
def test_all_pairs_agree_with_single_calls_and_keep_to_causality(frames, relu):
    network = a_network(batch_norm=True)
    together = recurrent_grad_cam(network, frames, "b", output_time="all pairs", relu=relu)
    for time in range(T):
        single = recurrent_grad_cam(network, frames, "b", output_time=time, relu=relu)
        assert single.shape == (CLIPS, T, 8, 8)
        torch.testing.assert_close(together[:, time], single, atol=1e-12, rtol=1e-9)
        assert (single[:, time + 1 :] == 0).all()
        assert single[:, : time + 1].abs().amax(dim=(0, 2, 3)).min() > 0
    last = recurrent_grad_cam(network, frames, "b", relu=relu)
    assert torch.equal(last, single)
    changed = frames.clone()
    changed[:, 3:] = 0  # what comes later changes nothing
    again = recurrent_grad_cam(network, changed, "b", output_time=2, relu=relu)
    torch.testing.assert_close(again, together[:, 2], atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("batch", [1, 4, 11, 1000])
@pytest.mark.parametrize("hidden", [0, 12])
def test_maps_do_not_hang_on_the_batch(frames, batch, hidden):
    network = a_network(hidden=hidden, lags=())
    expected = recurrent_grad_cam(network, frames, [0, 1, 2])
    found = recurrent_grad_cam(network, frames, [0, 1, 2], batch=batch)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-9)


def test_linear_layers_are_pictures_of_one_pixel(frames):
    network = a_network(lags=())
    own = recurrent_grad_cam(network, frames, "a", layer="fc3", relu=False)
    features = network.encode(frames).detach()
    slope = gradients_at_features(network, features, torch.zeros(CLIPS, dtype=int), [T - 1])[0]
    torch.testing.assert_close(own[..., 0, 0], (features * slope).sum(2))
    assert own.shape == (CLIPS, T, 1, 1)


def test_the_network_is_left_as_it_was_found(frames):
    network = a_network(batch_norm=True).train()
    network.cnn.features[1].eval()
    network.classifier.bias.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    wanted = {name: p.requires_grad for name, p in network.named_parameters()}
    modes = {name: module.training for name, module in network.named_modules()}
    frames.requires_grad_()
    maps = recurrent_grad_cam(network, frames, "c", output_time="all pairs")
    assert not maps.requires_grad
    assert frames.grad is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert wanted == {name: p.requires_grad for name, p in network.named_parameters()}
    assert modes == {name: module.training for name, module in network.named_modules()}
    assert all(p.grad is None for p in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_the_cnn_runs_once_whatever_is_asked(frames, monkeypatch):
    passed = []
    run = nn.functional.conv2d
    monkeypatch.setattr(
        nn.functional, "conv2d", lambda x, *rest: passed.append(len(x)) or run(x, *rest)
    )
    recurrent_grad_cam(a_network(), frames, "a", output_time="all pairs", batch=2 * T)
    assert sum(passed) == 3 * CLIPS * T  # three convolutions
    assert max(passed) == 2 * T
    passed.clear()
    recurrent_grad_cam(a_network(), frames, "a", output_time=1)
    assert sum(passed) == 3 * CLIPS * 2  # nothing after the output time


def test_what_is_asked_for_must_be_there(frames):
    network = a_network()
    for options, message in [
        ({"action": "d"}, "action 'd' is not one of a, b, c"),
        ({"action": "a", "output_time": T}, "output time 5 is not one of 0 … 4, 'last', 'all"),
        ({"action": "a", "output_time": -1}, "output time -1 is not one of"),
        ({"action": "a", "output_time": "first"}, "output time 'first' is not one of"),
        ({"action": "a", "layer": "conv7"}, "layer 'conv7' is not one of conv1_1"),
    ]:
        with pytest.raises(InputError, match=message):
            recurrent_grad_cam(network, frames, **options)
    with pytest.raises(InputError, match="output time 2: the network has no LSTM"):
        recurrent_grad_cam(a_network(hidden=0), frames, "a", output_time=2)
