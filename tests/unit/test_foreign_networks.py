"""Networks, frames and classes as people bring them: the right result, or one clear line.

Every entry point is tried: excitation backprop, gradients, Grad-CAM, dissection, paths, ablations,
summaries. What is the same network in another form must give the same maps; what is another network
than it looks must be refused by name. Either way it is left as it was.
"""

import copy

import h5py
import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn
from torch.nn import functional

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.device import choose_device
from seewhy.dissection.ablation import ablation_check
from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.dissect import How, dissect_layer
from seewhy.dissection.networks import Scaling
from seewhy.dissection.paths import explain_decision
from seewhy.errors import InputError
from seewhy.gradcam.recurrent import recurrent_grad_cam
from seewhy.grounding.caption_guided import caption_guided_saliency
from seewhy.grounding.chain import Chain
from seewhy.grounding.maps import ground_action, ground_word
from seewhy.grounding.methods import Method
from seewhy.grounding.networks import (
    ActionNetwork,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.grounding.relu_lstm import ReluLSTM
from seewhy.summaries.activations import feature_maps, load_activations, read_activations

SIZE, CLIPS, T = 16, 2, 3


def a_cnn(*, relu=nn.ReLU, second=None, after=(), norm=False):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), *([nn.BatchNorm2d(8)] if norm else []), relu()]
    layers += [*after, nn.MaxPool2d(2), second or nn.Conv2d(8, 8, 3, padding=1), relu()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 12), relu())


def a_network(cnn=None, *, recurrent=True):
    cnn = a_cnn() if cnn is None else cnn
    torch.manual_seed(1)
    lstm = ReluLSTM(12, 7) if recurrent else None
    classes = ["clap", "jump", "wave", "walk", "run"]
    return ActionNetwork(
        cnn, nn.Linear(7 if recurrent else 12, 5), lstm, classes=classes, size=SIZE,
        scale="-1..1",
    )  # fmt: skip


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(CLIPS, T, 3, SIZE, SIZE, generator=generator)


WAYS = {
    "EB": lambda network, frames, action=1: ground_action(network, frames, action, method="EB"),
    "cEB": lambda network, frames, action=1: ground_action(network, frames, action),
    "BP": lambda network, frames, action=1: ground_action(network, frames, action, method="BP"),
    "Grad-CAM": lambda network, frames, action=1: recurrent_grad_cam(
        network, frames, action, relu=False
    ),
}
every_way = pytest.mark.parametrize("way", list(WAYS))


def state(network):
    """All that must be as it was."""
    return {
        "modes": [module.training for module in network.modules()],
        "weights": [
            (id(p), p.requires_grad, p.grad, p.dtype, p.device) for p in network.parameters()
        ],
        "values": [p.detach().clone() for p in network.state_dict().values()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()],
        "around": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }  # fmt: skip


def assert_as_it_was(network, before):
    after = state(network)
    for values in (before, after):
        values["values"] = [value.float().nan_to_num().sum().item() for value in values["values"]]
    assert after == before


def assert_same(found, expected, within=1e-5):
    assert found.shape == expected.shape
    assert expected.abs().max() > 0
    assert float((found - expected).abs().max() / expected.abs().max()) <= within


# The same network and frames in other forms.

FORMS = {
    "float64 frames": lambda n, x: (n, x.double()),
    "NumPy frames": lambda n, x: (n, x.numpy()),
    "NumPy float64": lambda n, x: (n, x.double().numpy()),
    "NumPy of negative strides": lambda n, x: (n, np.ascontiguousarray(x.numpy()[::-1])[::-1]),
    "NumPy of foreign byte order": lambda n, x: (n, x.numpy().astype(">f4")),
    "lists": lambda n, x: (n, x.tolist()),
    "frames that are not contiguous": lambda n, x: (
        n, x.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    ),
    "frames with a gradient": lambda n, x: (n, x.clone().requires_grad_()),
    "in train mode": lambda n, x: (n.train(), x),
    "frozen weights": lambda n, x: (n.requires_grad_(False), x),
    "DataParallel": lambda n, x: (nn.DataParallel(n), x),
    "DataParallel CNN": lambda n, x: (setattr(n, "cnn", nn.DataParallel(n.cnn)), (n, x))[1],
    "compiled": lambda n, x: (torch.compile(n, backend="eager"), x),
    "compiled CNN": lambda n, x: (
        setattr(n, "cnn", torch.compile(n.cnn, backend="eager")), (n, x)
    )[1],
    "compiled in place": lambda n, x: (n.cnn.compile(backend="eager"), (n, x))[1],
    "an averaged model": lambda n, x: (torch.optim.swa_utils.AveragedModel(n), x),
    "a hook that looks on": lambda n, x: (
        n.cnn[3].register_forward_hook(lambda *_: None), (n, x)
    )[1],
}  # fmt: skip


@every_way
@pytest.mark.parametrize("form", list(FORMS))
def test_the_same_in_another_form_gives_the_same(frames, way, form):
    expected = WAYS[way](a_network().eval(), frames)
    network, given = FORMS[form](a_network().eval(), frames)
    before = state(network)
    found = WAYS[way](network, given)
    assert not found.requires_grad
    assert_same(found, expected)
    assert_as_it_was(network, before)


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@every_way
@pytest.mark.parametrize("made_inside", [False, True])
@pytest.mark.parametrize("context", list(CONTEXTS))
def test_the_callers_context_changes_nothing(frames, way, context, made_inside):
    expected = WAYS[way](a_network(), frames)
    network = a_network()
    with CONTEXTS[context]():
        if made_inside:
            network, frames = a_network(), frames * 1
        before = state(network)
        found = WAYS[way](network, frames)
        assert_as_it_was(network, before)
    assert_same(found, expected)


@every_way
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_explained_in_float32(frames, way, dtype):
    network = a_network()
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.to(dtype))
        network.classifier.weight *= 2.0**-12  # gradients below the least number of float16
    frames = frames.to(dtype).float()
    expected = WAYS[way](network, frames)
    half = copy.deepcopy(network).to(dtype)
    before = state(half)
    found = WAYS[way](half, frames.to(dtype))
    assert found.dtype == torch.float32
    assert_same(found, expected, within=1e-3)
    assert_as_it_was(half, before)


@every_way
def test_networks_of_float64_take_frames_of_float32(frames, way):
    found = WAYS[way](a_network().double(), frames)
    assert found.dtype == torch.float64
    assert_same(found.float(), WAYS[way](a_network(), frames), within=1e-4)


@every_way
def test_pixels_of_uint8_are_preprocessed(way):
    pixels = np.random.default_rng(0).integers(0, 256, (CLIPS, T, 20, 18, 3), np.uint8)
    network = a_network()
    expected = WAYS[way](network, network.preprocess(pixels))
    assert_same(WAYS[way](network, pixels), expected)
    assert_same(WAYS[way](network, torch.from_numpy(pixels).movedim(-1, 2)), expected)


@every_way
@pytest.mark.parametrize(
    "action",
    [
        2, "wave", np.int64(2), np.uint8(2), torch.tensor(2), np.array(2), [2, 2], ("wave", 2),
        np.array([2, 2]), torch.tensor([2, 2]), [np.int64(2), torch.tensor(2)],
        np.array(["wave", "wave"]),
    ],
    ids=repr,
)  # fmt: skip
def test_classes_may_be_given_in_many_ways(frames, way, action):
    network = a_network()
    assert torch.equal(WAYS[way](network, frames, action), WAYS[way](network, frames, "wave"))


