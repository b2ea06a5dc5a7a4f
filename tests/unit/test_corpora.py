"""The canonical form and its adapters, on good and on broken input."""

import json
import re
import shutil

import pandas as pd
import pytest

from seewhy.corpora.canonical import check_table, read_table, schema, table_parts, write_tables
from seewhy.corpora.importing import import_corpus, import_split
from seewhy.corpora.sources import SOURCES, source_files
from seewhy.corpora.ucf11 import ACTIONS, GROUPS, VIDEOS
from seewhy.errors import InputError

CLIPS = {"clip": ["a", "b"], "split": ["train", "test"], "video": ["a.mp4", "b.mp4"]}
SHARES = {"shares": {"train": 0.8, "val": 0.1, "test": 0.1}, "seed": 0}


def table(**columns):
    return pd.DataFrame({**CLIPS, **columns})


def test_tables_come_back_as_they_were_written(tmp_path):
    captions = pd.DataFrame(
        {"caption": ["1", "2"], "clip": ["a", "b"], "text": ["a null", "NA, or “é”"]}
    )
    write_tables(tmp_path, {"clips": table(start=[0.5, None]), "captions": captions})
    clips = read_table(tmp_path, "clips")
    assert clips["start"].tolist()[0] == 0.5
    assert clips["start"].isna().tolist() == [False, True]
    assert read_table(tmp_path, "captions")["text"].tolist() == ["a null", "NA, or “é”"]
    assert list(read_table(tmp_path, "segments").columns) == list(schema()["segments"]["columns"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": ["train", "dev"]}, r"column split, line 3: the value 'dev' is not one of train"),
        ({"clip": ["a", "a"]}, r"column clip, line 3: the value repeats an earlier row"),
        ({"video": ["a.mp4", None]}, r"column video, line 3: the value is empty"),
        ({"start": ["0", "soon"]}, r"column start, line 3: the value 'soon' is not a number"),
        ({"colour": ["red", "blue"]}, r"has an unknown column colour; the columns of clips are"),
    ],
)
def test_a_table_that_breaks_the_form_is_refused_in_one_line(columns, message):
    with pytest.raises(InputError, match=message) as error:
        check_table(table(**columns), "clips", where="clips.csv")
    assert "\n" not in str(error.value)


def test_a_table_in_parts_is_the_table_and_names_the_same_line(tmp_path):
    with pytest.raises(InputError, match=r"clips\.csv: no such file; run the rule import_corpus"):
        list(table_parts(tmp_path, "clips"))
    count = 7
    rows = [f"c{k},{'val' if k % 2 else 'train'},{k}.mp4,{k}" for k in range(count)]
    (tmp_path / "clips.csv").write_text("\n".join(["clip,split,video,start", *rows]) + "\n")
    parts = list(table_parts(tmp_path, "clips", rows=3))
    assert [len(part) for part in parts] == [3, 3, 1]
    pd.testing.assert_frame_equal(pd.concat(parts), read_table(tmp_path, "clips"))
    rows[5] = "c5,val,5.mp4,soon"
    (tmp_path / "clips.csv").write_text("\n".join(["clip,split,video,start", *rows]) + "\n")
    for read in (read_table, lambda *given: list(table_parts(*given, rows=3))):
        with pytest.raises(InputError, match="column start, line 7: the value 'soon' is not a num"):
            read(tmp_path, "clips")


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="has no column video"):
        check_table(table().drop(columns="video"), "clips", where="clips.csv")


def test_truth_values_and_whole_numbers_are_read_strictly():
    caption = {"caption": ["1"], "clip": ["a"], "text": ["x"]}
    good = check_table(pd.DataFrame({**caption, "correct": ["False"]}), "captions", where="x")
    assert not good["correct"][0]
    with pytest.raises(InputError, match="'maybe' is not true or false"):
        check_table(pd.DataFrame({**caption, "correct": ["maybe"]}), "captions", where="x")
    phrase = {"caption": ["1"], "first": ["1.5"], "last": ["2"], "kind": ["stuff"]}
    with pytest.raises(InputError, match=r"column first, line 2: the value '1.5' is not a whole"):
        check_table(pd.DataFrame({**phrase, "refers_to": ["sky"]}), "phrases", where="x")


