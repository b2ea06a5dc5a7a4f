"""Concept paths: toys worked by hand, literal loops, torch's own folding, torchvision's ResNets."""

import contextlib
import copy
import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.dissection import path_figure
from seewhy.dissection.ablation import (
    ablate_path,
    ablation_check,
    matched_units,
    summarise_ablations,
)
from seewhy.dissection.paths import explain_decision
from seewhy.dissection.relations import (
    block_effects,
    class_to_units,
    unit_to_class,
    unit_to_unit,
    zeroed_biases,
)
from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval

RESNET = {"blocks": ("layer3", "layer4"), "linear": "fc"}


class Toy(nn.Module):
    """Two blocks of two units; every number can be worked out by hand."""

    classes = ("sitting", "juggling")

    def __init__(self):
        super().__init__()
        self.block3 = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(inplace=True))
        norm = nn.BatchNorm2d(2, eps=0)
        self.block4 = nn.Sequential(nn.Conv2d(2, 2, 1), norm, nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.block3[0].weight[:, 0, 0, 0] = torch.tensor([1.0, 2.0])
            self.block4[0].weight[:, :, 0, 0] = torch.tensor([[1.0, 1.0], [-1.0, 2.0]])
            self.block4[0].bias[:] = torch.tensor([4.0, -1.0])
            norm.weight[:] = torch.tensor([2.0, 1.0])
            norm.bias[:] = torch.tensor([1.0, 0.0])
            norm.running_mean[:] = torch.tensor([4.0, 0.0])  # takes the convolution's bias back
            self.fc.weight[:] = torch.tensor([[1.0, -2.0], [0.0, 2.0]])
            self.fc.bias[:] = torch.tensor([0.5, 0.0])

    def forward(self, x):
        return self.fc(self.dropout(self.pool(self.block4(self.block3(x))).flatten(1)))


IMAGE = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]])
# Maps of block4 for it: 2 (x + 2x) + 1 = 7, 1, 1, 19 and ReLU(-x + 4x - 1) = 2, 0, 0, 8.


def a_resnet(depth="resnet18", **settings):
    torch.manual_seed(0)
    models = import_torchvision().models
    network = getattr(models, depth)(num_classes=5, **settings)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if trained
            nn.init.normal_(module.weight, 1, 0.2), nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2), module.running_var.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="module")
def resnet():
    return a_resnet()


@pytest.fixture(scope="module")
def picture():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def effects(resnet, picture):
    return block_effects(resnet, picture, blocks=RESNET["blocks"])


# --- units and classes ----------------------------------------------------------------------------


def test_a_unit_alone_gives_the_classes_its_column():
    torch.manual_seed(0)
    linear = nn.Linear(6, 4)
    effects = unit_to_class(linear)
    for unit in range(6):
        maps = torch.zeros(1, 6, 3, 3)
        maps[:, unit] = 1
        answer = functional.linear(maps.mean(dim=(2, 3)), linear.weight, torch.zeros(4))
        torch.testing.assert_close(effects[:, unit], answer[0].detach())
    assert not effects.requires_grad
    effects.zero_()
    assert linear.weight.abs().min() > 0  # a copy


def test_units_stand_in_the_order_of_what_they_do_for_a_class():
    linear = Toy().fc
    assert [v.tolist() for v in class_to_units(linear, 0)] == [[0, 1], [1, -2]]
    assert [v.tolist() for v in class_to_units(linear, 1, top=1)] == [[1], [2]]
    named = class_to_units(linear, "juggling", classes=Toy.classes, top=1)
    assert named[0].tolist() == [1]
    against = class_to_units(linear, 1, against=0)
    assert [v.tolist() for v in against] == [[1, 0], [4, -1]]


# --- units and units ------------------------------------------------------------------------------


def test_effects_between_blocks_worked_by_hand():
    block = Toy().block4
    zero = unit_to_unit(block, 2, (2, 2))
    assert zero.tolist() == [[2, 2], [0, 2]]  # 2 W and W, where positive
    # Unit 0: ReLU(2 + 1) - ReLU(1); unit 1: ReLU(2 - 1) - ReLU(-1), its threshold takes half.
    assert unit_to_unit(block, 2, (2, 2), biases="kept").tolist() == [[2, 2], [0, 1]]


