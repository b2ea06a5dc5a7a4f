"""Counting, upsampling, quantiles and correlations against literal loops and independent libraries.

The literal counter goes pixel by pixel with sets, written from the docstring of
`seewhy.dissection.counting`; all of its counts must be met exactly.
"""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.interpolate import RectBivariateSpline

from seewhy.dissection.concepts import Labels
from seewhy.dissection.counting import Counter, list_labels
from seewhy.dissection.moments import Moments
from seewhy.dissection.quantiles import Quantile
from seewhy.dissection.upsampling import Field, axis
from seewhy.errors import InputError

# Label 8 belongs to no category, and the last category has no label.
CATEGORY = np.array([-1, 0, 0, 0, 1, 1, 2, 2, -1])
CATEGORIES = 4


def places(cells, pixels, way="lite", field=None, image=None):
    """Where each pixel lies among the cells, from the docstring of `upsampling`."""
    found = []
    for y in range(pixels):
        if way == "lite":
            place = (y + 0.5) * cells / pixels - 0.5
        else:
            r = max(1, round(image / pixels))
            centres = [(field.offset + field.size // 2) // r + i * (field.step // r)
                       for i in range(cells)]  # fmt: skip
            place = float(cells - 1)
            if y <= centres[0]:
                place = 0.0
            for i in range(cells - 1):
                if centres[i] <= y < centres[i + 1]:
                    place = i + (y - centres[i]) / (centres[i + 1] - centres[i])
        found.append(min(max(place, 0.0), cells - 1.0))
    return found


def literal_value(cells, row, column):
    """The value at a place of one map, bilinear in float64."""
    i, j = int(row), int(column)
    below, beside = min(i + 1, len(cells) - 1), min(j + 1, len(cells[0]) - 1)
    a, b, c, d = cells[i][j], cells[i][beside], cells[below][j], cells[below][beside]
    s, t = column - j, row - i
    top, bottom = a + s * (b - a), c + s * (d - c)
    return min(max(top + t * (bottom - top), min(a, b, c, d)), max(a, b, c, d))


def literal_counts(images, thresholds, groups, semantics):
    """Every count, by pixel, unit and label, with sets; images: (maps, labels, rows, columns)."""
    labels, units = range(len(CATEGORY)), range(len(thresholds))
    shape = {"both": (groups, len(units), len(labels)), "truth": (groups, len(labels)),
             "fired": (groups, len(units), CATEGORIES), "fired_all": (groups, len(units)),
             "pixels": (groups,), "spoken": (groups, CATEGORIES)}  # fmt: skip
    counts = {name: np.zeros(size, np.int64) for name, size in shape.items()}
    for maps, (planes, whole), rows, columns, group in images:
        at = {
            (y, x): ({int(plane[y, x]) for plane in planes} | set(whole)) - {0}
            for y in range(len(rows)) for x in range(len(columns))
        }  # fmt: skip
        said = {int(CATEGORY[c]) for here in at.values() for c in here} - {-1}
        for here in at.values():
            counts["pixels"][group] += 1
            for c in here:
                counts["truth"][group, c] += 1
            for k in said:
                counts["spoken"][group, k] += 1
        for u in units:
            cells = maps[u].astype(np.float64).tolist()
            firing = [
                (y, x) for y, x in at
                if literal_value(cells, rows[y], columns[x]) > thresholds[u]
            ]  # fmt: skip
            counts["fired_all"][group, u] += len(firing)
            for pixel in firing:
                for c in at[pixel]:
                    counts["both"][group, u, c] += 1
            under = {int(CATEGORY[c]) for pixel in firing for c in at[pixel]} - {-1}
            for k in said if semantics == "netdissect" else under:
                counts["fired"][group, u, k] += len(firing)
    return counts


def assert_literal(images, thresholds, *, semantics="netdissect", groups=1, workers=1, by=2):
    """Images: (maps, planes, whole, axis down and across, places down and across, group)."""
    counter = Counter(
        thresholds, CATEGORY, CATEGORIES, groups=groups, semantics=semantics, workers=workers
    )
    listed = [list_labels(Labels(im[1], im[2]), len(CATEGORY)) for im in images]
    for first in range(0, len(images), by):
        part = slice(first, first + by)
        counter.add(
            [im[0] for im in images[part]], listed[part], [im[3] for im in images[part]],
            [im[5] for im in images[part]],
        )  # fmt: skip
    counter.close()
    expected = literal_counts(
        [(im[0], (im[1], im[2]), *im[4], im[5]) for im in images], thresholds, groups, semantics
    )
    for field in fields(counter.counts):
        np.testing.assert_array_equal(
            getattr(counter.counts, field.name), expected[field.name], err_msg=field.name
        )
    return counter.counts


def one_image(maps, planes, whole=(), group=0, **how):
    """An image with its axes and its literal places."""
    planes = np.asarray(planes, np.int32)
    sizes = list(zip(maps.shape[1:], planes.shape[1:], strict=True))
    hows = [how | ({"image": 2 * pixels} if how else {}) for _, pixels in sizes]
    axes = [axis(*size, **one) for size, one in zip(sizes, hows, strict=True)]
    lies = [places(*size, **one) for size, one in zip(sizes, hows, strict=True)]
    return maps, planes, tuple(whole), axes, lies, group


def random_planes(rng, k, height, width):
    """Blocks of labels, with pixels that have none, one or several, now and then the same twice."""
    planes = rng.integers(0, len(CATEGORY), (k, -(-height // 2), -(-width // 3)))
    planes[rng.random(planes.shape) < 0.4] = 0
    planes = planes.repeat(2, 1).repeat(3, 2)[:, :height, :width]
    if k > 1:
        planes[1, : height // 2] = planes[0, : height // 2]
    return planes


NETDISSECT = {"way": "netdissect", "field": Field(-2, 9, 4)}


@pytest.mark.parametrize("semantics", ["netdissect", "lite"])
@pytest.mark.parametrize("how", [{}, NETDISSECT], ids=["lite", "netdissect"])
@pytest.mark.parametrize("workers", [1, 3])
def test_counts_are_those_of_the_literal_loop(semantics, how, workers):
    rng = np.random.default_rng(0)
    images = []
    for i, (h, w, height, width) in enumerate(
        [(4, 4, 12, 12), (1, 1, 5, 7), (3, 5, 8, 12), (7, 6, 4, 5), (1, 4, 9, 9), (5, 1, 11, 6)]
    ):
        maps = np.round(np.maximum(rng.normal(size=(7, h, w)), 0), 1).astype(np.float32)
        maps[1] = 0  # a unit that never fires: 0 > 0 does not hold
        maps[2] = 0.5  # a constant unit at its threshold
        maps[3] = np.float32(0.5) + np.float32(2**-24) * rng.integers(-2, 3, (h, w))  # near ties
        whole = [(), (6,), (1, 1, 0), (8, 4)][i % 4]
        images.append(
            one_image(maps, random_planes(rng, i % 4, height, width), whole, i % 2, **how)
        )
    thresholds = np.array([0.4, 0, 0.5, 0.5, np.nan, np.float64(np.float32(0.3)), -1])
    counts = assert_literal(
        images, thresholds, semantics=semantics, groups=3, workers=workers, by=4
    )
    assert counts.fired_all[:, [1, 2, 4]].sum() == 0
    assert counts.fired_all[:, 6].sum() == counts.pixels.sum()
    assert counts.both[:, :, 1:].sum() > 500
    assert (counts.fired[:, :, 3] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_counts_are_those_of_the_literal_loop_on_anything(data):
    draw = data.draw
    h, w, height, width = (draw(st.integers(1, n)) for n in (4, 4, 9, 9))
    values = st.sampled_from([0, 0.25, 0.1, 1, -1, 1 / 3, float(np.nextafter(np.float32(1), 2))])
    cells = draw(st.lists(values, min_size=2 * h * w, max_size=2 * h * w))
    maps = np.array(cells, np.float32).reshape(2, h, w)
    k = draw(st.integers(0, 3))
    seed = draw(st.integers(0, 99))
    whole = draw(st.lists(st.integers(0, 8), max_size=3))
    how = draw(st.sampled_from([{}, NETDISSECT | {"field": Field(0, 5, 6)}]))
    planes = random_planes(np.random.default_rng(seed), k, height, width)
    # Thresholds that are values of the maps, and of their upsampled pixels.
    image = one_image(maps, planes, whole, **how)
    lies = image[4]
    row, column = draw(st.sampled_from(lies[0])), draw(st.sampled_from(lies[1]))
    thresholds = np.array(
        [draw(st.sampled_from(cells)), literal_value(maps[1].astype(float).tolist(), row, column)]
    )
    semantics = draw(st.sampled_from(["netdissect", "lite"]))
    assert_literal([image, image], thresholds, semantics=semantics)


def test_a_label_counts_once_at_a_pixel():
    planes = np.array([[[1, 2, 0]], [[1, 1, 0]], [[4, 0, 0]]])
    listed = list_labels(Labels(planes, (4, 0, 4, 2)), 9)
    at = [listed.label[a:b].tolist() for a, b in zip(listed.start, listed.start[1:], strict=False)]
    assert at == [[1], [1], []]
    assert listed.whole.tolist() == [2, 4]
    assert listed.truth.tolist() == [0, 2, 3, 0, 3, 0, 0, 0, 0]


def test_images_that_do_not_speak_of_a_category_do_not_count_for_it():
    """Worked out by hand: a unit fires at the left half of three images of 1 x 4 pixels."""
    maps = np.array([[[1, 0]]], np.float32)
    speaks = one_image(maps, [[[0, 0, 1, 1]]])  # of 0, but not where the unit fires
    silent = one_image(maps, np.zeros((1, 1, 4)))
    meets = one_image(maps, [[[1, 0, 0, 0]]])
    for semantics, fired in (("netdissect", 4), ("lite", 2)):
        counts = assert_literal([speaks, silent, meets], np.array([0.5]), semantics=semantics)
        assert counts.fired_all.item() == 6
        assert counts.fired[0, 0].tolist() == [fired, 0, 0, 0]
        assert counts.both[0, 0, 1] == 1
        assert counts.spoken[0].tolist() == [8, 0, 0, 0]


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(InputError, match="semantics 'both' is not one of netdissect, lite"):
        Counter(np.zeros(1), CATEGORY, 4, semantics="both")
    with pytest.raises(
        InputError, match=r"cells are 4 pixels of the image apart, a pixel .* has 5"
    ):
        axis(3, 4, image=20, **NETDISSECT)
    with pytest.raises(InputError, match="upsampling 'cubic' is not one of lite, netdissect"):
        axis(3, 9, way="cubic")
    planes = np.full((1, 2, 2), 9)
    with pytest.raises(InputError, match="labels 9 … 9 must lie between 0 and 8"):
        list_labels(Labels(planes, ()), 9)
    with pytest.raises(InputError, match="labels -9 … -9 must lie"):
        list_labels(Labels(-planes, ()), 9)
    with pytest.raises(InputError, match="labels 3 … 12 must lie"):
        list_labels(Labels(planes[:0], (3, 12)), 9)
    with pytest.raises(InputError, match="65536 labels, a mask holds at most 65535"):
        list_labels(Labels(planes, ()), 65537)


SIZES = [(7, 112), (7, 100), (13, 13), (1, 6), (4, 9), (8, 8 * 14)]


@pytest.mark.parametrize(("cells", "pixels"), [*SIZES, (9, 4), (112, 28)])
def test_lite_is_torchs_interpolation(cells, pixels):
    values = np.random.default_rng(0).normal(size=(3, cells))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[:, None, None], (1, pixels), mode="bilinear", align_corners=False
    )[:, 0, 0]
    found = axis(cells, pixels)
    np.testing.assert_allclose(values @ found.matrix.T, expected, atol=1e-12)
    np.testing.assert_allclose(found.matrix.sum(1), 1, atol=1e-15)


@pytest.mark.parametrize(("cells", "pixels"), SIZES)
def test_lite_is_pillows_bilinear_filter_where_it_enlarges(cells, pixels):
    values = np.random.default_rng(0).normal(size=(cells, cells)).astype(np.float32)
    resized = Image.fromarray(values).resize((pixels, pixels), Image.Resampling.BILINEAR)
    p = axis(cells, pixels).matrix
    np.testing.assert_allclose(p @ values @ p.T, np.asarray(resized), atol=2e-6)


@pytest.mark.parametrize(
    ("cells", "pixels", "field", "image"),
    [
        (13, 113, Field(-64, 195, 16), 227),  # conv5 of the Caffe reference network
        (7, 112, Field(-121, 267, 32), 224),  # resnet's, whose cells reach over the border
        (6, 30, Field(3, 7, 5), 30),
        (7, 112, None, 224),
    ],
)
def test_netdissect_is_a_spline_of_degree_one_on_the_centres(cells, pixels, field, image):
    used = field or Field(0, image // cells, image // cells)
    r = round(image / pixels)
    centres = (used.offset + used.size // 2) // r + np.arange(cells) * (used.step // r)
    values = np.random.default_rng(0).normal(size=(cells, cells))
    spline = RectBivariateSpline(centres, centres, values, kx=1, ky=1)
    expected = spline(np.arange(pixels), np.arange(pixels), grid=True)
    p = axis(cells, pixels, way="netdissect", field=field, image=image).matrix
    np.testing.assert_allclose(p @ values @ p.T, expected, atol=1e-12)


@pytest.mark.parametrize("way", ["lite", "netdissect"])
@pytest.mark.parametrize(
    ("cells", "pixels", "image"),
    [(13, 64, 64), (8, 28, 56), (7, 113, 227), (13, 113, 227), (14, 112, 224), (5, 7, 7)],
)
def test_each_cell_peaks_inside_its_own_part_of_the_mask(cells, pixels, image, way):
    matrix = axis(cells, pixels, way=way, image=image).matrix
    for cell, weights in enumerate(matrix.T):
        peaks = np.flatnonzero(weights == weights.max())  # at the border a plateau
        assert (peaks + 1 > cell * pixels / cells).all()
        assert (peaks < (cell + 1) * pixels / cells).all()
        assert abs(peaks + 0.5 - (cell + 0.5) * pixels / cells).min() <= 1


@settings(max_examples=100, deadline=None)
@given(cells=st.integers(1, 12), pixels=st.integers(1, 40), netdissect=st.booleans())
def test_the_tables_of_an_axis_fit_together(cells, pixels, netdissect):
    found = axis(cells, pixels, **(NETDISSECT if netdissect else {}))
    assert found.first[0] == 0
    assert found.first[-1] == pixels
    for i in range(cells):
        mine = slice(found.first[i], found.first[i + 1])
        assert (found.low[mine] == i).all()
        assert (found.high[mine] == min(i + 1, cells - 1)).all()
    assert ((found.share >= 0) & (found.share < 1)).all()


LEVELS = st.sampled_from([0, 1, 0.995, 0.994995, 0.5, 0.999])


@settings(max_examples=80, deadline=None)
@given(
    parts=st.lists(st.integers(0, 700), min_size=1, max_size=6).filter(sum),
    level=LEVELS, digits=st.sampled_from([0, 1, 9]), seed=st.integers(0, 99),
)  # fmt: skip
def test_quantiles_are_numpys(parts, level, digits, seed):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(size=(3, sum(parts))), digits).astype(np.float32)
    values[1] = np.maximum(values[1], 0)
    quantile = Quantile(3, sum(parts), level)
    for part in np.split(values, np.cumsum(parts)[:-1], axis=1):
        quantile.add(torch.from_numpy(part))
    found = quantile.result()
    assert found.dtype == torch.float64
    expected = np.quantile(values.astype(np.float64), level, axis=1)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15, atol=1e-15)


def test_a_quantile_keeps_half_a_percent():
    quantile = Quantile(4, 100_000, 0.995)
    for _ in range(100):
        quantile.add(torch.randn(4, 1000))
        assert quantile._greatest.shape[1] <= 502
    assert quantile._greatest.untyped_storage().nbytes() <= quantile.bytes <= 4 * 4 * 502


def test_quantiles_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match=r"level 1\.5 must lie between 0 and 1"):
        Quantile(1, 5, 1.5)
    with pytest.raises(InputError, match="no images"):
        Quantile(1, 0, 0.5)
    quantile = Quantile(1, 5, 0.5)
    quantile.add(torch.zeros(1, 4))
    with pytest.raises(InputError, match="4 values came, 5 were announced"):
        quantile.result()


@pytest.mark.parametrize("how", [{}, NETDISSECT], ids=["lite", "netdissect"])
def test_correlations_are_those_of_the_upsampled_maps(how):
    rng = np.random.default_rng(3)
    moments = Moments(5, CATEGORY, CATEGORIES)
    images = []
    for i, (height, width) in enumerate([(12, 12), (8, 10), (12, 12), (24, 7), (6, 6), (9, 9)]):
        maps = rng.normal(size=(5, 4, 3)).astype(np.float32)
        maps[3], maps[4] = 0.1, 0  # constant units have no correlation
        whole = [(6,), (), (5, 8)][i % 3]
        image = one_image(maps, random_planes(rng, i % 4, height, width) % 7, whole, **how)
        images.append(image)
        listed = list_labels(Labels(image[1], image[2]), len(CATEGORY))
        moments.add(maps[None], [listed], [image[3]])
    found = Moments.of(moments.state_dict()).correlation()
    seen = 0
    for c in range(len(CATEGORY)):
        values, marks = [[] for _ in range(5)], []
        for maps, planes, whole, (down, across), _, _ in images:
            present = {int(n) for n in np.unique(planes)} | set(whole)
            if CATEGORY[c] < 0 or not any(CATEGORY[n] == CATEGORY[c] for n in present):
                continue
            mask = (planes == c).any(0) | (c in whole)
            marks.append(mask.ravel())
            for u in range(5):
                values[u].append((down.matrix @ maps[u].astype(float) @ across.matrix.T).ravel())
        varies = len(marks) and 0 < np.concatenate(marks).mean() < 1
        for u in range(5):
            if not varies or u >= 3:
                assert np.isnan(found[u, c]), (u, c)
                continue
            seen += 1
            expected = np.corrcoef(np.concatenate(values[u]), np.concatenate(marks))[0, 1]
            assert abs(found[u, c] - expected) < 1e-10
    assert seen >= 12


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-8, 1e8, -7.3])
def test_a_constant_unit_has_no_correlation(value):
    moments = Moments(1, CATEGORY, CATEGORIES)
    rng = np.random.default_rng(0)
    for _ in range(30):
        listed = list_labels(Labels(random_planes(rng, 2, 11, 13), ()), len(CATEGORY))
        moments.add(
            np.full((1, 1, 3, 3), value, np.float32), [listed], [(axis(3, 11), axis(3, 13))]
        )
    assert np.isnan(moments.correlation()).all()
