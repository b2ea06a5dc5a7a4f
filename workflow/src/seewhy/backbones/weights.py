"""Files of weights: read without running their code, checked by hash and against the network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from seewhy.checkpoint_metadata import check_finite_weights
from seewhy.errors import InputError
from seewhy.files import sha256 as sha256_of
from seewhy.json_files import parse_json
from seewhy.readable import check_readable


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a ``.safetensors`` or ``.pth`` file, and what its metadata say of it.

    Raises:
        InputError: not there, or neither of the two (cut short, or a pickle with other things in
        it).
    """
    path = Path(path)
    check_readable(path, missing="no weights: name their file")
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, "pt") as file:
                about = parse_json(
                    (file.metadata() or {}).get("seewhy", "{}"), path, remedy="get it again"
                )
            return load_file(path), about if isinstance(about, dict) else {}
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler trips over junk with errors of any kind
        reason = (str(error).split("\n")[0] or type(error).__name__)[:120]
        raise InputError(
            f"{path}: not a whole file of weights ({reason}); expected .safetensors, or .pth with "
            "tensors only"
        ) from error
    if not isinstance(tensors, dict) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise InputError(f"{path}: is no state dict (names to tensors); save model.state_dict()")
    return tensors, {}


def check_hash(path: str | Path, expected: str | None) -> str:
    """The SHA-256 of the file, which must begin with `expected` (hexadecimal, 8 to 64 digits).

    Raises:
        InputError: it does not, or `expected` is no such number.
    """
    if expected is not None:
        expected = str(expected).lower()
        if not 8 <= len(expected) <= 64 or set(expected) - set("0123456789abcdef"):
            raise InputError(f"backbone.sha256: {expected!r} is not 8 to 64 hexadecimal digits")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file of weights")
    digest = sha256_of(path)
    if expected is not None and not digest.startswith(expected):
        raise InputError(
            f"{path}: its SHA-256 begins with {digest[: len(expected)]}, expected {expected}; get "
            "the file again, or set backbone.sha256 to its hash if it is meant to be another one"
        )
    return digest


def load_into(network: nn.Module, tensors: dict[str, Tensor], path: str | Path, name: str) -> None:
    """Load weights into `network`, all of them and no others.

    Raises:
        InputError: names or shapes differ; the message gives the first of them.
    """
    own = network.state_dict()
    missing, unknown = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    other = [key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape]
    complaints = []
    if missing:
        complaints.append(f"lacks {missing[0]} and {len(missing) - 1} more")
    if unknown:
        complaints.append(f"has an unknown {unknown[0]} and {len(unknown) - 1} more")
    if other:
        key = min(other)
        complaints.append(f"{key} is {list(tensors[key].shape)}, expected {list(own[key].shape)}")
    if complaints:
        raise InputError(f"{path}: not weights of {name}: {'; '.join(complaints)}")
    check_finite_weights(tensors, path)
    network.load_state_dict(tensors)


def digest_of_tensors(network: nn.Module) -> str:
    """SHA-256 of a network's tensors, for weights that come from no file."""
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(json.dumps([key, list(value.shape)]).encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
