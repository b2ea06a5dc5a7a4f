"""Film strips and a moving picture of maps on the test clips that the LRCN is surest of.

(The clip with two actors is the first there is, whatever the LRCN says of it.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from seewhy.errors import InputError
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.encoding import encode_clips
from seewhy.grounding.grounded import read_maps
from seewhy.grounding.items import Scenery, items_of
from seewhy.grounding.networks import ActionNetwork
from seewhy.saliency_figures import Row, animate, film_strip

SHOWN = 8  # frames of a clip in a strip
TITLES = {"Grad-CAM-R": "recurrent Grad-CAM"}


def draw_strips(
    strips: str | Path,
    gradcam: str | Path,
    moving: str | Path,
    *,
    maps: Mapping[str, str | Path],
    lrcn: str | Path,
    corpus: str | Path,
    frames: str | Path,
    steps: int,
) -> None:
    """Draw them.

    Args:
        strips: PNG: EB-R and cEB-R of two clips, and of a clip with two actors cEB and cEB-R of
            either action (Figures 5 and 6 of Bargal et al.).
        gradcam: PNG: Grad-CAM and recurrent Grad-CAM of three clips (Figure 3 of Yamashita et al.).
        moving: GIF: every method of `maps` on one clip.
        maps: files of maps of EB-R, cEB, cEB-R, Grad-CAM and Grad-CAM-R, and of others.
        lrcn: the network.
        corpus: folder in canonical form.
        frames: those of the split.
        steps: frames of a clip that it reads.

    Raises:
        InputError: no clip shows one known action.
    """
    network = load_action_network(lrcn)
    file = ClipFile(frames)
    items = items_of(corpus, file, network.classes)
    alone, together = _chosen(network, file, items, steps)
    if not alone:
        raise InputError(f"{frames}: not one clip shows one action that the network knows")
    wanted = sorted({*alone, *together})
    drawn = {method: _maps_of(path, len(items), wanted) for method, path in maps.items()}
    with Scenery(corpus, file, steps) as scenery:
        marks = {k: scenery.regions(items.iloc[k]).box for k in wanted}
    clips = {k: file.steps([items.iloc[k]["row"]], steps)[0] for k in wanted}
    shown = (2 * np.arange(SHOWN) + 1) * steps // (2 * SHOWN)

    def rows(k: int, methods: list[str]) -> list[Row]:
        action = items.iloc[k]["action"]
        return [
            Row(f"{TITLES.get(m, m)}: {action}", clips[k], drawn[m][k], marks[k], f"{m} {k}")
            for m in methods
        ]

    def original(k: int) -> Row:
        return Row(items.iloc[k]["clip"], clips[k], None, None)

    blocks = [row for k in alone[:2] for row in (original(k), *rows(k, ["EB-R", "cEB-R"]))]
    if together:
        blocks.append(original(together[0]))
        blocks += [row for m in ("cEB", "cEB-R") for k in together for row in rows(k, [m])]
    film_strip(blocks, strips, shown=shown)
    both = ["Grad-CAM", "Grad-CAM-R"]
    film_strip([row for k in alone[:3] for row in (original(k), *rows(k, both))], gradcam,
               shown=shown)  # fmt: skip
    animate([original(alone[0]), *rows(alone[0], list(maps))], moving)


def _chosen(
    network: ActionNetwork, file: ClipFile, items: pd.DataFrame, steps: int
) -> tuple[list[int], list[int]]:
    """Items of clips with one action, each of another, the most probable to the network first; and
    both items of a clip with two.
    """
    single = items[items["partner"] == 0].drop_duplicates("clip", keep=False)
    rows = single["row"].to_numpy()
    said = [network.probabilities(h) for h in encode_clips(network, file, rows, steps)]
    p = torch.cat(said)[torch.arange(len(rows)), [network.index(a) for a in single["action"]]]
    order = (-p).argsort(stable=True).tolist()
    best = single.iloc[order].drop_duplicates("action")
    pairs = items[items["partner"] > 0]
    first = pairs[pairs["clip"] == pairs["clip"].iloc[0]] if len(pairs) else pairs
    return best.index.tolist(), first.index.tolist()


def _maps_of(path: str | Path, items: int, wanted: list[int]) -> dict[int, np.ndarray]:
    found: dict[int, np.ndarray] = {}
    for numbers, maps in read_maps(path, items):
        found |= {int(k): own for k, own in zip(numbers, maps, strict=True) if int(k) in wanted}
    return found
