"""UCF101 and its tubes in their own layout, whole and broken."""

import json
import pickle

import numpy as np
import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import open_truth
from seewhy.corpora.ucf101 import ACTIONS, TUBE_ACTIONS
from seewhy.errors import InputError

# Three actions that the tests look at; the rest only fill classInd.txt.
NAMES = ["Basketball", "HandstandPushups", "Skijet"]
ACTION_NUMBER = {
    name: number
    for number, name in enumerate([*NAMES, *(f"Other{n}" for n in range(ACTIONS - 3))], 1)
}
SETTINGS = {"split": 1, "classes": 101, "val_groups": 1, "seed": 0}


def video(action, group, clip=1):
    stem = "HandStandPushups" if action == "HandstandPushups" else action
    return f"{action}/v_{stem}_g{group:02d}_c{clip:02d}"


def tube(action, first, last, *, dtype=np.uint8, box=(200, 100, 90, 80)):
    boxes = np.tile(np.array(box, dtype), (last - first, 1))
    return {"label": TUBE_ACTIONS.index(action), "sf": first, "ef": last, "boxes": boxes}


@pytest.fixture
def source(tmp_path):
    """Three actions with four groups of two videos; group 1 is for testing."""
    folder = tmp_path / "ucf101"
    lists = folder / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text(
        "".join(f"{number} {name}\r\n" for name, number in ACTION_NUMBER.items())
    )
    train, test = [], []
    for action in NAMES:
        for group in (1, 2, 3, 4):
            for clip in (1, 2):
                name = video(action, group, clip) + ".avi"
                (folder / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / "UCF-101" / name).touch()
                line = f"{name} {ACTION_NUMBER[action]}" if group > 1 else name
                (train if group > 1 else test).append(line)
    (lists / "trainlist01.txt").write_text("\r\n".join(train) + "\r\n")
    (lists / "testlist01.txt").write_text("\r\n".join(test) + "\r\n")
    write_tubes(folder, skijet())
    return folder


def skijet():
    """One video with two tubes that overlap in time; one with a wide tube."""
    return {
        video("Skijet", 1): {
            "numf": np.uint8(9),
            "label": 17,
            "annotations": [tube("Skijet", 2, 6), tube("Skijet", 4, 9, box=(1, 2, 3, 4))],
        },
        video("Skijet", 2): {
            "numf": 5,
            "label": 17,
            "annotations": [tube("Skijet", 0, 5, dtype=np.uint16, box=(300, 2, 20, 4))],
        },
    }


def write_tubes(folder, content):
    (folder / "pyannot.pkl").write_bytes(pickle.dumps(content, protocol=3))


def imported(source, folder, **settings):
    import_corpus("ucf101", source, folder, **{**SETTINGS, **settings})
    labels = read_table(folder, "labels").set_index("clip")["label"]
    clips = read_table(folder, "clips")
    return clips.assign(action=clips["clip"].map(labels))


def remarks(folder):
    return " ".join(json.loads((folder / "corpus.json").read_text())["remarks"])


def test_a_split_is_the_lists_with_a_group_of_each_action_for_validation(source, tmp_path):
    clips = imported(source, tmp_path / "a")
    assert clips["split"].value_counts().to_dict() == {"train": 12, "val": 6, "test": 6}
    assert (clips.groupby("group")["split"].nunique() == 1).all()
    val = clips[clips["split"] == "val"]
    assert val.groupby("action")["group"].nunique().to_dict() == dict.fromkeys(NAMES, 1)
    assert set(clips.loc[clips["split"] == "test", "group"]) == {f"{name} 01" for name in NAMES}
    again = imported(source, tmp_path / "b")
    assert clips.equals(again)
    others = [imported(source, tmp_path / "c", seed=seed) for seed in range(1, 5)]
    assert any((other["split"] != clips["split"]).any() for other in others)
    assert "trainlist01.txt: 18 videos, where split 1 has 9537" in remarks(tmp_path / "a")
    assert "testlist01.txt: 6 videos, where split 1 has 3783" in remarks(tmp_path / "a")


def test_the_folder_names_the_action_where_the_file_does_not(source, tmp_path):
    clips = imported(source, tmp_path / "a").set_index("clip")
    clip = clips.loc["v_HandStandPushups_g02_c01"]
    assert (clip["action"], clip["group"]) == ("HandstandPushups", "HandstandPushups 02")
    assert clip["video"].endswith("UCF-101/HandstandPushups/v_HandStandPushups_g02_c01.avi")


def test_tubes_become_instances_segments_and_boxes(source, tmp_path):
    imported(source, tmp_path / "a")
    segments = read_table(tmp_path / "a", "segments").drop(columns="object")
    assert segments.iloc[:, :5].to_numpy().tolist() == [
        ["v_Skijet_g02_c01", 1, "Skijet", 0, 5],
        ["v_Skijet_g01_c01", 1, "Skijet", 2, 6],
        ["v_Skijet_g01_c01", 2, "Skijet", 4, 9],
    ]
    instances = read_table(tmp_path / "a", "instances")
    assert set(zip(instances["class"], instances["role"], strict=True)) == {("person", "actor")}
    with open_truth(tmp_path / "a") as truth:
        assert truth.clips == ["v_Skijet_g02_c01", "v_Skijet_g01_c01"]
        boxes = truth.boxes("v_Skijet_g01_c01")
        assert boxes["frame"].tolist() == [2, 3, 4, 4, 5, 5, 6, 7, 8]
        assert boxes["instance"].tolist() == [1, 1, 1, 2, 1, 2, 2, 2, 2]
        assert truth.boxes("v_Skijet_g02_c01")["box"][0].tolist() == [300, 2, 20, 4]


