"""The canonical form of a corpus: written by every adapter, read by everything downstream.

The form itself (tables, columns, what each means) stands in ``canonical.yaml`` beside this module.
"""

from __future__ import annotations

import functools
import importlib.resources
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from seewhy.csv_files import check_columns, csv_parts, line_of, read_csv
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.number_text import LARGEST_WHOLE, numbers_of, shown
from seewhy.text.tokens import tokenise

SPLITS = ("train", "val", "test")
_DTYPES = {"string": "string", "number": "Float64", "integer": "Int64", "boolean": "boolean"}
_IDENTIFIER = r"[\w.-]*\w[\w.-]*"  # also names files, so it is no way out of a folder
_LONGEST = 200  # bytes of an identifier; a file's name may have 255
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_MAKE = "run the rule import_corpus"


@functools.cache
def schema() -> dict[str, Any]:
    """The tables of the canonical form, as ``canonical.yaml`` describes them."""
    text = importlib.resources.files("seewhy.corpora").joinpath("canonical.yaml").read_text()
    tables = yaml.safe_load(text)
    tables.pop("truth")
    return tables


def read_table(folder: str | Path, name: str) -> pd.DataFrame:
    """Read one table of a corpus.

    Args:
        folder: the corpus in canonical form.
        name: `clips`, `captions`, `labels`, `instances`, `segments` or `phrases`.

    Returns:
        The table; an optional table that the corpus lacks comes back empty, an optional column
        that it lacks is filled with missing values.

    Raises:
        InputError: the table is missing though required, or breaks the form.
    """
    path = Path(folder) / f"{name}.csv"
    if not os.path.lexists(path) and not schema()[name]["required"]:
        return empty_table(name)
    table = read_csv(path, missing=_MAKE)
    return check_table(table, name, where=str(path), lines=table.index)


def table_parts(folder: str | Path, name: str, *, rows: int = 20_000) -> Iterator[pd.DataFrame]:
    """A required table, so many rows at a time: a job that needs few keeps no more in memory.

    A key that is repeated in another part goes unnoticed; import_corpus has looked at the whole.

    Raises:
        InputError: as `read_table`.
    """
    path, first = Path(folder) / f"{name}.csv", 0
    for part in csv_parts(path, rows=rows, missing=_MAKE):
        yield check_table(part, name, where=str(path), first=first, lines=part.index)
        first += len(part)


def empty_table(name: str) -> pd.DataFrame:
    """A table of the form without rows."""
    columns = schema()[name]["columns"]
    return pd.DataFrame(
        {column: pd.Series(dtype=_DTYPES[about["type"]]) for column, about in columns.items()}
    )


def write_tables(
    folder: str | Path, tables: Mapping[str, pd.DataFrame], *, source: str | Path | None = None
) -> None:
    """Check `tables` against the form and each other, then write ``<folder>/<name>.csv`` each.

    Args:
        folder: where.
        tables: by name.
        source: what they were made of, for messages; None: the files to be written.

    Raises:
        InputError: a table breaks the form; nothing is written then.
    """
    where = {
        name: f"{folder}/{name}.csv" if source is None else f"{source}: as table {name}"
        for name in tables
    }
    checked = {name: check_table(table, name, where=where[name]) for name, table in tables.items()}
    for name, table in checked.items():
        _check_references(table, name, checked, where[name])
    for name, table in checked.items():
        with whole_file(Path(folder) / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)


def check_captions(texts: pd.Series, where: str | Path) -> None:
    """Refuse a caption of a user's table without a word in it; an empty cell is no caption.

    Args:
        texts: a column of a table of `read_csv`.
        where: the file.

    Raises:
        InputError: the first.
    """
    for row, text in enumerate(texts.fillna("")):
        if text and not tokenise(text):
            raise InputError(
                f"{where}: line {line_of(texts, row)}: the caption {shown(text)} has no word in "
                "it; write one, or leave the cell empty"
            )


def without_words(captions: pd.DataFrame, remarks: list[str]) -> pd.DataFrame:
    """The captions of a published data set without those that have no word, which are told."""
    silent = pd.Series([not tokenise(text) for text in captions["text"]], captions.index, bool)
    if silent.any():
        first = captions["clip"][silent].iloc[0]
        remarks.append(
            f"{silent.sum()} captions have no word in them and are left out (the first: of {first})"
        )
    return captions[~silent].reset_index(drop=True)


