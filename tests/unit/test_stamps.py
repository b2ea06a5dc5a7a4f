"""Stamps change with what a rule reads, and with nothing else."""

import json
import os
import shutil
import time

import pytest

from seewhy import stamps
from seewhy.corpora.sources import VIDEO_EXTENSIONS, unlisted
from seewhy.stamps import (
    files_below,
    stamp_concepts,
    stamp_contents,
    stamp_corpus,
    stamp_listed,
    stamp_module,
    stamp_names,
    stamp_rows,
    stamp_sizes,
)

OLD = 1_000_000_000


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """As in another process, which has read nothing yet."""
    monkeypatch.setattr(stamps, "_READ", {})
    stamps._stamp_corpus.cache_clear()


def aged(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


def test_content_is_what_counts_of_a_table(tmp_path):
    path = aged(tmp_path / "captions.csv", b"video,caption\na,b\n")
    before = stamp_contents([path], cache=None)
    assert before.startswith("1 files, ")
    os.utime(path)
    assert stamp_contents([path], cache=None) == before
    aged(path, b"video,caption\na,c\n")  # the same size, the time from before
    assert stamp_contents([path], cache=None) != before
    path.unlink()
    gone = stamp_contents([path], cache=None)
    path.symlink_to("/nowhere")
    assert stamp_contents([path], cache=None) == gone != before


def test_a_folder_counts_with_all_files_below_it(tmp_path):
    aged(tmp_path / "sentences/1.txt", b"one")
    aged(tmp_path / "nas/2.txt", b"two")
    (tmp_path / "sentences/more").symlink_to(tmp_path / "nas")
    (tmp_path / "sentences/round").symlink_to(tmp_path / "sentences")  # in a circle
    assert [name.rsplit("/", 1)[1] for name in files_below(tmp_path / "sentences")] == [
        "1.txt",
        "2.txt",
    ]
    before = stamp_contents([tmp_path / "sentences"], cache=None)
    aged(tmp_path / "nas/2.txt", b"TWO")
    assert stamp_contents([tmp_path / "sentences"], cache=None) != before


def test_a_pipe_is_no_file_and_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "captions.csv")
    assert stamp_contents([tmp_path / "captions.csv"], cache=None).startswith("1 files")


def test_large_files_are_read_once_while_nothing_about_them_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps, "_SMALL", 10)
    cache, path = tmp_path / "cache.json", aged(tmp_path / "vgg.pth", b"weights " * 10)
    reads, usual = [], stamps._digest_contents
    monkeypatch.setattr(stamps, "_digest_contents", lambda *g: reads.append(1) or usual(*g))
    later = time.time() + 10

    def stamp():
        monkeypatch.setattr(stamps, "_READ", {})
        return stamp_contents([path], cache=cache)

    first = stamp()
    assert stamp() == first
    assert len(reads) == 2  # so young that it may be written again and look the same
    assert not cache.exists()
    monkeypatch.setattr(stamps.time, "time", lambda: later)
    assert [stamp(), stamp(), stamp()] == [first] * 3
    assert len(reads) == 3
    # In place, with size and time set back: the system's own time of the entry tells.
    aged(path, b"WEIGHTS " * 10)
    assert stamp() != first
    # A file that was moved here, as old and as large.
    other = aged(tmp_path / "other.pth", b"weights " * 10)
    os.replace(other, path)
    assert stamp() == first
    cache.write_text("damaged")
    assert stamp() == first
    assert isinstance(json.loads(cache.read_text()), dict)


@pytest.mark.parametrize("slow", [0, 1])
def test_videos_count_by_path_size_and_time(tmp_path, monkeypatch, slow):
    monkeypatch.setattr(stamps, "_SLOW", slow)
    one = aged(tmp_path / "one.mp4", b"one")
    before = stamp_sizes([one])
    assert stamp_sizes([one, tmp_path / "gone.mp4"]) != before
    for change in (lambda: aged(one, b"more"), lambda: os.utime(one, (1, 1)), one.unlink):
        change()
        assert stamp_sizes([one]) != before
        aged(one, b"one")
        assert stamp_sizes([one]) == before
    many = [tmp_path / f"{k}.mp4" for k in range(3000)]
    assert stamp_sizes(many) == stamp_sizes(many)
    assert stamp_sizes(many).startswith("3000 files")


def test_of_a_corpus_those_of_the_split_are_looked_at(tmp_path):
    clips = tmp_path / "clips.csv"
    rows = [f"{name},{split},{tmp_path / name}" for name, split in (("a", "train"), ("b", "test"))]
    clips.write_text("\n".join(["clip,split,video", *rows]))
    before = {split: stamp_corpus(clips, split) for split in ("train", "test")}
    aged(tmp_path / "b", b"b")
    stamps._stamp_corpus.cache_clear()  # one plan asks once
    assert stamp_corpus(clips, "train") == before["train"]
    assert stamp_corpus(clips, "test") != before["test"]
    assert stamp_corpus(tmp_path / "no.csv", "train").startswith("0 files")


def test_a_concept_set_counts_with_every_mask(tmp_path):
    aged(
        tmp_path / "index.csv", b"image,split,ih,iw,sh,sw,color,scene\na.png,t,4,4,4,4,x;y.png,3\n"
    )
    aged(tmp_path / "label.csv", b"number,name,category\n")
    for name in ("a.png", "x", "y.png"):
        aged(tmp_path / "images" / name, b"picture")
    before = stamp_concepts(tmp_path)
    assert before.endswith("; 3 files, " + before[-16:])
    aged(tmp_path / "images/unlisted.png", b"picture")
    assert stamp_concepts(tmp_path) == before
    for name in ("label.csv", "images/a.png", "images/x", "images/y.png"):
        content = (tmp_path / name).read_bytes()
        aged(tmp_path / name, content + b"1,red,color\n")
        assert stamp_concepts(tmp_path) != before, name
        aged(tmp_path / name, content)
    assert stamp_concepts(tmp_path) == before


