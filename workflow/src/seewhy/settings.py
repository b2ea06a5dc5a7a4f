"""Settings are checked as a whole before anything runs, with one line for the first mistake."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from seewhy.errors import InputError


def check_settings(settings: Mapping[str, Any], schema_path: str | Path, *, where: str) -> None:
    """Hold `settings` against a JSON schema.

    Args:
        settings: the parsed file.
        schema_path: the schema, in YAML.
        where: name of the settings file, for the message.

    Raises:
        InputError: a missing or unknown key, or a value that the schema does not admit; the line
            names the key, the value and what is admitted.
    """
    schema = yaml.safe_load(Path(schema_path).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(settings))
    if error is not None:
        raise InputError(f"{where}: {_explain(error)}")


def _explain(error: jsonschema.ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path))
    prefix = f"{key}." if key else ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(name for name in error.instance if name not in known)
        near = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"its keys are {', '.join(known)}"
        return f"unknown key {prefix}{unknown}; {hint}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"missing key {prefix}{missing}; add it"
    about = error.schema.get("description", "")
    return f"{key}: {json.dumps(error.instance)} {_admitted(error)}" + (
        f" ({about})" if about else ""
    )


def _admitted(error: jsonschema.ValidationError) -> str:
    kind, value = error.validator, error.validator_value
    if kind == "type":
        return f"is not of the type {value if isinstance(value, str) else ' or '.join(value)}"
    if kind == "enum":
        return f"is not one of {', '.join(map(str, value))}"
    phrases = {
        "minimum": "is below",
        "exclusiveMinimum": "is not above",
        "maximum": "is above",
        "exclusiveMaximum": "is not below",
        "multipleOf": "is not a multiple of",
        "pattern": "does not match",
    }
    return f"{phrases[kind]} {value}" if kind in phrases else f"is not admitted: {error.message}"
