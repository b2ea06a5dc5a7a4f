"""Probes of maps with the network at hand, for some items of each method.

Insertion and deletion: does the network's answer hang on what a map marks? Frames, or blocks of all
frames alike, are taken away from the clip (or put back into an empty one) in the order of the map,
and the LRCN's probability of the asked action is read: a good map makes it fall early (a small area
under `deletion`) and come back early (a large one under `insertion`). In time frames are ordered by
the sums of their maps, in space blocks by their values, the same share of every frame.

Likeness: does the map hang on the network? Spearman's correlation of an item's maps with those that
remain when the weights of the classifier, the LSTM or the CNN are scrambled, or when the network
sees the frames in random order. A map that stays did not come from there.

References:
    V. Petsiuk et al., RISE, BMVC 2018.
    J. Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor

from seewhy.device import choose_device
from seewhy.files import whole_file
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.items import items_of
from seewhy.grounding.methods import CLASS_FREE, Method
from seewhy.grounding.networks import ActionNetwork
from seewhy.progress import progress
from seewhy.scores.saliency import deletion, insertion, rank_blocks, rank_frames
from seewhy.table_numbers import number_format

BLOCKS = 8  # a side: finer maps are averaged to so many, coarser ones spread
STEPS = 8
CURVES = ("deletion_space", "insertion_space", "deletion_time", "insertion_time")
LIKE = {
    "like_classifier": "scrambled-classifier",
    "like_lstm": "scrambled-lstm",
    "like_cnn": "scrambled-cnn",
    "like_shuffled": "shuffled",
}


def probe_method(
    scores_path: str | Path,
    *,
    method: str,
    cnn: str | Path,
    lrcn: str | Path,
    corpus: str | Path,
    frames: str | Path,
    steps: int,
    layer: str,
    items: int,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Probe one method.

    Args:
        scores_path: CSV ``clip,instance,action``, a column of each of `CURVES`, and one of each of
            `LIKE` that the method has (no LSTM: no ``like_lstm`` and no ``like_shuffled``; no
            class: none at all).
        method: a name of `seewhy.grounding.methods`.
        cnn: the CNN.
        lrcn: the LRCN, whose probability is read whoever made the maps.
        corpus: folder in canonical form.
        frames: those of the split.
        steps: frames of a clip that the networks read.
        layer: of the CNN.
        items: how many, drawn with `seed`: the same for every method.
        seed: of the draw, and of the order of equal values.
        device: ``cpu``, ``cuda`` or ``auto``.
    """
    on = choose_device(device)
    networks = load_action_network(cnn).to(on), load_action_network(lrcn).to(on)
    reader = networks[1]
    file = ClipFile(frames)
    table = items_of(corpus, file, reader.classes)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(table))[:items])
    how = Method.parse(method)
    kin = [Method.parse(f"{method}.{variant}") for variant in _variants(how)]
    asked = [(one, one.network(*networks, seed=seed)) for one in (how, *kin)]
    rows = []
    bar = progress(what=f"probes of {method}", total=len(chosen), unit="item")
    for number in chosen:
        item = table.iloc[number]
        clip = reader.preprocess(file.steps([item["row"]], steps)).to(on)
        target = reader.index(item["action"])
        maps, *others = (
            one.maps(network, clip, torch.tensor([target], device=on), layer=layer)[0]
            for one, network in asked
        )
        found = dict(zip(CURVES, areas(reader, clip[0], target, maps, seed=seed), strict=True))
        for name, other in zip(_likenesses(how), others, strict=True):
            found[name] = spearman(maps, other)
        rows.append({"clip": item["clip"], "instance": item["instance"],
                     "action": item["action"]} | found)  # fmt: skip
        bar.update()
    bar.close()
    with whole_file(scores_path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format=number_format("%.6g"))


def areas(
    network: ActionNetwork, clip: Tensor, target: int, maps: Tensor, *, seed: int
) -> list[float]:
    """Under each of `CURVES`, for a clip ``[T, 3, h, w]`` and its maps ``[T, h', w']``."""

    def predict(clips: Tensor) -> Tensor:
        with torch.no_grad():
            return network.probabilities(network.encode(clips))[:, target]

    blocks = torch.nn.functional.adaptive_avg_pool2d(maps.float(), BLOCKS)
    where = rank_blocks(blocks, seed=seed)
    when = rank_frames(maps.sum(dim=(1, 2)), seed=seed)
    return [
        take(predict, clip, ranks, steps=STEPS).area
        for ranks in (where, when)
        for take in (deletion, insertion)
    ]


def spearman(maps: Tensor, other: Tensor) -> float:
    """Correlation of the ranks of all pixels; NaN where one of the two is constant."""
    a, b = (rankdata(one.double().cpu().numpy().ravel()) for one in (maps, other))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else float("nan")


def _likenesses(method: Method) -> list[str]:
    if method.how in CLASS_FREE:
        return []
    return [name for name in LIKE if method.recurrent or name in ("like_classifier", "like_cnn")]


def _variants(method: Method) -> list[str]:
    return [LIKE[name] for name in _likenesses(method)]
