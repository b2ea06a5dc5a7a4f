"""A split's clips as N shards: who does which, and one file of all, as if there had been no shards.

Shard k of N has the clips from ``(k - 1) C // N`` to ``k C // N`` of the split's C. What each makes
of them does not depend on N (features come out of the same batches, see `seewhy.features`), and the
gathered file has the very bytes of the one that a single job writes.
"""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from seewhy.errors import InputError
from seewhy.files import checked_seal, open_hdf5, summarise_problems, whole_file
from seewhy.readable import make_again
from seewhy.sealing import SealedFile, seal
from seewhy.video.resumable import create_rows, reserve_room, write_at

_BLOCK = 1 << 24  # bytes copied at a time


class Shard(NamedTuple):
    """Number `number` of `of`, counted from 1; in names ``3-of-8``."""

    number: int
    of: int

    @classmethod
    def parse(cls, name: str) -> Shard:
        """The shard of that name.

        Raises:
            InputError: it is not ``<number>-of-<of>`` with a number from 1 to that.
        """
        match = re.fullmatch(r"(\d+)-of-(\d+)", name)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"shard {name!r} is not of the form 3-of-8")
        return cls(int(match[1]), int(match[2]))

    def rows(self, total: int) -> range:
        """Its rows of `total`; none where there are fewer rows than shards."""
        return range((self.number - 1) * total // self.of, self.number * total // self.of)


def shard_of(wildcards: Any) -> Shard | None:
    """The shard that a rule's wildcard `shard` names; None for a rule without."""
    name = wildcards.get("shard")
    return None if name is None else Shard.parse(name)


def gather_rows(
    shards: Sequence[str | Path], output: str | Path, *, reports: Sequence[str | Path] = ()
) -> None:
    """Put the files of all shards together, block by block.

    Args:
        shards: files of `seewhy.video.resumable.ResumableRows`, in order.
        output: their rows, one file's after the other's, as ``ResumableRows`` would have written
            them at once.
        reports: of the shards (`seewhy.frames.sample_frames`), to say why there is no row.

    Raises:
        InputError: a file is missing or damaged, or was made with other settings than the first;
            no file has a row; the disk is full.
    """
    first, keys = None, []
    for path in shards:  # one open file at a time: there may be more shards than a process can open
        with open_hdf5(path, needs=("clip",)) as file:
            fields, attributes = form = _form(file)
            if first is not None and form != first:
                raise InputError(
                    f"{path}: made with other settings than {shards[0]}; {make_again(path)}"
                )
            lengths = {name: len(file[name]) for name in ("clip", *fields)}
            if len(set(lengths.values())) > 1:
                raise InputError(f"{path}: {lengths} rows do not fit; {make_again(path)}")
            first = form
            keys += file["clip"].asstr()[:].tolist()
    if not keys:
        why = summarise_problems(
            (row["video"], row["status"], row["reason"]) for row in _lines(reports)
        )
        raise InputError(
            f"{output}: none of the {len(shards)} shards has a clip that can be used"
            + (f": {why}" if reports else "")
        )
    with whole_file(output) as temporary:
        at = create_rows(temporary, keys, fields, attributes)
        with open(temporary, "r+b", buffering=0) as target:
            reserve_room(target.fileno())
            for path in shards:
                with checked_seal(path) as sealed, open_hdf5(path, needs=tuple(fields)) as file:
                    for name in fields:
                        for block in _blocks(path, file[name], sealed):
                            write_at(target.fileno(), block, at[name])
                            at[name] += len(block)
        seal(temporary)


def gather_reports(reports: Sequence[str | Path], output: str | Path) -> None:
    """Put the reports of all shards together: CSV files with one and the same header."""
    lines: list[str] = []
    for path in reports:
        own = Path(path).read_text("utf-8").splitlines(keepends=True)
        lines += own if not lines else own[1:]
    with whole_file(output) as temporary:
        temporary.write_text("".join(lines), "utf-8")


def _lines(reports: Sequence[str | Path]) -> Iterator[dict[str, str]]:
    for path in reports:
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _form(file: h5py.File) -> tuple[dict[str, tuple[tuple[int, ...], np.dtype]], dict[str, Any]]:
    """Shape and type of a row of every field, and the attributes."""
    fields = {name: (file[name].shape[1:], file[name].dtype) for name in file if name != "clip"}
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in file.attrs.items()
    }
    return fields, values


def _blocks(path: str | Path, rows: h5py.Dataset, sealed: SealedFile | None) -> Iterator[bytes]:
    """The bytes of a contiguous data set, some at a time."""
    start, left = rows.id.get_offset(), rows.id.get_storage_size()
    with contextlib.ExitStack() as stack:
        file = sealed or stack.enter_context(open(path, "rb", buffering=0))
        file.seek(start or 0)  # an empty data set lies nowhere
        while left:
            block = file.read(min(left, _BLOCK))
            if not block:
                raise InputError(f"{path}: cut short; {make_again(path)}")
            yield block
            left -= len(block)
