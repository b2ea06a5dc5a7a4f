"""Summaries held against birds drawn again: figures by hand, and colours that filters must see."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.scores.means import means_of_rows, tabulate_means
from seewhy.summaries.activations import read_activations
from seewhy.summaries.causes import causal_effects, causal_pairs, score_naming
from seewhy.summaries.counterfactuals import (
    Counterfactuals,
    attribute_slots,
    counterfactual,
    draw_counterfactuals,
    sample_right,
)
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.faithfulness import (
    NO_SLOT,
    UNSAID,
    margin_lost,
    named_attributes,
    named_pairs,
    species_pairs,
    tabulate_faithfulness,
    write_faithfulness,
)
from seewhy.summaries.filters import filter_attributes
from seewhy.summaries.images import crop, crop_images
from seewhy.summaries.silencing import margins, silenced_margin_lost, tabulate_ablation
from seewhy.summaries.split import open_split
from seewhy.text.attributes import extract_attributes
from seewhy.worlds.aviary.world import redraw, render_aviary, slot_table, species_table

SEED = 3
DRAWS = {"resamples": 50, "confidence": 0.9, "seed": 0}
PAIRS = (("a", "x"), ("a", "y"), ("a", "z"), ("b", "p"), ("b", "q"))
NAN = float("nan")


class Colours(nn.Module):
    """Linear filters that see green, blue and nothing; green and blue are the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
        self.fc = nn.Linear(3, 2)
        with torch.no_grad():
            self.maps[0].weight[:] = torch.tensor(
                [[-0.7, 1.0, -0.5], [-0.6, -0.5, 1.0], [0.0, 0.0, 0.0]]
            )[:, :, None, None]
            self.maps[0].bias[:] = 0.0
            self.fc.weight[:] = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
            self.fc.bias[:] = 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.maps(images).mean(dim=(2, 3)))


