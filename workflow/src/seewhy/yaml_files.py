"""YAML (and JSON) that people write, read as data and nothing else.

Nothing in such a file runs. Of YAML's tags the plain ones are known alone: text, whole and other
numbers, true and false, null, lists and mappings; none that makes Python objects. And no template
is filled in: Snakemake's own reader evaluates a file with ``__use_yte__: true`` (YTE), this one
refuses the key.

What a reader of YAML passes over is refused, in one line with file, line and column: a key that
stands twice, aliases that grow without end ("billion laughs"), mappings in mappings in mappings, a
number that is none, a byte that is not UTF-8, a file that is no file.

A date stays the text it is: a folder may have its name. Snakemake's process reads this, with
nothing but Snakemake's own requirements.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from seewhy.errors import InputError
from seewhy.regular_files import read_bytes

LARGEST = 2**20
"""Bytes of a file; params.yaml has 25,000."""
DEEPEST = 32
"""Levels of lists and mappings in one another, aliases followed."""
MOST = 50_000
"""Values and keys of a file, those of an alias counted each time that it is used."""
LONGEST_NUMBER = 100
"""Characters of a whole number."""

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_TRUTH = "tag:yaml.org,2002:bool"
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a file of settings: YAML or JSON, a mapping at the top.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it cannot be read, is not such a file, or holds a template (`__use_yte__`).
    """
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        found = "is empty" if settings is None else "has no keys at the top"
        raise InputError(f"{path}: {found}; write settings as `key: value`")
    if "__use_yte__" in settings:
        raise InputError(
            f"{path}: key __use_yte__: settings are data, no template in them is run; take the "
            "key out and write the values themselves"
        )
    return settings


def read_yaml(path: str | Path, *, as_text: bool = False) -> Any:
    """Read one document of YAML or JSON.

    Args:
        path: the file.
        as_text: keep every value as the text it is (``00012``, ``no``).

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it cannot be read; the line has the place and what is wrong there.
    """
    text = _decode(read_bytes(path, largest=LARGEST), path)
    if not as_text and (str(path).endswith(".json") or text.lstrip()[:1] == "{"):
        try:
            return _read_json(text, path)
        except json.JSONDecodeError as error:
            if str(path).endswith(".json"):
                raise InputError(
                    f"{path}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})"
                ) from error
    try:
        return yaml.load(text, _TextLoader if as_text else _PlainLoader)
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{path}: {_place(error)}: {_explain(error)}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{path}: line {line}: the character {error.character:#x} cannot stand in YAML; "
            "remove it"
        ) from error


def plain_value(text: str, *, where: str) -> Any:
    """What a text is in YAML where nothing quotes it: a number, true, null, or the text.

    Raises:
        InputError: a number that is none; the line begins with `where`.
    """
    loader = _PlainLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag not in _PlainLoader.yaml_constructors:
        return text
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except _Fault as error:
        raise InputError(f"{where}: {error.problem}") from error


def _decode(content: bytes, path: str | Path) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            raise InputError(f"{path}: is written in {encoding}; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: line {line}: the byte {content[error.start]:#04x} is not UTF-8; save the "
            "file as UTF-8"
        ) from error


def _read_json(text: str, path: str | Path) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputError(f"{path}: the key {key} stands twice in one mapping; keep one")
            found[key] = value
        return found

    def number(written: str) -> float:
        value = float(written)
        if not math.isfinite(value):
            raise InputError(f"{path}: {written} is not a finite number; write another")
        return value

    def whole(written: str) -> int:
        if len(written) > LONGEST_NUMBER:
            raise InputError(f"{path}: a number of {len(written)} digits; write a smaller one")
        return int(written)

    try:
        value = json.loads(
            text,
            object_pairs_hook=mapping,
            parse_float=number,
            parse_int=whole,
            parse_constant=number,
        )
        deep = _levels(value, path) > DEEPEST
    except RecursionError:
        deep = True
    if deep:
        raise InputError(f"{path}: more than {DEEPEST} levels in one another; flatten it")
    return value


def _levels(value: Any, path: str | Path) -> int:
    """Levels of lists and mappings, all texts in them held to be writable."""
    if isinstance(value, str) and _UNWRITABLE.search(value):
        raise InputError(f"{path}: a character that no text file can hold; remove it")
    if not isinstance(value, dict | list):
        return 0
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    return 1 + max((_levels(part, path) for part in inner), default=0)


