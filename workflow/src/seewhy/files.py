"""Files that are either whole or absent, and errors that name them.

An output is written under a temporary name in its own folder and renamed when it is complete, so a
killed or failed job never leaves half a file under the real name.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from seewhy.errors import InputError, explain_write_errors
from seewhy.hdf5_files import (
    NO_LOCKS,
    Expect,
    check_contents,
    errno_of,
    explain_unopened,
    explained_damage,
)
from seewhy.json_files import read_json_text
from seewhy.readable import check_readable, make_again
from seewhy.sealing import SealedFile, seal


def partial_path(path: str | Path) -> Path:
    """Name under which `path` is written until it is complete (same folder, same suffix)."""
    path = Path(path)
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def unfinished_path(output: str | Path, folder: str | Path | None, suffix: str = "") -> Path:
    """Where work on `output` is kept until it is done, so that a killed run can be taken up.

    Args:
        output: the file that is being made.
        folder: where all unfinished work is kept; None: beside the output. (DVC empties the folder
            of a stage's outputs before it runs the stage again, so the workflow keeps it apart.)
        suffix: of the unfinished file, where it differs from that of `output`.
    """
    output = Path(output)
    name = f".{output.stem}.unfinished{suffix or output.suffix}"
    parent = output.parent if folder is None else Path(folder, *output.parent.parts[-3:])
    return parent / name


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on failure it is removed.

    Example::

        with whole_file("results/table1.csv") as temporary:
            table.to_csv(temporary, index=False)
    """
    path, temporary = Path(path), partial_path(path)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Like `whole_file`, for a folder: it appears under its name only when it is complete."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.partial")
    with explain_write_errors(path):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


class _Patient(io.FileIO):
    """A file that remembers the first failed write and says nothing until it is closed."""

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        length = len(view)
        try:
            while view:
                view = view[super().write(view) :]
        except OSError as error:
            self.failure = self.failure or error
        return length

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return self.tell() if size is None else size


@contextlib.contextmanager
def create_hdf5(path: str | Path, *, sealed: bool = True, **options: Any) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing, for a disk that may fill up.

    HDF5 cannot bear a write that fails: it leaks what is open, and often ends the process by a
    segmentation fault. So the failure is kept from it, and raised at the end.

    Args:
        path: the file.
        sealed: put a seal behind it (`seewhy.sealing`); False: somebody else writes on, past HDF5.
        options: of :class:`h5py.File`.

    Raises:
        OSError: a write failed, for want of space, say.
    """
    with _Patient(path, "w+") as raw:
        try:
            with h5py.File(raw, "w", **options) as file:
                yield file
        except Exception as error:
            if raw.failure:  # the rest follows from it
                raise raw.failure from error
            raise
        if raw.failure:
            raise raw.failure
    if sealed:
        seal(path)


@contextlib.contextmanager
def open_hdf5(
    path: str | Path, *, needs: tuple[str, ...] | Mapping[str, Expect] = ()
) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; on a file system without locks it is opened without.

    Args:
        path: the file.
        needs: names of the data sets (or groups) that must be in it, or what is expected of each.

    Raises:
        InputError: the file cannot be read (missing, held by a writer, without permission, cut
            short, not HDF5 …), lacks one of `needs`, or holds another thing than expected; also
            where what is read of it turns out to be damaged (`seewhy.sealing`).
    """
    check_readable(path, missing="run the rule that makes it")
    with (
        checked_seal(path) as sealed,
        _opened(path, sealed) as file,
        explained_damage(path),
    ):
        if isinstance(needs, Mapping):
            check_contents(file, path, needs)
        elif missing := [name for name in needs if name not in file]:
            raise InputError(f"{path}: has no data set {', '.join(missing)}; {make_again(path)}")
        yield file


@contextlib.contextmanager
def checked_seal(path: str | Path) -> Iterator[SealedFile | None]:
    """The file with each piece checked as it is read; None where it has no seal.

    Raises:
        InputError: a piece that was read is not what was written; whatever else came of it.
    """
    try:
        sealed = SealedFile(path)
    except (OSError, ValueError):  # what is wrong with it, its reader says
        yield None
        return
    try:
        with sealed:
            yield sealed
    except Exception as error:
        if sealed.damage:
            first, last = sealed.damage
            raise InputError(
                f"{path}: damaged: bytes {first} to {last} are not what was written; "
                f"{make_again(path)}"
            ) from error
        raise


def _opened(path: str | Path, sealed: SealedFile | None) -> h5py.File:
    try:
        return h5py.File(sealed or path, "r")
    except OSError as error:
        if errno_of(error) not in NO_LOCKS:
            raise InputError(explain_unopened(path, error)) from error
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        raise InputError(explain_unopened(path, error)) from error


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys, so that equal values give equal bytes."""
    with whole_file(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
        )


def read_json(path: str | Path) -> Any:
    """Read a JSON file of the workflow; NaN, which Python writes, is admitted.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    return read_json_text(
        path, missing="run the rule that makes it", remedy=make_again(path), finite=False
    )


def summarise_problems(problems: Iterable[tuple[str, str, str]], *, most: int = 3) -> str:
    """A line about files that cannot be used: how many of each status, and the first of them.

    Args:
        problems: name, status and reason of each.
        most: how many of them are named.
    """
    problems = list(problems)
    counts = collections.Counter(status for _, status, _ in problems)
    first = "; ".join(f"{name} ({status}: {reason})" for name, status, reason in problems[:most])
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return f"{', '.join(f'{n} {status}' for status, n in counts.most_common())}: {first}{more}"


def input_stamp(path: str | Path) -> list[Any]:
    """Name and looks of a file, to notice in a resumed run that it is another one."""
    return [str(path), *(look(path) or (None, None))]


def look(path: str | Path) -> tuple[int, int, int, int] | None:
    """Size, times of change of the content and of the entry, and number of a file that is there.

    An edit in place shows in it, and so does another file under that name, whatever its time: the
    system sets the time of the entry. So it is for one machine, while unfinished work waits there.
    """
    try:
        about = os.stat(path)
    except (OSError, ValueError):
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
