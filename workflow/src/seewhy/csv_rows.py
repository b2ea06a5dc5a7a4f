"""CSV files that people and spreadsheets wrote, as rows of text: one strict reader of them.

A row with a field too many or too few, a quote that swallows the rows below it, columns separated
by something else than a comma, a nameless or repeated column: each is told with its line, since
every one of them puts values where they do not belong. Blank lines are passed over.

Light on purpose: the workflow reads a person's own table by it at every start. Data frames of the
same rows come from `seewhy.csv_files`.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seewhy.errors import InputError, shown
from seewhy.readable import check_readable
from seewhy.text_files import check_encoding, not_utf8, nul_in

_OTHERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Rows(NamedTuple):
    """Some rows of a table that follow each other.

    Attributes:
        names: of all columns, without blanks around.
        lines: of the file in which each row begins.
        cells: of each row one for each column, as they stand.
    """

    names: list[str]
    lines: list[int]
    cells: list[list[str]]


def read_rows(path: str | Path, *, rows: int, missing: str = "") -> Iterator[Rows]:
    """Read a CSV file, at most `rows` rows at a time; one part without rows where there is none.

    Args:
        path: the file.
        rows: of a part, at most.
        missing: what to do where there is no file.

    Raises:
        InputError: it cannot be read, is not UTF-8, or is no CSV file with one row of names.
    """
    check_encoding(check_readable(path, missing=missing), path)
    names: list[str] = []
    given = False
    for line, ends, block in _blocks(path, rows):
        begins = [line, *(end + 1 for end in ends[:-1])]
        if not names or {len(names)} != set(map(len, block)) or not all(row[0] for row in block):
            begins, ends, block = _without_blank(begins, ends, block)
            if block and not names:
                names = _names(block[0], f"{path}: line {begins[0]}")
                begins, ends, block = begins[1:], ends[1:], block[1:]
            _check_lengths(begins, block, len(names), path)
        if ends and ends[-1] - begins[0] >= len(block):
            for begin, end, row in zip(begins, ends, block, strict=True):
                if end > begin:
                    _check_not_swallowed(row, f"{path}: lines {begin} to {end}")
        if block:
            yield Rows(names, begins, block)
            given = True
    if not names:
        raise InputError(f"{path}: is empty; it needs a first line with the names of its columns")
    if not given:
        yield Rows(names, [], [])


def check_names(
    names: Sequence[object],
    where: str | Path,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    *,
    only: bool = True,
    of: str = "",
    note: str = "",
) -> None:
    """Refuse the names of a table's columns unless they are those that it needs.

    Args:
        names: of the columns that there are.
        where: the file.
        needed: columns that must be there.
        optional: others that may be.
        only: refuse any other column.
        of: the table's name, for the message.
        note: added to the list of columns in the message.

    Raises:
        InputError: a column lacks or is unknown; a name that is nearly right is told.
    """
    known = [*needed, *optional]
    unknown = [name for name in names if name not in known] if only else []
    missing = [name for name in needed if name not in names]
    if not unknown and not missing:
        return
    wrong = [f"has no column {', '.join(missing)}"] if missing else []
    wrong += [f"has an unknown column {', '.join(map(shown_name, unknown))}"] if unknown else []
    lower = {name.casefold(): name for name in known if name not in names}
    hints = []
    for name in names:
        near = difflib.get_close_matches(str(name).casefold(), lower, n=1)
        if name not in known and near:
            hints.append(f"{shown_name(name)} should be {lower[near[0]]}")
    hint = f" ({'; '.join(hints)})" if hints else ""
    of = f" of {of}" if of else ""
    raise InputError(
        f"{where}: {' and '.join(wrong)}{hint}; the columns{of} are {', '.join(known)}{note}"
    )


def shown_name(name: object) -> str:
    """A column's name for a message."""
    text = str(name)
    return text if text.isidentifier() and len(text) <= 40 else shown(text)


def _blocks(path: str | Path, rows: int) -> Iterator[tuple[int, list[int], list[list[str]]]]:
    """Some rows at a time: the line where the first begins, those where they end, and the rows."""
    csv.field_size_limit(2**31 - 1)  # of one cell; Python's own limit is 131,072 characters
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_without_nul(file, path), strict=True)
        while True:
            before = reader.line_num
            ends: list[int] = []
            block: list[list[str]] = []
            try:
                for row in itertools.islice(reader, rows + (not before)):  # the names are first
                    block.append(row)
                    ends.append(reader.line_num)
            except csv.Error as error:
                line = (ends[-1] if ends else before) + 1
                raise InputError(f"{path}: line {line}: {_explained(error)}") from error
            except UnicodeDecodeError as error:
                raise InputError(f"{path}: {_foreign(path)}") from error
            if not block:
                return
            yield before + 1, ends, block


def _without_blank(
    begins: list[int], ends: list[int], block: list[list[str]]
) -> tuple[list[int], list[int], list[list[str]]]:
    kept = [k for k, row in enumerate(block) if any(cell.strip() for cell in row)]
    return tuple([some[k] for k in kept] for some in (begins, ends, block))


def _check_lengths(begins: list[int], block: list[list[str]], columns: int, path: object) -> None:
    for line, row in zip(begins, block, strict=True):
        if len(row) != columns:
            raise InputError(
                f"{path}: line {line}: has {len(row)} fields for {columns} columns; put quotes "
                "around a text with commas, and a comma for every empty cell"
            )


def _without_nul(file: Iterator[str], path: str | Path) -> Iterator[str]:
    for line in file:
        if "\0" in line:
            raise InputError(f"{path}: {nul_in(Path(path).read_bytes())}")
        yield line


def _check_not_swallowed(row: list[str], where: str) -> None:
    """Refuse a cell that holds the rest of one row, whole rows, and the beginning of another.

    Such a cell has columns - 1 commas for every line break in it.
    """
    for cell in row:
        breaks = len(cell.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
        if breaks and cell.count(",") >= breaks * (len(row) - 1):
            raise InputError(
                f"{where}: are one cell, which begins {shown(cell[:30])}: a quote is not closed "
                "where it should be; close it (a quote within quotes is written twice), or write "
                "the text on one line"
            )


def _names(row: list[str], where: str) -> list[str]:
    names = [name.strip() for name in row]
    if names[0].lower().startswith("sep="):
        raise InputError(f"{where}: {names[0]!r} is a note to Excel; take the line out")
    if len(names) == 1:
        for sign, name in _OTHERS.items():
            if sign in row[0].strip():
                raise InputError(
                    f"{where}: the columns are separated by {name}; save the table with commas"
                )
    for place, name in enumerate(names, 1):
        if not name:
            raise InputError(
                f"{where}: column {place} has no name; name it, or take it out (pandas writes an "
                "index column without a name unless index=False is given)"
            )
        if names.index(name) + 1 < place:
            raise InputError(f"{where}: two columns are named {shown_name(name)}; rename one")
    return names


def _explained(error: csv.Error) -> str:
    if "unexpected end of data" in str(error):
        return (
            "a quote is opened here and never closed; close it (a quote within quotes is written "
            "twice)"
        )
    if "expected after" in str(error):
        return (
            "a quote ends within a cell (in this line or below, where the cell goes on); write a "
            "quote within quotes twice"
        )
    return f"not a row of a CSV file ({error}); put quotes around a text with commas"


def _foreign(path: str | Path) -> str:
    """What is wrong with a file that is not UTF-8."""
    content = Path(path).read_bytes().removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(content.splitlines(), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return not_utf8(number, line[error.start], path)
    return "is not UTF-8; save it as UTF-8"
