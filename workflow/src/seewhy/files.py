"""Files that are either whole or absent, and errors that name them.

An output is written under a temporary name in its own folder and renamed when it is complete, so a
killed or failed job never leaves half a file under the real name.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import stat
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
def create_hdf5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing, for a disk that may fill up.

    HDF5 cannot bear a write that fails: it leaks what is open, and often ends the process by a
    segmentation fault. So the failure is kept from it, and raised at the end.

    Args:
        path: the file.
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
            where its data turn out to be damaged while the block reads them.
    """
    check_readable(path, missing="run the rule that makes it")
    with _opened(path) as file, explained_damage(path):
        if isinstance(needs, Mapping):
            check_contents(file, path, needs)
        elif missing := [name for name in needs if name not in file]:
            raise InputError(f"{path}: has no data set {', '.join(missing)}; {make_again(path)}")
        yield file


def _opened(path: str | Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
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


def regular_file_problem(path: str | Path) -> tuple[str, str] | None:
    """Why a file of a user's cannot be read, as a status word and a reason; None: it can.

    The word is ``missing``, ``empty`` or ``unreadable``. A pipe is no file: opening one would wait
    for its writer.
    """
    try:
        about = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", "no such file"
    except (OSError, ValueError) as error:
        return "unreadable", getattr(error, "strerror", None) or str(error)
    if not stat.S_ISREG(about.st_mode):
        return "unreadable", "not a file"
    if about.st_size == 0:
        return "empty", "the file has 0 bytes"
    if not os.access(path, os.R_OK):
        return "unreadable", os.strerror(errno.EACCES)
    return None


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
    """Name, size in bytes and time of change of a file, to notice that it is another one."""
    try:
        stat = os.stat(path)
    except OSError:
        return [str(path), None, None]
    return [str(path), stat.st_size, stat.st_mtime_ns]


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
