"""The accuracies of CNN and LRCN, and, beyond the paper, where the two Grad-CAMs point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.device import choose_device
from seewhy.files import whole_file
from seewhy.grounding.answers import right_answers
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.pointing_table import difference, mean_interval, read_scores
from seewhy.scores.clusters import cluster_mean_interval
from seewhy.scores.columns import interval_columns
from seewhy.table_numbers import number_format
from seewhy.training_remarks import metrics_remarks

# Yamashita et al., section 3: UCF11, 1,200 videos to train on, 400 to test.
PUBLISHED = {"CNN": (1.0, 0.94), "LRCN": (1.0, 0.98)}
NETWORKS = {
    "CNN, a frame": "frame",
    "CNN, mean over a clip": "cnn",
    "LRCN": "lrcn",
    "LRCN, frames in random order": "lrcn shuffled",
    "LRCN, clips four times over": "lrcn x4",
}
DIFFERENCES = (("lrcn", "cnn"), ("lrcn", "lrcn shuffled"))
MEASURES = ("box", "mask", "energy")
TRAIN_CLIPS = 400  # drawn for the accuracy on train clips


def tabulate_gradcam(
    plain_path: str | Path,
    recurrent_path: str | Path,
    table_path: str | Path,
    *,
    cnn: str | Path,
    lrcn: str | Path,
    corpus: str | Path,
    train: str | Path,
    test: str | Path,
    steps: int,
    name: str,
    metrics: str | Path | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Write the table.

    Args:
        plain_path: scores of the maps of Grad-CAM.
        recurrent_path: of recurrent Grad-CAM.
        table_path: CSV: `train` and `accuracy` of the networks, on clips of one action, with
            intervals over test clips; of the maps `box` and `mask` (pointing), and `energy` (share
            of the map inside actor and object).
        cnn: the CNN.
        lrcn: the LRCN.
        corpus: folder in canonical form.
        train: frames of the train split.
        test: frames of the test split.
        steps: frames of a clip that are read.
        name: of the corpus.
        metrics: from `train_action_networks`, for what it remarked: networks that learnt nothing
            have a `remark`; where they learnt, there is no such column.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the draws.
        device: ``cpu``, ``cuda`` or ``auto``.
    """
    on = choose_device(device)
    networks = load_action_network(cnn).to(on), load_action_network(lrcn).to(on)
    draws = {"resamples": resamples, "level": confidence, "seed": seed}
    seen = right_answers(*networks, corpus, train, steps=steps, most=TRAIN_CLIPS, seed=seed)
    unseen = right_answers(*networks, corpus, test, steps=steps, seed=seed)
    rows: list[dict[str, Any]] = []
    for row, column in NETWORKS.items():
        interval = cluster_mean_interval(unseen[column].to_numpy(), unseen["clip"], **draws)
        rows.append(
            {"row": row, "kind": "network", "corpus": name, "clips": len(unseen),
             "train": float(seen[column].mean())} | interval_columns("accuracy", interval)
        )  # fmt: skip
    for row in rows if metrics and metrics_remarks(metrics) else []:
        row["remark"] = "; ".join(metrics_remarks(metrics))
    names = {column: row for row, column in NETWORKS.items()}
    for first, second in DIFFERENCES:
        gain = (unseen[first] - unseen[second]).to_numpy()
        found = cluster_mean_interval(gain, unseen["clip"], **draws)
        rows.append(
            {"row": f"{names[first]} minus {names[second]}", "kind": "paired difference",
             "corpus": name, "clips": len(unseen)} | interval_columns("accuracy", found)
        )  # fmt: skip
    maps = {"Grad-CAM": read_scores(plain_path), "recurrent Grad-CAM": read_scores(recurrent_path)}
    for row, table in maps.items():
        columns: dict[str, Any] = {"row": row, "kind": "maps", "corpus": name}
        for measure in MEASURES:
            columns |= interval_columns(measure, mean_interval(table, measure, draws))
        rows.append(columns)
    plain, recurrent = maps.values()
    columns = {"row": "recurrent minus plain", "kind": "paired difference", "corpus": name}
    for measure in MEASURES:
        if not plain[measure].isna().all():
            columns |= interval_columns(measure, difference(recurrent, plain, measure, draws))
    rows.append(columns)
    kind = "published (Yamashita et al., section 3)"
    for row, (trained, tested) in PUBLISHED.items():
        rows.append(
            {"row": row, "kind": kind, "corpus": "ucf11", "clips": 400, "train": trained,
             "accuracy": tested}
        )  # fmt: skip
    with whole_file(table_path) as temporary:
        pd.DataFrame(rows).astype({"clips": "Int64"}).to_csv(
            temporary, index=False, float_format=number_format("%.4f")
        )
