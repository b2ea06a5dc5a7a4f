"""Files that people bring: each trouble is told as what it is, and nothing is taken for another."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from seewhy.captioning.data import FeatureFile
from seewhy.captioning.predictions import read_predictions
from seewhy.checkpoint_metadata import COUNT, NAMES, build, check_metadata, table_of
from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.csv_files import check_columns, line_of, read_csv
from seewhy.errors import InputError
from seewhy.figures import drawable, figure
from seewhy.files import open_hdf5, read_json
from seewhy.hdf5_files import Expect
from seewhy.json_files import has_form, parse_json
from seewhy.number_text import numbers_of, real_number, whole_number
from seewhy.readable import check_readable, find_trouble
from seewhy.text_files import read_lines, read_old_lines, read_text

# --- what lies under a name -----------------------------------------------------------------------


def test_each_reason_why_a_file_cannot_be_read_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("/nowhere/files/md5/00/11")
    (tmp_path / "astray").symlink_to("nowhere.txt")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "kept.csv.dvc").write_text("outs: []")
    (tmp_path / "lfs").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (tmp_path / "annex").write_text("/annex/objects/SHA256E-s1--0.h5\n")
    (tmp_path / "page").write_text("\n<!DOCTYPE html><html>404</html>")
    for name, message in {
        "none": "no such file; run it",
        "folder": "is a folder; name a file",
        "folder/x/y": "no such file",
        "pipe": "is a named pipe; name a file",
        "dangling": r"is a link to /nowhere/.* which is not there; .* run dvc pull",
        "astray": r"is a link to nowhere\.txt, which is not there; put that file back",
        "loop": "is a link that leads back to itself",
        "kept.csv": "no such file, but DVC knows it; run dvc pull",
        "lfs": "is a pointer of Git LFS.* run git lfs pull",
        "annex": "is a pointer of git-annex.* run git annex get",
        "page": "is a web page",
        "x" * 300: "is not a name that a file can have",
        "a\0b": "is not a name that a file can have",
    }.items():
        with pytest.raises(InputError, match=message) as error:
            check_readable(tmp_path / name, missing="run it")
        assert "delete" not in str(error.value)
        word, reason = find_trouble(tmp_path / name)
        assert str(error.value).removesuffix("; run it").endswith(reason)
        assert (word == "missing") == ("no such file" in reason or "not there" in reason)
    (tmp_path / "empty").touch()
    assert find_trouble(tmp_path / "empty") == ("empty", "the file has 0 bytes")
    assert find_trouble(__file__) is None
    assert check_readable(__file__).startswith(b'"""Files that people bring')