def a_block(*, bias):
    torch.manual_seed(3)
    convolution, norm = nn.Conv2d(4, 6, 3, padding=1, stride=2, bias=bias), nn.BatchNorm2d(6)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(convolution, norm)


@pytest.mark.parametrize("bias", [True, False])
def test_zeroed_biases_are_those_of_the_folded_convolution(bias):
    block = a_block(bias=bias).eval()
    folded = fuse_conv_bn_eval(block[0], block[1])
    x = torch.randn(2, 4, 7, 5)
    torch.testing.assert_close(block(x), folded(x))  # the oracle is right about the whole
    nn.init.zeros_(folded.bias)
    own = torch.func.functional_call(block, zeroed_biases(block), (x,))
    torch.testing.assert_close(own, folded(x))
    assert (own - block(x)).abs().max() > 0.1


def literal(block, units, size, biases):
    """A torchvision BasicBlock, a unit at a time, with the batch norms folded by torch."""
    pairs = [(block.conv1, block.bn1), (block.conv2, block.bn2)]
    pairs += [tuple(block.downsample)] if block.downsample is not None else []
    folded = [fuse_conv_bn_eval(conv, norm) for conv, norm in pairs]
    if biases == "zero":
        for convolution in folded:
            nn.init.zeros_(convolution.bias)

    def f(x):
        skipped = folded[2](x) if len(folded) > 2 else x
        return (folded[1](folded[0](x).relu()) + skipped).relu()

    rest = f(torch.zeros(1, units, *size))
    columns = []
    for unit in range(units):
        x = torch.zeros(1, units, *size)
        x[0, unit] = 1
        columns.append((f(x) - rest)[0].mean(dim=(1, 2)))
    return torch.stack(columns, dim=1).detach()


@pytest.mark.parametrize("biases", ["zero", "kept"])
@pytest.mark.parametrize("place", [0, 1])
def test_effects_between_blocks_are_the_literal_ones(resnet, biases, place):
    block = copy.deepcopy(resnet.layer2[place]).eval()
    units = block.conv1.in_channels
    own = unit_to_unit(block.train(), units, (5, 4), biases=biases, batch=7)
    block.eval()
    torch.testing.assert_close(own, literal(block, units, (5, 4), biases), atol=1e-5, rtol=1e-4)
    assert own.abs().max() > 0.01


def test_without_biases_a_map_of_twos_does_twice_as_much(resnet):
    block = copy.deepcopy(resnet.layer3).eval()
    x = torch.rand(2, 128, 4, 4)
    with torch.no_grad():
        once, twice = (
            torch.func.functional_call(block, zeroed_biases(block), (k * x,)) for k in (1, 2)
        )
    torch.testing.assert_close(twice, 2 * once, atol=1e-5, rtol=1e-4)


def test_bottlenecks_have_effects_too():
    models = import_torchvision().models
    torch.manual_seed(0)
    network = models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=3)
    path = explain_decision(network, torch.rand(3, 32, 32), **RESNET, top=2)
    assert path.effects.shape == (2048, 1024)
    assert path.effects.abs().max() > 0
    assert [len(one.before_by_effect) for one in path.by_weight.units] == [2, 2]


def test_networks_without_any_bias_have_the_same_effects_in_both_modes():
    torch.manual_seed(0)
    block = nn.Sequential(
        nn.Conv2d(3, 5, 3, bias=False), nn.PReLU(), nn.Conv2d(5, 4, 1, bias=False)
    )
    modes = [unit_to_unit(block, 3, (4, 4), biases=biases) for biases in ("zero", "kept")]
    assert torch.equal(*modes)


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        (
            nn.GroupNorm(2, 4, affine=False),
            "layer 1: GroupNorm subtracts the mean of its own input",
        ),
        (nn.InstanceNorm2d(4), "layer 1: InstanceNorm2d subtracts"),
        (nn.Sigmoid(), "answers up to 0.5 to maps of 0"),
    ],
)
def test_what_cannot_be_zeroed_is_refused_but_can_be_kept(layer, line):
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), layer)
    with pytest.raises(InputError, match=line):
        unit_to_unit(block, 4, (3, 3))
    assert unit_to_unit(block, 4, (3, 3), biases="kept").shape == (4, 4)