LAYERS = {
    "in-place ReLU": lambda: a_cnn(relu=lambda: nn.ReLU(inplace=True)),
    "a parametrisation": lambda: a_cnn(
        second=nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1))
    ),
    "an older weight norm": lambda: a_cnn(
        second=nn.utils.weight_norm(nn.Conv2d(8, 8, 3, padding=1))
    ),
    "spectral norm": lambda: a_cnn(
        second=nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 8, 3, padding=1))
    ),
}


def plain(cnn):
    """The same with the weights that count, and nothing done in place."""
    made = a_cnn()
    for own, other in zip(made, cnn, strict=True):
        if hasattr(own, "weight"):
            own.weight = nn.Parameter(other.weight.detach().clone())
            own.bias = nn.Parameter(other.bias.detach().clone())
    return made


@every_way
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("layers", list(LAYERS))
def test_layers_of_other_forms_give_the_same(frames, way, layers):
    network = a_network(LAYERS[layers]()).eval()
    with torch.no_grad():
        network(frames)
    before = state(network)
    found = WAYS[way](network, frames)
    assert_same(found, WAYS[way](a_network(plain(network.cnn)), frames))
    assert_as_it_was(network, before)


def test_batch_norm_is_folded_by_the_weights_that_count(frames):
    """A parametrised convolution under a batch norm: fused as it is, its weights would be normed
    twice.
    """
    normed = a_cnn(norm=True)
    normed[0] = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3, padding=1))
    normed[1].weight.data.uniform_(0.5, 3), normed[1].running_var.uniform_(0.5, 2)
    normed.eval()
    with torch.no_grad():
        for _ in range(20):
            normed.train()(frames.flatten(0, 1))
        normed.eval()
        expected = normed(frames.flatten(0, 1))
    found, _ = Chain(normed)(frames.flatten(0, 1))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_relu_that_stands_in_many_places_is_run_in_each(frames):
    relu = nn.ReLU()
    cnn = a_cnn(relu=lambda: relu)
    assert Chain(cnn).names == ["conv1_1", "pool1", "conv2_1", "pool2", "flatten", "fc3"]
    for way, explain in WAYS.items():
        assert_same(explain(a_network(cnn), frames), explain(a_network(), frames))
        assert way


# What cannot be explained.

NOT_FINITE = "frames .* values that are not finite"
FRAMES = {
    "NaN": (lambda x: x.index_fill(3, torch.tensor([0]), torch.nan), NOT_FINITE),
    "infinite": (lambda x: x.index_fill(1, torch.tensor([2]), -torch.inf), NOT_FINITE),
    "too large for float32": (lambda x: x.double() * 1e300, NOT_FINITE),
    "no clips": (lambda x: x[:0], "frames .0, 3, 3, 16, 16. have no pixel"),
    "no frames": (lambda x: x[:, :0], "have no pixel"),
    "one clip": (lambda x: x[0], r"frames \[3, 3, 16, 16\] are not .*; one clip is frames\[None"),
    "channels last": (lambda x: x.movedim(2, -1), r"their 3 channels last; give .*permute"),
    "another number of channels": (lambda x: x[:, :, :2], "the CNN|network cannot run on .*chan"),
    "too small": (lambda x: x[..., :1, :1], "cannot run on .*give what it was made for"),
    "whole numbers": (lambda x: x.long(), "neither of floating point nor pixels of uint8"),
    "text": (lambda x: "wave.mp4", "frames"),
    "nothing": (lambda x: None, "frames"),
    "pixels of one channel": (lambda x: np.zeros((1, 2, 16, 16, 1), np.uint8), "are not uint8"),
}


@every_way
@pytest.mark.parametrize("kind", list(FRAMES))
def test_frames_that_cannot_be_read_are_refused(frames, way, kind):
    change, message = FRAMES[kind]
    network = a_network().train()
    before = state(network)
    with pytest.raises(InputError, match=message):
        WAYS[way](network, change(frames))
    assert_as_it_was(network, before)


@every_way
@pytest.mark.parametrize(
    ("action", "message"),
    [
        (-1, "class -1 is not one of 0 … 4"),
        (5, "class 5 is not one of 0 … 4"),
        (np.int64(5), "class 5 is not one of 0 … 4"),
        (1.0, r"action 1\.0 is neither a name nor a whole number"),
        (True, "action True is neither"),
        (None, "action None is neither"),
        (b"wave", "action b'wave' is neither"),
        (torch.tensor([1.0, 2.0]), r"class 1\.0 is neither a name nor a whole number"),
        ("waves", "action 'waves' is not one of clap, jump, wave, walk, run"),
        ([1], "1 actions for 2 clips"),
        ([], "0 actions for 2 clips"),
        ([[1, 1], [1, 1]], "class .1, 1. is neither"),
    ],
)
def test_classes_that_there_are_not_are_refused(frames, way, action, message):
    network = a_network()
    before = state(network)
    with pytest.raises(InputError, match=message):
        WAYS[way](network, frames, action)
    assert_as_it_was(network, before)


def test_among_many_classes_the_nearest_are_named(frames):
    network = a_network(recurrent=False)
    network.classifier = nn.Linear(12, 40)
    network.classes = [f"verb {k}" for k in range(39)] + ["waving"]
    with pytest.raises(InputError, match=r"not one of the network's 40 classes; give .* waving"):
        ground_action(network, frames, "wavin")
    network.classes = []
    with pytest.raises(InputError, match="classes have no names; give its number"):
        recurrent_grad_cam(network, frames, "waving")


def lazy():
    cnn = a_cnn()
    cnn[0] = nn.LazyConv2d(8, 3, padding=1)
    return a_network(cnn)


def without_statistics():
    cnn = a_cnn(norm=True)
    cnn[1] = nn.BatchNorm2d(8, track_running_stats=False)
    return a_network(cnn)


def filled(value):
    network = a_network()
    network.cnn[3].weight.data.fill_(value)
    return network


NETWORKS = {
    "lazy": (lazy, "weight 'cnn.0.weight' has no size yet"),
    "on the device meta": (lambda: a_network().to("meta"), "on the device meta and has no values"),
    "batch norm of the batch": (without_statistics, "cnn.1: BatchNorm2d has no running statistics"),
    "NaN among the weights": (lambda: filled(torch.nan), "not finite; look at the weights"),
    "an LSTM of another width": (
        lambda: ActionNetwork(a_cnn(), nn.Linear(7, 5), ReluLSTM(9, 7), size=SIZE),
        "LSTM|above the CNN cannot run|network cannot run",
    ),
    "a classifier of another width": (
        lambda: ActionNetwork(a_cnn(), nn.Linear(9, 5), size=SIZE),
        "classifier reads 9 numbers, and is given 12|cannot run",
    ),
    "features that are maps": (
        lambda: ActionNetwork(a_cnn()[:5], nn.Linear(8, 5), size=SIZE),
        r"the CNN gives \[(6, )?8, 8, 8\] for|the network gives \[2, 3, 8, 8, 5\] for",
    ),
    "no network": (lambda: nn.Conv2d, "not ActionNetwork|no torch.nn.Module"),
}  # fmt: skip


@every_way
@pytest.mark.parametrize("kind", list(NETWORKS))
def test_networks_that_cannot_run_are_refused(frames, way, kind):
    make, message = NETWORKS[kind]
    network = make()
    with pytest.raises(InputError, match=message):
        WAYS[way](network, frames)
    if kind == "lazy":
        assert network.cnn[0].has_uninitialized_params()
    elif isinstance(network, nn.Module) and kind != "on the device meta":
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
        assert all(module.training for module in network.modules())


@pytest.mark.parametrize("explain", [ground_action, recurrent_grad_cam])
@pytest.mark.parametrize("batch", [0, -1, 2.0, None])
def test_batches_are_whole_numbers(frames, explain, batch):
    with pytest.raises(InputError, match=r"batch .* must be a whole number, 1 or more"):
        explain(a_network(), frames, 1, batch=batch)