def test_a_missing_permission_is_no_damage(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    path = tmp_path / "good.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    path.chmod(0)
    os.seteuid(65534)
    try:
        with pytest.raises(InputError, match=r"may not be read by this user \(permission denied"):
            open_hdf5(path).__enter__()
    finally:
        os.seteuid(0)


def test_a_message_stays_a_line_whatever_value_it_names():
    error = InputError(f"a.csv: line 2: {'x' * 200_000} is not one of {'y, ' * 9000}; mend it\nnow")
    assert len(str(error)) < 1500
    assert str(error).startswith("a.csv: line 2: xxx")
    assert str(error).endswith("; mend it now")
    assert str(InputError(f"{'d/' * 150}a.csv: is empty")) == f"{'d/' * 150}a.csv: is empty"


# --- HDF5 -----------------------------------------------------------------------------------------


def test_a_file_that_is_being_written_is_no_damage(tmp_path):
    path = tmp_path / "good.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
        file.flush()
        code = (
            "import sys\nfrom seewhy.files import open_hdf5\n"
            "try:\n    open_hdf5(sys.argv[1]).__enter__()\nexcept ValueError as e: print(e)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        )
    assert "another process has it open for writing" in done.stdout
    assert f"process {os.getpid()}" in done.stdout
    assert "wait until it ends" in done.stdout
    with open_hdf5(path, needs=("x",)) as file:
        assert len(file["x"]) == 3


def test_a_file_system_without_locks_is_read_without(tmp_path, monkeypatch):
    path = tmp_path / "good.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    usual = h5py.File

    def without_locks(name, mode, *, locking=True):
        if locking:
            raise BlockingIOError(
                "[Errno 37] Unable to synchronously open file (unable to lock file, errno = 37, "
                "error message = 'No locks available')"
            )
        return usual(name, mode, locking=False)

    monkeypatch.setattr(h5py, "File", without_locks)
    with open_hdf5(path) as file:
        assert file["x"][:].tolist() == [0, 1, 2]


def test_damage_is_told_by_its_kind(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["x"] = np.zeros(1000)
    whole = path.read_bytes()
    with open_hdf5(path):  # its mark does not stand at the beginning
        pass
    for content, message in {
        whole[:-900]: r"cut short \(\d+ of \d+ bytes are there\)",
        b"": r"empty \(0 bytes\)",
        b"hello": "5 bytes of something else",
        whole[:1024] + whole[1024:1040] + bytes(60) + whole[1100:]: r"damaged \(",
    }.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"not a whole HDF5 file: {message}") as error:
            open_hdf5(path).__enter__()
        assert "delete" not in str(error.value)


def test_a_damaged_block_is_told_when_it_is_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(4000.0), chunks=(4000,), fletcher32=True)
        place = file["x"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 100] ^= 1
    path.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"a\.h5: is damaged, its data cannot be read"),
        open_hdf5(path, needs=("x",)) as file,
    ):
        file["x"][:]


def test_what_a_file_holds_is_held_against_what_is_expected(tmp_path):
    path = tmp_path / "a.h5"
    form = {
        "x": Expect("number", ("n", 2), finite=True),
        "length": Expect("whole", ("n",), least=0, most="n"),
        "row": Expect("whole", ("n",), most="<n"),
        "offset": Expect("whole", ("n+1",), rising="n"),
        "name": Expect("text", ("n",)),
    }
    good = {
        "x": np.ones((3, 2)),
        "length": np.array([0, 3, 1]),
        "row": np.array([0, 1, 2]),
        "offset": np.array([0, 1, 1, 3]),
        "name": np.array(["a", "b", "c"], h5py.string_dtype()),
    }

    def opened(**other):
        with h5py.File(path, "w") as file:
            for name, value in (good | other).items():
                if value is not None:
                    file[name] = value
        with open_hdf5(path, needs=form):
            return True

    assert opened()
    nan = np.ones((3, 2))
    nan[1, 1] = np.nan
    for other, message in (
        ({"x": nan}, "x: not all values are finite"),
        ({"x": np.ones((3, 3))}, "x is 3 x 3, expected 3 x 2"),
        ({"x": None}, "has no data set x"),
        ({"length": np.array([0, 4, 1])}, "length runs from 0 to 4, outside of 0 to 3"),
        ({"length": np.array([0, -1, 1])}, "length runs from -1 to 3|length runs from -1 to 1"),
        ({"length": np.ones(3)}, "length holds float64, not whole numbers"),
        ({"length": np.ones(2, int)}, "length is 2, expected 3"),
        ({"row": np.array([0, 1, 3])}, "row runs from 0 to 3, outside of"),
        ({"offset": np.array([0, 2, 1, 3])}, "offset must rise from 0 to 3"),
        ({"offset": np.array([0, 1, 2, 9])}, "offset must rise from 0 to 3"),
        ({"name": np.arange(3)}, "name holds int64, not text"),
    ):
        with pytest.raises(InputError, match=message):
            opened(**other)


def test_features_that_are_not_finite_are_named_by_their_clip(made_features):
    path = made_features(clips=3, n=2, d=4)
    with h5py.File(path, "r+") as file:
        file["features"][1, 0, 0] = np.inf
    with pytest.raises(InputError, match=r"features of the clip train00001: not all values"):
        list(FeatureFile(path).batches([[0, 1]]))
    with h5py.File(path, "r+") as file:
        file["features"][1, 0, 0] = 0
        file["lengths"][2] = 3
    with pytest.raises(InputError, match=r"lengths runs from 2 to 3, outside of 0 to 2"):
        FeatureFile(path)


