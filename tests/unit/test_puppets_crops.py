"""Crops of actors at work: the truth is that of the pixels, and of the clip they are cut from."""

import h5py
import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.cast import build_figures
from seewhy.worlds.puppets.clip import draw_moments, draw_plan
from seewhy.worlds.puppets.crops import draw_crops
from seewhy.worlds.puppets.sampling import plan_clip

SEED, CLIPS = 3, 60
ONLY = tuple(words.ACTIONS)


def drawn(path, **changes):
    settings = {"seed": SEED, "split": "train", "clips": CLIPS, "per_clip": 3, "workers": 1}
    draw_crops(path, **settings | changes)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("crops") / "train.h5")


@pytest.fixture(scope="module")
def crops(path):
    with h5py.File(path) as file:
        found = {name: file[name][:] for name in file if name != "elements"}
        found |= {name: values[:] for name, values in file["elements"].items()}
        found["actions"] = list(file.attrs["actions"])
        found["scenes"] = list(file.attrs["scenes"])
    return found


def column(crops, i, name):
    """What each pixel of crop `i` shows, [s, s]."""
    first, last = crops["rows"][i : i + 2]
    return crops[name][first:last][crops["code"][i]]


def test_two_workers_write_the_same_bytes(path, tmp_path):
    assert drawn(tmp_path / "train.h5", workers=2).read_bytes() == path.read_bytes()


def test_crops_have_their_shapes_and_rows(crops):
    n = len(crops["action"])
    assert 2.5 * CLIPS < n <= 3 * CLIPS
    assert crops["image"].shape == (n, 64, 64, 3)
    assert crops["code"].shape == (n, 64, 64)
    assert crops["rows"][0] == 0
    assert crops["rows"][-1] == len(crops["instance"])
    for i in range(n):
        count = crops["rows"][i + 1] - crops["rows"][i]
        assert set(np.unique(crops["code"][i])) == set(range(count))  # every element shows


def test_what_is_said_of_a_crop_is_what_was_planned(crops):
    for i, clip in enumerate(crops["clip"]):
        plan = plan_clip(SEED, "train", int(clip), only=ONLY)
        main = plan.cast[0]
        assert crops["actions"][crops["action"][i]] == main.action
        assert crops["scenes"][crops["scene"][i]] == plan.scene
        assert (crops["main"][i], crops["object"][i]) == (main.instance, main.object)
        kinds = set(column(crops, i, "class")[column(crops, i, "instance") == main.instance])
        assert kinds == {main.kind.encode()}
        first, last = crops["rows"][i : i + 2]
        stuff = crops["class"][first:last][crops["instance"][first:last] == 0]
        assert not {name.decode() for name in stuff} & set(words.THINGS)


