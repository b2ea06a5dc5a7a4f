"""Excitation backprop through a CNN: against literal loops, zennit, and its invariants."""

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.errors import InputError
from seewhy.grounding.chain import Chain
from seewhy.grounding.excitation import PositiveWeights, excite, excite_step, share
from seewhy.grounding.maps import ground_action
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network


def small(seed=0, bias=True, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=bias), nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(8 * 16, 12, bias=bias), nn.ReLU(),
    ).to(dtype)  # fmt: skip


def literal_linear(a, w, p):
    """Eqs. 1 and 3, a neuron at a time."""
    result = np.zeros_like(a)
    for j in range(w.shape[0]):
        z = sum(a[i] * w[j, i] for i in range(len(a)) if w[j, i] >= 0)
        for i in range(len(a)):
            if w[j, i] >= 0 and z > 0:
                result[i] += a[i] * w[j, i] / z * p[j]
    return result


def literal_convolution(a, w, p, padding):
    """The same, with the weights of a convolution [out, in, k, k] without stride."""
    result = np.zeros_like(a)
    _, height, width = p.shape
    k = w.shape[2]
    for j in range(w.shape[0]):
        for y in range(height):
            for x in range(width):
                children = [
                    ((i, y + dy - padding, x + dx - padding), w[j, i, dy, dx])
                    for i in range(w.shape[1]) for dy in range(k) for dx in range(k)
                    if 0 <= y + dy - padding < a.shape[1] and 0 <= x + dx - padding < a.shape[2]
                    and w[j, i, dy, dx] >= 0
                ]  # fmt: skip
                z = sum(a[place] * weight for place, weight in children)
                for place, weight in children:
                    if z > 0:
                        result[place] += a[place] * weight / z * p[j, y, x]
    return result


def test_a_linear_layer_is_the_literal_sum():
    rng = np.random.default_rng(0)
    layer = nn.Linear(5, 4).double()
    a, p = rng.random(5), rng.normal(size=4)
    step = Chain(nn.Sequential(layer, nn.ReLU())).steps[0]
    got = excite_step(step, torch.tensor(a)[None], torch.tensor(p)[None], PositiveWeights())
    np.testing.assert_allclose(
        got[0].numpy(), literal_linear(a, layer.weight.detach().numpy(), p), atol=1e-12
    )


@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_is_the_literal_sum(padding):
    rng = np.random.default_rng(1)
    layer = nn.Conv2d(2, 3, 3, padding=padding).double()
    a = rng.random((2, 5, 6)) * (rng.random((2, 5, 6)) > 0.3)
    p = rng.normal(size=(3, 3 + 2 * padding, 4 + 2 * padding))
    step = Chain(nn.Sequential(layer, nn.ReLU())).steps[0]
    got = excite_step(step, torch.tensor(a)[None], torch.tensor(p)[None], PositiveWeights())
    expected = literal_convolution(a, layer.weight.detach().numpy(), p, padding)
    np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"}, {"padding": 1, "padding_mode": "replicate"},
        {"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 2},
    ],
)  # fmt: skip
def test_every_kind_of_convolution_keeps_the_sum(options):
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, **options).double()
    a = torch.rand(2, 4, 9, 9, dtype=torch.float64)
    p = torch.rand_like(layer(a))
    step = Chain(nn.Sequential(layer, nn.ReLU())).steps[0]
    got = excite_step(step, a, p, PositiveWeights())
    torch.testing.assert_close(got.sum((1, 2, 3)), p.sum((1, 2, 3)))
    assert (got >= 0).all()


def test_pools_hand_on_as_they_should():
    a = torch.tensor([[[[1.0, 3.0], [0.0, 4.0]]]])
    one = torch.ones(1, 1, 1, 1)
    average = Chain(nn.Sequential(nn.AvgPool2d(2))).steps[0]
    assert excite_step(average, a, one, PositiveWeights()).flatten().tolist() == [
        0.125, 0.375, 0, 0.5
    ]  # fmt: skip
    largest = Chain(nn.Sequential(nn.MaxPool2d(2))).steps[0]
    assert excite_step(largest, a, one, PositiveWeights()).flatten().tolist() == [0, 0, 0, 1]
    adaptive = Chain(nn.Sequential(nn.AdaptiveAvgPool2d(1))).steps[0]
    assert excite_step(adaptive, a, one, PositiveWeights()).flatten().tolist()[3] == 0.5


def test_what_nothing_excites_hands_nothing_on():
    assert share(torch.ones(2), torch.tensor([0.0, 2.0])).tolist() == [0, 0.5]


@pytest.mark.parametrize("layer", ["conv1_1", "conv1_2", "pool1", "conv2", "pool2"])
def test_zennit_gives_the_same_maps(layer):
    import_torchvision()  # zennit imports it
    from zennit.composites import ExcitationBackprop

    cnn = small()
    torch.manual_seed(1)
    classifier = nn.Linear(12, 5).double()
    network = ActionNetwork(cnn, classifier, size=16, scale="-1..1")
    frames = torch.randn(2, 3, 3, 16, 16, dtype=torch.float64)
    own = ground_action(network, frames, 2, method="EB", layer=layer)

    chain = Chain(cnn)
    place = chain.place(layer)
    modules = list(cnn)
    last = modules.index(chain.steps[place].layer)
    last += chain.steps[place].rectified
    lower, upper = nn.Sequential(*modules[: last + 1]), [*modules[last + 1 :], classifier]
    a = lower(frames.flatten(0, 1)).detach().requires_grad_()
    composite = ExcitationBackprop(zero_params=["bias"], stabilizer=1e-20)
    with composite.context(nn.Sequential(*upper)) as changed:
        y = changed(a)
        (theirs,) = torch.autograd.grad(y, a, torch.eye(5, dtype=torch.float64)[[2] * len(y)])
    theirs = theirs.sum(1).unflatten(0, (2, 3))
    torch.testing.assert_close(own, theirs, atol=1e-6, rtol=1e-6)