def test_a_caption_of_no_clip_is_refused_and_nothing_is_written(tmp_path):
    captions = pd.DataFrame({"caption": ["1"], "clip": ["zebra"], "text": ["x"]})
    with pytest.raises(InputError, match="'zebra' is not in the table clips"):
        write_tables(tmp_path, {"clips": table(), "captions": captions})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_csv_is_refused(tmp_path):
    (tmp_path / "clips.csv").write_bytes(b'clip,split,video\n"a,b\xff\xfe\x00')
    with pytest.raises(InputError, match=r"clips\.csv: line 2: the byte 0xff is not UTF-8"):
        read_table(tmp_path, "clips")


# --- folder ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "own"
    (source / "more").mkdir(parents=True)
    for name in ("one.mp4", "two.avi", "three.mkv", "more/four.mp4", "five.mp4"):
        (source / name).write_bytes(b"")
    return source


def captions_csv(folder, text):
    (folder / "captions.csv").write_text(text)


def test_a_folder_without_splits_is_dealt_out(folder, tmp_path):
    rows = ["one.mp4,a dog", "one.mp4,the dog", "two.avi,a cat", "three.mkv,it", "more/four.mp4,x"]
    captions_csv(folder, "video,caption\n" + "\n".join(rows))
    import_corpus("folder", folder, tmp_path / "a", **SHARES)
    import_corpus("folder", folder, tmp_path / "b", **SHARES)
    clips = read_table(tmp_path / "a", "clips")
    assert sorted(clips["split"]) == ["test", "train", "train", "val"]
    assert (tmp_path / "a/clips.csv").read_bytes() == (tmp_path / "b/clips.csv").read_bytes()
    assert clips["video"].tolist()[-1] == str(folder / "more/four.mp4")
    assert "1 videos are not in captions.csv" in (tmp_path / "a/corpus.json").read_text()
    assert len(read_table(tmp_path / "a", "captions")) == 5


def test_a_group_stays_together(folder, tmp_path):
    names = [f"v{i}.mp4" for i in range(30)]
    rows = [f"{name},x,g{i % 10}" for i, name in enumerate(names)]
    captions_csv(folder, "video,caption,group\n" + "\n".join(rows))
    import_corpus("folder", folder, tmp_path / "a", **SHARES)
    clips = read_table(tmp_path / "a", "clips")
    assert (clips.groupby("group")["split"].nunique() == 1).all()
    assert set(clips["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("film,caption\na.mp4,x\n", r"has no column video and has an unknown column film"),
        ("video,caption,split\na.mp4,x,dev\n", r"column split, line 2: 'dev' is not one of train"),
        ("video,caption,split\na.mp4,x,val\na.mp4,y,test\n", r"a\.mp4 is in two splits"),
        ("video,caption,split\na.mp4,x,train\nb.mp4,y,val\n", r"no video is in split test"),
        ("video,caption\na.mp4,x\nb.mp4,y\n", r"cannot fill train, val and test"),
        (
            "video,caption,split\na.mp4,,train\nb.mp4,y,val\nc.mp4,z,test\n",
            r"a\.mp4 is in split train but has no caption",
        ),
        ("video,caption\n,x\n", r"line 2: no video"),
        ("", r"captions\.csv: is empty; it needs a first line"),
    ],
)
def test_a_wrong_captions_file_is_refused(folder, tmp_path, text, message):
    captions_csv(folder, text)
    with pytest.raises(InputError, match=message):
        import_corpus("folder", folder, tmp_path / "a", **SHARES)
    assert not (tmp_path / "a").exists()


