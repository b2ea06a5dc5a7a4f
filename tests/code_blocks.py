"""Finds the blocks of code in prose and docstrings, so that a test can run each of them."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "workflow" / "src"
SECTIONS = ("Args:", "Returns:", "Raises:", "Attributes:", "Yields:", "References:", "Reference:")


class Block(NamedTuple):
    """A block of code.

    Attributes:
        where: file and, of a docstring, the object; with the number of the block if not the first.
        language: ``python``, ``yaml``, ``sh``, …
        text: the code.
    """

    where: str
    language: str
    text: str


def fenced(path: Path) -> list[Block]:
    """The fenced blocks of a Markdown file."""
    text, name = path.read_text(), str(path.relative_to(ROOT))
    found = re.finditer(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [Block(f"{name}:{k}", m[1], m[2]) for k, m in enumerate(found)]


def in_prose() -> list[Block]:
    """Those of the README and of every other Markdown file of the documentation."""
    return [block for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")))
            for block in fenced(path)]  # fmt: skip


@cache
def public_names() -> dict[str, str]:
    """Functions and classes of the package, and the module that defines each first."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
                found.setdefault(node.name, []).append(module)
    return {name: modules[0] for name, modules in found.items()}


def indented(docstring: str) -> list[str]:
    """The indented paragraphs of a docstring that stand under no section of arguments."""
    found, current, before = [], [], ""
    for line in [*inspect.cleandoc(docstring).splitlines(), "end"]:
        if line.startswith("    ") or (current and not line.strip()):
            current.append(line)
            continue
        if current and before not in SECTIONS and not before.startswith(".. math"):
            found.append(textwrap.dedent("\n".join(current)).strip("\n"))
        current = []
        before = line.strip() or before
    return found


def is_code(text: str) -> bool:
    """Whether a paragraph is meant as Python: it imports, or calls something of the package."""
    called = set(re.findall(r"\b([A-Za-z_]\w*)\(", text))
    return bool(called & public_names().keys()) or bool(
        re.search(r"^(import \w|from \S+ import )", text, re.MULTILINE)
    )


def in_docstrings() -> list[Block]:
    """Every block of code in a docstring of the package."""
    blocks = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                continue
            texts = filter(is_code, indented(ast.get_docstring(node, clean=False) or ""))
            for number, text in enumerate(texts):
                where = str(path.relative_to(SOURCE / "seewhy")) if SOURCE / "seewhy" in (
                    path.parents
                ) else path.name  # fmt: skip
                where += f"::{node.name}" if hasattr(node, "name") else ""
                blocks.append(Block(where + (f" {number + 1}" if number else ""), "python", text))
    return blocks


class Names(dict):
    """A namespace: stand-ins, then what the module has, then any public name of the package."""

    def __init__(self, where: str, given: dict[str, Any]) -> None:
        super().__init__(given)
        file = where.split("::")[0].split(" ")[0]
        module = "seewhy." + file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        self._module = importlib.import_module(module) if file.endswith(".py") else None

    def __missing__(self, name: str) -> Any:
        if self._module is not None and hasattr(self._module, name):
            return getattr(self._module, name)
        if name in public_names():
            return getattr(importlib.import_module(public_names()[name]), name)
        raise KeyError(name)
