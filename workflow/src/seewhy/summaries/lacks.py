"""What a table needs and the images at hand do not have: the others are made, and its file says so.

A corpus without key points has no Table 1, a network without mistakes nothing to sort.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import pandas as pd

from seewhy.errors import InputError

log = logging.getLogger(__name__)
COLUMN = "not made: it needs"
"""The one column of the file of a table that was not made."""


class Lacks(InputError):
    """One table cannot be made of these images; the message is what it would need."""


def table_or_needs(name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table, or one that says in its only cell what it would need; that is logged too."""
    try:
        return make()
    except Lacks as needs:
        log.warning("%s is not made: it needs %s", name, needs)
        return pd.DataFrame({COLUMN: [str(needs)]})
