"""A dissection of networks made by hand, whose units' names and IoU are known."""

import json

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from seewhy.dissection import dissect
from seewhy.dissection.concepts import ConceptSet, ConceptWriter
from seewhy.dissection.dissect import (
    How,
    dissect_layer,
    iou,
    read_dissection,
    write_dissection,
)
from seewhy.dissection.layers import outputs_of, randomised
from seewhy.dissection.sets import Shuffled
from seewhy.dissection.tally import calibrated_threshold, tally
from seewhy.dissection.upsampling import Field
from seewhy.errors import InputError

COLOURS = {"red-c": (255, 0, 0), "green-c": (0, 255, 0), "blue-c": (0, 0, 255)}
SMALL = {"nulls": 2, "batch": 4, "groups": 3, "top": 2, "curves": False, "pairs": False}


def channels(*colours):
    """A network whose layer `units` gives these channels of the image, as they are."""
    network = nn.Sequential()
    network.add_module("units", nn.Conv2d(3, len(colours), 1, bias=False))
    network.add_module("relu", nn.ReLU(inplace=True))
    with torch.no_grad():
        network.units.weight.zero_()
        for unit, colour in enumerate(colours):
            network.units.weight[unit, colour] = 1
    return network


def write_colours(folder, images=8, size=8, seed=0):
    """Pictures of rectangles of the three colours on black, with a mask of what is where."""
    rng = np.random.default_rng(seed)
    names = {"color": list(COLOURS), "scene": ["day", "night"]}
    with ConceptWriter(folder, names) as writer:
        for i in range(images):
            picture, mask = np.zeros((size, size, 3), np.uint8), np.zeros((1, size, size), int)
            for k, rgb in enumerate(COLOURS.values(), 1):
                y, x = rng.integers(0, size - 2, 2)
                high, wide = rng.integers(1, size // 2, 2)
                picture[y : y + high, x : x + wide] = rgb
                mask[0, y : y + high, x : x + wide] = k
            writer.add(f"{i}", picture, masks={"color": mask},
                       whole={"scene": [("day", "night")[i % 2]]}, group=f"{i // 2}")  # fmt: skip
    return ConceptSet(folder)


@pytest.fixture
def concepts(tmp_path):
    return write_colours(tmp_path / "set")


def test_a_unit_that_is_the_red_channel_is_named_red(tmp_path):
    """By hand: of 2 images of 4 x 4 pixels the first has a red column, half of it labelled so.

    The unit is 1 at 4 of 32 pixels, its threshold 0 at level 0.5. It fires at 4 pixels; red-c is at
    2 of these and, wrongly labelled, at 1 black one: I = 2, G = 3, A = 4, IoU = 2 / (4 + 3 - 2).
    """
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, 1, 0] = 255
    red = np.zeros((1, 4, 4), int)
    red[0, :2, 1] = red[0, 3, 3] = 1
    with ConceptWriter(
        tmp_path / "set", {"color": ["red-c", "blue-c"], "scene": ["day"]}
    ) as writer:
        writer.add("a", picture, masks={"color": red}, whole={"scene": ["day"]})
        writer.add("b", np.zeros_like(picture), size=(4, 4), whole={"scene": ["day"]})
    how = How(**SMALL | {"level": 0.5, "nulls": 1})
    found = dissect_layer(channels(0, 2), "units", ConceptSet(tmp_path / "set"), how=how)
    assert found.thresholds.tolist() == [0, 0]
    table = tally(found).set_index("unit")
    assert table.loc[1, ["category", "label", "score"]].tolist() == ["color", "red-c", 0.4]
    assert table.loc[1, ["color-truth", "color-activation", "color-intersect"]].tolist() == [
        3,
        4,
        2,
    ]
    # Whole images: 4 of 32 pixels.
    assert table.loc[1, ["scene-label", "scene-iou"]].tolist() == ["day", 4 / 32]
    assert table.loc[2, "score"] == 0
    assert found.counts.fired.sum(0).tolist() == [[4, 4], [0, 0]]
    assert found.counts.spoken.sum(0).tolist() == [16, 32]
    assert found.top[0].tolist() == [0, 1]
    assert found.top_value[0].tolist() == [1, 0]
    # Pearson's r by hand: over the 16 pixels of the image that speaks of colours.
    fires, is_red = picture[..., 0].ravel() > 0, red[0].ravel() > 0
    assert found.correlation[0, 1] == pytest.approx(np.corrcoef(fires, is_red)[0, 1])
    # The null: the labels of the other image. Those of b say nothing of colours.
    assert found.null.shape == (1, 2, 2)
    assert found.null[0, 0].tolist() == [0, 4 / 32]


