"""Only regular files are opened for reading: a pipe has no end, a device may have none either.

Opening a named pipe (``mkfifo``) waits for a writer that never comes, and ``/dev/zero`` fills the
memory. Every reader of a user's file calls :func:`check_regular` first, or reads by
:func:`read_bytes`. Nothing here needs a package: Snakemake's own process reads it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from seewhy.errors import InputError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def what_instead(path: str | Path) -> str | None:
    """What is there in the place of a regular file, links followed; None: one is, or nothing is."""
    try:
        return _kind(os.stat(path).st_mode)
    except (OSError, ValueError):  # the reader says it in its own words
        return None


def check_regular(path: str | Path) -> None:
    """Refuse what is there and no regular file, links followed; what is not there passes.

    Raises:
        InputError: a folder, a named pipe, a socket or a device.
    """
    _require(path, what_instead(path))


def check_tree(folder: str | Path, *, passing: tuple[str, ...] = ()) -> None:
    """Refuse pipes, sockets and devices anywhere below `folder`; linked folders are not entered.

    Args:
        folder: a data set.
        passing: endings, in small letters, of files that another check is for (videos, say).

    Raises:
        InputError: the first of them.
    """
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                entries = sorted(found, key=lambda one: one.name)
        except PermissionError:  # what reads it says so
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif not _ends(entry.name, passing) and not os.path.isdir(entry.path):
                check_regular(entry.path)


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def read_bytes(path: str | Path, *, largest: int) -> bytes:
    """Content of a small file, without waiting for a pipe or filling the memory.

    Args:
        path: the file.
        largest: size in bytes from which on it is taken for another kind of file.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: no regular file, one that may not be read, or a larger one.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        check_regular(path)
        reason = os.strerror(error.errno) if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read ({reason}); make it readable") from error
    try:
        _require(path, _kind(os.fstat(number).st_mode))
    except InputError:
        os.close(number)
        raise
    with open(number, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise InputError(
            f"{path}: is larger than {largest:,} bytes; name the file that was meant (nothing of "
            "this kind is so large)"
        )
    return content


def _kind(mode: int) -> str | None:
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")


def _require(path: str | Path, kind: str | None) -> None:
    if kind:
        raise InputError(f"{path}: is {kind}; name a file that can be read to its end")
