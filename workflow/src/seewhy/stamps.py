"""Stamps of a user's own files: what they were when a rule read them.

Snakemake runs a rule again when an input is newer than an output. It does not notice an older file
copied over a newer one, nor what is read without being an input: the videos that a table lists, the
images and masks of a concept set, a module that builds a network. So each rule carries, as one of
its params, a stamp of exactly the files that it reads and no rule makes:

- `stamp_contents`: tables, weights and whole folders of small files, by what is in them. Another
  time of change alone changes nothing; what has been read once is not read again while its size,
  its times and its place on the disk stay the same.
- `stamp_sizes`: videos, pictures and masks, of which there may be a million, by path, size and time
  of change. One that is not there (a dangling link) has a stamp of its own.
- `stamp_module`: a Python module, with all that it imports from beside it.
- `stamp_rows`: the rows of one split of a table.

A stamp reads ``<number> files, <digest>``. Nothing here needs a package: the workflow asks for
stamps while it plans, in an environment with Snakemake alone.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import functools
import hashlib
import os
import stat
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

from seewhy.corpora.sources import files_below
from seewhy.imports import statements
from seewhy.kept import KEPT, keep, read_kept
from seewhy.regular_files import check_regular

CACHE = KEPT / "digests.json"
_SMALL = 4 << 20  # bytes that are read at every plan; only of more is the digest kept
_YOUNG = 2.0  # seconds in which a file may change twice and show one time of change
_KEPT = 2000  # digests
_TRIED = 500  # files after which it is known how long a look takes
_SLOW = 2e-4  # seconds a look from which it waits for a network, and several threads look at once

_READ: dict[str, str] = {}  # digests of this process, by what the files looked like


def stamp_contents(
    paths: Iterable[str | Path],
    *,
    below: str | Path | None = None,
    cache: str | Path | None = CACHE,
) -> str:
    """Stamp of files, and of all files below folders, by their content.

    Args:
        paths: files and folders; one that is not there, or no regular file, counts as such.
        below: they count by their paths below this folder; None: by the paths that are given.
        cache: where digests are kept from one plan to the next; None: nowhere.
    """
    files = sorted({file for path in paths for file in _files_of(path)})
    names = [os.path.relpath(file, below) for file in files] if below else files
    looks = [_look(file) for file in files]
    key = hashlib.sha256(repr((files, names, looks)).encode()).hexdigest()
    if key not in _READ:
        large = sum(look[0] for look in looks if look) > _SMALL
        kept = read_kept(cache) if large and cache else {}
        digest = kept.get(key)
        if digest is None:
            begun = time.time()
            digest = _digest_contents(files, names, looks)
            settled = all(look is None or begun - look[2] / 1e9 > _YOUNG for look in looks)
            if not settled:  # it may be written once more, and look the same
                return _say(len(files), digest)
            if large and cache:
                keep(cache, {**kept, key: digest}, most=_KEPT)
        _READ[key] = digest
    return _say(len(files), _READ[key])


def stamp_sizes(paths: Iterable[str | Path]) -> str:
    """Stamp of files by path, size and time of change."""
    files = [str(path) for path in paths]
    begun = time.perf_counter()
    sizes = [_size_and_time(file) for file in files[:_TRIED]]
    rest = files[_TRIED:]
    if rest and time.perf_counter() - begun > _SLOW * _TRIED:
        with ThreadPoolExecutor(16) as pool:
            sizes += pool.map(_size_and_time, rest)
    else:
        sizes += map(_size_and_time, rest)
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        digest.update(repr((file, size)).encode())
    return _say(len(files), digest.hexdigest())


def stamp_names(folder: str | Path, extensions: Collection[str]) -> str:
    """Stamp of the paths of all files below `folder` with such an extension; links may dangle."""
    names = sorted(
        (os.path.relpath(file, folder), os.path.exists(file))
        for file in files_below(folder)
        if os.path.splitext(file)[1].lower() in extensions
    )
    return _say(len(names), hashlib.sha256(repr(names).encode()).hexdigest())


def stamp_rows(table: str | Path, split: str, splits: Sequence[str]) -> str:
    """Stamp of the header of a CSV table and its rows of one split.

    Where it cannot be told at a glance whose each row is (no column `split`, an unknown split, a
    ragged row, not UTF-8), of the whole file.

    Args:
        table: the file.
        split: the one asked for.
        splits: all that there are.
    """
    try:
        check_regular(table)
        with open(table, newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file, strict=True)
        place = header.index("split")
        if all(len(row) == len(header) and row[place] in splits for row in rows):
            own = [header, *(row for row in rows if row[place] == split)]
            return f"{len(own) - 1} rows, {hashlib.sha256(repr(own).encode()).hexdigest()[:16]}"
    except (OSError, ValueError, csv.Error):
        pass
    return stamp_contents([table])


def stamp_listed(table: str | Path, folder: str | Path, column: str) -> str:
    """Stamp of a CSV table, by content, and of the files that a column lists, by size and time."""
    paths = dict.fromkeys(row.get(column) or "" for row in _rows(table))
    listed = [os.path.join(folder, path) for path in paths if path]
    return f"{stamp_contents([table])}; {stamp_sizes(listed)}"


def stamp_corpus(clips: str | Path, split: str) -> str:
    """Stamp of the videos (or images) that a corpus in canonical form lists for a split."""
    return _stamp_corpus(str(clips), split, _look(str(clips)))


@functools.cache  # hundreds of shards ask for it; what changes meanwhile, the next plan notices
def _stamp_corpus(clips: str, split: str, look: object) -> str:
    with contextlib.suppress(OSError, csv.Error, ValueError), _opened(clips) as file:
        rows = csv.reader(file)
        header = next(rows, [])
        place, video = header.index("split"), header.index("video")
        last = max(place, video)
        own = (row[video] for row in rows if len(row) > last and row[place] == split)
        return stamp_sizes(dict.fromkeys(own))
    return _say(0, "none")


def stamp_concepts(folder: str | Path) -> str:
    """Stamp of a concept set: its tables by content, its pictures and masks by size and time."""
    index = Path(folder, "index.csv")
    plain = ("split", "ih", "iw", "sh", "sw", "group", None)
    cells = (
        cell
        for row in _rows(index)
        for column, cell in row.items()
        if column not in plain and isinstance(cell, str)
    )
    items = dict.fromkeys(item for cell in cells for item in cell.split(";"))
    pictures = [str(Path(folder, "images", item)) for item in items if item and not item.isdigit()]
    return f"{stamp_contents(sorted(Path(folder).glob('*.csv')))}; {stamp_sizes(pictures)}"


def stamp_module(name: str, search: Iterable[str] | None = None) -> str:
    """Stamp of a module, and of the modules beside it that it imports, directly or not.

    "Beside it" is the folder of `search` in which it is found; other packages' code does not count,
    and neither do files that the module reads.

    Args:
        name: such as ``package.module``, perhaps with ``:function`` behind it.
        search: folders in which modules are looked for; None: where Python looks.
    """
    module = name.partition(":")[0].split(".")
    for folder in sys.path if search is None else search:
        root = Path(folder or ".")
        if files := _module_files(root, module):
            return stamp_contents(files, below=root)
    return _say(0, "none")


def _files_of(path: str | Path) -> Iterable[str]:
    return files_below(path) if os.path.isdir(path) else [str(path)]


def _look(file: str) -> tuple[int, int, int, int] | None:
    """Size, time of change of content and of the entry, and number: whatever an edit changes."""
    try:
        about = os.stat(file)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _size_and_time(file: str) -> tuple[int, int] | None:
    try:
        about = os.stat(file)
    except (OSError, ValueError):
        return None
    return about.st_size, about.st_mtime_ns


def _digest_contents(files: Sequence[str], names: Sequence[str], looks: Sequence[object]) -> str:
    digest = hashlib.sha256()
    for file, name, look in zip(files, names, looks, strict=True):
        content = b"none"
        if look is not None:
            with contextlib.suppress(OSError), open(file, "rb") as opened:
                content = hashlib.file_digest(opened, "sha256").digest()
        digest.update(repr((name, content)).encode())
    return digest.hexdigest()


def _say(number: int, digest: str) -> str:
    return f"{number} files, {digest[:16]}"


def _rows(table: str | Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV table as far as it can be read; what is wrong with it, its reader says."""
    with contextlib.suppress(OSError, csv.Error, ValueError), _opened(table) as file:
        yield from csv.DictReader(file)


