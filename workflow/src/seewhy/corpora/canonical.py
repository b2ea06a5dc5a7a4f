"""The canonical form of a corpus: written by every adapter, read by everything downstream.

The form itself (tables, columns, what each means) stands in ``canonical.yaml`` beside this module.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib.resources
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.regular_files import check_regular

SPLITS = ("train", "val", "test")
_DTYPES = {"string": "string", "number": "Float64", "integer": "Int64", "boolean": "boolean"}
_AS_TEXT = {"dtype": "string", "keep_default_na": False, "na_values": [""]}


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
    if not path.exists():
        if schema()[name]["required"]:
            raise InputError(f"{path}: no such file; run the rule import_corpus")
        return empty_table(name)
    return check_table(read_csv(path), name, where=str(path))


def table_parts(folder: str | Path, name: str, *, rows: int = 20_000) -> Iterator[pd.DataFrame]:
    """A required table, so many rows at a time: a job that needs few keeps no more in memory.

    A key that is repeated in another part goes unnoticed; import_corpus has looked at the whole.

    Raises:
        InputError: as `read_table`.
    """
    path = Path(folder) / f"{name}.csv"
    if not path.exists():
        raise InputError(f"{path}: no such file; run the rule import_corpus")
    with _read_csv_parts(path, rows) as parts:
        for part in parts:
            yield check_table(part, name, where=str(path), first=part.index[0])


def empty_table(name: str) -> pd.DataFrame:
    """A table of the form without rows."""
    columns = schema()[name]["columns"]
    return pd.DataFrame(
        {column: pd.Series(dtype=_DTYPES[about["type"]]) for column, about in columns.items()}
    )


def write_tables(folder: str | Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Check `tables` against the form and each other, then write ``<folder>/<name>.csv`` each.

    Raises:
        InputError: a table breaks the form; nothing is written then.
    """
    checked = {
        name: check_table(table, name, where=f"{folder}/{name}.csv")
        for name, table in tables.items()
    }
    for name, table in checked.items():
        _check_references(table, name, checked, folder)
    for name, table in checked.items():
        with whole_file(Path(folder) / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a CSV file as text, every cell as it stands (empty cells are missing values).

    Raises:
        InputError: not there, not a CSV file, or not UTF-8.
    """
    with _csv_errors(path):
        return pd.read_csv(path, **_AS_TEXT)


@contextlib.contextmanager
def _read_csv_parts(path: str | Path, rows: int) -> Iterator[Iterator[pd.DataFrame]]:
    """The same, so many rows at a time."""
    with _csv_errors(path), pd.read_csv(path, chunksize=rows, **_AS_TEXT) as parts:
        yield parts


@contextlib.contextmanager
def _csv_errors(path: str | Path) -> Iterator[None]:
    """Say in one line what is wrong with a CSV file that is about to be read."""
    check_regular(path)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            first = list(itertools.islice(csv.reader(file), 2))
        if len(first) == 2 and len(first[1]) > len(first[0]):
            raise InputError(
                f"{path}: line 2 has {len(first[1])} fields for {len(first[0])} columns; put "
                "quotes around a text with commas"
            )
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a CSV file in UTF-8 ({error}); put quotes around a text with commas"
        ) from error


def check_table(table: pd.DataFrame, name: str, *, where: str, first: int = 0) -> pd.DataFrame:
    """Return `table` with the form's column order and types, its rows numbered from `first`.

    Raises:
        InputError: a missing or unknown column, a value of the wrong type or outside the listed
            ones, an empty cell, a repeated key; the message names `where`, the column and the row.
    """
    form = schema()[name]
    columns = form["columns"]
    unknown = [column for column in table.columns if column not in columns]
    missing = [
        column
        for column, about in columns.items()
        if column not in table.columns and not about.get("optional")
    ]
    if unknown or missing:
        wrong = [f"has no column {', '.join(missing)}"] if missing else []
        wrong += [f"has an unknown column {', '.join(unknown)}"] if unknown else []
        raise InputError(
            f"{where}: {' and '.join(wrong)}; the columns of {name} are {', '.join(columns)}"
        )
    result = pd.DataFrame(index=pd.RangeIndex(first, first + len(table)))
    for column, about in columns.items():
        if column not in table.columns:
            result[column] = pd.Series(pd.NA, index=result.index, dtype=_DTYPES[about["type"]])
            continue
        values = _typed(table[column].set_axis(result.index), about["type"], column, where)
        if not about.get("optional") and values.isna().any():
            _complain(where, column, values.isna(), "is empty; fill it in")
        if "values" in about:
            bad = values.notna() & ~values.isin(about["values"])
            if bad.any():
                _complain(where, column, bad, f"is not one of {', '.join(about['values'])}", values)
        result[column] = values
    repeated = result.duplicated(subset=form["key"])
    if repeated.any():
        _complain(
            where, " + ".join(form["key"]), repeated, "repeats an earlier row; make it unique"
        )
    return result


def _typed(values: pd.Series, kind: str, column: str, where: str) -> pd.Series:
    if kind == "boolean" and not pd.api.types.is_bool_dtype(values.dtype):
        lower = values.astype("string").str.lower()
        mapped = lower.map({"true": True, "false": False}).astype("boolean")
        if (mapped.isna() & lower.notna()).any():
            _complain(where, column, mapped.isna() & lower.notna(), "is not true or false", values)
        return mapped
    if kind in ("number", "integer"):
        numbers = pd.to_numeric(values, errors="coerce")
        bad = numbers.isna() & values.notna()
        if kind == "integer":
            bad |= numbers.notna() & (numbers % 1 != 0)
        if bad.any():
            _complain(
                where,
                column,
                bad,
                f"is not {'a whole' if kind == 'integer' else 'a'} number",
                values,
            )
        return numbers.astype(_DTYPES[kind])
    return values.astype(_DTYPES[kind])


def _complain(
    where: str, column: str, bad: pd.Series, what: str, values: pd.Series | None = None
) -> None:
    row = int(bad.to_numpy(dtype=bool, na_value=False).argmax())
    value = f" {str(values.iloc[row])!r}" if values is not None else ""
    line = bad.index[row] + 2
    raise InputError(f"{where}: column {column}, line {line}: the value{value} {what}")


def _check_references(
    table: pd.DataFrame, name: str, tables: Mapping[str, pd.DataFrame], folder: str | Path
) -> None:
    for column, about in schema()[name]["columns"].items():
        if "refers" not in about:
            continue
        target, key = about["refers"].split(".")
        bad = ~table[column].isin(tables[target][key])
        if bad.any():
            _complain(
                f"{folder}/{name}.csv", column, bad, f"is not in the table {target}", table[column]
            )
