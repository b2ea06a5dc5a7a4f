"""The world of birds: its species, variation, faults, captions, truth, and birds drawn again."""

from __future__ import annotations

import filecmp
import re
import shutil
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import open_truth
from seewhy.errors import InputError
from seewhy.worlds.aviary import draw_sheet, redraw, render_aviary
from seewhy.worlds.aviary.bird import POINTS
from seewhy.worlds.aviary.captions import describe, mentionable
from seewhy.worlds.aviary.draw import CODE, SUB, draw_bird, sub_pixels
from seewhy.worlds.aviary.faults import perturb
from seewhy.worlds.aviary.plan import KINDS, plan_bird
from seewhy.worlds.aviary.species import (
    FAMILIES,
    FREE,
    MARKS,
    SLOTS,
    SPECIES,
    attribute,
    named,
    siblings,
)

SEED = 5
BIRDS = {"train": 40, "val": 3, "test": 5}
# The codes of drawn parts that a slot may change.
SHOWN = {
    "bill_shape": ["bill"], "bill_colour": ["bill"], "crown": ["crown"], "throat": ["throat"],
    "breast": ["breast"], "belly": ["belly"], "wing": ["wing", "far wing"], "tail": ["tail"],
    "tail_shape": ["tail"], "breast_pattern": ["spot"], "wing_bar": ["wing bar"],
    "eye_ring": ["eye ring"], "back": ["stripe"],
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aviary") / "world"
    render_aviary(folder, seed=SEED, birds=BIRDS, size=64, workers=1)
    return folder


@pytest.fixture(scope="module")
def planned():
    return [plan_bird(SEED, "train", index) for index in range(4000)]


def difference(one, other):
    return [slot for slot in SLOTS if one[slot] != other[slot]]


def test_siblings_differ_in_exactly_two_slots_and_others_in_many():
    assert (len(SPECIES), len(FAMILIES), len(SLOTS)) == (32, 8, 13)
    assert len({one.name for one in SPECIES}) == 32
    for one, other in combinations(SPECIES, 2):
        slots = difference(one.values, other.values)
        if one.family == other.family:
            assert set(slots) == {one.mark, other.mark}
        else:
            assert len(slots) >= 7
    assert siblings(5) == [4, 6, 7]
    assert {one.mark for one in SPECIES} == set(MARKS)
    assert not set(FREE) & set(MARKS)


def test_each_value_is_shared_by_species_of_three_families_at_least():
    for slot, about in SLOTS.items():
        for value in about.values:
            mine = [one for one in SPECIES if one.values[slot] == value]
            families = {one.family for one in mine}
            if slot in MARKS:
                assert 7 <= len(mine) <= 9
                assert len(families) == 3
                assert sum(one.mark == slot for one in mine if one.values[slot] == value) >= 1
            else:
                assert len(mine) == 16
                assert len(families) == 4


def test_values_of_different_slots_do_not_run_parallel():
    columns, owners = [], []
    for slot, about in SLOTS.items():
        for value in about.values:
            columns.append([one.values[slot] == value for one in SPECIES])
            owners.append(slot)
    correlation = np.abs(np.corrcoef(np.array(columns, float)))
    owners = np.array(owners)
    assert correlation[owners[:, None] != owners].max() < 0.68


def test_birds_vary_as_often_as_said(planned):
    for slot in SLOTS:
        varied = np.mean([b.values[slot] != SPECIES[b.species].values[slot] for b in planned])
        low, high = (0.37, 0.43) if slot in FREE else (0.062, 0.088)  # within three sigma
        assert low < varied < high
    counts = np.bincount([bird.species for bird in planned], minlength=32)
    assert counts.tolist() == [125] * 32


def test_labels_are_wrong_as_often_as_said_and_some_are_a_siblings(planned):
    wrong = [bird for bird in planned if bird.label != bird.species]
    assert 0.03 < len(wrong) / len(planned) < 0.05
    assert all(bird.fault == "label" for bird in wrong)
    for bird in wrong:
        assert (bird.label in siblings(bird.species)) == (bird.kind == "sibling")
    assert 0.35 < np.mean([bird.kind == "sibling" for bird in wrong]) < 0.65
    assert not any(bird.fault == "perturbation" for bird in planned)


@pytest.mark.parametrize("split", ["val", "test"])
def test_images_that_are_no_train_images_are_spoilt_as_often_as_said(split):
    birds = [plan_bird(SEED, split, index) for index in range(3000)]
    spoilt = [bird for bird in birds if bird.fault == "perturbation"]
    assert 0.065 < len(spoilt) / len(birds) < 0.095
    assert {bird.kind for bird in spoilt} == set(KINDS)
    assert all(bird.label == bird.species for bird in spoilt)
    assert 0.03 < np.mean([bird.fault == "label" for bird in birds]) < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_stronger_perturbation_spoils_more(kind):
    image = draw_bird(plan_bird(SEED, "train", 3)).image
    mild, strong = (
        perturb(image, kind, strength, np.random.default_rng(0)) for strength in (0.0, 1.0)
    )
    away = [np.abs(one.astype(int) - image).mean() for one in (mild, strong)]
    assert 1.5 < away[0] < away[1]
    assert strong.shape == image.shape
    assert strong.dtype == np.uint8


@pytest.mark.parametrize("slot", SLOTS)
def test_only_the_part_of_the_changed_slot_differs(slot):
    codes = [CODE[name] for name in SHOWN[slot]]
    seen = 0
    for index in range(6):
        bird = plan_bird(SEED, "train", index)
        before, fine_before = redraw(SEED, "train", index), sub_pixels(bird)
        for value in SLOTS[slot].values:
            after = redraw(SEED, "train", index, slot=slot, value=value)
            fine_after = sub_pixels(bird.with_value(slot, value))
            part = np.isin(fine_before, codes) | np.isin(fine_after, codes)
            assert not ((fine_before != fine_after) & ~part).any()
            touched = part.reshape(96, SUB, 96, SUB).any((1, 3))
            differs = (before.image != after.image).any(-1)
            assert not (differs & ~touched).any()
            assert value != bird.values[slot] or not differs.any()
            seen += differs.sum() >= 6
            fixed = [k for k, name in enumerate(POINTS) if name != "beak"]
            np.testing.assert_array_equal(before.points[fixed], after.points[fixed])
    assert seen >= 4  # the others are hidden


def test_each_slot_can_be_seen_at_64_pixels():
    for slot, about in SLOTS.items():
        changes = []
        for index in range(9):
            x, y, width, height = redraw(SEED, "train", index).box
            crops = [
                Image.fromarray(redraw(SEED, "train", index, slot=slot, value=value).image).resize(
                    (64, 64), Image.Resampling.BILINEAR, (x, y, x + width, y + height)
                )
                for value in about.values[:2]
            ]
            pair = [np.asarray(crop, int) for crop in crops]
            changes.append((np.abs(pair[0] - pair[1]).max(-1) > 40).sum())
        assert np.median(changes) >= 12, slot


def test_a_perturbation_can_be_taken_away():
    index = next(i for i in range(200) if plan_bird(SEED, "test", i).fault == "perturbation")
    spoilt, clean = redraw(SEED, "test", index), redraw(SEED, "test", index, faults=False)
    np.testing.assert_array_equal(spoilt.code, clean.code)
    assert np.abs(spoilt.image.astype(int) - clean.image).mean() > 1.5
    bird = plan_bird(SEED, "test", index)
    again = perturb(clean.image, bird.kind, bird.strength, bird.generator("fault"))
    np.testing.assert_array_equal(again, spoilt.image)


def test_the_mean_place_of_a_part_is_a_bad_guess():
    birds = [draw_bird(plan_bird(SEED, "train", index)) for index in range(120)]
    boxes = np.array([bird.box for bird in birds])
    places = (np.stack([bird.points for bird in birds]) - boxes[:, None, :2]) / boxes[:, None, 2:]
    visible = np.stack([bird.visible for bird in birds])
    near = []
    for k in range(len(POINTS)):
        mine = places[visible[:, k], k]
        near.append((np.hypot(*(mine - mine.mean(0)).T) < 0.2).mean())
    assert np.mean(near) < 0.5
    beak = places[:, POINTS.index("beak")]
    assert 0.35 < (beak[:, 0] < 0.5).mean() < 0.65  # they face both ways
    assert 0.1 < (beak[:, 1] > 0.7).mean() < 0.5  # some with the head down
    shares = boxes[:, 2:].max(1) / 96
    assert shares.min() < 0.6
    assert shares.max() > 0.85
    assert np.mean([bird.area("leaf") + bird.area("branch") > 0 for bird in birds]) > 0.5


def test_boxes_are_tight_and_visible_points_lie_on_the_bird():
    seen = 0
    for index in range(40):
        drawing = draw_bird(plan_bird(SEED, "test", index))
        bird = drawing.code > CODE["leaf"]
        rows, columns = np.nonzero(bird)
        x, y, width, height = drawing.box
        assert (columns.min(), rows.min()) == (x, y)
        assert (columns.max() + 1 - x, rows.max() + 1 - y) == (width, height)
        near = binary_dilation(bird, np.ones((3, 3)))
        for px, py in drawing.points[drawing.visible]:
            assert near[int(py), int(px)]
            seen += 1
        assert not (drawing.visible[POINTS.index("left eye")]
                    and drawing.visible[POINTS.index("right eye")])  # fmt: skip
    assert seen > 300


_ADJECTIVE = "|".join(sorted({w for s in SLOTS.values() for v in s.adjectives.values() for w in v}))
_NOUN = "|".join(sorted({n for s in SLOTS.values() for n in s.nouns}, key=len, reverse=True))
_BEFORE = re.compile(rf"((?:(?:{_ADJECTIVE}) )+)({_NOUN})\b")
_ARE = r"\b(?: of the bird)? (?:that )?(?:is|are) "
_AFTER = re.compile(rf"({_NOUN}){_ARE}((?:{_ADJECTIVE})(?: and (?:{_ADJECTIVE}))?)\b")


def told(text):
    """Slots and values that a caption names, read with regular expressions."""
    pairs = [(a, noun) for words, noun in _BEFORE.findall(text) for a in words.split()]
    pairs += [(a, noun) for noun, words in _AFTER.findall(text) for a in words.split(" and ")]
    return [named(adjective, noun) for adjective, noun in pairs]


def test_captions_are_true_but_for_those_that_are_known_to_be_wrong():
    wrong = total = 0
    kinds = set()
    for index in range(150):
        bird = plan_bird(SEED, "train", index)
        slots = mentionable(bird.values, draw_bird(bird))
        captions = describe(bird, slots)
        assert len(captions) == 10
        for text, right in captions:
            pairs = told(text)
            assert 1 <= len(pairs) <= 4, text
            assert None not in pairs, text
            assert {slot for slot, _ in pairs} <= set(slots)
            lies = sum(bird.values[slot] != value for slot, value in pairs)
            assert lies == (0 if right else 1), text
            wrong += not right
            total += 1
            kinds |= set(pairs)
    assert 0.035 < wrong / total < 0.065
    assert len(kinds) == sum(bool(w) for s in SLOTS.values() for w in s.adjectives.values())


def test_the_captions_differ_in_subject_and_form():
    birds = [plan_bird(SEED, "train", index) for index in range(60)]
    birds = [bird for bird in birds if bird.values["bill_colour"] == "grey"]
    told_of = ["bill_colour", "bill_shape", "wing", "belly", "crown"]
    texts = [text for bird in birds for text, _ in describe(bird, told_of)]
    for words in ("this bird has wings that are", "the bird has", " bird with ", " of the bird is",
                  "gray", "beak", "."):  # fmt: skip
        assert any(words in text for text in texts), words


def test_words_name_values():
    assert named("gray", "beak") == ("bill_colour", "grey")
    assert named("spotted", "chest") == ("breast_pattern", "spotted")
    assert named("orange", "crown") is None
    assert named("red", "bird") is None
    assert attribute("wing_bar", "white") == "white wingbars"
    assert attribute("back", "plain") == ""
    for slot, about in SLOTS.items():
        for value, words in about.adjectives.items():
            assert all(named(w, noun) == (slot, value) for w in words for noun in about.nouns)


def test_the_corpus_and_the_table_of_birds_agree(world):
    clips = read_table(world, "clips")
    birds = pd.read_csv(world / "birds.csv", keep_default_na=False)
    assert clips["clip"].tolist() == birds["image"].tolist()
    assert clips["split"].value_counts().to_dict() == BIRDS
    labels = read_table(world, "labels")
    given = labels[labels["kind"] == "species"].set_index("clip")["label"]
    assert given.reindex(birds["image"]).tolist() == birds["label"].tolist()
    faulty = birds[birds["label"] != birds["species"]]
    assert (faulty["fault"] == "label").all()
    for row in birds.itertuples():
        bird = plan_bird(SEED, row.split, row.index)
        assert SPECIES[bird.species].name == row.species
        mine = labels[(labels["clip"] == row.image) & (labels["kind"] == "attribute")]["label"]
        values = {slot: getattr(row, slot) for slot in SLOTS}
        assert values == bird.values
        assert set(mine) == {attribute(*one) for one in values.items()} - {""}
    assert read_table(world, "captions").groupby("clip").size().eq(10).all()


def test_the_tables_say_which_slots_are_free(world):
    slots = pd.read_csv(world / "slots.csv", keep_default_na=False)
    assert set(slots[slots["role"] == "free"]["slot"]) == set(FREE)
    assert set(slots[slots["role"] == "sibling"]["slot"]) == set(MARKS)
    assert slots.groupby("slot").size().to_dict() == {s: len(a.values) for s, a in SLOTS.items()}
    species = pd.read_csv(world / "species.csv", keep_default_na=False)
    assert len(species) == 32
    assert set(species["free"]) == {";".join(FREE)}
    assert species.loc[0, "bill_shape"] == SPECIES[0].values["bill_shape"]


def test_an_image_can_be_drawn_again(world):
    for name, split, index in (("train00007", "train", 7), ("test00004", "test", 4)):
        image = np.asarray(Image.open(world / "images" / f"{name}.png"))
        np.testing.assert_array_equal(image, redraw(SEED, split, index, size=64).image)


def test_the_truth_goes_through_the_import(world, tmp_path):
    import_corpus("aviary", world, tmp_path / "corpus")
    drawing = redraw(SEED, "val", 2, size=64)
    with open_truth(tmp_path / "corpus") as truth:
        np.testing.assert_array_equal(truth.code("val00002")[0], drawing.code)
        assert truth.boxes("val00002")["box"].tolist() == [list(drawing.box)]
        points = truth.key_points("val00002")
        assert points["name"].tolist() == list(POINTS)
        np.testing.assert_array_equal(points["point"], drawing.points)
        np.testing.assert_array_equal(points["visible"], drawing.visible)
        parts, names = truth.masks("val00002", "part")
        crown = parts[0] == names.index("crown")
        np.testing.assert_array_equal(crown, drawing.code == CODE["crown"])
        colours, names = truth.masks("val00002", "colour")
        assert names[colours[0][crown].max()] == plan_bird(SEED, "val", 2).values["crown"]


def test_workers_do_not_change_a_byte(world, tmp_path):
    # Tables hold the folder's name, so it must be the same one.
    kept = world.with_name("kept")
    world.rename(kept)
    try:
        render_aviary(world, seed=SEED, birds=BIRDS, size=64, workers=2)
        files = sorted(str(p.relative_to(kept)) for p in kept.rglob("*") if p.is_file())
        assert len(files) == sum(BIRDS.values()) + 8
        equal, *others = filecmp.cmpfiles(kept, world, files, shallow=False)
        assert equal == files
        assert others == [[], []]
    finally:
        if world.exists():
            shutil.rmtree(world)
        kept.rename(world)


def test_the_sheet_is_drawn(tmp_path):
    draw_sheet(tmp_path / "sheet.png", birds=1, size=64)
    assert Image.open(tmp_path / "sheet.png").width > 1000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"birds": {"all": 3}}, r"birds: split 'all' is not one of train, val, test"),
        ({"birds": {"train": -1}}, r"birds\.train: -1 must be a whole number"),
        ({"birds": {"train": 0}}, r"birds: the number of birds is 0"),
        ({"seed": -1}, r"seed -1 must be a whole number, 0 or more"),
        ({"workers": 0}, r"workers 0 must be a whole number, 1 or more"),
        ({"size": 32}, r"size 32 must be a whole number of pixels from 64 to 512"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        render_aviary(tmp_path / "a", **{"seed": 1, "birds": {"train": 1}} | settings)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "all"}, r"split 'all' is not one of"),
        ({"index": -3}, r"index -3 must be a whole number"),
        ({"slot": "beak", "value": "red"}, r"slot 'beak' is not one of bill_shape"),
        ({"slot": "crown", "value": "pink"}, r"value 'pink' of slot crown is not one of red"),
        ({"slot": "crown"}, r"slot 'crown' and value None must be given together"),
    ],
)
def test_a_bird_that_there_is_not_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        redraw(**{"seed": 1, "split": "test", "index": 0} | arguments)
