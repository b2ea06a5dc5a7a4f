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

import seewhy

ROOT = Path(seewhy.__file__).parent
# Modules that cannot change what a rule writes, only whether and on how many threads it runs, what
# it says meanwhile, and when it ends.
_SAYING = {
    "entry.py",
    "errors.py",
    "memory.py",
    "own_source.py",
    "processes.py",
    "processors.py",
    "progress.py",
    "regular_files.py",
}


def package_files(script: str | Path) -> list[str]:
    """Files of the package that `script` imports, directly or not, in alphabetical order.

    Data files (``*.yaml``) that lie beside an imported module count as imported.
    """
    found: set[Path] = set()
    queue = [*_imported(Path(script))]
    while queue:
        file = queue.pop()
        if file not in found:
            found.add(file)
            queue.extend(_imported(file))
    beside = {data for file in found for data in file.parent.glob("*.yaml")}
    return sorted(str(file) for file in found | beside if file.name not in _SAYING)


def package_digest(script: str | Path) -> str:
    """SHA-256 of the names and contents of `package_files`, the first 16 digits."""
    digest = hashlib.sha256()
    for file in package_files(script):
        digest.update(os.path.relpath(file, ROOT).encode() + b"\0" + _digest(Path(file)))
    return digest.hexdigest()[:16]


@functools.cache
def _digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


@functools.cache
def _imported(file: Path) -> frozenset[Path]:
    modules: set[str] = set()
    for node in statements(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(
        path
        for module in modules
        if module.split(".")[0] == "seewhy"
        for path in _files_of(module.split(".")[1:])
    )


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


def _files_of(parts: list[str]) -> list[Path]:
    """The module's file and the ``__init__`` of each package above it, where they exist."""
    above = [ROOT.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    own = ROOT.joinpath(*parts).with_suffix(".py")
    return [path for path in (*above, own) if path.is_file()]
