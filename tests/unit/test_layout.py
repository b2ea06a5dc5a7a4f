"""Every video adapter on tiny sets in their real layouts and in those of copies."""

import json
from pathlib import Path

import pandas as pd
import pytest
from layouts import LAYOUTS, SETTINGS, msrvtt, msvd, thumos14, ucf101, write, write_video

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.layout import DEPTH, Tree, locate
from seewhy.corpora.sources import source_files
from seewhy.errors import InputError

CASES = [(name, layout) for name, layouts in LAYOUTS.items() for layout in layouts]
TABLES = ("captions", "labels", "segments", "instances", "phrases")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Each data set in its own layout, imported."""
    made = {}
    for name, layouts in LAYOUTS.items():
        folder = tmp_path_factory.mktemp(name)
        next(iter(layouts.values()))(folder / "source")
        import_corpus(name, folder / "source", folder / "corpus", **SETTINGS.get(name, {}))
        made[name] = folder / "corpus"
    return made


def clips_of(corpus):
    """Clips with the names of their videos; those that are not there are marked."""
    clips = read_table(corpus, "clips")
    return clips.assign(there=[Path(path).exists() for path in clips["video"]])


def remarks(corpus):
    return " ".join(json.loads((corpus / "corpus.json").read_text())["remarks"])


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_a_copy_in_another_layout_is_the_same_corpus(name, layout, own, tmp_path):
    LAYOUTS[name][layout](tmp_path / "source")
    assert bool(source_files(name, tmp_path / "source")) == (name != "ucf11")  # no file of its own
    import_corpus(name, tmp_path / "source", tmp_path / "corpus", **SETTINGS.get(name, {}))
    clips, expected = clips_of(tmp_path / "corpus"), clips_of(own[name])
    assert clips["there"].any()
    assert clips["there"].tolist() == expected["there"].tolist()
    if layout == "avi":  # the name of a clip has its ending
        assert len(clips) == len(expected)
        return
    if layout == "dealt out":
        assert set(clips["clip"]) == set(expected["clip"])
        assert set(clips["split"]) == {"train", "val", "test"}
        return
    assert clips["clip"].tolist() == expected["clip"].tolist()
    assert clips["split"].tolist() == expected["split"].tolist()
    for table in TABLES:
        if not (name == "msrvtt" and table == "labels" and "Frozen" in layout):
            mine, theirs = (
                read_table(folder, table) for folder in (tmp_path / "corpus", own[name])
            )
            pd.testing.assert_frame_equal(mine, theirs)


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "folder"])
def test_what_is_looked_for_and_where_is_told(name, tmp_path):
    (tmp_path / "source/sub").mkdir(parents=True)
    write_video(tmp_path / "source/sub/unrelated.mp4")
    with pytest.raises(InputError, match=r"no \S+ .*in \S+/source and the folders below; ") as said:
        source_files(name, tmp_path / "source")
    assert "\n" not in str(said.value)


def test_a_folder_named_one_too_deep_is_told(tmp_path):
    msvd(tmp_path / "msvd")
    with pytest.raises(InputError, match=r"it lies in \S+/msvd: name that folder instead"):
        source_files("msvd", tmp_path / "msvd/YouTubeClips")


def test_msrvtt_takes_its_split_from_the_lists_or_the_numbers(tmp_path):
    own = {"train": ["video0", "video7010"], "val": ["video6513"], "test": ["video1"]}
    msrvtt(tmp_path / "a", form="frozen", videos="videos/all/{}.mp4", lists=own)
    import_corpus("msrvtt", tmp_path / "a", tmp_path / "corpus")
    split = read_table(tmp_path / "corpus", "clips").set_index("clip")["split"]
    assert split[["video7010", "video1", "video2", "video7011"]].tolist() == [
        *("train", "test", "train", "test")  # the last two are in no list
    ]
    assert "put 2 clips into another split than the data set's own" in remarks(tmp_path / "corpus")
    assert "not tell the categories" in remarks(tmp_path / "corpus")
    write(tmp_path / "a/high-quality/structured-symlinks/val_list_full.txt", "video0\n")
    with pytest.raises(InputError, match=r"val_list_full\.txt: line 1: video0 is also in the list"):
        import_corpus("msrvtt", tmp_path / "a", tmp_path / "b")


def test_a_clip_of_msrvtt_without_number_or_list_is_refused(tmp_path):
    content = {"annotations": [{"image_id": "clip7", "caption": "a man"}]}
    write(tmp_path / "a/MSR_VTT.json", json.dumps(content))
    with pytest.raises(InputError, match=r"'clip7' is none of video0 to video9999, and no train_l"):
        import_corpus("msrvtt", tmp_path / "a", tmp_path / "b")


def test_pickled_captions_are_not_read_and_that_is_said(tmp_path):
    msvd(tmp_path / "a")
    for path in (tmp_path / "a").glob("sents_*"):
        path.unlink()
    (tmp_path / "a/raw-captions.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"neither AllVideo.* nor sents_.*pickle, which could run"):
        import_corpus("msvd", tmp_path / "a", tmp_path / "b")


def test_missing_videos_are_counted_and_the_first_is_named_with_its_place(tmp_path):
    thumos14(tmp_path / "a")
    (tmp_path / "a/test/video_test_0000051.mp4").unlink()
    import_corpus("thumos14", tmp_path / "a", tmp_path / "b", **SETTINGS["thumos14"])
    assert "1 of 8 videos are not below" in remarks(tmp_path / "b")
    assert "(the first: test/video_test_0000051.mp4, looked for" in remarks(tmp_path / "b")
    assert json.loads((tmp_path / "b/corpus.json").read_text())["videos"] == 7


def test_a_video_that_is_there_twice_is_told(tmp_path):
    ucf101(tmp_path / "a")
    name = "Skijet/v_Skijet_g01_c01.avi"
    write(tmp_path / "a/resized" / name, "another")
    import_corpus("ucf101", tmp_path / "a", tmp_path / "b", **SETTINGS["ucf101"])
    video = read_table(tmp_path / "b", "clips").set_index("clip")["video"]
    assert video["v_Skijet_g01_c01"] == str(tmp_path / "a/UCF-101" / name)
    assert f"UCF-101/{name} is used, not resized/{name}" in remarks(tmp_path / "b")


def test_the_nearest_file_comes_first_and_hidden_ones_never(tmp_path):
    for path in ("b/deep/x.txt", "a/x.txt", "c/x.txt", ".git/x.txt", "__MACOSX/x.txt", "._x.txt"):
        write(tmp_path / path, "")
    tree = Tree(tmp_path)
    assert tree.all("x.txt") == [tmp_path / p for p in ("a/x.txt", "c/x.txt", "b/deep/x.txt")]
    assert tree.find("deep/x.txt") == tmp_path / "b/deep/x.txt"
    write(tmp_path / "x.txt", "")
    assert Tree(tmp_path).find("x.txt") == tmp_path / "x.txt"
    assert tree.find("eep/x.txt") is None  # the end of a path, not of a name


def test_a_loop_of_links_and_a_deep_folder_end(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    deep = "/".join(["d"] * (DEPTH + 3))
    write(tmp_path / deep / "far.txt", "")
    (tmp_path / "a/dangling.txt").symlink_to(tmp_path / "nowhere")
    tree = Tree(tmp_path)
    assert tree.find("far.txt") is None
    found = locate(tree, {"one": "a/dangling.txt"}, endings=(), remedy="get it")
    assert found == {"one": str(tmp_path / "a/dangling.txt")}
    assert (found.present, len(found.remarks)) == (0, 1)
