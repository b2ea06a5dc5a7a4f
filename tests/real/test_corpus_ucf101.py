"""The real test list of UCF101's split 1 and the real corrected tubes."""

from __future__ import annotations

import json

import pytest

from seewhy.corpora.array_pickle import read_arrays
from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import open_truth


@pytest.fixture(scope="module")
def corpus(shared_data, tmp_path_factory):
    """Imported with the real test list; the train list is that of the other videos with tubes."""
    tubes = shared_data / "ucf101/pyannot.pkl"
    given = shared_data / "ucf101/ucf101_split1_testVideos.txt"
    for path in (tubes, given):
        if not path.exists():
            pytest.skip(f"no {path}")
    # Videos without their ending, and numbers from 0; the official lists have .avi and begin at 1.
    test = dict(line.split() for line in given.read_text().splitlines())
    number = {video.split("/")[0]: int(label) + 1 for video, label in test.items()}
    train = sorted(str(video) for video in read_arrays(tubes, remedy="") if video not in test)
    source = tmp_path_factory.mktemp("ucf101")
    lists = source / "ucfTrainTestlist"
    lists.mkdir()
    (source / "pyannot.pkl").symlink_to(tubes)
    (lists / "classInd.txt").write_text("".join(f"{n} {a}\n" for a, n in number.items()))
    (lists / "testlist01.txt").write_text("".join(f"{video}.avi\n" for video in test))
    (lists / "trainlist01.txt").write_text(
        "".join(f"{video}.avi {number[video.split('/')[0]]}\n" for video in train)
    )
    folder = tmp_path_factory.mktemp("corpus") / "a"
    import_corpus("ucf101", source, folder, split=1, classes=101, val_groups=2, seed=0)
    return folder


def test_the_real_test_list_is_whole(corpus):
    clips = read_table(corpus, "clips")
    test = clips[clips["split"] == "test"]
    labels = read_table(corpus, "labels").set_index("clip")["label"]
    assert len(test) == 3783
    assert labels[test["clip"]].nunique() == 101
    assert {group.split()[1] for group in test["group"]} == {f"{n:02d}" for n in range(1, 8)}
    assert (clips.groupby("group")["split"].nunique() == 1).all()
    assert labels["v_HandStandPushups_g02_c01"] == "HandstandPushups"


def test_every_real_tube_comes_out(corpus):
    segments = read_table(corpus, "segments")
    clips = read_table(corpus, "clips").set_index("clip")["split"]
    assert len(segments) == 4458
    assert segments["clip"].nunique() == 3194
    assert (clips[segments["clip"].unique()] == "test").sum() == 910
    assert segments["label"].nunique() == 24
    labels = read_table(corpus, "labels").set_index("clip")["label"]
    assert (segments["clip"].map(labels) == segments["label"]).all()
    lengths = (segments["end"] - segments["start"]).sum()
    largest = [0.0, 0.0]
    total = 0
    with open_truth(corpus) as truth:
        for clip in truth.clips:
            box = truth.boxes(clip)["box"]
            total += len(box)
            corners = (box[:, :2] + box[:, 2:]).max(axis=0)
            largest = [max(a, float(b)) for a, b in zip(largest, corners, strict=True)]
            assert (box[:, 2:] > 0).all()
    assert total == lengths == 573862
    assert largest == [320, 240]  # the frame's own size: nothing overflowed at 256


def test_what_is_remarked_of_them(corpus):
    remarks = json.loads((corpus / "corpus.json").read_text())["remarks"]
    assert not any(remark.startswith("pyannot.pkl") for remark in remarks)
    assert any(remark.startswith("4 videos of the 24 actions have no tube") for remark in remarks)