def test_layers_with_unknown_parameters_are_refused():
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x + self.shift

    block = nn.Sequential(nn.Conv2d(4, 4, 1), Shift())
    with pytest.raises(InputError, match="layer 1: which parameters of Shift are biases"):
        unit_to_unit(block, 4, (3, 3))


def test_effects_refuse_what_means_nothing():
    with pytest.raises(InputError, match="biases 'none' is not one of zero, kept"):
        unit_to_unit(Toy().block4, 2, (2, 2), biases="none")
    with pytest.raises(InputError, match=r"layer 'Flatten' gives \[1, 18\], not maps"):
        unit_to_unit(nn.Flatten(), 2, (3, 3))
    mixing = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False))
    with pytest.raises(InputError, match="layer 1: BatchNorm2d has no running statistics"):
        unit_to_unit(mixing, 2, (3, 3), biases="kept")


# --- paths ----------------------------------------------------------------------------------------


def test_a_path_worked_by_hand():
    names = {"block4": {1: ("juggling", "action", 0.3)}, "block3": {1: ("dotted", "texture", 0.1)}}
    path = explain_decision(Toy(), IMAGE, names=names, top=1)
    assert path.logits.tolist() == [2.5, 5]
    assert (path.predicted, path.class_name, path.against) == (1, "juggling", None)
    assert path.probability == pytest.approx(1 / (1 + np.exp(-2.5)))
    assert path.activations.tolist() == [7, 2.5]
    assert path.activations_before.tolist() == [1, 2]
    assert path.contributions.tolist() == [0, 5]
    assert path.cam.tolist() == [[4, 0], [0, 16]]
    assert path.cam_over_image.shape == (2, 2)
    (unit,) = path.by_weight.units
    assert (unit.layer, unit.unit, unit.label) == ("block4", 1, "juggling")
    assert (unit.effect, unit.activation, unit.contribution) == (2, 2.5, 5)
    (before,) = unit.before_by_effect
    assert (before.layer, before.unit, before.label) == ("block3", 1, "dotted")
    assert (before.effect, before.activation, before.contribution) == (2, 2, 4)


def test_weight_and_contribution_part_where_the_image_says_so():
    toy = Toy()
    with torch.no_grad():
        toy.fc.weight[1] = torch.tensor([1.0, 2.0])  # 7 and 5 on the image
    path = explain_decision(toy, IMAGE, top=2)
    assert [unit.unit for unit in path.by_weight.units] == [1, 0]
    assert [unit.unit for unit in path.by_contribution.units] == [0, 1]
    first = path.by_contribution.units[0]  # m = 2, 2; a = 1, 2
    assert [unit.unit for unit in first.before_by_effect] == [0, 1]
    assert [unit.unit for unit in first.before_by_contribution] == [1, 0]
    assert [unit.effect for unit in path.by_weight.before] == [2, 1]  # means of 2, 2 and 0, 2
    assert [unit.unit for unit in path.by_weight.before] == [1, 0]
    assert path.by_weight.before[0].label == "unit 2"  # numbers are those of tally.csv, from 1


def test_the_path_is_held_against_another_class():
    path = explain_decision(Toy(), IMAGE, class_="juggling", against="sitting")
    assert path.against_name == "sitting"
    assert path.contributions.tolist() == [-7, 10]
    assert path.contributions.sum() + path.bias == 5 - 2.5
    assert path.cam.mean() == 3


@pytest.mark.parametrize("against", [None, 3])
def test_contributions_sum_to_the_logit_of_a_resnet(resnet, picture, effects, against):
    path = explain_decision(
        resnet, picture[None], **RESNET, class_=2, against=against, effects=effects
    )
    resnet.eval()
    with torch.no_grad():
        logits = resnet(picture[None])[0].double()
    logit = logits[2] - (0 if against is None else logits[against])
    assert path.contributions.sum() + path.bias == pytest.approx(float(logit), abs=1e-5)
    assert path.cam.mean() + path.bias == pytest.approx(float(logit), abs=1e-5)
    assert path.cam.shape == (2, 2)
    assert path.cam_over_image.shape == (64, 64)
    assert path.class_name == "class 2"


