"""Truth of boxes alone, truth that lies elsewhere, and none."""

import h5py
import numpy as np
import pandas as pd
import pytest

from seewhy.corpora import importing
from seewhy.corpora.canonical import empty_table, schema, write_tables
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import Truth, TruthWriter, open_truth, refer_truth
from seewhy.errors import InputError


def rows(*boxes):
    """Boxes given as (frame, instance, x, y, width, height)."""
    table = np.array(boxes, float).reshape(-1, 6)
    return {"frame": table[:, 0], "instance": table[:, 1], "box": table[:, 2:]}


CLIPS = pd.DataFrame({"clip": ["a", "b"], "split": ["train", "test"], "video": ["a.mp4", "b.mp4"]})


class Boxed:
    """An adapter of two clips, the second without boxes."""

    given = (("a", rows((0, 1, 1, 2, 3, 4), (0, 1, 9, 9, 1, 1))), ("b", rows()))

    @classmethod
    def read(cls, source):
        return {"clips": CLIPS}, {"remarks": []}, iter(cls.given)


class Bare:
    """An adapter without boxes."""

    @staticmethod
    def read(source):
        return {"clips": CLIPS}, {"remarks": []}


@pytest.fixture
def adapters(monkeypatch):
    monkeypatch.setattr(importing, "ADAPTERS", {**importing.ADAPTERS, "msvd": Boxed, "ucf11": Bare})
    monkeypatch.setattr(importing, "source_files", lambda *_: [])


def test_an_adapter_of_boxes_fills_truth_h5(adapters, tmp_path):
    import_corpus("msvd", tmp_path, tmp_path / "corpus")
    with open_truth(tmp_path / "corpus") as truth:
        assert truth.clips == ["a", "b"]
        assert not truth.has_masks
        boxes = truth.boxes("a")
        assert boxes["box"].tolist() == [[1, 2, 3, 4], [9, 9, 1, 1]]
        assert boxes["instance"].tolist() == [1, 1]  # one thing with two boxes
        assert len(truth.boxes("b")["frame"]) == len(truth.key_points("a")["frame"]) == 0
        with pytest.raises(InputError, match=r"truth\.h5: has boxes and no masks; use the boxes"):
            truth.masks("a", "instance")


def test_a_corpus_without_truth_has_the_file_and_says_so(adapters, tmp_path):
    import_corpus("ucf11", tmp_path, tmp_path / "corpus")
    assert (tmp_path / "corpus/truth.h5").exists()
    with pytest.raises(
        InputError, match=r"corpus: the corpus ucf11 has no truth .*such as puppets"
    ):
        open_truth(tmp_path / "corpus")
    (tmp_path / "corpus/truth.h5").unlink()
    with pytest.raises(InputError, match=r"truth\.h5: no such file; run the rule"):
        open_truth(tmp_path / "corpus")


def test_the_puppets_truth_stays_where_it_is(tmp_path):
    world = tmp_path / "world"
    world.mkdir()
    write_tables(world, {name: empty_table(name) for name in schema()} | {"clips": CLIPS})
    element = {"instance": 1, "class": "dog", "part": "head", "colour": "red", "texture": "plain"}
    with TruthWriter(world / "truth.h5") as writer:
        writer.append(
            "a",
            boxes=rows((0, 1, 0, 0, 2, 2)),
            code=np.zeros((1, 2, 2)),
            elements=[element | {"rgb": np.zeros((2, 3))}],
        )
    import_corpus("puppets", world, tmp_path / "corpus")
    with h5py.File(tmp_path / "corpus/truth.h5") as file:
        assert list(file) == []  # no copy
    with open_truth(tmp_path / "corpus") as truth:
        assert truth.has_masks
        assert (truth.masks("a", "class")[0] == 1).all()
    (world / "truth.h5").unlink()
    with pytest.raises(InputError, match=r"world/truth\.h5: no such file"):
        open_truth(tmp_path / "corpus")


def test_a_reference_is_the_same_bytes_each_time(tmp_path):
    for name in ("a.h5", "b.h5"):
        refer_truth(tmp_path / name, "data/puppets/trimmed/truth.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with pytest.raises(InputError, match=r"data/puppets/trimmed/truth\.h5: no such file"):
        Truth(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("boxes/box", np.nan, "has a box that is not four finite numbers with an area"),
        ("boxes/box", np.inf, "has a box that is not four finite numbers with an area"),
        ("boxes/box", -3, "has a box that is not four finite numbers with an area"),
        ("boxes/box", 1e30, "has a box that is not four finite numbers with an area"),
        ("boxes/frame", -1, "has a box in a frame that is not from 0 to 1"),
        ("boxes/frame", 2, "has a box in a frame that is not from 0 to 1"),
        ("boxes/instance", -1, "has a box of an instance that is not from 0 to 1000000"),
        ("boxes/instance", 10**9, "has a box of an instance that is not from 0 to 1000000"),
        ("key_points/point", np.nan, "has a key point without a name, or a visible one without a"),
        ("key_points/point", 1e30, "has a key point without a name, or a visible one without a"),
        ("key_points/name", 7, "has a key point without a name, or a visible one without a place"),
        ("key_points/name", -1, "has a key point without a name, or a visible one without a place"),
        ("key_points/frame", -1, "has a key point in a frame that is not from 0 to 1"),
        ("key_points/frame", 10**9, "has a key point in a frame that is not from 0 to 1"),
        ("key_points/instance", -1, "has a key point of an instance that is not from 0 to 1000000"),
        ("elements/instance", -1, "has an instance that is not from 0 to 1000000"),
        ("elements/instance", 10**9, "has an instance that is not from 0 to 1000000"),
        ("masks/code", 200, "shows the element 200 of 2"),
    ],
)
def test_numbers_that_make_no_sense_are_told(name, value, message, tmp_path):
    element = {"class": "man", "part": "", "colour": "", "texture": ""}
    points = {"frame": [0], "instance": [1], "point": [[2, 2]], "visible": [True], "name": ["head"]}
    with TruthWriter(tmp_path / "truth.h5") as writer:
        writer.append(
            "a",
            boxes=rows((0, 1, 1, 2, 3, 4), (1, 1, 1, 2, 3, 4)),
            code=np.ones((2, 6, 8), np.uint8),
            elements=[{"instance": k, "rgb": np.zeros((2, 3), np.uint8)} | element for k in (0, 1)],
            key_points=points,
        )

    def read():
        with open_truth(tmp_path) as truth:
            truth.boxes("a"), truth.key_points("a"), truth.masks("a", "part")

    read()
    with h5py.File(tmp_path / "truth.h5", "r+") as file:
        file[name][(-1,) * file[name].ndim] = value
    with pytest.raises(InputError, match=rf"truth\.h5: the clip a {message}.*; make it again"):
        read()


def test_a_damaged_truth_is_named(tmp_path):
    (tmp_path / "truth.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match=r"truth\.h5: not a whole HDF5 file"):
        open_truth(tmp_path)