# Networks that are not the chain that they look like.


class Residual(nn.Sequential):
    """A residual block as some write it."""

    def forward(self, x):
        return functional.relu(x + super().forward(x))


class Normalising(nn.Module):
    """Laid out as torchvision's VGG, with its own way of normalising."""

    def __init__(self):
        super().__init__()
        layers = list(a_cnn())
        self.features, self.avgpool = nn.Sequential(*layers[:5]), layers[5]
        self.classifier = nn.Sequential(*layers[7:])

    def forward(self, x):
        x = (x - 0.2) / 0.5
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class Scaled(nn.Conv2d):
    """A convolution with standardised weights."""

    def forward(self, x):
        w = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return functional.conv2d(x, w, self.bias, padding=1)


class Shifted(nn.Conv2d):
    """The same by the inner function."""

    def _conv_forward(self, x, weight, bias):
        return functional.conv2d(x, weight + 0.1, bias, padding=1)


class Bent(nn.Sequential):
    """Does something else for bright frames alone, as seen by the sum."""

    def forward(self, x):
        y = super().forward(x)
        return torch.where((x.flatten(1).sum(1) > 0)[:, None], y, y * 1.01)


class Mixing(nn.Sequential):
    """A frame's features depend on the frames that pass with it."""

    def forward(self, x):
        return super().forward(x - x.mean(dim=0, keepdim=True) * (len(x) > 1))


def hooked(place, hook, *, before=False):
    cnn = a_cnn()
    module = cnn[place] if place is not None else cnn
    (module.register_forward_pre_hook if before else module.register_forward_hook)(hook)
    return cnn


def instance_forward():
    cnn = a_cnn()
    cnn[3].forward = lambda x: nn.Conv2d.forward(cnn[3], x) * 2 + 0.1
    return cnn


def there_and_back():
    """Mirrored below the map's layer and back above it: only the map would be wrong."""
    cnn = hooked(3, lambda _, __, y: y.flip(-1))
    cnn[5].register_forward_pre_hook(lambda _, given: (given[0].flip(-1),))
    return cnn


def mirrored_but_the_first(x):
    return torch.cat([x[:1], x[1:].flip(-1)])


def later_frames_there_and_back():
    """The same on all frames but the first of those that pass together."""
    cnn = hooked(3, lambda _, __, y: mirrored_but_the_first(y))
    cnn[5].register_forward_pre_hook(lambda _, given: (mirrored_but_the_first(given[0]),))
    return cnn


def later_frames_around_a_layer():
    """A ReLU of mirrored frames, mirrored back."""
    cnn = hooked(4, lambda _, given: (mirrored_but_the_first(given[0]),), before=True)
    cnn[4].register_forward_hook(lambda _, __, y: mirrored_but_the_first(y))
    return cnn


class InPlace(nn.Sequential):
    """Normalises the frames that it is given where they are."""

    def forward(self, x):
        return super().forward(x.sub_(0.2))


class Tanh(ReluLSTM):
    """An LSTM with tanh, made from the one with ReLU."""

    def _run(self, x, state):
        steps, (h, c) = super()._run(x, state)
        return [(*step[:-1], step[-1].tanh()) for step in steps], (h.tanh(), c)


def skipping():
    cnn = a_cnn()
    cnn.forward = lambda x: nn.Sequential.forward(cnn, x.flip(-1))
    return cnn


OTHER_CNNS = {
    "a residual block": (
        lambda: a_cnn(after=[Residual(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())]),
        "layer 2: Residual does something else than to run its layers one after another",
    ),
    "normalises in forward": (
        Normalising, "layer at the top: Normalising does something else .* as of layer features.0",
    ),
    "a hook on what a layer reads": (
        lambda: hooked(0, lambda _, given: (given[0] * 0.5,), before=True),
        "layer at the top: Sequential does something else .*as of layer 0",
    ),
    "a hook on what a layer gives": (
        lambda: hooked(3, lambda _, __, y: y + 0.1), "layer 3: this Conv2d gives something else",
    ),
    "a hook on a ReLU": (
        lambda: hooked(4, lambda _, __, y: y * (y > 0.2)), "layer 4: this ReLU gives something",
    ),
    "a hook on a pool": (
        lambda: hooked(2, lambda _, __, y: y * 2), "layer 2: this MaxPool2d gives something else",
    ),
    "a hook on the CNN": (
        lambda: hooked(None, lambda _, __, y: y + 0.1), "layer at the top: Sequential does somethi",
    ),
    "weights standardised in forward": (
        lambda: a_cnn(second=Scaled(8, 8, 3, padding=1)), "layer 3: this Scaled gives something el",
    ),
    "another inner function": (
        lambda: a_cnn(second=Shifted(8, 8, 3, padding=1)), "layer 3: this Shifted gives something",
    ),
    "two hooks that undo each other": (there_and_back, "layer 3: this Conv2d gives something else"),
    "two on later frames alone": (
        later_frames_there_and_back, "layer 3: this Conv2d gives something else",
    ),
    "two on later frames around a layer": (
        later_frames_around_a_layer, "layer 4 reads something else than the layer before it gives",
    ),
    "normalises in place": (
        lambda: InPlace(*a_cnn()), "layer at the top: InPlace does something .*as of layer 0",
    ),
    "a forward of its own": (instance_forward, "layer 3: this Conv2d gives something else"),
    "the CNN's forward replaced": (skipping, "layer at the top: Sequential does .*as of layer 0"),
    "some frames alone": (
        lambda: Bent(*a_cnn()), "layer at the top: Bent does something else than to run",
    ),
    "frames mixed": (lambda: Mixing(*a_cnn()), "what it gives for a frame changes with the other"),
}  # fmt: skip


@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize("batch", [2, 64])
@pytest.mark.parametrize("kind", list(OTHER_CNNS))
def test_a_cnn_that_is_no_chain_is_refused_by_name(frames, kind, batch, recurrent):
    make, message = OTHER_CNNS[kind]
    network = a_network(make(), recurrent=recurrent)
    before = state(network)
    for method in ("EB", "cEB"):
        with pytest.raises(InputError, match=message):
            ground_action(network, frames, 1, method=method, batch=batch)
    assert_as_it_was(network, before)


@pytest.mark.parametrize("kind", list(OTHER_CNNS))
def test_so_it_is_by_every_method_that_reads_the_chain(frames, kind):
    make, message = OTHER_CNNS[kind]
    network, target = a_network(make()), torch.tensor([1, 2])
    for name in ("EB-R", "cEB-R", "uniform-R", "activation"):
        with pytest.raises(InputError, match=message):
            Method.parse(name).maps(network, frames, target)
    torch.manual_seed(0)
    sizes = CaptionerSizes(words=9, embedding=4, hidden=6)
    captioner = MeanPoolCaptioner(make(), 12, sizes, size=SIZE)
    asked = captioner, frames, torch.tensor([[1, 4, 5, 2]] * 2), torch.tensor([1, 2])
    for explain in (ground_word, caption_guided_saliency):
        with pytest.raises(InputError, match=message):
            explain(*asked)


@pytest.mark.parametrize("kind", [kind for kind in OTHER_CNNS if kind != "frames mixed"])
def test_gradients_are_those_of_the_network_itself(frames, kind):
    """BP and Grad-CAM take any CNN: against autograd and captum on the very network."""
    network = a_network(OTHER_CNNS[kind][0]()).eval()
    x = frames.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(x)[:, -1, 1].sum(), x)
    assert_same(ground_action(network, frames, 1, method="BP"), slope.abs().amax(dim=2))
    layers = list(network.cnn.children())
    if kind == "normalises in forward":
        layer, asked = network.cnn.features[1], "features.1"
    else:
        layer, asked = layers[1], "1"
    theirs = captum_maps(network, layer, frames, [1, 1])
    own = recurrent_grad_cam(network, frames, 1, layer=asked, relu=False)
    torch.testing.assert_close(own, theirs, atol=1e-6, rtol=0)


