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


def test_a_damaged_truth_is_named(tmp_path):
    (tmp_path / "truth.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match=r"truth\.h5: not a whole HDF5 file"):
        open_truth(tmp_path)
