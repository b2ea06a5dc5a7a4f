"""The real lists of CUB-200-2011, the images of four classes and their captions."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.cub200 import IMAGES, _images
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import open_truth
from seewhy.summaries.images import crop_images


@pytest.fixture(scope="module")
def source(shared_data):
    folder = shared_data / "cub"
    for path in (folder / "CUB_200_2011/images.txt", folder / "text_c10"):
        if not path.exists():
            pytest.skip(f"no {path}")
    return folder


@pytest.fixture(scope="module")
def corpus(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cub") / "corpus"
    import_corpus("cub200", source, folder, classes=4, val_share=0.1, seed=0)
    return folder


def test_the_counts_are_those_of_the_data_set(source):
    table, remarks = _images(source / "CUB_200_2011", 200)
    assert remarks == []
    assert len(table) == sum(IMAGES.values())
    assert table["train"].sum() == IMAGES["train"]
    assert table["label"].nunique() == 200


def test_four_classes_come_whole(corpus):
    assert read_table(corpus, "labels")["label"].nunique() == 4
    clips = read_table(corpus, "clips")
    captions = read_table(corpus, "captions")
    assert captions.groupby("clip").size().reindex(clips["clip"]).eq(10).all()
    remarks = json.loads((corpus / "corpus.json").read_text())["remarks"]
    assert remarks == ["the first 4 of 200 classes alone, as cub200.classes says"]
    with open_truth(corpus) as truth:
        # The first image by number is not the first by name.
        assert truth.clips[0] == "Black_Footed_Albatross_0046_18"
        assert truth.boxes(truth.clips[0])["box"].tolist() == [[60, 27, 325, 304]]
        rows = truth.key_points(truth.clips[0])
        beak = rows["point"][rows["name"].tolist().index("beak")]
        assert beak.tolist() == [312, 182]


def test_visible_points_lie_in_the_crops(corpus, tmp_path):
    crop_images(corpus, "train", tmp_path / "crops.h5")
    with h5py.File(tmp_path / "crops.h5") as file:
        assert file["image"].shape[1:] == (64, 64, 3)
        points, visible = file["points"][:], file["visible"][:]
    known = np.isfinite(points).all(-1)
    assert known.sum() > 1000
    assert visible.sum() / known.sum() > 0.99