def prepare(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def aviary(tmp_path_factory):
    """Folder, network, splits of a small world (whatever the network says is right), attributes."""
    folder, network, splits = tmp_path_factory.mktemp("aviary"), Colours(), {}
    corpus = folder / "corpus"
    render_aviary(folder / "world", seed=SEED, birds={"train": 64, "test": 24}, workers=1)
    import_corpus("aviary", folder / "world", corpus)
    captions = read_table(corpus, "captions").groupby("clip")["text"].agg(list).to_dict()
    fitted = {name for name in captions if name.startswith("train")}
    attributes = extract_attributes(captions, fitted=fitted)
    for split in ("train", "test"):
        crops, activations = folder / f"{split}.h5", folder / f"{split}.act.h5"
        crop_images(corpus, split, crops)
        with h5py.File(crops, "r+") as file:  # classes that the network knows
            file["label"][:] = 0
            file["label"].attrs["classes"] = ["green", "blue"]
        read_activations(network, crops, activations, layer="maps", linear="fc", prepare=prepare)
        opened = open_split(crops, activations, corpus, attributes)
        splits[split] = replace(opened, labels=opened.found.decided)
    return folder, network, splits, attributes


@pytest.fixture
def found() -> Counterfactuals:
    """Bird 0 has x and p, bird 1 y and q; the third filter is dead."""
    phi = np.array([
        [[4, 1, 7], [2, 1, 7], [1, 3, 7], [4, 1, 7], [4, 4, 7]],
        [[6, 0, 7], [3, 0, 7], [3, 2, 7], [1, 0, 7], [3, 0, 7]],
    ], np.float32)  # fmt: skip
    own = np.array([[True, False, False, True, False], [False, True, False, False, True]])
    return Counterfactuals(np.array([5, 8]), PAIRS, own, phi)


def lost_of(found: Counterfactuals, **how) -> np.ndarray:
    weight, bias = np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([0, 0.5])
    return margin_lost(found, weight, bias, np.zeros(2, int), **how)


def row_of(table: pd.DataFrame, name: str) -> pd.Series:
    return table.set_index("row").loc[name]


def test_attributes_name_slots_in_any_of_their_words():
    names = [
        "yellow crown", "yellow cap", "Gray Belly", "green wings", "white wing bars",
        "white eyering", "pointed bill", "large beak", "small bird", "purple crown",
    ]  # fmt: skip
    assert attribute_slots(names, slot_table()) == [
        ("crown", "yellow"), ("crown", "yellow"), ("belly", "grey"), ("wing", "green"),
        ("wing_bar", "white"), ("eye_ring", "white"), ("bill_shape", "long"),
        ("bill_shape", "thick"), None, None,
    ]  # fmt: skip


def test_words_of_two_slots_name_none():
    slots = pd.DataFrame({
        "slot": ["crown", "hat"], "value": ["red", "red"], "adjectives": ["red", "red"],
        "nouns": ["crown;cap", "cap"],
    })  # fmt: skip
    assert attribute_slots(["red cap", "red crown"], slots) == [None, ("crown", "red")]


def test_a_changed_bird_is_cut_out_where_it_was():
    bird, drawing = {"split": "test", "index": 0}, redraw(SEED, "test", 0)
    area = tuple(map(float, drawing.box))
    boxes = set()
    for value in ("long", "short"):
        picture = redraw(SEED, "test", 0, slot="bill_shape", value=value)
        again = counterfactual(bird, "bill_shape", value, seed=SEED, area=area, size=32)
        np.testing.assert_array_equal(again, crop(picture.image, area, 32))
        boxes.add(picture.box)
    assert len(boxes) == 2  # the bird itself is longer
    same = counterfactual(bird, None, None, seed=SEED, area=area, size=32)
    np.testing.assert_array_equal(same, crop(drawing.image, area, 32))


def test_counterfactuals_are_what_the_network_makes_of_each_bird(aviary):
    folder, network, splits, _ = aviary
    birds = pd.read_csv(folder / "world/birds.csv", keep_default_na=False)
    test, slots, rows = splits["test"], slot_table(), np.array([2, 7, 11, 12, 15])
    drawn = draw_counterfactuals(
        network, test, rows, birds, slots, seed=SEED, layer="maps", prepare=prepare
    )
    assert drawn.phi.shape == (5, len(slots), 3)
    np.testing.assert_array_equal(drawn.own.sum(axis=1), slots["slot"].nunique())
    np.testing.assert_allclose(drawn.as_they_are, test.found.phi[rows], atol=1e-6)
    with open_hdf5(test.path) as file:
        area = file["box"][7].tolist()
    for place in (4, 20, 41):
        slot, value = drawn.pairs[place]
        image = redraw(SEED, "test", 7, slot=slot, value=value).image
        red, green, blue = (crop(image, area, test.size)[..., k] / 255 for k in range(3))
        greens = np.maximum(green - 0.7 * red - 0.5 * blue, 0).mean()
        assert drawn.phi[1, place, 0] == pytest.approx(greens, abs=1e-6)
    assert causal_pairs(drawn, bar=0.01) == [("wing", "green"), ("wing", "blue"), None]


def test_a_wrong_seed_is_another_bird(aviary):
    folder, network, splits, _ = aviary
    birds = pd.read_csv(folder / "world/birds.csv", keep_default_na=False)
    given = (splits["test"], [0, 1], birds, slot_table())
    with pytest.raises(InputError, match="test00000 is another bird when drawn again with seed 4"):
        draw_counterfactuals(network, *given, seed=4, layer="maps", prepare=prepare)
    other = Colours()
    with torch.no_grad():
        other.fc.bias[0] = 1
    with pytest.raises(InputError, match="activations are of network"):
        draw_counterfactuals(other, *given, seed=SEED, layer="maps", prepare=prepare)
    short = (splits["test"], [0, 1], birds[birds["image"] != "test00001"], slot_table())
    with pytest.raises(InputError, match=r"birds.csv has no image test00001"):
        draw_counterfactuals(network, *short, seed=SEED, layer="maps", prepare=prepare)


def test_birds_are_drawn_among_those_that_are_right(aviary):
    folder, _, splits, _ = aviary
    birds = pd.read_csv(folder / "world/birds.csv", keep_default_na=False)
    labels = splits["test"].labels.copy()
    labels[:10] = 1 - labels[:10]
    test = replace(splits["test"], labels=labels)
    birds.loc[birds["image"] == "test00012", "fault"] = "label"
    birds.loc[birds["image"] == "test00013", "fault"] = "perturbation"
    rows = sample_right(test, birds, 99)
    assert {12, *range(10)}.isdisjoint(rows)
    assert 13 in rows
    assert len(sample_right(test, birds, 4)) == 4
    assert sample_right(test, birds, 4, seed=1).tolist() != sample_right(test, birds, 4).tolist()
    with pytest.raises(InputError, match="1 asked for"):
        sample_right(test, birds, 1)


def test_margin_is_class_minus_best_other():
    logits = np.array([[[3.0, 1, 2], [0, 5, 1]], [[3.0, 1, 2], [0, 5, 1]]])
    np.testing.assert_array_equal(margins(logits, np.array([0, 1])), [[1, -5], [-2, 4]])
    assert logits[0, 0, 0] == 3


def test_margin_lost_by_hand(found):
    # margins: bird 0 2.5 as it is, y 0.5, z -2.5, q -0.5; bird 1 2.5, x 5.5, z 0.5, p 0.5
    np.testing.assert_allclose(
        lost_of(found), [[3.5, NAN, NAN, 3.0, NAN], [NAN, -0.5, NAN, NAN, 2.0]]
    )
    drawn = [lost_of(found, values=1, seed=seed)[0, [0, 3]].tolist() for seed in range(20)]
    assert {x for x, _ in drawn} == {2.0, 5.0}
    assert {p for _, p in drawn} == {3.0}
    with pytest.raises(InputError, match="values is 0"):
        lost_of(found, values=0)


def test_what_is_named():
    scores = np.array([[0.1, 0.5, 0.0, 0.4], [0, 0, 0.2, 0]])
    named = named_attributes(scores, top=3)
    assert named.tolist() == [[1, 3, 0], [2, -1, -1]]
    places = np.array([4, -1, 2, 0])
    assert named_pairs(named, places).tolist() == [[NO_SLOT, 0, 4], [2, UNSAID, UNSAID]]


def test_faithfulness_by_hand(found):
    named = {
        "t": np.array([[0, 2, NO_SLOT], [4, UNSAID, UNSAID]]),
        "class profile": np.array([[1], [1]]),
    }
    nameable = np.array([True, True, False, False, True])
    table = tabulate_faithfulness(
        named, {"mark": np.array([[3], [4]])}, lost_of(found), nameable,
        presets=["t"], top=1, **DRAWS,
    )  # fmt: skip
    t = row_of(table, "t")
    assert t["margin lost"] == pytest.approx((3.5 + 2) / 2)
    assert (t["margin lost low"], t["margin lost high"]) == (2, 3.5)
    assert t["named"] == 2
    shares = t[["true", "false", "no slot"]].astype(float)
    np.testing.assert_allclose(shares, [(1 / 3 + 1) / 2, 1 / 6, 1 / 6])
    assert row_of(table, "random true")["margin lost"] == pytest.approx((3.5 + 0.75) / 2)
    assert row_of(table, "best 1")["margin lost"] == pytest.approx((3.5 + 2) / 2)
    assert row_of(table, "mark")["margin lost"] == pytest.approx((3 + 2) / 2)
    profile = row_of(table, "class profile")
    assert (profile["images"], profile["true"]) == (1, 0.5)
    assert np.isnan(profile["margin lost"])  # one image has no interval
    assert row_of(table, "t minus random true")["margin lost"] == pytest.approx((0 + 1.25) / 2)
    kinds = table.set_index("row")["kind"].to_dict()
    assert kinds == {
        "t": "method", "class profile": "baseline", "mark": "bound", "random true": "baseline",
        "best 1": "bound", "t minus random true": "paired difference",
        "t minus class profile": "paired difference",
        "class profile minus random true": "paired difference",
    }  # fmt: skip


def test_species_are_known_by_their_marks():
    slots, species = slot_table(), species_table()
    pairs = tuple(zip(slots["slot"], slots["value"], strict=True))
    none = np.zeros((1, len(pairs)))
    found = Counterfactuals(np.zeros(1, int), pairs, none > 0, none[..., None])
    birds = pd.DataFrame({"species": ["red-crowned sparrow"]})
    bounds = species_pairs(found, birds, species)
    meant = {row: [pairs[v] for v in of[0]] for row, of in bounds.items()}
    assert meant == {
        "mark": [("crown", "red")],
        "marks of the family": [
            ("crown", "red"), ("breast", "white"), ("wing", "green"), ("tail", "blue")
        ],
    }  # fmt: skip


def test_silencing_by_hand():
    phi, weight, bias = (np.array(v, float) for v in ([2, 1, 3], [[1, 0, 1], [0, 2, 0.5]], [0, 1]))
    literal = []
    for some in ([0], [1, 2]):
        left = phi.copy()
        left[some] = 0
        y, z = weight @ phi + bias, weight @ left + bias
        literal.append((y[0] - y[1]) - (z[0] - z[1]))
    assert literal == [2, -0.5]
    once = silenced_margin_lost(phi, weight, bias, 0, np.array([[0], [1]]))
    np.testing.assert_allclose(once, [2, -2])
    both = silenced_margin_lost(phi, weight, bias, 0, np.array([[1, 2]]))
    np.testing.assert_allclose(both, [-0.5])


def test_ablation_by_hand(found):
    # Silencing filter 0, 1, 2 costs 2, -2, 1.5; they stand for x, y, q.
    weight, bias = np.array([[1.0, 0, 1], [0, 2, 0.5]]), np.array([0.0, 1])
    phi, places = np.array([[2.0, 1, 3]] * 2), np.array([0, 1, -1, 4])
    scores = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]], np.float32)
    tables = {"t": FilterAttributes(tuple("xynq"), "t", scores, np.ones(4, int))}
    named = {"t": np.array([[0, 1], [3, 2]])}
    given = (tables, named, places, found.own, phi, weight, bias, np.zeros(2, int))
    table = tabulate_ablation(*given, filters=1, **DRAWS)
    assert row_of(table, "t")["margin lost"] == pytest.approx((2 + 1.5) / 2)
    assert row_of(table, "t: named, not there")["images"] == 1
    assert row_of(table, "t: there")["margin lost"] == pytest.approx((2 - 0.25) / 2)
    assert row_of(table, "t: not there")["margin lost"] == pytest.approx((-0.25 + 2) / 2)
    difference = row_of(table, "t minus t: there")
    assert difference["margin lost"] == pytest.approx((0 + 1.75) / 2)
    every = tabulate_ablation(*given, filters=3, **DRAWS).set_index("row")["margin lost"]
    np.testing.assert_allclose(every[["t", "t: there", "t: not there", "random filters"]], 1.5)
    with pytest.raises(InputError, match="filters is 4 of 3"):
        tabulate_ablation(*given, filters=4, **DRAWS)