def test_boxes_kept_as_bytes_do_not_overflow(source, tmp_path):
    imported(source, tmp_path / "a")
    with open_truth(tmp_path / "a") as truth:
        x, _, width, _ = truth.boxes("v_Skijet_g01_c01")["box"][0]
    assert x + width == 290  # 34 in the source's own type


def test_the_24_actions_with_tubes_can_be_taken_alone(source, tmp_path):
    clips = imported(source, tmp_path / "a", classes=24)
    assert set(clips["action"]) == {"Basketball", "Skijet"}
    assert "14 videos of the 24 actions have no tube" in remarks(tmp_path / "a")


def test_without_tubes_and_videos_there_are_remarks(source, tmp_path):
    (source / "pyannot.pkl").unlink()
    (source / "UCF-101" / (video("Skijet", 1) + ".avi")).unlink()
    imported(source, tmp_path / "a")
    assert "no pyannot.pkl: no boxes and no segments; get" in remarks(tmp_path / "a")
    assert "1 of 24 videos are not below" in remarks(tmp_path / "a")
    with pytest.raises(InputError, match="the corpus ucf101 has no truth by the frame"):
        open_truth(tmp_path / "a")


class Evil:
    def __reduce__(self):
        return (exec, ("open('stolen', 'w')",))


@pytest.mark.parametrize("protocol", [0, 3, 5])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_by_name(
    source, tmp_path, protocol, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    content = {video("Skijet", 1): {"numf": 9, "label": 17, "annotations": [Evil()]}}
    (source / "pyannot.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(InputError, match=r"pyannot\.pkl: asks for \w+\.exec, .* was not run"):
        imported(source, tmp_path / "a")
    assert not (tmp_path / "stolen").exists()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("keep", [0, 1, 50, 200])
def test_a_cut_pickle_is_named(source, tmp_path, keep):
    content = (source / "pyannot.pkl").read_bytes()
    (source / "pyannot.pkl").write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"pyannot\.pkl: not a whole pickle .*; get UCF101") as e:
        imported(source, tmp_path / "a")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ef": 7}, r"Skijet/v_Skijet_g01_c01: tube 1 has not one box for each of 5 frames"),
        ({"ef": 30}, r"tube 1 goes from frame 2 to 30 of 9"),
        ({"label": 3}, r"tube 1 has the label 3"),
        ({"boxes": [[1, 2, 3, 4]]}, r"tube 1 has not one box for each"),
        ({"boxes": np.full((4, 4), 1e30)}, r"tube 1 has a box that is not x and y from 0 and"),
        ({"boxes": np.full((4, 4), np.nan)}, r"tube 1 has a box that is not x and y from 0 and"),
        ({"boxes": np.full((4, 4), "x")}, r"tube 1 has boxes that are no numbers"),
        ({"sf": "x"}, r"is not numf and annotations of sf, ef, label and boxes"),
    ],
)
def test_a_wrong_tube_is_named(source, tmp_path, change, message):
    content = skijet()
    content[video("Skijet", 1)]["annotations"][0].update(change)
    write_tubes(source, content)
    with pytest.raises(InputError, match=message):
        imported(source, tmp_path / "a")


def test_a_pickle_of_something_else_is_named(source, tmp_path):
    write_tubes(source, [1, 2])
    with pytest.raises(InputError, match=r"pyannot\.pkl: not a table of videos"):
        imported(source, tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("trainlist01", "Skijet/v_Skijet.avi 3", r"trainlist01\.txt: line 19: 'Skijet/v_Sk.*not a"),
        ("trainlist01", "Skijet/v_Skijet_g09_c01.avi 7", r"line 19: .* with the action's number"),
        ("testlist01", "Juggling/v_Juggling_g01_c01.avi", r"line 7: .* not a video of the actions"),
        ("testlist01", video("Skijet", 1) + ".avi", r"line 7: .* is listed twice"),
        ("testlist01", "Skijet/v_Skijet_g02_c09.avi", r"group Skijet 02 is in the train and in"),
        ("classInd", "102 Extra", r"classInd\.txt: names 102 actions, not the 101"),
        ("classInd", "Extra", r"classInd\.txt: line 102: 'Extra' is not '<number> <action>'"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(source, tmp_path, name, line, message):
    path = source / f"ucfTrainTestlist/{name}.txt"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        imported(source, tmp_path / "a")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": 4}, r"ucf101\.split: 4 is not one of 1, 2, 3"),
        ({"split": 2}, r"no trainlist02\.txt here or below; get UCF101"),
        ({"classes": 11}, r"ucf101\.classes: 11 is not one of 101, 24"),
        (
            {"val_groups": 3},
            r"val_groups \(3\) must be at least 1 .* Basketball has 3 train groups",
        ),
        ({"val_groups": 0}, r"val_groups \(0\) must be at least 1"),
    ],
)
def test_wrong_settings_are_named(source, tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        imported(source, tmp_path / "a", **settings)
