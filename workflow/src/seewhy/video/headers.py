"""What the headers of Matroska and ASF files declare, which FFmpeg does not pass on: how many bytes
the file should have, and how long it lasts. A file that is shorter has lost something.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


class Declared(NamedTuple):
    """Sizes in bytes, the duration in seconds; None: the header does not tell."""

    actual: int
    size: int | None = None
    duration: float | None = None

    @property
    def gone(self) -> int:
        """Bytes that the header declares and the file does not hold."""
        return max(0, (self.size or 0) - self.actual)


def read_header(path: Path, kind: str) -> Declared:
    """What the header of a file says.

    Args:
        path: the file.
        kind: FFmpeg's name of its container.
    """
    actual = os.path.getsize(path)
    if kind not in ("matroska,webm", "asf"):
        return Declared(actual)
    with open(path, "rb") as file:
        head = file.read(8192)
    return _asf(head, actual) if kind == "asf" else Declared(actual, _matroska_size(head))


def _matroska_size(head: bytes) -> int | None:
    """Where the segment ends; None: its size is left open, as in a live recording."""
    if not head.startswith(_EBML):
        return None
    length, place = _number(head, 4)
    if length is None or head[place + length : place + length + 4] != _SEGMENT:
        return None
    size, begin = _number(head, place + length + 4)
    return None if size is None else begin + size


def _number(content: bytes, place: int) -> tuple[int | None, int]:
    """An EBML number of variable length, and what follows it; None: unknown (all ones)."""
    if place >= len(content) or not content[place]:
        return None, place
    width = 9 - content[place].bit_length()
    value = int.from_bytes(content[place : place + width]) & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), place + width


def _asf(head: bytes, actual: int) -> Declared:
    """The File Properties Object: size, duration in 100 ns, preroll in ms, flags (1: live)."""
    place = head.find(_ASF_FILE)
    if not head.startswith(_ASF_HEADER) or place < 0 or place + 92 > len(head):
        return Declared(actual)
    size, _, _, play, _, preroll, flags = struct.unpack_from("<QQQQQQI", head, place + 40)
    if flags & 1:
        return Declared(actual)
    duration = play / 1e7 - preroll / 1e3
    return Declared(actual, size or None, duration if duration > 0 else None)