def test_effects_follow_their_definition(found):
    rng = np.random.default_rng(0)
    phi = rng.random((6, 5, 4)).astype(np.float32)
    own = np.zeros((6, 5), bool)
    own[np.arange(6), rng.integers(0, 3, 6)] = own[:, 3] = True
    for bird in range(6):
        phi[bird, own[bird]] = phi[bird, 3]
    many = Counterfactuals(np.arange(6), PAIRS, own, phi)
    for f in range(4):
        for v, (slot, _) in enumerate(PAIRS):
            others = [k for k, (s, _) in enumerate(PAIRS) if s == slot and k != v]
            raised = [phi[b, v, f] - np.mean([phi[b, k, f] for k in others]) for b in range(6)]
            expected = np.mean(raised) / np.std([phi[b, 3, f] for b in range(6)])
            assert causal_effects(many)[f, v] == pytest.approx(expected, abs=1e-5)
    # By hand: filter 0 x 2.75 / 0.5; filter 1 z 2 / 0.5, q 1.5 / 0.5; filter 2 is dead.
    effects = causal_effects(found)
    assert effects[0, 0] == pytest.approx(5.5)
    np.testing.assert_allclose(effects[1, [2, 4]], [4, 3])
    np.testing.assert_array_equal(effects[2], 0)
    assert causal_pairs(found) == [("a", "x"), ("a", "z"), None]
    assert causal_pairs(found, bar=4.5) == [("a", "x"), None, None]
    assert causal_pairs(found, bar=0)[2] is None
    assert found.of(np.array([False, True])).rows.tolist() == [8]


