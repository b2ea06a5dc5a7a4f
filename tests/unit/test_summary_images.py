"""Images cut out by their boxes, and key points that go with them; a user's own images."""

from __future__ import annotations

import json
import logging
import re

import h5py
import numpy as np
import pytest
from PIL import Image

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.summaries.images import crop, crop_area, crop_images, move_points
from seewhy.worlds.aviary import redraw, render_aviary


@pytest.fixture
def own(tmp_path):
    """A folder of one's own: two classes, a box or none, one image in a folder."""
    folder = tmp_path / "own"
    (folder / "more").mkdir(parents=True)
    rows = ["image,label,split,x,y,width,height"]
    boxes = {"a.png": "10,20,40,20", "b.png": "", "more/c.jpg": "30,0,80,60", "d.png": ""}
    for k, (name, box) in enumerate(boxes.items()):
        picture = np.full((60, 90, 3), 60 + 30 * k, np.uint8)
        picture[20:40, 10:50] = (200, 30, 30)
        Image.fromarray(picture).save(folder / name)
        label, split = ("owl", "wren")[k % 2], ("train", "train", "test", "val")[k]
        rows.append(f"{name},{label},{split},{box or ',,,'}")
    (folder / "images.csv").write_text("\n".join(rows) + "\n")
    (folder / "captions.csv").write_text(
        'image,caption\na.png,a red owl\na.png,"an owl, red"\nmore/c.jpg,a grey owl\n'
    )
    return folder


def cut(own, tmp_path, split="train", **settings):
    import_corpus("images", own, tmp_path / "corpus")
    crop_images(tmp_path / "corpus", split, tmp_path / "crops.h5", **settings)
    with h5py.File(tmp_path / "crops.h5") as file:
        values = {name: file[name][:] for name in file}
        values["classes"] = file["label"].attrs["classes"].tolist()
        values["names"] = file["visible"].attrs["points"].tolist()
    values["name"] = [name.decode() for name in values["name"]]
    return values


@pytest.mark.parametrize("margin", [0.0, 0.2])
@pytest.mark.parametrize("box", [(13, 22, 40, 25), (50.5, 2.0, 30.25, 61.0), (2, 40, 90, 22)])
def test_a_mark_at_a_key_point_is_found_where_the_point_goes(box, margin):
    place = np.array([box[0] + 0.7 * box[2], box[1] + 0.3 * box[3]])
    canvas = np.zeros((64 * 8, 96 * 8, 3), np.uint8)  # eight times as fine, for the mark's centre
    x, y = np.rint(place * 8).astype(int)
    canvas[y - 12 : y + 12, x - 12 : x + 12] = 255
    image = np.asarray(Image.fromarray(canvas).reduce(8))
    area = crop_area(np.array(box), (96, 64), margin)
    cropped = crop(image, area, 64)[..., 0].astype(float)
    rows, columns = np.mgrid[:64, :64] + 0.5
    found = [(columns * cropped).sum() / cropped.sum(), (rows * cropped).sum() / cropped.sum()]
    np.testing.assert_allclose(found, move_points(place[None], area, 64)[0], atol=0.35)


def test_an_area_ends_at_the_image():
    assert crop_area(np.array([10, 20, 40, 20]), (90, 60)) == (10, 20, 40, 20)
    assert crop_area(np.array([10, 20, 40, 20]), (90, 60), 0.5) == (0, 10, 70, 40)
    assert crop_area(None, (90, 60), 0.5) == (0, 0, 90, 60)
    assert crop_area(np.array([95, 20, 40, 20]), (90, 60)) is None


def test_birds_are_cut_out_with_their_points(tmp_path):
    render_aviary(tmp_path / "world", seed=3, birds={"train": 34, "test": 2}, workers=1)
    import_corpus("aviary", tmp_path / "world", tmp_path / "corpus")
    crop_images(tmp_path / "corpus", "train", tmp_path / "crops.h5")
    labels = read_table(tmp_path / "corpus", "labels")
    species = labels[labels["kind"] == "species"].set_index("clip")["label"]
    with h5py.File(tmp_path / "crops.h5") as file:
        assert file["image"].shape == (34, 64, 64, 3)
        classes = file["label"].attrs["classes"]
        assert classes.tolist() == sorted(set(species))
        names = file["name"].asstr()[:]
        assert [classes[k] for k in file["label"]] == species[names].tolist()
        for k in range(0, 34, 6):
            drawing = redraw(3, "train", k)
            assert tuple(file["box"][k]) == drawing.box
            x, y, width, height = drawing.box
            expected = (drawing.points - (x, y)) * 64 / (width, height)
            np.testing.assert_allclose(file["points"][k], expected, atol=1e-4)
            np.testing.assert_array_equal(
                file["visible"][k], drawing.visible & ((expected >= 0) & (expected < 64)).all(1)
            )
        order = file["visible"].attrs["points"].tolist()
        assert order.index("beak") == 1
    crop_images(tmp_path / "corpus", "test", tmp_path / "test.h5", kind="species")
    with h5py.File(tmp_path / "test.h5") as file:
        assert file["label"].attrs["classes"].tolist() == classes.tolist()


