"""Outputs are whole or absent, and a disk without room is said in one line."""

import h5py
import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.files import open_hdf5, read_json, whole_file, whole_folder, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(RuntimeError), whole_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError
    assert [p.name for p in path.iterdir()] == ["old"]
    with whole_folder(path) as temporary:
        (temporary / "new").touch()
    assert [p.name for p in path.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk):
    with (
        pytest.raises(InputError, match=r"out\.bin: no space left on the device; free"),
        whole_file(small_disk / "out.bin") as temporary,
    ):
        temporary.write_bytes(b"x" * 2_000_000)
    with (
        pytest.raises(InputError, match=r"out\.h5: no space left on the device; free"),
        whole_file(small_disk / "out.h5") as temporary,
        h5py.File(temporary, "w") as file,
    ):
        file["x"] = np.zeros(1_000_000)
        file.flush()
    assert list(small_disk.iterdir()) == []


def test_hdf5_is_checked_before_it_is_read(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.raises(InputError, match=r"a\.h5: no such file"), open_hdf5(path):
        pass
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(100_000)
    with (
        pytest.raises(InputError, match=r"a\.h5: has no data set y"),
        open_hdf5(path, needs=("y",)),
    ):
        pass
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"a\.h5: not a whole HDF5 file"), open_hdf5(path):
        pass


def test_equal_values_give_equal_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    write_json(tmp_path / "b.json", {"a": "é", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"a\.json: not JSON"):
        read_json(tmp_path / "a.json")
