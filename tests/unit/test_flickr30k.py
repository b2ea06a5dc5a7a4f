"""Flickr30k Entities' sentences and boxes in their own layout, whole and broken."""

import json

import numpy as np
import pytest
from PIL import Image

from seewhy.corpora.canonical import read_table
from seewhy.corpora.flickr30k import parse_sentence
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.sources import source_files
from seewhy.corpora.truth import open_truth
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.stamps import _stamp_corpus, stamp_contents, stamp_corpus
from seewhy.text.tokens import tokenise

IMAGES = {"train": ["36979", "65567"], "val": ["1000092795"], "test": ["10002456"]}
SENTENCES = [
    "[/EN#7/people Two young guys] see [/EN#9/bodyparts their hands] in [/EN#3/scene the yard] .",
    "[/EN#7/people Two men] in [/EN#5/clothing/other green shirts] .",
    "[/EN#0/notvisual It] is [/EN#8/other a quiet day] .",
    "[/EN#7/people They] wait .",
    "A phrase - less line .",
]
OBJECTS = """
 <object><name>7</name><bndbox><xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>
 </object>
 <object><name>7</name><name>5</name>
  <bndbox><xmin>0</xmin><ymin>11</ymin><xmax>50</xmax><ymax>41</ymax></bndbox></object>
 <object><name>3</name><scene>1</scene><nobndbox>0</nobndbox></object>
 <object><name>8</name><scene>0</scene><nobndbox>1</nobndbox></object>
"""


def annotation(objects=OBJECTS):
    size = "<size><width>50</width><height>40</height><depth>3</depth></size>"
    return f"<annotation><filename>x.jpg</filename>{size}{objects}</annotation>"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "flickr30k"
    for name in ("flickr30k-images", "Sentences", "Annotations"):
        (folder / name).mkdir(parents=True)
    for split, images in IMAGES.items():
        (folder / f"{split}.txt").write_text("\n".join(images) + "\n")
        for image in images:
            picture = np.full((40, 50, 3), int(image) % 200, np.uint8)
            Image.fromarray(picture).save(folder / f"flickr30k-images/{image}.jpg", quality=95)
            (folder / f"Sentences/{image}.txt").write_text("\n".join(SENTENCES) + "\n")
            (folder / f"Annotations/{image}.xml").write_text(annotation())
    (folder / "UNRELATED_CAPTIONS").write_text("# format: <imageID> <sentence number>\n36979 5")
    return folder


def imported(source, folder):
    import_corpus("flickr30k", source, folder)
    return {
        name: read_table(folder, name) for name in ("clips", "captions", "instances", "phrases")
    }


def remarks(folder):
    return " ".join(json.loads((folder / "corpus.json").read_text())["remarks"])


def test_captions_lose_their_marks_and_unrelated_ones_are_known(source, tmp_path):
    tables = imported(source, tmp_path / "a")
    assert tables["clips"]["split"].tolist() == ["train", "train", "val", "test"]
    captions = tables["captions"].set_index("caption")
    assert captions.loc["36979.0", "text"] == "Two young guys see their hands in the yard ."
    assert captions.index[~captions["correct"]].tolist() == ["36979.4"]
    assert "2 train images, where Flickr30k Entities has 29783" in remarks(tmp_path / "a")


def test_phrases_are_the_marked_words(source, tmp_path):
    tables = imported(source, tmp_path / "a")
    text = tables["captions"].set_index("caption")["text"]
    phrases = tables["phrases"][tables["phrases"]["caption"].str.startswith("10002456.")]
    found = [
        (" ".join(tokenise(text[row.caption])[row.first : row.last]), row.kind, row.refers_to)
        for row in phrases.itertuples()
    ]
    assert found == [
        ("two young guys", "instance", "1"),
        ("their hands", "instance", "2"),
        ("the yard", "stuff", "surroundings"),
        ("two men", "instance", "1"),
        ("green shirts", "instance", "3"),
        ("a quiet day", "instance", "4"),
        ("they", "instance", "1"),
    ]
    instances = tables["instances"][tables["instances"]["clip"] == "10002456"]
    assert instances["class"].tolist() == ["people", "bodyparts", "clothing", "other"]


def test_boxes_count_from_0_include_their_last_pixel_and_end_at_the_image(source, tmp_path):
    imported(source, tmp_path / "a")
    with open_truth(tmp_path / "a") as truth:
        assert truth.clips == [image for images in IMAGES.values() for image in images]
        boxes = truth.boxes("36979")
    assert boxes["frame"].tolist() == [0, 0, 0]
    # Two boxes of one chain; the second is another's too, begins at 0 and ends below the image.
    assert boxes["instance"].tolist() == [1, 1, 3]
    assert boxes["box"].tolist() == [[0, 2, 10, 18], [0, 10, 50, 30], [0, 10, 50, 30]]
    # `their hands` and `a quiet day`, in each of the images
    assert "8 chains have no box" in remarks(tmp_path / "a")


def test_a_scene_that_has_a_box_is_an_instance(source, tmp_path):
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>9</ymax></bndbox>"
    objects = f"{OBJECTS}<object><name>3</name>{box}</object>"
    (source / "Annotations/36979.xml").write_text(annotation(objects))
    phrases = imported(source, tmp_path / "a")["phrases"].set_index(["caption", "first"])
    assert phrases.loc[("36979.0", 7), ["kind", "refers_to"]].tolist() == ["instance", "3"]
    assert phrases.loc[("65567.0", 7), ["kind", "refers_to"]].tolist() == ["stuff", "surroundings"]


