"""Outputs are whole or absent, and a disk without room is said in one line."""

import h5py
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from PIL import Image

from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, read_json, whole_file, whole_folder, write_json
from seewhy.resume import Unfinished
from seewhy.worlds.puppets.encode import write_mp4
from seewhy.worlds.puppets.world import render_clips


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


def _as_hdf5(path):
    """Many small data sets: HDF5 itself ends the process by a segmentation fault."""
    with create_hdf5(path) as file:
        for number in range(300):
            file[f"x{number}"] = np.zeros(1000)


def _as_growing_hdf5(path):
    with create_hdf5(path, libver="latest") as file:
        rows = file.create_dataset("x", (0, 1000), "f8", maxshape=(None, 1000), compression="gzip")
        for row, values in enumerate(np.random.default_rng(0).random((300, 1000))):
            rows.resize(row + 1, 0)
            rows[row] = values


def _as_training(path):
    network = torch.nn.Linear(600, 600)
    Unfinished(path, None, None, network=network).save([])


NOISE = np.random.default_rng(0).integers(0, 255, (60, 256, 256, 3), dtype=np.uint8)
WRITERS = {
    "text": lambda path: path.write_text("x" * 2_000_000),
    "csv": lambda path: pd.DataFrame(np.zeros((1000, 1000))).to_csv(path),
    "hdf5": _as_hdf5,
    "growing hdf5": _as_growing_hdf5,
    "safetensors": lambda path: safetensors.torch.save_file({"x": torch.zeros(500_000)}, path),
    "training": _as_training,
    "png": lambda path: Image.effect_noise((1500, 1500), 90).save(path, "png"),
    "mp4": lambda path: write_mp4(path, NOISE),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_nothing(small_disk, kind):
    """In whatever way the library that writes says it, or does not."""
    with (
        pytest.raises(InputError, match=r"no space left on the device; free some space"),
        whole_file(small_disk / "out.mp4") as temporary,
    ):
        WRITERS[kind](temporary)
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_under_a_world_is_one_line(small_disk):
    """The videos are written by other processes."""
    with pytest.raises(InputError, match=r"world.*: no space left on the device; free"):
        render_clips(small_disk / "world", seed=0, clips={"train": 400}, workers=2)
    assert list(small_disk.iterdir()) == []


def test_hdf5_is_as_its_library_writes_it(tmp_path):
    for name, create in (("a", create_hdf5), ("b", lambda path: h5py.File(path, "w"))):
        with create(tmp_path / name) as file:
            file.attrs["n"] = 28
            file["x"] = np.arange(100_000)
            file.create_dataset("clip", data=["a", "b"], dtype=h5py.string_dtype())
    with h5py.File(tmp_path / "a") as one, h5py.File(tmp_path / "b") as other:
        assert (one["x"][:] == other["x"][:]).all()
        assert list(one["clip"]) == list(other["clip"])
        assert dict(one.attrs) == dict(other.attrs)
    with pytest.raises(ZeroDivisionError), create_hdf5(tmp_path / "c") as file:
        file["x"] = 1 / 0


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
    with (
        pytest.raises(InputError, match=r"a\.h5: not a whole HDF5 file: cut short"),
        open_hdf5(path),
    ):
        pass


def test_equal_values_give_equal_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    write_json(tmp_path / "b.json", {"a": "é", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(InputError, match=r"a\.json: not JSON"):
        read_json(tmp_path / "a.json")