def test_contrast_is_the_difference_of_a_class_and_its_dual():
    cnn = small()
    torch.manual_seed(1)
    classifier = nn.Linear(12, 5).double()
    dual = nn.Linear(12, 5).double()
    with torch.no_grad():
        dual.weight.copy_(-classifier.weight)
    frames = torch.randn(2, 3, 3, 16, 16, dtype=torch.float64)
    options = {"action": 1, "layer": "conv1_2"}
    a = ActionNetwork(cnn, classifier, size=16, scale="-1..1")
    b = ActionNetwork(cnn, dual, size=16, scale="-1..1")
    eb = [ground_action(one, frames, method="EB", **options) for one in (a, b)]
    torch.testing.assert_close(
        ground_action(a, frames, method="cEB", **options), eb[0] - eb[1], atol=1e-12, rtol=0
    )


def test_maps_sum_to_one_and_to_nothing_in_each_frame():
    network = ActionNetwork(small(bias=False), nn.Linear(12, 5).double(), size=16, scale="-1..1")
    frames = torch.randn(2, 3, 3, 16, 16, dtype=torch.float64)
    eb = ground_action(network, frames, [0, 4], method="EB", layer="conv1_1")
    assert eb.shape == (2, 3, 16, 16)
    assert (eb >= 0).all()
    torch.testing.assert_close(eb.sum((2, 3)), torch.ones(2, 3, dtype=torch.float64))
    contrast = ground_action(network, frames, [0, 4], method="cEB", layer="conv1_1")
    assert contrast.sum((2, 3)).abs().max() < 1e-12
    assert contrast.min() < 0


def test_batch_norm_is_folded_and_the_network_left_as_it_was():
    torch.manual_seed(0)
    network = vgg_action_network(VGGShape(groups=((4,), (6, 6)), linear=(8,), size=16), "abc")
    network.train()
    network.classifier.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(-1, 1)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    wanted = [p.requires_grad for p in network.parameters()]
    frames = torch.randn(2, 3, 3, 16, 16)
    for method in ("EB", "cEB", "BP"):
        ground_action(network, frames, "b", method=method)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert network.training
    assert all(module.training for module in network.modules())
    assert wanted == [p.requires_grad for p in network.parameters()]
    assert all(p.grad is None for p in network.parameters())
    network.eval()
    out, kept = Chain(network.cnn)(frames.flatten(0, 1), keep=0)
    torch.testing.assert_close(out, network.cnn(frames.flatten(0, 1)), atol=1e-5, rtol=1e-5)
    assert len(kept) == len(Chain(network.cnn).steps) - 1


def test_layers_have_vggs_names():
    with torch.device("meta"):
        vgg = import_torchvision().models.vgg16()
    names = Chain(vgg).names
    assert [n for n in names if n.startswith("conv5")] == ["conv5_1", "conv5_2", "conv5_3"]
    assert names[-3:] == ["fc6", "fc7", "fc8"]
    assert "pool5" in names
    assert Chain(vgg).place("conv5") == names.index("conv5_3")


def test_weights_that_changed_are_clamped_anew():
    positive, weight = PositiveWeights(), nn.Parameter(torch.tensor([-1.0, 2.0]))
    assert positive(weight).tolist() == [0, 2]
    assert positive(weight) is positive(weight)
    with torch.no_grad():
        weight.neg_()
    assert positive(weight).tolist() == [1, 0]
    weight.data.neg_()  # PyTorch itself does not notice
    assert positive(weight).tolist() == [0, 2]
    weight.data.copy_(torch.tensor([2.0, -1.0]))  # nor that they changed places
    assert positive(weight).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("cnn", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()), "layer 1: Tanh is not supported"),
        (nn.Sequential(nn.Sequential(nn.LSTM(3, 4))), "layer 0.0: LSTM is not supported"),
        (nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), "layer 0: BatchNorm2d can only be"),
        (nn.Sequential(), "the CNN has no layer"),
    ],
)
def test_layers_that_cannot_be_passed_are_refused_by_name(cnn, message):
    with pytest.raises(InputError, match=message):
        Chain(cnn)


def test_activations_below_nought_are_refused():
    cnn = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 3), nn.ReLU()
    )
    network = ActionNetwork(cnn, nn.Linear(3, 2), size=6)
    frames = torch.zeros(1, 1, 3, 6, 6)
    with pytest.raises(InputError, match="layer conv1_2: no ReLU follows it"):
        ground_action(network, frames, 0)
    with pytest.raises(InputError, match="layer 'conv9' is not one of conv1_1, conv1_2, flatten"):
        ground_action(network, frames, 0, layer="conv9")
    pooled = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    with pytest.raises(InputError, match="layer pool0_again: what it gives can be negative"):
        ground_action(ActionNetwork(pooled, nn.Linear(4, 2)), frames, 0, layer="pool0_again")


def test_zeros_do_not_become_numbers_that_are_none():
    network = ActionNetwork(small(bias=False), nn.Linear(12, 5).double(), size=16, scale="-1..1")
    frames = torch.zeros(1, 2, 3, 16, 16, dtype=torch.float64)
    for method in ("EB", "cEB"):
        assert (ground_action(network, frames, 0, method=method) == 0).all()


def test_excite_takes_what_the_chain_kept():
    cnn = small()
    chain = Chain(cnn)
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    y, kept = chain(x, keep=chain.place("fc3"))
    assert kept == []
    assert excite(chain, kept, y, positive=PositiveWeights()) is y
