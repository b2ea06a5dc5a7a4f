"""Where a unit of a dissected layer fires, and the images that excite it most.

    seen = Dissected(network, prepare, concepts, read_dissection("block4.h5"))
    images = top_images(seen, 290, 8)
    activation, fires = unit_masks(seen, 290, images)[0]

A unit fires at the pixels of the mask at which its upsampled activation exceeds T_u: those that
were counted (`seewhy.dissection.counting`), but for rounding where a batch of other images
goes through the network. Units are numbered from 1, as in tally.csv.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor, nn

from seewhy.dissection.dissect import Dissection
from seewhy.dissection.layers import LayerReader
from seewhy.dissection.sets import Concepts
from seewhy.dissection.tally import tally
from seewhy.dissection.upsampling import Axis, Field, axis
from seewhy.errors import InputError
from seewhy.running import as_tensor

Array = np.ndarray
_BATCH = 32  # images a forward pass


@dataclass(frozen=True)
class Dissected:
    """A dissection with what it was made of.

    Args:
        network: left as it is; runs where its weights are.
        prepare: makes its input of images [n, h, w, 3] uint8.
        concepts: the concept set.
        found: what `dissect_layer` found of them.
        field: as `dissect_layer` had it.

    Raises:
        InputError: the dissection is one of another concept set.
    """

    network: nn.Module
    prepare: Callable[[Array], Tensor]
    concepts: Concepts
    found: Dissection
    field: tuple[Field, Field] | None = None

    def __post_init__(self) -> None:
        images = self.found.about["images"]
        if images != len(self.concepts) or list(self.found.names) != list(self.concepts.names):
            raise InputError(
                f"the dissection is of {images} images with {len(self.found.names)} labels, the "
                f"concept set has {len(self.concepts)} with {len(self.concepts.names)}; dissect "
                "this set"
            )

    @functools.cached_property
    def names(self) -> pd.DataFrame:
        """Category, label and score of each unit, by its number; the best first."""
        return tally(self.found).set_index("unit")[["category", "label", "score"]]

    @property
    def layer(self) -> str:
        """Its name."""
        return self.found.about["layer"]

    def named(self, threshold: float) -> pd.DataFrame:
        """Rows of `names` of an IoU of `threshold` or more, the best first."""
        return self.names[self.names["score"] >= threshold]


class UnitMap(NamedTuple):
    """A unit in an image.

    Attributes:
        activation: [sh, sw] float64, upsampled to the mask.
        fires: [sh, sw] bool, where it exceeds T_u.
    """

    activation: Array
    fires: Array


def upsampled(cells: Array, down: Axis, across: Axis) -> Array:
    """A feature map [h, w] at the pixels of a mask [sh, sw], as `seewhy.dissection.counting` does:
    interpolated between four cells, and kept within them.
    """
    cells = np.asarray(cells, np.float64)
    a, b = cells[down.low][:, across.low], cells[down.low][:, across.high]
    c, d = cells[down.high][:, across.low], cells[down.high][:, across.high]
    s, t = across.share[None], down.share[:, None]
    above = a + s * (b - a)
    value = above + t * ((c + s * (d - c)) - above)
    return value.clip(np.minimum.reduce([a, b, c, d]), np.maximum.reduce([a, b, c, d]))


def unit_masks(seen: Dissected, unit: int, images: Sequence[int]) -> list[UnitMap]:
    """Where a unit fires in some images.

    Args:
        seen: the dissection.
        unit: its number, from 1.
        images: their numbers in the concept set.

    Raises:
        InputError: no such unit or image.
    """
    found = unit_maps(seen, [(unit, int(i)) for i in images])
    return [found[unit, int(i)] for i in images]


def top_images(seen: Dissected, unit: int, most: int) -> list[int]:
    """Images in which a unit is most active, at most one of a group, and only where it fires."""
    chosen, groups = [], set()
    found, row = seen.found, _row(seen, unit)
    for image, value in zip(found.top[row].tolist(), found.top_value[row], strict=True):
        if image < 0 or not value > found.thresholds[row] or len(chosen) == most:
            break
        group = int(seen.concepts.groups[image])
        if group not in groups:
            groups.add(group)
            chosen.append(image)
    return chosen


def _row(seen: Dissected, unit: int) -> int:
    if not 1 <= unit <= seen.found.units:
        raise InputError(f"there is no unit {unit}; {seen.layer} has 1 to {seen.found.units}")
    return unit - 1


def unit_maps(seen: Dissected, pairs: Sequence[tuple[int, int]]) -> dict[tuple, UnitMap]:
    """Units in images, all in one pass over the images."""
    wanted: dict[int, list[int]] = {}
    for unit, image in dict.fromkeys(pairs):
        _row(seen, unit)
        if not 0 <= image < len(seen.concepts):
            raise InputError(
                f"there is no image {image}; the concept set has 0 to {len(seen.concepts) - 1}"
            )
        wanted.setdefault(image, []).append(unit)
    by_shape: dict[tuple, list[tuple[int, Array]]] = {}
    found: dict[tuple, UnitMap] = {}

    def run(batch: list[tuple[int, Array]]) -> None:
        pictures = np.stack([picture for _, picture in batch])
        maps = _feature_maps(seen, pictures)
        for (image, picture), own in zip(batch, maps, strict=True):
            down, across = _axes(seen, own.shape[1:], image, picture.shape[:2])
            for unit in wanted[image]:
                value = upsampled(own[unit - 1], down, across)
                found[unit, image] = UnitMap(value, value > seen.found.thresholds[unit - 1])

    for image in wanted:
        picture = seen.concepts.image(image)
        batch = by_shape.setdefault(picture.shape, [])
        batch.append((image, picture))
        if len(batch) == _BATCH:
            run(batch)
            batch.clear()
    for batch in by_shape.values():
        if batch:
            run(batch)
    return found


def _feature_maps(seen: Dissected, pictures: Array) -> Array:
    """[n, units, h, w]."""
    given = as_tensor(seen.prepare(pictures), "what prepare gives")
    maps, _ = LayerReader(seen.network, [seen.layer])(given)
    return maps[seen.layer].float().cpu().numpy()


def _axes(
    seen: Dissected, cells: tuple[int, int], image: int, size: tuple[int, int]
) -> tuple[Axis, Axis]:
    fields, way = seen.field or (None, None), seen.found.about["upsampling"]
    mask = seen.concepts.mask_size(image)
    down, across = (
        axis(n, m, way=way, field=f, image=i)
        for n, m, f, i in zip(cells, mask, fields, size, strict=True)
    )
    return down, across
