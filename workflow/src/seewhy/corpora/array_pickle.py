"""Read a pickle of numpy arrays that somebody else made, without running what it asks for.

A pickle names functions and calls them: one from the internet can run anything. The unpickler here
knows the names that numpy's arrays and numbers need, and refuses every other; lists, dictionaries,
texts and plain numbers need none.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.errors import InputError
from seewhy.readable import check_readable

_ADMITTED = {
    (f"numpy.{package}.multiarray", name): value.__reduce__()[0]
    for package in ("core", "_core")  # before and since numpy 2
    for name, value in (("_reconstruct", np.empty(0)), ("scalar", np.uint8()))
} | {("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype}


class _Refused(Exception):
    """What a pickle asked for and does not get."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise _Refused(f"{module}.{name}")
        return _ADMITTED[module, name]


def read_arrays(path: str | Path, *, remedy: str) -> Any:
    """Read a pickle of arrays, in whatever lists and dictionaries they lie.

    Args:
        path: the file.
        remedy: where to get a good one, for messages.

    Raises:
        InputError: the file is cut short, damaged, or asks for anything that is no array.
    """
    check_readable(path, missing=remedy)
    try:
        with open(path, "rb") as file:
            return _ArraysOnly(file).load()
    except _Refused as refused:
        raise InputError(
            f"{path}: asks for {refused}, which is no part of an array; it was not run: throw the "
            f"file away and {remedy}"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(f"{path}: not a whole pickle (cut short or damaged); {remedy}") from error
