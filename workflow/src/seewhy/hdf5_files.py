"""HDF5 files that cannot be opened, or do not hold what they should.

A good file can be out of reach: another process writes it, this user may not read it, its file
system has no locks. HDF5 says all of that by the same error as of a damaged one; `explain_unopened`
tells them apart. `check_contents` holds the data sets of a file against what a reader expects of
them (`Expect`), so that a file of another form, or with values that would be used in silence, is
one line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from seewhy.errors import InputError
from seewhy.number_text import shown
from seewhy.readable import make_again

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
_LOCKED = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
_CUT = re.compile(r"truncated file: eof = (\d+).*?stored_eof = (\d+)")
_OF_HDF5 = re.compile(r"Can't |Unable to |Unspecified error")  # how h5py begins HDF5's errors
_ERRNO = re.compile(r"errno = (\d+)")
_KINDS = {"text": "O", "whole": "iu", "number": "iuf", "flag": "b", "byte": "u"}
_WORDS = {
    "text": "text",
    "whole": "whole numbers",
    "number": "numbers",
    "flag": "flags",
    "byte": "bytes (uint8)",
}


class Expect(NamedTuple):
    """What a reader expects of one data set.

    Attributes:
        kind: `text`, `whole`, `byte` (uint8), `number` or `flag`.
        shape: of each axis its length, or a letter for a length that all data sets of the file
            share (``n+1``: one more), or None for any.
        least: of all values; None: any. Whether values are finite is looked at too where a bound or
            `finite` is given; data sets without any of these are not read.
        most: of all values: a number, or the letter of an axis (at most its length), or ``<n``
            (below it).
        finite: whether no value may be NaN or infinite.
        rising: offsets: from 0, never falling, to the length of the axis of this letter.
        optional: the file may lack it.
    """

    kind: str
    shape: tuple[str | int | None, ...]
    least: float | None = None
    most: float | str | None = None
    finite: bool = False
    rising: str | None = None
    optional: bool = False


FRAMES = {
    "frames": Expect("byte", ("clips", "n", "side", "side", 3)),
    "lengths": Expect("whole", ("clips",), least=0, most="n"),
    "clip": Expect("text", ("clips",)),
}
"""Of a file of `seewhy.frames.sample_frames`."""


def errno_of(error: OSError) -> int | None:
    """Number of the system's error behind one of HDF5."""
    found = _ERRNO.search(str(error))
    return int(found[1]) if found else error.errno


def explain_unopened(path: str | Path, error: OSError) -> str:
    """Why HDF5 does not open a file that can be read, and what to do; never to delete it."""
    size = os.path.getsize(path)
    if "unable to lock" in str(error) and errno_of(error) in _LOCKED:
        return (
            f"{path}: another process has it open for writing{_writers(path)}; wait until it ends, "
            "or stop it, and run again (the file itself may be good)"
        )
    if "already open" in str(error) or "consistency flags" in str(error):
        return (
            f"{path}: the program that wrote it has not closed it{_writers(path)}; wait until it "
            f"ends; if it was killed, {make_again(path)}"
        )
    if not size:
        return f"{path}: not a whole HDF5 file: empty (0 bytes); {make_again(path)}"
    cut = _CUT.search(str(error))
    if cut:
        return (
            f"{path}: not a whole HDF5 file: cut short ({cut[1]} of {cut[2]} bytes are there); "
            f"{make_again(path)}"
        )
    if not _has_signature(path, size):
        return (
            f"{path}: not a whole HDF5 file: {size} bytes of something else; name the right file, "
            f"or {make_again(path)}"
        )
    reason = " ".join(str(error).split())[:160]
    return f"{path}: not a whole HDF5 file: damaged ({reason}); {make_again(path)}"


def explain_unread(path: str | Path, error: Exception) -> str:
    """What to say of an open file whose data cannot be read."""
    reason = " ".join(str(error).split())[:160]
    return f"{path}: is damaged, its data cannot be read ({reason}); {make_again(path)}"


@contextlib.contextmanager
def explained_damage(path: str | Path) -> Iterator[None]:
    """Turn HDF5's errors about damaged data, of whatever kind, into an `InputError`."""
    try:
        yield
    except (KeyError, OSError, RuntimeError) as error:
        message = str(error.args[0]) if error.args else ""
        if getattr(error, "errno", None) is None and _OF_HDF5.match(message):
            raise InputError(explain_unread(path, error)) from error
        raise


@contextlib.contextmanager
def explained_form(path: str | Path, what: str) -> Iterator[None]:
    """Turn what goes wrong while a file of the workflow is made into an object into one line.

    Args:
        path: the file, whose data sets are there.
        what: it should hold.
    """
    try:
        yield
    except InputError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not {what} of this version ({shown(str(error))}); {make_again(path)}"
        ) from error