def test_a_video_may_come_without_caption_to_be_captioned(folder, tmp_path):
    rows = "one.mp4,a dog,train\ntwo.avi,a cat,val\nthree.mkv,,test\n"
    captions_csv(folder, "video,caption,split\n" + rows)
    import_corpus("folder", folder, tmp_path / "a", **SHARES)
    assert read_table(tmp_path / "a", "captions")["clip"].tolist() == ["one.mp4", "two.avi"]


# --- msvd -----------------------------------------------------------------------------------------


@pytest.fixture
def msvd(tmp_path):
    """MSVD's layout with made-up captions, all 1,970 clips."""
    source = tmp_path / "msvd"
    (source / "YouTubeClips").mkdir(parents=True)
    lines = [f"-a_b{n // 3}_{n}_{n + 9} vid{n}" for n in range(1, 1971)]
    (source / "youtube_mapping.txt").write_text("\n".join(lines))
    for split, first, last in (("train", 1, 1200), ("val", 1201, 1300), ("test", 1301, 1970)):
        rows = [f"vid{n}\ta man does {k}" for n in range(first, last + 1) for k in (1, 2)]
        (source / f"sents_{split}_lc_nopunc.txt").write_text("\n".join(rows) + "\n")
    (source / "YouTubeClips/-a_b0_1_10.avi").write_bytes(b"")
    return source


def test_msvd_has_its_splits_groups_and_paths(msvd, tmp_path):
    import_corpus("msvd", msvd, tmp_path / "a")
    clips = read_table(tmp_path / "a", "clips").set_index("clip")
    assert clips["split"].value_counts().to_dict() == {"train": 1200, "test": 670, "val": 100}
    assert clips.loc["vid1200", "split"] == "train"
    assert clips.loc["vid1201", "split"] == "val"
    assert clips.loc["vid1301", "split"] == "test"
    assert clips.loc["vid1", "video"] == str(msvd / "YouTubeClips/-a_b0_1_10.avi")
    assert clips.loc["vid4", "group"] == clips.loc["vid5", "group"] == "-a_b1"
    assert len(read_table(tmp_path / "a", "captions")) == 2 * 1970
    assert "1969 of 1970 videos are not below" in (tmp_path / "a/corpus.json").read_text()


def test_all_video_descriptions_will_do(msvd, tmp_path):
    import_corpus("msvd", msvd, tmp_path / "a")
    for file in msvd.glob("sents_*"):
        file.unlink()
    rows = ["# a notice", ""]
    rows += [f"-a_b{n // 3}_{n}_{n + 9} a man does {k}" for n in range(1, 1971) for k in (1, 2)]
    (msvd / "AllVideoDescriptions.txt").write_text("\n".join(rows))
    import_corpus("msvd", msvd, tmp_path / "b")
    assert (tmp_path / "a/captions.csv").read_bytes() == (tmp_path / "b/captions.csv").read_bytes()


def test_missing_captions_are_remarked_and_the_rest_is_used(msvd, tmp_path):
    file = msvd / "sents_test_lc_nopunc.txt"
    content = file.read_text()
    file.unlink()
    import_corpus("msvd", msvd, tmp_path / "a")
    assert "no captions of the test split; get" in (tmp_path / "a/corpus.json").read_text()
    file.write_text(content[: len(content) // 2].rsplit("\n", 1)[0] + "\n")
    train = msvd / "sents_train_lc_nopunc.txt"
    train.write_text("".join(line for line in train.open() if not line.startswith("vid7\t")))
    import_corpus("msvd", msvd, tmp_path / "b")
    remarks = " ".join(json.loads((tmp_path / "b/corpus.json").read_text())["remarks"])
    assert "1 of 1200 train clips have no caption (vid7 is the first" in remarks
    assert re.search(r"\d+ of 670 test clips have no caption .* may be cut short", remarks)
    clips = read_table(tmp_path / "b", "clips")
    assert clips["split"].value_counts().to_dict() == {"train": 1199, "test": 670, "val": 100}
    assert "vid7" not in set(clips["clip"])  # nothing to learn from; a test clip is captioned only


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("youtube_mapping.txt", "rubbish", r"youtube_mapping\.txt: line \d+: 'rubbish' is not"),
        ("sents_val_lc_nopunc.txt", "vid9999\tx", r"sents_val_lc_nopunc\.txt: line 201: 'vid9999"),
        ("sents_val_lc_nopunc.txt", "vid7 no tab", r"a tab and a caption"),
    ],
)
def test_a_malformed_line_is_named(msvd, tmp_path, name, line, message):
    file = msvd / name
    file.write_text(file.read_text().rstrip("\n") + "\n" + line + "\n")
    with pytest.raises(InputError, match=message):
        import_corpus("msvd", msvd, tmp_path / "a")


