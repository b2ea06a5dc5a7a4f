"""Generated captions on disk: JSON lines, one object a clip.

    {"clip": "…", "caption": "a dog runs", "log_probability": -2.1, "attention": [[…], [… ], […]]}

`attention` has a row a word, with the weight of each real frame (eq. 4).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.regular_files import check_regular


def model_and_seed(path: str | Path) -> tuple[str, int]:
    """Model and training seed in a file's name, ``<model>-seed<seed>.…``."""
    model, seed = re.match(r"(.+)-seed(\d+)\.", Path(path).name).groups()
    return model, int(seed)


@contextlib.contextmanager
def write_records(path: str | Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that writes one record; the file appears when the block is done."""
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        yield lambda record: print(json.dumps(record, ensure_ascii=False), file=file)


def read_predictions(path: str | Path) -> dict[str, str]:
    """Captions by clip, from a predictions file.

    Raises:
        InputError: missing, or not JSON lines of this form.
    """
    return {record["clip"]: record["caption"] for record in read_records(path)}


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """All records of a predictions file.

    Raises:
        InputError: missing, or not JSON lines of this form.
    """
    check_regular(path)
    try:
        with open(path, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        if all({"clip", "caption"} <= set(record) for record in records):
            return records
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run the rule caption_clips") from error
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError):
        pass
    raise InputError(f"{path}: not a predictions file; delete it and run caption_clips again")