# --- text -----------------------------------------------------------------------------------------


def test_utf8_is_taken_with_a_mark_or_without_and_the_rest_is_told(tmp_path):
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes("é\r\nb\rc\u2028d\n\n".encode(encoding))
        assert read_lines(path) == ["é", "b", "c\u2028d", ""]
    for content, message in {
        "é".encode("utf-16"): r"is in UTF-16; save it as UTF-8 .* iconv -f UTF-16",
        "é".encode("utf-32"): "is in UTF-32",
        "abcdef\n".encode("utf-16-le"): "is in UTF-16 without a mark",
        b"a\nb\xe9\n": "line 2: the byte 0xe9 is not UTF-8",
        b"a\n\nb\0\n": "line 3: holds a NUL byte",
    }.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_text(path)
    path.write_bytes("a café\n".encode() + b"an old caf\xe9\n")
    assert read_old_lines(path) == (["a café", "an old café"], 1)


# --- numbers --------------------------------------------------------------------------------------


def test_numbers_are_those_that_spreadsheets_write():
    good = {"1": 1, " 2.5 ": 2.5, "-3e2": -300, "+.5": 0.5, "1.": 1}
    bad = ["", "nan", "inf", "1e999", "1_000", "0x10", "²", "１", "9" * 5000, "1,5", "True", "--1"]
    for text, value in good.items():
        assert real_number(text, "x") == value
    for text in bad:
        with pytest.raises(InputError, match=r"x: .* is not a number") as error:
            real_number(text, "x")
        assert len(str(error.value)) < 200
        with pytest.raises(InputError, match="is not a whole number from 0 to 9"):
            whole_number(text, "x", most=9)
    for given in ("10", "-1", "1.0"):
        with pytest.raises(InputError, match="is not a whole number from 0 to 9"):
            whole_number(given, "x", most=9)
    column = pd.Series([*good, *bad, None], dtype="string")
    assert numbers_of(column).dropna().tolist() == list(good.values())
    assert numbers_of(pd.Series([1.5, np.inf, np.nan])).isna().tolist() == [False, True, True]


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', r"not JSON \(Expecting value"),
        ('{"a": NaN}', "NaN is no number of JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("9" * 5000, "not JSON"),
        (r'["\ud800"]', "not JSON"),
        ("", "not JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"x\.json: .*{message}.*; get it again"):
        parse_json(text, "x.json", remedy="get it again")
    (tmp_path / "a.json").write_text('{"a": NaN}')
    assert np.isnan(read_json(tmp_path / "a.json")["a"])  # as Python writes it


def test_forms_of_json():
    form = {"clip": str, "rows": [int], "share": float}
    good = {"clip": "a", "rows": [1], "share": 1, "more": None}
    assert has_form(good, form)
    for key, value in (("clip", 1), ("rows", [True]), ("rows", 1), ("share", float("nan"))):
        assert not has_form(good | {key: value}, form)
    assert not has_form([], form)


def test_predictions_name_the_line(tmp_path):
    path = tmp_path / "c.jsonl"
    good = json.dumps({"clip": "a", "caption": "a man"})
    for second, message in {
        '{"clip": "b"}': r"line 2: is not of the form",
        '{"clip": "b", "caption": null}': r"line 2: is not of the form",
        good: r"line 2: a is there twice",
        "{": r"line 2: not JSON",
        "3": r"line 2: is not of the form",
    }.items():
        path.write_text(f"{good}\n{second}\n")
        with pytest.raises(InputError, match=message):
            read_predictions(path)


# --- CSV ------------------------------------------------------------------------------------------


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    return read_csv(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1;2\n", "line 1: the columns are separated by semicolons"),
        ("a\tb\n1\t2\n", "line 1: the columns are separated by tabs"),
        ("sep=,\na,b\n1,2\n", "line 1: 'sep=' is a note to Excel"),
        ("a,b\n1,2,3\n", "line 2: has 3 fields for 2 columns"),
        ("a,b\n1,2\n3\n", "line 3: has 1 fields for 2 columns"),
        ("a,b,\n1,2,\n", "line 1: column 3 has no name"),
        (",a\n0,1\n", "line 1: column 1 has no name.*index=False"),
        ("a,a\n1,2\n", "line 1: two columns are named a"),
        ('a,b\n1,2\n3,"four\n5,6\n', "line 3: a quote is opened here and never closed"),
        ('a,b\n1,"2\n3,4"\n5,6\n', "lines 2 to 3: are one cell.* a quote is not closed"),
        ('a,b\n1,"2\n3,4\n5,6\n7,8"\n', "lines 2 to 5: are one cell"),
        ('a,b\n1,"2"x\n', "line 2: a quote ends within a cell"),
        ("a,b\n1,\0\n", "line 2: holds a NUL byte"),
        ("", "is empty; it needs a first line"),
        ("\n\n  \n", "is empty; it needs a first line"),
    ],
)
def test_a_table_that_would_be_misread_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        table(tmp_path, text)


def test_what_is_no_fault_is_read(tmp_path):
    text = ' a , b\n1,\n\n2,"x, y"\n,,\n'.replace(",,", ",") + '3,"two\nlines"\n4,NA\n'
    for ends in ("\n", "\r\n", "\r"):
        for encoding in ("utf-8", "utf-8-sig"):
            found = table(tmp_path, text.replace("\n", ends), encoding)
            assert list(found.columns) == ["a", "b"]
            assert found["a"].tolist() == ["1", "2", "3", "4"]
            assert found["b"].fillna("-").tolist() == ["-", "x, y", f"two{ends}lines", "NA"]
            assert [line_of(found, row) for row in range(4)] == [2, 4, 6, 8]
    assert table(tmp_path, "a\n" + "x" * 200_000 + "\n")["a"].str.len().tolist() == [200_000]
    assert table(tmp_path, "a,b\n").shape == (0, 2)


def test_a_long_table_is_read_as_pandas_reads_it(tmp_path):
    rows = pd.DataFrame({"a": [f"{n}, é" for n in range(50_000)], "b": ["", 'the 6" pan'] * 25_000})
    rows.to_csv(tmp_path / "a.csv", index=False)
    expected = pd.read_csv(
        tmp_path / "a.csv", dtype="string", keep_default_na=False, na_values=[""]
    )
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv"), expected)


def test_a_column_that_is_nearly_right_is_told(tmp_path):
    found = table(tmp_path, "Video,caption\na,b\n")
    with pytest.raises(InputError, match=r"has no column video .*\(Video should be video\)"):
        check_columns(found, "a.csv", ["video", "caption"])


def test_a_blank_line_moves_no_line_and_no_column(tmp_path):
    (tmp_path / "clips.csv").write_text(
        "clip,split,video,start\na,train,a.mp4,1\n\nb,val,b.mp4,x\n"
    )
    with pytest.raises(InputError, match="column start, line 4: the value 'x' is not a number"):
        read_table(tmp_path, "clips")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../a,train,a.mp4,1,2", "line 2: the value '../a' is not letters, digits"),
        (f"{'a' * 201},train,a.mp4,1,2", "is longer than 200 bytes"),
        ("a,train,a.mp4,nan,2", "column start, line 2: the value 'nan' is not a number"),
        ("a,train,a.mp4,-1,2", "column start, line 2: the value '-1.0' is below 0"),
        ("a,train,a.mp4,3,2", "column start, line 2: the value '3.0' is not below its end"),
        ("a,train,a\x1b.mp4,1,2", "column video, line 2: .* holds a control character"),
        ("a,train,a.mp4,1e400,2", "is not a number"),
    ],
)
def test_values_out_of_their_bounds_are_refused(tmp_path, row, message):
    (tmp_path / "clips.csv").write_text(f"clip,split,video,start,end\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_table(tmp_path, "clips")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mp4,!!!,train", r"line 2: the caption '!!!' has no word in it"),
        ("more,one,train", r"line 2: 'more' is a folder; name a video in it"),
    ],
)
def test_a_folder_corpus_is_looked_at_line_by_line(tmp_path, line, message):
    source = tmp_path / "own"
    (source / "more").mkdir(parents=True)
    rest = "b.mp4,two,val\nc.mp4,three,test\n"
    (source / "captions.csv").write_text(f"video,caption,split\n{line}\nd.mp4,x,train\n{rest}")
    shares = {"train": 0.6, "val": 0.2, "test": 0.2}
    with pytest.raises(InputError, match=message):
        import_corpus("folder", source, tmp_path / "out", shares=shares, seed=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("nan,1,2,3", "line 2: the box is not four numbers"),
        ("-1,1,2,3", "line 2: the box is not four numbers"),
        ("1,1,0,3", "line 2: the box is not four numbers"),
        ("1,1,,3", "line 2: the box is not four numbers"),
        ("1,1,2,3", None),
        (",,,", None),
    ],
)
def test_boxes_of_own_images_are_numbers(tmp_path, box, message):
    source = tmp_path / "own"
    source.mkdir()
    for name in ("a", "b"):
        Image.new("L", (12, 9)).save(source / f"{name}.png")
    rows = f"a.png,x,train,{box}\nb.png,x,test,,,,\n"
    (source / "images.csv").write_text(f"image,label,split,x,y,width,height\n{rows}")
    (source / "captions.csv").write_text("image,caption\na.png,one\n")
    if message is None:
        import_corpus("images", source, tmp_path / "out")
        return
    with pytest.raises(InputError, match=message):
        import_corpus("images", source, tmp_path / "out")


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "about",
    [
        [],
        {"format": "other", "sizes": [1], "classes": ["a"]},
        {"format": "f", "sizes": [1]},
        {"format": "f", "sizes": [10**9], "classes": ["a"]},
        {"format": "f", "sizes": [1.5], "classes": ["a"]},
        {"format": "f", "sizes": [1], "classes": ["a", "a"]},
        {"format": "f", "sizes": [1], "classes": [None]},
        {"format": "f", "sizes": [1], "classes": ["a"], "more": 1},
    ],
)
def test_metadata_of_another_form_are_refused(about):
    schema = table_of(sizes={"type": "array", "items": COUNT}, classes=NAMES)
    with pytest.raises(InputError, match=r"a\.safetensors: not a thing of this version"):
        check_metadata(about, "a.safetensors", schema, form="f", what="a thing")
    good = {"format": "f", "sizes": [1], "classes": ["a"]}
    assert check_metadata(good, "x", schema, form="f", what="a thing")["sizes"] == [1]


