"""Tables that people and spreadsheets wrote: one strict reader of CSV files.

What a person gets wrong in them is told with its line (`seewhy.csv_rows`).

A table's index tells the lines of its file: a row of index i begins in line i + 2, also below blank
lines and cells of several lines (`line_of`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from seewhy.csv_rows import check_names, read_rows

_ROWS = 20_000  # made into columns at a time


def read_csv(path: str | Path, *, missing: str = "") -> pd.DataFrame:
    """Read a CSV file as text, every cell as it stands; empty cells are missing values.

    Args:
        path: the file.
        missing: what to do where there is none.

    Returns:
        Columns of strings, their names without blanks around; the index tells lines (see above).

    Raises:
        InputError: it cannot be read, is not UTF-8, or is no CSV file with one row of names.
    """
    parts = list(csv_parts(path, rows=_ROWS, missing=missing))
    table = parts[0] if len(parts) == 1 else pd.concat(parts)
    table.attrs["csv"] = str(path)
    return table


def csv_parts(path: str | Path, *, rows: int, missing: str = "") -> Iterator[pd.DataFrame]:
    """The same, at most `rows` rows at a time, and one part without rows where there is none."""
    for part in read_rows(path, rows=rows, missing=missing):
        yield _frame(*part)


def line_of(table: pd.DataFrame | pd.Series, row: int) -> int:
    """Line in the file of a row of a table of `read_csv`, by its place in the table."""
    return int(table.index[row]) + 2


def check_columns(
    table: pd.DataFrame,
    where: str | Path,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    *,
    only: bool = True,
    of: str = "",
    note: str = "",
) -> None:
    """Refuse a table of `read_csv` without the columns it needs: `check_names` of its columns."""
    check_names(list(table.columns), where, needed, optional, only=only, of=of, note=note)


def _frame(names: list[str], lines: list[int], rows: list[list[str]]) -> pd.DataFrame:
    first = lines[0] - 2 if lines else 0
    if not lines or lines[-1] - lines[0] == len(lines) - 1:
        index = pd.RangeIndex(first, first + len(lines))
    else:
        index = pd.Index(lines, dtype="int64") - 2
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pd.DataFrame(
        {
            name: pd.array([cell or None for cell in cells], dtype="string")
            for name, cells in zip(names, columns, strict=True)
        },
        index=index,
    )
