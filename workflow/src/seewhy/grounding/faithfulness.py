"""Insertion and deletion: does the network's answer hang on what a map marks?

The frames, or blocks of all frames alike, are taken away from the clip (or put back into an empty
one) in the order of the map, and the LRCN's probability of the asked action is read: a good map
makes it fall early (a small area under `deletion`) and come back early (a large one under
`insertion`). In time frames are ordered by the sums of their maps, in space blocks of each frame by
their values.

Reference: V. Petsiuk et al., RISE, BMVC 2018.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seewhy.files import whole_file
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.grounded import read_maps
from seewhy.grounding.items import items_of
from seewhy.progress import progress
from seewhy.scores.saliency import deletion, insertion, rank_blocks, rank_frames

BLOCKS = 8  # a side: finer maps are averaged to so many, coarser ones spread
STEPS = 8
CURVES = ("deletion_space", "insertion_space", "deletion_time", "insertion_time")


def score_faithfulness(
    maps_path: str | Path,
    scores_path: str | Path,
    *,
    lrcn: str | Path,
    corpus: str | Path,
    frames: str | Path,
    steps: int,
    count: int,
    seed: int = 0,
) -> None:
    """Areas under the four curves for some items.

    Args:
        maps_path: maps of a method.
        scores_path: CSV ``clip,instance,action`` and a column of each of `CURVES`.
        lrcn: the network whose probability is read, whoever made the maps.
        corpus: folder in canonical form.
        frames: those of the split.
        steps: frames of a clip that the network reads.
        count: items, drawn with `seed`: the same for every method.
        seed: of the draw, and of the order of equal values.
    """
    network = load_action_network(lrcn)
    file = ClipFile(frames)
    items = items_of(corpus, file, network.classes)
    order = np.random.default_rng(seed).permutation(len(items))
    chosen = set(order[:count].tolist())
    rows = []
    with progress(what="insertion and deletion", total=len(chosen), unit="item") as bar:
        for numbers, maps in read_maps(maps_path, len(items)):
            for number, own in zip(numbers, maps, strict=True):
                if int(number) not in chosen:
                    continue
                item = items.iloc[number]
                clip = network.preprocess(file.steps([item["row"]], steps))[0]
                target = network.index(item["action"])

                def predict(clips: Tensor, target: int = target) -> Tensor:
                    with torch.no_grad():
                        return network.probabilities(network.encode(clips))[:, target]

                saliency = torch.from_numpy(own).float()
                blocks = torch.nn.functional.adaptive_avg_pool2d(saliency, BLOCKS)
                where = rank_blocks(blocks, seed=seed)
                when = rank_frames(saliency.sum(dim=(1, 2)), seed=seed)
                areas = [
                    take(predict, clip, ranks, steps=STEPS).area
                    for ranks in (where, when)
                    for take in (deletion, insertion)
                ]
                rows.append([item["clip"], item["instance"], item["action"], *areas])
                bar.update()
    with whole_file(scores_path) as temporary:
        pd.DataFrame(rows, columns=["clip", "instance", "action", *CURVES]).to_csv(
            temporary, index=False, float_format="%.6g"
        )
