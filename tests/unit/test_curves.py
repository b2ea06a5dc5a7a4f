"""Average precision of units: against the literal ranking of all pixels, and by hand."""

import numpy as np
import pytest

from seewhy.dissection.concepts import Labels
from seewhy.dissection.counting import list_labels
from seewhy.dissection.curves import CELLS, RAREST, Curves, Sample
from seewhy.dissection.upsampling import Field, axis
from seewhy.errors import InputError

CATEGORY = np.array([-1, 0, 0, 1, 1, 2, 2, 0])  # of the last one there is nothing


def images(rng, count=6, units=3, cells=(4, 5), size=(13, 15)):
    """Maps as behind a ReLU, and labels: repeated ones, of whole images, categories missing."""
    maps = np.maximum(rng.standard_normal((count, units, *cells)), 0).astype(np.float32)
    labels = []
    for i in range(count):
        planes = rng.choice([0, 0, 0, 1, 2, 3, 4], (2, *size)).astype(np.int32)
        if i % 3 == 0:
            planes[planes > 2] = 0  # does not speak of category 1
        planes[1, :4] = planes[0, :4]
        labels.append(Labels(planes, ((5,), (6,), ())[i % 3]))
    return maps, labels


def upsampled(one, down, across):
    """[units, rows, columns], by matrices of weights."""
    return np.einsum("yi,uij,xj->uyx", down.matrix, one.astype(np.float64), across.matrix)


def has(labels, label):
    return (labels.planes == label).any(0) | (label in labels.whole)