def test_units_of_colours_find_theirs(concepts):
    found = dissect_layer(channels(2, 0, 1), "units", concepts, how=How(level=0.6, **SMALL))
    table = tally(found).set_index("unit")
    assert table.loc[[1, 2, 3], "label"].tolist() == ["blue-c", "red-c", "green-c"]
    np.testing.assert_array_equal(table["score"], 1)
    assert found.null.max() < 0.8


def modes(network):
    return [module.training for module in network.modules()]


def test_the_network_is_left_as_it_was(concepts):
    network = nn.Sequential(channels(0, 1), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    network[1].eval()  # as a frozen norm is
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    before = modes(network)
    dissect_layer(network, "0.units", concepts, how=How(**SMALL))
    with pytest.raises(InputError, match=r"input of the network .* not finite"):
        dissect_layer(network, "0.units", concepts, how=How(**SMALL), prepare=not_numbers)
    assert modes(network) == before
    assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def not_numbers(images):
    return torch.full((len(images), 3, 8, 8), torch.nan)


class Interrupted:
    """A concept set of which `after` labels can be read, one thread or several."""

    def __init__(self, concepts, after):
        self._concepts, self._left = concepts, after

    def __getattr__(self, name):
        return getattr(self._concepts, name)

    def __len__(self):
        return len(self._concepts)

    def labels(self, i):
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._concepts.labels(i)


@pytest.mark.parametrize("after", [1, 5, 7])
def test_an_interrupted_dissection_ends_as_an_unbroken_one(concepts, tmp_path, monkeypatch, after):
    monkeypatch.setattr(dissect, "_SAVE_SECONDS", -1.0)
    monkeypatch.setattr(dissect, "_digest", lambda _: "the same")
    how, network = How(level=0.8, **SMALL | {"batch": 3}), channels(0, 1, 2)
    dissect_layer(network, "units", concepts, how=how, output=tmp_path / "whole/units.h5")
    path, kept = tmp_path / "again/units.h5", tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        dissect_layer(network, "units", Interrupted(concepts, after), how=how, output=path,
                      resume=kept)  # fmt: skip
    assert not path.exists()
    (unfinished,) = kept.rglob("*.pt")
    done = torch.load(unfinished, weights_only=True)["parts"]["work"]["done"]
    assert 3 <= done <= 3 + after // 3  # two batches are read ahead at once
    dissect_layer(network, "units", concepts, how=how, output=path, resume=kept)
    assert path.read_bytes() == (tmp_path / "whole/units.h5").read_bytes()
    assert not unfinished.exists()


def test_unfinished_work_of_other_labels_is_not_taken_up(concepts, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(dissect, "_SAVE_SECONDS", -1.0)
    how, network, path = How(level=0.8, **SMALL), channels(0, 1, 2), tmp_path / "units.h5"
    with pytest.raises(KeyboardInterrupt):
        dissect_layer(network, "units", Interrupted(concepts, 5), how=how, output=path)
    shuffled = Shuffled(concepts, "color", seed=1)
    expected = dissect_layer(network, "units", shuffled, how=how)
    with caplog.at_level("INFO"):
        found = dissect_layer(network, "units", shuffled, how=how, output=path)
    assert "is of other settings or data" in caplog.text
    np.testing.assert_array_equal(found.counts.both, expected.counts.both)


def test_unfinished_work_that_cannot_be_read_is_passed_over(concepts, tmp_path, monkeypatch):
    monkeypatch.setattr(dissect, "_SAVE_SECONDS", -1.0)
    how, network, path = How(level=0.8, **SMALL), channels(0, 1, 2), tmp_path / "units.h5"
    with pytest.raises(KeyboardInterrupt):
        dissect_layer(network, "units", Interrupted(concepts, 5), how=how, output=path)
    (unfinished,) = tmp_path.glob(".*.pt")
    saved = torch.load(unfinished, weights_only=True)
    saved["parts"]["work"]["counts"] = saved["parts"]["work"]["counts"][:1]
    torch.save(saved, unfinished)
    found = dissect_layer(network, "units", concepts, how=how, output=path)
    expected = dissect_layer(network, "units", concepts, how=how)
    np.testing.assert_array_equal(found.counts.both, expected.counts.both)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)


@pytest.mark.parametrize("semantics", ["netdissect", "lite"])
@pytest.mark.parametrize("upsampling", ["netdissect", "lite"])
def test_counts_do_not_depend_on_batches_workers_or_groups(concepts, semantics, upsampling):
    network = nn.Sequential(channels(0, 1, 2, 0), nn.AvgPool2d(2))
    settings = {"level": 0.9, "semantics": semantics, "upsampling": upsampling}
    one = dissect_layer(network, "1", concepts, how=How(**SMALL | settings), workers=1)
    more = {"batch": 7, "groups": 2, "nulls": 0}
    two = dissect_layer(network, "1", concepts, how=How(**SMALL | settings | more), workers=3)
    np.testing.assert_array_equal(one.thresholds, two.thresholds)
    for name in ("both", "truth", "fired", "fired_all", "pixels", "spoken"):
        a, b = (getattr(found.counts, name).sum(0) for found in (one, two))
        np.testing.assert_array_equal(a, b, err_msg=name)
    np.testing.assert_allclose(one.correlation, two.correlation, atol=1e-12)
    assert one.counts.both.sum() > 0
    # Four groups of two images among three: the first and the fourth together.
    assert one.counts.pixels.tolist() == [4 * 64, 2 * 64, 2 * 64]


def test_receptive_fields_are_in_pixels_of_the_networks_input(concepts):
    """The images are enlarged twice: so then are fields, but the counts are those of before."""
    network = nn.Sequential(channels(0, 1, 2), nn.AvgPool2d(2), nn.Upsample(scale_factor=1))
    twice = nn.Sequential(channels(0, 1, 2), nn.AvgPool2d(4))

    def enlarge(images):
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        return nn.functional.interpolate(pixels, scale_factor=2)

    how = How(level=0.8, upsampling="netdissect", **SMALL)
    one = dissect_layer(network, "1", concepts, how=how, field=(Field(0, 2, 2),) * 2)
    two = dissect_layer(twice, "1", concepts, how=how, field=(Field(0, 4, 4),) * 2, prepare=enlarge)
    np.testing.assert_array_equal(one.counts.both, two.counts.both)


def test_a_dissection_is_written_and_read(concepts, tmp_path):
    path = tmp_path / "found.h5"
    found = dissect_layer(channels(0, 1), "units", concepts, how=How(**SMALL), output=path)
    again = read_dissection(path)
    assert again.names == found.names
    assert again.categories == found.categories
    assert again.about == found.about == json.loads(json.dumps(found.about))
    for name in ("category", "thresholds", "correlation", "null", "top", "top_value"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    for name, value in vars(found.counts).items():
        np.testing.assert_array_equal(getattr(again.counts, name), value)
    write_dissection(tmp_path / "again.h5", again)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()
    with h5py.File(path, "a") as file:
        del file["counts/spoken"]
    with pytest.raises(InputError, match=r"found\.h5.*counts/spoken"):
        read_dissection(path)


def test_iou_is_that_of_the_equation():
    both, truth = np.array([[0, 2, 0]]), np.array([9, 3, 0])
    fired, category = np.array([[4]]), np.array([-1, 0, 0])
    assert iou(both, truth, fired, category).tolist() == [[0, 0.4, 0]]
    assert iou(both, truth, 0 * fired, category)[0, 2] == 0


def test_chance_is_what_labels_of_other_images_give(tmp_path):
    """Labels that have nothing to do with the images: real and null scores are alike."""
    rng = np.random.default_rng(0)
    with ConceptWriter(tmp_path / "set", {"object": ["a", "b", "c"]}) as writer:
        for i in range(40):
            mask = np.zeros((1, 16, 16), int)
            y, x = rng.integers(0, 10, 2)
            mask[0, y : y + 6, x : x + 6] = rng.integers(1, 4)
            picture = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            writer.add(f"{i}", picture, masks={"object": mask})
    torch.manual_seed(0)
    network = nn.Conv2d(3, 64, 1)
    wrapped = nn.Sequential(network)
    how = How(**SMALL | {"level": 0.9, "nulls": 19, "batch": 20})
    found = dissect_layer(wrapped, "0", ConceptSet(tmp_path / "set"), how=how)
    scores = tally(found)["score"]
    assert abs(scores.mean() - found.null.mean()) < 0.5 * found.null.std()
    for share in (0.05, 0.5):
        limit = calibrated_threshold(found, share=share)
        assert limit == np.quantile(found.null.max(2), 1 - share)
        assert np.mean(found.null.max(2) >= limit) == pytest.approx(share, abs=0.002)
    assert (scores >= calibrated_threshold(found)).mean() < 0.2
    with pytest.raises(InputError, match="category 'scene' is not one of object"):
        calibrated_threshold(found, categories=["scene"])
    found.null = found.null[:0]
    with pytest.raises(InputError, match="no null was counted"):
        calibrated_threshold(found)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.units, self.spare = channels(0, 1), nn.Conv2d(3, 2, 1)

    def forward(self, images):
        return self.units(images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "unit"}, "layer 'unit' is not in the network; give one such as units"),
        ({"layer": "spare"}, "layer 'spare' does not run in a forward pass"),
        (
            {"prepare": not_numbers},
            r"input of the network .* values that are not finite",
        ),
        ({"how": How(**SMALL | {"nulls": 3, "batch": 9})}, None),
        (
            {"how": How(**SMALL | {"nulls": 8, "batch": 9})},
            "nulls 8 must be less than the images, 8",
        ),
    ],
)
def test_what_cannot_be_dissected_is_refused(concepts, change, message):
    given = {"layer": "units.units", "how": How(**SMALL)} | change
    if message is None:
        dissect_layer(Unused(), given.pop("layer"), concepts, **given)
        return
    with pytest.raises(InputError, match=message):
        dissect_layer(Unused(), given.pop("layer"), concepts, **given)