def test_a_resnet_s_path_is_that_of_loops_over_units(resnet, picture, effects):
    path = explain_decision(resnet, picture, **RESNET, top=4)
    torch.testing.assert_close(path.effects, effects.double())
    chosen = sorted(range(512), key=lambda v: -resnet.fc.weight[path.class_, v].item())[:4]
    assert [unit.unit for unit in path.by_weight.units] == chosen
    for unit in path.by_weight.units:
        row = effects[unit.unit]
        by_effect = sorted(range(256), key=lambda u: -row[u].item())[:4]
        assert [one.unit for one in unit.before_by_effect] == by_effect
        order = sorted(range(256), key=lambda u: -row[u].item() * path.activations_before[u].item())
        assert [one.unit for one in unit.before_by_contribution] == order[:4]
    together = sum(effects[v] for v in chosen) / 4
    best = max(range(256), key=lambda u: together[u].item())
    assert path.by_weight.before[0].unit == best
    assert path.by_weight.before[0].effect == pytest.approx(together[best].item(), abs=1e-6)
    chosen = sorted(range(512), key=lambda v: -path.contributions[v].item())[:4]
    assert [unit.unit for unit in path.by_contribution.units] == chosen
    parts = sum(effects[v] for v in chosen) / 4 * path.activations_before
    best = sorted(range(256), key=lambda u: -parts[u].item())[:4]
    assert [unit.unit for unit in path.by_contribution.before] == best
    assert best != [unit.unit for unit in path.by_weight.before]


def test_a_path_is_a_table(resnet, picture, effects):
    names = {"layer3": dict.fromkeys(range(256), ("sky", "object", 0.2))}
    path = explain_decision(resnet, picture, **RESNET, names=names, effects=effects, top=3)
    rows = path.rows()
    assert len(rows) == 2 * (3 + 3 + 3 * 3)
    assert {row["leads_to"] for row in rows[:6]} == {path.class_name, "all"}
    assert {row["concept"] for row in rows if row["layer"] == "layer3"} == {"sky"}
    assert {row["iou"] for row in rows if row["layer"] == "layer4"} == {None}
    numbers = [unit.unit + 1 for unit in path.by_weight.units]  # from 1, as in tally.csv
    assert [row["unit"] for row in rows[:3]] == numbers
    assert [row["leads_to"] for row in rows[6:15:3]] == [str(number) for number in numbers]


class Counting(nn.Module):
    """Counts what comes by, to see that the caller's own hooks are kept."""

    times = 0

    def __call__(self, *_):
        self.times += 1


def test_the_network_is_left_as_it_was(resnet, picture):
    resnet.train()
    resnet.layer4[0].eval()
    resnet.conv1.weight.requires_grad_(False)
    counting = Counting()
    handle = resnet.layer4.register_forward_hook(counting)
    weights = copy.deepcopy(resnet.state_dict())
    modes = [module.training for module in resnet.modules()]
    grads = [p.requires_grad for p in resnet.parameters()]
    image = picture.clone().requires_grad_()

    path = explain_decision(resnet, image, **RESNET, top=2, biases="kept")
    ablate_path(resnet, image, path, draws=3)
    with pytest.raises(InputError):
        ablation_check(resnet, image, "fc", [0], 0)

    assert all(torch.equal(v, weights[k]) for k, v in resnet.state_dict().items())
    assert [module.training for module in resnet.modules()] == modes
    assert [p.requires_grad for p in resnet.parameters()] == grads
    assert not path.logits.requires_grad
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in resnet.modules()]
    assert sum(sum(both) for both in hooks) == 1
    assert counting.times > 0
    handle.remove()
    resnet.conv1.weight.requires_grad_(True)


def test_a_block_that_rectifies_what_it_reads_in_place_does_not_change_what_was_seen():
    toy = Toy()
    toy.block3 = toy.block3[0]
    toy.block4 = nn.Sequential(nn.ReLU(inplace=True), *toy.block4)
    path = explain_decision(toy, -IMAGE)
    assert path.activations_before.tolist() == [-1, -2]
    assert path.activations.tolist() == [1, 0]
    assert path.effects.tolist() == [[2, 2], [0, 2]]