def test_own_images_with_and_without_boxes(own, tmp_path):
    found = cut(own, tmp_path, size=32)
    assert found["name"] == ["a.png", "b.png"]
    assert found["label"].tolist() == [0, 1]
    assert found["classes"] == ["owl", "wren"]
    assert found["box"].tolist() == [[10, 20, 40, 20], [0, 0, 90, 60]]
    assert (found["image"][0, 2:-2, 2:-2] == (200, 30, 30)).all()  # beside the rim
    assert found["points"].shape == (2, 0, 2)
    captions = read_table(tmp_path / "corpus", "captions")
    assert captions["text"].tolist() == ["a red owl", "an owl, red", "a grey owl"]
    assert captions["clip"].tolist() == ["a.png", "a.png", "more_c.jpg"]
    # A box that reaches beyond the image ends there.
    assert cut(own, tmp_path, "test")["box"].tolist() == [[30, 0, 60, 60]]


def test_images_that_are_not_listed_are_remarked(own, tmp_path):
    (own / "e.PNG").write_bytes((own / "d.png").read_bytes())
    import_corpus("images", own, tmp_path / "corpus")
    remarks = json.loads((tmp_path / "corpus/corpus.json").read_text())["remarks"]
    assert remarks == [
        "1 images are not in images.csv and are left out (e.PNG is the first)",
        "1 boxes end outside of their image and are cut at its edge (the first: line 4); boxes are "
        "in pixels of the image at its full size",
    ]


def test_boxes_count_pixels_of_the_upright_picture(own, tmp_path):
    upright = np.zeros((90, 60, 3), np.uint8)
    upright[:45], upright[45:] = (255, 0, 0), (0, 0, 255)
    turn = Image.Exif()
    turn[0x0112] = 6  # stored lying, as telephones do
    Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(own / "a.png", exif=turn)
    text = (own / "images.csv").read_text()
    (own / "images.csv").write_text(text.replace("10,20,40,20", "0,45,60,45"))
    found = cut(own, tmp_path, size=16)
    assert found["box"][0].tolist() == [0, 45, 60, 45]
    assert (found["image"][0, 2:] == (0, 0, 255)).all()  # beside the rim


def test_what_is_left_out_is_reported_in_the_words_of_the_frames(own, tmp_path):
    Image.new("1", (20000, 20000)).save(own / "a.png")
    import_corpus("images", own, tmp_path / "corpus")
    report = tmp_path / "report.csv"
    crop_images(tmp_path / "corpus", "train", tmp_path / "crops.h5", report=report)
    rows = report.read_text().splitlines()
    assert rows[0] == "clip,video,status,reason"
    assert rows[1] == f"a.png,{own}/a.png,unreadable,declares more than 179 million pixels"
    assert len(rows) == 2
    (own / "a.png").write_bytes(b"")
    sample_frames(tmp_path / "corpus", tmp_path / "f.h5", report, split="train", n=1, size=16)
    assert report.read_text().splitlines()[1] == f"a.png,{own}/a.png,empty,the file has 0 bytes"


def test_a_broken_image_is_left_out_and_logged(own, tmp_path, caplog):
    (own / "a.png").write_bytes((own / "a.png").read_bytes()[:60])
    with caplog.at_level(logging.WARNING):
        assert cut(own, tmp_path)["name"] == ["b.png"]
    assert re.search(r"1 of 2 images of split train left out: 1 truncated: .*a\.png", caplog.text)
    (own / "b.png").unlink()
    with pytest.raises(
        InputError,
        match=r"no image of split train can be used: 1 truncated, 1 missing: .*a\.png \(trunc",
    ):
        crop_images(tmp_path / "corpus", "train", tmp_path / "none.h5")
    assert not (tmp_path / "none.h5").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "label,split",
            "label,part",
            r"images\.csv: has no column split and has an unknown .*part",
        ),
        ("width,height", "width,tall", r"has no column height and has an unknown column tall"),
        ("b.png,wren", "b.png,", r"images\.csv: column label, line 3: empty"),
        ("b.png,wren,train", "b.png,wren,all", r"column split, line 3: 'all' is not one of"),
        ("more/c.jpg,owl,test", "more/c.jpg,owl,val", r"no image is in split test"),
        ("b.png,wren", "a.png,wren", r"images\.csv: line 3: a\.png is listed twice"),
        ("more/c.jpg", "c.jpg", r"captions\.csv: line 4: more/c\.jpg is not in images\.csv"),
        ("10,20,40,20", "10,20,1e30,20", r"images\.csv: line 2: the box is not four numbers"),
        ("10,20,40,20", "10,20,-4,20", r"images\.csv: line 2: the box is not four numbers"),
        ("10,20,40,20", "10,,40,20", r"images\.csv: line 2: the box is not four numbers"),
    ],
)
def test_own_lists_that_are_wrong_are_named(own, tmp_path, old, new, message):
    path = own / "images.csv"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        import_corpus("images", own, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 4}, r"size 4 must be a whole number of pixels, 8 or more"),
        ({"margin": -0.1}, r"margin -0\.1 must be a number from 0 to 4"),
        ({"kind": "family"}, r"labels\.csv: no label of kind family; choose a corpus"),
        ({"split": "all"}, r"split: 'all' is not one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(own, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        cut(own, tmp_path, **settings)
    assert not (tmp_path / "crops.h5").exists()


def test_an_image_needs_one_label(own, tmp_path):
    import_corpus("images", own, tmp_path / "corpus")
    path = tmp_path / "corpus/labels.csv"
    text = path.read_text()
    path.write_text(text + "a.png,class,wren\n")
    with pytest.raises(InputError, match=r"a\.png has two labels of kind class"):
        crop_images(tmp_path / "corpus", "train", tmp_path / "crops.h5")
    path.write_text(text.replace("a.png,class,owl\n", ""))
    with pytest.raises(InputError, match=r"a\.png has no label of kind class"):
        crop_images(tmp_path / "corpus", "train", tmp_path / "crops.h5")
