"""One damaged byte of a file that was written here is noticed by whoever reads it."""

import h5py
import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5
from seewhy.sealing import SealedFile, seal
from seewhy.shards import gather_rows
from seewhy.video.resumable import ResumableRows

FIELDS = {"frames": ((4, 50, 50, 3), np.uint8), "lengths": ((), np.int32)}


def rows(path, clips=6, kill=None, left_out=()):
    """A file of rows; `kill` breaks off after so many."""
    keys = [f"clip{k}" for k in range(clips)]
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (clips, 4, 50, 50, 3), np.uint8)
    with ResumableRows(path, keys=keys, fields=FIELDS, attributes={"n": 4}, made_from=1) as file:
        for row in file.pending:
            if row == kill:
                return values
            if row in left_out:
                file.leave_out(row, "missing", "it is not there")
            else:
                file.write(row, frames=values[row], lengths=4)
        file.finish()
    return values


def read_all(path):
    with open_hdf5(path) as file:
        found = {}
        file.visititems(
            lambda name, item: found.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
        return found | dict(file.attrs)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << (place % 8)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["rows", "compressed"])
def test_every_flipped_byte_is_found(tmp_path, kind):
    """Of data, of HDF5's own and of the seal: refused, or (the mark of the seal) read rightly."""
    path = tmp_path / "train.h5"
    if kind == "rows":
        rows(path)
    else:
        with create_hdf5(path) as file:
            file.create_dataset("maps", data=np.arange(90_000.0), compression="gzip")
            file.attrs["about"] = "made up"
    whole = read_all(path)
    size = path.stat().st_size
    refused = 0
    for place in [*range(0, size, size // 60), *range(size - 40, size)]:
        flip(path, place)
        if place < size - 14:
            with pytest.raises(InputError, match=f"{path}: (damaged|not a whole HDF5 file)"):
                read_all(path)
            refused += 1
        else:  # its mark: the file counts as one without a seal
            found = read_all(path)
            assert all(np.array_equal(found[name], whole[name]) for name in whole)
        flip(path, place)
    assert refused > 60
    assert all(np.array_equal(read_all(path)[name], whole[name]) for name in whole)


def test_only_what_is_read_is_checked(tmp_path):
    """A file of any size costs its reading: a row that is whole can be had beside a damaged one."""
    path = tmp_path / "train.h5"
    values = rows(path, clips=40)
    with h5py.File(path) as file:
        place = file["frames"].id.get_offset() + 39 * values[0].size
    flip(path, place)
    with open_hdf5(path) as file:
        assert np.array_equal(file["frames"][3], values[3])
    message = rf"{path}: damaged: bytes \d+ to \d+"
    with pytest.raises(InputError, match=message), open_hdf5(path) as file:
        file["frames"][39]


def test_a_damaged_shard_is_not_gathered(tmp_path):
    shards = [tmp_path / f"{k}.h5" for k in range(2)]
    for shard in shards:
        rows(shard)
    with h5py.File(shards[1]) as file:
        place = file["frames"].id.get_offset() + 1000
    flip(shards[1], place)
    with pytest.raises(InputError, match=f"{shards[1]}: damaged"):
        gather_rows(shards, tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


@pytest.mark.parametrize("left_out", [(), (2,)])
def test_a_killed_file_of_rows_ends_sealed_with_the_same_bytes(tmp_path, left_out):
    rows(tmp_path / "once.h5", left_out=left_out)
    again = tmp_path / "again.h5"
    rows(again, kill=4, left_out=left_out)
    unfinished = tmp_path / ".again.unfinished.h5"
    seal(unfinished)  # as if killed between the seal and the renaming, and in the midst of a seal
    with open(unfinished, "ab") as file:
        file.write(b"half a seal")
    rows(again, left_out=left_out)
    assert again.read_bytes() == (tmp_path / "once.h5").read_bytes()
    SealedFile(again).check()


def test_what_somebody_edits_is_theirs(tmp_path):
    path = tmp_path / "train.h5"
    rows(path)
    with h5py.File(path, "r+") as file:
        file["frames"][0, 0, 0, 0] = 7
    with pytest.raises(ValueError, match="no seal"):
        SealedFile(path)
    with open_hdf5(path) as file:
        assert file["frames"][0, 0, 0, 0].tolist() == [7, 7, 7]


def test_files_without_a_seal_are_read(tmp_path):
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(5)
    assert read_all(path)["x"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no seal"):
        SealedFile(path)
