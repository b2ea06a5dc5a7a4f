"""Settings are read as data and checked as a whole before anything runs, with one line for the
first mistake.

Snakemake would read ``params.yaml`` itself (``configfile:``), and would run what a template in it
asks for (YTE). So the workflow reads it by :func:`load_settings`, which runs nothing.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from seewhy.errors import InputError, nearest
from seewhy.yaml_files import plain_value, read_settings

Sources = Sequence[tuple[str, Mapping[str, Any]]]
"""Where settings come from, a name and what is set there; later ones count."""

_WIDEST = 80  # characters of a value in a message
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}
_TRUTH_WORDS = "YAML reads yes, no, on and off as true and false: put a text in quotes"


def load_settings(
    path: str | Path,
    *,
    further: Sequence[str | Path] = (),
    command_line: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> list[tuple[str, dict[str, Any]]]:
    """Read a file of settings and what is laid over it; nothing in them is run.

    Args:
        path: the settings, ``params.yaml``; it may be missing where there are `further` files.
        further: files whose settings count over those before (``--configfile``).
        command_line: settings that count over all (``--config``); Snakemake leaves what is inside
            a list or a mapping as text, which is read here as in a file.
        replace: leave `path` out where there is anything else (``--replace-workflow-config``).

    Returns:
        What each source sets, the last one counting most; :func:`merge` makes one of them.

    Raises:
        InputError: a file cannot be read as settings.
    """
    files = [Path(name) for name in further]
    if not (replace and (files or command_line)) and (Path(path).exists() or not files):
        files.insert(0, Path(path))
    sources = []
    for file in files:
        try:
            sources.append((str(file), read_settings(file)))
        except FileNotFoundError as error:
            raise InputError(f"{file}: no such file; name the settings' file") from error
    if command_line:
        typed = {key: _typed(value, f"--config {key}") for key, value in command_line.items()}
        sources.append(("--config", typed))
    return sources


def merge(sources: Sources) -> dict[str, Any]:
    """One mapping of what several sources set: mappings are merged, anything else is replaced."""
    result: dict[str, Any] = {}
    for _, settings in sources:
        _lay_over(result, settings)
    return result


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping):
            if not isinstance(below.get(key), dict):
                below[key] = {}
            _lay_over(below[key], value)
        else:
            below[key] = value


def _typed(value: Any, where: str) -> Any:
    """A value of ``--config``; the texts in it as a file would have them."""
    if isinstance(value, Mapping):
        return {str(key): _typed_inner(inner, where, 1) for key, inner in value.items()}
    return _typed_inner(value, where, 0) if isinstance(value, list) else value


def _typed_inner(value: Any, where: str, level: int) -> Any:
    if level > 10:
        raise InputError(f"{where}: lists or mappings in one another without end; flatten them")
    if isinstance(value, Mapping):
        return {str(key): _typed_inner(inner, where, level + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed_inner(inner, where, level + 1) for inner in value]
    return plain_value(value, where=where) if isinstance(value, str) else value


def check_settings(
    settings: Mapping[str, Any],
    schema_path: str | Path,
    *,
    where: str = "params.yaml",
    sources: Sources = (),
) -> None:
    """Hold `settings` against a JSON schema.

    Stricter than the standard in one thing: 28.0 is no whole number.

    Args:
        settings: the parsed file.
        schema_path: the schema, in YAML.
        where: name of the settings file, for the message.
        sources: files and options that the settings were merged from: the message names the one
            that sets the value at fault in place of `where`.

    Raises:
        InputError: a missing or unknown key, a value that the schema does not admit, or a number
            that is not finite; the line names the key, the value and what is admitted.
    """
    for path, value in _leaves(settings):
        if isinstance(value, float) and not math.isfinite(value):
            source = set_by(path, sources) or where
            raise InputError(f"{source}: {_key(path)}: {value} is not a finite number")
    errors = list(_VALIDATOR(_schema(str(schema_path))).iter_errors(settings))
    if errors:
        path, message = _explain(max(errors, key=jsonschema.exceptions.relevance))
        raise InputError(f"{set_by(path, sources) or where}: {message}")


@functools.cache
def _schema(path: str) -> dict[str, Any]:
    # A file of ours, so that the fast reader's messages will do; it takes a tenth of the time.
    return yaml.load(Path(path).read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    else:
        yield path, value


def _key(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))


def set_by(path: Sequence[Any], sources: Sources) -> str | None:
    """The last source that has something at `path`, or else at the nearest above it."""
    for length in range(len(path), 0, -1):
        for name, settings in reversed(sources):
            value: Any = settings
            try:
                for part in path[:length]:
                    value = value[part]
            except (KeyError, IndexError, TypeError):
                continue
            return name
    return None


def told(key: str, fault: str, sources: Sources = (), *, where: str = "params.yaml") -> str:
    """A line on a setting: the source that sets it, its key (``corpus.source``), what is wrong.

    Args:
        key: of the setting, with points.
        fault: what is wrong, and what to do.
        sources: of the settings.
        where: what to name in place of a source, where none sets it.
    """
    return f"{set_by(key.split('.'), sources) or where}: {key}: {fault}"


def _is_whole(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(
    _: Any, admitted: list[Any], value: Any, __: Any
) -> Iterator[jsonschema.ValidationError]:
    if not any(type(value) is type(one) and value == one for one in admitted):
        yield jsonschema.ValidationError(f"{value!r} is not one of {admitted!r}")


_VALIDATOR = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"enum": _one_of},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole),
)


def _explain(error: jsonschema.ValidationError) -> tuple[list[Any], str]:
    """Where the settings are at fault, and what to say of it."""
    path = list(error.absolute_path)
    prefix = f"{_key(path)}." if path else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(name for name in error.instance if name not in known)
        near = nearest(str(unknown), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"its keys are {', '.join(known)}"
        return [*path, unknown], f"unknown key {prefix}{unknown}; {hint}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return [*path, missing], f"missing key {prefix}{missing}; add it"
    if error.validator in ("anyOf", "oneOf"):
        meant = _meant(error)
        if meant is not None:
            return _explain(meant)
    about = error.schema.get("description", "")
    about = f" ({about})" if about else ""
    if "propertyNames" in error.absolute_schema_path:
        return [*path, error.instance], f"{prefix}{error.instance}: the key is not admitted{about}"
    key = f"{_key(path)}: " if path else ""
    return path, f"{key}{_shown(error.instance)} {_admitted(error)}{about}"


def _meant(error: jsonschema.ValidationError) -> jsonschema.ValidationError | None:
    """Of the alternatives, the fault in the one whose type the value has, if that is one alone."""
    alternatives = [
        list(errors)
        for _, errors in itertools.groupby(
            error.context, key=lambda one: one.relative_schema_path[0]
        )
    ]
    of_its_type = [
        errors
        for errors in alternatives
        if not any(
            one.validator in ("type", "const", "enum") and not one.relative_path for one in errors
        )
    ]
    if len(of_its_type) != 1:
        return None
    return max(of_its_type[0], key=jsonschema.exceptions.relevance)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _admitted(error: jsonschema.ValidationError) -> str:
    """What the schema's keyword asks for, as the end of a sentence that begins with the value."""
    kind, value, found = error.validator, error.validator_value, error.instance
    if kind == "type":
        kinds = [value] if isinstance(value, str) else value
        return f"is not of the type {' or '.join(kinds)}{_how_to_write(found, kinds)}"
    if kind == "enum":
        near = nearest(str(found), value, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if isinstance(found, bool):
            hint = f"; {_TRUTH_WORDS}"
        elif isinstance(found, float) and found in value:
            hint = f"; write {int(found)}"
        return f"is not one of {', '.join(map(str, value))}{hint}"
    if kind in ("anyOf", "oneOf"):
        return f"is not {' or '.join(map(_described, value))}{_how_to_write(found, ['number'])}"
    phrases = {
        "minimum": "is below {}",
        "exclusiveMinimum": "is not above {}",
        "maximum": "is above {}",
        "exclusiveMaximum": "is not below {}",
        "multipleOf": "is not a multiple of {}",
        "pattern": "does not match {}",
        "const": "is not {}",
        "not": "is not admitted",
        "minLength": "is empty; write a text" if value == 1 else "has fewer characters than {}",
        "maxLength": "has more characters than {}",
        "minItems": "has fewer entries than {}; add one"
        if found
        else "is not admitted: the list is empty; add an entry",
        "maxItems": "has more entries than {}",
        "contains": "lacks {}, which must be in it",
        "uniqueItems": "holds {} twice; keep one",
    }
    if kind == "contains":
        value = _described(value)
    elif kind == "uniqueItems":
        value = next(one for number, one in enumerate(found) if one in found[:number])
    return phrases[kind].format(value) if kind in phrases else f"is not admitted: {error.message}"


def _described(schema: Mapping[str, Any]) -> str:
    """One alternative of several, in words."""
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kinds = schema.get("type", [])
    kinds = " or ".join(_KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "required" in schema:
        kinds += f" with {', '.join(schema['required'])}"
    words = {"minimum": "of at least", "exclusiveMinimum": "above", "maximum": "of at most"}
    return " ".join([kinds, *(f"{words[key]} {schema[key]}" for key in words if key in schema)])


def _how_to_write(found: Any, kinds: Sequence[str]) -> str:
    """How YAML wants it, where a text is one number, or a number another."""
    if isinstance(found, bool):
        return f"; {_TRUTH_WORDS}" if "string" in kinds else ""
    if isinstance(found, float) and found.is_integer() and "integer" in kinds:
        return f"; write {int(found)}"
    if isinstance(found, int | float) and "string" in kinds:
        return "; put it in quotes"
    if not isinstance(found, str) or not {"number", "integer"} & set(kinds):
        return ""
    written = found.strip().replace(",", ".") if found.count(",") == 1 else found.strip()
    try:
        value = float(written)
    except ValueError:
        return ""
    if not math.isfinite(value):
        return "; write a finite number"
    if "number" not in kinds and not value.is_integer():
        return ""
    plain = _yaml_number(written, value, whole="number" not in kinds)
    reason = "a text to YAML" if written == found else "a text"
    return f"; it is {reason}, write {plain}" + (
        "" if plain != found else " without quotes or a tag"
    )


def _yaml_number(written: str, value: float, *, whole: bool) -> str:
    """A number as YAML 1.1 knows it: with an exponent, it needs a point and the exponent's sign."""
    if whole or re.fullmatch(r"[-+]?\d+", written):
        return str(int(value))
    parts = re.fullmatch(r"([-+]?)(\d*)(\.\d*)?(?:[eE]([-+]?)(\d+))?", written)
    if not parts:
        return repr(value)
    sign, digits, point, exponent_sign, exponent = parts.groups()
    fraction = point if point and len(point) > 1 else ".0"
    tail = f"e{exponent_sign or '+'}{exponent}" if exponent else ""
    return f"{sign}{digits or '0'}{fraction}{tail}"
