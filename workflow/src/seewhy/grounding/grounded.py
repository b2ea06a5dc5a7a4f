"""Maps of the test clips by one method, and how well they meet the truth.

Maps go to HDF5, ``maps`` float32 ``[items, steps, h, w]``, in the order of `items_of`; the scores
to CSV, a line an item and step. Of an item's truth (`seewhy.grounding.items.Regions`) there is:

``box``, ``mask``, ``actor``, ``object``, ``others``
    1 where the map's peak, with the paper's tolerance, points at it (see
    `seewhy.scores.pointing`); empty where there is no such thing or the action does not go on.
``box_wide``
    the same with the tolerance of the peers.
``energy``
    share of the map's positive part inside ``mask``.
``own``, ``partner``
    mean of the map over the actor, and over the other actor of a clip with two.
``during``, ``sum``
    whether the action goes on, and the sum of the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seewhy.device import choose_device
from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, whole_file
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.items import Regions, Scenery, items_of
from seewhy.grounding.methods import Method
from seewhy.progress import progress
from seewhy.readable import make_again
from seewhy.scores.pointing import Tolerance, energy_in_region, pointing_hits, upsample
from seewhy.table_numbers import number_format

HITS = ("box", "box_wide", "mask", "actor", "object", "others")
MEASURES = (*HITS, "energy", "own", "partner")
HEIGHT = 240  # of UCF101's frames, pixels: what the papers' tolerances are meant for
_ITEMS = 16  # worked on at a time


def ground_clips(
    maps_path: str | Path,
    *,
    method: str,
    cnn: str | Path,
    lrcn: str | Path,
    corpus: str | Path,
    frames: str | Path,
    steps: int,
    layer: str,
    device: str = "auto",
) -> None:
    """Make the maps of every item.

    Args:
        maps_path: HDF5.
        method: a name of `seewhy.grounding.methods`.
        cnn: the CNN.
        lrcn: the LRCN.
        corpus: folder in canonical form.
        frames: those of the split.
        steps: frames of a clip that the networks read.
        layer: of the CNN.
        device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: an unknown method or layer, or networks of other actions.
    """
    how = Method.parse(method)
    on = choose_device(device)
    network = how.network(load_action_network(cnn), load_action_network(lrcn)).to(on)
    file = ClipFile(frames)
    items = items_of(corpus, file, network.classes)
    targets = torch.tensor([network.index(action) for action in items["action"]])
    with whole_file(maps_path) as temporary, create_hdf5(temporary) as out:
        out.attrs.update(method=method, layer=layer, steps=steps)
        data = None
        with progress(what=method, total=len(items), unit="item") as bar:
            for first in range(0, len(items), _ITEMS):
                rows = items["row"].to_numpy()[first : first + _ITEMS]
                x = network.preprocess(file.steps(rows, steps)).to(on)
                target = targets[first : first + _ITEMS].to(on)
                maps = how.maps(network, x, target, layer=layer).float().cpu().numpy()
                if data is None:
                    data = out.create_dataset("maps", (len(items), *maps.shape[1:]), "f4")
                data[first : first + len(maps)] = maps
                bar.update(len(maps))


def score_maps(
    maps_path: str | Path,
    scores_path: str | Path,
    *,
    corpus: str | Path,
    frames: str | Path,
    lrcn: str | Path,
) -> None:
    """Hold maps against the truth.

    Args:
        maps_path: written by `ground_clips`.
        scores_path: CSV, see the module.
        corpus: folder in canonical form.
        frames: those of the split.
        lrcn: the network, for its actions.

    Raises:
        InputError: maps of other items.
    """
    file = ClipFile(frames)
    items = items_of(corpus, file, load_action_network(lrcn).classes)
    size = (file.size, file.size)
    radius = Tolerance.PAPER * file.size / HEIGHT
    tables = []
    for chosen, maps in read_maps(maps_path, len(items)):
        steps = maps.shape[1]
        with Scenery(corpus, file, steps) as scenery:
            truths = [scenery.regions(items.iloc[k]) for k in chosen]
        flat = maps.reshape(-1, *maps.shape[2:])
        table = items.iloc[chosen].loc[:, ["clip", "instance", "action"]]
        table = table.loc[table.index.repeat(steps)].reset_index(drop=True)
        table["step"] = np.tile(np.arange(steps), len(chosen))
        table["during"] = np.concatenate([truth.during for truth in truths])
        table["sum"] = flat.sum(axis=(1, 2))
        for name in ("box", "mask", "actor", "object", "others"):
            regions = _stacked(truths, name, size)
            table[name] = pointing_hits(flat, regions, frame=size, radius=radius)
            if name == "box":
                wide = Tolerance.PEERS * file.size / HEIGHT
                table["box_wide"] = pointing_hits(flat, regions, frame=size, radius=wide)
            if name == "mask":
                table["energy"] = energy_in_region(flat, regions, frame=size)
        large = upsample(flat, size)
        partner = _stacked(truths, "partner", size)
        table["own"] = _mean_over(large, _stacked(truths, "actor", size), partner)
        table["partner"] = _mean_over(large, partner, partner)
        tables.append(table)
    with whole_file(scores_path) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format=number_format("%.6g"))


def read_maps(path: str | Path, items: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Maps, some items at a time: their numbers and ``[n, steps, h, w]``.

    Raises:
        InputError: not a whole file of maps, or of another number of items.
    """
    with open_hdf5(path, needs=("maps",)) as data:
        maps = data["maps"]
        if len(maps) != items:
            raise InputError(f"{path}: {len(maps)} maps for {items} items; {make_again(path)}")
        for first in range(0, items, _ITEMS):
            chosen = np.arange(first, min(first + _ITEMS, items))
            yield chosen, maps[chosen[0] : chosen[-1] + 1].astype(np.float64)


def _stacked(truths: list[Regions], name: str, size: tuple[int, int]) -> np.ndarray:
    """One kind of region of all items and steps ``[n, h, w]``; nothing where it is not known."""
    parts = [getattr(truth, name) for truth in truths]
    shape = (len(truths[0].during), *size)
    return np.concatenate([np.zeros(shape, bool) if part is None else part for part in parts])


def _mean_over(values: np.ndarray, region: np.ndarray, needed: np.ndarray) -> np.ndarray:
    """Mean over a region, NaN where it, or the one that is needed too, is empty."""
    count = region.sum(axis=(1, 2))
    total = np.where(region, values, 0).sum(axis=(1, 2))
    there = (count > 0) & needed.any(axis=(1, 2))
    return np.where(there, total / np.maximum(count, 1), np.nan)
