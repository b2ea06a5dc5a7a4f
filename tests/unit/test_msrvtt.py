"""MSR-VTT's JSON files, whole and broken."""

import json

import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.errors import InputError

SPLITS = ["train"] * 4 + ["validate"] * 2 + ["test"] * 2


def videos():
    return [
        {
            "id": n,
            "video_id": f"video{n}",
            "category": n,
            "url": f"https://www.youtube.com/watch?v=abc{n // 2}",
            "start time": 137.72,
            "end time": 149.44,
            "split": split,
        }
        for n, split in enumerate(SPLITS)
    ]


def content(splits):
    chosen = [video for video in videos() if video["split"] in splits]
    return {
        "info": {"version": "1.0"},
        "videos": chosen,
        "sentences": [
            {"sen_id": k, "video_id": video["video_id"], "caption": f"a man does {k}"}
            for video in chosen
            for k in range(20)
        ],
    }


def write(path, value):
    path.write_text(json.dumps(value))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "msrvtt"
    (folder / "TrainValVideo").mkdir(parents=True)
    (folder / "TrainValVideo/video0.mp4").touch()
    write(folder / "train_val_videodatainfo.json", content(["train", "validate"]))
    write(folder / "test_videodatainfo.json", content(["test"]))
    return folder


def remarks(folder):
    return " ".join(json.loads((folder / "corpus.json").read_text())["remarks"])


def test_clips_captions_and_categories(source, tmp_path):
    import_corpus("msrvtt", source, tmp_path / "a")
    clips = read_table(tmp_path / "a", "clips").set_index("clip")
    assert clips["split"].value_counts().to_dict() == {"train": 4, "val": 2, "test": 2}
    assert clips.loc["video5", "video"] == str(source / "TrainValVideo/video5.mp4")
    assert clips.loc["video6", "video"] == str(source / "TestVideo/video6.mp4")
    assert (
        clips.loc["video2", "group"] == clips.loc["video3", "group"] != clips.loc["video4", "group"]
    )
    captions = read_table(tmp_path / "a", "captions")
    assert len(captions) == 20 * len(SPLITS)
    assert captions["caption"].is_unique
    labels = read_table(tmp_path / "a", "labels").set_index("clip")
    assert labels.loc["video3", ["kind", "label"]].tolist() == ["category", "sports/actions"]
    assert "4 train clips, where MSR-VTT has 6513" in remarks(tmp_path / "a")
    assert "7 of 8 videos are not below" in remarks(tmp_path / "a")
    assert "more or fewer than 20" not in remarks(tmp_path / "a")


def test_the_clip_is_the_whole_file_whatever_its_times_on_youtube(source, tmp_path):
    import_corpus("msrvtt", source, tmp_path / "a")
    clips = read_table(tmp_path / "a", "clips")
    assert clips["start"].isna().all()
    assert clips["end"].isna().all()


def test_one_file_of_all_splits_will_do(source, tmp_path):
    import_corpus("msrvtt", source, tmp_path / "a")
    for path in source.glob("*.json"):
        path.unlink()
    write(source / "videodatainfo_2016.json", content(["train", "validate", "test"]))
    import_corpus("msrvtt", source, tmp_path / "b")
    for name in ("clips", "captions", "labels"):
        assert (tmp_path / f"a/{name}.csv").read_bytes() == (
            tmp_path / f"b/{name}.csv"
        ).read_bytes()


def test_what_is_missing_is_remarked(source, tmp_path):
    (source / "test_videodatainfo.json").unlink()
    cut = content(["train", "validate"])
    cut["sentences"] = cut["sentences"][:-1]
    cut["sentences"][0]["caption"] = " "
    write(source / "train_val_videodatainfo.json", cut)
    import_corpus("msrvtt", source, tmp_path / "a")
    assert "0 test clips, where MSR-VTT has 2990" in remarks(tmp_path / "a")
    assert "1 captions have no word in them and are left out" in remarks(tmp_path / "a")
    assert "2 clips have more or fewer than 20 captions (the first: video0, 19)" in remarks(
        tmp_path / "a"
    )


def change(key, place, **values):
    def apply(value):
        value[key][place].update(values)

    return apply


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (change("videos", 1, split="dev"), r"videos\[1\]: split 'dev' is not one of train, vali"),
        (change("videos", 1, video_id="video0"), r"videos\[1\]: video0 is given twice"),
        (change("videos", 1, url=None), r"videos\[1\]: has no 'url'"),
        (
            change("videos", 1, category=20),
            r"videos\[1\]: category 20 is not a number from 0 to 19",
        ),
        (change("sentences", 3, video_id="video99"), r"sentences\[3\]: 'video99' is not among"),
        (change("sentences", 3, caption=None), r"sentences\[3\]: has no 'caption'"),
        (lambda value: value.pop("sentences"), r"info\.json: has no list 'sentences'"),
        (lambda value: value["videos"].clear(), r"info\.json: the list 'videos' is empty"),
    ],
)
def test_a_wrong_entry_is_named(source, tmp_path, broken, message):
    value = content(["train", "validate"])
    broken(value)
    write(source / "train_val_videodatainfo.json", value)
    with pytest.raises(InputError, match=message):
        import_corpus("msrvtt", source, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("keep", [0, 100])
def test_a_cut_file_is_named(source, tmp_path, keep):
    path = source / "test_videodatainfo.json"
    path.write_text(path.read_text()[:keep])
    with pytest.raises(
        InputError, match=r"test_videodatainfo\.json: not JSON .*cut short"
    ) as error:
        import_corpus("msrvtt", source, tmp_path / "a")
    assert "\n" not in str(error.value)
