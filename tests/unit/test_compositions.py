"""Formulas of two labels: against the literal search over all pixels, and by hand."""

import logging
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy.dissection import dissect
from seewhy.dissection.compositions import OPERATORS, Pairs, labels_within
from seewhy.dissection.concepts import Labels
from seewhy.dissection.counting import Counter, list_labels
from seewhy.dissection.details import compositions, compositions_summary, details
from seewhy.dissection.dissect import How, dissect_layer, iou, read_dissection, write_dissection
from seewhy.dissection.upsampling import axis
from seewhy.errors import InputError

CATEGORY = np.array([-1, 0, 0, 0, 1, 1, 2, 2])
NAMES = ["", "red", "green", "blue", "dots", "lines", "day", "night"]
THRESHOLDS = np.array([0.8, 1.1, np.nan, 0.3])


def images(rng, count=10, units=4, cells=(4, 5), size=(11, 12)):
    """Some do not speak of category 1, some have labels of the whole image, repeated by a plane."""
    maps = rng.standard_normal((count, units, *cells)).astype(np.float32)
    labels = []
    for i in range(count):
        planes = rng.choice([0, 0, 1, 2, 3, 4, 5], (3, *size)).astype(np.int32)
        if i % 4 == 1:
            planes[planes > 3] = 0
        planes[1, :5] = planes[0, :5]
        whole = (6,) if i % 3 == 0 else (7, 2) if i % 3 == 1 else ()
        labels.append(Labels(planes, whole))
    return maps, labels


def has(labels, label):
    return (labels.planes == label).any(0) | (label in labels.whole)


def speaks(labels, category):
    return any(has(labels, c).any() for c in np.flatnonzero(category == CATEGORY))


FORMULAS = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "and not": lambda a, b: a & ~b,
}


def literal(fires, labels, mask, categories):
    """IoU over the images that speak of the categories; `mask` of an image's labels."""
    part = whole = 0
    for own, fired in zip(labels, fires, strict=True):
        if all(speaks(own, k) for k in categories):
            part += (fired & mask(own)).sum()
            whole += (fired | mask(own)).sum()
    return part / whole if whole else 0.0


def real(labels, operator, a, b):
    """Whether the formula differs from its parts, over the images that speak of both, and is
    somewhere.
    """
    masks = [
        (has(own, a), has(own, b))
        for own in labels
        if speaks(own, CATEGORY[a]) and speaks(own, CATEGORY[b])
    ]
    formula = [FORMULAS[operator](x, y) for x, y in masks]
    return any(f.any() for f in formula) and not any(
        all((f == pair[k]).all() for f, pair in zip(formula, masks, strict=True)) for k in (0, 1)
    )


def firing(maps, axes, threshold):
    """[images, units, rows, columns] bool, by matrices of weights."""
    down, across = axes
    values = np.einsum("yi,nuij,xj->nuyx", down.matrix, maps.astype(np.float64), across.matrix)
    return values > threshold[:, None, None]


def count(maps, labels, groups, axes, only=None):
    pairs = Pairs(THRESHOLDS, CATEGORY, 3, labels=only)
    listed = [list_labels(one, len(CATEGORY)) for one in labels]
    pairs.add(maps, listed, [axes] * len(maps), groups)
    return pairs


AXES = axis(4, 11), axis(5, 12)


def test_every_formula_scores_as_its_literal_pixels():
    maps, labels = images(np.random.default_rng(0))
    groups = [0, 1, 1, 2, 3, 4, 4, 5, 6, 7]
    pairs, fires = count(maps, labels, groups, AXES), firing(maps, AXES, THRESHOLDS)
    tried = 0
    for half in range(2):
        mine = [i for i, g in enumerate(groups) if g % 2 == half]
        own = [labels[i] for i in mine]
        for unit in range(4):
            at = [fires[i, unit] for i in mine]
            single, formulas, alone = pairs.scores(0, half, unit)
            for a in range(1, 8):
                expected = literal(at, own, lambda one, a=a: has(one, a), [CATEGORY[a]])
                assert single[a - 1] == pytest.approx(expected, abs=1e-12)
            for a, b in permutations(range(1, 8), 2):
                both = CATEGORY[[a, b]]
                expected = literal(at, own, lambda one, a=a: has(one, a), both)
                assert alone[a - 1, b - 1] == pytest.approx(expected, abs=1e-12)
                for o, operator in enumerate(OPERATORS):
                    found = formulas[o, a - 1, b - 1]
                    if not real(own, operator, a, b) or (operator != "and not" and a > b):
                        assert found == -1
                        continue
                    tried += 1
                    expected = literal(
                        at, own, lambda one, f=FORMULAS[operator], a=a, b=b: f(
                            has(one, a), has(one, b)), both,
                    )  # fmt: skip
                    assert found == pytest.approx(expected, abs=1e-12)
    assert tried > 400


