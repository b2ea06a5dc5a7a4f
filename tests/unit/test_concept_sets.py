"""Concept sets: written and read back, against literal counts; made of others; and broken ones."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seewhy.dissection.concepts import ConceptSet, ConceptWriter, Labels
from seewhy.dissection.sets import Combined, Shuffled
from seewhy.errors import InputError

# More than 255 labels, so that green matters; "tin" is of two categories.
NAMES = {
    "object": [*(f"thing{k}" for k in range(300)), "tin"],
    "material": ["wood", "tin"],
    "scene": ["street", "field"],
}


def image(size=(6, 8), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


@pytest.fixture
def written(tmp_path):
    """Three images: two planes of objects and one of material, one plane, and none."""
    rng = np.random.default_rng(0)
    objects = rng.choice([0, 0, 1, 280, 300, 301], (2, 3, 4))
    material = rng.choice([0, 1, 2], (1, 3, 4))
    with ConceptWriter(tmp_path / "set", NAMES) as writer:
        writer.add("a/1", image(), masks={"object": objects, "material": material},
                   whole={"scene": ["field"]}, group="a")  # fmt: skip
        writer.add("a/2", image(seed=1), masks={"object": objects[:1]}, group="a", split="val")
        writer.add("b", image(seed=2), whole={"scene": ["street", "field"]}, size=(2, 2))
    return SimpleNamespace(folder=tmp_path / "set", objects=objects, material=material)


def test_what_is_written_is_read(written):
    concepts = ConceptSet(written.folder)
    assert len(concepts) == 3
    assert concepts.names[0] == ""
    assert concepts.categories == ["object", "material", "scene"]
    assert concepts.groups.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(concepts.image(1), image(seed=1))
    assert [concepts.mask_size(i) for i in range(3)] == [(3, 4), (3, 4), (2, 2)]
    first = concepts.labels(0)
    # Numbers are dealt in order: objects have their place, then wood; tin is that of the objects.
    np.testing.assert_array_equal(first.planes[:2], written.objects)
    np.testing.assert_array_equal(first.planes[2], np.array([0, 302, 301])[written.material[0]])
    assert first.whole == (concepts.number("field"),)
    assert concepts.labels(1).planes.shape == (1, 3, 4)
    assert concepts.labels(2).planes.shape == (0, 2, 2)
    assert [concepts.names[c] for c in concepts.labels(2).whole] == ["street", "field"]
    with pytest.raises(InputError, match="has no concept 'sky'"):
        concepts.number("sky")
    mask = np.asarray(Image.open(written.folder / "images/a/1_object.png")).astype(int)
    np.testing.assert_array_equal(mask[..., 0] + 256 * mask[..., 1], written.objects[0])
    assert mask[..., 1].max() == 1


def test_frequency_and_coverage_are_counted_over_images(written):
    frequency, coverage = {}, {}
    concepts = ConceptSet(written.folder)
    planes = {"object": [written.objects, written.objects[:1], None],
              "material": [np.array([0, 302, 301])[written.material], None, None]}  # fmt: skip
    for category, of_images in planes.items():
        for labels in of_images:
            for number in range(1, 303) if labels is not None else ():
                pixels = sum(
                    any(plane[y, x] == number for plane in labels)
                    for y in range(3) for x in range(4)
                )  # fmt: skip
                key = category, number
                frequency[key] = frequency.get(key, 0) + (pixels > 0)
                coverage[key] = coverage.get(key, 0) + pixels / 12
    for number, times in ((303, 1), (304, 2)):
        frequency["scene", number] = coverage["scene", number] = times
    for category in NAMES:
        table = pd.read_csv(written.folder / f"c_{category}.csv")
        assert sorted(table["code"]) == list(range(1, len(NAMES[category]) + 1))
        assert (table["frequency"].diff().dropna() <= 0).all()
        for row in table.itertuples():
            assert concepts.names[row.number] == row.name
            assert row.frequency == frequency.get((category, row.number), 0)
            assert row.coverage == pytest.approx(coverage.get((category, row.number), 0))
    label = pd.read_csv(written.folder / "label.csv", keep_default_na=False)
    for row in label.itertuples():
        own = [c for c in NAMES if row.name in NAMES[c]]
        assert row.frequency == sum(frequency.get((c, row.number), 0) for c in own)
        assert row.coverage == pytest.approx(
            sum(coverage.get((c, row.number), 0) for c in own), abs=1e-6
        )
        listed = dict(re.findall(r"(\w+)\((\d+)\)", row.category))
        assert listed == {c: str(frequency.get((c, row.number), 0)) for c in own}
    table = pd.read_csv(written.folder / "category.csv").set_index("name")
    assert table.loc["material"].tolist() == [301, 302, 2, sum(
        frequency["material", c] for c in (301, 302))]  # fmt: skip


@pytest.mark.parametrize(("objects", "materials", "primary"), [(3, 2, 0), (2, 3, 1), (2, 2, 1)])
def test_the_primary_category_covers_most(tmp_path, objects, materials, primary):
    masks = {}
    for category, pixels in (("object", objects), ("material", materials)):
        masks[category] = np.zeros((1, 1, 8), int)
        masks[category][..., :pixels] = NAMES[category].index("tin") + 1
    with ConceptWriter(tmp_path / "set", NAMES) as writer:
        writer.add("a", image(), masks=masks)
    concepts = ConceptSet(tmp_path / "set")
    assert concepts.category[concepts.number("tin")] == primary  # of equal ones the later
    assert concepts.category[0] == -1
    # Without the tables of categories: the first of label.csv's that index.csv has.
    for path in (tmp_path / "set").glob("c_*.csv"):
        path.unlink()
    assert ConceptSet(tmp_path / "set").category[concepts.number("tin")] == 0
    index = pd.read_csv(tmp_path / "set/index.csv").drop(columns="object")
    index.to_csv(tmp_path / "set/index.csv", index=False)
    without = ConceptSet(tmp_path / "set")
    assert without.categories == ["material", "scene"]
    assert without.category[without.number("tin")] == 0


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), ConceptWriter(tmp_path / "set", NAMES) as writer:
        writer.add("a", image())
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"masks": {"objects": np.zeros((1, 2, 2), int)}}, "'objects' is not one of object, mat"),
        ({"whole": {"object": ["tim"]}}, "a: object 'tim' is not among the names"),
        ({"masks": {"material": np.full((1, 2, 2), 3)}}, "a: material: a mask of 0 … 2, not 3 … 3"),
        ({"masks": {"material": np.full((1, 2, 2), -1)}}, "a mask of 0 … 2, not -1 … -1"),
        ({"masks": {"material": np.zeros((2, 2), int)}}, r"has the shape \(2, 2\), not \[k, sh"),
        (
            {"masks": {"material": np.zeros((1, 2, 2), int), "object": np.zeros((1, 2, 3), int)}},
            r"a: masks of different sizes \[\(2, 2\), \(2, 3\)\]",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, given, message):
    with pytest.raises(InputError, match=message), ConceptWriter(tmp_path / "s", NAMES) as writer:
        writer.add("a", image(), **given)
    assert not (tmp_path / "s").exists()


def test_no_file_is_written_twice(tmp_path):
    taken = pytest.raises(InputError, match=r"a_object: there is an image or a mask of that name")
    with taken, ConceptWriter(tmp_path / "s", NAMES) as writer:
        writer.add("a", image(), masks={"object": np.zeros((1, 2, 2), int)})
        writer.add("a_object", image())
    with pytest.raises(InputError, match="65536 labels, a mask holds at most 65535"):
        ConceptWriter(tmp_path / "s", {"object": [str(k) for k in range(65536)]})


BRODEN = {  # as the real one is laid out: jpg images, no groups, numbers of scenes, 0 for none
    "index.csv": "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture\n"
    "ade20k/1.jpg,train,8,8,4,4,ade20k/1_color.png,ade20k/1_object.png,"
    "ade20k/1_part_1.png;ade20k/1_part_2.png,,83,\n"
    "dtd/2.jpg,val,8,8,4,4,dtd/2_color.png,,,,0,270;271\n",
    "label.csv": "number,name,category,frequency,coverage,syns\n1,black-c,color(2),2,1.0,\n"
    '83,street-s,scene(1),1,1.0,"road, way"\n259,nan,object(1),1,0.5,\n'
    "260,leg,part(1);object(1),2,0.4,\n270,dotted,texture(1),1,1,\n271,woven,texture(1),1,1,\n",
    "category.csv": "name,first,last,count,frequency\ncolor,1,1,1,2\nobject,259,260,2,2\n"
    "part,260,260,1,1\nmaterial,0,0,0,0\nscene,83,83,1,1\ntexture,270,271,2,2\n",
    "c_object.csv": "code,number,name,frequency,coverage\n1,259,nan,1,0.5\n2,260,leg,1,0.3\n",
    "c_part.csv": "code,number,name,frequency,coverage\n1,260,leg,1,0.1\n",
}
PLANES = {"ade20k/1_color": 1, "ade20k/1_object": 259, "ade20k/1_part_1": 260, "ade20k/1_part_2": 0,
          "dtd/2_color": 1}  # fmt: skip


@pytest.fixture
def broden(tmp_path):
    folder = tmp_path / "broden"
    for name in ("ade20k", "dtd"):
        (folder / "images" / name).mkdir(parents=True)
    for name, text in BRODEN.items():
        (folder / name).write_text(text)
    for name in ("ade20k/1", "dtd/2"):
        Image.fromarray(image((8, 8))).save(folder / f"images/{name}.jpg")
    for name, label in PLANES.items():
        mask = np.zeros((4, 4, 3), np.uint8)
        mask[:2] = label % 256, label // 256, 77  # blue means nothing
        Image.fromarray(mask).save(folder / f"images/{name}.png")
    return folder


def test_brodens_own_layout_is_read(broden):
    concepts = ConceptSet(broden)
    assert concepts.categories == ["color", "object", "part", "material", "scene", "texture"]
    assert len(concepts.names) == 272
    assert concepts.names[259] == "nan"
    assert concepts.groups.tolist() == [0, 1]
    assert concepts.image(0).shape == (8, 8, 3)
    first, second = concepts.labels(0), concepts.labels(1)
    assert first.planes[:, 0, 0].tolist() == [1, 259, 260, 0]
    assert (first.planes[:, 2:] == 0).all()
    assert first.whole == (83,)
    assert second.whole == (0, 270, 271)
    assert concepts.category[[1, 83, 259, 260, 270]].tolist() == [0, 4, 1, 1, 5]
    assert concepts.category[2] == -1
    rows = (broden / "index.csv").read_text().splitlines()
    (broden / "index.csv").write_text("".join(
        f"{row},{group}\n" for row, group in zip(rows + rows[1:], ["group", "", "a", "a", ""],
                                                 strict=True)))  # fmt: skip
    assert ConceptSet(broden).groups.tolist() == [0, 1, 1, 2]


def edit(name, old, new):
    def change(folder):
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


def resize(folder):
    path = folder / "images/ade20k/1_object.png"
    Image.open(path).resize((5, 4)).save(path)


def relabel(folder):
    mask = np.zeros((4, 4, 3), np.uint8)
    mask[0, 0] = 16, 1, 0
    Image.fromarray(mask).save(folder / "images/ade20k/1_object.png")


def shorten(folder):
    path = folder / "images/ade20k/1_object.png"
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("index.csv"), r"index\.csv: no such file; a concept set has index\.csv, label\.cs"),
        (remove("label.csv"), r"label\.csv: no such file"),
        (remove("category.csv"), r"category\.csv: no such file"),
        (edit("index.csv", "image,split", "picture,split"), r"index\.csv: has no column image"),
        (edit("index.csv", "sh,sw", "height,width"), r"index\.csv: has no column sh, sw"),
        (edit("label.csv", "number,", "n,"), r"label\.csv: has no column number"),
        (edit("category.csv", "name", "category"), r"category\.csv: has no column name"),
        (edit("index.csv", "8,8,4,4", "8,8,4,four"), r"index\.csv: line 2: sw 'four' is not a wh"),
        (edit("index.csv", "val,8,8", "val,,8"), r"index\.csv: line 3: ih '' is not a whole numbe"),
        (edit("label.csv", "83,street", "-83,street"), r"label\.csv: line 3: number '-83' is not"),
        (edit("label.csv", "83,street", "1000000000,street"),
         r"label\.csv: line 3: number '1000000000' is not a whole number from 1 to 65,535"),
        (edit("label.csv", "83,street", "1e9,street"), r"number '1e9' is not a whole number from"),
        (edit("c_object.csv", ",259,", ",1000000000,"),
         r"c_object\.csv: line 2: number '1000000000' is not a whole number from 0 to 65,535"),
        (edit("index.csv", ",83,", ",1000000000,"),
         r"index\.csv: line 2: '1000000000' is not a whole number from 0 to 65535; mend it"),
        (edit("index.csv", "8,8,4,4", "8,8,4,1000000000"),
         r"index\.csv: line 2: sw '1000000000' is not a whole number from 1 to 65,535"),
        (edit("label.csv", "83,street", "1,street"), r"label\.csv: line 3: the number 1 is taken"),
        (edit("c_object.csv", "0.5", "half"), r"c_object\.csv: line 2: coverage 'half' is not a n"),
        (edit("c_object.csv", ",259,", ",459,"), r"c_object\.csv: has the label 459, label\.csv n"),
        (edit("index.csv", "color,object,part,material,scene,texture", "a,b,c,d,e,f"),
         r"index\.csv: has no column of a category of category\.csv \(color, object, part"),
        (edit("index.csv", ",83,", ",983,"), r"index\.csv: has the label 983, label\.csv none abo"),
        (resize, r"1_object\.png: is 5 x 4 pixels, index\.csv says 4 x 4"),
        (relabel, r"1_object\.png: has the label 272, label\.csv none above 271"),
        (lambda folder: (folder / "index.csv").write_text(""), r"index\.csv: is empty"),
        (lambda folder: (folder / "index.csv").write_bytes(b"\xff\xfe\0"), r"is in UTF-16"),
    ],
)  # fmt: skip
def test_broken_sets_are_refused_by_file(broden, change, message):
    change(broden)
    with pytest.raises(InputError, match=message):
        concepts = ConceptSet(broden)
        concepts.image(0)
        concepts.labels(0)


def forge(folder):
    """A picture that declares 400 million pixels in few bytes."""
    Image.new("1", (20000, 20000)).save(folder / "images/ade20k/1.jpg", "PNG")


def cut(folder):
    path = folder / "images/ade20k/1.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (remove("images/ade20k/1_object.png"), r"1 missing: ade20k/1_object\.png \(missing: no su"),
        (remove("images/ade20k/1.jpg"), r"1 missing: ade20k/1\.jpg \(missing: no such file\)"),
        (shorten, r"1 truncated: ade20k/1_object\.png \(truncated: "),
        (cut, r"1 truncated: ade20k/1\.jpg \(truncated: "),
        (forge, r"1 unreadable: ade20k/1\.jpg \(unreadable: declares more than 179 million pixels"),
        (lambda folder: (folder / "images/ade20k/1.jpg").write_bytes(b""), r"1 empty: ade20k/1"),
        (lambda folder: (folder / "images/ade20k/1.jpg").write_text("<html>404</html>"),
         r"1 unreadable: ade20k/1\.jpg \(unreadable: is a web page"),
        (lambda folder: (folder / "images/ade20k/1.jpg").write_text("a note"),
         r"1 unreadable: ade20k/1\.jpg \(unreadable: not a picture"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_be_used_is_left_out_and_named(broden, caplog, change, problem):
    whole = ConceptSet(broden)
    image, planes = whole.image(1), whole.labels(1).planes
    change(broden)
    concepts = ConceptSet(broden)
    assert concepts.images == ["dtd/2.jpg"]
    assert re.search(rf"1 of 2 images left out: {problem}", caplog.text)
    np.testing.assert_array_equal(concepts.image(0), image)
    np.testing.assert_array_equal(concepts.labels(0).planes, planes)
    assert concepts.groups.tolist() == [0]
    (broden / "images/dtd/2_color.png").unlink()
    with pytest.raises(InputError, match=r"index\.csv: none of the 2 images can be used: .*dtd/2_"):
        ConceptSet(broden)


def test_masks_have_the_label_that_their_kind_means(broden):
    path, concepts = broden / "images/ade20k/1_part_1.png", ConceptSet(broden)
    small = np.zeros((4, 4), np.uint8)
    small[1, 2] = 83
    palette = Image.frombytes("P", (4, 4), small.tobytes())
    palette.putpalette([value for k in range(256) for value in (k * 7 % 256, k * 5 % 256, k)])
    large = small.astype(np.uint16)
    large[1, 2] = 260
    colours = np.dstack([large % 256, large // 256, 0 * large]).astype(np.uint8)
    seen_through = np.dstack([colours, np.zeros((4, 4), np.uint8)])
    for made, label in (
        (Image.fromarray(small), 83),
        (palette, 83),
        (Image.fromarray(np.dstack([small] * 3)), 83),
        (Image.merge("LA", [Image.fromarray(small), Image.new("L", (4, 4))]), 83),
        (Image.fromarray(large), 260),
        (Image.fromarray(colours), 260),
        (Image.fromarray(seen_through), 260),
    ):
        made.save(path)
        expected = np.zeros((4, 4), int)
        expected[1, 2] = label
        np.testing.assert_array_equal(concepts.labels(0).planes[2], expected, err_msg=made.mode)


def test_a_mask_that_changes_labels_is_refused(broden):
    path = broden / "images/ade20k/1_part_1.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path, "JPEG")
    with pytest.raises(InputError, match=r"1_part_1\.png: unreadable: a mask as JPEG, which chang"):
        ConceptSet(broden).labels(0)
    # A file of red + 256 green to which a program has given a palette: places and colours differ.
    mask = Image.frombytes("P", (4, 4), bytes([0] * 8 + [1] * 4 + [2] * 4))
    mask.putpalette([0, 0, 0, 83, 0, 0, 4, 1, 0])
    mask.save(path)
    with pytest.raises(InputError, match=r"palette whose places and colours both look like labels"):
        ConceptSet(broden).labels(0)


def test_an_image_whose_masks_lie_is_refused(broden):
    path = broden / "images/ade20k/1.jpg"
    turn = Image.Exif()
    turn[0x0112] = 6
    Image.fromarray(image((8, 6))).save(path, exif=turn)
    text = (broden / "index.csv").read_text()
    (broden / "index.csv").write_text(text.replace("train,8,8", "train,8,6", 1))
    with pytest.raises(InputError, match=r"1\.jpg: is 8 x 6 pixels as it is shown, index\.csv say"):
        ConceptSet(broden).image(0)
    (broden / "index.csv").write_text(text.replace("train,8,8", "train,6,8", 1))
    assert ConceptSet(broden).image(0).shape == (6, 8, 3)


def test_a_mask_cut_short_anywhere_is_refused(broden):
    path = broden / "images/ade20k/1_object.png"
    whole = path.read_bytes()
    concepts = ConceptSet(broden)
    planes, refused = concepts.labels(0).planes, 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            # Where only check sums are lost, no pixel is.
            np.testing.assert_array_equal(concepts.labels(0).planes, planes)
        except InputError as error:
            said = str(error).partition("1_object.png: ")[2]
            assert re.match("(empty|truncated|unreadable): ", said)
            refused += 1
    assert refused >= len(whole) - 24


class Made:
    """A concept set in memory."""

    def __init__(self, names, categories, category, labels, groups=None):
        self.names, self.categories, self.category = names, categories, np.array(category)
        self._labels = [Labels(np.array(p, np.int32), tuple(w)) for p, w in labels]
        self.groups = np.arange(len(labels)) if groups is None else np.array(groups)

    def __len__(self):
        return len(self._labels)

    def image(self, i):
        return np.full((2, 2, 3), (i + 10 * len(self)) % 256, np.uint8)

    def labels(self, i):
        return self._labels[i]

    def mask_size(self, i):
        return self._labels[i].planes.shape[1:]


def test_combined_sets_map_numbers_by_names():
    one = Made(["", "dog", "red", "tin"], ["object", "color"], [-1, 0, 1, 1],
               [([[[1, 2], [3, 0]]], [2]), ([[[3, 3]]], [])], groups=[0, 0])  # fmt: skip
    two = Made(["", "red", "", "jump", "dog"], ["action", "color"], [-1, 0, -1, 0, 0],
               [([[[1, 4], [0, 3]]], [3, 0])], groups=[0])  # fmt: skip
    both = Combined([one, two])
    # What the first set has in another category is another label.
    assert both.names == ["", "dog", "red", "tin", "red (action)", "jump", "dog (action)"]
    assert both.categories == ["object", "color", "action"]
    assert both.category.tolist() == [-1, 0, 1, 1, 2, 2, 2]
    assert both.groups.tolist() == [0, 0, 1]
    assert len(both) == 3
    assert both.labels(1).planes.tolist() == [[[3, 3]]]
    assert both.labels(2).planes.tolist() == [[[4, 6], [0, 5]]]
    assert both.labels(2).whole == (5, 0)
    assert both.labels(0).whole == (2,)
    assert both.image(1)[0, 0, 0] == 21
    assert both.image(2)[0, 0, 0] == 10
    assert both.mask_size(1) == (1, 2)
    with pytest.raises(InputError, match="at least one set"):
        Combined([])


def test_a_set_combined_with_none_has_as_many_of_each_name(written):
    concepts = ConceptSet(written.folder)
    both = Combined([concepts, concepts])
    for i in range(6):
        mine, theirs = both.labels(i), concepts.labels(i % 3)
        np.testing.assert_array_equal(mine.planes, theirs.planes)
        assert mine.whole == theirs.whole
    assert both.groups.tolist() == [0, 0, 1, 2, 2, 3]


def made_actions(images=60):
    """Each image has one or two actions, apart, and an object; some none."""
    rng, labels = np.random.default_rng(0), []
    for i in range(images):
        plane = np.zeros((2, 3, 6), int)
        first, second = rng.choice([1, 2, 3, 4], 2, replace=False, p=[0.5, 0.3, 0.1, 0.1])
        if i % 10:
            plane[0, :2, :2] = first
        if i % 3 == 0:
            plane[0, 1:, 3:] = second
        plane[1, :, 1:4] = 5
        labels.append((plane, [6] if i % 2 else []))
    return Made(["", "run", "jump", "sit", "eat", "dog", "park"], ["action", "object"],
                [-1, 0, 0, 0, 0, 1, 1], labels)  # fmt: skip


def regions(concepts):
    """Of each image the places of each action region, and their names."""
    found = []
    for i in range(len(concepts)):
        plane = concepts.labels(i).planes[0]
        for part in (plane[:2, :2], plane[1:, 3:]):
            names = set(part.ravel().tolist()) - {0}
            assert len(names) <= 1
            found += [(i, part.shape, name) for name in names]
    return found


def test_shuffling_changes_who_bears_which_name_and_nothing_else():
    concepts = made_actions()
    shuffled = Shuffled(concepts, "action", seed=3)
    before, after = regions(concepts), regions(shuffled)
    assert [place[:2] for place in before] == [place[:2] for place in after]
    assert sorted(p[2] for p in before) == sorted(p[2] for p in after)
    changed = np.mean([a[2] != b[2] for a, b in zip(before, after, strict=True)])
    assert 0.4 < changed < 0.9
    for i in range(len(concepts)):
        mine, theirs = shuffled.labels(i), concepts.labels(i)
        np.testing.assert_array_equal(mine.planes[1], theirs.planes[1])
        np.testing.assert_array_equal(mine.planes > 0, theirs.planes > 0)
        assert mine.whole == theirs.whole
        assert shuffled.mask_size(i) == concepts.mask_size(i)
        np.testing.assert_array_equal(shuffled.image(i), concepts.image(i))
    assert regions(Shuffled(concepts, "action", seed=3)) == after
    assert regions(Shuffled(concepts, "action", seed=4)) != after
    with pytest.raises(InputError, match="no category 'scene' to shuffle; there are action, obj"):
        Shuffled(concepts, "scene")


def test_labels_of_whole_images_are_shuffled_too():
    labels = [(np.zeros((0, 2, 2), int), [1 + i % 4]) for i in range(40)]
    concepts = Made(["", "a", "b", "c", "d"], ["scene"], [-1, 0, 0, 0, 0], labels)
    shuffled = Shuffled(concepts, "scene", seed=0)
    after = [shuffled.labels(i).whole for i in range(40)]
    assert sorted(after) == sorted(concepts.labels(i).whole for i in range(40))
    assert after != [concepts.labels(i).whole for i in range(40)]


def test_the_images_of_a_group_keep_sharing_a_shuffled_name():
    labels = [([[[1 + i // 3 % 4, 0]]], []) for i in range(60)]
    concepts = Made(["", "a", "b", "c", "d"], ["action"], [-1, 0, 0, 0, 0], labels,
                    groups=[i // 3 for i in range(60)])  # fmt: skip
    shuffled = Shuffled(concepts, "action", seed=0)
    after = np.array([shuffled.labels(i).planes[0, 0, 0] for i in range(60)]).reshape(20, 3)
    assert (after == after[:, :1]).all()
    assert sorted(after[:, 0]) == sorted([1, 2, 3, 4] * 5)
    assert (after[:, 0] != np.array([1, 2, 3, 4] * 5)).any()
