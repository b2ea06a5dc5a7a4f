"""THUMOS14's intervals in both of their layouts, whole and broken."""

import json

import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.errors import InputError

SETTINGS = {"val_share": 0.25, "seed": 0}
VALIDATION = {
    f"video_validation_{n:07d}": action
    for n, action in enumerate(["Diving"] * 8 + ["HighJump"] * 8, 1)
}
CLIFF = "video_test_0000026"
SLOW = "video_test_0001207"  # 24 frames a second
UNCLEAR = "video_test_0001292"
FAULTY = "video_test_0000270"
TEST = [
    (CLIFF, "CliffDiving", "1.0", "2.5"),
    (CLIFF, "Diving", "1.0", "2.5"),
    (CLIFF, "Ambiguous", "8.2", "8.3"),
    (SLOW, "PoleVault", "0.1", "10.1"),
    (UNCLEAR, "Ambiguous", "39.9", "47.4"),
    (FAULTY, "HammerThrow", "706.3", "713.7"),
]
ROWS = {
    "val": [(video, action, "0.2", "1.1") for video, action in VALIDATION.items()],
    "test": TEST,
}


@pytest.fixture
def official(tmp_path):
    """The text files of the two archives, some videos."""
    source = tmp_path / "thumos"
    for split, rows in ROWS.items():
        folder = source / {"val": "annotation", "test": "TH14_test/annotations"}[split]
        folder.mkdir(parents=True)
        for action in {action for _, action, _, _ in rows}:
            lines = [f"{v}  {start} {end}\n" for v, a, start, end in rows if a == action]
            (folder / f"{action}_{split}.txt").write_text("".join(lines))
        (folder / f"detclasslist_{split}.txt").write_text("7 BaseballPitch\n")
    (source / "annotation/readme.txt").write_text("not intervals\n")
    (source / "TH14_test_set_mp4").mkdir()
    (source / f"TH14_test_set_mp4/{CLIFF}.mp4").touch()
    return source


@pytest.fixture
def tables(tmp_path):
    """The CSV files, in which frames are counted too."""
    source = tmp_path / "csv"
    source.mkdir()
    for split, rows in ROWS.items():
        lines = [f"{v},{a},0,{start},{end},0,0\n" for v, a, start, end in rows]
        head = "video,type,type_idx,start,end,startFrame,endFrame\n"
        (source / f"{split}_Annotation.csv").write_text(head + "".join(lines))
    (source / "Ambiguous_test.txt").write_text(f"{CLIFF}  8.2 8.3\n{UNCLEAR}  39.9 47.4\n")
    return source


def imported(source, folder, **settings):
    import_corpus("thumos14", source, folder, **{**SETTINGS, **settings})
    return read_table(folder, "clips").set_index("clip")


def remarks(folder):
    return " ".join(json.loads((folder / "corpus.json").read_text())["remarks"])


def test_both_layouts_say_the_same(official, tables, tmp_path):
    imported(official, tmp_path / "a")
    imported(tables, tmp_path / "b")
    for name in ("segments", "labels"):
        assert (tmp_path / f"a/{name}.csv").read_bytes() == (
            tmp_path / f"b/{name}.csv"
        ).read_bytes()
    assert len(read_table(tmp_path / "b", "segments")) == len(VALIDATION) + len(TEST)


