"""What one plan finds out and keeps for the next, in a JSON file; to lose it costs time alone."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

KEPT = Path(".snakemake", "seewhy")
"""Where it lies, below the folder in which the workflow runs."""


def read_kept(path: str | Path) -> dict[str, Any]:
    """What was kept; nothing where the file is not there or is no JSON of that form."""
    try:
        kept = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(path: str | Path, values: dict[str, Any], *, most: int) -> None:
    """Write the newest values, whole or not at all; where that cannot be, they are not kept.

    Args:
        path: the file, which other processes may read and write too.
        values: the newest last.
        most: how many of them.
    """
    newest = dict(list(values.items())[-most:])
    with contextlib.suppress(OSError):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file, temporary = tempfile.mkstemp(dir=Path(path).parent, prefix=f".{Path(path).stem}")
        with open(file, "w", encoding="utf-8") as opened:
            opened.write(json.dumps(newest))  # `dump` takes ten times as long
        os.replace(temporary, path)