def test_naming_by_hand():
    causes = [("a", "x"), ("a", "z"), None, ("b", "p")]
    pairs = [("a", "x"), ("a", "y"), None, ("b", "q"), ("a", "z"), ("a", "x")]
    first, second = np.zeros((4, 6), np.float32), np.zeros((4, 6), np.float32)
    first[0, 5], first[1, 1], second[1, 4] = 2, 1, 3
    support, names = np.array([1, 1, 9, 1, 5, 2]), tuple("abcdef")
    tables = {
        "paper": FilterAttributes(names, "paper", first, support),
        "t": FilterAttributes(names, "t", second, support),
    }
    halves = [causes, [("a", "x"), ("b", "q"), None, None]]
    table = score_naming(tables, causes, pairs, halves=halves, **DRAWS)
    assert set(table["filters"]) == {2}
    assert (table["no cause"].iloc[0], table["nameless"].iloc[0]) == (1, 1)
    figures = table.set_index("row")[["named", "slot"]].apply(tuple, axis=1)
    assert figures["paper"] == (0.5, 1)  # x by its other name; y of the right slot
    assert figures["t"] == (0.5, 0.5)  # nothing; z
    assert figures["most frequent attribute"] == (0.5, 1)  # z: c names no slot
    assert figures["most frequent cause"] == (0.5, 1)
    assert figures["half of the birds"] == (0.5, 0.5)
    assert figures["chance"] == pytest.approx(((2 / 6 + 1 / 6) / 2, 4 / 6))
    assert figures["t minus paper"] == (0, -0.5)
    assert row_of(table, "half of the birds")["kind"] == "bound"
    with pytest.raises(InputError, match="give one cause a filter"):
        score_naming(tables, causes[:3], pairs)
    with pytest.raises(InputError, match="no filter has a cause"):
        score_naming(tables, [None] * 4, pairs)