class Other(Toy):
    """A toy with something else between the last block and the linear layer, or behind it."""

    def __init__(self, between=None, behind=None):
        super().__init__()
        self.between, self.behind = between or nn.Identity(), behind or nn.Identity()

    def forward(self, x):
        maps = self.block4(self.block3(x))
        return self.behind(self.fc(self.between(self.pool(maps).flatten(1))))


@pytest.mark.parametrize(
    ("network", "settings", "line"),
    [
        (Toy(), {"blocks": ("block3", "blok4")}, "layer 'blok4' is not .* such as block4"),
        (Toy(), {"linear": "pool"}, "layer 'pool' is AdaptiveAvgPool2d, not .* such as fc"),
        (Toy().block4, {"linear": "0"}, "layer '0' is Conv2d, not .* the network has none"),
        (Toy(), {"blocks": ("block4", "fc")}, r"layer 'fc' gives \[1, 2\], not maps"),
        (
            Toy(),
            {"blocks": ("block4", "block3")},
            "layer 'block3' does not read what layer 'block4'",
        ),
        (Toy(), {"class_": "jugling"}, "class 'jugling' is not .* such as juggling"),
        (Toy(), {"class_": "x", "classes": ()}, "class 'x' .*; give its number"),
        (Toy(), {"class_": 2}, "class 2 is not one of 0 … 1"),
        (Toy(), {"classes": ["one"]}, "1 names of classes for 2 outputs"),
        (Toy(), {"top": 0}, "top is 0"),
        (Toy(), {"effects": torch.ones(3, 2)}, r"effects \[3, 2\] are not \[2, 2\]"),
        (Toy(), {"names": {"block2": {}}}, "names: layer 'block2' is not one of the blocks"),
        (Other(between=nn.Tanh()), {}, "not the spatial means of the maps of 'block4'"),
        (Other(behind=nn.Softmax(1)), {}, "the network's answer is not what layer 'fc' gives"),
        (Other(behind=nn.Flatten(0)), {}, r"the network answers \[2\] to one image"),
    ],
)
def test_paths_refuse_what_they_cannot_follow(network, settings, line):
    with pytest.raises(InputError, match=line):
        explain_decision(network, IMAGE, **settings)


@pytest.mark.parametrize(
    ("image", "line"),
    [
        (torch.zeros(2, 1, 2, 2), r"image \[2, 1, 2, 2\] of torch.float32 is not one image"),
        (torch.zeros(1, 2, 2, dtype=torch.uint8), "of torch.uint8 is not one image"),
        (torch.full((1, 2, 2), torch.nan), "values that are not finite"),
    ],
)
def test_paths_refuse_other_images(image, line):
    with pytest.raises(InputError, match=line):
        explain_decision(Toy(), image)


# --- ablation -------------------------------------------------------------------------------------


def test_an_ablation_worked_by_hand():
    check = ablation_check(Toy(), IMAGE, "block4", [0, 1], "juggling", draws=4)
    # Only the bias is left: the margin falls from 5 - 2.5 to 0 - 0.5, and so do all draws.
    assert (check.margin, check.effect, check.random.mean, check.matched.low) == (2.5, 3, 3, 3)
    assert check.random.share == check.matched.share == 1
    check = ablation_check(Toy(), IMAGE, "block4", [0], 1, draws=50)
    assert check.effect == -7  # what speaks for sitting is gone
    assert check.activation == 7
    assert set(check.random.effects) == {-7, 10}  # unit 1: -4.5 to 5 from the margin of 2.5
    # Without unit 0 of block 3: 2 (2x) + 1 = 5, 1, 1, 13 and ReLU(4x - 1) = 3, 0, 0, 11 in block 4,
    # means 5 and 3.5, logits 5 - 7 + 0.5 and 7.
    assert ablation_check(Toy(), IMAGE, "block3", [0], 1, draws=1).effect == 2.5 - 8.5


