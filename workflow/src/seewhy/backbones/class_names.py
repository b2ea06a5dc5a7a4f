"""Names of a network's classes from a file, as they are published beside weights.

category_momentsv1.txt     a name a line, in the order of the outputs
categories_places365.txt   /a/airfield 0: a name and its number; or 0 airfield, airfield,0
imagenet_classes.json      a list of names, or {"0": name, …} or {"0": ["n01440764", name], …}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from seewhy.errors import InputError
from seewhy.json_files import parse_json
from seewhy.text_files import read_text, split_lines

_FORMS = (
    r"(?P<name>.+?)[\s,]+(?P<number>[0-9]{1,9})",
    r"(?P<number>[0-9]{1,9})[\s,:]+(?P<name>.+)",
)


def read_class_names(path: str | Path) -> list[str]:
    """The names in the order of the outputs; numbers beside them, of every line, give the order.

    Raises:
        InputError: missing, not text, an empty line between others, or numbers that are not 0, 1, …
            or 1, 2, …
    """
    text = read_text(path, missing="no class names: write a file with a name a line")
    if text.lstrip()[:1] in ("[", "{"):
        return _from_json(path, text)
    lines = [line.strip() for line in split_lines(text.rstrip())]
    if not lines:
        raise InputError(f"{path}: is empty; give each class its name, a line each")
    if not all(lines):
        raise InputError(f"{path}: line {lines.index('') + 1}: empty; give each class its name")
    for form in _FORMS:
        found = [re.fullmatch(form, line) for line in lines]
        if found and all(found):
            numbers = [int(one["number"]) for one in found if one]
            names = [one["name"].strip() for one in found if one]
            if (ordered := _in_order(numbers, names)) is not None:
                return ordered
    return lines


def _in_order(numbers: list[int], names: list[str]) -> list[str] | None:
    """Names by their numbers, which count from 0 or from 1; None where they do not."""
    pairs = sorted(zip(numbers, names, strict=True))
    counted = [number for number, _ in pairs]
    if not pairs or counted not in (
        list(range(len(pairs))), list(range(1, len(pairs) + 1))
    ):  # fmt: skip
        return None
    return [name for _, name in pairs]


def _from_json(path: str | Path, text: str) -> list[str]:
    found = parse_json(text, path, remedy="give a name a line, or a JSON list")
    if isinstance(found, dict):
        numbers = [int(key) if re.fullmatch("[0-9]{1,9}", key) else -1 for key in found]
        names = [_name(value) for value in found.values()]
        if all(type(value) is int for value in found.values()):  # name to number
            numbers, names = list(found.values()), list(found)
        ordered = _in_order(numbers, [str(name) for name in names])
        if ordered is None or None in names:
            raise InputError(f"{path}: its keys are not the numbers 0, 1, … of classes with names")
        return ordered
    if not found or not all(isinstance(one, str) for one in found):
        raise InputError(f"{path}: not a list of names; give one for each class, in their order")
    return found


def _name(value: Any) -> str | None:
    """The name, or the last of a list of identifier and name, as ImageNet's."""
    last = value[-1] if isinstance(value, list) and value else value
    return last if isinstance(last, str) else None