def test_frames_that_mix_have_no_recurrent_grad_cam(frames):
    with pytest.raises(InputError, match="features of a frame change with the other frames"):
        recurrent_grad_cam(a_network(Mixing(*a_cnn())), frames, 1)


class Brightened(ActionNetwork):
    """Does something to its frames before all else."""

    def forward(self, frames):
        return super().forward(frames + 0.3)


class Encoded(ActionNetwork):
    """Gives the CNN something else."""

    def encode(self, frames):
        return super().encode(frames.flip(-1))


def head(change, kind=ActionNetwork):
    network = a_network()
    network = kind(network.cnn, network.classifier, network.lstm, size=SIZE)
    change(network)
    return network


HEADS = {
    "a forward of its own": (
        lambda: head(lambda n: None, Brightened), "layer at the top: this Brightened",
    ),
    "an encode of its own": (
        lambda: head(lambda n: None, Encoded), "encode of this Encoded gives",
    ),
    "a hook on the network": (
        lambda: head(lambda n: n.register_forward_pre_hook(lambda _, given: (given[0] * 2,))),
        "layer at the top: this ActionNetwork gives something else",
    ),
}  # fmt: skip
EXCITED_HEADS = {
    "a hook on the LSTM": (
        lambda: head(lambda n: n.lstm.register_forward_hook(lambda _, __, y: (y[0] * 2, y[1]))),
        "layer lstm: this ReluLSTM gives something else",
    ),
    "a hook on the classifier": (
        lambda: head(lambda n: n.classifier.register_forward_hook(lambda _, __, y: y.flip(-1))),
        "layer classifier: this Linear gives something else",
    ),
    "an LSTM with another step": (
        lambda: ActionNetwork(a_cnn(), nn.Linear(7, 5), Tanh(12, 7), size=SIZE),
        "layer lstm: this Tanh gives something else than its parts do",
    ),
    "nn.LSTM": (
        lambda: ActionNetwork(a_cnn(), nn.Linear(7, 5), nn.LSTM(12, 7), size=SIZE),
        "the recurrent layer is LSTM: its tanh breaks .*take Grad-CAM",
    ),
    "nn.GRU": (
        lambda: ActionNetwork(a_cnn(), nn.Linear(7, 5), nn.GRU(12, 7), size=SIZE),
        "the recurrent layer is GRU",
    ),
    "a classifier of two layers": (
        lambda: ActionNetwork(
            a_cnn(), nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 5)), size=SIZE
        ),
        "the classifier is Sequential; excitation backprop needs one linear layer",
    ),
    "no ActionNetwork": (a_cnn, "the network is Sequential, not ActionNetwork"),
}  # fmt: skip


@pytest.mark.parametrize("kind", [*HEADS, *EXCITED_HEADS])
def test_what_stands_around_the_cnn_is_compared_too(frames, kind):
    make, message = {**HEADS, **EXCITED_HEADS}[kind]
    ways = ("EB", "cEB", "Grad-CAM") if kind in HEADS else ("EB", "cEB")
    for way in ways:
        network = make()
        before = state(network)
        with pytest.raises(InputError, match=message):
            WAYS[way](network, frames)
        assert_as_it_was(network, before)


def test_known_code_costs_nothing_norms_one_frame_and_other_code_a_pass(frames, monkeypatch):
    passed = []
    run = functional.conv2d
    monkeypatch.setattr(
        functional, "conv2d", lambda x, *rest: passed.append(len(x)) or run(x, *rest)
    )
    inner = nn.Conv2d._conv_forward

    def frames_through(cnn):
        passed.clear()
        ground_action(a_network(cnn), frames, 1)
        return sum(passed) / 2  # two convolutions

    assert inner is nn.Conv2d._conv_forward
    assert frames_through(a_cnn()) == CLIPS * T + 0.0
    assert frames_through(a_cnn(norm=True)) == CLIPS * T + 1
    assert frames_through(hooked(3, lambda *_: None)) == 2 * CLIPS * T
    normed = a_cnn(norm=True)
    normed[3].register_forward_hook(lambda *_: None)
    assert frames_through(normed) == 2 * CLIPS * T + 1


# Grad-CAM of any CNN.


class Framewise(nn.Module):
    """A network as captum takes it: frames in the batch, the scores at the last step."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        scores = self.network(x.unflatten(0, (CLIPS, -1)))
        return scores[:, -1] if self.network.lstm is not None else scores.flatten(0, 1)


def captum_maps(network, layer, frames, classes):
    if network.lstm is None:
        classes = [c for c in classes for _ in range(frames.shape[1])]
    theirs = LayerGradCam(Framewise(network), layer).attribute(
        frames.flatten(0, 1), torch.tensor(classes)
    )
    return theirs[:, 0].detach().unflatten(0, frames.shape[:2])


RECURRENT = {
    "none": lambda d: None,
    "LSTM": lambda d: nn.LSTM(d, 6, batch_first=True),
    "LSTM, time first": lambda d: nn.LSTM(d, 6),
    "stacked, bidirectional LSTM": lambda d: nn.LSTM(
        d, 3, num_layers=2, bidirectional=True, batch_first=True
    ),
    "LSTM with dropout": lambda d: nn.LSTM(d, 6, num_layers=2, dropout=0.5, batch_first=True),
    "GRU": lambda d: nn.GRU(d, 6, batch_first=True),
    "stacked, bidirectional GRU": lambda d: nn.GRU(d, 3, num_layers=2, bidirectional=True),
    "RNN": lambda d: nn.RNN(d, 6),
    "ReLU LSTM": lambda d: ReluLSTM(d, 6),
    "compiled LSTM": lambda d: torch.compile(nn.LSTM(d, 6, batch_first=True), backend="eager"),
}


def normed_gelu():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.GELU(), nn.Conv2d(8, 8, 3), nn.SiLU(),
        nn.LocalResponseNorm(3), nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(32, 9),
    )  # fmt: skip


def resnet():
    network = import_torchvision().models.resnet18(num_classes=5)
    network.fc = nn.Identity()
    return network


CNNS = {
    "ResNet": (resnet, "layer4", None, 512),
    "a block of a ResNet": (resnet, "layer2.1", "layer2.1", 512),
    "GELU and norms": (normed_gelu, "5", None, 9),
    "a convolution before its norm": (normed_gelu, "3", "3", 9),
}


@pytest.mark.parametrize(
    ("cnn", "recurrent"),
    [
        *((cnn, way) for cnn in ("ResNet", "a block of a ResNet") for way in ("none", "LSTM")),
        *(("GELU and norms", way) for way in RECURRENT),
        ("a convolution before its norm", "stacked, bidirectional GRU"),
    ],
)
def test_grad_cam_of_any_cnn_is_captums(cnn, recurrent):
    make, module, layer, width = CNNS[cnn]
    torch.manual_seed(0)
    lstm = RECURRENT[recurrent](width)
    network = ActionNetwork(
        make(), nn.Linear(width if lstm is None else 6, 5), lstm, size=32
    ).eval()
    frames = torch.randn(CLIPS, T, 3, 32, 32)
    before = state(network)
    own = recurrent_grad_cam(network, frames, [1, 3], layer=layer, relu=False, batch=4)
    assert_as_it_was(network, before)
    theirs = captum_maps(network, network.cnn.get_submodule(module), frames, [1, 3])
    torch.testing.assert_close(own, theirs, atol=1e-6, rtol=1e-5)
    assert theirs.abs().max() > 1e-6


def test_what_reads_the_future_gives_it_weight():
    torch.manual_seed(0)
    frames = torch.randn(CLIPS, T, 3, 32, 32)
    both = ActionNetwork(normed_gelu(), nn.Linear(6, 5), nn.GRU(9, 3, bidirectional=True))
    maps = recurrent_grad_cam(both, frames, 1, output_time=0, relu=False)
    assert (maps.abs().amax(dim=(2, 3)) > 0).all()
    one = ActionNetwork(normed_gelu(), nn.Linear(6, 5), nn.GRU(9, 6))
    maps = recurrent_grad_cam(one, frames, 1, output_time=0, relu=False)
    assert (maps[:, 1:] == 0).all()
    pairs = recurrent_grad_cam(both, frames, 1, output_time="all pairs", relu=False)
    for time in range(T):
        single = recurrent_grad_cam(both, frames, 1, output_time=time, relu=False)
        torch.testing.assert_close(pairs[:, time], single, atol=1e-7, rtol=1e-5)


def test_grad_cam_of_a_classifier_as_it_is():
    """No ActionNetwork around it, torchvision's own layer names."""
    torch.manual_seed(0)
    network = import_torchvision().models.resnet18(num_classes=5)
    frames = torch.randn(CLIPS, T, 3, 32, 32)
    before = state(network)
    own = recurrent_grad_cam(network, frames, 2, layer="layer3", relu=False)
    assert_as_it_was(network, before)
    theirs = LayerGradCam(network.eval(), network.layer3).attribute(frames.flatten(0, 1), 2)
    torch.testing.assert_close(
        own, theirs[:, 0].detach().unflatten(0, (CLIPS, T)), atol=1e-6, rtol=1e-5
    )
    with pytest.raises(InputError, match="class 5 is not one of 0 … 4"):
        recurrent_grad_cam(network, frames, 5)
    with pytest.raises(InputError, match="classes have no names"):
        recurrent_grad_cam(network, frames, "wave")
    with pytest.raises(InputError, match="how ResNet wants them scaled is not known"):
        recurrent_grad_cam(network, np.zeros((1, 2, 32, 32, 3), np.uint8), 1)


