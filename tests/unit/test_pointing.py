"""The pointing game against a literal loop, torch's interpolation and cases worked out by hand."""

import numpy as np
import pytest
import torch

from seewhy.errors import InputError
from seewhy.scores.pointing import (
    Tolerance,
    area_share,
    energy_in_region,
    peaks,
    pointing_accuracy,
    pointing_chance,
    pointing_hits,
    upsample,
)


def blocks(n, frame, seed):
    """Random rectangles as masks [n, H, W] and as boxes."""
    rng = np.random.default_rng(seed)
    masks, boxes = np.zeros((n, *frame), bool), []
    for mask in masks:
        y, x = rng.integers(0, frame[0] - 4), rng.integers(0, frame[1] - 4)
        height, width = rng.integers(1, 5, 2)
        mask[y : y + height, x : x + width] = True
        boxes.append([(x, y, width, height)])
    return masks, boxes


def literal_hit(values, mask, radius):
    """Share of the tied maxima that lie within the radius of a pixel of the mask."""
    best = values.max()
    hits = []
    for y, x in np.argwhere(values >= best - 1e-9 * abs(values).max()):
        distances = [np.hypot(y - v, x - u) for v, u in np.argwhere(mask)]
        hits.append(min(distances) <= radius)
    return np.mean(hits)


@pytest.mark.parametrize("frame", [(12, 16), (9, 7), (4, 4), (3, 2)])
def test_upsampling_is_torchs_without_aligned_corners(frame):
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], frame, mode="bilinear", align_corners=False
    )[:, 0]
    np.testing.assert_allclose(upsample(maps, frame), expected, atol=1e-12)


@pytest.mark.parametrize("radius", [0, 1, 2.5, 7.5, 100])
def test_hits_are_those_of_the_loop(radius, monkeypatch):
    frame = (20, 24)
    maps = np.random.default_rng(1).normal(size=(30, 5, 6))
    maps[::7] = np.round(maps[::7])  # with ties
    maps[3], maps[4] = 0, -2.5  # constant
    masks, boxes = blocks(30, frame, seed=2)
    expected = [
        literal_hit(values, mask, radius)
        for values, mask in zip(upsample(maps, frame), masks, strict=True)
    ]
    assert 0 < np.mean(expected) <= 1
    found = pointing_hits(maps, masks, frame=frame, radius=radius)
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(pointing_hits(maps, boxes, frame=frame, radius=radius), found)
    monkeypatch.setattr("seewhy.scores.pointing._CHUNK", 20 * 24 * 4)
    np.testing.assert_array_equal(pointing_hits(maps, masks, frame=frame, radius=radius), found)


def test_a_disc_meets_a_box_at_its_own_radius_and_not_before():
    maps = np.zeros((1, 40, 40))
    maps[0, 10, 10] = 1
    boxes = [[(20, 9, 5, 5)]]  # its nearest pixel is column 20, ten away
    found = [pointing_hits(maps, boxes, frame=(40, 40), radius=r)[0] for r in (0, 9.9, 10, 15)]
    assert found == [0, 0, 1, 1]
    assert pointing_hits(maps, [[(10, 10, 1, 1)]], frame=(40, 40), radius=0)[0] == 1
    apart = [[(26, 10, 2, 2)], [(22, 10, 2, 2)], [(17, 10, 2, 2)]]
    by_tolerance = {
        t: pointing_hits(np.repeat(maps, 3, 0), apart, frame=(40, 40), radius=t).tolist()
        for t in Tolerance
    }
    assert by_tolerance == {
        Tolerance.PAPER: [0, 0, 1],
        Tolerance.PEERS: [0, 1, 1],
        Tolerance.POINT: [0, 0, 0],
    }


def test_any_of_several_boxes_counts_and_boxes_beyond_the_frame_are_cut():
    maps = np.zeros((3, 10, 10))
    maps[:, 5, 5] = 1
    regions = [[(0, 0, 2, 2), (4, 4, 3, 3)], [(-3, 5, 9, 1)], [(12, 12, 4, 4)]]
    found = pointing_hits(maps, regions, frame=(10, 10), radius=0)
    np.testing.assert_array_equal(found, [1, 1, np.nan])


def test_a_box_thinner_than_a_pixel_is_the_pixel_under_it():
    maps = np.zeros((1, 10, 10))
    maps[0, 5, 3] = 1
    thin = [[(3.6, 5.2, 0.2, 0.5)]]
    assert pointing_hits(maps, thin, frame=(10, 10), radius=0)[0] == 1
    assert area_share(thin, frame=(10, 10))[0] == pytest.approx(0.01)
    three = [[(2.4, 0, 2.2, 1)]]  # the centres of columns 2, 3 and 4
    assert area_share(three, frame=(10, 10))[0] == pytest.approx(0.03)


def test_unsigned_boxes_do_not_wrap_round():
    boxes = np.array([[[200, 10, 100, 20]]], np.uint8)
    assert area_share(boxes, frame=(240, 320))[0] == pytest.approx(100 * 20 / (240 * 320))