def test_validation_videos_are_trained_on_and_a_share_is_kept(official, tmp_path):
    clips = imported(official, tmp_path / "a")
    assert clips["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}
    val = clips.index[clips["split"] == "val"]
    assert sorted(VALIDATION[video] for video in val) == ["Diving"] * 2 + ["HighJump"] * 2
    assert clips.loc[CLIFF, "video"] == str(official / f"TH14_test_set_mp4/{CLIFF}.mp4")
    assert clips.loc[val[0], "video"] == str(official / f"validation/{val[0]}.mp4")
    assert "19 of 20 videos are not below" in remarks(tmp_path / "a")
    assert "16 annotated validation videos, where THUMOS14 has 200" in remarks(tmp_path / "a")
    assert clips["split"].equals(imported(official, tmp_path / "b")["split"])
    others = [imported(official, tmp_path / "c", seed=seed)["split"] for seed in range(1, 5)]
    assert any((other != clips["split"]).any() for other in others)


def test_seconds_are_exact_and_frames_follow_the_rate(official, tmp_path):
    clips = imported(official, tmp_path / "a")
    segments = read_table(tmp_path / "a", "segments").set_index(["clip", "label"])
    assert clips.loc[[CLIFF, SLOW], "fps"].tolist() == [30, 24]
    times = ["start", "end", "start_seconds", "end_seconds"]
    # 24 frames a second: 0.1 s lies between frames 2 and 3, 10.1 s between 242 and 243.
    assert segments.loc[(SLOW, "PoleVault"), times].tolist() == [3, 243, 0.1, 10.1]
    # 30: 8.3 s is frame 249 exactly, though 8.3 * 30 is a little more as a float.
    assert segments.loc[(CLIFF, "Ambiguous"), times].tolist() == [246, 249, 8.2, 8.3]
    assert (segments["instance"] == 0).all()


def test_every_frame_inside_is_counted_and_no_other(official, tmp_path):
    clips = imported(official, tmp_path / "a")
    for row in read_table(tmp_path / "a", "segments").itertuples():
        fps = clips.loc[row.clip, "fps"]
        inside = [
            frame
            for frame in range(int(800 * fps))
            if row.start_seconds - 1e-9 <= frame / fps < row.end_seconds - 1e-9
        ]
        assert [row.start, row.end] == [inside[0], inside[-1] + 1]


def test_double_labels_and_special_videos_survive(official, tmp_path):
    imported(official, tmp_path / "a")
    segments = read_table(tmp_path / "a", "segments")
    cliff = segments[segments["clip"] == CLIFF]
    assert sorted(cliff["label"]) == ["Ambiguous", "CliffDiving", "Diving"]
    labels = read_table(tmp_path / "a", "labels")
    special = labels[labels["kind"] == "annotation"].set_index("clip")["label"].to_dict()
    assert special == {FAULTY: "faulty", UNCLEAR: "ambiguous only"}
    actions = labels[labels["kind"] == "action"]
    assert "Ambiguous" not in set(actions["label"])
    assert UNCLEAR not in set(actions["clip"])
    assert "CliffDiving are not" not in remarks(tmp_path / "a")


def test_cliff_diving_that_is_no_diving_and_missing_files_are_remarked(official, tmp_path):
    (official / "TH14_test/annotations/Diving_test.txt").unlink()
    (official / "TH14_test/annotations/Ambiguous_test.txt").unlink()
    imported(official, tmp_path / "a")
    assert "1 test intervals of CliffDiving are not labelled Diving as well" in remarks(
        tmp_path / "a"
    )
    assert "no test interval of BaseballPitch, " in remarks(tmp_path / "a")
    assert "no Ambiguous intervals of the test videos" in remarks(tmp_path / "a")
    assert "no Ambiguous intervals of the validation videos" in remarks(tmp_path / "a")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            f"{CLIFF}  1.0",
            r"Diving_test\.txt: line 2: 'video_test_0000026 1\.0' is not a video, a",
        ),
        (f"{CLIFF}  2.0 1.0", r"line 2: 2\.0 to 1\.0 is not an interval in seconds"),
        (f"{CLIFF}  one 1.0", r"line 2: 'one' is not a number from 0"),
        (f"{CLIFF}  nan 1.0", r"line 2: 'nan' is not a number from 0"),
        ("video_validation_0000001  1 2", r"'video_validation_0000001' is not a video of the test"),
    ],
)
def test_a_wrong_line_is_named(official, tmp_path, line, message):
    path = official / "TH14_test/annotations/Diving_test.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        imported(official, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("video,type,", "film,type,", r"test_Annotation\.csv: has no column video; the columns"),
        ("PoleVault", "PoleDance", r"test_Annotation\.csv: line 5: 'PoleDance' is not an action"),
        ("706.3", "", r"test_Annotation\.csv: line 7: '' is not a number from 0"),
    ],
)
def test_a_wrong_table_is_named(tables, tmp_path, old, new, message):
    path = tables / "test_Annotation.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        imported(tables, tmp_path / "a")


def test_missing_splits_and_impossible_shares_are_named(tables, tmp_path):
    with pytest.raises(InputError, match=r"thumos14\.val_share: 1 is not between 0 and 1"):
        imported(tables, tmp_path / "a", val_share=1)
    (tables / "val_Annotation.csv").unlink()
    with pytest.raises(
        InputError, match=r"no BaseballPitch_val\.txt and no val_Annotation\.csv.*get"
    ):
        imported(tables, tmp_path / "a")
    head = "video,type,type_idx,start,end,startFrame,endFrame\n"
    row = "video_validation_0000001,Diving,26,1,2,30,60\n"
    (tables / "val_Annotation.csv").write_text(head + row)
    with pytest.raises(InputError, match="1 validation videos cannot fill train and val"):
        imported(tables, tmp_path / "a")
