"""What a user gives to the dissection, looked for before anything runs; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seewhy.errors import InputError

BRODEN_FROM = "http://netdissect.csail.mit.edu/data/broden1_224.zip"
_NEEDS = {
    "sets.broden": ("index.csv", "label.csv", "category.csv", "images"),
    "sets.actions": ("index.csv", "label.csv", "category.csv", "images"),
    "annotations": ("boxes.csv", "votes.csv", "sizes.csv", "images"),
}
_REMEDY = {
    "sets.broden": f"get Broden from {BRODEN_FROM} (1.5 GB), or set it to null for the puppets",
    "sets.actions": "build it from dissection.annotations, or set it to null for the puppets",
    "annotations": "workflow/src/seewhy/dissection/annotations.py says what they hold",
}


def check_given(settings: Mapping[str, Any]) -> None:
    """Look for the files that ``dissection`` of params.yaml names.

    Raises:
        InputError: one is missing; the message names the key and says what to do.
    """
    given = {f"sets.{name}": folder for name, folder in settings["sets"].items()}
    for key, folder in (given | {"annotations": settings["annotations"]}).items():
        if folder is None:
            continue
        missing = [name for name in _NEEDS[key] if not (Path(folder) / name).exists()]
        if missing:
            raise InputError(f"dissection.{key}: no {Path(folder) / missing[0]}; {_REMEDY[key]}")
    model = settings["model"]
    if model["weights"] is not None and not Path(model["weights"]).is_file():
        raise InputError(f"dissection.model.weights: no file {model['weights']}")
    if model["name"] and ":" not in model["name"] and model["weights"] is None:
        raise InputError(
            f"dissection.model.weights: {model['name']} needs a file of weights; torchvision's are "
            "at the address that its weights' `url` gives"
        )
    for path in settings["paths"]["images"]:
        if not Path(path).is_file():
            raise InputError(f"dissection.paths.images: no file {path}")
    if settings["regions"]["at_least"] > settings["regions"]["rounds"]:
        raise InputError(
            f"dissection.regions.at_least: {settings['regions']['at_least']} of "
            f"{settings['regions']['rounds']} rounds cannot overlap"
        )
    if settings["nulls"] >= settings["batch"]:
        raise InputError(
            f"dissection.nulls: {settings['nulls']} must be less than dissection.batch, "
            f"{settings['batch']}"
        )
