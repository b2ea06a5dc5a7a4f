"""JSON that people and other programs wrote: one strict reader.

Python's own takes ``NaN``, lets the last of two equal keys win, and raises errors of other kinds
where a file is nested too deeply or holds a number of thousands of digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seewhy.errors import InputError
from seewhy.text_files import read_text

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json_text(path: str | Path, *, missing: str, remedy: str, finite: bool = True) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        missing: what to do where there is none.
        remedy: what to do where it is no JSON.
        finite: refuse NaN and infinity, which are no JSON though Python writes them.

    Raises:
        InputError: as the arguments say.
    """
    return parse_json(read_text(path, missing=missing), path, remedy=remedy, finite=finite)


def parse_json(text: str, where: str | Path, *, remedy: str, finite: bool = True) -> Any:
    """The value of a text in JSON; arguments as for `read_json_text`.

    Raises:
        InputError: it is not JSON, gives a key twice, or holds half a character.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number of JSON")

    def unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice")
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=unique, **({"parse_constant": refuse} if finite else {})
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise InputError(f"{where}: not JSON that can be read (nested too deeply); {remedy}") from (
            error
        )
    except ValueError as error:  # also of too many digits, and of half characters
        raise InputError(f"{where}: not JSON ({str(error)[:200]}); {remedy}") from error
    return value


def has_form(value: Any, form: Any) -> bool:
    """Whether a value of JSON has a form: a type, a tuple of types, [form], or {key: form, …}.

    A boolean is no number, a float that is infinite or no number is none either. Keys beyond those
    of the form are admitted.

    Example::

        has_form({"clip": "a", "rows": [1, 2]}, {"clip": str, "rows": [int]})
    """
    if isinstance(form, dict):
        return isinstance(value, dict) and all(
            key in value and has_form(value[key], own) for key, own in form.items()
        )
    if isinstance(form, list):
        return isinstance(value, list) and all(has_form(item, form[0]) for item in value)
    kinds = form if isinstance(form, tuple) else (form,)
    if isinstance(value, bool):
        return bool in kinds
    if float in kinds and isinstance(value, int | float):
        return value == value and abs(value) != float("inf")
    return isinstance(value, kinds)