class Clips(nn.Module):
    """A small 3-D CNN."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU())
        self.block = nn.Sequential(nn.MaxPool3d(2), nn.Conv3d(6, 8, 3, padding=1), nn.GELU())
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.block(self.stem(x)).mean(dim=(2, 3, 4)))


@pytest.mark.parametrize(("layer", "form"), [(None, (2, 4, 4)), ("stem", (4, 8, 8))])
def test_grad_cam_of_a_3d_cnn_is_captums(layer, form):
    torch.manual_seed(0)
    network, frames = Clips(), torch.randn(3, 4, 3, 8, 8)
    before = state(network)
    own = recurrent_grad_cam(network, frames, [1, 2, 0], layer=layer, relu=False, batch=8)
    assert_as_it_was(network, before)
    network.eval()
    module = network.get_submodule(layer or "block")
    theirs = LayerGradCam(network, module).attribute(
        frames.transpose(1, 2), torch.tensor([1, 2, 0])
    )
    assert own.shape == (3, *form)
    torch.testing.assert_close(own, theirs[:, 0].detach(), atol=1e-6, rtol=1e-5)
    assert (recurrent_grad_cam(network, frames, 1, layer=layer) >= 0).all()


def test_what_grad_cam_says_of_3d_cnns():
    network, frames = Clips(), torch.randn(1, 4, 3, 8, 8)
    for given, options, message in [
        (network, {"output_time": 1}, "a 3-D CNN has one score a clip; give 'last'"),
        (network, {"layer": "fc"}, r"layer 'fc' gives \[1, 5\]; Grad-CAM of a 3-D CNN needs maps"),
        (network, {"layer": "blocks"}, "layer 'blocks' is not in the network; give one .* block"),
        (ActionNetwork(network, nn.Linear(5, 2)), {}, "stem.0 is Conv3d.* for Grad-CAM of a 3-D"),
    ]:
        with pytest.raises(InputError, match=message):
            recurrent_grad_cam(given, frames, 1, **options)


class Tokens(nn.Module):
    """Gives tokens, and answers by the first."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.tokens = nn.Linear(8, 8)

    def forward(self, x):
        return self.tokens(self.patches(x).flatten(2).mT)[:, 0]


class Aside(nn.Module):
    """A layer on which the answer does not depend, one that runs twice, and one that gives two."""

    def __init__(self):
        super().__init__()
        self.aside, self.conv, self.again = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.unused, self.pair = nn.Conv2d(3, 3, 3), nn.LSTM(3, 3, batch_first=True)

    def forward(self, x):
        y = self.again(self.again(self.conv(x)).relu())
        self.aside(x)
        return self.pair(y.flatten(2).mT)[0].mean(1)


@pytest.mark.parametrize(
    ("cnn", "layer", "message"),
    [
        (Tokens, "tokens", r"layer 'tokens' gives \[6, 16, 8\]; Grad-CAM needs maps"),
        (Tokens, "token", "layer 'token' is not in the network; give one such as tokens"),
        (Aside, "aside", "layer 'aside': the scores do not depend on it by a gradient"),
        (Aside, "again", "layer 'again' runs 2 times in a forward pass; .* again@1 … again@2"),
        (Aside, "again@3", "'again' runs 2 times in a forward pass, not 3"),
        (Aside, "unused", "layer 'unused' does not run in a forward pass"),
        (Aside, "pair", "layer 'pair' gives tuple, not one tensor"),
        (Aside, 3, "layer 3 is not a name such as"),
        (a_cnn, "conv9", "layer 'conv9' is not one of conv1_1, .* nor a module of the CNN"),
        (a_cnn, "12", "layer '12' is not one of conv1_1"),
    ],
)
def test_layers_that_grad_cam_cannot_take_are_refused(frames, cnn, layer, message):
    network = ActionNetwork(
        cnn(), nn.Linear((cnn is a_cnn and 12) or 8 if cnn is not Aside else 3, 5)
    )
    before = state(network)
    with pytest.raises(InputError, match=message):
        recurrent_grad_cam(network, frames, 1, layer=layer)
    assert_as_it_was(network, before)


def test_each_call_of_a_layer_has_maps_of_its_own(frames):
    network = ActionNetwork(Aside(), nn.Linear(3, 5)).eval()
    maps = [recurrent_grad_cam(network, frames, 1, layer=f"again@{k}", relu=False) for k in (1, 2)]
    cnn = network.cnn
    x = frames.flatten(0, 1)
    first = cnn.again(cnn.conv(x)).detach().requires_grad_()
    second = cnn.again(first.relu())
    score = network.classifier(cnn.pair(second.flatten(2).mT)[0].mean(1))[:, 1].sum()
    for a, own in zip((first, second), maps, strict=True):
        (slope,) = torch.autograd.grad(score, a, retain_graph=True)
        expected = (slope.mean(dim=(2, 3), keepdim=True) * a.detach()).sum(1)
        torch.testing.assert_close(own.flatten(0, 1), expected, atol=1e-7, rtol=1e-5)


def test_grad_cam_takes_chain_names_and_module_names(frames):
    network = a_network()
    by_chain = recurrent_grad_cam(network, frames, 1, layer="conv2")
    assert torch.equal(by_chain, recurrent_grad_cam(network, frames, 1, layer="4"))
    assert torch.equal(by_chain, recurrent_grad_cam(network, frames, 1, layer="cnn.4"))
    assert torch.equal(by_chain, recurrent_grad_cam(network, frames, 1))


# Dissection, paths, ablations and summaries.


