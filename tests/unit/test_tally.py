"""Tallies: worked out by hand, and against the published one of the Caffe network's conv5."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seewhy.dissection.counting import Counts
from seewhy.dissection.dissect import Dissection, iou
from seewhy.dissection.tally import (
    Named,
    best_labels,
    ceilings,
    count_named,
    histogram,
    read_tally,
    resampled,
    tally,
    write_tally,
)
from seewhy.errors import InputError

DATA = Path(__file__).parent / "data"
CONV5 = DATA / "netdissect_caffe_imagenet_conv5.csv"
FULL = DATA / "netdissect_caffe_imagenet_conv5_full_rows.csv"
CATEGORIES = ["object", "scene", "part", "material", "texture", "color"]


def dissection(both, truth, fired, category, *, level=0.995, pixels=None, spoken=None, names=None):
    """Counts of g groups as a dissection: both [g, units, labels] and so on."""
    both, truth, fired = (np.asarray(v, np.int64) for v in (both, truth, fired))
    category, units = np.asarray(category), both.shape[1]
    counts = Counts(
        both, truth, fired, fired.max(2),
        np.full(len(both), 1000) if pixels is None else np.asarray(pixels),
        np.full((len(both), fired.shape[2]), 1000) if spoken is None else np.asarray(spoken),
    )  # fmt: skip
    empty = np.zeros((units, 0))
    return Dissection(
        names=names or ["", *(f"label{c}" for c in range(1, len(category)))],
        categories=["object", "color", "scene"][: fired.shape[2]],
        category=category, thresholds=np.zeros(units), counts=counts, correlation=empty,
        null=np.zeros((0, units, fired.shape[2])), top=empty, top_value=empty,
        about={"level": level},
    )  # fmt: skip


def test_a_tally_by_hand():
    """Three units, two groups; labels 1 and 2 are objects, 3 and 4 colours; no scenes.

    Unit 1: I = 3 of G = 4 with A = 5: IoU 3 / 6; colour 3: 1 / (6 + 9 - 1).
    Unit 2 fires never. Unit 3: object 2: 4 / (6 + 10 - 4), colour 4: 6 / (9 + 6 - 6).
    """
    both = [
        [[0, 2, 0, 1, 0], [0] * 5, [0, 0, 4, 0, 5]],
        [[0, 1, 0, 0, 0], [0] * 5, [0, 0, 0, 0, 1]],
    ]
    truth = [[0, 4, 6, 9, 5], [0, 0, 4, 0, 1]]
    fired = [[[3, 6, 0], [0, 0, 0], [5, 8, 0]], [[2, 0, 0], [0, 0, 0], [1, 1, 0]]]
    table = tally(dissection(both, truth, fired, [-1, 0, 0, 1, 1]))
    assert table["unit"].tolist() == [3, 1, 2]
    assert table["category"].tolist() == ["color", "object", "object"]
    assert table["label"].tolist() == ["label4", "label1", "label1"]
    np.testing.assert_allclose(table["score"], [6 / 9, 3 / 6, 0])
    rows = table.set_index("unit")
    assert rows.loc[3, [f"object-{part}" for part in ("label", "truth", "activation", "intersect")]
                    ].tolist() == ["label2", 10, 6, 4]  # fmt: skip
    assert rows.loc[3, "object-iou"] == pytest.approx(4 / 12)
    assert rows.loc[1, "color-iou"] == pytest.approx(1 / 14)
    assert (table["scene-label"] == "").all()
    scenes = table[["scene-truth", "scene-activation", "scene-intersect", "scene-iou"]]
    assert not scenes.to_numpy().any()
    assert count_named(table) == Named(2, 2)
    assert count_named(table, 0.5) == Named(2, 2)  # at least, not above
    assert count_named(table, 0.51) == Named(1, 1)
    assert count_named(table, category="object") == Named(1, 1)


def test_of_equal_scores_the_first_counts():
    scores = np.array([[0, 0.2, 0.2, 0.3, 0.3], [0, 0, 0, 0, 0]])
    best = best_labels(scores, np.array([-1, 0, 0, 1, 1]), 2)
    assert best.label.tolist() == [[1, 3], [1, 3]]
    assert best.category.tolist() == [1, 0]
    same = np.full((1, 3, 5), 0)
    table = tally(dissection(same, same[:, 0], same[:, :, :2], [-1, 0, 0, 1, 1]))
    assert table["unit"].tolist() == [1, 2, 3]


def test_the_published_tally_is_counted_as_published():
    table = read_tally(CONV5)
    assert len(table) == 256
    assert count_named(table) == count_named(table, 0.04) == Named(97, 50)
    assert count_named(table, 0.08) == Named(25, 20)
    expected = {"object": (32, 17), "scene": (2, 1), "part": (16, 8), "material": (3, 1),
                "texture": (40, 21), "color": (4, 2)}  # fmt: skip
    assert {c: count_named(table, category=c) for c in CATEGORIES} == {
        c: Named(*numbers) for c, numbers in expected.items()
    }


def test_the_bars_are_in_the_references_order():
    table = read_tally(CONV5)
    bars = histogram(table)
    assert bars.columns.tolist() == ["category", "label", "units", "score"]
    assert bars["category"].unique().tolist() == CATEGORIES
    assert bars["units"].sum() == 97
    objects = bars[bars["category"] == "object"]
    assert objects["label"].tolist()[:2] == ["dog", "cat"]
    assert objects["units"].tolist() == [8, 4] + [2] * 5 + [1] * 10
    # Literally: within a category the most units first, of equally many the greatest score.
    named = [row for row in table.itertuples() if row.score >= 0.04]
    expected = []
    for category in CATEGORIES:
        mine = {}
        for row in named:
            if row.category == category:
                mine.setdefault(row.label, []).append(row.score)
        order = sorted(mine, key=lambda label: (-len(mine[label]), -max(mine[label])))
        expected += [(category, label, len(mine[label]), max(mine[label])) for label in order]
    assert list(bars.itertuples(index=False, name=None)) == expected
    other = histogram(table.assign(category=table["category"].replace("scene", "action")))
    assert other["category"].unique().tolist()[-1] == "action"


def test_iou_gives_the_published_scores():
    table = read_tally(FULL)
    assert len(table) == 12
    for row in table.to_dict("records"):
        both, truth = np.zeros((1, 7)), np.zeros(7)
        fired, category = np.zeros((1, 6)), np.array([-1, *range(6)])
        for k, name in enumerate(CATEGORIES):
            both[0, k + 1], truth[k + 1] = row[f"{name}-intersect"], row[f"{name}-truth"]
            fired[0, k] = row[f"{name}-activation"]
        scores = iou(both, truth, fired, category)
        np.testing.assert_allclose(scores[0, 1:], [row[f"{name}-iou"] for name in CATEGORIES],
                                   rtol=1e-12)  # fmt: skip
        best = best_labels(scores, category, 6)
        assert CATEGORIES[best.category[0]] == row["category"]
        assert best.score.max() == pytest.approx(row["score"], rel=1e-12)
        assert row[f"{row['category']}-label"] == row["label"]


def test_a_tally_is_read_as_it_was_written(tmp_path):
    both = [[[0, 3, 1], [0, 0, 2]]]
    names = ["", "nan", "NA"]  # names, not gaps
    table = tally(dissection(both, [[0, 5, 5]], [[[6, 3], [1, 2]]], [-1, 0, 1], names=names))
    write_tally(tmp_path / "tally.csv", table)
    pd.testing.assert_frame_equal(read_tally(tmp_path / "tally.csv"), table, check_dtype=False)
    assert set(read_tally(tmp_path / "tally.csv")["label"]) == {"nan", "NA"}
    reference = pd.read_csv(FULL).columns
    first, each = reference[:4].tolist(), 5
    assert table.columns.tolist()[:4] == first
    assert [c.split("-")[1] for c in table.columns[4 : 4 + each]] == [
        c.split("-")[1] for c in reference[4 : 4 + each]
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"tally\.csv: no such file; run the rule dissect_layer"),
        ("", r"tally\.csv: is empty"),
        ("unit,category,label\n1,object,dog\n", r"tally\.csv: has no column score"),
        ("unit,category,label,score\n1,object,dog,0.1\n2,part,leg,high\n",
         r"tally\.csv: line 3: score 'high' is not a number"),
        ("unit,category,label,score\n1,object,dog,\n", r"tally\.csv: line 2: score '' is not a"),
        ("unit,category,label,score\n1,object,dog,0.1,7,8\n1,2,3,4,5,6,7,8\n",
         r"tally\.csv: line 2: has 6 fields for 4 columns"),
    ],
)  # fmt: skip
def test_broken_tallies_are_refused(tmp_path, text, message):
    path = tmp_path / "tally.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_tally(path)


@pytest.mark.parametrize("fires", [1, 2, 3, 5, 8, 10])
@pytest.mark.parametrize("label_pixels", [1, 2, 4])
@pytest.mark.parametrize("speaking", [1, 2])
def test_ceilings_are_what_a_search_finds(fires, label_pixels, speaking):
    """Two images of five pixels; of the ways to fire at some of the ten, the one of most IoU."""
    pixels = [(image, p) for image in range(2) for p in range(5)]
    label = {(0, p) for p in range(label_pixels)}
    speaks = set(range(speaking))  # the images that have a label of the category
    best = 0.0
    for firing in combinations(pixels, fires):
        inside = len(label & set(firing))
        activation = sum(image in speaks for image, _ in firing)
        best = max(best, inside / (activation + len(label) - inside))
    found = dissection(
        np.zeros((1, 3, 2)), [[0, label_pixels]], np.zeros((1, 3, 1)), [-1, 0],
        pixels=[10], spoken=[[5 * speaking]],
    )  # fmt: skip
    assert ceilings(found, fires).tolist() == [0, pytest.approx(best)]
    found.counts.fired_all[0] = 0, fires, 10
    assert ceilings(found)[1] == pytest.approx(best)  # the median's
    each = ceilings(found, found.counts.total().fired_all[:, None])
    assert each.shape == (3, 2)
    assert each[:, 1].tolist() == [0, pytest.approx(best), ceilings(found, 10)[1]]


def test_what_never_occurs_has_no_ceiling():
    found = dissection(np.zeros((1, 1, 3)), [[0, 0, 7]], np.zeros((1, 1, 1)), [-1, 0, -1])
    assert ceilings(found).tolist() == [0, 0, 0]


def made_counts(groups=12, units=6, labels=5, seed=0):
    """Counts of pixels drawn at random, each unit firing more where its label is."""
    rng = np.random.default_rng(seed)
    both = np.zeros((groups, units, labels), int)
    truth, fired = np.zeros((groups, labels), int), np.zeros((groups, units, 2), int)
    for g in range(groups):
        where = rng.integers(0, labels, 400)
        truth[g, 1:] = np.bincount(where, minlength=labels)[1:]
        for u in range(units):
            fires = rng.random(400) < np.where(where == 1 + u % 4, 0.3 + 0.2 * rng.random(), 0.05)
            both[g, u, 1:] = np.bincount(where[fires], minlength=labels)[1:]
            fired[g, u] = fires.sum()
    return both, truth, fired


def test_intervals_contain_the_score():
    found = dissection(*made_counts(), [-1, 0, 0, 1, 1])
    score, label = resampled(found, 200, seed=1)
    assert score.shape == label.shape == (200, 6)
    table = tally(found).set_index("unit").sort_index()
    low, high = np.quantile(score, [0.025, 0.975], axis=0)
    assert ((low <= table["score"]) & (table["score"] <= high)).all()
    assert (low < high).all()
    assert (label == [1 + u % 4 for u in range(6)]).mean() > 0.9
    again = resampled(found, 200, seed=1)
    np.testing.assert_array_equal(again[0], score)
    assert not np.array_equal(resampled(found, 200, seed=2)[0], score)


def test_groups_without_images_are_not_drawn():
    both, truth, fired = made_counts(groups=4)
    few = dissection(both, truth, fired, [-1, 0, 0, 1, 1])
    padded = [np.concatenate([v, np.zeros((30, *v.shape[1:]), int)]) for v in (both, truth, fired)]
    many = dissection(*padded, [-1, 0, 0, 1, 1], pixels=[1000] * 4 + [0] * 30)
    np.testing.assert_array_equal(resampled(few, 50, seed=0)[0], resampled(many, 50, seed=0)[0])
