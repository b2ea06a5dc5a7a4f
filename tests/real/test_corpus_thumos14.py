"""The real annotations of THUMOS14."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.thumos14 import ACTIONS, FPS, OTHER_RATES


@pytest.fixture(scope="module")
def source(shared_data):
    folder = shared_data / "thumos14"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


def test_the_annotations_are_whole(source, tmp_path):
    import_corpus("thumos14", source, tmp_path / "a", val_share=0.1, seed=0)
    clips = read_table(tmp_path / "a", "clips").set_index("clip")
    assert clips["split"].value_counts().to_dict() == {"train": 180, "val": 20, "test": 213}
    segments = read_table(tmp_path / "a", "segments")
    test = segments["clip"].map(clips["split"]) == "test"
    ambiguous = segments["label"] == "Ambiguous"
    assert [(test & ~ambiguous).sum(), (test & ambiguous).sum()] == [3358, 99]
    assert [(~test & ~ambiguous).sum(), (~test & ambiguous).sum()] == [3007, 89]
    assert set(segments["label"]) == {*ACTIONS, "Ambiguous"}
    labels = read_table(tmp_path / "a", "labels")
    assert labels[labels["kind"] == "annotation"].set_index("clip")["label"].to_dict() == {
        "video_test_0000270": "faulty",
        "video_test_0001496": "faulty",
        "video_test_0001292": "ambiguous only",
    }
    (remark,) = json.loads((tmp_path / "a/corpus.json").read_text())["remarks"]
    assert "413 of 413 videos are not below" in remark


def test_rates_are_those_of_the_published_frame_numbers(source):
    for split in ("val", "test"):
        for video, rows in pd.read_csv(source / f"{split}_Annotation.csv").groupby("video"):
            seconds = np.r_[rows["start"], rows["end"]]
            frames = np.r_[rows["startFrame"], rows["endFrame"]]
            fps = OTHER_RATES.get(video, FPS)
            # Cut off as floats: 8.2 s at 30 a second (245.9999…) is frame 245 there, 246 here.
            assert ((seconds * fps).astype(int) == frames).all(), video


def test_the_official_text_files_say_the_same(source, tmp_path):
    folder = tmp_path / "thumos/annotation"
    folder.mkdir(parents=True)
    for split in ("val", "test"):
        table = pd.read_csv(source / f"{split}_Annotation.csv", dtype=str)
        for action, rows in table.groupby("type"):
            lines = rows["video"] + "  " + rows["start"] + " " + rows["end"] + "\n"
            (folder / f"{action}_{split}.txt").write_text("".join(lines))
    import_corpus("thumos14", source, tmp_path / "a", val_share=0.1, seed=0)
    import_corpus("thumos14", tmp_path / "thumos", tmp_path / "b", val_share=0.1, seed=0)
    for name in ("segments", "labels"):
        assert (tmp_path / f"a/{name}.csv").read_bytes() == (
            tmp_path / f"b/{name}.csv"
        ).read_bytes()
