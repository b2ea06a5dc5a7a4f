"""What the structure of a file tells, and FFmpeg does not pass on.

How many bytes the file should have by its header (Matroska, ASF, Flash) or by its boxes (MP4): one
that is shorter has lost something. How long it lasts (ASF). Whether an MP4 is in fragments, each
with its own index; the whole then has none. Where the last page of an Ogg file ends.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


class Declared(NamedTuple):
    """Bytes of the file, and what it declares.

    Attributes:
        actual: size of the file, bytes.
        size: size by the header; None: it does not tell.
        duration: seconds; None: the header does not tell, or FFmpeg passes it on.
        fragmented: an MP4 in fragments.
    """

    actual: int
    size: int | None = None
    duration: float | None = None
    fragmented: bool = False

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
    with open(path, "rb") as file:
        if kind == "mov,mp4,m4a,3gp,3g2,mj2":
            return _boxes(file, actual)
        head = file.read(8192)
    if kind == "asf":
        return _asf(head, actual)
    sizes = {"matroska,webm": _matroska_size, "flv": _flash_size}
    return Declared(actual, sizes[kind](head) if kind in sizes else None)


def end_of_page(path: Path, place: int) -> int:
    """The end of the page of an Ogg file at `place`, and of those that continue its last packet."""
    with open(path, "rb") as file:
        continued = True
        while True:
            file.seek(place)
            head = file.read(27)
            if len(head) < 27 or not head.startswith(b"OggS") or not (continued or head[5] & 1):
                return place
            lengths = file.read(head[26])
            behind = place + 27 + len(lengths) + sum(lengths)
            if behind > os.path.getsize(path):
                return place
            place, continued = behind, False


def _boxes(file: BinaryIO, actual: int) -> Declared:
    """The boxes of an MP4, up to its end or to what is none."""
    place, fragmented = 0, False
    while place + 8 <= actual:
        file.seek(place)
        size, kind, long = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        if not kind.isalnum():
            break
        fragmented |= kind == b"moof"
        size = long if size == 1 else size or actual - place
        if size < 8:
            break
        place += size
    return Declared(actual, place, fragmented=fragmented)


def _flash_size(head: bytes) -> int | None:
    """The number `filesize` of a Flash video's data about itself."""
    place = head.find(b"\0\x08filesize\0")
    if not head.startswith(b"FLV") or place < 0 or place + 19 > len(head):
        return None
    (size,) = struct.unpack_from(">d", head, place + 11)
    return int(size) if 0 < size < 1 << 53 else None


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