def test_listed_images_count(tmp_path):
    aged(tmp_path / "sizes.csv", b"image,width\na.png,4\n")
    aged(tmp_path / "images/a.png", b"a")
    before = stamp_listed(tmp_path / "sizes.csv", tmp_path / "images", "image")
    aged(tmp_path / "images/b.png", b"b")
    assert stamp_listed(tmp_path / "sizes.csv", tmp_path / "images", "image") == before
    aged(tmp_path / "images/a.png", b"aa")
    assert stamp_listed(tmp_path / "sizes.csv", tmp_path / "images", "image") != before


MODULES = {
    "nets/__init__.py": "",
    "nets/deep/__init__.py": "from . import build",
    "nets/deep/build.py": "import os\nfrom ..parts import *\n\ndef make():\n    import alone\n",
    "nets/parts.py": "import json",
    "alone.py": "",
    "nets/unused.py": "",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_counts_with_what_it_imports_from_beside_it(tmp_path, name):
    for path, text in MODULES.items():
        aged(tmp_path / path, text.encode())
    search = [str(tmp_path / "elsewhere"), str(tmp_path)]
    before = stamp_module("nets.deep.build:make", search)
    assert before.startswith("5 files")
    aged(tmp_path / name, MODULES[name].encode() + b"\n# edited\n")
    assert (stamp_module("nets.deep.build:make", search) == before) == name.endswith("unused.py")
    before = stamp_module("nets.deep.build:make", search)
    tmp_path.joinpath("elsewhere").mkdir()
    for path in ("nets", "alone.py"):
        shutil.move(tmp_path / path, tmp_path / "elsewhere" / path)
    assert stamp_module("nets.deep.build:make", search) == before  # wherever it lies
    assert stamp_module("nothing:make", search) == stamp_module("", search)


def test_rows_of_other_splits_do_not_count(tmp_path):
    path = tmp_path / "captions.csv"

    def of(text):
        path.write_text(text, encoding="utf-8")
        return [stamp_rows(path, split, ["train", "val", "test"]) for split in ("train", "test")]

    text = 'video,caption,split\na,"one, and\nmore",train\nb,two,test\n'
    before = of(text)
    assert before[0].startswith("1 rows")
    assert of("\ufeff" + text) == before
    train, test = of(text + "c,three,test\n")
    assert (train == before[0], test == before[1]) == (True, False)
    assert of(text.replace("two", "2"))[0] == before[0]
    assert of(text.replace("one", "1"))[0] != before[0]
    for odd in (text + "d,four\n", text + "d,four,tset\n", text.replace(",split", ",group"), "\n"):
        whole = of(odd)
        assert whole[0] == whole[1]
        assert whole[0].startswith("1 files")
    path.write_bytes(text.encode() + b"\xff,x,test\n")
    assert stamp_rows(path, "train", ["train", "test"]).startswith("1 files")


def test_names_count_where_no_table_lists_them(tmp_path):
    aged(tmp_path / "walk/a.GIF", b"a")
    before = stamp_names(tmp_path, VIDEO_EXTENSIONS)
    aged(tmp_path / "walk/a.GIF", b"another")
    aged(tmp_path / "walk/notes.txt", b"")
    assert stamp_names(tmp_path, VIDEO_EXTENSIONS) == before
    aged(tmp_path / "walk/b.ts", b"")
    assert stamp_names(tmp_path, VIDEO_EXTENSIONS) != before


def test_unlisted_videos_are_told_of_any_kind_and_behind_links(tmp_path):
    aged(tmp_path / "nas/a.wmv", b"")
    aged(tmp_path / "own/b.gif", b"")
    (tmp_path / "own/cam").symlink_to(tmp_path / "nas")
    (tmp_path / "own/gone.mp4").symlink_to("/nowhere")
    found = unlisted(tmp_path / "own", VIDEO_EXTENSIONS, {"gone.mp4"})
    assert found == ["b.gif", "cam/a.wmv"]


def test_a_link_that_dangles_is_another_name_once_its_file_is_there(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/a.avi").symlink_to(tmp_path / "elsewhere.avi")
    before = stamp_names(tmp_path / "corpus", VIDEO_EXTENSIONS)
    aged(tmp_path / "elsewhere.avi", b"video")
    assert stamp_names(tmp_path / "corpus", VIDEO_EXTENSIONS) != before


@pytest.mark.parametrize(
    "stamped",
    [
        lambda folder: stamp_contents([folder / "index.csv"]),
        lambda folder: stamp_rows(folder / "index.csv", "test", ["train", "test"]),
        lambda folder: stamp_listed(folder / "index.csv", folder, "image"),
        lambda folder: stamp_corpus(folder / "index.csv", "test"),
        stamp_concepts,
        lambda folder: stamp_module("index", [str(folder)]),
    ],
)
def test_a_pipe_or_a_device_instead_of_a_table_is_not_opened(stamped, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.open", lambda path, *_, **__: pytest.fail(f"opened {path}"))
    os.mkfifo(tmp_path / "index.csv")
    os.mkfifo(tmp_path / "index.py")
    assert stamped(tmp_path)
    (tmp_path / "index.csv").unlink()
    (tmp_path / "index.csv").symlink_to("/dev/zero")
    assert stamped(tmp_path)