def check_table(
    table: pd.DataFrame, name: str, *, where: str, first: int = 0, lines: pd.Index | None = None
) -> pd.DataFrame:
    """Return `table` with the form's column order and types, its rows numbered from `first`.

    Args:
        table: as text, or typed.
        name: of the form.
        where: the file, for messages.
        first: number of the first row.
        lines: of the file, less 2, as `read_csv` tells them; None: the rows' own numbers.

    Raises:
        InputError: a missing or unknown column, a value of the wrong type or out of its bounds, an
            empty cell, a repeated key; the message names `where`, the column and the line.
    """
    form = schema()[name]
    columns = form["columns"]
    check_columns(
        table,
        where,
        [column for column, about in columns.items() if not about.get("optional")],
        [column for column, about in columns.items() if about.get("optional")],
        of=name,
    )
    if not len(table):
        return empty_table(name)
    result = pd.DataFrame(index=pd.RangeIndex(first, first + len(table)))
    complain = functools.partial(_complain, where, lines)
    for column, about in columns.items():
        if column not in table.columns:
            result[column] = pd.Series(pd.NA, index=result.index, dtype=_DTYPES[about["type"]])
            continue
        given = table[column].set_axis(result.index)
        values = _typed(given, about["type"], column, complain)
        if not about.get("optional") and values.isna().any():
            complain(column, values.isna(), "is empty; fill it in")
        _check_values(values, about, column, complain)
        result[column] = values
    for column, about in columns.items():
        if "below" in about:
            bad = (result[column] >= result[about["below"]]).fillna(False)
            if bad.any():
                what = f"is not below its {about['below']}; mend both"
                complain(column, bad, what, result[column])
        if "up_to" in about:
            bad = (result[column] > result[about["up_to"]]).fillna(False)
            if bad.any():
                what = f"is above its {about['up_to']}; mend both"
                complain(column, bad, what, result[column])
    repeated = result.duplicated(subset=form["key"])
    if repeated.any():
        complain(" + ".join(form["key"]), repeated, "repeats an earlier row; make it unique")
    return result


def _typed(values: pd.Series, kind: str, column: str, complain: Callable[..., None]) -> pd.Series:
    if kind == "boolean" and not pd.api.types.is_bool_dtype(values.dtype):
        lower = values.astype("string").str.lower()
        mapped = lower.map({"true": True, "false": False}).astype("boolean")
        if (mapped.isna() & lower.notna()).any():
            complain(column, mapped.isna() & lower.notna(), "is not true or false", values)
        return mapped
    if kind in ("number", "integer"):
        numbers = numbers_of(values)
        bad = numbers.isna() & values.notna()
        if kind == "integer":
            bad |= numbers.notna() & ((numbers % 1 != 0) | (numbers.abs() > LARGEST_WHOLE))
        if bad.any():
            whole = "a whole" if kind == "integer" else "a"
            complain(column, bad, f"is not {whole} number", values)
        return numbers.astype(_DTYPES[kind])
    return values.astype(_DTYPES[kind])


def _check_values(
    values: pd.Series, about: Mapping[str, Any], column: str, complain: Callable[..., None]
) -> None:
    """Hold the values of a column against what the form says of each."""
    if "values" in about:
        bad = values.notna() & ~values.isin(about["values"])
        if bad.any():
            complain(column, bad, f"is not one of {', '.join(about['values'])}", values)
    if "least" in about and (bad := (values < about["least"]).fillna(False)).any():
        complain(column, bad, f"is below {about['least']}", values)
    if "above" in about and (bad := (values <= about["above"]).fillna(False)).any():
        complain(column, bad, f"is not above {about['above']}", values)
    if about.get("identifier"):
        bad = ~values.str.fullmatch(_IDENTIFIER).fillna(True)
        if bad.any():
            complain(column, bad, "is not letters, digits, '.', '_' and '-' alone", values)
        bad = pd.Series([len(str(value).encode()) > _LONGEST for value in values], values.index)
        if bad.any():
            complain(column, bad, f"is longer than {_LONGEST} bytes; shorten the name", values)
    elif about["type"] == "string" and (bad := values.str.contains(_CONTROL).fillna(False)).any():
        complain(column, bad, "holds a control character; take it out", values)


def _complain(
    where: str,
    lines: pd.Index | None,
    column: str,
    bad: pd.Series,
    what: str,
    values: pd.Series | None = None,
) -> None:
    row = int(bad.to_numpy(dtype=bool, na_value=False).argmax())
    value = f" {shown(str(values.iloc[row]))}" if values is not None else ""
    line = (bad.index if lines is None else lines)[row] + 2
    raise InputError(f"{where}: column {column}, line {line}: the value{value} {what}")


def _check_references(
    table: pd.DataFrame, name: str, tables: Mapping[str, pd.DataFrame], where: str
) -> None:
    for column, about in schema()[name]["columns"].items():
        if "refers" not in about:
            continue
        target, key = about["refers"].split(".")
        bad = ~table[column].isin(tables[target][key])
        if bad.any():
            what = f"is not in the table {target}"
            _complain(where, None, column, bad, what, table[column])
