"""The figures of the dissection of one network, from the files of the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.dissection.dissect import read_dissection
from seewhy.dissection.figures import draw_blocks, draw_histogram
from seewhy.dissection.run import open_model, open_sets
from seewhy.dissection.sets import BRODEN, COMBINED, SHUFFLED
from seewhy.dissection.tables import relabelled
from seewhy.dissection.tally import tally
from seewhy.dissection.unit_figures import (
    Dissected,
    draw_relabelled,
    draw_shared_action,
    draw_units,
)


def draw_dissection(
    outputs: Mapping[str, str | Path],
    *,
    counts: Mapping[str, str | Path],
    weights: str | Path | None,
    model: Mapping[str, Any],
    folders: Mapping[str, Sequence[str | Path]],
    blocks: str | Path,
    threshold: float,
) -> None:
    """Draw all figures.

    Args:
        outputs: where `histogram` (Figure 4), `shared` (5), `blocks` (6), `relabelled` (2) and
            `units` go, PNG.
        counts: dissections of the last layer, by set: broden, combined, shuffled.
        weights, model: see `seewhy.dissection.run.open_model`.
        folders: of the sets broden and combined.
        blocks: table of `seewhy.dissection.tables.blocks`.
        threshold: IoU from which a unit has a name.
    """
    opened = open_model(weights, model)
    found = {name: read_dissection(path) for name, path in counts.items()}
    seen = {
        name: Dissected(opened.network, opened.prepare, open_sets(folders[name], name), found[name])
        for name in (BRODEN, COMBINED)
    }
    draw_histogram(
        outputs["histogram"], tally(found[COMBINED]), threshold, title=seen[COMBINED].layer
    )
    draw_blocks(outputs["blocks"], pd.read_csv(blocks))
    draw_shared_action(outputs["shared"], seen[COMBINED], threshold=threshold)
    draw_relabelled(
        outputs["relabelled"], seen[BRODEN], seen[COMBINED],
        relabelled(found[BRODEN], found[COMBINED], found[SHUFFLED], threshold=threshold),
        threshold=threshold,
    )  # fmt: skip
    draw_units(outputs["units"], seen[COMBINED], threshold=threshold)
