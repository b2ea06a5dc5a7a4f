"""Files of weights: read without running their code, checked by hash and against the network."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file
from torch import Tensor, nn

from seewhy.backbones.published import fit_names, load_checkpoint
from seewhy.checkpoint_metadata import check_finite_weights
from seewhy.errors import InputError
from seewhy.files import sha256 as sha256_of
from seewhy.json_files import parse_json
from seewhy.readable import check_readable


def read_weights(
    path: str | Path, *, names: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a file of weights, and what its metadata say of it.

    Args:
        path: ``.safetensors``, or a checkpoint of ``torch.save`` as it was published (``.pth``,
            ``.pt``, ``.pth.tar``, …; see `seewhy.backbones.published`); its content decides.
        names: of the network's own tensors, without which names stay as they are in the file.

    Raises:
        InputError: not there, neither of the two, cut short, a pickle that would run code, or
            without one state dict.
    """
    path = Path(path)
    check_readable(path, missing="no weights: name their file")
    about: Any = {}
    try:
        if _is_safetensors(path):
            with safetensors.safe_open(path, "pt") as file:
                about = parse_json(
                    (file.metadata() or {}).get("seewhy", "{}"), path, remedy="get it again"
                )
            tensors = load_file(path)
        else:
            tensors = load_checkpoint(path)
    except InputError:
        raise
    except Exception as error:  # the unpickler trips over junk with errors of any kind
        runs = re.search(r"GLOBAL (\S+)", str(error))
        reason = (str(error).split("\n")[0] or type(error).__name__)[:120]
        reason = f"it names {runs[1]}, which would run" if runs else reason
        raise InputError(
            f"{path}: not a whole file of weights ({reason}); expected .safetensors, or a "
            "checkpoint of torch.save with tensors and nothing that runs"
        ) from error
    return fit_names(tensors, names, path), about if isinstance(about, dict) else {}


def _is_safetensors(path: Path) -> bool:
    """By name, or by how the file begins: the length of a JSON object, and the object."""
    with open(path, "rb") as file:
        head = file.read(9)
    length = int.from_bytes(head[:8], "little")
    return path.suffix == ".safetensors" or (head[8:] == b"{" and length < path.stat().st_size)


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
