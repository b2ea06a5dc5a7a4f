"""Concept sets of the puppets' crops, pixel by pixel, and the regions that annotators make."""

from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest

from seewhy.dissection.concepts import ConceptSet
from seewhy.dissection.puppets_sets import (
    annotate_crops,
    offered_pairs,
    write_actions,
    write_broden,
)
from seewhy.dissection.regions import build_region_files, read_regions, region_mask
from seewhy.errors import InputError
from seewhy.worlds.puppets.crops import draw_crops

SIZE = 32
BOX = ["x", "y", "width", "height"]
TABLES = "boxes", "votes", "sizes", "truth"
EXACT = {"rounds": 2, "visible_rounds": 2, "at_least": 2, "min_share": 0.005}
COLUMNS = {"object": "class", "part": "part", "color": "colour", "texture": "texture"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("crops") / "test.h5"
    draw_crops(path, seed=3, split="test", clips=40, per_clip=2, size=SIZE, workers=1)
    return path


@pytest.fixture(scope="module")
def crops(path):
    """The file as plain arrays and lists; `elements` are those of each crop."""
    with h5py.File(path) as file:
        found = {name: file[name][:] for name in file if name != "elements"}
        rows = file["elements/rows"][:]
        columns = {n: file[f"elements/{n}"][:] for n in ("instance", *COLUMNS.values())}
        found["elements"] = [
            [{n: v[k].decode() if v.dtype.kind == "S" else int(v[k]) for n, v in columns.items()}
             for k in range(a, b)]
            for a, b in pairwise(rows.tolist())
        ]  # fmt: skip
        found |= {name: [str(v) for v in file.attrs[name]] for name in ("actions", "scenes")}
    return found


def name_of(i):
    return f"puppets/{i:06d}"


def half(crops, odd):
    return [i for i in range(len(crops["clip"])) if crops["clip"][i] % 2 == odd]


# --- broden


@pytest.fixture(scope="module")
def broden(path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "broden"
    write_broden(path, folder)
    return ConceptSet(folder)


def test_masks_say_what_each_pixel_shows(broden, crops):
    seen, which = set(), half(crops, 0)
    for place, i in enumerate(which):
        assert broden.images[place] == f"{name_of(i)}.png"
        np.testing.assert_array_equal(broden.image(place), crops["image"][i])
        planes = broden.labels(place).planes
        names = np.array(broden.names, object)[planes]  # [categories, h, w]
        for y in range(SIZE):
            for x in range(SIZE):
                one = crops["elements"][i][crops["code"][i][y, x]]
                expected = {one["class"], f"{one['colour']}-c"}
                if one["part"] not in ("", one["class"]):
                    expected.add(one["part"])
                if one["texture"] in ("stripe", "dot"):
                    expected.add(one["texture"])
                assert set(names[:, y, x]) - {""} == expected - {"", "-c"}, (i, y, x)
                seen |= {(c, bool(one[key])) for c, key in COLUMNS.items()}
                seen.add(("stuff", one["instance"] == 0))
                seen.add(("itself", one["part"] == one["class"]))
                seen.add(("texture", one["texture"]))
    # All kinds of pixels were met.
    assert {("part", False), ("part", True), ("stuff", True), ("stuff", False)} <= seen
    assert {("itself", True), ("texture", "plain"), ("texture", "stripe")} <= seen


def test_labels_stand_in_their_categories(broden, crops):
    assert broden.categories == ["object", "part", "color", "texture", "scene"]
    of = dict(zip(broden.names, broden.category, strict=True))
    assert broden.categories[of["sky"]] == "object"
    assert broden.categories[of["stripe"]] == "texture"
    assert [n for n in broden.names if n.endswith("-c")]
    assert all(broden.categories[of[n]] == "color" for n in broden.names if n.endswith("-c"))
    assert all(broden.categories[of[f"{n}-s"]] == "scene" for n in crops["scenes"])
    assert not {"plain", "-c", "-s"} & set(broden.names)
    assert len(set(broden.names)) == len(broden.names)


def test_the_scene_is_that_of_the_whole_image(broden, crops):
    for place, i in enumerate(half(crops, 0)):
        scene = broden.number(f"{crops['scenes'][crops['scene'][i]]}-s")
        labels = broden.labels(place)
        assert labels.whole == (scene,)
        assert not (labels.planes == scene).any()


def test_the_sets_are_halves_of_the_clips_and_crops_of_a_clip_are_a_group(broden, crops):
    even = half(crops, 0)
    assert len(broden) == len(even) > 30
    clips = crops["clip"][even]
    same = broden.groups[:, None] == broden.groups
    np.testing.assert_array_equal(same, clips[:, None] == clips)
    assert same.sum() > len(even)


# --- what annotators are shown


def test_offered_boxes_are_the_crops_own_and_distractors_those_of_other_things(path, crops):
    truth, others = offered_pairs(path, seed=0, wrong=0.0)
    odd = half(crops, 1)
    assert truth["image"].tolist() == [name_of(i) for i in odd]
    assert truth["action"].tolist() == [crops["actions"][crops["action"][i]] for i in odd]
    np.testing.assert_array_equal(truth[BOX], crops["box"][odd])
    assert (truth[["image_width", "image_height"]] == SIZE).all(axis=None)
    expected = set()
    for i in odd:
        by_thing = {}
        for y in range(SIZE):
            for x in range(SIZE):
                number = crops["elements"][i][crops["code"][i][y, x]]["instance"]
                by_thing.setdefault(number, []).append((x, y))
        for number, pixels in by_thing.items():
            if number in (0, crops["main"][i], crops["object"][i]) or len(pixels) < 12:
                continue
            (left, right), (top, bottom) = ((min(v), max(v) + 1) for v in zip(*pixels, strict=True))
            expected.add((name_of(i), left, top, right - left, bottom - top))
    assert set(others.itertuples(index=False, name=None)) == expected
    assert len(others) == len(expected) > 3


def test_some_crops_are_also_offered_with_an_action_that_is_not_theirs(path, crops):
    odd = half(crops, 1)
    own = {name_of(i): crops["actions"][crops["action"][i]] for i in odd}
    shares = []
    for seed in range(25):
        truth, _ = offered_pairs(path, seed=seed, wrong=0.3)
        wrong = truth[truth["x"].isna()]
        assert wrong[BOX].isna().all(axis=None)
        assert (wrong["action"] != wrong["image"].map(own)).all()
        assert not wrong["image"].duplicated().any()
        assert set(wrong["action"]) <= set(crops["actions"])
        assert len(truth) - len(wrong) == len(odd)
        shares.append(len(wrong) / len(odd))
    assert np.mean(shares) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / (25 * len(odd))))
    every, _ = offered_pairs(path, seed=0, wrong=1.0)
    assert len(every) == 2 * len(odd)
    pd.testing.assert_frame_equal(every, offered_pairs(path, seed=0, wrong=1.0)[0])


