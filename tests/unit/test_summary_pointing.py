"""Attribute grounding against literal loops, torch, and areas known in closed form."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from seewhy.errors import InputError
from seewhy.summaries.parts import NOUN_PARTS, attribute_parts
from seewhy.summaries.pointing import (
    ALPHAS,
    Pairs,
    centre_points,
    grounding_pairs,
    heat_maps,
    other_attribute,
    part_mean_points,
    pck,
    predicted_points,
    random_pck,
    simulated_pck,
    tabulate_pck,
)
from seewhy.text.lexicon import SYNONYMS_OF_NOUNS

CUB = ("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing",
       "nape", "right eye", "right leg", "right wing", "tail", "throat")  # fmt: skip


def pairs_of(points, there, size, attribute=None):
    q = len(points)
    attribute = np.zeros(q, int) if attribute is None else np.asarray(attribute)
    return Pairs(np.arange(q), attribute, np.asarray(points, float), np.asarray(there), size)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("yellow crown", {"crown"}),
        ("orange bill", {"beak"}),
        ("black beaks", {"beak"}),
        ("gray wings", {"left wing", "right wing"}),
        ("pink feet", {"left leg", "right leg"}),
        ("white bellies", {"belly"}),
        ("red head", {"crown", "forehead", "nape", "left eye", "right eye"}),
        ("light brown breast", {"breast"}),
        ("yellow eye ring", {"left eye", "right eye"}),
        ("white wing bars", {"left wing", "right wing"}),
        ("black tail feathers", {"tail"}),
        ("orange beak tip", {"beak"}),
        ("long wing span", set()),
        ("small bird", set()),
        ("brown body", set()),
        ("white feathers", set()),
        ("", set()),
    ],
)
def test_a_noun_names_its_key_points(name, parts):
    found = attribute_parts([name], CUB)
    assert {CUB[i] for i in np.flatnonzero(found[0])} == parts


def test_the_lexicons_one_name_keeps_the_key_points_of_all_spellings():
    lost = [
        noun
        for noun in NOUN_PARTS
        if not attribute_parts([f"red {SYNONYMS_OF_NOUNS.get(noun, noun)}"], CUB).any()
    ]
    assert not lost


def test_part_names_may_be_written_otherwise_and_must_be_cubs():
    np.testing.assert_array_equal(
        attribute_parts(["red eyes"], ["Left_Eye", "bumper"]), [[True, False]]
    )
    with pytest.raises(InputError, match="none of bumper, wheel is a part of CUB"):
        attribute_parts(["red eyes"], ["bumper", "wheel"])


def test_pairs_are_of_the_most_frequent_attributes_that_a_visible_point_shows():
    names, parts = ["small bird", "red crown", "red tail", "blue crown"], ("crown", "tail")
    presence = csr_matrix(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 1], [1, 1, 0, 0]]))
    visible = np.array([[1, 1], [0, 1], [1, 1], [1, 0]], bool)
    points = np.arange(16.0).reshape(4, 2, 2)
    owns = attribute_parts(names, parts)
    pairs = grounding_pairs(presence, owns, points, visible, size=20, top=2)
    assert list(zip(pairs.image, pairs.attribute, strict=True)) == [(0, 1), (0, 2), (2, 2), (3, 1)]
    np.testing.assert_array_equal(pairs.there, [[1, 0], [0, 1], [0, 1], [1, 0]])
    np.testing.assert_array_equal(pairs.points[2], points[2])
    by_train = grounding_pairs(presence, owns, points, visible, size=20, top=1, counts=[9, 1, 2, 3])
    assert list(zip(by_train.image, by_train.attribute, strict=True)) == [(2, 3)]
    with pytest.raises(InputError, match="whose key point is visible"):
        grounding_pairs(presence, owns, points, visible & False, size=20)
    with pytest.raises(InputError, match=r"points \(4, 1, 2\)"):
        grounding_pairs(presence, owns, points[:, :1], visible, size=20)
    with pytest.raises(InputError, match="3 counts for 4 attributes"):
        grounding_pairs(presence, owns, points, visible, size=20, counts=[1, 2, 3])


def test_heat_maps_are_eq_9s_sum_over_filters():
    rng = np.random.default_rng(0)
    f, alpha = rng.normal(size=(3, 5, 4, 6)), rng.uniform(size=(5, 2))
    found = heat_maps(f, alpha)
    for i in range(3):
        for t in range(2):
            y = np.zeros((4, 6))
            for k in range(5):
                y += alpha[k, t] * f[i, k]
            y = np.maximum(y, 0)
            np.testing.assert_allclose(found[i, t], y / y.sum())
    sums = torch.from_numpy(np.einsum("bkhw,kt->bthw", f, alpha))
    large = torch.nn.functional.interpolate(sums, (12, 12), mode="bilinear").clamp(min=0)
    np.testing.assert_allclose(
        heat_maps(f, alpha, size=12), large / large.sum((2, 3), keepdim=True), atol=1e-12
    )
    assert not heat_maps(-abs(f), alpha).any()
    with pytest.raises(InputError, match=r"alpha \(4, 2\)"):
        heat_maps(f, alpha[:4])


def test_places_are_the_peaks_whatever_the_blocks():
    rng = np.random.default_rng(1)
    f, alpha = rng.normal(size=(7, 5, 4, 4)), rng.uniform(size=(5, 3))
    image, attribute = np.array([0, 0, 2, 3, 6, 6]), np.array([0, 2, 1, 1, 0, 1])
    there = np.ones((6, 1), bool)
    pairs = Pairs(image, attribute, np.zeros((6, 1, 2)), there, 16)
    expected = []
    for i, t in zip(image, attribute, strict=True):
        y = heat_maps(f[i : i + 1], alpha[:, [t]], size=16)[0, 0]
        row, column = np.unravel_index(y.argmax(), y.shape)
        expected.append((column + 0.5, row + 0.5))
    for blocks in ([f], [f[:1], f[1:4], f[4:]], [f[:2], f[2:2], f[2:]]):
        np.testing.assert_allclose(predicted_points(blocks, pairs, alpha), expected)
    both = predicted_points(iter([f[:3], f[3:]]), pairs, np.stack([alpha, alpha[::-1]]))  # one pass
    np.testing.assert_allclose(both, [expected, predicted_points([f], pairs, alpha[::-1])])
    with pytest.raises(InputError, match="the pairs have image 6 and there are feature maps of 5"):
        predicted_points([f[:5]], pairs, alpha)
    with pytest.raises(InputError, match=r"alpha is \(5, 2\)"):
        predicted_points([f], pairs, alpha[:, :2])


def test_a_planted_place_is_found_and_a_constant_map_says_the_centre():
    f = np.zeros((1, 2, 8, 8))
    f[0, 0, 1, 6] = 1  # filter 0 sees row 1, column 6 of 8
    f[0, 1] = 1
    pairs = Pairs(
        np.array([0, 0]), np.array([0, 1]), np.zeros((2, 1, 2)), np.ones((2, 1), bool), 64
    )
    found = predicted_points([f], pairs, np.eye(2))
    assert abs(found[0] - [52, 12]).max() <= 0.5  # the middle of its cell of 8 pixels
    assert abs(found[1] - 32).max() <= 0.5


def test_pck_takes_the_nearest_point_that_counts():
    points = np.array([[[0, 0], [30, 40]]] * 4, float)
    visible = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    predicted = np.full((4, 2), [30.0, 30.0])  # 42.4 and 10 away
    found = pck(predicted, points, visible, 100, [0.1, 0.2, 0.5])
    np.testing.assert_array_equal(
        found, [[1, 1, 1], [0, 0, 1], [1, 1, 1], [np.nan, np.nan, np.nan]]
    )
    rng = np.random.default_rng(0)
    points, visible = rng.uniform(0, 50, (40, 3, 2)), rng.random((40, 3)) < 0.6
    predicted = rng.uniform(0, 50, (40, 2))
    found = pck(predicted, points, visible, 50)
    for i in range(40):
        distances = [np.linalg.norm(predicted[i] - points[i, j]) for j in range(3) if visible[i, j]]
        for a, alpha in enumerate(ALPHAS):
            expected = min(distances) <= alpha * 50 if distances else np.nan
            np.testing.assert_equal(found[i, a], float(expected))


def test_pck_refuses_what_does_not_fit():
    one = np.zeros((1, 1, 2)), np.ones((1, 1), bool)
    with pytest.raises(InputError, match=r"predicted \(2, 2\)"):
        pck(np.zeros((2, 2)), *one, 10)
    with pytest.raises(InputError, match=r"size \(0\)"):
        pck(np.zeros((1, 2)), *one, 0)
    with pytest.raises(InputError, match=r"alphas \(\[-0.1\]\)"):
        pck(np.zeros((1, 2)), *one, 10, [-0.1])


def test_a_random_place_scores_pi_alpha_squared_and_less_at_the_border():
    points = np.array([[[50, 50]], [[0, 50]], [[0, 0]]], float)
    visible = np.ones((3, 1), bool)
    free = np.pi * np.square(ALPHAS)
    np.testing.assert_allclose(free, [0.031, 0.126, 0.283], atol=5e-4)  # the paper's row
    exact = random_pck(points, visible, 100)
    np.testing.assert_allclose(exact, [free, free / 2, free / 4], rtol=2e-3)
    drawn = simulated_pck(points.repeat(400, 0), visible.repeat(400, 0), 100, draws=100)
    np.testing.assert_allclose(drawn.reshape(3, 400, 3).mean(1), exact, atol=0.008)


def test_discs_that_overlap_count_once():
    apart = np.array([[[25, 25], [75, 75]]], float)
    same = np.array([[[50, 50], [50, 50]]], float)
    overlapping = np.array([[[45, 50], [55, 50]]], float)
    both = np.ones((1, 2), bool)
    radius, half = 10, 5
    lens = 2 * radius**2 * np.arccos(half / radius) - 2 * half * np.sqrt(radius**2 - half**2)
    disc = np.pi * radius**2
    areas = [2 * disc, disc, 2 * disc - lens]
    for points, area in zip([apart, same, overlapping], areas, strict=True):
        np.testing.assert_allclose(
            random_pck(points, both, 100, [0.1])[0, 0], area / 1e4, rtol=5e-3
        )
    assert np.isnan(random_pck(apart, ~both, 100)).all()


def test_baselines_say_the_centre_and_the_mean_of_train_points():
    parts = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 0]], bool)
    train = np.array([[[2, 4], [8, 8], [9, 9]], [[4, 8], [10, 10], [9, 9]]], float)
    visible = np.array([[1, 1, 0], [1, 0, 0]], bool)
    train[~visible] = np.nan  # what is not visible must not be read
    pairs = pairs_of(np.zeros((3, 3, 2)), np.ones((3, 3), bool), 20, [0, 1, 2])
    np.testing.assert_allclose(
        part_mean_points(pairs, parts, train, visible), [[14 / 3, 20 / 3], [10, 10], [8, 8]]
    )
    np.testing.assert_array_equal(centre_points(pairs), [[10, 10]] * 3)
    other = other_attribute(pairs, parts)
    assert other.tolist() == [1, other[1], 1]
    assert other[1] in (0, 2)


def test_the_table_tells_a_good_method_from_chance():
    rng = np.random.default_rng(3)
    points = rng.uniform(30, 70, (300, 2, 2))
    there = rng.random((300, 2)) < 0.7
    there[:, 0] |= ~there.any(1)
    pairs = Pairs(np.arange(300) // 2, np.arange(300) % 3, points, there, 100)
    truth = points[np.arange(300), there.argmax(1)]
    methods = {"near": truth + rng.normal(0, 8, (300, 2)), "chance": rng.uniform(0, 100, (300, 2))}
    table = tabulate_pck(methods, {"centre": centre_points(pairs)}, pairs, resamples=200)
    table = table.set_index("row")
    near = pck(methods["near"], points, there, 100)[:, 1]
    assert table.loc["near", "PCK@0.2"] == pytest.approx(near.mean())
    by_attribute = np.mean([near[pairs.attribute == t].mean() for t in range(3)])
    assert table.loc["near", "PCK@0.2 by attribute"] == pytest.approx(by_attribute)
    assert table.loc["near", ["pairs", "images", "attributes"]].tolist() == [300, 150, 3]
    assert table.loc["near minus random, inside the crop", "verdict"] == "confirmed"
    assert table.loc["chance minus centre", "verdict"] == "refuted"
    assert table.loc["chance minus random, inside the crop", "verdict"] == "undecided"
    inside, drawn = (
        table.loc[f"random, {how}", "PCK@0.3"] for how in ("inside the crop", "simulated")
    )
    assert inside == pytest.approx(drawn, abs=0.03)
    assert table.loc["random, pi alpha^2", "PCK@0.1"] == pytest.approx(np.pi / 100)
    assert table.loc["paper", "PCK@0.3"] == 0.609


def test_a_verdict_over_a_baseline_below_chance_says_so():
    """Key points keep away from the centre and from a corner; a place at random meets some."""
    rng = np.random.default_rng(4)
    angle, n = rng.uniform(0, 2 * np.pi, 200), 200
    points = (50 + 40 * np.stack([np.cos(angle), np.sin(angle)], -1))[:, None]
    pairs = Pairs(np.arange(n), np.arange(n) % 2, points, np.ones((n, 1), bool), 100)
    methods = {"truth": points[:, 0], "corner": np.zeros((n, 2))}
    baselines = {"centre": centre_points(pairs), "the same": points[:, 0]}
    said = tabulate_pck(methods, baselines, pairs, resamples=100).set_index("row")
    for name in ("verdict", "verdict by attribute"):
        verdicts = said[name]
        assert verdicts["truth minus centre"] == "confirmed, baseline below chance"
        assert verdicts["corner minus centre"] == "undecided, baseline below chance"
        assert verdicts["truth minus random, inside the crop"] == "confirmed"
        assert verdicts["corner minus random, inside the crop"] == "refuted"
        assert verdicts["corner minus the same"] == "refuted"
