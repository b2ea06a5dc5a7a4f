"""Checkpoints as they are published: a state dict inside of other things, under other names.

    state_dict | model_state_dict | model | net | …   beside epochs, optimisers, arguments, averages
    module.conv1.weight                               what DataParallel, compile and Lightning add

Files of ``torch.save`` are read with ``weights_only`` always: nothing of theirs runs. What stands
beside the tensors and is of a class that torch does not admit there (NumPy's numbers, argparse's
arguments, a configuration) becomes an object that holds nothing, under the class's name; what is of
a function of the standard library is refused, for no checkpoint needs one.
"""

from __future__ import annotations

import builtins
import itertools
import logging
import pickletools
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from seewhy.errors import InputError

log = logging.getLogger(__name__)

# Where a state dict is usually kept, the most usual first.
_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights",
         "params", "module", "state")  # fmt: skip
# First parts of keys and names that hold averages of the weights over the steps of a training.
_AVERAGES = ("ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema",
             "model_ema_state_dict", "module_ema", "params_ema", "net_ema")  # fmt: skip
# Parts of the names of what is no network.
_OTHER = ("optim", "sched", "scaler", "criterion", "loss", "callback", "loops")
# What is put before the names of a network that is part of another; the first two by torch itself.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.")
_HARMLESS = ("argparse.Namespace", "pathlib.", "datetime.", "collections.", "uuid.UUID",
             "decimal.Decimal", "fractions.Fraction")  # fmt: skip
_MAPPINGS = ("collections.defaultdict", "yacs.config.CfgNode", "easydict.EasyDict",
             "addict.addict.Dict", "mmengine.config.config.ConfigDict",
             "mmcv.utils.config.ConfigDict")  # fmt: skip