def test_the_actor_is_large_and_in_the_middle(crops):
    middle, large = [], []
    for i in range(len(crops["action"])):
        mine = column(crops, i, "instance") == crops["main"][i]
        y, x = np.nonzero(mine)
        centre = (x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2
        middle.append(np.abs(np.subtract(centre, 32)).max())
        large.append(max(np.ptp(x), np.ptp(y)) / 64)
        assert mine[16:48, 16:48].any()
    assert np.median(middle) < 6  # further only where the frame ends
    assert 0.6 < np.median(large) < 0.85  # 1 / 1.35 = 0.74


def test_the_box_is_that_of_actor_and_object(crops):
    with_object = 0
    for i in range(len(crops["action"])):
        instance = column(crops, i, "instance")
        mask = (instance == crops["main"][i]) | (
            (instance == crops["object"][i]) & (crops["object"][i] > 0)
        )
        y, x = np.nonzero(mask)
        expected = (x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)
        assert tuple(crops["box"][i]) == expected
        with_object += (instance == crops["object"][i]).any() and crops["object"][i] > 0
    assert with_object > 10


def test_colours_and_codes_lie_upon_each_other(crops):
    """Moved by a pixel, codes explain the colours less well, whichever the way."""

    def unexplained(image, code):
        """Mean distance of the pixels' colours from the median of their code's."""
        left = [np.abs(image[code == c] - np.median(image[code == c], 0)) for c in np.unique(code)]
        return np.concatenate(left).mean()

    ways = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    found = []
    for image, code in zip(crops["image"][::4].astype(float), crops["code"][::4], strict=True):
        inner = image[1:-1, 1:-1]
        found.append([unexplained(inner, code[1 + y : 63 + y, 1 + x : 63 + x]) for y, x in ways])
    aligned, *moved = np.mean(found, 0)
    assert aligned < 0.8 * min(moved)
    assert max(moved) < 1.1 * min(moved)  # no way is nearer than another


def test_moments_are_the_frames_of_the_clip():
    for index in (0, 4, 9):
        plan = plan_clip(SEED, "train", index)
        figures, _ = build_figures(plan)
        times = np.array([2, 17, 30])
        some, all_ = draw_moments(plan, figures, times, 64), draw_plan(plan, 64)
        assert (some.frames == all_.frames[times]).all()
        assert (some.code == all_.code[times]).all()
        assert len(figures[0].body.depth) == plan.frames  # left as they are


def test_every_moment_lies_within_the_action(monkeypatch, tmp_path):
    seen = []

    def spy(plan, figures, times, size):
        seen.append((plan.cast[0].acts[0], times))
        return draw_moments(plan, figures, times, size)

    monkeypatch.setattr("seewhy.worlds.puppets.crops.draw_moments", spy)
    drawn(tmp_path / "x.h5", clips=25)
    assert len(seen) > 20
    for act, times in seen:
        assert (times >= act.start).all()
        assert (times < act.end).all()
        assert (np.diff(times) > 0).all()


def test_splits_differ_and_more_clips_leave_the_first_as_they_are(path, tmp_path):
    with (
        h5py.File(drawn(tmp_path / "val.h5", split="val", clips=10)) as val,
        h5py.File(path) as all_,
    ):
        assert val.attrs["split"] == "val"
        assert (val["image"][:8] != all_["image"][:8]).any()
        with h5py.File(drawn(tmp_path / "few.h5", clips=10)) as few:
            n = len(few["action"])
            assert (few["image"][:] == all_["image"][:n]).all()
            assert (few["code"][:] == all_["code"][:n]).all()


def test_named_actions_alone_and_never_rare_ones(crops, tmp_path):
    assert crops["actions"] == sorted(words.ACTIONS)
    with h5py.File(drawn(tmp_path / "two.h5", actions=["swim", "ride"], clips=20)) as file:
        assert list(file.attrs["actions"]) == ["ride", "swim"]
        assert set(file["action"][:]) == {0, 1}
        water = [b"water" in set(file["elements/class"][slice(*file["elements/rows"][i : i + 2])])
                 for i in np.flatnonzero(file["action"][:] == 1)]  # fmt: skip
        assert all(water)


def test_the_size_of_crops_can_be_chosen(tmp_path):
    with h5py.File(drawn(tmp_path / "small.h5", size=32, canvas=64, clips=5)) as file:
        assert file["image"].shape[1:] == (32, 32, 3)
        assert file["code"].shape[1:] == (32, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "stills"}, "split 'stills' is not one of train, val, test"),
        ({"clips": 0}, "clips 0 must be a whole number, 1 or more"),
        ({"per_clip": True}, "per_clip True must be a whole number, 1 or more"),
        ({"size": 8}, "size 8 must be a whole number, 16 or more"),
        ({"canvas": 63}, "canvas 63 must be an even number of pixels"),
        ({"box": 0.5}, r"box 0\.5 must be a number from 1 to 4"),
        ({"workers": 0}, "workers 0 must be a whole number"),
        ({"seed": -1}, "seed -1 must be a whole number, 0 or more"),
        ({"actions": ["juggle"]}, "action 'juggle' is not one of walk, run"),
        ({"actions": []}, "action '' is not one of walk, run"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_file(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        drawn(tmp_path / "x.h5", **changes)
    assert not list(tmp_path.iterdir())


def test_the_world_in_which_nobody_is_in_sight_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("seewhy.worlds.puppets.crops.LEAST_SEEN", 1.0)
    with pytest.raises(InputError, match=r"x\.h5: no actor is in sight in 3 clips; ask for more"):
        drawn(tmp_path / "x.h5", clips=3)