def test_outputs_that_are_no_maps_are_refused(concepts):
    network = nn.Sequential(channels(0, 1), nn.Flatten(2))
    with pytest.raises(InputError, match=r"layer '1' gives \[4, 2, 64\]; a dissection needs featu"):
        dissect_layer(network, "1", concepts, how=How(**SMALL))


def test_images_that_are_not_of_the_size_that_the_set_says_are_refused(tmp_path):
    with ConceptWriter(tmp_path / "set", {"color": ["red-c"]}) as writer:
        for i in range(3):
            mask = np.ones((1, 4, 4), int)
            writer.add(f"{i}", np.full((4, 4, 3), 50 * i, np.uint8), masks={"color": mask})
    concepts = ConceptSet(tmp_path / "set")
    Image.new("RGB", (6, 6)).save(tmp_path / "set/images" / concepts.images[1])
    with pytest.raises(InputError, match=r"images of different sizes \(\(4, 4, 3\), \(6, 6, 3\)"):
        dissect_layer(channels(0), "units", concepts, how=How(**SMALL))


def test_a_set_without_images_is_refused(tmp_path):
    with ConceptWriter(tmp_path / "set", {"color": ["red-c"]}):
        pass
    with pytest.raises(InputError, match="the concept set has no images"):
        dissect_layer(channels(0), "units", ConceptSet(tmp_path / "set"), how=How(**SMALL))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": 1.01}, r"level 1\.01 must lie between 0 and 1"),
        ({"semantics": "broden"}, "semantics 'broden' is not one of netdissect, lite"),
        ({"upsampling": "cubic"}, "upsampling 'cubic' is not one of lite, netdissect"),
        ({"batch": 0}, "batch 0 must be 1 or more"),
        ({"groups": 0}, "groups 0 must be 1 or more"),
        ({"nulls": 100}, "nulls 100 must be 0 or more, and less than batch, 100"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        How(**settings)


def test_outputs_are_copies_and_hooks_are_removed():
    network = channels(0, 1).eval()
    images = torch.randn(2, 3, 4, 4)
    with torch.no_grad(), outputs_of(network, ["units"]) as found:
        network(images)  # the ReLU after it is in place
    torch.testing.assert_close(found["units"], images[:, :2])
    assert not network.units._forward_hooks
    with outputs_of(nn.Sequential(linear := nn.Linear(3, 5)), ["0"]) as found:
        linear(torch.randn(2, 3))
    assert found["0"].shape == (2, 5, 1, 1)


def test_a_random_network_keeps_the_norms_of_its_layers_and_nothing_else():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1, bias=False),
        nn.BatchNorm2d(4, affine=False), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4 * 16, 5),
    )  # fmt: skip
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(3).add_(0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = 2 + torch.randn(50, 3, 6, 6)
    made = randomised(network, images, seed=1)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert network.training
    assert not made.training
    for place in (0, 3, 7):
        assert made[place].weight.norm().item() == pytest.approx(
            network[place].weight.norm().item()
        )
        assert not torch.allclose(made[place].weight, network[place].weight, atol=0.1)
    for place in (0, 1, 5, 7):
        assert (made[place].bias == 0).all()
    assert (made[1].weight == 1).all()
    assert (made[5].weight == 1).all()
    with torch.no_grad():
        first = made[0](images)
        normed = made[1](first)
        torch.testing.assert_close(made[1].running_mean, first.mean((0, 2, 3)))
        torch.testing.assert_close(made[1].running_var, first.var((0, 2, 3)))
        # Of the layer above, with the layer below already normed.
        torch.testing.assert_close(
            made[4].running_mean, made[3](normed.relu()).mean((0, 2, 3)), atol=0, rtol=2e-3
        )
        assert torch.equal(made(images), randomised(network, images, seed=1)(images))
        assert not torch.equal(made(images), randomised(network, images, seed=2)(images))
    with pytest.raises(InputError, match="PReLU: how to randomise it is not known"):
        randomised(nn.Sequential(nn.PReLU()), images)