def test_one_action_alone_cannot_be_offered_wrongly(tmp_path):
    draw_crops(
        tmp_path / "one.h5", seed=0, split="test", clips=6, per_clip=1, size=SIZE,
        actions=["jump"], workers=1,
    )  # fmt: skip
    assert len(offered_pairs(tmp_path / "one.h5", seed=0, wrong=0)[0])
    with pytest.raises(InputError, match="has one action, jump, so none can be offered wrongly"):
        offered_pairs(tmp_path / "one.h5", seed=0, wrong=0.2)


# --- regions and the set of actions


@pytest.fixture(scope="module")
def regions(path, tmp_path_factory):
    """Regions of people who never err."""
    folder = tmp_path_factory.mktemp("annotations")
    outputs = {name: folder / f"{name}.csv" for name in TABLES}
    annotate_crops(path, outputs, seed=0, wrong=0.3, **EXACT)
    build_region_files(
        *(outputs[name] for name in TABLES[:3]),
        regions_path=folder / "regions.csv", summary_path=folder / "summary.csv", **EXACT,
    )  # fmt: skip
    assert (pd.read_csv(outputs["truth"])["x"].isna()).any()
    return read_regions(folder / "regions.csv")


def true_mask(box):
    """Pixels whose centre lies in a box."""
    x, y, width, height = box
    mask = np.zeros((SIZE, SIZE), bool)
    for row in range(SIZE):
        for column in range(SIZE):
            mask[row, column] = (
                x <= column + 0.5 < x + width and y <= row + 0.5 < y + height
            )  # fmt: skip
    return mask


