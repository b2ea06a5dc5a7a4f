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
from seewhy.regular_files import check_regular

_POINTER = b"version https://git-lfs.github.com/spec/"
_ANNEX = b"/annex/objects/"
_PAGE = (b"<!doctype html", b"<html")
_HEAD = 512  # bytes that tell a pointer or a page from a file


def check_readable(path: str | Path, *, missing: str = "") -> bytes:
    """Look at a file before it is opened by whatever reads its kind.

    Args:
        path: the file.
        missing: what to do where there is none, such as ``run the rule import_corpus``.

    Returns:
        Its first bytes, at most 512.

    Raises:
        InputError: there is no such file or no regular one, its link leads nowhere, it may not be
            read, or it stands for a file that has not been fetched.
    """
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {_absent(path, error, missing)}") from error
    check_regular(path)
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path}: {_refused(error)}") from error
    if head.startswith(_POINTER):
        raise InputError(
            f"{path}: is a pointer of Git LFS, not the file itself; run git lfs pull to fetch it"
        )
    if head.startswith(_ANNEX):
        raise InputError(
            f"{path}: is a pointer of git-annex, not the file itself; run git annex get to fetch it"
        )
    if head.lstrip().lower().startswith(_PAGE):
        raise InputError(
            f"{path}: is a web page, such as a server sends in place of a file; get the file again"
        )
    return head


def make_again(path: str | Path) -> str:
    """What to do about a file of the workflow that cannot be used; nothing need be deleted."""
    return f"make it again (snakemake --force {path}), or put back a whole copy"


def _absent(path: str | Path, error: OSError | ValueError, missing: str) -> str:
    if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM):
        return _refused(error)
    if getattr(error, "errno", None) == errno.ELOOP:
        return "is a link that leads back to itself; mend the link"
    if getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.EINVAL, None):
        return f"is not a name that a file can have ({error}); give another"
    if os.path.islink(path):
        target = os.readlink(path)
        in_cache = "/files/md5/" in target or "/.dvc/" in target
        remedy = (
            "it is kept by DVC and not on this machine: run dvc pull"
            if in_cache
            else "put that file back, or mend the link"
        )
        return f"is a link to {target}, which is not there; {remedy}"
    if os.path.exists(f"{path}.dvc"):
        return "no such file, but DVC knows it; run dvc pull"
    return "no such file" + (f"; {missing}" if missing else "")


def _refused(error: OSError | ValueError) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return "may not be read by this user (permission denied); make it and its folder readable"
    return f"cannot be read ({os.strerror(code) if code else error}); look after the disk"
