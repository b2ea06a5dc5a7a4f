"""CUB-200-2011 in its own layout, whole and broken; the numbers of images follow no names."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.sources import source_files
from seewhy.corpora.truth import Truth, open_truth
from seewhy.errors import InputError

PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
# Number to class, file and whether it is for training; numbers in no order of names.
IMAGES = {
    1: (1, "Black_Footed_Albatross_0046_18", 1),
    2: (1, "Black_Footed_Albatross_0009_34", 1),
    3: (1, "Black_Footed_Albatross_0002_55", 0),
    4: (1, "Black_Footed_Albatross_0074_59", 1),
    5: (1, "Black_Footed_Albatross_0014_89", 1),
    6: (2, "Laysan_Albatross_0100_735", 1),
    7: (2, "Laysan_Albatross_0002_1027", 0),
    8: (3, "Sooty_Albatross_0048_1130", 0),
}


def at(number, part):
    """Where a part of an image is; the beak of even ones is hidden."""
    return (part + number, 2 * part, int(part != 2 or number % 2))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "cub"
    lists = folder / "CUB_200_2011"
    (lists / "parts").mkdir(parents=True)
    files = {n: f"{CLASSES[c - 1]}/{name}.jpg" for n, (c, name, _) in IMAGES.items()}
    write = {
        "classes.txt": [f"{n} {name}" for n, name in enumerate(CLASSES, 1)],
        "images.txt": [f"{n} {file}" for n, file in files.items()],
        "image_class_labels.txt": [f"{n} {c}" for n, (c, _, _) in IMAGES.items()],
        "train_test_split.txt": [f"{n} {flag}" for n, (_, _, flag) in IMAGES.items()],
        "bounding_boxes.txt": [f"{n} {n}.0 2.5 30.0 20.0" for n in reversed(IMAGES)],
        "parts/parts.txt": [f"{k} {name}" for k, name in enumerate(PARTS, 1)],
        "parts/part_locs.txt": [
            "{} {} {}.0 {}.0 {}".format(n, k, *at(n, k) if at(n, k)[2] else (0, 0, 0))
            for n in IMAGES
            for k in range(1, 16)
        ],
    }
    for name, lines in write.items():
        (lists / name).write_text("\n".join(lines) + "\n")
    for n, file in files.items():
        path = lists / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 60, 3), n * 20, np.uint8)).save(path)
        text = (folder / "text_c10" / file).with_suffix(".txt")
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("".join(f"bird {n} has a red crown {k}.\n" for k in range(10)))
    return folder


def imported(source, folder, **settings):
    import_corpus("cub200", source, folder, **dict(classes=200, val_share=0.25, seed=0) | settings)
    return {name: read_table(folder, name) for name in ("clips", "captions", "labels", "instances")}


def remarks(folder):
    return " ".join(json.loads((folder / "corpus.json").read_text())["remarks"])


def test_everything_is_joined_by_number(source, tmp_path):
    tables = imported(source, tmp_path / "a")
    label = tables["labels"].set_index("clip")["label"]
    assert label["Laysan_Albatross_0100_735"] == "Laysan Albatross"
    assert tables["labels"]["kind"].unique().tolist() == ["species"]
    captions = tables["captions"].set_index("caption")["text"]
    with open_truth(tmp_path / "a") as truth:
        for number, (_, clip, _) in IMAGES.items():
            assert captions[f"{clip}.9"] == f"bird {number} has a red crown 9."
            assert truth.boxes(clip)["box"].tolist() == [[number, 2.5, 30, 20]]
            rows = truth.key_points(clip)
            found = {
                name: (*rows["point"][k].tolist(), rows["visible"][k])
                for k, name in enumerate(rows["name"])
            }
            expected = {name: at(number, k) for k, name in enumerate(PARTS, 1)}
            assert found == {n: (x, y, True) for n, (x, y, visible) in expected.items() if visible}


def test_a_share_of_each_class_is_kept_for_validation(source, tmp_path):
    clips = imported(source, tmp_path / "a")["clips"].set_index("clip")["split"]
    for _, clip, flag in IMAGES.values():
        assert (clips[clip] == "test") == (not flag)
    assert (clips == "val").sum() == 1  # a quarter of four, and of one none
    assert (imported(source, tmp_path / "b", val_share=0)["clips"]["split"] != "val").all()
    other = imported(source, tmp_path / "c", seed=3)["clips"].set_index("clip")["split"]
    assert (other == "val").sum() == 1


def test_a_part_of_the_classes_can_be_read(source, tmp_path):
    tables = imported(source, tmp_path / "a", classes=2)
    assert set(tables["labels"]["label"]) == {"Black footed Albatross", "Laysan Albatross"}
    assert "the first 2 of 200 classes alone" in remarks(tmp_path / "a")
    with open_truth(tmp_path / "a") as truth:
        assert len(truth.clips) == 7


def test_counts_and_missing_files_are_remarked(source, tmp_path):
    file = f"{CLASSES[0]}/Black_Footed_Albatross_0074_59"
    (source / f"CUB_200_2011/images/{file}.jpg").unlink()
    (source / f"text_c10/{file}.txt").unlink()
    (source / f"text_c10/{CLASSES[1]}/Laysan_Albatross_0002_1027.txt").write_text("one bird\n")
    imported(source, tmp_path / "a")
    for remark in (
        "3 classes, where CUB-200-2011 has 200: results are not those of the whole",
        "5 train images, where CUB-200-2011 has 5994",
        "3 test images, where CUB-200-2011 has 5794",
        "1 of 8 images are not in",
        "(the first: Black_Footed_Albatross_0074_59.jpg); get CUB_200_2011.tgz",
        "1 of 8 images have no captions in",
        "1 images have more or fewer than 10 captions (the first: Laysan_Albatross_0002_1027)",
    ):
        assert remark in remarks(tmp_path / "a")


def test_captions_that_change_are_noticed(source):
    assert str(source / "text_c10") in source_files("cub200", source)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("images.txt", "1 a/b.jpg extra\n", r"images\.txt: line 1: '1 a/b\.jpg extra' is not"),
        ("images.txt", "x a/b.jpg\n", r"images\.txt: line 1: 'x a/b\.jpg' is not"),
        ("images.txt", "9 a/b.jpg\n", r"image_class_labels\.txt: has no line for image 9"),
        ("classes.txt", "1 001.A\n", r"image 6 has the class 2, which is not in classes\.txt"),
        ("train_test_split.txt", "1 1\n2 1\n", r"split\.txt: has no line for image 3; copy"),
        (
            "train_test_split.txt",
            "".join(f"{n} 2\n" for n in IMAGES),
            r"split\.txt: image 1 has '2', not 1 or 0",
        ),
        ("bounding_boxes.txt", "1 1 1 1 1\n", r"boxes\.txt: has no line for image 2; copy"),
        ("bounding_boxes.txt", "1 a 1 1 1\n", r"boxes\.txt: image 1: 'a' is not a number from 0"),
        ("parts/parts.txt", "1 back\n", r"parts\.txt: names 1 parts, not 15"),
        ("parts/part_locs.txt", "1 1 3 4\n", r"part_locs\.txt: line 1: '1 1 3 4' is not"),
        ("parts/part_locs.txt", "1 16 3 4 1\n", r"part_locs\.txt: image 1 has part 16"),
    ],
)
def test_a_broken_list_is_named(source, tmp_path, file, text, message):
    (source / "CUB_200_2011" / file).write_text(text)
    with pytest.raises(InputError, match=message) as error:
        imported(source, tmp_path / "a")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a").exists()


LISTS = (
    "images.txt",
    "classes.txt",
    "bounding_boxes.txt",
    "parts/parts.txt",
    "parts/part_locs.txt",
)


@pytest.mark.parametrize("file", LISTS)
def test_a_mark_of_utf_8_is_passed_over_and_other_encodings_are_told(source, tmp_path, file):
    before = imported(source, tmp_path / "before")
    path = source / "CUB_200_2011" / file
    text = path.read_text()
    path.write_text(text, encoding="utf-8-sig")
    after = imported(source, tmp_path / "after")
    assert all(before[name].equals(table) for name, table in after.items())
    with open_truth(tmp_path / "before") as one, open_truth(tmp_path / "after") as other:
        for clip in one.clips:
            for read in (Truth.boxes, Truth.key_points):
                for values, same in zip(
                    *(read(t, clip).values() for t in (one, other)), strict=True
                ):
                    np.testing.assert_array_equal(values, same)
    for encoding, said in (
        ("utf-16", r"is in UTF-16; save it as UTF-8 .*iconv -f UTF-16 -t UTF-8"),
        ("utf-16-le", r"is in UTF-16 without a mark, or no text; save it as UTF-8"),
        ("utf-16-be", r"is in UTF-16 without a mark, or no text; save it as UTF-8"),
    ):
        path.write_text(text, encoding=encoding)
        with pytest.raises(InputError, match=rf"{path.name}: {said}") as error:
            imported(source, tmp_path / "refused")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 0}, r"cub200\.classes: 0 is not a whole number from 1 to 200"),
        ({"classes": 201}, r"cub200\.classes: 201 is not"),
        ({"val_share": 1.0}, r"cub200\.val_share: 1\.0 is not from 0 to below 1"),
    ],
)
def test_settings_out_of_range_are_refused(source, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        imported(source, tmp_path / "a", **settings)


def test_a_missing_list_says_where_to_get_it(source, tmp_path):
    (source / "CUB_200_2011/parts/part_locs.txt").unlink()
    with pytest.raises(
        InputError, match=r"no CUB_200_2011/parts/part_locs\.txt in .*; get CUB_200"
    ):
        imported(source, tmp_path / "a")
