"""Why a file that a user names cannot be read, said before anything reads it.

A file that is not there, one whose link leads nowhere, a folder, a pipe, a file that this user may
not read, and one that holds only a pointer of Git LFS are different troubles with different
remedies. None of them is a reason to delete anything.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from seewhy.errors import InputError
from seewhy.regular_files import what_instead

_HEAD = 512  # bytes that tell a pointer or a page from a file
_PAGE = "is a web page, such as a server sends in place of a file; get the file again"
_STANDING = {  # how a file begins, in small letters, that stands for another
    b"version https://git-lfs.github.com/spec/": "is a pointer of Git LFS, not the file itself; "
    "run git lfs pull to fetch it",
    b"/annex/objects/": "is a pointer of git-annex, not the file itself; run git annex get to "
    "fetch it",
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
}


def check_readable(path: str | Path, *, missing: str = "") -> bytes:
    """Look at a file before it is opened by whatever reads its kind; an empty one passes.

    Args:
        path: the file.
        missing: what to do where there is none, such as ``run the rule import_corpus``.

    Returns:
        Its first bytes, at most 512.

    Raises:
        InputError: there is no such file or no regular one, its link leads nowhere, it may not be
            read, or it stands for a file that has not been fetched.
    """
    trouble, head = _look_into(path, missing)
    if trouble:
        raise InputError(f"{path}: {trouble[1]}")
    return head


def find_trouble(path: str | Path) -> tuple[str, str] | None:
    """Why a file cannot be read, as a status word and a reason; None: it can.

    The word is ``missing``, ``empty`` or ``unreadable``: what reports of many files count.
    """
    trouble, head = _look_into(path)
    if not trouble and not head:
        return "empty", "the file has 0 bytes"
    return trouble


def _look_into(path: str | Path, missing: str = "") -> tuple[tuple[str, str] | None, bytes]:
    """The trouble with a file, and its first bytes."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        return _absent(path, error, missing), b""
    if kind := what_instead(path):
        return ("unreadable", f"is {kind}; name a file that can be read to its end"), b""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return ("unreadable", _refused(error)), b""
    for start, standing in _STANDING.items():
        if head.lstrip().lower().startswith(start):
            return ("unreadable", standing), head
    return None, head


def make_again(path: str | Path) -> str:
    """What to do about a file of the workflow that cannot be used; nothing need be deleted."""
    return f"make it again (snakemake --force {path}), or put back a whole copy"


def _absent(path: str | Path, error: OSError | ValueError, missing: str) -> tuple[str, str]:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return "unreadable", _refused(error)
    if code == errno.ELOOP:
        return "unreadable", "is a link that leads back to itself; mend the link"
    if code in (errno.ENAMETOOLONG, errno.EINVAL, None):
        return "unreadable", f"is not a name that a file can have ({error}); give another"
    if os.path.islink(path):
        target = os.readlink(path)
        in_cache = "/files/md5/" in target or "/.dvc/" in target
        remedy = (
            "it is kept by DVC and not on this machine: run dvc pull"
            if in_cache
            else "put that file back, or mend the link"
        )
        return "missing", f"is a link to {target}, which is not there; {remedy}"
    if os.path.exists(f"{path}.dvc"):
        return "missing", "no such file, but DVC knows it; run dvc pull"
    return "missing", "no such file" + (f"; {missing}" if missing else "")


def _refused(error: OSError | ValueError) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return "may not be read by this user (permission denied); make it and its folder readable"
    return f"cannot be read ({os.strerror(code) if code else error}); look after the disk"
