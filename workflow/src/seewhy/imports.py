"""Which files of the package a script depends on, found by reading its import statements.

Snakemake reruns a rule when its inputs or params change, but does not look into imported modules;
the rules carry the digest of these files, so that an edit reruns what it may have changed.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import seewhy
from seewhy.kept import keep, read_kept

ROOT = Path(seewhy.__file__).parent
_KEPT = 2000  # files
# Modules that cannot change what a rule writes, only whether and on how many threads it runs, what
# it says meanwhile, and when it ends.
_SAYING = {
    "entry.py",
    "errors.py",
    "kept.py",
    "memory.py",
    "own_source.py",
    "processes.py",
    "processors.py",
    "progress.py",
    "regular_files.py",
}


def package_files(script: str | Path, *, cache: str | Path | None = None) -> list[str]:
    """Files of the package that `script` imports, directly or not, in alphabetical order.

    Data files (``*.yaml``) that lie beside an imported module count as imported.

    Args:
        script: a Python file.
        cache: where it is kept which modules a file of some content imports; None: nowhere.
    """
    where = os.path.abspath(cache) if cache else None
    names, found, queue = _kept(where), set(), [Path(script)]
    known = len(names)
    while queue:
        for file in _imported(queue.pop(), where):
            if file not in found:
                found.add(file)
                queue.append(file)
    if cache and len(names) > known:
        keep(cache, names, most=_KEPT)
    beside = {data for folder in {file.parent for file in found} for data in _data_files(folder)}
    return sorted(str(file) for file in found | beside if file.name not in _SAYING)


def package_digest(script: str | Path, *, cache: str | Path | None = None) -> str:
    """SHA-256 of the names and contents of `package_files`, the first 16 digits."""
    digest = hashlib.sha256()
    for file in package_files(script, cache=cache):
        digest.update(os.path.relpath(file, ROOT).encode() + b"\0" + _read(Path(file))[1])
    return digest.hexdigest()[:16]


@functools.cache
def _read(file: Path) -> tuple[bytes, bytes]:
    """A file's content and its SHA-256."""
    content = file.read_bytes()
    return content, hashlib.sha256(content).digest()


@functools.cache
def _data_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


@functools.cache
def _kept(cache: str | None) -> dict[str, list[str]]:
    """What files import, by their content and by this module's, which says how they are read."""
    kept = read_kept(cache) if cache else {}
    return {key: names for key, names in kept.items() if _are_names(names)}


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


@functools.cache
def _imported(file: Path, cache: str | None) -> frozenset[Path]:
    """Files of the package that a file itself imports."""
    content, digest = _read(file)
    key = hashlib.sha256(_read(Path(__file__))[1] + digest).hexdigest()[:32]
    names = _kept(cache)
    if key not in names:
        names[key] = _read_names(content)
    return frozenset(path for name in names[key] for path in _files_of(name))


def _read_names(content: bytes) -> list[str]:
    modules: set[str] = set()
    for node in statements(ast.parse(content)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return sorted(module for module in modules if module.split(".")[0] == "seewhy")


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a module, those in functions, classes and branches too; no expressions.

    A twentieth of what `ast.walk` visits: a plan reads all modules.
    """
    queue = [tree]
    while queue:
        node = queue.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, block, None)
            if isinstance(inner, list):  # of a lambda or an inline `if` it is an expression
                queue.extend(inner)


@functools.cache
def _files_of(module: str) -> list[Path]:
    """The module's file and the ``__init__`` of each package above it, where they exist."""
    parts = module.split(".")[1:]
    above = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    own = ROOT.joinpath(*parts).with_suffix(".py")
    return [path for path in (*above, own) if path.is_file()]