def test_means_leave_out_what_is_missing():
    np.testing.assert_array_equal(means_of_rows(np.array([[1, NAN, 3], [NAN, NAN, NAN]])), [2, NAN])
    rows = {"one": np.array([3.0, 2, NAN]), "two": np.array([1.0, NAN, 5])}
    table = tabulate_means(rows, [("one", "two")], name="mean", items="images", **DRAWS)
    assert table["images"].tolist() == [2, 2, 1]
    assert table["mean"].tolist()[:2] == [2.5, 3]
    with pytest.raises(InputError, match="rows of 2 and of 3 images"):
        tabulate_means({"one": np.ones(2), "two": np.ones(3)}, [], name="m", items="images")


def test_the_tables_are_written(aviary, tmp_path):
    folder, network, splits, attributes = aviary
    train = splits["train"]
    tables = {
        preset: filter_attributes(
            preset, train.found.phi, train.presence, attributes.names,
            prior=attributes.prior() if preset == "paper" else None,
        )
        for preset in ("paper", "t", "joint")
    }  # fmt: skip
    outputs = {name: tmp_path / f"{name}.csv" for name in ("faithfulness", "ablation", "naming")}
    how = dict(
        train=train, test=splits["test"], tables=tables, network=network, world=folder / "world",
        seed=SEED, layer="maps", prepare=prepare, birds=6, filters=1, bar=0.01, draws=DRAWS,
    )  # fmt: skip
    write_faithfulness(outputs, **how)
    written = {name: pd.read_csv(path) for name, path in outputs.items()}
    for table in written.values():
        assert {"paper", "t", "joint"} <= set(table["row"])
    naming = written["naming"].set_index("row")
    assert naming["filters"].iloc[0] == 2
    assert naming.loc["joint", "named"] == 1  # green wings, blue wings
    digits = outputs["faithfulness"].read_text().split("\n")[1].split(",")[3]
    assert len(digits.strip("-0.").replace(".", "")) <= 4
    first = {name: path.read_bytes() for name, path in outputs.items()}
    write_faithfulness(outputs, **how)
    assert first == {name: path.read_bytes() for name, path in outputs.items()}