_BATCHES = "num_batches_tracked"
"""Last part of the name of a count that batch norms have since PyTorch 0.4.1, and do not need."""


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of ``torch.save``, under the names that it has there.

    Raises:
        InputError: there is none, or several.
        Exception: of any kind, from a damaged file, or one that would run code.
    """
    admitted = _stand_ins(path)
    with torch.serialization.safe_globals([(one, name) for name, one in admitted.items()]):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except UnicodeDecodeError:  # written by Python 2
            found = torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
    return _state_dict(found, path)


def fit_names(
    tensors: Mapping[str, Tensor], names: Collection[str], path: str | Path
) -> dict[str, Tensor]:
    """Tensors under the names that a network has for them, where only a wrapper's prefix differs.

    Below one prefix the file must have all names of the network, or all but the network's own
    prefix; else what its names share of ``module.`` and ``_orig_mod.`` is taken away, for the
    caller to say what differs. Counts of batches that a file from before PyTorch 0.4.1 lacks are 0.

    Args:
        tensors: of the file.
        names: of the network's tensors.
        path: of the file, for messages.

    Raises:
        InputError: the network is in the file more than once.
    """
    wanted = {name for name in names if not name.endswith(_BATCHES)}
    found = dict(tensors)
    if wanted and not wanted <= found.keys():
        own = _shared_prefix(names)
        inner = _only_part(found, wanted, path)
        if inner is None and own in _WRAPPERS:
            bare = _only_part(found, {name.removeprefix(own) for name in wanted}, path)
            inner = bare and {own + name: value for name, value in bare.items()}
        found = found if inner is None else inner
        while inner is None and (prefix := _shared_prefix(found)) in _WRAPPERS[:2]:
            found = _below(found, prefix)
    for name in names:
        mean = name.removesuffix(_BATCHES) + "running_mean"
        if name.endswith(_BATCHES) and mean in found:
            found.setdefault(name, torch.tensor(0))
    return found


def _only_part(
    tensors: Mapping[str, Tensor], wanted: Collection[str], path: str | Path
) -> dict[str, Tensor] | None:
    """The tensors below the one prefix that has all wanted names; None where there is none."""
    whole = [p for p in _prefixes(tensors) if set(wanted) <= _below(tensors, p).keys()]
    plain = [p for p in whole if p.split(".")[0] not in _AVERAGES] or whole
    if len(plain) > 1:
        raise InputError(
            f"{path}: holds this network more than once (below {', '.join(plain)}); save the state "
            "dict of one"
        )
    if not plain:
        return None
    inner = _below(tensors, plain[0])
    if len(inner) < len(tensors):
        log.info("%s: %d other tensors are left out", path, len(tensors) - len(inner))
    return inner


def _prefixes(tensors: Mapping[str, Tensor]) -> list[str]:
    """All beginnings of the names, up to a dot; the shortest, which is none, first."""
    parts = {tuple(name.split(".")[:-1]) for name in tensors}
    every = {part[:k] for part in parts for k in range(len(part) + 1)}
    return ["".join(f"{one}." for one in part) for part in sorted(every, key=lambda p: (len(p), p))]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _shared_prefix(names: Collection[str]) -> str:
    """The first part of all names, with its dot; empty where they differ."""
    first = {name.partition(".")[0] for name in names if "." in name}
    return f"{first.pop()}." if len(first) == 1 and all("." in name for name in names) else ""


def _state_dict(found: Any, path: Path) -> dict[str, Tensor]:
    """The one state dict of a network that is in there, at whatever depth."""
    objects = [one for one in (found, *_values(found)) if isinstance(one, _Beside)]
    if not isinstance(found, Mapping) or (objects and not _has_tensors(found)):
        what = type(objects[0] if objects else found).__name__
        raise InputError(
            f"{path}: is no state dict (names to tensors): it holds an object, {what}, which is "
            "not opened, for that runs code; save model.state_dict()"
        )
    inner = {
        str(key): value
        for key, value in found.items()
        if isinstance(value, Mapping) and _has_tensors(value)
        if not any(part in str(key).lower() for part in _OTHER)
    }
    averages = [key for key in inner if key.lower() in _AVERAGES]
    plain = {key: value for key, value in inner.items() if key not in averages} or inner
    if len(plain) == 1:
        (key,) = plain
    else:
        key = next((one for one in _KEYS if one in plain), None)
    if key is not None:
        if averages and key not in averages:
            log.info("%s: holds %s too, which is not used", path, ", ".join(averages))
        return _state_dict(plain[key], path)
    own = {str(k): v for k, v in found.items() if isinstance(v, Tensor)}
    if own and not plain:
        return own
    if plain:
        raise InputError(
            f"{path}: holds several state dicts ({', '.join(sorted(plain))}); save that of the "
            "network alone"
        )
    raise InputError(
        f"{path}: is no state dict (names to tensors): it holds "
        f"{', '.join(map(str, itertools.islice(found, 5))) or 'nothing'}; save model.state_dict()"
    )


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, Mapping) else []


def _has_tensors(values: Mapping[Any, Any]) -> bool:
    return any(
        isinstance(one, Tensor) or (isinstance(one, Mapping) and _has_tensors(one))
        for one in values.values()
    )


class _Beside:
    """Stands for an object of a class that is not admitted; holds nothing of it."""

    def __new__(cls, *_: Any) -> _Beside:
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class _Filled:
    """Stands for a mapping of such a class: a plain one."""

    def __new__(cls, *_: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


def _stand_ins(path: Path) -> dict[str, type]:
    """What stands for each class that the file names and torch does not admit."""
    found = {}  # torch looks at its own list first: a stand-in hides nothing that it admits
    for module, name in _named_classes(path):
        module = IMPORT_MAPPING.get(module, module)  # these pickles have Python 2's names
        full = f"{module}.{name}"
        if module == "builtins":
            harmless = isinstance(getattr(builtins, name, None), type)
        else:
            harmless = module.partition(".")[0] not in sys.stdlib_module_names
        if harmless or full.startswith(_HARMLESS):
            found[full] = type(full, (_Filled if full in _MAPPINGS else _Beside,), {})
    return found


def _named_classes(path: Path) -> set[tuple[str, str]]:
    """Module and name of each class or function that the pickles of a file name; none is run."""
    found: set[tuple[str, str]] = set()
    with open(path, "rb") as file:
        for stream, count in _pickles(file):
            for _ in range(count):
                for code, argument, _position in pickletools.genops(stream):
                    if code.name == "GLOBAL":
                        module, _, name = str(argument).partition(" ")
                        found.add((module, name))
    return found


def _pickles(file: BinaryIO) -> Iterator[tuple[Any, int]]:
    """Streams, and how many pickles of each are to be looked at."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        yield file, 4  # a number, the version, sizes of types, then what was saved
        return
    with zipfile.ZipFile(file) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise InputError(
                f"{file.name}: is a TorchScript archive, and to open it would run its code; save "
                "its state_dict()"
            )
        for name in archive.namelist():
            if name.endswith("/data.pkl"):
                yield archive.open(name), 1
