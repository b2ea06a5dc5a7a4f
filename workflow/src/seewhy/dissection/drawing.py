"""The figures of the dissection of one network, from the files of the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.dissection.dissect import read_dissection
from seewhy.dissection.figures import draw_blocks, draw_histogram
from seewhy.dissection.run import open_model, open_sets
from seewhy.dissection.sets import ACTION, BRODEN, COMBINED, SETS, SHUFFLED, main_set
from seewhy.dissection.strips import draw_nothing
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
    titles: Mapping[str, str] | None = None,
) -> None:
    """Draw all figures; one that needs action regions says so where there are none.

    Args:
        outputs: where `histogram` (Figure 4), `shared` (5), `blocks` (6), `relabelled` (2) and
            `units` go, PNG.
        counts: dissections of the last layer, by set: broden, combined and shuffled, or the one
            set that there is, and shuffled.
        weights, model: see `seewhy.dissection.run.open_model`.
        folders: of these sets, but for shuffled.
        blocks: table of `seewhy.dissection.tables.blocks`.
        threshold: IoU from which a unit has a name.
        titles: of the sets, by name; by default `seewhy.dissection.sets.SETS`.
    """
    titles = SETS | dict(titles or {})
    opened = open_model(weights, model)
    found = {name: read_dissection(path) for name, path in counts.items()}
    seen = {
        name: Dissected(
            opened.network, opened.prepare,
            open_sets(folders[name], name, side=getattr(opened.prepare, "size", None)),
            found[name],
        )
        for name in folders
    }  # fmt: skip
    main = main_set(list(folders))
    # The sets made of puppets' crops stand in the report's caption, others here too.
    title = seen[main].layer if titles == SETS else f"{seen[main].layer}, {titles[main]}"
    draw_histogram(outputs["histogram"], tally(found[main]), threshold, title=title)
    draw_blocks(outputs["blocks"], pd.read_csv(blocks), sets=titles)
    if ACTION in found[main].categories:
        draw_shared_action(outputs["shared"], seen[main], threshold=threshold)
    else:
        draw_nothing(outputs["shared"], f"{titles[main]} has no action regions")
    if main == COMBINED:
        draw_relabelled(
            outputs["relabelled"], seen[BRODEN], seen[COMBINED],
            relabelled(found[BRODEN], found[COMBINED], found[SHUFFLED], threshold=threshold),
            threshold=threshold,
        )  # fmt: skip
    else:
        draw_nothing(
            outputs["relabelled"],
            f"names before and after actions are admitted need two sets; {titles[main]} is one",
        )
    draw_units(outputs["units"], seen[main], threshold=threshold)
