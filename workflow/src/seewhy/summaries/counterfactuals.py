"""Birds of the aviary drawn again with one slot changed, and what a network makes of them.

    pairs = attribute_slots(table.names, slots)    # of "yellow crown": ("crown", "yellow")
    drawn = draw_counterfactuals(
        network, test, rows, birds, slots, seed=1, layer="block4", prepare=Scaling()
    )
    drawn.phi[0, 5]                  # of the first bird with slot and value drawn.pairs[5]

Pose, place, background, light and noise stay (`seewhy.worlds.aviary.world.redraw`), and so does the
area that is cut out: what changes in the network's answer, the slot has caused. Each slot is given
each of its values in turn, the bird's own among them, once for all that is asked of the birds.

Letters and shapes: b birds, v pairs of slot and value, n filters, l attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from seewhy.dissection.hooks import require_maps
from seewhy.dissection.layers import LayerReader
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.progress import progress
from seewhy.summaries.activations import network_digest
from seewhy.summaries.images import crop
from seewhy.summaries.split import Split
from seewhy.text.chunking import singular
from seewhy.text.lexicon import SYNONYMS_OF_ADJECTIVES
from seewhy.worlds.aviary.world import redraw

Array = np.ndarray
Pair = tuple[str, str]
Area = tuple[float, float, float, float]

ALIKE = 1.0
"""Mean difference in grey levels up to which an image drawn again is the one of the file."""


@dataclass(frozen=True)
class Counterfactuals:
    """Birds with every value of every slot.

    Attributes:
        rows: places of the birds in their split, int ``[b]``.
        pairs: slot and value, v; the values of a slot stand together.
        own: whether the bird has it, bool ``[b, v]``: one value of each slot.
        phi: pooled activations of the bird with the slot so, ``[b, v, n]``.
    """

    rows: Array
    pairs: tuple[Pair, ...]
    own: Array
    phi: Array

    @property
    def slots(self) -> tuple[str, ...]:
        """Slots, each once."""
        return tuple(dict.fromkeys(slot for slot, _ in self.pairs))

    @property
    def slot_of(self) -> Array:
        """Place in `slots` of each pair, int ``[v]``."""
        return np.array([self.slots.index(slot) for slot, _ in self.pairs])

    @property
    def as_they_are(self) -> Array:
        """Activations of the birds unchanged, ``[b, n]``."""
        return self.phi[np.arange(len(self.phi)), self.own.argmax(axis=1)]

    def of(self, birds: Array) -> Counterfactuals:
        """Some of the birds alone, by their places here or bool ``[b]``."""
        return Counterfactuals(self.rows[birds], self.pairs, self.own[birds], self.phi[birds])

    def places(self, pairs: Sequence[Pair | None]) -> Array:
        """Place of each pair among `pairs`, -1 for none: int ``[len(pairs)]``."""
        place = {pair: k for k, pair in enumerate(self.pairs)}
        return np.array([place.get(pair, -1) if pair else -1 for pair in pairs], int)


def attribute_slots(names: Sequence[str], slots: pd.DataFrame) -> list[Pair | None]:
    """Slot and value that each attribute names.

    Args:
        names: adjective and noun, ``yellow crown``; the noun in singular or plural.
        slots: `slots.csv`.

    Returns:
        One for each name; None where it names none, or values of two slots alike.
    """
    meant: dict[str, set[Pair]] = {}
    for row in slots.itertuples():
        for adjective in filter(None, str(row.adjectives).split(";")):
            for noun in row.nouns.split(";"):
                meant.setdefault(_plain(f"{adjective} {noun}"), set()).add((row.slot, row.value))
    found = [meant.get(_plain(name), set()) for name in names]
    return [next(iter(pairs)) if len(pairs) == 1 else None for pairs in found]


def counterfactual(
    bird: Mapping[str, Any] | pd.Series,
    slot: str | None,
    value: str | None,
    *,
    seed: int,
    area: Area,
    size: int,
    drawn: int = 96,
) -> Array:
    """A bird drawn again with one slot changed, cut out as it was before.

    Args:
        bird: row of `birds.csv`: its `split` and `index`.
        slot, value: what it is to have; both None: as it is.
        seed: of the world.
        area: that was cut out of its image (`box` of the crops), pixels.
        size: side of the crop, pixels.
        drawn: side of the world's images, pixels.

    Returns:
        ``[s, s, 3]`` uint8.

    Raises:
        InputError: no such slot or value.
    """
    picture = redraw(seed, bird["split"], int(bird["index"]), slot=slot, value=value, size=drawn)
    return crop(picture.image, area, size)


def sample_right(split: Split, birds: pd.DataFrame, count: int, *, seed: int = 0) -> Array:
    """Places of images whose class the network finds, at random, in rising order: int ``[b]``.

    Birds with a wrong label are left out: what the label says, the image does not show.

    Args:
        split: of the aviary.
        birds: `birds.csv`.
        count: so many, or all there are.
        seed: of the draw.

    Raises:
        InputError: fewer than two, or an image that `birds` does not have.
    """
    fault = _rows_of(birds, split.names)["fault"].to_numpy()
    right = np.flatnonzero(split.right & (fault != "label"))
    if min(count, len(right)) < 2:
        raise InputError(
            f"{split.path}: {len(right)} images that the network gets right, {count} asked for; "
            "intervals need two"
        )
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(right, min(count, len(right)), replace=False))


def draw_counterfactuals(
    network: nn.Module,
    split: Split,
    rows: Array,
    birds: pd.DataFrame,
    slots: pd.DataFrame,
    *,
    seed: int,
    layer: str,
    prepare: Callable[[Array], Tensor],
    drawn: int = 96,
) -> Counterfactuals:
    """Draw birds with every value of every slot and read the network's pooled activations.

    Args:
        network: left as it was.
        split: of the aviary.
        rows: places of the birds in it, ``[b]``.
        birds, slots: `birds.csv`, `slots.csv`.
        seed: of the world.
        layer: last layer of maps.
        prepare: makes crops the network's input.
        drawn: side of the world's images, pixels.

    Raises:
        InputError: a network that is not the split's, birds that are not those of the crops (a
            wrong seed or size).
    """
    if (digest := network_digest(network)) != split.found.network:
        raise InputError(
            f"the activations are of network {split.found.network}, not {digest}; read them again"
        )
    rows = np.asarray(rows, int)
    pairs = tuple(zip(slots["slot"], slots["value"], strict=True))
    table = _rows_of(birds, [split.names[row] for row in rows])
    own = np.array([[bird[slot] == value for slot, value in pairs] for _, bird in table.iterrows()])
    with open_hdf5(split.path, needs=("box",)) as file:
        areas = file["box"][:][rows].tolist()
    known, phi = split.images(rows), []
    what = {"total": len(rows), "what": "changing birds", "unit": "bird"}
    read = LayerReader(network, [layer], stop=True)
    with progress(**what) as bar:
        for bird, area, has, image in zip(table.to_dict("records"), areas, own, known, strict=True):
            again = counterfactual(
                bird, None, None, seed=seed, area=area, size=split.size, drawn=drawn
            )
            if abs(again - image.astype(float)).mean() > ALIKE:
                raise InputError(
                    f"{split.path}: {bird['image']} is another bird when drawn again with seed "
                    f"{seed} and {drawn} pixels; give those that the world was rendered with"
                )
            others = [
                counterfactual(bird, *pair, seed=seed, area=area, size=split.size, drawn=drawn)
                for pair, mine in zip(pairs, has, strict=True)
                if not mine
            ]
            found = _pooled(read, layer, prepare(np.stack([image, *others])))
            each = np.empty((len(pairs), found.shape[1]), np.float32)
            each[has], each[~has] = found[0], found[1:]
            phi.append(each)
            bar.update(1)
    return Counterfactuals(rows, pairs, own, np.stack(phi))


def _pooled(read: LayerReader, layer: str, images: Tensor) -> Array:
    """Spatial means of a layer's maps, ``[b, n]``."""
    maps = read(images)[0][layer]
    return require_maps(maps, layer).float().mean(dim=(2, 3)).cpu().numpy()


def _rows_of(birds: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Rows of `birds.csv` of these images."""
    indexed = birds.set_index("image", drop=False)
    missing = [name for name in names if name not in indexed.index]
    if missing:
        raise InputError(f"birds.csv has no image {missing[0]}; give the table of this world")
    return indexed.loc[list(names)]


def _plain(name: str) -> str:
    """An attribute's name with its usual adjective, as the miner has it, the noun singular."""
    adjective, _, noun = name.lower().partition(" ")
    return f"{SYNONYMS_OF_ADJECTIVES.get(adjective, adjective)} {singular(noun)}"