def test_a_constant_map_scores_the_chance_of_a_random_point():
    mask = np.zeros((1, 8, 10), bool)
    mask[0, :3, :4] = True
    constant = np.full((1, 4, 5), 0.3)
    assert pointing_hits(constant, mask, frame=(8, 10), radius=0)[0] == pytest.approx(12 / 80)
    assert pointing_chance(mask, frame=(8, 10), radius=1)[0] == pytest.approx((12 + 7) / 80)
    assert peaks(constant, frame=(8, 10)).tolist() == [[3, 4]]  # the centre, not a corner
    central = pointing_hits(constant, mask, frame=(8, 10), radius=0, ties="central")
    assert central[0] == 0


def test_of_tied_pixels_the_one_nearest_to_their_middle_is_the_peak():
    maps = np.zeros((3, 5, 9))
    maps[0, 2, [1, 5, 6]] = 1  # mean column 4
    maps[1, 1:4, 3:6] = 2
    maps[2, 4, 8] = 1e-30
    assert peaks(maps, frame=(5, 9)).tolist() == [[2, 5], [2, 4], [4, 8]]
    corner = np.zeros((1, 4, 4))
    corner[0, 0, 0] = 1  # four by four pixels, of which the outer two by two are equal
    assert peaks(corner, frame=(16, 16)).tolist() == [[0, 0]]
    assert (upsample(corner, (16, 16))[0] == 1).sum() == 4


def test_accuracy_is_pooled_and_by_class_and_counts_what_is_left_out():
    hits = np.array([1, 1, 1, 0, 0, np.nan, np.nan])
    found = pointing_accuracy(hits, ["run", "run", "run", "run", "fall", "fall", "jump"])
    assert found.pooled == pytest.approx(3 / 5)
    assert found.classes == {"fall": 0, "run": 0.75}
    assert found.per_class == pytest.approx(0.375)
    assert (found.counted, found.left_out) == (5, 2)
    assert pointing_accuracy(hits).per_class == pytest.approx(3 / 5)
    assert np.isnan(pointing_accuracy(np.full(2, np.nan)).pooled)


def test_energy_is_the_positive_share_inside_and_by_chance_the_area():
    maps = np.array(
        [[[3.0, 1.0], [-5.0, 0.0]], [[-1.0, -2.0], [-3.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]
    )
    mask = np.zeros((3, 2, 2), bool)
    mask[:, 0, 0] = True
    found = energy_in_region(maps, mask, frame=(2, 2))
    assert found == pytest.approx([0.75, 0.25, 0.25])
    assert energy_in_region(maps * 1e-300, mask, frame=(2, 2)) == pytest.approx(found)
    mask[2] = False
    np.testing.assert_array_equal(area_share(mask, frame=(2, 2)), [0.25, 0.25, np.nan])
    assert np.isnan(energy_in_region(maps, mask, frame=(2, 2))[2])


def test_energy_is_taken_at_the_frames_resolution():
    maps = np.random.default_rng(3).normal(size=(6, 3, 4))
    masks, boxes = blocks(6, (11, 13), seed=4)
    values = upsample(maps, (11, 13)).clip(min=0)
    expected = [v[m].sum() / v.sum() for v, m in zip(values, masks, strict=True)]
    np.testing.assert_allclose(energy_in_region(maps, boxes, frame=(11, 13)), expected)


def test_errors_say_what_is_wrong():
    maps, mask = np.ones((1, 2, 2)), np.ones((1, 4, 4), bool)
    broken = np.array([[[1, np.nan], [0, 0]]])
    for call, message in [
        (
            lambda: pointing_hits(maps[0], mask, frame=(4, 4)),
            r"shape is \(2, 2\); give \[n, h, w\]",
        ),
        (lambda: pointing_hits(broken, mask, frame=(4, 4)), "map 0 holds NaN"),
        (lambda: pointing_hits(maps, mask, frame=(4, 0)), r"frame is \(4, 0\)"),
        (
            lambda: pointing_hits(maps, mask, frame=(4, 5)),
            r"masks of \(4, 4\) pixels in .* \(4, 5\)",
        ),
        (lambda: pointing_hits(maps, [], frame=(4, 4)), "0 for 1 maps"),
        (
            lambda: pointing_hits(maps, [[(1, 2, 3)]], frame=(4, 4)),
            r"item 0 has the shape \(1, 3\)",
        ),
        (
            lambda: pointing_hits(maps, mask.astype(int), frame=(4, 4)),
            "of type int64; give them as bool",
        ),
        (lambda: pointing_hits(maps, [[(1, 2, -3, 1)]], frame=(4, 4)), "item 0 .* negative side"),
        (lambda: pointing_hits(maps, mask, frame=(4, 4), ties="first"), "ties is 'first'"),
        (lambda: pointing_hits(maps, mask, frame=(4, 4), radius=-1), r"radius is -1"),
        (lambda: pointing_accuracy(np.ones(2), ["a"]), "2 hits and 1 labels"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.parametrize("frame", [(64, 64), (14, 21), (7, 7), (224, 113)])
@pytest.mark.parametrize("side", [1, 2, 5, 7])
def test_the_peak_of_a_cell_lies_inside_it_at_the_border_too(side, frame):
    maps = np.eye(side * side).reshape(-1, side, side)
    at = peaks(maps, frame=frame)
    cells = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    size = np.array(frame) / side
    assert (at + 1 > cells * size).all()
    assert (at < (cells + 1) * size).all()


def test_maps_finer_than_the_frame_are_refused():
    with pytest.raises(InputError, match="finer than the frame"):
        peaks(np.ones((1, 8, 16)), frame=(8, 15))
