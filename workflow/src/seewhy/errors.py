"""The one exception that a user is meant to read, and what turns others into it.

Every message is a single line that names the file, key or value at fault and what to do about it.
The rule scripts print it without a traceback (:func:`seewhy.entry.rule`); a caller of the package
catches it like any other ``ValueError``. Nothing here needs a package: Snakemake's own process
reads it, in an environment with Snakemake alone.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from numbers import Integral
from pathlib import Path

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}


_SHOWN = 40  # letters of a wrong value in a message
_LONGEST, _LONGEST_WORD = 1400, 400  # characters of a message, and of a word (a path, say) in it


class InputError(ValueError):
    """Something given by the user (a file, a setting, a disk without room) cannot be used.

    Write the message as ``<what and where>: <what is wrong>; <what to do>``.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(map(_shortened, str(message).split()))
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST - 400]} … {line[-400:]}"  # what to do stands at the end
        super().__init__(line)


def require_whole(least: int, **values: object) -> None:
    """Refuse settings that are not whole numbers of `least` or more; numpy's integers are.

    Raises:
        InputError: the first of them.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name} {value!r} must be a whole number, {least} or more")


def shown(text: str) -> str:
    """A wrong value for a message, cut where it is long."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}… ({len(text)} characters)"


def nearest(name: str, known: Iterable[object], *, n: int = 3, cutoff: float = 0.6) -> list[str]:
    """Names like `name`, the likest first, none twice and none that is `name` itself."""
    names = dict.fromkeys(str(one) for one in known)
    names.pop(name, None)
    same = [one for one in names if one.casefold() == name.casefold()]
    likest = difflib.get_close_matches(name, names, n=n, cutoff=cutoff)
    return list(dict.fromkeys([*same, *likest]))[:n]


def none_such(name: object, known: Iterable[object]) -> str:
    """That a name is not among the known ones, and what there is in its place; for a message."""
    names = list(dict.fromkeys(str(one) for one in known))
    if not names:
        return f"{name!r} is not known, and there is none to choose"
    near = nearest(str(name), names)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    return f"{name!r} is not one of {shown}{hint}"


def as_whole(value: object) -> int | None:
    """A whole number as int, Python's, NumPy's or a tensor's; None for all else, a bool too."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


@contextlib.contextmanager
def explain_write_errors(path: str | Path) -> Iterator[None]:
    """Turn a full or read-only disk into an `InputError` that names `path`.

    Libraries report a full disk in their own ways: safetensors by an exception of its own, torch
    by one in whose handling the real one was lost.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if _NO_ROOM.intersection(_codes(error)) or "No space left" in str(error):
            raise InputError(
                f"{path}: no space left on the device; free some space (the output was not "
                "written) and run the same command again"
            ) from error
        code = getattr(error, "errno", None)
        if code in _DENIED:
            raise InputError(
                f"{path}: cannot be written ({os.strerror(code)}); make its folder writable"
            ) from error
        raise


def _codes(error: BaseException | None) -> Iterator[int]:
    """Error numbers of `error` and of what led to it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            yield error.errno
        error = error.__cause__ or error.__context__


def _shortened(word: str) -> str:
    """A word of a message, such as a value of a user's file, which may be of any length."""
    if len(word) <= _LONGEST_WORD:
        return word
    return f"{word[: _LONGEST_WORD - 100]}…{word[-60:]}"
