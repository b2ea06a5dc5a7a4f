"""How interpretable a captioner's neurons are, on clips it has not seen, against honest controls.

For each model and seed the same f is fitted afterwards on its mean features (`.interpreter`); what
is read on train clips (which neuron stands for which topic) is judged on held-out ones. Controls:

- a random rotation of the features of LSTM-I: all that any reader of the whole vector can find is
  still there, but no longer in single neurons;
- a sparse autoencoder on LSTM-B's features (`.sparse`): units made readable without topics.

The measures are those of :mod:`seewhy.scores.interpretability`; see `MEASURES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from seewhy.captioning.checkpoint import load_for
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.encoding import encode, encode_means
from seewhy.captioning.interpreter import fit_interpreter
from seewhy.captioning.model import Captioner, frame_mask, mean_feature
from seewhy.captioning.predictions import model_and_seed
from seewhy.captioning.reading import Preferences, contributions, prefer
from seewhy.captioning.sparse import fit_sparse_autoencoder
from seewhy.corpora.canonical import SPLITS
from seewhy.errors import InputError
from seewhy.files import read_json, whole_file, write_json
from seewhy.scaled_defaults import least_clips_of_a_topic
from seewhy.scores.interpretability import (
    auc,
    completeness,
    disentanglement,
    mutual_information_gap,
    peakiness,
    single_neuron_auc,
)
from seewhy.scores.seeds import DIFFERENCE_OF_SHARES, SHARE, over_seeds
from seewhy.table_numbers import number_format
from seewhy.text.vectors import read_topic_vectors, vectors_of

MEASURES = {
    "single-neuron AUC": "held-out AUC of a topic's best neuron, whichever way it turns",
    "signed AUC": "held-out AUC of a topic's neuron by eq. 9, as a detector that fires",
    "MI gap": "lead of the most informative neuron over the second, as a share of the entropy",
    "disentanglement": "DCI's D of what eq. 9 finds when it switches neurons off",
    "completeness": "DCI's C of the same",
    "topic AUC": "held-out AUC of f itself: what all neurons know together",
    "named": "share of the neurons that eq. 9 picks for some topic",
    "devoted": "share of the neurons of whose picks at least half are for one topic",
    "peakiness": "Hoyer's sparseness of a topic's mean activations",
}
"""What each measure says, between 0 and 1; means over topics, but for the shares of neurons."""


VARIANTS = {
    "plain": "its own neurons",
    "rotated": "rotated at random",
    "sparse": "a sparse autoencoder's codes",
}
REFERENCE = "LSTM-I"
HELD_OUT = ("test", "val")


class Read(NamedTuple):
    """Mean features of the clips of one split [c, v] and their topic vectors [c, t]."""

    means: Tensor
    s: Tensor


def measure(
    f: nn.Sequential, found: Preferences, train: Read, held_out: Read, *, least_clips: int
) -> dict[str, float]:
    """All of `MEASURES` for one network.

    Args:
        f: reads topics off the mean features.
        found: what eq. 9 picked with f on the train clips.
        train: clips on which neurons are named.
        held_out: clips on which they are judged.
        least_clips: see `measurable`.

    Raises:
        ValueError: there is no topic to measure.
    """
    topics = measurable(train.s, held_out.s, least_clips)
    a, b = train.means.double().numpy(), held_out.means.double().numpy()
    s, t = (read.s[:, topics].numpy() for read in (train, held_out))
    importance = contributions(f, held_out.means, held_out.s)[:, topics].clip(min=0)
    with torch.no_grad():
        predicted = f(held_out.means)[:, topics].double().numpy()
    best = single_neuron_auc(a, s, b, t)
    own = auc(b, t)[found.neuron_of()[topics], np.arange(len(topics))]
    return {
        "single-neuron AUC": float(best.mean()),
        "signed AUC": float(own.mean()),
        "MI gap": float(mutual_information_gap(b, t).mean()),
        "disentanglement": disentanglement(importance),
        "completeness": completeness(importance),
        "topic AUC": float(np.diagonal(auc(predicted, t)).mean()),
        "named": float(found.counts.any(axis=1).mean()),
        "devoted": devoted_share(found),
        "peakiness": float(peakiness(b, t).mean()),
    }


def measurable(train_s: Tensor, held_out_s: Tensor, least_clips: int) -> np.ndarray:
    """Topics that at least so many clips of both splits have, and as many lack.

    Args:
        train_s: topic vectors of the train clips, [c, t].
        held_out_s: of the held-out clips.
        least_clips: that number.

    Returns:
        The topics' columns in ascending order, [topics].

    Raises:
        ValueError: there is none.
    """
    enough = np.ones(train_s.shape[1], bool)
    for s in (train_s, held_out_s):
        count = s.sum(dim=0).numpy()
        enough &= np.minimum(count, len(s) - count) >= least_clips
    if not enough.any():
        raise ValueError(
            f"no topic is in {least_clips} train and {least_clips} held-out clips, and not in as "
            "many"
        )
    return np.flatnonzero(enough)


def devoted_share(found: Preferences) -> float:
    """Share of all neurons that are picked, and in at least half of their picks for one topic."""
    picks = found.counts.sum(axis=1)
    return float(((picks > 0) & (2 * found.counts.max(axis=1) >= picks)).mean())


def random_rotation(neurons: int, seed: int) -> Tensor:
    """A rotation (or reflection) drawn evenly from all of them, [v, v]."""
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(neurons, neurons, generator=generator, dtype=torch.double))
    return (q * r.diagonal().sign()).float()


def read_neurons(
    captioner_path: str | Path,
    features: Mapping[str, str | Path],
    topics: str | Path,
    table_path: str | Path,
    measures_path: str | Path,
    *,
    variant: str,
    own: bool,
    seed: int,
    least_clips: int | str,
    sparse: Mapping[str, Any],
) -> None:
    """Name the neurons of one captioner, and measure how well their names hold.

    Args:
        captioner_path: from `train_captioner`.
        features: for each of `SPLITS` its CNN features.
        topics: s of all clips (CSV, from `mine_topics`).
        table_path: CSV, see :meth:`.reading.Preferences.table`, with a column `f`: `post-hoc`, or
            `own` for the f that the captioner was trained with.
        measures_path: JSON, see `measure`: on `test` clips, and on `val` clips, where lambda is
            chosen (mind that f stops early on them); and `explained` for the autoencoder.
        variant: one of `VARIANTS`.
        own: whether the captioner was trained with an f.
        seed: of f, the rotation and the autoencoder.
        least_clips: measured are topics that at least so many clips have, and lack; `auto`: see
            `seewhy.scaled_defaults`.
        sparse: `codes` (for each neuron), `k` and `epochs` of the autoencoder.

    Raises:
        InputError: an unreadable file, features of another backbone, or no topic to measure.
    """
    captioner, files, names, s = open_splits(captioner_path, features, topics)
    least_clips = least_clips_of_a_topic(least_clips, min(map(len, s.values())))
    means, extra = _means(captioner, files, variant, seed, sparse)
    read = {split: Read(means[split], s[split]) for split in SPLITS}
    f = fit_interpreter(*read["train"], *read["val"], hidden=captioner.shape.interpreter, seed=seed)
    found = prefer(f, *read["train"])
    tables = [found.table(names).assign(f="post-hoc")]
    if own and variant == "plain":
        tables.append(prefer(captioner.interpreter, *read["train"]).table(names).assign(f="own"))
    try:
        measures = {
            split: measure(f, found, read["train"], read[split], least_clips=least_clips)
            for split in HELD_OUT
        }
    except ValueError as error:
        raise nothing_to_measure(topics, error) from None
    with whole_file(table_path) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format=number_format("%.6g"))
    write_json(measures_path, measures | extra)


def open_splits(
    captioner_path: str | Path, features: Mapping[str, str | Path], topics: str | Path
) -> tuple[Captioner, dict[str, FeatureFile], list[str], dict[str, Tensor]]:
    """A captioner with the features that it reads and the topics of their clips.

    Args:
        captioner_path: from `train_captioner`.
        features: for each of `SPLITS` its CNN features.
        topics: s of all clips (CSV, from `mine_topics`).

    Returns:
        The captioner, for each split its features, the names of the topics, and for each split
        the topic vectors in the order of its features, uint8 [c, t]. Clips that nobody described
        have no topics that one could know, and are left out.

    Raises:
        InputError: an unreadable file, features of another backbone, or a split without a clip
            that is described.
    """
    captioner, _, opened = load_for(captioner_path, *(features[split] for split in SPLITS))
    files = dict(zip(SPLITS, opened, strict=True))
    vectors = read_topic_vectors(topics)
    files = {split: file.only(set(vectors.index)) for split, file in files.items()}
    for split, file in files.items():
        if not file.clips:
            raise InputError(f"{topics}: no clip of split {split} has a description; add some")
    s = {
        split: torch.from_numpy(vectors_of(vectors, file.clips, split=split))
        for split, file in files.items()
    }
    return captioner, files, list(vectors.columns), s


def nothing_to_measure(topics: str | Path, error: ValueError) -> InputError:
    """What the user is told where `measurable` finds no topic in the file `topics`."""
    return InputError(
        f"{topics}: {error}; lower neurons.least_clips, mine fewer topics, or use more clips"
    )


def _means(
    captioner: Captioner,
    files: Mapping[str, FeatureFile],
    variant: str,
    seed: int,
    sparse: Mapping[str, Any],
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Mean features of each split as the variant has them, and what else there is to say."""
    if variant != "sparse":
        means = {split: encode_means(captioner, file) for split, file in files.items()}
        if variant == "rotated":
            rotation = random_rotation(captioner.shape.neurons, seed)
            means = {split: own @ rotation for split, own in means.items()}
        return means, {}
    frames = torch.cat(
        [V[clip, :length] for _, V, lengths in encode(captioner, files["train"])
         for clip, length in enumerate(lengths)]
    )  # fmt: skip
    autoencoder, explained = fit_sparse_autoencoder(
        frames,
        codes=sparse["codes"] * captioner.shape.neurons,
        k=sparse["k"],
        epochs=sparse["epochs"],
        seed=seed,
    )
    means = {}
    for split, file in files.items():
        parts = []
        for _, V, lengths in encode(captioner, file):
            codes = autoencoder.encode(V) * frame_mask(lengths, V.shape[1]).unsqueeze(-1)
            parts.append(mean_feature(codes, lengths))
        means[split] = torch.cat(parts)
    return means, {"explained": explained}


