"""Text files that people and other programs wrote: one reader, which knows encodings.

UTF-8 is taken, with a byte order mark or without. Anything else is told, with the command that
turns it into UTF-8: a wrong guess would put wrong letters into captions and names.
"""

from __future__ import annotations

import codecs
import re
import shlex
from pathlib import Path
from typing import NamedTuple

from seewhy.errors import InputError
from seewhy.readable import check_readable

_WIDE = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LINE_END = re.compile(r"\r\n|\r|\n")


class Lines(NamedTuple):
    """The lines of a file, and how many of them were not UTF-8."""

    lines: list[str]
    foreign: int


def read_text(path: str | Path, *, missing: str = "") -> str:
    """Read a text file in UTF-8; a byte order mark is taken off.

    Args:
        path: the file.
        missing: what to do where there is none.

    Raises:
        InputError: it cannot be read, is in another encoding, or holds a NUL byte.
    """
    head = check_readable(path, missing=missing)
    check_encoding(head, path)
    return decoded(_content(path), path)


def read_lines(path: str | Path, *, missing: str = "") -> list[str]:
    """The lines of a text file in UTF-8, without their ends; arguments as for `read_text`.

    Lines end where editors end them (LF, CR LF or CR), and nowhere else: a form feed or a
    separator of Unicode within a line leaves the numbers of the lines below as they are.
    """
    return split_lines(read_text(path, missing=missing))


def read_old_lines(path: str | Path, *, missing: str = "") -> Lines:
    """Like `read_lines`, for data sets that were published with a few lines in Windows-1252."""
    head = check_readable(path, missing=missing)
    check_encoding(head, path)
    content = _content(path)
    try:
        return Lines(split_lines(decoded(content, path)), 0)
    except InputError:
        if b"\0" in content:
            raise
    lines, foreign = [], 0
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines():  # of bytes: LF, CR LF, CR
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", "replace"))
            foreign += 1
    return Lines(lines, foreign)


def split_lines(text: str) -> list[str]:
    """Lines of a text by LF, CR LF or CR; the last need not be ended."""
    lines = _LINE_END.split(text)
    return lines[:-1] if not lines[-1] else lines


def decoded(content: bytes, where: str | Path) -> str:
    """The text of the bytes of a file in UTF-8.

    Raises:
        InputError: they are not UTF-8, or hold a NUL byte; the line names the first.
    """
    check_encoding(content[:4], where)
    if b"\0" in content:
        raise InputError(f"{where}: {nul_in(content)}")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(_LINE_END.findall(content[: error.start].decode("latin-1"))) + 1
        raise InputError(f"{where}: {not_utf8(line, content[error.start], where)}") from error


def check_encoding(head: bytes, where: str | Path) -> None:
    """Refuse a file whose first bytes are the mark of a wide encoding.

    Raises:
        InputError: UTF-16 or UTF-32.
    """
    for mark, name in _WIDE:
        if head.startswith(mark):
            raise InputError(f"{where}: is in {name}; {_convert(name, where)}")


def nul_in(content: bytes) -> str:
    """What is wrong with a text that holds NUL bytes."""
    if content[1::2].count(0) > len(content) // 4 or content[::2].count(0) > len(content) // 4:
        return "is in UTF-16 without a mark, or no text; save it as UTF-8"
    line = len(_LINE_END.findall(content[: content.index(0)].decode("latin-1"))) + 1
    return (
        f"line {line}: holds a NUL byte, so it is damaged or no text; take it out or get it again"
    )


def not_utf8(line: int, byte: int, where: str | Path) -> str:
    """What is wrong with a line that is not UTF-8."""
    return (
        f"line {line}: the byte 0x{byte:02x} is not UTF-8, the file is in another encoding such as "
        f"Windows-1252; {_convert('WINDOWS-1252', where)}"
    )


def _convert(encoding: str, where: str | Path) -> str:
    name = shlex.quote(str(where))
    return f"save it as UTF-8 (in Excel: CSV UTF-8; or iconv -f {encoding} -t UTF-8 {name} > new)"


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); look after the disk"
        ) from error