class _Fault(yaml.MarkedYAMLError):
    """A fault that this module finds itself; its problem is the whole message."""

    def __init__(self, problem: str, mark: yaml.Mark | None) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Bounded(yaml.composer.Composer):
    """A composer that counts what it makes, through aliases too, and finds keys twice."""

    def __init__(self) -> None:
        super().__init__()
        self._level = self._composed = 0
        self._sizes: dict[int, tuple[int, int]] = {}  # of finished nodes: values in it, levels

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._sizes:  # still being composed
                raise _Fault("an alias to what it stands in; write the values out", mark)
            return node
        self._composed += 1
        if self._composed > MOST:
            raise _Fault(f"more than {MOST:,} values", mark)
        if self._level > DEEPEST:
            raise _Fault(f"more than {DEEPEST} levels in one another; flatten it", mark)
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
            _refuse_repeated(node)
        else:
            inner = node.value if isinstance(node, yaml.SequenceNode) else []
            if isinstance(node, yaml.ScalarNode) and _UNWRITABLE.search(node.value):
                raise _Fault("a character that no text file can hold; remove it", mark)
        below = [self._sizes[id(part)] for part in inner]
        size = 1 + sum(values for values, _ in below)
        levels = 1 + max((level for _, level in below), default=0)
        if size > MOST:
            raise _Fault(f"with its aliases followed, more than {MOST:,} values", mark)
        if levels > DEEPEST:
            raise _Fault(f"more than {DEEPEST} levels in one another; flatten it", mark)
        self._sizes[id(node)] = (size, levels)
        return node


def _refuse_repeated(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Fault("a list or a mapping as a key; write a text", key.start_mark)
        name = (key.tag, key.value)
        if name in lines:
            raise _Fault(
                f"the key {key.value} is in line {lines[name]} already; keep one of them",
                key.start_mark,
            )
        lines[name] = key.start_mark.line + 1


class _PlainLoader(
    yaml.reader.Reader,
    yaml.scanner.Scanner,
    yaml.parser.Parser,
    _Bounded,
    yaml.constructor.SafeConstructor,
    yaml.resolver.Resolver,
):
    """Plain values; what Snakemake and DVC may read otherwise is refused."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith(":timestamp")]
        for first, rules in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar = {
        f"tag:yaml.org,2002:{name}": yaml.constructor.SafeConstructor.yaml_constructors[
            f"tag:yaml.org,2002:{name}"
        ]
        for name in _PLAIN
    }
    yaml_multi_constructors: ClassVar = {}

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        _Bounded.__init__(self)
        yaml.constructor.SafeConstructor.__init__(self)
        yaml.resolver.Resolver.__init__(self)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == _TRUTH:
                raise _Fault(
                    f"the key {key.value} means true or false; put it in quotes", key.start_mark
                )
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise _Fault(f"the key {key.value} is no text; put it in quotes", key.start_mark)
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_map(self, node: yaml.Node) -> Iterator[dict[Any, Any]]:
        if not isinstance(node, yaml.MappingNode):
            raise _Fault("a mapping by its tag, and none; take the tag out", node.start_mark)
        return super().construct_yaml_map(node)

    def read_truth(self, node: yaml.ScalarNode) -> bool:
        """True or false, not another text that a tag calls so."""
        try:
            return self.construct_yaml_bool(node)
        except KeyError:
            raise _Fault(f"{node.value} is neither true nor false", node.start_mark) from None

    def read_whole(self, node: yaml.ScalarNode) -> int:
        """A whole number, as YAML 1.1 and 1.2 both read it."""
        written = self.construct_scalar(node)
        if len(written) > LONGEST_NUMBER:
            raise _Fault(
                f"a number of {len(written)} characters; write a smaller one", node.start_mark
            )
        if ":" in written or _LEADING_ZERO.fullmatch(written):
            raise _Fault(
                f"{written} is a number to other bases in some readers of YAML; write it without "
                "leading zeros and colons, or, if it is a text, in quotes",
                node.start_mark,
            )
        try:
            return self.construct_yaml_int(node)
        except ValueError:
            raise _Fault(f"{written} is not a whole number", node.start_mark) from None

    def read_number(self, node: yaml.ScalarNode) -> float:
        """A number, finite."""
        written = self.construct_scalar(node)
        try:
            value = math.nan if ":" in written else self.construct_yaml_float(node)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise _Fault(f"{written} is not a finite number; write another", node.start_mark)
        return value


_PlainLoader.yaml_constructors |= {
    _TRUTH: _PlainLoader.read_truth,
    "tag:yaml.org,2002:map": _PlainLoader.construct_yaml_map,
    "tag:yaml.org,2002:int": _PlainLoader.read_whole,
    "tag:yaml.org,2002:float": _PlainLoader.read_number,
    None: yaml.constructor.SafeConstructor.construct_undefined,
}


class _TextLoader(
    yaml.reader.Reader,
    yaml.scanner.Scanner,
    yaml.parser.Parser,
    _Bounded,
    yaml.constructor.BaseConstructor,
    yaml.resolver.BaseResolver,
):
    """Every value is the text that it is; tags mean nothing."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        _Bounded.__init__(self)
        yaml.constructor.BaseConstructor.__init__(self)
        yaml.resolver.BaseResolver.__init__(self)


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return "at its end" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "not YAML"
    if isinstance(error, _Fault):
        return problem
    if "\\t" in problem:
        return "a tab; indent with blanks"
    if isinstance(error, yaml.constructor.ConstructorError) and "tag" in problem:
        tag = problem.split("'")[1] if "'" in problem else problem
        return f"the tag {tag} is not read; write a plain value"
    if "mapping values are not allowed" in problem:
        return "a colon too many, or a wrong indentation (put a text with a colon in quotes)"
    return f"not YAML: {problem}" + (f" ({error.context})" if error.context else "")