def test_a_single_label_scores_as_in_the_dissection():
    maps, labels = images(np.random.default_rng(1))
    listed = [list_labels(one, len(CATEGORY)) for one in labels]
    counter = Counter(THRESHOLDS, CATEGORY, 3)
    counter.add(maps, listed, [AXES] * 10, [0] * 10)
    counter.close()
    counts = counter.counts
    expected = iou(counts.both.sum(0), counts.truth.sum(0), counts.fired.sum(0), CATEGORY)
    pairs = count(maps, labels, [0] * 10, AXES)
    for unit in range(4):
        np.testing.assert_allclose(pairs.scores(0, 0, unit)[0], expected[unit, 1:])


def test_chosen_on_one_half_and_told_on_the_other():
    maps, labels = images(np.random.default_rng(2), count=12)
    groups = [3 * i for i in range(12)]
    pairs = count(maps, labels, groups, AXES)
    found = pairs.search()
    for chosen in range(2):
        for unit in (0, 1, 3):
            mine, other = (pairs.scores(0, half, unit) for half in (chosen, 1 - chosen))
            label = found.label[0, chosen, unit]
            assert found.label_iou[0, chosen, 0, unit] == mine[0].max() == mine[0][label - 1]
            assert found.label_iou[0, chosen, 1, unit] == other[0][label - 1]
            a, b = found.first[0, chosen, unit], found.second[0, chosen, unit]
            o = found.operator[0, chosen, unit]
            assert (
                found.formula_iou[0, chosen, 0, unit] == mine[1].max() == mine[1][o, a - 1, b - 1]
            )
            assert found.formula_iou[0, chosen, 1, unit] == max(other[1][o, a - 1, b - 1], 0)
            part = found.part[0, chosen, unit]
            rest = b if part == a else a
            assert mine[2][part - 1, rest - 1] >= mine[2][rest - 1, part - 1]
            assert found.part_iou[0, chosen, 1, unit] == other[2][part - 1, rest - 1]
    assert (found.operator[:, :, 2] == -1).all()  # the unit that never fires
    assert (found.label[:, :, 2] == 0).all()


def test_the_second_round_meets_labels_of_the_same_half():
    maps, labels = images(np.random.default_rng(3), count=6)
    groups = [0, 2, 1, 2, 5, 4]
    pairs = count(maps, labels, groups, AXES)
    # Even: 0, 1, 3, 5 in turn, but for 1 and 3, which are of one group; odd: 2 and 4.
    by_hand = count(maps[[0, 3, 5, 2, 4]], [labels[i] for i in (1, 5, 0, 4, 2)],
                    [0, 0, 0, 1, 1], AXES)  # fmt: skip
    for name in ("_pair", "_single", "_fired", "_pair_truth", "_single_truth", "_spoken"):
        np.testing.assert_array_equal(getattr(pairs, name)[1], getattr(by_hand, name)[0])
    assert pairs._pair[1].any()


def test_by_hand():
    """A row of four pixels: red at 0, 1, green at 1, 2. The unit fires at 1 alone; so red and
    green is all of it, while red and green each have one pixel of two.
    """
    planes = np.array([[[1, 1, 0, 0]], [[0, 2, 2, 0]]], np.int32)
    maps = np.array([0, 1, 0, 0], np.float32).reshape(1, 1, 1, 4)
    labels = list_labels(Labels(planes, ()), 3)
    pairs = Pairs(np.array([0.5]), np.array([-1, 0, 0]), 1)
    for group in (0, 1):
        pairs.add(maps, [labels], [(axis(1, 1), axis(4, 4))], [group])
    single, formulas, _ = pairs.scores(0, 0, 0)
    np.testing.assert_allclose(single, [1 / 2, 1 / 2])
    np.testing.assert_allclose(formulas[0], [[-1, 1], [-1, -1]])  # red and green
    np.testing.assert_allclose(formulas[1], [[-1, 1 / 3], [-1, -1]])  # red or green
    np.testing.assert_allclose(formulas[2], [[-1, 0], [0, -1]])  # fires where there is both
    found = pairs.search()
    assert OPERATORS[found.operator[0, 1, 0]] == "and"
    assert found.formula_iou[0, :, 1, 0].tolist() == [1, 1]
    assert found.part_iou[0, :, 1, 0].tolist() == [0.5, 0.5]
    # No image met labels of another one: nothing can be told of that round.
    assert np.isnan(found.formula_iou[1]).all()


def test_images_of_one_half_alone_tell_nothing(caplog):
    maps, labels = images(np.random.default_rng(4))
    with caplog.at_level(logging.WARNING):
        found = count(maps, labels, [2] * 10, AXES).search()
    assert np.isnan(found.label_iou[0]).all()
    assert "no image of odd group numbers" in caplog.text