def test_a_network_takes_no_memory_before_its_tensors_are_known_to_fit():
    tensors = torch.nn.Linear(3, 2).state_dict()
    assert build(lambda: torch.nn.Linear(3, 2), tensors, "x", "a line").weight.device.type == "cpu"
    with pytest.raises(InputError, match=r"x: not a line: bias is \[2\] in it, .* \[1000000000\]"):
        build(lambda: torch.nn.Linear(10**9, 10**9), tensors, "x", "a line")
    with pytest.raises(InputError, match=r"weight .* not all finite"):
        build(
            lambda: torch.nn.Linear(3, 2), tensors | {"weight": torch.full((2, 3), torch.nan)},
            "x", "a line",
        )  # fmt: skip


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 or $6",
        "$\\frac",
        "50 % of_{x}",
        "مرحبا",
        "a\nb\x00\x07c\x1b[31m",
        "\ud800",
        "x" * 9999,
    ],
)
@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
def test_any_text_can_be_drawn(tmp_path, text):
    with figure(tmp_path / "a.png", width=3, height=2) as drawn:
        axes = drawn.subplots()
        axes.plot([0, 1], label=text)
        axes.set_title(text)
        axes.set_xticks([0, 1], [text, text])
        axes.legend()
        assert not drawn.text(0, 0, text).get_parse_math()
    assert (tmp_path / "a.png").stat().st_size
    assert all(len(line) <= 301 for line in drawable(text).split("\n"))