def ablated_by_hand(resnet, picture, layer, units, class_):
    resnet.eval()
    x = picture[None]
    with torch.no_grad():
        for name, module in resnet.named_children():
            x = x.flatten(1) if name == "fc" else x
            x = module(x)
            if name == layer:
                x[:, list(units)] = 0
    logits = x[0].tolist()
    return logits.pop(class_) - max(logits)


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_ablation_is_the_literal_one(resnet, picture, layer):
    units, draws = [5, 100, 17], 6
    check = ablation_check(resnet, picture, layer, units, 1, draws=draws, seed=4, batch=5)
    assert check.margin == pytest.approx(ablated_by_hand(resnet, picture, layer, [], 1), abs=1e-5)
    left = ablated_by_hand(resnet, picture, layer, units, 1)
    assert check.effect == pytest.approx(check.margin - left, abs=1e-5)
    assert abs(check.effect) > 1e-4
    rng = np.random.default_rng(4)
    count = {"layer3": 256, "layer4": 512}[layer]
    for own in check.random.effects:
        chosen = rng.choice(count, 3, replace=False)
        left = ablated_by_hand(resnet, picture, layer, chosen, 1)
        assert own == pytest.approx(check.margin - left, abs=1e-5)
    assert check.random.mean == pytest.approx(check.random.effects.mean())
    stronger = sum(own >= check.effect for own in check.random.effects)
    assert check.random.share == (1 + stronger) / (1 + draws)


def test_the_same_image_and_seed_give_the_same_check(resnet, picture):
    one, same, other = (
        ablation_check(resnet, picture, "layer4", [3, 4], 0, draws=20, seed=seed)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one.matched.effects, same.matched.effects)
    assert not np.array_equal(one.random.effects, other.random.effects)


def test_matches_are_the_nearest_in_activation_and_differ_within_a_draw():
    activation = np.array([0.0, 0.0, 0.0, 5.0, 5.1, 5.2, 9.0])
    rng = np.random.default_rng(0)
    drawn = matched_units(activation, np.array([4, 5]), draws=200, pool=3, rng=rng)
    assert set(drawn.ravel()) == {3, 4, 5}
    assert (drawn[:, 0] != drawn[:, 1]).all()
    silent = {
        int(matched_units(activation, np.array([0]), draws=1, pool=2, rng=rng)[0, 0])
        for _ in range(100)
    }
    assert silent == {0, 1, 2}  # ties are broken by chance