def test_only_some_labels():
    maps, labels = images(np.random.default_rng(5))
    groups = list(range(10))
    every = count(maps, labels, groups, AXES)
    some = count(maps, labels, groups, AXES, only=[6, 1, 4])
    kept = [0, 3, 5]  # places of 1, 4, 6 among all
    for unit in (0, 3):
        a, b = every.scores(0, 1, unit), some.scores(0, 1, unit)
        np.testing.assert_array_equal(b[0], a[0][kept])
        np.testing.assert_array_equal(b[1], a[1][:, kept][:, :, kept])
    assert some.search().searched.tolist() == [1, 4, 6]
    assert set(some.search().first.ravel()) <= {0, 1, 4, 6}


def test_going_on_from_saved_sums_gives_the_same():
    maps, labels = images(np.random.default_rng(6))
    listed = [list_labels(one, len(CATEGORY)) for one in labels]
    whole, first = (Pairs(THRESHOLDS, CATEGORY, 3, labels=[1, 2, 4, 7]) for _ in range(2))
    groups = list(range(10))
    for pairs in (whole, first):
        pairs.add(maps[:5], listed[:5], [AXES] * 5, groups[:5])
    second = Pairs.of({name: value.clone() for name, value in first.state_dict().items()})
    for pairs in (whole, second):
        pairs.add(maps[5:], listed[5:], [AXES] * 5, groups[5:])
    for name, value in vars(whole.search()).items():
        np.testing.assert_array_equal(getattr(second.search(), name), value)


class Puppets:
    """A set of 48 images of 16 x 16 pixels: red and green rectangles, some of them dotted."""

    def __init__(self):
        self.names = ["", "red", "green", "dots", "day"]
        self.categories = ["color", "texture", "scene"]
        self.category = np.array([-1, 0, 0, 1, 2])
        self.groups = np.arange(48) // 2

    def __len__(self):
        return 48

    def image(self, i):
        planes = self.labels(i).planes
        image = np.zeros((16, 16, 3), np.uint8)
        image[..., 0], image[..., 1] = 255 * (planes[0] == 1), 255 * (planes[0] == 2)
        image[..., 2] = 255 * (planes[1] == 3)
        return image

    def labels(self, i):
        rng = np.random.default_rng(i)
        planes = np.zeros((2, 16, 16), np.int32)
        for colour in (1, 2):
            y, x = rng.integers(0, 10, 2)
            planes[0, y : y + 6, x : x + 6] = colour
        y, x = rng.integers(0, 8, 2)
        planes[1, y : y + 8, x : x + 8] = 3
        return Labels(planes, (4,) if i % 2 else ())

    def mask_size(self, i):
        return 16, 16


