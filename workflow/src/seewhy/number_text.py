"""Numbers that people and other programs wrote as text: one reader of them, with bounds.

Python's own readers take more than a table should hold: ``1_000``, ``nan``, ``inf``, digits of
other scripts, and they raise at 4,300 digits. Here a number is what a spreadsheet writes: digits,
perhaps a sign, a point and an exponent.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

from seewhy.errors import InputError, shown

LARGEST_WHOLE = 2**53
"""Whole numbers above are not exact where they pass through a float."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")


def whole_number(
    text: str, where: str, *, least: int = 0, most: int = LARGEST_WHOLE, remedy: str = "mend it"
) -> int:
    """The whole number that a text gives.

    Args:
        text: digits, perhaps with a sign and blanks around.
        where: file and line, for the message.
        least: the smallest that is admitted.
        most: the largest.
        remedy: what to do.

    Raises:
        InputError: it is none, or out of bounds.
    """
    text = str(text).strip()
    if _WHOLE.fullmatch(text) and least <= int(text) <= most:
        return int(text)
    raise InputError(
        f"{where}: {shown(text)} is not a whole number from {least} to {most}; {remedy}"
    )


def real_number(
    text: str,
    where: str,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    remedy: str = "mend it",
) -> float:
    """The finite number that a text gives; arguments as for `whole_number`.

    Raises:
        InputError: it is none, or out of bounds.
    """
    text = str(text).strip()
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if math.isfinite(value) and least <= value <= most:
        return value
    bounds = f" from {least:,.10g}" if least > -math.inf else ""
    bounds += f" to {most:,.10g}" if most < math.inf else ""
    raise InputError(f"{where}: {shown(text)} is not a number{bounds}; {remedy}")


def numbers_of(values: pd.Series) -> pd.Series:
    """The finite numbers of a column, float64; NaN where a cell holds none.

    Args:
        values: of texts, or of numbers already.
    """
    if pd.api.types.is_bool_dtype(values.dtype):
        return pd.Series(np.nan, values.index)
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = pd.Series(values.to_numpy(float, na_value=np.nan), values.index)
        return numbers.where(np.isfinite(numbers))
    if values.isna().all():
        return pd.Series(np.nan, values.index)
    text = values.astype("string").str.strip()
    good = text.str.fullmatch(_NUMBER.pattern).fillna(False).astype(bool)
    numbers = pd.Series(np.nan, values.index)
    numbers[good] = [float(one) for one in text[good]]
    return numbers.where(np.isfinite(numbers))
