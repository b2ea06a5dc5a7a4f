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
from seewhy.json_files import has_form, parse_json
from seewhy.readable import make_again
from seewhy.text_files import read_lines


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
    records, seen = [], set()
    for number, line in enumerate(read_lines(path, missing="run the rule caption_clips"), 1):
        where = f"{path}: line {number}"
        if not line.strip():
            continue
        record = parse_json(line, where, remedy=make_again(path), finite=False)
        if not has_form(record, {"clip": str, "caption": str}):
            raise InputError(
                f'{where}: is not of the form {{"clip": …, "caption": …}}, both text; '
                f"{make_again(path)}"
            )
        if record["clip"] in seen:
            raise InputError(f"{where}: {record['clip']} is there twice; keep one of its captions")
        seen.add(record["clip"])
        records.append(record)
    return records