def _opened(table: str | Path) -> TextIO:
    check_regular(table)  # a pipe would be waited for
    return open(table, newline="", encoding="utf-8-sig", errors="replace")


def _module_files(root: Path, module: Sequence[str]) -> list[Path]:
    """Files of the module below `root`, and of what it imports from below `root`."""
    found: set[Path] = set()
    queue = _own_files(root, module)
    if not queue or not _own_files(root, module, last=True):
        return []
    while queue:
        file = queue.pop()
        if file not in found:
            found.add(file)
            for name in _imports(file, root):
                queue.extend(_own_files(root, name))
    return sorted(found)


def _own_files(root: Path, module: Sequence[str], *, last: bool = False) -> list[Path]:
    """The module's file and the ``__init__`` of each package above it, where they exist."""
    own = [
        root.joinpath(*module, "__init__.py"),
        root.joinpath(*module[:-1], f"{module[-1]}.py"),
    ]
    above = [root.joinpath(*module[:depth], "__init__.py") for depth in range(1, len(module))]
    return [path for path in (own if last else [*above, *own]) if path.is_file()]


def _imports(file: Path, root: Path) -> Iterator[list[str]]:
    """Names of all modules that a file may import, as lists of their parts."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = list(file.relative_to(root).parts[:-1])
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = above + (node.module.split(".") if node.module else [])
            yield from (part for part in [base] if part)
            yield from ([*base, alias.name] for alias in node.names)
