"""Rendering the aviary as a corpus in canonical form, and drawing any of its birds again.

Beside the tables of `seewhy.corpora.canonical` (an image is a clip of one frame; labels of kind
`species`, the one given, right or wrong, and `attribute`, what the bird has) the folder holds::

    images/train00000.png …
    birds.csv     image, split, index, species (true), label (given), family, fault, kind, strength,
                  and a column a slot with the bird's value
    species.csv   species, family, mark (the slot in which it departs from its family), a column a
                  slot, and free (the slots that vary freely within a species, separated by ;)
    slots.csv     slot, value, attribute (its plainest name; empty: nothing to see), adjectives and
                  nouns (what captions call it, separated by ;), part and points (key points,
                  separated by ;), role: sibling, family or free
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from seewhy.corpora.canonical import write_tables
from seewhy.corpora.truth import TruthWriter
from seewhy.errors import InputError, require_whole
from seewhy.files import whole_folder
from seewhy.progress import progress
from seewhy.worlds.aviary.bird import POINTS
from seewhy.worlds.aviary.captions import describe, mentionable
from seewhy.worlds.aviary.draw import Drawing, check_size, draw_bird
from seewhy.worlds.aviary.plan import SPLITS, Bird, plan_bird
from seewhy.worlds.aviary.species import FREE, MARKS, SLOTS, SPECIES, attribute
from seewhy.worlds.pool import in_order

BIRDS = {"train": 2400, "val": 320, "test": 800}
_CHUNK = 32


class _Rows(NamedTuple):
    """What the tables and the truth need of one bird."""

    bird: Bird
    captions: list[tuple[str, bool]]
    truth: dict[str, Any]


def render_aviary(
    folder: str | Path,
    *,
    seed: int,
    birds: Mapping[str, int] | None = None,
    size: int = 96,
    workers: int = 2,
) -> None:
    """Draw the birds of all splits, with captions and truth, into a corpus folder.

    Args:
        folder: written whole or not at all.
        seed: the same seed gives the same bytes, whatever the number of workers.
        birds: number of birds of each split; by default `BIRDS`. More birds of a split leave the
            others as they are.
        size: height and width of an image, pixels.
        workers: processes.

    Raises:
        InputError: an argument out of range; no space left.
    """
    folder, birds = Path(folder), dict(BIRDS if birds is None else birds)
    _check(seed, birds, workers)
    check_size(size)
    with whole_folder(folder) as temporary:
        (temporary / "images").mkdir()
        jobs = [
            (int(seed), split, first, min(first + _CHUNK, birds[split]), size, str(temporary))
            for split in SPLITS
            for first in range(0, birds.get(split, 0), _CHUNK)
        ]
        rows: list[tuple[Bird, list[tuple[str, bool]]]] = []
        bar = progress(what="drawing birds", total=sum(birds.values()), unit="bird")
        with TruthWriter(temporary / "truth.h5") as writer, bar:
            for results in in_order(_draw_some, jobs, min(workers, len(jobs))):
                for bird, captions, truth in results:
                    writer.append(bird.name, **truth)
                    rows.append((bird, captions))
                bar.update(len(results))
        write_tables(temporary, _tables(rows, folder))
        bird_table([bird for bird, _ in rows]).to_csv(temporary / "birds.csv", index=False)
        species_table().to_csv(temporary / "species.csv", index=False)
        slot_table().to_csv(temporary / "slots.csv", index=False)


def redraw(
    seed: int,
    split: str,
    index: int,
    *,
    slot: str | None = None,
    value: str | None = None,
    faults: bool = True,
    size: int = 96,
) -> Drawing:
    """Draw one bird of a world again, as it was or with one thing changed.

    Pose, place, background, what hides it, tones, light and noise stay; only the part that shows
    the slot differs. (Where the bird has a perturbation it is applied to the changed image too.)

    Args:
        seed, split, index: of the bird (`birds.csv`).
        slot, value: a slot and the value that it is to have; both or neither.
        faults: False: without its perturbation.
        size: as the world was rendered.

    Raises:
        InputError: no such split, slot or value; a slot without a value.
    """
    bird = plan_bird(seed, split, index)
    if (slot is None) != (value is None):
        raise InputError(f"slot {slot!r} and value {value!r} must be given together")
    if slot is not None and value is not None:
        bird = bird.with_value(slot, value)
    return draw_bird(bird if faults else bird.without_fault(), size)


def bird_table(birds: list[Bird]) -> pd.DataFrame:
    """`birds.csv`: what each bird is, and what is wrong with it."""
    return pd.DataFrame(
        [
            {
                "image": bird.name,
                "split": bird.split,
                "index": bird.index,
                "species": SPECIES[bird.species].name,
                "label": SPECIES[bird.label].name,
                "family": SPECIES[bird.species].family,
                "fault": bird.fault,
                "kind": bird.kind,
                "strength": bird.strength if bird.fault == "perturbation" else None,
                **bird.values,
            }
            for bird in birds
        ]
    )


def species_table() -> pd.DataFrame:
    """`species.csv`: what the birds of a species are when they do not vary."""
    return pd.DataFrame(
        [
            {"species": one.name, "family": one.family, "mark": one.mark, **one.values}
            | {"free": ";".join(FREE)}
            for one in SPECIES
        ]
    )


def slot_table() -> pd.DataFrame:
    """`slots.csv`: every value of every slot, its words, and where it is to be seen."""
    rows = []
    for slot, about in SLOTS.items():
        role = "free" if slot in FREE else "sibling" if slot in MARKS else "family"
        for value in about.values:
            rows.append(
                {
                    "slot": slot,
                    "value": value,
                    "attribute": attribute(slot, value),
                    "adjectives": ";".join(about.adjectives[value]),
                    "nouns": ";".join(about.nouns),
                    "part": about.part,
                    "points": ";".join(about.points),
                    "role": role,
                }
            )
    return pd.DataFrame(rows)


def _check(seed: int, birds: Mapping[str, int], workers: int) -> None:
    for split, count in birds.items():
        if split not in SPLITS:
            raise InputError(f"birds: split {split!r} is not one of {', '.join(SPLITS)}")
        require_whole(0, **{f"birds.{split}:": count})
    if not sum(birds.values()):
        raise InputError("birds: the number of birds is 0; ask for at least one")
    require_whole(1, workers=workers)
    require_whole(0, seed=seed)


def _draw_some(job: tuple[int, str, int, int, int, str]) -> list[_Rows]:
    """In a worker: draw, write the images, and hand back the rest."""
    seed, split, first, last, size, folder = job
    results = []
    for index in range(first, last):
        bird = plan_bird(seed, split, index)
        drawing = draw_bird(bird, size)
        path = Path(folder) / "images" / f"{bird.name}.png"
        Image.fromarray(drawing.image).save(path, "PNG", compress_level=3)
        captions = describe(bird, mentionable(bird.values, drawing))
        results.append(_Rows(bird, captions, _truth(drawing)))
    return results


def _truth(drawing: Drawing) -> dict[str, Any]:
    count = len(POINTS)
    return {
        "boxes": {"frame": [0], "instance": [1], "box": [drawing.box]},
        "code": drawing.code[None],
        "elements": drawing.elements(),
        "key_points": {
            "frame": np.zeros(count, int),
            "instance": np.ones(count, int),
            "name": list(POINTS),
            "point": drawing.points,
            "visible": drawing.visible,
        },
    }


def _tables(
    rows: list[tuple[Bird, list[tuple[str, bool]]]], folder: Path
) -> dict[str, pd.DataFrame]:
    clips, captions, labels = [], [], []
    for bird, said in rows:
        name = bird.name
        clips.append((name, bird.split, (folder / "images" / f"{name}.png").as_posix()))
        captions += [(f"{name}.{k}", name, text, right) for k, (text, right) in enumerate(said)]
        labels.append((name, "species", SPECIES[bird.label].name))
        named = [attribute(slot, value) for slot, value in bird.values.items()]
        labels += [(name, "attribute", one) for one in named if one]
    return {
        "clips": pd.DataFrame(clips, columns=["clip", "split", "video"]),
        "captions": pd.DataFrame(captions, columns=["caption", "clip", "text", "correct"]),
        "labels": pd.DataFrame(labels, columns=["clip", "kind", "label"]),
        "instances": pd.DataFrame(
            [(bird.name, 1, "bird", "object") for bird, _ in rows],
            columns=["clip", "instance", "class", "role"],
        ),
    }