def tabulate_interpretability(
    measures: Sequence[str | Path],
    table_path: str | Path,
    *,
    confidence: float,
) -> None:
    """Write the measures on test clips, and what LSTM-I has over each network, seed by seed.

    Intervals are Student's, over the training seeds: what another seed would give; they end where
    the measures do, at 0 and 1.

    Args:
        measures: JSON files of `read_neurons`, ``<set>/<model>-seed<seed>.<variant>.json``.
        table_path: CSV; for each measure the mean, the ends of its interval and the standard
            deviation between seeds.
        confidence: coverage of the intervals.
    """
    values: dict[str, dict[int, dict[str, float]]] = {}
    for path in map(Path, measures):
        values.setdefault(_row_of(path), {})[model_and_seed(path)[1]] = read_json(path)["test"]
    rows = [
        _summary(row, "network", list(by_seed.values()), confidence)
        for row, by_seed in values.items()
    ]
    ours = values[REFERENCE]
    for row, by_seed in values.items():
        if row != REFERENCE:
            pairs = [
                {name: ours[seed][name] - one[name] for name in MEASURES}
                for seed, one in by_seed.items()
                if seed in ours
            ]
            rows.append(
                _summary(f"{REFERENCE} minus {row}", "paired difference", pairs, confidence)
            )
    with whole_file(table_path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format=number_format("%.4f"))


def _row_of(path: Path) -> str:
    """Name of the row that a file of measures belongs to."""
    model, _ = model_and_seed(path)
    variant = path.name.split(".")[-2]
    if path.parent.name == "sweep":
        return f"LSTM-I, {model.replace('-', ' ')}"
    return f"LSTM-{model}" + ("" if variant == "plain" else f", {VARIANTS[variant]}")


def _summary(
    row: str, kind: str, by_seed: Sequence[Mapping[str, float]], confidence: float
) -> dict[str, Any]:
    bounds = SHARE if kind == "network" else DIFFERENCE_OF_SHARES
    summary: dict[str, Any] = {"row": row, "kind": kind, "seeds": len(by_seed)}
    for name in MEASURES:
        values = [one[name] for one in by_seed]
        summary |= over_seeds(values, confidence, bounds=bounds).columns(name)
    return summary
