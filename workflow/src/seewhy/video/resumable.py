"""An HDF5 file with one row a clip that is filled in any order and survives ``kill -9``.

While it is being filled, two files stand beside the final one:

- ``.<name>.unfinished.h5``: the final file itself, all of its data sets allocated (contiguous, not
  compressed) and their room on the disk reserved before the work starts. Rows go straight to their
  places by ``pwrite``, past the HDF5 library, so there is never a moment at which a kill could
  leave it damaged.
- ``.<name>.unfinished.journal``: one JSON line for what the file is made from (a fingerprint of
  inputs and settings), then one for each row that is done, with a check sum of its bytes.

The next run takes up the rows whose check sum still holds if the fingerprint agrees, and otherwise
starts anew. When all rows are done the file is renamed. Only where clips were left out are the
others copied, in order, into a new one. So a run that was interrupted ends with the very bytes of
one that was not, provided that a row's content does not depend on which run wrote it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from seewhy.errors import explain_write_errors
from seewhy.files import create_hdf5, unfinished_path, whole_file
from seewhy.sealing import seal

log = logging.getLogger(__name__)


class ResumableRows:
    """Fill an HDF5 file row by row; a context manager.

    Example::

        fields = {"frames": ((28, 64, 64, 3), np.uint8), "lengths": ((), np.int32)}
        with ResumableRows(path, keys=clips, fields=fields, attributes={}, made_from=[...]) as rows:
            for row in rows.pending:
                rows.write(row, frames=..., lengths=...)
            rows.finish()

    Args:
        path: the final file.
        keys: identifiers of the rows, in order; they become the data set ``clip``.
        fields: for each data set the shape and type of one row; it becomes ``[rows, *shape]``.
        attributes: attributes of the file.
        made_from: all that the content depends on (settings, names, sizes and times of the input
            files, …), as values that JSON can hold. With `keys`, `fields` and `attributes` it makes
            the fingerprint.
        resume: folder for the unfinished file and the journal (`seewhy.files.unfinished_path`).

    Raises:
        InputError: there is no room on the disk for the whole file.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        keys: Sequence[str],
        fields: Mapping[str, tuple[tuple[int, ...], Any]],
        attributes: Mapping[str, Any],
        made_from: Any,
        resume: str | Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.keys = list(keys)
        self.fields = {
            name: (tuple(shape), np.dtype(kind)) for name, (shape, kind) in fields.items()
        }
        self.attributes = dict(attributes)
        self.problems: dict[int, tuple[str, str]] = {}
        self.left_out: set[int] = set()
        self._done: set[int] = set()
        self._rows = unfinished_path(self.path, resume)
        self._journal = self._rows.with_suffix(".journal")
        described = [
            self.keys,
            [(name, shape, kind.str) for name, (shape, kind) in self.fields.items()],
            self.attributes,
            made_from,
        ]
        text = json.dumps(described, sort_keys=True)
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self._row_file = self._journal_file = -1
        self._size = 0  # of the file of rows without its seal
        with explain_write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with explain_write_errors(self._rows):  # not `path`: it may lie on another disk
            self._rows.parent.mkdir(parents=True, exist_ok=True)
            if not self._take_up():
                self._begin()

    @property
    def pending(self) -> list[int]:
        """Rows that are neither written nor left out, in order."""
        return [row for row in range(len(self.keys)) if row not in self._done]

    def write(self, row: int, *, note: tuple[str, str] | None = None, **values: Any) -> None:
        """Write one row, a value for every field.

        Args:
            row: its index.
            note: status and reason of something odd about it, kept in `problems`.
            values: for each field an array of the row's shape.
        """
        check = 0
        with explain_write_errors(self._rows):
            for name, (shape, kind) in self.fields.items():
                value = np.ascontiguousarray(values[name], dtype=kind).reshape(shape)
                content = value.tobytes()
                check = zlib.crc32(content, check)
                write_at(self._row_file, content, self._offsets[name] + row * value.nbytes)
            self._note({"row": row, "crc": check, **({"note": list(note)} if note else {})})
        self._done.add(row)
        if note:
            self.problems[row] = note

    def leave_out(self, row: int, status: str, reason: str) -> None:
        """Record that a row cannot be made; the final file will not have it."""
        with explain_write_errors(self._rows):
            self._note({"row": row, "left_out": [status, reason]})
        self._done.add(row)
        self.left_out.add(row)
        self.problems[row] = (status, reason)

    def finish(self) -> None:
        """Give the file its name; every row must be written or left out."""
        if self.pending:
            raise RuntimeError(f"{self.path}: {len(self.pending)} rows are not written")
        with explain_write_errors(self.path):
            if self.left_out:
                with whole_file(self.path) as temporary:
                    self._gather(temporary)
            else:
                seal(self._rows, length=self._size)
                try:
                    os.replace(self._rows, self.path)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    with whole_file(self.path) as temporary:  # it lies on another disk
                        shutil.copyfile(self._rows, temporary)
            self.close()
            self._discard()

    def close(self) -> None:
        """Close the files; what is written stays for the next run."""
        for file in (self._row_file, self._journal_file):
            if file >= 0:
                os.close(file)
        self._row_file = self._journal_file = -1

    def __enter__(self) -> ResumableRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- the two files

    def _begin(self) -> None:
        """Start anew: lay out the whole file and reserve its room."""
        self._discard()
        try:
            self._offsets = create_rows(self._rows, self.keys, self.fields, self.attributes)
            self._row_file = os.open(self._rows, os.O_RDWR)
            reserve_room(self._row_file)
            self._journal_file = os.open(
                self._journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666
            )
            self._size = os.fstat(self._row_file).st_size
            self._note({"fingerprint": self._fingerprint, "size": self._size})
        except BaseException:
            self.close()
            self._discard()
            raise

    def _take_up(self) -> bool:
        """Continue an earlier run; False where there is none, or it does not fit."""
        try:
            lines = self._journal.read_bytes().splitlines(keepends=True)
            if lines and not lines[-1].endswith(b"\n"):  # cut off by a full disk or a lost machine
                os.truncate(self._journal, sum(map(len, lines[:-1])))
                lines.pop()
            size = self._rows.stat().st_size
        except OSError:
            return False
        try:
            first = json.loads(lines[0])
            if first["fingerprint"] != self._fingerprint:
                log.info("%s: inputs or settings have changed; starting anew", self.path)
                return False
            self._size = first["size"]
            with h5py.File(self._rows, "r") as file:
                self._offsets = {name: file[name].id.get_offset() for name in self.fields}
            ends = [
                self._offsets[name] + len(self.keys) * kind.itemsize * math.prod(shape)
                for name, (shape, kind) in self.fields.items()
            ]
            if size < max(*ends, self._size):
                raise ValueError("cut short")
            self._row_file = os.open(self._rows, os.O_RDWR)
            self._journal_file = os.open(self._journal, os.O_WRONLY | os.O_APPEND)
            for line in lines[1:]:
                self._recall(json.loads(line))
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            log.warning(
                "%s: the unfinished file of an earlier run is damaged; starting anew", self.path
            )
            self.close()
            self._done, self.left_out, self.problems = set(), set(), {}
            return False
        log.info("%s: continuing after %d of %d clips", self.path, len(self._done), len(self.keys))
        return True

    def _recall(self, entry: dict[str, Any]) -> None:
        row = entry["row"]
        if "left_out" in entry:
            self.left_out.add(row)
            self.problems[row] = tuple(entry["left_out"])
        else:
            check = 0
            for name in self.fields:
                check = zlib.crc32(self._read(name, row), check)
            if check != entry["crc"]:
                return
            if "note" in entry:
                self.problems[row] = tuple(entry["note"])
        self._done.add(row)

    def _note(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        if os.write(self._journal_file, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _gather(self, target: Path) -> None:
        """Copy the rows that were not left out, in order."""
        kept = [row for row in range(len(self.keys)) if row not in self.left_out]
        keys = [self.keys[row] for row in kept]
        offsets = create_rows(target, keys, self.fields, self.attributes)
        file = os.open(target, os.O_WRONLY)
        try:
            for name in self.fields:
                offset = offsets[name]
                for row in kept:
                    content = self._read(name, row)
                    write_at(file, content, offset)
                    offset += len(content)
        finally:
            os.close(file)
        seal(target)

    def _read(self, name: str, row: int) -> bytes:
        shape, kind = self.fields[name]
        length = kind.itemsize * math.prod(shape)
        return os.pread(self._row_file, length, self._offsets[name] + row * length)

    def _discard(self) -> None:
        for path in (self._rows, self._journal):
            path.unlink(missing_ok=True)


def create_rows(
    path: str | Path,
    keys: Sequence[str],
    fields: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    attributes: Mapping[str, Any],
) -> dict[str, int]:
    """Create an HDF5 file with a data set ``[rows, *shape]`` a field, allocated but not filled.

    Who has filled it puts the seal behind it (`seewhy.sealing`). Fields and attributes come in the
    order of their names: equal content has equal bytes.

    Returns:
        for each field the place of its first byte in the file.
    """
    with create_hdf5(path, sealed=False) as file:
        file.attrs.update(sorted(attributes.items()))
        file.create_dataset("clip", data=list(keys), dtype=h5py.string_dtype())
        for name, (shape, kind) in sorted(fields.items()):
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_layout(h5py.h5d.CONTIGUOUS)
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            layout.set_obj_track_times(False)
            space = h5py.h5s.create_simple((len(keys), *shape))
            h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(kind), space, dcpl=layout)
        file.flush()
        return {name: file[name].id.get_offset() for name in fields}


def write_at(file: int, content: bytes, offset: int) -> None:
    """Write all of it at that place."""
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def reserve_room(file: int) -> None:
    """Take the file's room on the disk now, so that a full disk is noticed before the work."""
    unsupported = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}
    with contextlib.suppress(AttributeError):  # not on macOS
        try:
            os.posix_fallocate(file, 0, os.fstat(file).st_size)
        except OSError as error:
            if error.errno not in unsupported:
                raise