class Classifier(nn.Module):
    """Two blocks, means, a linear layer."""

    def __init__(self, form="", *, inputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.form, self.classes = form, ["a", "b", "c"]
        self.block3 = nn.Sequential(nn.Conv2d(inputs, 6, 3, padding=1), nn.ReLU())
        self.block4 = nn.Sequential(nn.Conv2d(6, 7, 3, padding=1), nn.ReLU())
        self.fc = nn.Linear(7, 3)

    def forward(self, x):
        maps = self.block4(self.block3(x))
        logits = self.fc(maps.mean(dim=(2, 3)))
        return {"": logits, "tuple": (logits, maps), "dict": {"logits": logits}}[self.form]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    with ConceptWriter(folder / "set", {"object": ["a", "b"]}) as writer:
        for i in range(5):
            mask = np.zeros((1, 24, 20), int)
            mask[0, :10, :10] = 1 + i % 2
            image = random.integers(0, 255, (24, 20, 3), dtype=np.uint8)
            writer.add(f"p/{i}", image, masks={"object": mask})
    with h5py.File(folder / "images.h5", "w") as file:
        file["image"] = random.integers(0, 255, (5, 24, 20, 3), dtype=np.uint8)
    return folder


def read_thresholds(network, layer, folder, **options):
    how = How(batch=2, top=2, groups=2, nulls=1)
    return dissect_layer(network, layer, ConceptSet(folder / "set"), how=how, **options).thresholds


def read_phi(network, layer, folder, *, prepare=None):
    out = folder / "out.h5"
    read_activations(
        network, folder / "images.h5", out, layer=layer, linear="fc", prepare=prepare or Scaling(),
        batch=2,
    )  # fmt: skip
    phi = load_activations(out).phi
    maps = feature_maps(
        network, folder / "images.h5", layer=layer, prepare=prepare or Scaling(), batch=2
    )
    again = np.concatenate([own.mean(axis=(2, 3)) for _, own in maps])
    np.testing.assert_allclose(again, phi, rtol=1e-3, atol=1e-4)
    return phi


IMAGE = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(3))
READERS = {
    "dissection": read_thresholds,
    "summaries": read_phi,
    "path": lambda network, layer, folder: explain_decision(
        network, IMAGE, blocks=("block3", layer)
    ).effects.numpy(),
    "ablation": lambda network, layer, folder: ablation_check(
        network, IMAGE, layer, [0, 3], 1, draws=3
    ).random.effects,
}  # fmt: skip
every_reader = pytest.mark.parametrize("reader", list(READERS))
READ_FORMS = {
    "DataParallel": (nn.DataParallel, "block4"),
    "DataParallel, its own names": (nn.DataParallel, "module.block4"),
    "compiled": (lambda n: torch.compile(n, backend="eager"), "block4"),
    "compiled, its own names": (lambda n: torch.compile(n, backend="eager"), "_orig_mod.block4"),
    "in train mode": (nn.Module.train, "block4"),
    "frozen": (lambda n: n.requires_grad_(False), "block4"),
    "float64": (nn.Module.double, "block4"),
    "float16": (nn.Module.half, "block4"),
    "bfloat16": (nn.Module.bfloat16, "block4"),
}


@every_reader
@pytest.mark.parametrize("form", list(READ_FORMS))
def test_every_reader_takes_networks_in_many_forms(pictures, reader, form):
    change, layer = READ_FORMS[form]
    expected = READERS[reader](Classifier().eval(), "block4", pictures)
    network = change(Classifier().eval())
    before = state(network)
    found = READERS[reader](network, layer, pictures)
    within = {"float16": 5e-3, "bfloat16": 5e-2}.get(form, 1e-5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=within * abs(expected).max())
    assert_as_it_was(network, before)


@every_reader
@pytest.mark.parametrize("context", list(CONTEXTS))
def test_every_reader_works_within_any_context(pictures, reader, context):
    expected = READERS[reader](Classifier(), "block4", pictures)
    network = Classifier()
    with CONTEXTS[context]():
        found = READERS[reader](network, "block4", pictures)
    within = 2e-2 if context == "autocast" else 1e-6
    np.testing.assert_allclose(found, expected, rtol=0, atol=within * abs(expected).max())


def with_shared_relu():
    network = Classifier()
    network.block4[1] = network.block3[1]
    return network


def with_nan():
    network = Classifier()
    network.block4[0].weight.data.fill_(torch.nan)
    return network


def of_the_batch():
    network = Classifier()
    network.block3.add_module("2", nn.BatchNorm2d(6, track_running_stats=False))
    return network


def without_size():
    network = Classifier()
    network.block3[0] = nn.LazyConv2d(6, 3, padding=1)
    return network


READ_REFUSED = {
    "a layer that runs twice": (
        with_shared_relu, "block4.1",
        "layer 'block4.1' runs 2 times in a forward pass; give another such as 'block4', or .*"
        "block4.1@1 … block4.1@2",
    ),
    "a layer that there is not": (Classifier, "block5", "layer 'block5' is not in the net.*block4"),
    "a call that there is not": (with_shared_relu, "block4.1@3", "runs 2 times .* not 3"),
    "no call": (Classifier, "block4@0", "'0' after @ is neither the number of a call"),
    "no layout": (Classifier, "block4@nwhc", "'nwhc' after @ is neither .* nor a layout .nchw, "),
    "NaN among the weights": (with_nan, "block4", "gives NaN|not finite"),
    "batch norm of the batch": (of_the_batch, "block4", "BatchNorm2d has no running statistics"),
    "lazy": (without_size, "block4", "'block3.0.weight' has no size yet"),
    "meta": (lambda: Classifier().to("meta"), "block4", "on the device meta and has no values"),
    "another number of channels": (
        lambda: Classifier(inputs=1), "block4", "the network cannot run on .*expected input",
    ),
    "TorchScript": (
        lambda: torch.jit.trace(Classifier().eval(), IMAGE[None]), "block4", "is TorchScript",
    ),
}  # fmt: skip


@every_reader
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", list(READ_REFUSED))
def test_every_reader_refuses_alike(pictures, reader, kind):
    make, layer, message = READ_REFUSED[kind]
    network = make()
    before = state(network) if kind not in ("lazy", "meta") else None
    with pytest.raises(InputError, match=message):
        READERS[reader](network, layer, pictures)
    if before:
        assert_as_it_was(network, before)


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_answers_of_other_forms(pictures, form):
    """A dissection needs no answer; the others say what they got."""
    expected = read_thresholds(Classifier(), "block4", pictures)
    assert np.array_equal(read_thresholds(Classifier(form), "block4", pictures), expected)
    for reader in ("path", "ablation", "summaries"):
        with pytest.raises(InputError, match=f"the network answers {form}|does not answer what"):
            READERS[reader](Classifier(form), "block4", pictures)


def test_every_call_of_a_shared_layer_can_be_read(pictures):
    """The ReLU of both blocks, by number, gives what each block gives: of 6 and of 7 units."""
    network = with_shared_relu()
    for call, block in ((1, "block3"), (2, "block4")):
        found = read_thresholds(network, f"block3.1@{call}", pictures)
        assert np.array_equal(found, read_thresholds(network, block, pictures))
    assert np.array_equal(
        read_phi(network, "block3.1@2", pictures), read_phi(network, "block4", pictures)
    )
    checks = [
        ablation_check(network, IMAGE, layer, [0, 3], 1, draws=3)
        for layer in ("block3.1@2", "block4", "block3.1@1", "block3")
    ]
    assert checks[0].effect == checks[1].effect != checks[2].effect == checks[3].effect


class ChannelsLast(nn.Module):
    """Maps ``[n, h, w, units]`` from `block` on, as Swin's; the same numbers as `Classifier`."""

    def __init__(self, units=7):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, units, 4, 4)
        self.block, self.fc = nn.ReLU(), nn.Linear(units, 3)

    def forward(self, x):
        return self.fc(self.block(self.conv(x).permute(0, 2, 3, 1)).mean(dim=(1, 2)))


