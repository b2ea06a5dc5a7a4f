"""What a user gives to the dissection, looked for before anything runs; light to import."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seewhy.csv_rows import read_rows
from seewhy.errors import InputError
from seewhy.settings import Sources, told

BRODEN_FROM = "http://netdissect.csail.mit.edu/data/broden1_224.zip"
_NEEDS = {
    "sets.broden": ("index.csv", "label.csv", "category.csv", "images"),
    "sets.actions": ("index.csv", "label.csv", "category.csv", "images"),
    "annotations": ("boxes.csv", "votes.csv", "sizes.csv", "images"),
}
_REMEDY = {
    "sets.broden": f"get Broden from {BRODEN_FROM} (1.5 GB), or set it to null",
    "sets.actions": "build it from dissection.annotations, or set it to null",
    "annotations": "workflow/src/seewhy/dissection/annotations.py says what they hold",
}
# The table that has a row for each image; of annotated images those without a region are left out.
_IMAGES = {"sets.broden": "index.csv", "sets.actions": "index.csv", "annotations": "sizes.csv"}


def concept_folders(settings: Mapping[str, Any], made: str) -> dict[str, str]:
    """Folders of the concept sets that are dissected, by `broden` and `actions`.

    Where a set or annotations are given nothing is made of the puppets' crops: a set without action
    regions is a set.

    Args:
        settings: ``dissection`` of params.yaml.
        made: the folder of those that the workflow makes.
    """
    own, annotated = settings["sets"], settings["annotations"]
    if made_of_puppets(settings):
        return {name: f"{made}/{name}" for name in ("broden", "actions")}
    actions = own["actions"] or (f"{made}/actions" if annotated else None)
    return {name: path for name, path in (("broden", own["broden"]), ("actions", actions)) if path}


def made_of_puppets(settings: Mapping[str, Any]) -> bool:
    """Whether the concept sets are made of the puppets' crops: nothing else is given."""
    return not (any(settings["sets"].values()) or settings["annotations"])


def set_titles(settings: Mapping[str, Any]) -> dict[str, str]:
    """What rows and figures call the sets that are given; none for those made of puppets' crops."""
    if made_of_puppets(settings):
        return {}
    titles = {}
    if settings["sets"]["broden"]:
        titles["broden"] = Path(settings["sets"]["broden"]).name
    regions = settings["sets"]["actions"] or settings["annotations"]
    if regions:
        titles["actions"] = f"action regions of {Path(regions).name}"
    titles["combined"] = " + ".join(titles.values())
    titles["shuffled"] = f"{titles['combined']}, names shuffled"
    return titles


def sets_read(settings: Mapping[str, Any]) -> str:
    """Which sets were read, for the report."""
    if made_of_puppets(settings):
        return "concept sets made of the puppets' crops"
    own = settings["sets"]
    parts = [f"the set {own['broden']}"] if own["broden"] else []
    if own["actions"]:
        parts.append(f"the action regions {own['actions']}")
    elif settings["annotations"]:
        parts.append(f"action regions made of the annotations in {settings['annotations']}")
    return " and ".join(parts)


def check_given(settings: Mapping[str, Any], *, sources: Sources = ()) -> None:
    """Look for the files that ``dissection`` of params.yaml names, and at how many images they are.

    Args:
        settings: ``dissection``.
        sources: of the settings, as for :func:`seewhy.settings.check_settings`.

    Raises:
        InputError: one is missing, two settings do not fit each other, or a set has no more images
            than there are rounds of the null; the message names the key and says what to do.
    """

    def fault(key: str, what: str) -> InputError:
        return InputError(told(f"dissection.{key}", what, sources))

    given = {f"sets.{name}": folder for name, folder in settings["sets"].items()}
    given["annotations"] = settings["annotations"]
    for key, folder in given.items():
        if folder is None:
            continue
        missing = [name for name in _NEEDS[key] if not (Path(folder) / name).exists()]
        if missing:
            raise fault(key, f"no {Path(folder) / missing[0]}; {_REMEDY[key]}")
    if settings["sets"]["actions"] and settings["annotations"]:
        raise fault(
            "annotations",
            "action regions are given as dissection.sets.actions too; set one of the two to null",
        )
    model = settings["model"]
    for key in ("weights", "classes"):
        if model.get(key) is not None and not Path(model[key]).is_file():
            raise fault(f"model.{key}", f"no file {model[key]}; mend its path, or set it to null")
    if model["name"] and ":" not in model["name"] and model["weights"] is None:
        raise fault(
            "model.weights",
            f"{model['name']} needs a file of weights; torchvision's are at the address that its "
            "weights' `url` gives",
        )
    for path in settings["paths"]["images"]:
        if not Path(path).is_file():
            raise fault("paths.images", f"no file {path}; mend its path, or take it out")
    regions = settings["regions"]
    if regions["at_least"] > regions["rounds"]:
        raise fault(
            "regions.at_least",
            f"{regions['at_least']} of {regions['rounds']} rounds cannot overlap; lower it",
        )
    if settings["nulls"] >= settings["batch"]:
        raise fault("nulls", f"{settings['nulls']} must be less than dissection.batch, "
                    f"{settings['batch']}; lower it")  # fmt: skip
    for key, folder in given.items():
        images = None if folder is None else Path(folder) / _IMAGES[key]
        count = None if images is None else _rows_up_to(images, settings["nulls"] + 1)
        if count is not None and count <= settings["nulls"]:
            raise fault("nulls", f"{settings['nulls']} must be less than the images of {images}, "
                        f"{count}; lower it, or give more images")  # fmt: skip


def _rows_up_to(table: Path, most: int) -> int | None:
    """Rows of a CSV table below its header, no more than so many are read; None: it is no table."""
    with contextlib.suppress(InputError, OSError):  # what reads all of it says so
        rows = itertools.chain.from_iterable(part.cells for part in read_rows(table, rows=most))
        return sum(1 for _ in itertools.islice(rows, most))
    return None
