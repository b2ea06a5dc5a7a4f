"""The procedural world of birds, which is rendered in the canonical form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import read_table, schema


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All tables of a rendered world; its truth by the frame stays where it is.

    Args:
        source: folder written by `seewhy.worlds.aviary`.
    """
    tables = {name: read_table(source, name) for name in schema()}
    return tables, {"truth": str(source / "truth.h5")}
