"""What a user gives to the summaries, looked for before anything runs; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seewhy.errors import InputError


def check_summaries(settings: Mapping[str, Any]) -> None:
    """Look for the files that ``summaries`` of params.yaml names, and whether its network exists.

    Raises:
        InputError: a file is missing, or the network is neither given nor trained here; the message
            names the key and says what to do.
    """
    model, network = settings["model"], settings["network"]
    for section, key in (("model", "weights"), ("model", "classes"), ("network", "weights")):
        path = settings[section].get(key)
        if path is not None and not Path(path).is_file():
            raise InputError(f"summaries.{section}.{key}: no file {path}")
    name = model["name"]
    if model["weights"] is not None or (name and ":" in name):
        return
    if name is not None and network["base"] != name:
        raise InputError(
            f"summaries.model.weights: {name} needs a file of weights; or name {name} as "
            "summaries.network.base too, and it is fine-tuned here"
        )
    if name is None and network["base"] is not None:
        raise InputError(
            f"summaries.model.name: null, but {network['base']} is fine-tuned here "
            "(summaries.network.base); name it in both"
        )


def network_files(model: Mapping[str, Any], trained: str) -> list[str]:
    """The file of the network that is explained; none where a function of the user's makes it.

    Args:
        model: ``summaries.model``.
        trained: the file of the network that is trained here.
    """
    if model["weights"] is not None:
        return [model["weights"]]
    return [] if model["name"] and ":" in model["name"] else [trained]
