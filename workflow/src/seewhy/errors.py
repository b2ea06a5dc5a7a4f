"""The one exception that a user is meant to read.

Every message is a single line that names the file, key or value at fault and what to do about it.
The rule scripts print it without a traceback (:func:`seewhy.entry.rule`); a caller of the package
catches it like any other ``ValueError``.
"""

from numbers import Integral


class InputError(ValueError):
    """Something given by the user (a file, a setting, a disk without room) cannot be used.

    Write the message as ``<what and where>: <what is wrong>; <what to do>``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


def require_whole(least: int, **values: object) -> None:
    """Refuse settings that are not whole numbers of `least` or more; numpy's integers are.

    Raises:
        InputError: the first of them.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name} {value!r} must be a whole number, {least} or more")
