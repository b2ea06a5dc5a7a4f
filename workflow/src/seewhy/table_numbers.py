"""How numbers are written in tables: one format for all, in which zero has no sign."""

from __future__ import annotations

from collections.abc import Callable


def number_format(spec: str) -> Callable[[float], str]:
    """What ``to_csv(float_format=…)`` writes of a number.

    A difference of -0.00003 with four places is 0.0000: ``-0.0000`` would tell a sign that the
    figures do not.

    Args:
        spec: such as ``%.4f``.

    Returns:
        The number as `spec` writes it, without the sign where all digits are 0.

    Example::

        table.to_csv("table1.csv", index=False, float_format=number_format("%.4f"))
    """

    def write(number: float) -> str:
        text = spec % number
        return text[1:] if text.startswith("-") and float(text) == 0 else text

    return write