def network():
    """Units: red and blue, red or green, green, nothing."""
    conv = nn.Conv2d(3, 4, 1, bias=True)
    with torch.no_grad():
        conv.weight[:] = torch.tensor([[1.0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])[
            ..., None, None
        ]
        conv.bias[:] = torch.tensor([-1.0, 0, 0, 0])
    return nn.Sequential(conv, nn.ReLU())


HOW = How(level=0.7, batch=12, nulls=2, groups=8, top=3, stride=1, bins=16,
          curves=True, pairs=True)  # fmt: skip


def test_a_dissection_finds_what_units_detect(tmp_path):
    found = dissect_layer(network(), "1", Puppets(), how=HOW, device="cpu", workers=2)
    table = compositions(found)
    assert len(table) == 8
    assert table["formula"].tolist()[:4] == ["red and dots"] * 2 + ["red or green"] * 2
    np.testing.assert_allclose(table["formula iou"][:4], 1)
    np.testing.assert_allclose(table["gain"], table["formula iou"] - table["label iou"])
    # A unit of one label has no formula that is better.
    assert (table["label"][4:6] == "green").all()
    assert (table["gain"][4:6] < 0).all()
    assert table["formula"].tolist()[6:] == ["", ""]
    summary = compositions_summary(found, resamples=50).set_index("labels")
    assert summary["units"].tolist() == [3, 3, 3]
    np.testing.assert_allclose(summary.loc["true", "gain"], table["gain"][:6].mean())
    # Free to name it by the label alone, the third unit loses nothing.
    assert table["preferred"].tolist() == [True] * 4 + [False] * 4
    np.testing.assert_allclose(summary.loc["true", "free gain"], table["gain"][:4].sum() / 6)
    np.testing.assert_allclose(summary.loc["true", "preferred"], 2 / 3)
    same = table["formula"].to_numpy()[:6].reshape(3, 2)
    np.testing.assert_allclose(
        summary.loc["true", "same formula"], (same[:, 0] == same[:, 1]).mean()
    )
    np.testing.assert_allclose(
        summary.loc["difference", "gain"],
        summary.loc["true", "gain"] - summary.loc["of other images", "gain"],
    )

    told = details(found, resamples=50).set_index("unit")
    green = told.loc[3]
    assert (green["label"], green["iou"], green["auprc"]) == ("green", 1, 1)
    assert green["iou low"] == green["iou high"] == green["label kept"] == 1
    assert green["correlation"] == pytest.approx(1)
    assert green["lift"] == pytest.approx(1 / green["chance"])
    assert told.loc[4, "auprc"] == pytest.approx(told.loc[4, "chance"])
    assert (told["iou low"] <= told["iou"]).all()
    assert (told["iou high"] >= told["iou"]).all()

    write_dissection(tmp_path / "found.h5", found)
    again = read_dissection(tmp_path / "found.h5")
    pd.testing.assert_frame_equal(compositions(again), table)
    np.testing.assert_array_equal(again.average_precision, found.average_precision)
    np.testing.assert_array_equal(again.chance, found.chance)


def test_what_is_told_first_is_of_the_images_that_were_not_chosen_on():
    found = dissect_layer(network(), "1", Puppets(), how=HOW, device="cpu")
    best = found.compositions
    # [rounds, ways, chosen on or held out, units]
    values = {"label_iou": (0.5, 0.3), "formula_iou": (0.9, 0.35), "part_iou": (0.6, 0.31)}
    made = {
        name: np.broadcast_to(np.array(pair)[:, None], getattr(best, name).shape)
        for name, pair in values.items()
    }
    found = replace(found, compositions=replace(best, **made))
    table = compositions(found)
    for name, (chosen_on, held_out) in values.items():
        column = name.replace("_", " ")
        assert (table[column] == held_out).all()
        assert (table[f"{column}, chosen on"] == chosen_on).all()
    assert table["preferred"].all()
    assert np.allclose(table["gain"], 0.05)
    assert np.allclose(table["gain over part, chosen on"], 0.3)
    row = compositions_summary(found, resamples=20).set_index("labels").loc["true"]
    assert row[["label iou", "formula iou"]].tolist() == pytest.approx([0.3, 0.35])
    assert row[["gain", "gain, chosen on", "preferred"]].tolist() == pytest.approx([0.05, 0.4, 1])


def test_settings_leave_readings_out(tmp_path):
    how = How(level=0.7, batch=12, nulls=2, top=3, curves=False, pairs=False)
    path = tmp_path / "found.h5"
    dissect_layer(network(), "1", Puppets(), how=how, device="cpu", output=path)
    found = read_dissection(path)
    assert found.average_precision is found.chance is found.compositions is None
    assert details(found, resamples=5)["auprc"].isna().all()
    for table in (compositions, compositions_summary):
        with pytest.raises(InputError, match=r"set dissection\.pairs to true"):
            table(found)


@pytest.mark.parametrize("stop", [2, 5, 7])
def test_a_killed_dissection_goes_on_with_its_readings(tmp_path, monkeypatch, stop):
    monkeypatch.setattr(dissect, "_SAVE_SECONDS", -1.0)
    path, seen = tmp_path / "found.h5", 0

    def prepare(batch):
        nonlocal seen
        seen += 1
        if seen == stop:
            raise KeyboardInterrupt
        return torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255

    expected = dissect_layer(network(), "1", Puppets(), how=HOW, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        dissect_layer(network(), "1", Puppets(), how=HOW, device="cpu", output=path,
                      prepare=prepare)  # fmt: skip
    found = dissect_layer(network(), "1", Puppets(), how=HOW, device="cpu", output=path,
                          prepare=prepare)  # fmt: skip
    assert seen == 8 + 1  # no batch of either pass twice, but for the one that was killed
    for name in ("correlation", "average_precision", "chance"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name, value in vars(expected.compositions).items():
        np.testing.assert_array_equal(getattr(found.compositions, name), value)


def test_too_many_pairs_keep_the_labels_that_cover_most(caplog):
    concepts = Puppets()
    assert labels_within(concepts, 4, 16 * 4 * 4**2) is None
    with caplog.at_level(logging.INFO):
        kept = labels_within(concepts, 4, 16 * 4 * 4**2 - 1)
    assert kept.tolist() == [2, 3, 4]  # red lies below green: it covers the least
    assert "the 3 that cover the most are tried" in caplog.text
    how = How(level=0.7, batch=12, nulls=2, top=3, pairs=True, pair_bytes=16 * 4 * 3**2)
    found = dissect_layer(network(), "1", concepts, how=how, device="cpu")
    assert found.compositions.searched.tolist() == [2, 3, 4]
    assert not (found.compositions.first == 1).any()