def test_a_mapping_cut_short_is_refused(msvd, tmp_path):
    lines = (msvd / "youtube_mapping.txt").read_text().splitlines()
    (msvd / "youtube_mapping.txt").write_text("\n".join(lines[:1000]))
    with pytest.raises(InputError, match="names 1000 clips, not the 1970"):
        import_corpus("msvd", msvd, tmp_path / "a")


# --- ucf11 ----------------------------------------------------------------------------------------

UCF11_STEMS = {"basketball": "shooting", "tennis_swing": "tennis", "walking": "walk_dog"}


@pytest.fixture
def ucf11(tmp_path):
    """UCF11's layout with empty files: 11 actions of 25 groups, 1,600 videos in all."""
    source = tmp_path / "UCF11_updated_mpg"
    for action in ACTIONS:
        stem = UCF11_STEMS.get(action, action)
        (source / action / "Annotation" / f"v_{stem}_01").mkdir(parents=True)
        (source / action / "Annotation" / f"v_{stem}_01/v_{stem}_01_01.mpg").touch()
        for group in range(1, GROUPS + 1):
            folder = source / action / f"v_{stem}_{group:02d}"
            folder.mkdir()
            for number in range(1, 7):
                (folder / f"{folder.name}_{number:02d}.mpg").touch()
    files = sorted(source.glob("*/v_*/*_06.mpg"))
    for file in files[VIDEOS - 6 * GROUPS * len(ACTIONS) :]:
        file.unlink()
    return source


def imported(source, folder, split="random", seed=0):
    import_corpus("ucf11", source, folder, split=split, seed=seed)
    labels = read_table(folder, "labels").set_index("clip")["label"]
    return read_table(folder, "clips").assign(action=lambda clips: clips["clip"].map(labels))


def test_ucf11_at_random_is_the_papers_half_and_half(ucf11, tmp_path):
    clips = imported(ucf11, tmp_path / "a")
    assert clips["split"].value_counts().to_dict() == {"test": 800, "train": 640, "val": 160}
    assert set(clips["action"]) == set(ACTIONS)
    shooting = clips[clips["video"].str.endswith("v_shooting_07_03.mpg")].iloc[0]
    assert (shooting["action"], shooting["group"]) == ("basketball", "basketball 07")
    assert not clips["video"].str.contains("Annotation").any()
    assert '"remarks": []' in (tmp_path / "a/corpus.json").read_text()
    parted = clips[clips["split"] != "val"].groupby("group")["split"].nunique()
    assert (parted == 2).mean() > 0.5  # near doubles on both sides: hence the other split
    again, other = imported(ucf11, tmp_path / "b"), imported(ucf11, tmp_path / "c", seed=1)
    pd.testing.assert_frame_equal(clips, again)
    assert (clips["split"] != other["split"]).any()


def test_ucf11_by_groups_parts_no_group_and_leaves_every_action_everywhere(ucf11, tmp_path):
    clips = imported(ucf11, tmp_path / "a", split="group")
    assert (clips.groupby("group")["split"].nunique() == 1).all()
    assert (clips.groupby("action")["split"].nunique() == 3).all()
    shares = clips["split"].value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"test": 0.5, "train": 0.4, "val": 0.1}, abs=0.02)


