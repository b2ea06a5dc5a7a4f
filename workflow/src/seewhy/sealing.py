"""Seals of HDF5 files: check sums behind the data, by which a reader notices one damaged byte.

HDF5 checks little of what it reads: a byte that has turned on the disk comes out as another number.
So what is written here ends, behind all that belongs to HDF5, with a seal:

    the CRC-32 of each 64 KiB of the file, 4 bytes each
    the length of the file without the seal, 8 bytes
    the CRC-32 of the two above, 4 bytes
    ``seewhy-seal-1\\n``, 14 bytes

Any HDF5 program reads a sealed file as it reads others. One that writes to it cuts the seal off:
what somebody edits counts as theirs, and is read unchecked, like every file without a seal.

A reader checks the pieces that it reads, when it first reads them, so that a file of any size costs
no more than its reading.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

_MARK = b"seewhy-seal-1\n"
_END = struct.Struct("<QI14s")
_PIECE = 1 << 16


def seal(path: str | Path, *, length: int | None = None) -> None:
    """Put a seal behind a file.

    Args:
        path: the file, whole but for the seal.
        length: without anything behind it, such as half a seal of a run that was killed; None: all.
    """
    with open(path, "r+b", buffering=0) as file:
        if length is not None:
            file.truncate(length)
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        sums = bytearray()
        while piece := file.read(_PIECE):
            sums += struct.pack("<I", zlib.crc32(piece))
        end = bytes(sums) + struct.pack("<Q", length)
        content = memoryview(end + struct.pack("<I", zlib.crc32(end)) + _MARK)
        while content:
            content = content[file.write(content) :]


class SealedFile(io.RawIOBase):
    """A sealed file without its seal, each piece of it checked before it is first given out.

    Attributes:
        damage: the first and the last byte of a piece that is not what was written; None: none met.
            Who reads through HDF5 sees the `OSError` as one of HDF5's own.

    Raises:
        ValueError: the file has no seal.
    """

    def __init__(self, path: str | Path) -> None:
        self.damage: tuple[int, int] | None = None
        self._path, self._at = path, 0
        self._file = os.open(path, os.O_RDONLY)
        try:
            self._length, self._sums = _read_seal(self._file)
        except ValueError:
            os.close(self._file)
            self._file = -1
            raise
        self._checked = bytearray(len(self._sums))

    def __repr__(self) -> str:
        return str(self._path)  # the name that HDF5 gives the file

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next reading begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move there; the end is that of the data."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer) -> int:
        """Fill `buffer` with what stands at the place.

        Raises:
            OSError: it is not what was written.
        """
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._length - self._at))
        if not size:
            return 0
        first, last = self._at // _PIECE, (self._at + size - 1) // _PIECE
        if all(self._checked[first : last + 1]):
            content = self._pread(self._at, size)
        else:
            start = first * _PIECE
            whole = self._pread(start, min((last + 1) * _PIECE, self._length) - start)
            for piece in range(first, last + 1):
                self._check(piece, whole[piece * _PIECE - start :][:_PIECE])
            content = whole[self._at - start :][:size]
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def check(self) -> None:
        """Read the whole file.

        Raises:
            OSError: something in it is not what was written.
        """
        self.seek(0)
        while self.read(64 * _PIECE):
            pass

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        super().close()

    def _pread(self, start: int, size: int) -> memoryview:
        content = bytearray(size)
        view, read = memoryview(content), 0
        while read < size:
            more = os.preadv(self._file, [view[read:]], start + read)
            if not more:
                break
            read += more
        return view[:read]

    def _check(self, piece: int, content: memoryview) -> None:
        if self._checked[piece]:
            return
        if zlib.crc32(content) != self._sums[piece]:
            start = piece * _PIECE
            self.damage = start, min(start + _PIECE, self._length) - 1
            raise OSError("damaged: a piece of the file is not what was written")
        self._checked[piece] = 1


def _read_seal(file: int) -> tuple[int, tuple[int, ...]]:
    """Length of the data, and the sum of each piece.

    Raises:
        ValueError: there is no seal.
    """
    size = os.fstat(file).st_size
    if size < _END.size:
        raise ValueError("no seal")
    length, check, mark = _END.unpack(os.pread(file, _END.size, size - _END.size))
    if mark != _MARK:
        raise ValueError("no seal")
    pieces = -(-length // _PIECE)
    end = os.pread(file, 4 * pieces + 8, length) if length <= size else b""
    if length + len(end) + 4 + len(_MARK) != size or zlib.crc32(end) != check:
        # The seal itself is damaged: then every piece is taken for damaged.
        return size - _END.size, (-1,) * -(-(size - _END.size) // _PIECE)
    return length, struct.unpack(f"<{pieces}I", end[:-8])