def test_shares_of_units_drawn_by_chance_are_not_small_too_often():
    """Both controls under their null: a unit that was itself drawn by chance."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 40, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                            nn.Linear(40, 3))  # fmt: skip
    image = torch.rand(1, 4, 4)
    checks = [
        ablation_check(network, image, "1", [unit], 0, against=1, draws=99, seed=unit, pool=20)
        for unit in range(40)
    ]
    for control in ("random", "matched"):
        shares = np.array([getattr(check, control).share for check in checks])
        assert (shares <= 0.1).mean() <= 0.15
        assert (shares <= 0.5).mean() <= 0.6
        assert shares.min() < 0.1  # but the strongest unit is told


def test_a_path_is_ablated_on_both_routes_in_both_blocks(resnet, picture, effects):
    path = explain_decision(resnet, picture, **RESNET, effects=effects, top=3)
    checks = ablate_path(resnet, picture, path, draws=30, seed=1)
    assert list(checks) == list(itertools.product(("weight", "contribution"), RESNET["blocks"]))
    last = checks["contribution", "layer4"]
    assert last.units == tuple(one.unit for one in path.by_contribution.units)
    assert last.class_ == path.predicted
    assert last.random.share < 0.1  # by construction: the largest parts of the logit
    assert last.matched.activation > last.random.activation


def test_a_summary_over_images_pairs_effect_and_control(resnet):
    generator = torch.Generator().manual_seed(2)
    checks = []
    for image in torch.rand(6, 3, 32, 32, generator=generator):
        path = explain_decision(resnet, image, **RESNET, effects=torch.ones(512, 256), top=4)
        units = [one.unit for one in path.by_contribution.units]
        checks.append(ablation_check(resnet, image, "layer4", units, path.predicted, draws=20))
    summary = summarise_ablations(checks)
    for name in ("random", "matched"):
        differences = np.array([check.effect - getattr(check, name).mean for check in checks])
        found = summary[name]
        assert found["images"] == 6
        assert isinstance(found["difference"], Interval)
        assert found["difference"].value == pytest.approx(differences.mean())
        assert found["effect"] - found["control"] == pytest.approx(differences.mean())
        assert found["difference"].low < differences.mean() < found["difference"].high
    clustered = summarise_ablations(checks, clusters=["a", "a", "b", "b", "c", "c"])
    assert clustered["random"]["difference"].value == pytest.approx(
        summary["random"]["difference"].value
    )
    for alone in (
        summarise_ablations(checks[:1]),
        summarise_ablations(checks[:2], clusters=["a"] * 2),
    ):
        assert np.isfinite(alone["random"]["difference"].value)
        assert np.isnan(
            [alone["random"]["difference"].low, alone["random"]["difference"].high]
        ).all()
    with pytest.raises(InputError, match="ablations of 0 images; give at least one"):
        summarise_ablations([])


@pytest.mark.parametrize(
    ("layer", "units", "settings", "line"),
    [
        ("block5", [0], {}, "layer 'block5' is not in the network; give one such as block"),
        ("fc", [0], {}, r"layer 'fc' gives \[1, 2\], not maps"),
        ("block4", [2], {}, r"units \[2\] of layer 'block4' are not all of 0 … 1"),
        ("block4", [1, 1], {}, r"units \[1, 1\] .* none twice"),
        ("block4", [], {}, "give at least one"),
        ("block4", [0], {"draws": 0}, "0 draws from pools of 2 units for 1 units"),
        ("block4", [0, 1], {"pool": 1}, "200 draws from pools of 1 units for 2 units"),
    ],
)
def test_ablations_refuse_what_means_nothing(layer, units, settings, line):
    with pytest.raises(InputError, match=line):
        ablation_check(Toy(), IMAGE, layer, units, 1, **settings)


# --- figures --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_path(resnet, picture, effects):
    long = "playing an instrument", "antidisestablishmentarianism"
    names = {
        layer: {u: (long[u % 2], "texture", 0.1) for u in range(count)}
        for layer, count in (("layer3", 256), ("layer4", 512))
    }
    classes = ["antidisestablishmentarianism of old", *"abcd"]
    return explain_decision(
        resnet, picture, **RESNET, names=names, effects=effects, classes=classes, class_=0,
        against="d",
    )  # fmt: skip


def test_labels_of_a_drawn_path_do_not_overlap(long_path, picture, tmp_path, monkeypatch):
    boxes = []

    @contextlib.contextmanager
    def looked_at(*args, **settings):
        with real(*args, **settings) as drawn:
            yield drawn
            renderer = drawn.canvas.get_renderer()
            for axes in drawn.axes:
                for text in [*axes.texts, axes._left_title, axes.title]:
                    if text.get_text():
                        boxes.append((text.get_text(), text.get_window_extent(renderer)))
            boxes.extend((t.get_text(), t.get_window_extent(renderer)) for t in drawn.texts)
            whole.append(drawn.bbox)

    real, whole = path_figure.figure, []
    monkeypatch.setattr(path_figure, "figure", looked_at)
    path_figure.draw_paths([long_path, long_path], [picture] * 2, tmp_path / "p.png")
    assert len(boxes) > 2 * 25
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), f"{one!r} and {other!r} overlap"
    for one, box in boxes:
        assert whole[0].x0 <= box.x0, one
        assert box.x1 <= whole[0].x1, one


def test_equal_paths_give_equal_files(long_path, picture, tmp_path):
    pixels = (255 * picture).round().byte().permute(1, 2, 0).numpy()
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    path_figure.draw_path(long_path, picture, files[0], title="x")
    path_figure.draw_path(long_path, pixels, files[1], title="x", cam=long_path.cam_over_image)
    path_figure.draw_path(long_path, pixels, files[2], title="x", by="weight")
    first, same, other = (file.read_bytes() for file in files)
    assert first == same != other
    assert Image.open(files[0]).width == 1440


def test_figures_refuse_what_does_not_fit_together(long_path, picture, tmp_path):
    with pytest.raises(InputError, match="1 paths, 2 images"):
        path_figure.draw_paths([long_path], [picture] * 2, tmp_path / "p.png")
    with pytest.raises(InputError, match="by 'size' is not one of weight, contribution"):
        path_figure.draw_path(long_path, picture, tmp_path / "p.png", by="size")
    with pytest.raises(InputError, match=r"image \[1, 64, 64\] of float32"):
        path_figure.draw_path(long_path, picture[:1], tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