def test_boxes_without_a_pixel_are_left_out_and_remarked(source, tmp_path):
    box = "<bndbox><xmin>60</xmin><ymin>1</ymin><xmax>70</xmax><ymax>9</ymax></bndbox>"
    objects = f"<object><name>9</name>{box}</object>{OBJECTS}"
    (source / "Annotations/36979.xml").write_text(annotation(objects))
    imported(source, tmp_path / "a")
    with open_truth(tmp_path / "a") as truth:
        assert truth.boxes("36979")["instance"].tolist() == [1, 1, 3]
    assert "1 images have boxes with no pixel in the image" in remarks(tmp_path / "a")


@pytest.mark.parametrize(
    ("line", "text", "phrases"),
    [
        ("[/EN#1/people A man]'s hat", "A man's hat", [(1, "people", 0, 2)]),
        ("un[/EN#1/other marked] man", "unmarked man", [(1, "other", 0, 1)]),
        (
            "[/EN#1/people man]hood [/EN#2/x is]",
            "manhood is",
            [(1, "people", 0, 1), (2, "x", 1, 2)],
        ),
        ("[/EN#1/people a][/EN#2/other b] c", "ab c", [(1, "people", 0, 1)]),
        ("[/EN#1/other ...] stops", "... stops", []),
        ("[/EN#1/people/other the CAFÉ ] .", "the CAFÉ  .", [(1, "people", 0, 2)]),
        ("no mark [ at all ]", "no mark [ at all ]", []),
        ("A T-shirt on [/EN#4/people him]", "A T-shirt on him", [(4, "people", 4, 5)]),
    ],
)
def test_spans_count_tokens_and_not_blanks(line, text, phrases):
    assert parse_sentence(line, where="here") == (text, phrases)


def test_an_image_is_a_clip_of_one_frame(source, tmp_path):
    imported(source, tmp_path / "a")
    sample_frames(tmp_path / "a", tmp_path / "f.h5", tmp_path / "r.csv", split="test", n=4)
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 1  # no image was left out


def test_changed_images_and_new_annotations_are_noticed(source, tmp_path):
    files = source_files("flickr30k", source)
    assert str(source / "Sentences") in files
    imported(source, tmp_path / "a")
    images, tables = stamp_corpus(tmp_path / "a/clips.csv", "train"), stamp_contents(files)
    (source / "flickr30k-images/36979.jpg").write_bytes(b"")
    _stamp_corpus.cache_clear()  # one plan asks once
    assert stamp_corpus(tmp_path / "a/clips.csv", "train") != images
    assert stamp_contents(files) == tables
    (source / "Sentences/36979.txt").write_text("another")
    assert stamp_contents(files) != tables


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "Sentences/36979.txt",
            "A man\n[/EN#1/people a man",
            r"36979\.txt: line 2: '\[/EN#1/people",
        ),
        ("Sentences/36979.txt", "[/EN#x/people a man]", r"line 1: .* is not a mark"),
        ("Sentences/36979.txt", "[/EN#1/people a [/EN#2/x b]", r"line 1: .* is not a mark"),
        ("Sentences/36979.txt", "\n", r"36979\.txt: holds no caption"),
        ("Annotations/36979.xml", annotation()[:90], r"36979\.xml: not XML .* cut short"),
        (
            "Annotations/36979.xml",
            "<annotation/>",
            r"\.xml: size/width: '' is not a whole",
        ),
        (
            "Annotations/36979.xml",
            annotation("<object><name>7</name><bndbox><xmin>1</xmin></bndbox></object>"),
            r"object 1: ymin: '' is not a whole number",
        ),
        ("val.txt", "36979\n", r"val\.txt: line 1: 36979 is already in train\.txt"),
        ("val.txt", "x.jpg\n", r"val\.txt: line 1: 'x\.jpg' is not an image's number"),
        ("val.txt", "", r"val\.txt: names no image"),
        ("UNRELATED_CAPTIONS", "36979\n", r"UNRELATED_CAPTIONS: line 1: '36979' is not"),
    ],
)
def test_a_broken_file_is_named(source, tmp_path, file, text, message):
    (source / file).write_text(text)
    with pytest.raises(InputError, match=message) as error:
        imported(source, tmp_path / "a")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("file", ["Sentences/36979.txt", "Annotations/36979.xml"])
def test_a_missing_file_says_where_to_get_it(source, tmp_path, file):
    (source / file).unlink()
    with pytest.raises(InputError, match=rf"{file}: no such file; get train\.txt, val\.txt"):
        imported(source, tmp_path / "a")


def test_missing_images_are_remarked(source, tmp_path):
    (source / "flickr30k-images/36979.jpg").unlink()
    lines = (source / "Sentences/65567.txt").read_text().splitlines()
    (source / "Sentences/65567.txt").write_text("\n".join(lines[:3]))
    imported(source, tmp_path / "a")
    assert "1 of 4 images are not below" in remarks(tmp_path / "a")
    assert "1 images have more or fewer than 5 captions (the first: 65567)" in remarks(
        tmp_path / "a"
    )
