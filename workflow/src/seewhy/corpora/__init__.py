"""Corpora: one adapter a data set, all to the one canonical form of ``canonical.yaml``.

An adapter is a module with a function ``read(source, **settings) -> (tables, about)``: the tables
of the canonical form, and a few facts worth keeping (counts, what is missing and where to get it).
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from seewhy.corpora.canonical import write_tables
from seewhy.errors import InputError
from seewhy.files import whole_folder, write_json

ADAPTERS = ("puppets", "msvd", "folder")

log = logging.getLogger(__name__)


def import_corpus(name: str, source: str | Path, output: str | Path, **settings: Any) -> None:
    """Bring a data set to the canonical form.

    Args:
        name: the adapter, one of `ADAPTERS`.
        source: folder of the data set in its own layout.
        output: folder for the canonical tables and `corpus.json`.
        settings: of that adapter.

    Raises:
        InputError: the data set is missing or not what the adapter expects; nothing is written.
    """
    if name not in ADAPTERS:
        raise InputError(f"params.yaml: corpus.name: {name} is not one of {', '.join(ADAPTERS)}")
    adapter = importlib.import_module(f"seewhy.corpora.{name}")
    if not Path(source).is_dir():
        raise InputError(f"{source}: no such folder; {adapter.WHERE}")
    tables, about = adapter.read(Path(source), **settings)
    with whole_folder(output) as folder:
        write_tables(folder, tables)
        write_json(folder / "corpus.json", {"name": name, "source": str(source), **about})
    clips = tables["clips"]
    counts = ", ".join(f"{count} {split}" for split, count in clips["split"].value_counts().items())
    log.info("%s: %d clips (%s)", output, len(clips), counts)
    for remark in about.get("remarks", []):
        log.warning("%s: %s", source, remark)
