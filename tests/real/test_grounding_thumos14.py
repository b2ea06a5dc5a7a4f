"""Made-up evidence against the real annotations of THUMOS14: ambiguous, faulty and all."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.thumos14 import ACTIONS, AMBIGUOUS, FAULTY
from seewhy.errors import InputError
from seewhy.grounding.checkpoint import save_action_network
from seewhy.grounding.localise import clip_bounds
from seewhy.grounding.networks import VGGShape, vgg_action_network
from seewhy.grounding.time_tables import boundary_errors, found_intervals, score_untrimmed
from seewhy.grounding.timing import (
    CNN_PROBABILITY,
    MAPS,
    MARGIN,
    PRIOR,
    PROBABILITY,
    Signals,
    annotation_items,
    read_annotations,
)
from seewhy.grounding.untrimmed import UntrimmedFile
from seewhy.scores.detection import thumos14

SHAPE = VGGShape(groups=((2,),), linear=(3,), size=32, batch_norm=False)
RATE = 2.0


@pytest.fixture(scope="module")
def corpus(shared_data, tmp_path_factory):
    if not (shared_data / "thumos14").is_dir():
        pytest.skip("no THUMOS14")
    folder = tmp_path_factory.mktemp("thumos14") / "corpus"
    import_corpus("thumos14", shared_data / "thumos14", folder, val_share=0.1, seed=0)
    return folder


@pytest.fixture(scope="module")
def file(corpus):
    """Made-up fc7 of the test videos, each as long as its last interval but for a faulty one."""
    clips = read_table(corpus, "clips").set_index("clip")
    clips = clips[clips["split"] == "test"]
    ends = read_table(corpus, "segments").groupby("clip")["end_seconds"].max()[clips.index]
    ends[FAULTY[0]] = 60
    frames = np.ceil(ends.to_numpy(float) * RATE).astype(int)
    path = corpus.parent / "test.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as out:
        out.attrs["rate"] = RATE
        out["features"] = rng.random((frames.sum(), 3), dtype=np.float32)
        out["times"] = np.zeros(frames.sum())
        out["offsets"] = np.concatenate([[0], np.cumsum(frames)])
        out["fps"] = clips["fps"].to_numpy(float)
        out["clip"] = list(clips.index)
    return UntrimmedFile(path)


def networks(folder, classes):
    torch.manual_seed(0)
    lrcn = vgg_action_network(SHAPE, classes, hidden=4)
    cnn = vgg_action_network(SHAPE, classes)
    cnn.cnn.load_state_dict(lrcn.cnn.state_dict())
    for name, network in (("lrcn", lrcn), ("cnn", cnn)):
        save_action_network(folder / f"{name}.safetensors", network, SHAPE)
    return lrcn


def score(corpus, file, folder):
    score_untrimmed(
        corpus, file.path, folder / "lrcn.safetensors", folder / "cnn.safetensors",
        folder / "table3.csv", folder / "table4.csv", name="thumos14", clips=[128], resamples=100,
    )  # fmt: skip
    return [pd.read_csv(folder / f"table{number}.csv") for number in (3, 4)]


def test_every_annotation_is_counted(corpus, file, tmp_path):
    known = ACTIONS[:12]  # of 20; CliffDiving is Diving too
    truth = read_annotations(corpus, file, networks(tmp_path, list(known)))
    segments = read_table(corpus, "segments")
    own = segments[segments["clip"].isin(file.clips)]
    counts = own["label"].value_counts()
    assert len(truth.table) == counts[list(known)].sum()
    assert len(truth.table) + truth.unknown == 3358
    assert len(truth.ambiguous) == counts[AMBIGUOUS] == 99
    pointing, detection = score(corpus, file, tmp_path)
    ours = pointing[pointing["corpus"].eq("thumos14") & pointing["videos"].notna()]
    # Literal: every annotation's share of each clip of 128 frames that it overlaps.
    shares = []
    outside = 0
    frames = dict(zip(file.clips, file.frames, strict=True))
    for video, start, end in truth.table[["video", "start", "end"]].itertuples(index=False):
        inside = [k for k in range(9999) if start <= (k + 0.5) / RATE < end]
        inside = inside or [next(k for k in range(9999) if (k + 0.5) / RATE >= start)]
        bounds = clip_bounds(int(frames[video]), 128).tolist()
        parts = [sum(a <= k < b for k in inside) / (b - a) for a, b in bounds]
        shares += [part for part in parts if part]
        outside += not any(parts)
    assert outside > 10  # those of the faulty video
    assert (ours["intervals"] == len(shares)).all()
    assert (ours["left out"] == truth.unknown + outside).all()
    chance = ours.set_index("row").loc["random", "accuracy"]
    assert chance == pytest.approx(np.mean(shares), abs=1e-4)
    whole = detection[detection["videos"].notna()].set_index("row").loc["whole clip"]
    assert whole["overlapped"] == pytest.approx(1 - outside / len(truth.table), abs=1e-4)


def test_evidence_that_is_the_truth_finds_what_one_interval_a_clip_can(corpus, file, tmp_path):
    truth = read_annotations(corpus, file, networks(tmp_path, list(ACTIONS)))
    frames = dict(zip(file.clips, file.frames, strict=True))
    rows, marks = [], []
    for (video, label), own in truth.table.groupby(["video", "label"]):
        for first, last in clip_bounds(int(frames[video]), 128):
            moments = (np.arange(first, first + 128) + 0.5) / RATE
            starts, ends = own["start"].to_numpy(), own["end"].to_numpy()
            inside = ((starts <= moments[:, None]) & (moments[:, None] < ends)).any(axis=1)
            rows.append([video, label, first, last - first])
            marks.append(np.where(np.arange(128) < last - first, np.where(inside, 1.0, -1.0), 0))
    pairs = pd.DataFrame(rows, columns=["video", "label", "start", "frames"])
    marks = np.array(marks)
    names = [*MAPS, PROBABILITY, MARGIN, CNN_PROBABILITY, PRIOR]
    signals = Signals(pairs, RATE, dict.fromkeys(names, marks))
    assert annotation_items(signals, truth.table, 128).outside > 0
    _, (found,) = found_intervals(signals, seed=0)["cEB-R"]
    # A clip gives one interval, so most annotations are missed, but what is found is true.
    errors = boundary_errors(truth.table, found)
    assert np.nanmedian(errors) <= 0.5 / RATE
    both = pd.concat([truth.table, truth.ambiguous])
    videos = sorted(set(truth.table["video"]))
    with_ambiguous = thumos14(both, found, thresholds=[0.1], videos=videos)
    without = thumos14(truth.table, found, thresholds=[0.1], videos=videos)
    (high,), (low,) = with_ambiguous.mean_average_precision(), without.mean_average_precision()
    assert high >= low > 0.2
    # Asked at random, ambiguous intervals do matter.
    _, (whole,) = found_intervals(signals, seed=0)["whole clip"]
    (high,), (low,) = (
        thumos14(table, whole, thresholds=[0.1], videos=videos).mean_average_precision()
        for table in (both, truth.table)
    )
    assert high > low


def test_a_network_of_other_actions_is_one_clear_error(corpus, file, tmp_path):
    networks(tmp_path, ["walk", "spin"])
    with pytest.raises(InputError, match=r"none of its actions .* \(walk, spin, …\); train it on"):
        score(corpus, file, tmp_path)
    assert not (tmp_path / "table3.csv").exists()