@pytest.mark.parametrize("units", [7, 5, 6])  # 5 and 6: as many as cells, sizes alone do not tell
def test_units_that_come_last_are_refused_or_taken(pictures, units):
    network = ChannelsLast(units)
    message = rf"layer 'block' gives \[\d, 6, 5, {units}\], .*ask for block@nhwc"
    for reader in ("dissection", "summaries", "ablation"):
        with pytest.raises(InputError, match=message):
            READERS[reader](network, "block", pictures)
    found = read_thresholds(network, "block@nhwc", pictures)
    expected = read_thresholds(network, "conv", pictures)
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-7)
    images = [ConceptSet(pictures / "set").image(i) for i in range(5)]
    assert len(found) == units
    assert images[0].shape == (24, 20, 3)
    assert read_phi(network, "block@nhwc", pictures).shape == (5, units)
    effect = ablation_check(network, IMAGE, "block@nhwc", [2], 1, draws=3, against=0).effect
    with torch.no_grad():
        maps = network.conv(IMAGE[None]).relu().mean(dim=(2, 3))[0]
    weight = network.fc.weight.detach()
    assert effect == pytest.approx(float((weight[1, 2] - weight[0, 2]) * maps[2]), abs=1e-6)
    with pytest.raises(InputError, match=r"look like maps \[n, units, h, w\]; .* without @nhwc"):
        read_thresholds(network, "conv@nhwc", pictures)


def test_units_that_come_second_are_not_taken_for_cells(pictures):
    """As many units as rows, and a stride of its own across: what grows with the image tells."""
    network = nn.Sequential(
        nn.Conv2d(3, 24, 3, (1, 4), padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert network(IMAGE[None]).shape == (1, 24)
    assert len(read_thresholds(network, "1", pictures)) == 24
    square = nn.Sequential(nn.Conv2d(3, 8, 3, (3, 4), padding=1), nn.ReLU())  # 8 units, 8 x 5
    assert len(read_thresholds(square, "1", pictures)) == 8


class Permute(nn.Module):
    """Units last."""

    def forward(self, x):
        return x.movedim(1, -1)


def rows_and_units(*layers):
    return nn.Sequential(nn.Conv2d(3, 24, 3, (1, 4), padding=1), *layers)


def test_rows_are_not_taken_for_units_whatever_the_proportions(pictures):
    """Maps of 24 x 5 of images of 24 x 20: neither layout has the proportions of the image."""
    for units in (24, 6):  # of 6, the layout units, h, w looks like the image: 5 x 6
        network = nn.Sequential(nn.Conv2d(3, units, 3, (1, 4), padding=1), Permute(), nn.ReLU())
        assert network(IMAGE[None]).shape == (1, 24, 5, units)
        for layer in ("1", "2"):
            message = rf"layer '{layer}' gives \[\d, 24, 5, {units}\], .*ask for {layer}@nhwc"
            with pytest.raises(InputError, match=message):
                read_thresholds(network, layer, pictures)
            assert len(read_thresholds(network, f"{layer}@nhwc", pictures)) == units
        assert len(read_thresholds(network, "0", pictures)) == units
        with pytest.raises(InputError, match="ask for it without @nhwc"):
            read_thresholds(network, "0@nhwc", pictures)
    for plain in (nn.ReLU(), nn.GroupNorm(2, 24), nn.Sequential(nn.Conv2d(24, 24, 1), nn.ReLU())):
        assert len(read_thresholds(rows_and_units(plain), "1", pictures)) == 24


class OneSize(nn.Module):
    """Takes images of one size, and puts their maps in any order."""

    def __init__(self, *order):
        super().__init__()
        self.conv, self.end, self.order = nn.Conv2d(3, 7, 3, (1, 4), padding=1), nn.ReLU(), order

    def forward(self, x):
        if x.shape[1:] != (3, 24, 20):
            raise ValueError("of another size")
        return self.end(self.conv(x).permute(0, *self.order))


def test_where_nothing_tells_where_the_units_are_they_must_be_named(pictures):
    for order, mark, shape in (((1, 2, 3), "nchw", "7, 24, 5"), ((2, 3, 1), "nhwc", "24, 5, 7")):
        network = OneSize(*order)
        message = rf"gives \[\d, {shape}\], and whether .* ask for end@nchw if .* or end@nhwc if"
        with pytest.raises(InputError, match=message):
            read_thresholds(network, "end", pictures)
        assert len(read_thresholds(network, f"end@{mark}", pictures)) == 7
        assert len(read_thresholds(network, "conv", pictures)) == 7  # a convolution's come second


def test_fixed_grids_of_plain_cnns_are_read(pictures):
    """Pools to a grid: nothing changes with the image, nor has its proportions."""
    wide = nn.AdaptiveAvgPool2d((2, 9))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), wide, nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU()))
    for layer in ("1", "2"):
        assert len(read_thresholds(network, layer, pictures)) == 8