def check_contents(
    file: h5py.File, path: str | Path, expected: Mapping[str, Expect]
) -> dict[str, int]:
    """Hold data sets against what is expected of them.

    Args:
        file: the open file.
        path: its name, for the message.
        expected: of each data set.

    Returns:
        The lengths that the letters stand for.

    Raises:
        InputError: the first data set that is missing or other than expected.
    """
    lengths: dict[str, int] = {}
    for name, expect in expected.items():
        data = file.get(name)
        if data is None and expect.optional:
            continue
        if not isinstance(data, h5py.Dataset):
            raise InputError(f"{path}: has no data set {name}; {make_again(path)}")
        _check_kind(data, name, expect, path)
        _check_shape(data, name, expect, path, lengths)
    for name, expect in expected.items():
        if expect.rising is not None and name in file:
            offsets = file[name][:]
            last = lengths.get(expect.rising, 0)  # no rows where the optional data are not there
            if offsets[0] != 0 or offsets[-1] != last or (np.diff(offsets) < 0).any():
                raise InputError(
                    f"{path}: {name} must rise from 0 to {last}, the rows that there are; "
                    f"{make_again(path)}"
                )
        elif name in file and (expect.finite or (expect.least, expect.most) != (None, None)):
            _check_values(file[name][...], name, expect, path, lengths)
    return lengths


def check_finite(values: np.ndarray, what: str, path: str | Path) -> None:
    """Refuse NaN and infinity.

    Args:
        values: of any shape.
        what: they are, for the message, such as ``features of clip a``.
        path: of the file.

    Raises:
        InputError: there is one.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(
            f"{path}: {what}: not all values are finite numbers (NaN or infinity); "
            f"{make_again(path)}"
        )


def texts(data: h5py.Dataset, path: str | Path) -> list[str]:
    """The strings of a data set.

    Raises:
        InputError: they are no text, or not UTF-8.
    """
    try:
        return [str(one) for one in np.atleast_1d(data.asstr()[...])]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: {data.name.strip('/')}: holds no text in UTF-8 ({str(error)[:80]}); "
            f"{make_again(path)}"
        ) from error


def attribute(file: h5py.HLObject, name: str, path: str | Path) -> Any:
    """An attribute of a file, a group or a data set.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    try:
        return file.attrs[name]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: has no attribute {name}; {make_again(path)}") from error


def _check_kind(data: h5py.Dataset, name: str, expect: Expect, path: str | Path) -> None:
    try:
        is_text = h5py.check_string_dtype(data.dtype) is not None
    except TypeError as error:  # a type that numpy lacks
        raise InputError(explain_unread(path, error)) from error
    right = is_text if expect.kind == "text" else data.dtype.kind in _KINDS[expect.kind]
    if expect.kind == "byte":
        right = data.dtype == "uint8"
    if not right:
        raise InputError(
            f"{path}: {name} holds {data.dtype}, not {_WORDS[expect.kind]}; {make_again(path)}"
        )


def _check_shape(
    data: h5py.Dataset, name: str, expect: Expect, path: str | Path, lengths: dict[str, int]
) -> None:
    shape = data.shape if data.shape is not None else ()
    right = len(shape) == len(expect.shape)
    wanted = []
    for length, want in zip(shape, expect.shape, strict=False):
        if isinstance(want, str):
            letter, _, more = want.partition("+")
            extra = int(more or 0)
            known = lengths.setdefault(letter, length - extra)
            right &= length == known + extra
            wanted.append(f"{known + extra}")
        else:
            right &= want is None or length == want
            wanted.append("any" if want is None else str(want))
    if not right:
        there = " x ".join(map(str, shape)) or "one value"
        wish = " x ".join(wanted if len(wanted) == len(expect.shape) else map(str, expect.shape))
        raise InputError(f"{path}: {name} is {there}, expected {wish}; {make_again(path)}")


def _check_values(
    values: np.ndarray, name: str, expect: Expect, path: str | Path, lengths: Mapping[str, int]
) -> None:
    if not values.size:
        return
    check_finite(values, name, path)
    most = expect.most
    if isinstance(most, str):
        most = lengths[most.lstrip("<")] - most.startswith("<")
    low, high = values.min(), values.max()
    if (expect.least is not None and low < expect.least) or (most is not None and high > most):
        bounds = f"{'' if expect.least is None else f'{expect.least:g}'} to " + (
            "any" if most is None else f"{most:g}"
        )
        raise InputError(
            f"{path}: {name} runs from {low:g} to {high:g}, outside of {bounds}; {make_again(path)}"
        )


def _has_signature(path: str | Path, size: int) -> bool:
    """Whether HDF5's mark stands at 0, 512, 1024, 2048, … bytes, where it may."""
    place = 0
    with open(path, "rb") as file:
        while place < size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def _writers(path: str | Path) -> str:
    """Who holds a lock on the file, as far as Linux tells."""
    try:
        stat = os.stat(path)
        own = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
        found = []
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and own in fields and fields[4].isdigit():
                name = Path("/proc", fields[4], "comm").read_text().strip()
                found.append(f"{name}, process {fields[4]}")
    except OSError:
        return ""
    return f" ({'; '.join(dict.fromkeys(found))})" if found else ""