def test_other_endings_are_read_and_what_is_missing_or_misplaced_is_remarked(ucf11, tmp_path):
    folder = ucf11 / "biking/v_biking_01"
    first, second, third, *_ = sorted(folder.iterdir())
    first.rename(first.with_suffix(".MPG"))
    second.rename(second.with_suffix(".avi"))
    third.rename(ucf11 / "biking" / third.name)
    (folder / "._v_biking_01_01.mpg").touch()
    (folder / "Thumbs.db").touch()
    shutil.rmtree(ucf11 / "walking")
    shutil.rmtree(ucf11 / "diving/v_diving_25")
    clips = imported(ucf11, tmp_path / "a")
    names = set(clips["video"].str.rsplit("/", n=1).str[1])
    assert {"v_biking_01_01.MPG", "v_biking_01_02.avi"} <= names
    assert not names & {"v_biking_01_03.mpg", "._v_biking_01_01.mpg", "Thumbs.db"}
    remarks = " ".join(json.loads((tmp_path / "a/corpus.json").read_text())["remarks"])
    for remark in (
        "walking: 0 groups, where UCF11 has 25",
        f"{len(clips)} videos, where UCF11 has 1600: results are",
        "diving: 24 groups, where UCF11 has 25",
        f"1 videos are in no group folder such as v_shooting_01 and are left out (the first: "
        f"{ucf11}/biking/v_biking_01_03.mpg)",
    ):
        assert remark in remarks


def test_too_little_of_ucf11_is_refused(ucf11, tmp_path):
    for action in ACTIONS[1:]:
        shutil.rmtree(ucf11 / action)
    for group in range(4, GROUPS + 1):
        shutil.rmtree(ucf11 / f"basketball/v_shooting_{group:02d}")
    with pytest.raises(InputError, match="3 groups cannot fill train, val and test; get UCF11"):
        imported(ucf11, tmp_path / "a", split="group")
    with pytest.raises(InputError, match=r"transfer\.ucf11\.split: 'half' is not one of random"):
        imported(ucf11, tmp_path / "a", split="half")
    shutil.rmtree(ucf11 / "basketball")
    with pytest.raises(InputError, match=r"no basketball in .*; get UCF11"):
        imported(ucf11, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_corpus_says_where_to_get_it(name, tmp_path):
    with pytest.raises(InputError, match=r"corpus\.source: no folder .*nowhere; "):
        source_files(name, tmp_path / "nowhere")
    about = SOURCES[name]
    first = (*about.needed, *about.folders, *about.one_of)[0]
    with pytest.raises(InputError, match=rf"transfer\.corpus\.source: no {first} (\(.*\) )?in"):
        source_files(name, tmp_path, key="transfer.corpus.source")


def test_a_split_by_itself_has_the_rows_of_the_whole(tmp_path):
    """And they stay the same bytes while only rows of other splits change."""
    rows = ["video,caption,split", "a.mp4,one,train", "b.mp4,two,val", "c.mp4,three,test"]
    table = tmp_path / "captions.csv"

    def read(rows):
        table.write_text("\n".join([*rows, "a.mp4,another,train", ""]))
        import_corpus("folder", tmp_path, tmp_path / "whole", **SHARES)
        found = {}
        for split in ("train", "val", "test"):
            import_split("folder", tmp_path, tmp_path / split, split=split, **SHARES)
            found[split] = [
                (tmp_path / split / f"{name}.csv").read_bytes() for name in ("clips", "captions")
            ]
        whole = [(tmp_path / "whole" / f"{n}.csv").read_bytes() for n in ("clips", "captions")]
        for k in range(2):
            lines = [line for split in found.values() for line in split[k].splitlines()[1:]]
            assert sorted(lines) == sorted(whole[k].splitlines()[1:])
        return found

    before = read(rows)
    after = read([*rows, "d.mp4,,test"])
    assert after["train"] == before["train"]
    assert after["val"] == before["val"]
    assert after["test"] != before["test"]