class Elsewhere(nn.Module):
    """Units neither second nor last."""

    def __init__(self):
        super().__init__()
        self.conv, self.end = nn.Conv2d(3, 7, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return self.end(self.conv(x).movedim(1, 2))


def test_maps_whose_units_are_elsewhere_are_refused(pictures):
    for mark in ("", "@nchw", "@nhwc"):
        with pytest.raises(InputError, match=r"gives \[\d, 24, 7, 20\], whose sizes change with"):
            read_thresholds(Elsewhere(), f"end{mark}", pictures)


class ResizingFirst(Classifier):
    """Brings the shorter side to 16 pixels, so that a part of an image is another shape of it."""

    def forward(self, x):
        ratio = 16 / min(x.shape[-2:])
        return super().forward(functional.interpolate(x, scale_factor=ratio))


def test_a_network_that_resizes_is_read_when_the_layout_is_named(pictures):
    network = ResizingFirst()
    network.block4 = Named(network.block4)
    assert len(read_thresholds(network, "block4@nchw", pictures)) == 7
    with pytest.raises(InputError, match=r"'block4' gives .* or ask for block4@nchw if they are"):
        read_thresholds(network, "block4", pictures)
    with pytest.raises(InputError, match="layer 'block4@nhwc' gives"):
        read_thresholds(network, "block4@nhwc", pictures)


class Named(nn.Module):
    """A layer in a module of one's own."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


class ClipsLast(nn.Module):
    """Maps ``[n, t, h, w, units]`` from `norm` on, as those of torchvision's 3-D Swin."""

    def __init__(self, units=8):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv3d(3, units, (1, 4, 4), (1, 4, 4))
        self.norm, self.fc = nn.LayerNorm(units), nn.Linear(units, 5)

    def forward(self, x):
        return self.fc(self.norm(self.conv(x).movedim(1, -1)).mean(dim=(1, 2, 3)))


@pytest.mark.parametrize("units", [8, 4, 2])  # as many as frames and rows
def test_grad_cam_of_3d_maps_whose_units_come_last(units):
    network, frames = ClipsLast(units).eval(), torch.randn(2, 4, 3, 8, 8)
    before = state(network)
    for layer in (None, "norm"):
        message = rf"layer 'norm' gives \[1, 4, 2, 2, {units}\], .*ask for norm@nthwc, or give"
        with pytest.raises(InputError, match=message):
            recurrent_grad_cam(network, frames, [1, 2], layer=layer)
    with pytest.raises(InputError, match=r"look like maps \[n, units, t, h, w\]; .*without @nth"):
        recurrent_grad_cam(network, frames, [1, 2], layer="conv@nthwc")
    found = recurrent_grad_cam(network, frames, [1, 2], layer="norm@nthwc", relu=False)
    assert_as_it_was(network, before)
    a = network.norm(network.conv(frames.transpose(1, 2)).movedim(1, -1)).detach().requires_grad_()
    scores = network.fc(a.mean(dim=(1, 2, 3)))
    (slope,) = torch.autograd.grad(scores[0, 1] + scores[1, 2], a)
    expected = (slope.mean(dim=(1, 2, 3), keepdim=True) * a.detach()).sum(-1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


class FramesSecond(Clips):
    """Maps ``[n, t, units, h, w]`` from `block` on: frames stand where units are looked for."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv3d(6, 4, 1), nn.GELU())
        self.end, self.fc = nn.Identity(), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.end(self.block(self.stem(x)).transpose(1, 2)).mean(dim=(1, 3, 4)))


def test_frames_are_not_taken_for_units():
    for mark in ("", "@ncthw", "@nthwc"):
        with pytest.raises(InputError, match=r"'end.* gives \[1, 6, 4, 8, 8\], whose sizes change"):
            recurrent_grad_cam(FramesSecond(), torch.randn(1, 6, 3, 8, 8), 1, layer=f"end{mark}")


def test_video_transformers_of_torchvision_have_a_map_or_a_line():
    models = import_torchvision().models.video
    swin = models.swin_transformer.SwinTransformer3d(
        [2, 4, 4], embed_dim=12, depths=[1, 1], num_heads=[1, 2], window_size=[2, 2, 2],
        num_classes=5,
    )  # fmt: skip
    frames = torch.randn(1, 4, 3, 32, 32)
    with pytest.raises(InputError, match=r"'norm' gives \[1, 2, 4, 4, 24\], .*for norm@nthwc"):
        recurrent_grad_cam(swin, frames, 1)
    assert recurrent_grad_cam(swin, frames, 1, layer="norm@nthwc").shape == (1, 2, 4, 4)
    block = models.mvit.MSBlockConfig(2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2])
    tokens = models.mvit.MViT((32, 32), 4, [block] * 2, True, True, True, True, num_classes=5)
    for layer, message in (
        (None, r"gives \[2, .*needs maps .n, k, t, h, w., one for each of the 1 clips"),
        ("norm", r"layer 'norm' gives \[1, \d+, 16\]; Grad-CAM of a 3-D CNN needs maps"),
        ("blocks.1", "layer 'blocks.1' gives tuple, not one tensor"),
    ):
        with pytest.raises(InputError, match=message):
            recurrent_grad_cam(tokens, frames, 1, layer=layer)


@pytest.mark.parametrize("layer", ["norm", "norm@nthwc", "norm@nhwc", "conv"])
def test_a_dissection_refuses_maps_with_time(pictures, layer):
    def clips(images):
        return Scaling()(images)[:, :, None].expand(-1, -1, 4, -1, -1)

    for read in (read_thresholds, read_phi):
        with pytest.raises(InputError, match=rf"layer '{layer}' gives \[\d, .*\d\]"):
            read(ClipsLast(), layer, pictures, prepare=clips)
    with pytest.raises(InputError, match=rf"layer '{layer}' gives \[\d, .*\d\]"):
        next(feature_maps(ClipsLast(), pictures / "images.h5", layer=layer, prepare=clips, batch=2))


def test_swin_is_read_where_its_units_come_last_and_where_not(pictures):
    swin = import_torchvision().models.swin_t(num_classes=3)
    with pytest.raises(InputError, match=r"features.1' gives .*ask for features.1@nhwc"):
        ablation_check(swin, torch.rand(3, 32, 32), "features.1", [3], 0, draws=2)
    assert ablation_check(swin, torch.rand(3, 32, 32), "features.1@nhwc", [95], 0, draws=2)
    assert ablation_check(swin, torch.rand(3, 32, 32), "permute", [767], 0, draws=2)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda images: torch.cat([Scaling()(images)] * 2), "prepare gives 4 inputs for 2 images"),
        (lambda images: Scaling()(images)[:1], "prepare gives 1 inputs for 2 images"),
        (lambda images: Scaling()(images) / 0, "input of the network .* not finite"),
        (lambda images: None, "what prepare gives"),
        (lambda images: torch.from_numpy(images), "cannot run on"),
    ],
)
def test_inputs_that_prepare_makes_are_checked(pictures, prepare, message):
    for read in (read_thresholds, read_phi):
        with pytest.raises(InputError, match=message):
            read(Classifier(), "block4", pictures, prepare=prepare)


@pytest.mark.parametrize("reader", ["path", "ablation"])
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.numpy(), lambda x: x.double(), lambda x: x[None], lambda x: x.half().float(),
        lambda x: x.numpy()[::-1].copy()[::-1],
    ],
)  # fmt: skip
def test_images_may_be_given_in_many_ways(pictures, reader, change):
    ways = {
        "path": lambda image: explain_decision(Classifier(), image).activations,
        "ablation": lambda image: torch.tensor(
            ablation_check(Classifier(), image, "block4", [0], np.int64(1), draws=2).effect
        ),
    }
    torch.testing.assert_close(
        ways[reader](change(IMAGE)), ways[reader](IMAGE), atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("reader", ["path", "ablation"])
def test_a_number_of_classes_is_no_list_of_names(pictures, reader):
    network = Classifier()
    network.classes = 3
    assert len(READERS[reader](network, "block4", pictures))


class Cosine(nn.Linear):
    """A linear layer with a forward of its own."""

    def forward(self, x):
        return super().forward(functional.normalize(x, dim=1))


@pytest.mark.parametrize("reader", ["path", "summaries"])
def test_a_linear_layer_that_is_none_is_refused(pictures, reader):
    network = Classifier()
    network.fc = Cosine(7, 3)
    with pytest.raises(InputError, match=r"'fc' (gives something else|lies up to)"):
        READERS[reader](network, "block4", pictures)


class Masked(nn.Sequential):
    """A block that is told more than its maps in the network."""

    def forward(self, x, mask=None):
        return super().forward(x) if mask is None else super().forward(x * mask)


def test_a_block_that_does_something_else_alone_is_refused(pictures):
    class Network(Classifier):
        def forward(self, x):
            below = self.block3(x)
            return self.fc(self.block4(below, below > 0.3).mean(dim=(2, 3)))

    network = Network()
    network.block4 = Masked(*network.block4)
    with pytest.raises(InputError, match="layer 'block4' alone gives something else than in the"):
        READERS["path"](network, "block4", pictures)


def test_a_little_off_is_rounding_and_a_little_more_is_not(frames):
    """The bound is 1e-4 of the largest feature."""
    for off, refused in ((2e-5, False), (5e-4, True)):
        cnn = hooked(None, lambda _, __, y, off=off: y + off * y.max())
        if refused:
            with pytest.raises(InputError, match="does something else"):
                ground_action(a_network(cnn), frames, 1)
        else:
            assert ground_action(a_network(cnn), frames, 1).isfinite().all()


def test_the_vgg_of_the_workflow_is_known(frames):
    network = vgg_action_network(VGGShape(groups=((4,), (6,)), linear=(8,), size=SIZE), "abc")
    assert Chain(network.cnn).known
    with torch.device("meta"):
        models = import_torchvision().models
        assert Chain(models.vgg11_bn()).known
        assert Chain(models.alexnet()).known
    assert not Chain(Normalising()).known
    network.cnn.avgpool.register_forward_hook(lambda _, __, y: y)
    assert not Chain(network.cnn).known


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:0:1", "cpu:3", "cuda:99", "", None, 0])
def test_devices_that_there_are_not_are_refused(device):
    with pytest.raises(InputError, match=r"^device: "):
        choose_device(device)
    assert choose_device(torch.device("cpu")) == choose_device("cpu") == torch.device("cpu")