def pixels_of(maps, labels, axes, label, unit, stride=1):
    """Activation and truth of all pixels of the images that speak of the label's category."""
    same = [c for c in range(1, len(CATEGORY)) if CATEGORY[c] == CATEGORY[label]]
    values, truth = [], []
    for one, own in zip(maps, labels, strict=True):
        if not any(has(own, c).any() for c in same):
            continue
        there = slice(stride // 2, None, stride), slice(stride // 2, None, stride)
        values.append(upsampled(one, *axes)[unit][there].ravel())
        truth.append(has(own, label)[there].ravel())
    return np.concatenate(values or [[]]), np.concatenate(truth or [[]]).astype(bool)


def literal_average_precision(values, truth):
    """scikit-learn's: at each distinct value, from the greatest, precision times recall gained."""
    found, recall = 0.0, 0.0
    for value in sorted(set(values.tolist()), reverse=True):
        taken = values >= value
        precision, now = truth[taken].mean(), truth[taken].sum() / truth.sum()
        found, recall = found + precision * (now - recall), now
    return found


def read(maps, labels, axes, edges, stride=1):
    curves = Curves(edges, CATEGORY, 3, stride=stride)
    listed = [list_labels(one, len(CATEGORY)) for one in labels]
    curves.add(maps, listed, [axes] * len(maps))
    return curves


@pytest.mark.parametrize("way", ["lite", "netdissect"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_with_an_edge_between_all_values_it_is_the_literal_average_precision(way, stride):
    maps, labels = images(np.random.default_rng(0))
    field = Field(-2, 9, 4)
    axes = (axis(4, 13, way=way, field=field), axis(5, 15, way=way, field=field))
    distinct = [np.unique(upsampled(maps.transpose(1, 0, 2, 3)[u], *axes)) for u in range(3)]
    # Products of matrices differ from the nested interpolation in the last bits.
    between = [(d[1:] + d[:-1])[np.diff(d) > 1e-9] / 2 for d in distinct]
    most = max(map(len, between))
    edges = np.stack([np.pad(d, (0, most - len(d)), constant_values=np.inf) for d in between])
    curves = read(maps, labels, axes, edges, stride)
    found, chance = curves.average_precision(), curves.chance()
    assert np.isnan(found[:, [0, 7]]).all()
    assert np.isnan(chance[[0, 7]]).all()
    for label in range(1, 7):
        for unit in range(3):
            values, truth = pixels_of(maps, labels, axes, label, unit, stride)
            expected = literal_average_precision(values.round(9), truth)
            assert found[unit, label] == pytest.approx(expected, abs=1e-12)
            assert chance[label] == pytest.approx(truth.mean())


def test_pixels_of_one_bin_are_tied():
    maps, labels = images(np.random.default_rng(1))
    axes = axis(4, 13), axis(5, 15)
    edges = np.sort(np.random.default_rng(2).random((3, 7)) * 1.5)
    found = read(maps, labels, axes, edges).average_precision()
    for label in range(1, 7):
        for unit in range(3):
            values, truth = pixels_of(maps, labels, axes, label, unit)
            binned = (values[:, None] > edges[unit]).sum(1)
            expected = literal_average_precision(binned, truth)
            assert found[unit, label] == pytest.approx(expected, abs=1e-12)


def test_by_hand():
    """Four pixels, a cell each: the unit has 3, 2, 1, 0, the label is at the 3 and at the 1."""
    maps = np.array([[[[3, 2], [1, 0]]]], np.float32)
    labels = [Labels(np.array([[[1, 0], [1, 0]]], np.int32), ())]
    axes = axis(2, 2), axis(2, 2)
    fine = read(maps, labels, axes, np.array([[0.0, 1.0, 2.0]]))
    assert fine.average_precision()[0, 1] == pytest.approx((1 + 2 / 3) / 2)
    # An edge is exceeded strictly: at 2 it parts the 3 from the others, whose precision is 2 / 4.
    coarse = read(maps, labels, axes, np.array([[2.0]]))
    assert coarse.average_precision()[0, 1] == pytest.approx((1 + 2 / 4) / 2)
    assert fine.chance()[1] == 0.5


def test_an_edge_is_exceeded_strictly_between_cells_too():
    """Cells 0 and 4 make the pixels 0, 1, 3, 4; the label is at the 1 and at the 4."""
    maps = np.array([0, 4], np.float32).reshape(1, 1, 1, 2)
    labels = [Labels(np.array([[[0, 1, 0, 1]]], np.int32), ())]
    axes = axis(1, 1), axis(2, 4)
    for edges, expected in (([1.0], (2 / 4 + 1 / 2) / 2), ([0.9], 2 / 3), ([0.0, 3.0], 5 / 6)):
        curves = read(maps, labels, axes, np.array([edges]))
        assert curves.average_precision()[0, 1] == pytest.approx(expected)


def test_a_unit_that_never_varies_ranks_by_chance():
    maps, labels = images(np.random.default_rng(3))
    maps[:, 1] = 0.5
    curves = read(maps, labels, (axis(4, 13), axis(5, 15)), np.full((3, 4), 0.5))
    np.testing.assert_allclose(curves.average_precision()[1], curves.chance())


def test_bins_from_a_sample_are_close_to_the_exact_curve():
    """Smooth maps of 40 images and a label that follows one of the units."""
    rng = np.random.default_rng(4)
    maps = np.maximum(rng.standard_normal((40, 2, 6, 6)), 0).astype(np.float32)
    axes = axis(6, 30), axis(6, 30)
    labels = []
    for one in maps:
        noisy = upsampled(one, *axes)[0] + 0.3 * rng.standard_normal((30, 30))
        labels.append(Labels((noisy > 1.2).astype(np.int32)[None], ()))
    sample = Sample(2, 40, 36, seed=0)
    sample.add(maps[:23])
    sample.add(maps[23:])
    found = read(maps, labels, axes, sample.edges(128))
    coarse = read(maps, labels, axes, sample.edges(16)).average_precision()[0, 1]
    for unit in range(2):
        values, truth = pixels_of(maps, labels, axes, 1, unit)
        order = np.argsort(-values, kind="stable")
        precision = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
        exact = precision[truth[order]].mean()
        assert found.average_precision()[unit, 1] == pytest.approx(exact, rel=0.02)
    assert coarse < 0.97 * found.average_precision()[0, 1]  # fewer bins, and it comes out lower
    assert found.average_precision()[0, 1] > 0.5 > 2 * found.chance()[1]


def test_edges_are_quantiles_of_all_cells_where_there_are_few():
    maps = np.random.default_rng(5).standard_normal((7, 2, 3, 3)).astype(np.float32)
    sample = Sample(2, 7, 9)
    sample.add(maps[:3])
    again = Sample.of({name: value.clone() for name, value in sample.state_dict().items()})
    for one in (sample, again):
        one.add(maps[3:])
        edges = one.edges(5)
        cells = maps.swapaxes(0, 1).reshape(2, -1).astype(np.float64)
        levels = [0, 1 - RAREST ** (1 / 3), 1 - RAREST ** (2 / 3), 1 - RAREST]
        np.testing.assert_allclose(edges, np.quantile(cells, levels, axis=1).T)


def test_a_sample_stays_small():
    """Of more images than are needed, one cell each of the first ones."""
    sample = Sample(1, 3 * CELLS, 4)
    for first in range(0, 3 * CELLS, 4096):
        values = np.arange(first, first + 4096, dtype=np.float32)
        sample.add(np.broadcast_to(values[:, None, None, None], (4096, 1, 2, 2)))
    np.testing.assert_array_equal(sample._cells[0], np.arange(CELLS))


def test_going_on_from_saved_sums_gives_the_same():
    maps, labels = images(np.random.default_rng(6))
    listed = [list_labels(one, len(CATEGORY)) for one in labels]
    axes = [(axis(4, 13), axis(5, 15))] * 6
    edges = np.linspace(0, 2, 9)[None].repeat(3, 0)
    whole, first = (Curves(edges, CATEGORY, 3, stride=2) for _ in range(2))
    whole.add(maps, listed, axes)
    first.add(maps[:2], listed[:2], axes[:2])
    state = {name: value.clone() for name, value in first.state_dict().items()}
    first.add(maps[:2], listed[:2], axes[:2])  # must not reach what was saved
    second = Curves.of(state)
    second.add(maps[2:], listed[2:], axes[2:])
    for name, value in whole.result().items():
        np.testing.assert_array_equal(second.result()[name], value)


def test_refuses_what_cannot_be_read():
    with pytest.raises(InputError, match="2 bins or more"):
        Curves(np.zeros((3, 0)), CATEGORY, 3)
    with pytest.raises(InputError, match="stride 0 must be 1 or more"):
        Curves(np.zeros((3, 2)), CATEGORY, 3, stride=0)
