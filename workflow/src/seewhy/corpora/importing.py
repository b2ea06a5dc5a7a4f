"""The one entry to all adapters."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seewhy.corpora import (
    aviary,
    cub200,
    flickr30k,
    folder,
    images,
    msrvtt,
    msvd,
    puppets,
    thumos14,
    ucf11,
    ucf101,
)
from seewhy.corpora.canonical import empty_table, schema, write_tables
from seewhy.corpora.sources import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS, source_files
from seewhy.corpora.truth import TruthWriter, refer_truth
from seewhy.errors import InputError
from seewhy.files import whole_folder, write_json
from seewhy.regular_files import check_tree

ADAPTERS = {
    "puppets": puppets,
    "msvd": msvd,
    "msrvtt": msrvtt,
    "folder": folder,
    "ucf11": ucf11,
    "ucf101": ucf101,
    "thumos14": thumos14,
    "flickr30k": flickr30k,
    "aviary": aviary,
    "cub200": cub200,
    "images": images,
}

log = logging.getLogger(__name__)


def import_corpus(name: str, source: str | Path, output: str | Path, **settings: Any) -> None:
    """Bring a data set to the canonical form.

    Args:
        name: the adapter, one of `ADAPTERS`.
        source: folder of the data set in its own layout.
        output: folder for the canonical tables (empty where the data set has nothing of the kind),
            `truth.h5` (likewise) and `corpus.json`.
        settings: of that adapter.

    Raises:
        InputError: the data set is missing or not what the adapter expects; nothing is written.
    """
    tables, about, *boxes = _read(name, source, settings)
    empty = {table: empty_table(table) for table in schema() if table not in tables}
    with whole_folder(output) as temporary:
        write_tables(temporary, {**tables, **empty}, source=source)
        _write_truth(temporary / "truth.h5", about.get("truth"), boxes[0] if boxes else ())
        write_json(temporary / "corpus.json", {"name": name, "source": str(source), **about})
    clips = tables["clips"]
    counts = ", ".join(f"{count} {split}" for split, count in clips["split"].value_counts().items())
    log.info("%s: %d clips (%s)", output, len(clips), counts)
    for remark in about.get("remarks", []):
        log.warning("%s: %s", source, remark)


def import_split(
    name: str, source: str | Path, output: str | Path, *, split: str, **settings: Any
) -> None:
    """The clips and captions of one split alone, as files of their own.

    What learns from a split reads these: it need not be done again where another split has changed.

    Args:
        name: the adapter, one of `ADAPTERS`.
        source: folder of the data set in its own layout.
        output: folder for ``clips.csv`` and ``captions.csv``, with the rows that `import_corpus`
            writes for this split.
        split: ``train``, ``val`` or ``test``.
        settings: of that adapter.

    Raises:
        InputError: as `import_corpus`.
    """
    tables, *_ = _read(name, source, settings)
    clips = tables["clips"]
    clips = clips[clips["split"] == split]
    captions = tables.get("captions", empty_table("captions"))
    captions = captions[captions["clip"].isin(clips["clip"])]
    with whole_folder(output) as temporary:
        write_tables(temporary, {"clips": clips, "captions": captions})


def _read(name: str, source: str | Path, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the adapter reads: tables, what there is to say, and perhaps boxes."""
    if name not in ADAPTERS:
        raise InputError(f"params.yaml: corpus.name: {name} is not one of {', '.join(ADAPTERS)}")
    source_files(name, source)
    check_tree(source, passing=VIDEO_EXTENSIONS + IMAGE_EXTENSIONS)
    return ADAPTERS[name].read(Path(source), **settings)


def _write_truth(
    path: Path, elsewhere: str | None, boxes: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    """``truth.h5``: the boxes of each clip and its key points, or where the truth lies."""
    if elsewhere is not None:
        refer_truth(path, elsewhere)
        return
    with TruthWriter(path) as writer:
        for clip, rows in boxes:
            writer.append(clip, boxes=rows, key_points=rows.get("key_points"))
