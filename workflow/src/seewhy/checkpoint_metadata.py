"""What a checkpoint of the workflow says of its network, checked before a network is built of it.

The metadata of a safetensors file are text that anything may have written: a key may be missing, a
size may be a word or a billion. They are held against a JSON schema, and the network that they
describe against the shapes of the tensors, before any memory is taken for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
import torch
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.number_text import shown
from seewhy.readable import make_again
from seewhy.skeletons import without_weights

LARGEST = 1_000_000  # of a size
SIZE = {"type": "integer", "minimum": 0, "maximum": LARGEST}
COUNT = {"type": "integer", "minimum": 1, "maximum": LARGEST}
COUNTS = {"type": "array", "items": COUNT, "maxItems": 1000}
NAME = {"type": "string"}
NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
FLAG = {"type": "boolean"}
_NO_SUCH = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
Network = TypeVar("Network", bound=nn.Module)


def table_of(**keys: Any) -> dict[str, Any]:
    """Schema of a mapping that has all of these keys and no others."""
    return {
        "type": "object",
        "properties": keys,
        "required": list(keys),
        "additionalProperties": False,
    }


def check_metadata(
    about: Any, path: str | Path, schema: Mapping[str, Any], *, form: str, what: str
) -> dict[str, Any]:
    """Hold metadata against a schema.

    Args:
        about: the metadata.
        path: of the file.
        schema: of the keys beside `format`, by `table_of`.
        form: the value that `format` must have.
        what: the file should be, such as ``a captioner``.

    Raises:
        InputError: another format, or a key that is missing, unknown or has another value than the
            schema admits.
    """
    if not isinstance(about, dict) or about.get("format") != form:
        raise InputError(f"{path}: not {what} of this version; {make_again(path)}")
    own = {key: value for key, value in about.items() if key != "format"}
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(own)
    )
    if error is not None:
        key = ".".join(map(str, error.absolute_path)) or "metadata"
        raise InputError(
            f"{path}: not {what} of this version: its {key}: {shown(error.message)}; "
            f"{make_again(path)}"
        )
    return own


def build(
    make: Callable[[], Network], tensors: Mapping[str, Tensor], path: str | Path, what: str
) -> Network:
    """Build the network that metadata describe, where the tensors are those of such a one.

    Args:
        make: builds it, with whatever weights.
        tensors: of the file.
        path: of the file.
        what: the file should be.

    Raises:
        InputError: there is no such network, or the names or shapes of its tensors are others, or
            a weight is not finite.
    """
    try:
        with without_weights():
            skeleton = make()
    except _NO_SUCH as error:
        raise InputError(
            f"{path}: not {what}: no network is of the form that it tells ({shown(str(error))}); "
            f"{make_again(path)}"
        ) from error
    own = {name: list(value.shape) for name, value in skeleton.state_dict().items()}
    given = {name: list(value.shape) for name, value in tensors.items()}
    for name in sorted(own.keys() | given.keys()):
        if own.get(name) != given.get(name):
            raise InputError(
                f"{path}: not {what}: {name} is {given.get(name, 'missing')} in it, its metadata "
                f"tell {own.get(name, 'of none')}; {make_again(path)}"
            )
    check_finite_weights(tensors, path)
    return make()


def check_finite_weights(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse weights of which some are NaN or infinite.

    Raises:
        InputError: the first of them.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(
                f"{path}: the weights {name} are not all finite numbers (NaN or infinity): the "
                "file is damaged, or its training went astray; get or train it again"
            )
