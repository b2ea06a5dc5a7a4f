"""Why a network erred: the concept paths of images that it names wrongly, checked by ablation.

The images are crops whose action the network takes for another, or images of a user's. For each the
path to the class that the network says is followed in both modes of the biases and on both routes
(`seewhy.dissection.paths`), and the named units are silenced in the same image, against as many
units drawn by chance (`seewhy.dissection.ablation`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch

from seewhy.dissection.ablation import ablate_path, summarise_ablations
from seewhy.dissection.dissect import read_dissection
from seewhy.dissection.networks import Opened
from seewhy.dissection.path_figure import draw_paths
from seewhy.dissection.paths import ConceptPath, explain_decision
from seewhy.dissection.relations import KEPT, ZERO, block_effects
from seewhy.dissection.run import open_model
from seewhy.dissection.strips import draw_nothing
from seewhy.dissection.tables import names_of
from seewhy.errors import InputError
from seewhy.files import open_hdf5, whole_file
from seewhy.pictures import read_picture
from seewhy.progress import progress
from seewhy.running import readable_input, require_finite, run
from seewhy.scores.columns import interval_columns, verdict
from seewhy.table_numbers import number_format

log = logging.getLogger(__name__)
Array = np.ndarray
_BATCH = 100


@dataclass(frozen=True)
class Case:
    """An image to explain.

    Attributes:
        name: of the image.
        image: [h, w, 3] uint8.
        truth: what it shows; empty: unknown.
        group: images of a group are drawn together in intervals.
    """

    name: str
    image: Array
    truth: str = ""
    group: str = ""


def mistaken_crops(opened: Opened, crops: str | Path, *, count: int, seed: int) -> list[Case]:
    """Crops whose action the network takes for another, at most one a clip, in random order.

    Raises:
        InputError: a network that does not know the crops' actions.
    """
    with open_hdf5(crops, needs=("image", "action", "clip")) as file:
        actions = [str(name) for name in file.attrs["actions"]]
        if sorted(opened.classes) != sorted(actions):
            raise InputError(
                f"{crops}: the network's classes are not the crops' actions; list images of yours "
                "in dissection.paths.images"
            )
        said = _answers(opened, file)
        truth = file["action"][:]
        wrong = np.flatnonzero(np.array(opened.classes)[said] != np.array(actions)[truth])
        order = np.random.default_rng(seed).permutation(wrong)
        clips = file["clip"][:]
        _, first = np.unique(clips[order], return_index=True)
        chosen = order[np.sort(first)][:count]
        return [
            Case(f"crop {i}", file["image"][i], actions[truth[i]], str(clips[i]))
            for i in chosen.tolist()
        ]


def _answers(opened: Opened, file: h5py.File) -> Array:
    said = []
    with torch.inference_mode():
        firsts = range(0, len(file["image"]), _BATCH)
        for first in progress(firsts, what="looking for mistakes", unit="batch"):
            images = opened.prepare(file["image"][first : first + _BATCH])
            images = readable_input(opened.network, images, "input of the network")
            answer = run(opened.network, images)
            if not isinstance(answer, torch.Tensor) or answer.ndim != 2:
                form = (
                    list(answer.shape)
                    if isinstance(answer, torch.Tensor)
                    else type(answer).__name__
                )
                raise InputError(
                    f"the network answers {form} to images; give one with [n, classes]"
                )
            said.append(require_finite(answer, "answers of the network").argmax(1).cpu().numpy())
    return np.concatenate(said)


def own_images(files: Sequence[str]) -> list[Case]:
    """Images of a user's.

    Raises:
        InputError: a file that is missing or no image.
    """
    return [Case(Path(path).name, read_picture(Path(path)), "", path) for path in files]


def explain_mistakes(
    outputs: Mapping[str, str | Path],
    *,
    weights: str | Path | None,
    model: Mapping[str, Any],
    crops: str | Path | None,
    counts: Sequence[str | Path],
    threshold: float,
    settings: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    classes: str | Path | None = None,
) -> None:
    """Write the paths, the check by ablation, and a figure.

    Args:
        outputs: where `paths` (CSV: a row for each image, bias mode, route, unit, from 1, and what
            it leads to), `ablation` (CSV) and `figure` (PNG) go.
        weights, model: see `seewhy.dissection.run.open_model`.
        crops: file of crops, where no images are listed.
        counts: dissections of the last two blocks, from input to output; their units' names.
        threshold: IoU from which a unit has a name.
        settings: ``dissection.paths`` of params.yaml.
        evaluation: resamples, confidence, seed.
        classes: file of the names of the network's classes.

    A network that makes no mistake on the crops has nothing to explain: the tables and the figure
    say so.
    """
    opened = open_model(weights, model, classes=classes)
    dissections = [read_dissection(path) for path in counts]
    blocks = tuple(one.about["layer"] for one in dissections)
    names = {
        layer: names_of(one, threshold) for layer, one in zip(blocks, dissections, strict=True)
    }
    if settings["images"]:
        cases = own_images(settings["images"])
    else:
        cases = mistaken_crops(opened, crops, count=settings["mistakes"], seed=evaluation["seed"])
    if not cases:
        needs = f"mistakes, and the network makes none on {crops}"
        log.warning("no concept paths: they need %s", needs)
        for name in ("paths", "ablation"):
            with whole_file(outputs[name]) as temporary:
                pd.DataFrame({"not made: it needs": [needs]}).to_csv(temporary, index=False)
        return draw_nothing(outputs["figure"], f"no concept paths: they need {needs}")
    inputs = [opened.prepare(case.image[None])[0] for case in cases]
    # Effects between the blocks are the same for all images of one size.
    one_of_size = {given.shape: given for given in inputs}
    rows, checks, paths = [], {}, []
    for mode in (ZERO, KEPT):
        effects = {
            size: block_effects(opened.network, given, blocks=blocks, biases=mode)
            for size, given in one_of_size.items()
        }
        for case, given in zip(
            progress(cases, what=f"explaining, biases {mode}", unit="image"), inputs, strict=True
        ):
            path = explain_decision(
                opened.network, given,
                blocks=blocks, linear=settings["linear"], names=names, classes=opened.classes,
                top=settings["top"], biases=mode, effects=effects[given.shape],
            )  # fmt: skip
            if mode == ZERO:
                paths.append(path)
            rows += _rows(case, path)
            for where, check in ablate_path(
                opened.network, given, path, draws=settings["draws"], seed=evaluation["seed"]
            ).items():
                checks.setdefault((mode, *where), []).append(check)
    tables = {
        "paths": pd.DataFrame(rows),
        "ablation": _ablation_table(checks, [case.group for case in cases], evaluation),
    }
    for name, table in tables.items():
        with whole_file(outputs[name]) as temporary:
            table.to_csv(temporary, index=False, float_format=number_format("%.4f"))
    drawn = _most_confident(paths, settings["drawn"])
    draw_paths(
        [paths[k] for k in drawn],
        [cases[k].image for k in drawn],
        outputs["figure"],
        titles=[_title(cases[k], paths[k]) for k in drawn],
    )


def _most_confident(paths: Sequence[ConceptPath], count: int) -> list[int]:
    order = np.argsort([-path.probability for path in paths], kind="stable")
    return order[:count].tolist()


def _title(case: Case, path: ConceptPath) -> str:
    truth = f"shows {case.truth}, " if case.truth else ""
    return f"{case.name}: {truth}taken for {path.class_name} (p = {path.probability:.2f})"


def _rows(case: Case, path: ConceptPath) -> list[dict[str, Any]]:
    about = {
        "image": case.name, "shows": case.truth, "said": path.class_name,
        "probability": path.probability, "biases": path.biases,
    }  # fmt: skip
    return [about | row for row in path.rows()]


def _ablation_table(
    checks: Mapping[tuple[str, str, str], Sequence[Any]],
    groups: Sequence[str],
    evaluation: Mapping[str, Any],
) -> pd.DataFrame:
    """A row for each bias mode, route, block and control that is held against: random, matched."""
    rows = []
    for (mode, route, block), of_images in checks.items():
        found = summarise_ablations(
            of_images, clusters=groups, resamples=evaluation["resamples"],
            level=evaluation["confidence"], seed=evaluation["seed"],
        )  # fmt: skip
        for control, values in found.items():
            difference = values.pop("difference")
            rows.append(
                {"biases": mode, "route": route, "block": block, "against": control}
                | values
                | interval_columns("difference", difference)
                | {"verdict": verdict(difference)}
            )
    return pd.DataFrame(rows)
