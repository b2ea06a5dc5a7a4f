"""Saliency maps over frames, in strips, moving and summed: colours, sizes, equal files, errors."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from seewhy.errors import InputError
from seewhy.saliency_figures import (
    NEGATIVE,
    POSITIVE,
    Row,
    animate,
    film_strip,
    full_colour,
    overlay,
    sums_figure,
)
from seewhy.scores.pointing import region_masks

N, H, W = 5, 12, 16


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def rows(random):
    frames = random.integers(0, 256, (N, H, W, 3), np.uint8)
    masks = np.zeros((N, H, W), bool)
    masks[1:, 3:8, 4:9] = True
    boxes = [[], [[1, 2, 5, 6]], [[1, 2, 5, 6], [9, 1, 4, 4]], [], [[0, 0, 16, 12]]]
    return [
        Row("original", frames, marks=boxes),
        Row("Grad-CAM", frames, random.random((N, 4, 4)), masks),
        ("cEB-R, of which the title is much too long for one line", frames,
         random.normal(size=(N, 3, 4))),
    ]  # fmt: skip


def test_hues_say_the_sign_and_opacity_the_magnitude():
    frames = np.full((1, 2, 2, 3), 128, np.uint8)
    maps = np.array([[[4.0, -4.0], [0.0, 2.0]]])
    (picture,) = overlay(frames, maps, full=4.0).astype(float)
    grey = picture[1, 0]
    assert np.ptp(grey) == 0  # nothing at 0
    full = {sign: 0.9 * 255 * np.array(to_rgb(hue)) + 0.1 * grey
            for sign, hue in ((1, POSITIVE), (-1, NEGATIVE))}  # fmt: skip
    np.testing.assert_allclose(picture[0, 0], full[1], atol=1)
    np.testing.assert_allclose(picture[0, 1], full[-1], atol=1)
    np.testing.assert_allclose(picture[1, 1], (full[1] + grey) / 2, atol=1)
    beyond = overlay(frames, 9 * maps, full=4.0)[0]
    np.testing.assert_array_equal(beyond[0], picture[0])  # saturated
    np.testing.assert_array_equal(overlay(frames[0], maps[0], full=4.0), picture)


def test_pictures_grow_by_a_whole_factor_and_maps_with_them():
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    frames[:, 1, 2] = 255
    grown = overlay(frames, np.zeros((2, 2, 3)), zoom=3)
    assert grown.shape == (2, 12, 18, 3)
    np.testing.assert_array_equal(grown[:, ::3, ::3], overlay(frames, np.zeros((2, 4, 6))))
    few = overlay(frames[:1], np.linspace(0, 1, 24).reshape(1, 4, 6), full=1, steps=2)
    assert len(np.unique(few[0].reshape(-1, 3), axis=0)) <= 4  # three steps, one white pixel


def test_a_single_peak_does_not_make_all_others_pale():
    maps = np.ones((10, 10, 10))
    maps[0, 0, 0] = 1e6
    assert full_colour([maps]) == 1
    assert full_colour([-3 * maps, maps]) == 3
    assert full_colour([np.zeros((2, 3, 3))]) == 1
    alone = np.zeros((10, 10, 10))
    alone[0, 0, 0] = 7
    assert full_colour([alone]) == 7


@pytest.mark.parametrize("draw", [film_strip, animate])
def test_equal_input_gives_equal_files(draw, rows, tmp_path):
    paths = [tmp_path / f"{k}.{'png' if draw is film_strip else 'gif'}" for k in "ab"]
    for path in paths:
        draw(rows, path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert b"Software" not in first
    assert b"Creation" not in first
    assert sorted(tmp_path.iterdir()) == paths


def test_a_strip_has_the_width_of_a_page(rows, tmp_path):
    film_strip(rows, tmp_path / "all.png")
    film_strip(rows, tmp_path / "two.png", shown=[0, 4], labels=["start", "end"])
    with Image.open(tmp_path / "all.png") as whole, Image.open(tmp_path / "two.png") as two:
        assert whole.width == two.width == 1440
        assert two.height > whole.height > 300


@pytest.mark.parametrize("regions", ["masks", "boxes"])
def test_marks_are_outlined(regions, tmp_path):
    frames = np.full((2, 32, 32, 3), 90, np.uint8)
    boxes = [[[4, 4, 20, 20]], []]
    marks = boxes if regions == "boxes" else region_masks(boxes, frame=(32, 32))
    animate([Row("a", frames, None, marks)], tmp_path / "marked.gif")
    with Image.open(tmp_path / "marked.gif") as moving:
        first = np.asarray(moving.convert("RGB"))
        moving.seek(1)
        second = np.asarray(moving.convert("RGB"))
    across = first[first.shape[0] // 2 - 10, :, 0]
    assert (abs(np.diff(across.astype(int))) > 200).sum() == 2  # black beside white, twice
    assert (second[30:150, 20:150] == second[80, 80]).all()  # nothing is marked there


def test_a_moving_picture_has_all_frames(rows, tmp_path):
    animate(rows, tmp_path / "a.gif", seconds=0.5)
    animate(rows, tmp_path / "narrow.gif", columns=2)
    same = np.zeros((N, H, W, 3), np.uint8)
    animate([Row("still", same), Row("nothing", same, np.zeros((N, 2, 2)))], tmp_path / "s.gif")
    with Image.open(tmp_path / "a.gif") as a, Image.open(tmp_path / "narrow.gif") as narrow:
        assert a.n_frames == narrow.n_frames == N
        assert (a.info["duration"], a.info["loop"]) == (500, 0)
        assert a.width == 3 * (160 + 6) + 6
        assert narrow.width == 2 * (160 + 6) + 6
        assert narrow.height > 1.8 * a.height
    with Image.open(tmp_path / "s.gif") as still:
        assert still.n_frames == N  # although its frames are alike
    assert (tmp_path / "a.gif").stat().st_size < 400_000


def test_small_actors_keep_their_colours(tmp_path):
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    frames[..., 2] = np.arange(16) * 16  # many blues
    frames[:, 8, 8] = 200, 30, 60
    animate([Row("a", frames)], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as moving:
        colours = np.asarray(moving.convert("RGB")).reshape(-1, 3).astype(int)
    assert abs(colours - (200, 30, 60)).max(axis=1).min() < 12


def test_rows_of_a_block_share_their_scale(rows, tmp_path):
    frames, maps = rows[0].frames, rows[1].maps
    apart = [Row("a", frames, maps), Row("b", frames, 100 * maps)]
    animate(apart, tmp_path / "apart.gif")
    animate([row._replace(block="both") for row in apart], tmp_path / "together.gif")
    cell = np.s_[20:130, 10:160]
    with Image.open(tmp_path / "apart.gif") as first, Image.open(tmp_path / "together.gif") as both:
        first, both = (np.asarray(one.convert("RGB")).astype(int) for one in (first, both))
    assert np.ptp(first[cell], axis=2).mean() > 40  # hues
    assert np.ptp(both[cell], axis=2).mean() < 10  # a hundredth of full colour


def test_sums_are_drawn_for_clips_of_unequal_length(random, tmp_path):
    sums = random.normal(size=(8, 10))
    sums[0, 6:] = np.nan
    panels = {"EB-R": {"rand + GT": abs(sums)}, "cEB-R": {"rand + GT": sums, "GT + rand": -sums}}
    for name in "ab":
        sums_figure(panels, tmp_path / f"{name}.png", boundary=5)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(InputError, match=r"rand \+ GT has the shape \(10,\)"):
        sums_figure({"EB-R": {"rand + GT": sums[1]}}, tmp_path / "c.png")
    with pytest.raises(InputError, match="a frame of NaN alone"):
        sums_figure({"EB-R": {"rand + GT": sums[:1]}}, tmp_path / "c.png")
    with pytest.raises(InputError, match="a panel without sums"):
        sums_figure({"EB-R": {}}, tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize("draw", [film_strip, animate])
def test_rows_that_do_not_fit_are_refused(draw, rows, tmp_path):
    frames, maps = rows[0].frames, rows[1].maps
    infinite = maps.copy()
    infinite[2] = np.inf
    for wrong, message in [
        ([], "there are no rows"),
        ([Row("a", frames.astype(float))], "of float64 are not uint8"),
        ([Row("a", frames[0])], r"frames \[12, 16, 3\] of uint8 are not"),
        ([Row("a", frames), Row("b", frames[1:])], "row 'b': frames .* beside .* of 'a'"),
        ([Row("a", frames, maps[1:])], "row 'a': 4 maps for 5 frames"),
        ([Row("a", frames, None, [[]])], "row 'a': 1 marks for 5 frames"),
        ([Row("a", frames, None, np.zeros((N, 2, 2), bool))], "masks of .* in a frame of"),
        ([Row("a", frames, infinite)], "map 2 holds NaN or infinity"),
    ]:
        with pytest.raises(InputError, match=message):
            draw(wrong, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_other_requests_that_cannot_be_met(rows, tmp_path):
    with pytest.raises(InputError, match=r"frames \[7\] of 5; give some from 0 to 4"):
        film_strip(rows, tmp_path / "a.png", shown=[7])
    with pytest.raises(InputError, match=r"film strip: frames \[\] of 5"):
        film_strip(rows, tmp_path / "a.png", shown=[])
    with pytest.raises(InputError, match="1 labels for 2 frames"):
        film_strip(rows, tmp_path / "a.png", shown=[0, 1], labels=["x"])
    with pytest.raises(InputError, match=r"0\.001 seconds a frame in 4 columns"):
        animate(rows, tmp_path / "a.gif", seconds=0.001)
    with pytest.raises(InputError, match="4 maps for 5 frames"):
        overlay(rows[0].frames, rows[1].maps[1:])
    with pytest.raises(InputError, match="zoom is 0"):
        overlay(rows[0].frames, rows[1].maps, zoom=0)
