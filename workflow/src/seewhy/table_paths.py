"""Paths that a table names: joined to their folder in one place, and kept within it.

A table is data of other people: ``../../x.jpg`` or ``/etc/passwd`` in its cells must not decide
where something is written, nor which file outside of a data set is read as a part of it. Where the
files of a data set lie in one folder (MSVD, CUB, a concept set, annotated images, …) their paths go
through :func:`path_inside`, and so does every path that is written to. The user's own corpora
``folder`` and ``images`` may name videos and images anywhere: these are only read.
"""

from __future__ import annotations

import os
from pathlib import Path

from seewhy.errors import InputError

_LONGEST = 240
"""Bytes of one part of a path that is written; file systems allow 255, and suffixes are added."""


def path_inside(folder: str | Path, name: object, *, where: str, to_write: bool = False) -> Path:
    """`name` below `folder`.

    Links in the folder are followed in reading: they are the user's own. What is written stays
    within the folder with all links resolved.

    Args:
        folder: all files of the table lie here.
        name: a cell of the table.
        where: table, line or image, for the message.
        to_write: the path is for an output.

    Raises:
        InputError: no text, an absolute path, one that leaves `folder`, or, for an output, a name
            that no file can have.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise InputError(f"{where}: {name!r} names no file; write its path below {folder}")
    parts = os.path.normpath(name).split(os.sep)
    if os.path.isabs(name) or os.pardir in parts or parts == [os.curdir]:
        raise InputError(
            f"{where}: {name} does not stay within {folder}; write a path relative to that folder, "
            "without .."
        )
    path = Path(folder, *parts)
    if to_write:
        longest = max(len(os.fsencode(part)) for part in parts)
        if longest > _LONGEST:
            raise InputError(f"{where}: a name of {longest} bytes; shorten it to {_LONGEST}")
        if not path.resolve().is_relative_to(Path(folder).resolve()):
            raise InputError(f"{where}: {name} leads out of {folder} by a link; remove the link")
    return path
