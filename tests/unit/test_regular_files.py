"""A named pipe in the place of a user's file is told at once: nothing waits for its other end."""

import os
import signal

import pytest

from seewhy.backbones.weights import check_hash, read_weights
from seewhy.captioning.checkpoint import load_captioner
from seewhy.captioning.correcting import read_corrections
from seewhy.captioning.predictions import read_records
from seewhy.corpora.canonical import read_csv, read_table, table_parts
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.sources import source_files
from seewhy.dissection.concepts import ConceptSet, read_picture
from seewhy.errors import InputError
from seewhy.files import open_hdf5, read_json
from seewhy.regular_files import check_regular, check_tree, read_bytes
from seewhy.video import read_clip
from seewhy.video.decoding import VideoProblem
from seewhy.yaml_files import read_settings, read_yaml

READERS = {
    "settings": read_settings,
    "corrections": read_corrections,
    "yaml": read_yaml,
    "csv": read_csv,
    "json": read_json,
    "hdf5": lambda path: open_hdf5(path).__enter__(),
    "weights": read_weights,
    "hash": lambda path: check_hash(path, None),
    "captioner": load_captioner,
    "captions": read_records,
    "picture": read_picture,
    "video": lambda path: read_clip(path, n=2, size=8, fit="squash"),
}


@pytest.fixture(autouse=True)
def in_time():
    """A reader that waits for the pipe's other end is broken off."""

    def late(*_):
        raise AssertionError("waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe", "link to a device"])
def test_every_reader_refuses_what_is_no_file(reader, kind, tmp_path):
    path, pipe = tmp_path / "given", tmp_path / "pipe"
    os.mkfifo(pipe)
    if kind == "pipe":
        path = pipe
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(pipe if kind.endswith("pipe") else "/dev/zero")
    with pytest.raises((InputError, VideoProblem), match=r"is a |no such file of w"):
        READERS[reader](path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (f"{name}.csv", f"{name}.csv: is a named pipe")
            for name in ("index", "label", "category")
        ),
        (
            "images/a.png",
            r"none of the 1 images can be used: .* a\.png \(unreadable: is a named pi",
        ),
    ],
)
def test_a_concept_set_with_a_pipe_is_refused(name, message, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "index.csv").write_text("image,ih,iw,sh,sw,object\na.png,4,4,4,4,1\n")
    (tmp_path / "label.csv").write_text("number,name,category\n1,cat,object(1)\n")
    (tmp_path / "category.csv").write_text("name\nobject\n")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=message):
        ConceptSet(tmp_path).image(0)


def test_a_corpus_with_a_pipe_is_refused_and_one_in_a_video_s_place_is_left_to_decoding(tmp_path):
    source = tmp_path / "videos"
    source.mkdir()
    (source / "captions.csv").write_text(
        "video,caption,split\n" + "".join(f"{s}.mp4,a cat,{s}\n" for s in ("train", "val", "test"))
    )
    os.mkfifo(source / "train.mp4")
    settings = {"shares": {"train": 1, "val": 1, "test": 1}, "seed": 0}
    import_corpus("folder", source, tmp_path / "corpus", **settings)
    assert len(read_table(tmp_path / "corpus", "clips")) == 3
    (source / "sub").mkdir()
    os.mkfifo(source / "sub" / "notes.txt")
    with pytest.raises(InputError, match=r"notes\.txt: is a named pipe"):
        import_corpus("folder", source, tmp_path / "corpus", **settings)
    (source / "captions.csv").unlink()
    os.mkfifo(source / "captions.csv")
    with pytest.raises(InputError, match=r"no captions\.csv in"):
        source_files("folder", source)
    os.unlink(tmp_path / "corpus" / "clips.csv")
    os.mkfifo(tmp_path / "corpus" / "clips.csv")
    for read in (read_table, lambda *given: next(table_parts(*given))):
        with pytest.raises(InputError, match=r"clips\.csv: is a named pipe"):
            read(tmp_path / "corpus", "clips")


def test_a_tree_with_links_is_walked_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    check_tree(tmp_path)
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="zero: is a device"):
        check_tree(tmp_path)


def test_a_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    check_regular(path)
    check_regular(tmp_path / "absent")
    assert read_bytes(path, largest=3) == b"123"
    with pytest.raises(InputError, match="is larger than 2 bytes"):
        read_bytes(path, largest=2)
    with pytest.raises(InputError, match="cannot be read"):
        read_bytes("a\0b", largest=2)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "absent", largest=9)
