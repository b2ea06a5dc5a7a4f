"""The one exception that a user is meant to read.

Every message is a single line that names the file, key or value at fault and what to do about it.
The rule scripts print it without a traceback (:func:`seewhy.entry.rule`); a caller of the package
catches it like any other ``ValueError``.
"""


class InputError(ValueError):
    """Something given by the user (a file, a setting, a disk without room) cannot be used.

    Write the message as ``<what and where>: <what is wrong>; <what to do>``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