def test_regions_of_people_who_never_err_are_the_true_boxes(regions, crops):
    odd = half(crops, 1)
    pairs = set(regions[["image", "action"]].itertuples(index=False, name=None))
    assert pairs == {(name_of(i), crops["actions"][crops["action"][i]]) for i in odd}
    for i in odd:
        action = crops["actions"][crops["action"][i]]
        found = region_mask(regions, name_of(i), action)
        np.testing.assert_array_equal(found, true_mask(crops["box"][i]))


def test_the_set_of_actions_has_the_regions_alone(path, regions, crops, tmp_path):
    left_out = regions["image"].iloc[0]
    kept = regions[regions["image"] != left_out]
    write_actions(path, kept, tmp_path / "actions")
    concepts = ConceptSet(tmp_path / "actions")
    odd = [i for i in half(crops, 1) if name_of(i) != left_out]
    assert concepts.categories == ["action"]
    assert concepts.names == ["", *sorted(set(kept["action"]))]
    assert len(concepts) == len(odd)
    for place, i in enumerate(odd):
        assert concepts.images[place] == f"{name_of(i)}.png"
        np.testing.assert_array_equal(concepts.image(place), crops["image"][i])
        labels = concepts.labels(place)
        number = concepts.number(crops["actions"][crops["action"][i]])
        assert labels.whole == ()
        np.testing.assert_array_equal(labels.planes[0], number * true_mask(crops["box"][i]))
    clips = crops["clip"][odd]
    np.testing.assert_array_equal(
        concepts.groups[:, None] == concepts.groups, clips[:, None] == clips
    )


def test_two_actions_of_an_image_are_two_masks(path, regions, tmp_path):
    both = pd.concat([regions.iloc[:1], regions.iloc[:1].assign(action="zzz")])
    write_actions(path, both, tmp_path / "actions")
    concepts = ConceptSet(tmp_path / "actions")
    planes = concepts.labels(0).planes
    assert {tuple(np.unique(plane)) for plane in planes} == {(0, 1), (0, 2)}
    np.testing.assert_array_equal(planes[0] > 0, planes[1] > 0)


def test_regions_of_other_crops_are_refused_and_leave_no_set(path, regions, crops, tmp_path):
    folder = tmp_path / "actions"
    even = regions.assign(image=name_of(half(crops, 0)[0]))
    with pytest.raises(InputError, match=r"1 images are no crops of odd clips in .*test\.h5, such"):
        write_actions(path, even, folder)
    one_more = pd.concat([regions, regions.iloc[:1].assign(image="puppets/999999")])
    with pytest.raises(
        InputError, match=r"1 images are no crops of odd clips in .*h5, such as puppets/999999"
    ):
        write_actions(path, one_more, folder)
    with pytest.raises(
        InputError, match=r"there are none; look at results/dissection/regions\.csv"
    ):
        write_actions(path, regions.iloc[:0], folder)
    larger = tmp_path / "larger.h5"
    draw_crops(larger, seed=3, split="test", clips=40, per_clip=2, size=2 * SIZE, workers=1)
    with pytest.raises(
        InputError, match=r"has 64 x 64 pixels as it is shown, the annotators' sizes\.csv says 32"
    ):
        write_actions(larger, regions, folder)
    assert [one.name for one in tmp_path.iterdir()] == ["larger.h5"]


def test_a_file_with_clips_of_one_half_alone_is_refused(tmp_path):
    draw_crops(tmp_path / "one.h5", seed=3, split="test", clips=1, per_clip=2, size=SIZE, workers=1)
    with pytest.raises(InputError, match=r"one\.h5: has no crops of odd clips"):
        offered_pairs(tmp_path / "one.h5", seed=0, wrong=0)
    with pytest.raises(InputError, match="no such file"):
        write_broden(tmp_path / "none.h5", tmp_path / "broden")
    assert not (tmp_path / "broden").exists()
