"""What a user gives to the summaries, looked for before anything runs; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seewhy.errors import InputError
from seewhy.settings import Sources, told


def check_summaries(settings: Mapping[str, Any], *, sources: Sources = ()) -> None:
    """Look for the files that ``summaries`` of params.yaml names, and whether its network exists.

    Args:
        settings: ``summaries``.
        sources: of the settings, as for :func:`seewhy.settings.check_settings`.

    Raises:
        InputError: a file is missing, or the network is neither given nor trained here; the message
            names the key and says what to do.
    """

    def fault(key: str, what: str) -> InputError:
        return InputError(told(f"summaries.{key}", what, sources))

    model, network = settings["model"], settings["network"]
    for section, key in (("model", "weights"), ("model", "classes"), ("network", "weights")):
        path = settings[section].get(key)
        if path is not None and not Path(path).is_file():
            raise fault(f"{section}.{key}", f"no file {path}; mend its path, or set it to null")
    name = model["name"]
    if model["weights"] is not None or (name and ":" in name):
        return
    if name is not None and network["base"] != name:
        raise fault(
            "model.weights",
            f"{name} needs a file of weights; or name {name} as summaries.network.base too, and it "
            "is fine-tuned here",
        )
    if name is None and network["base"] is not None:
        raise fault(
            "model.name",
            f"null, but {network['base']} is fine-tuned here (summaries.network.base); name it in "
            "both",
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
