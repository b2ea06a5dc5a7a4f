"""Table 5: do maps of noun phrases peak inside what the phrases name?

The paper's protocol (section 6): a reference caption is fed in, the map of each noun phrase is
made, and it is a hit if the map's maximum is inside the phrase's box. Here each frame of a clip in
which the thing shows is such an item (an image is a clip of one frame). Beside it there are

* the same with the exact mask (``mask``), and for phrases that name stuff (``stuff``);
* ``two things``: in frames that show two things of different classes, both named in the caption,
  how often the map of one is higher over it than over the other, on average over their pixels. A
  map of what is salient, whatever the word, gets 1/2;
* rows that know nothing of the word: a random point (its exact chance), the centre, the layer's
  activations; and cEB-R asked for another noun in the word's place;
* a second block in which the network's own captions are fed in. Its nouns are linked to all things
  of the clip that people call so, and those that are not there are left out: their share is in
  ``nouns there``. Compare with that block's own chance, not with the first block.

References:
    S. Bargal et al., Excitation Backprop for RNNs, CVPR 2018.
    V. Ramanishka et al., Top-down Visual Saliency Guided by Captions, CVPR 2017.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.grounding.phrases import GROUPS, OTHERS, STUFF
from seewhy.readable import make_again
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.table_numbers import number_format

REFERENCE = "reference captions"
KINDS = {
    "random point": "chance",
    "centre": "baseline",
    "activations": "baseline",
    "caption-guided saliency": "baseline (Ramanishka et al. 2017)",
    "BP": "baseline",
    "EB-R": "ours",
    "cEB-R": "ours",
    "cEB-R.paper": "ours, other rule",
    "cEB-R.gates-const": "ours, other rule",
    "cEB-R, another noun": "control",
}
PUBLISHED = {
    "random point": 0.268,
    "centre": 0.492,
    "caption-guided saliency": 0.501,
    "cEB-R": 0.512,
}
MEASURES = (*GROUPS, OTHERS, "all", "mask", STUFF, "two things")


def tabulate_phrases(
    scores: str | Path,
    table: str | Path,
    *,
    name: str,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> None:
    """Write Table 5.

    Args:
        scores: from `seewhy.grounding.phrase_scores.ground_phrases`.
        table: CSV: block, row, kind, and each of `MEASURES` with its interval over clips.
        name: of the corpus.
        resamples: of the bootstrap over clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        InputError: not such scores.
    """
    items = pd.read_csv(scores)
    if not {"block", "row", "clip", "phrase", "group", "box", "mask", "two"} <= set(items):
        raise InputError(f"{scores}: not scores of phrases; {make_again(scores)}")
    bootstrap = {"resamples": resamples, "level": confidence, "seed": seed}
    rows = []
    for (block, row), own in items.groupby(["block", "row"], sort=False):
        if row in KINDS:
            line = {"block": block, "row": row, "kind": KINDS[row], "corpus": name}
            there = items[(items["block"] == block) & (items["row"] == "nouns there")]
            line |= _measured("nouns there", there, "box", **bootstrap)
            rows.append(line | summary(own, **bootstrap))
    rows.sort(key=lambda line: line["block"] != REFERENCE)
    kind = "published (Bargal et al. 2018, Table 5: boxes, images)"
    rows += [
        {"block": REFERENCE, "row": row, "kind": kind, "corpus": "flickr30k", "all": value}
        for row, value in PUBLISHED.items()
    ]
    columns = ["block", "row", "kind", "corpus", "clips", "phrases", "items"]
    for measure in (*MEASURES, "nouns there"):
        columns += [measure, f"{measure} low", f"{measure} high"]
    result = pd.DataFrame(rows, columns=columns)
    for column in ("clips", "phrases", "items"):
        result[column] = result[column].astype("Int64")
    with whole_file(table) as temporary:
        result.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def summary(
    items: pd.DataFrame, *, resamples: int, level: float, seed: int
) -> dict[str, float | int]:
    """One row of the table: every measure with its interval, clips drawn as wholes."""
    bootstrap = {"resamples": resamples, "level": level, "seed": seed}
    things = items[items["group"] != STUFF]
    row: dict[str, float | int] = {
        "clips": things["clip"].nunique(),
        "phrases": things["phrase"].nunique(),
        "items": len(things),
    }
    for group in (*GROUPS, OTHERS):
        row |= _measured(group, things[things["group"] == group], "box", **bootstrap)
    for measure, column in {"all": "box", "mask": "mask", "two things": "two"}.items():
        row |= _measured(measure, things, column, **bootstrap)
    return row | _measured(STUFF, items[items["group"] == STUFF], "mask", **bootstrap)


def _measured(
    name: str, items: pd.DataFrame, column: str, *, resamples: int, level: float, seed: int
) -> dict[str, float]:
    """Mean and interval; nothing where fewer than two clips have a value."""
    items = items.dropna(subset=[column])
    if items["clip"].nunique() < 2:
        return {}
    values, clips = items[column].to_numpy(), items["clip"].tolist()
    one = cluster_mean_interval(values, clips, resamples=resamples, level=level, seed=seed)
    return {name: one.value, f"{name} low": one.low, f"{name} high": one.high}
