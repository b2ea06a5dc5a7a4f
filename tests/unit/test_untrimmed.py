"""When actions happen in untrimmed videos: made-up features, tiny networks, hand-worked figures."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from test_frames import write_video

from seewhy.errors import InputError
from seewhy.grounding import time_tables, untrimmed
from seewhy.grounding.checkpoint import save_action_network
from seewhy.grounding.maps import evidence_of_action
from seewhy.grounding.networks import VGGShape, vgg_action_network
from seewhy.grounding.timing import (
    CNN_PROBABILITY,
    MAPS,
    MARGIN,
    NAMED,
    PRIOR,
    PROBABILITY,
    Items,
    Signals,
    annotation_items,
    named_alone,
    read_annotations,
    read_signals,
    recency_prior,
)
from seewhy.grounding.untrimmed import UntrimmedFile, encode_untrimmed
from seewhy.video.decoding import VideoProblem, read_clip, steady_frames

SHAPE = VGGShape(groups=((4,),), linear=(6,), size=32, batch_norm=False)
CLASSES = ["jump", "run", "spin"]


def networks(seed=0):
    """An LRCN and a classifier of frames above the same CNN."""
    torch.manual_seed(seed)
    lrcn = vgg_action_network(SHAPE, CLASSES, hidden=5, lags=(1,)).eval()
    cnn = vgg_action_network(SHAPE, CLASSES).eval()
    cnn.cnn.load_state_dict(lrcn.cnn.state_dict())
    return lrcn, cnn


def save_networks(folder, seed=0):
    lrcn, cnn = networks(seed)
    save_action_network(folder / "lrcn.safetensors", lrcn, SHAPE)
    save_action_network(folder / "cnn.safetensors", cnn, SHAPE)
    return folder / "lrcn.safetensors", folder / "cnn.safetensors"


def write_corpus(folder, segments, videos=("a", "b"), columns="clip,instance,label,start,end"):
    rows = [f"{name},test,{folder}/{name}.mp4" for name in videos]
    (folder / "clips.csv").write_text("\n".join(["clip,split,video", *rows]) + "\n")
    (folder / "segments.csv").write_text("\n".join([columns, *segments]) + "\n")


def write_features(path, frames, *, rate=2.0, fps=8.0, seed=0):
    """A file of made-up fc7: `frames` of each video by name."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        total = sum(frames.values())
        file.attrs["rate"] = rate
        file["features"] = rng.random((total, 6), dtype=np.float32)
        file["times"] = np.zeros(total)
        file["offsets"] = np.concatenate([[0], np.cumsum(list(frames.values()))])
        file["fps"] = np.full(len(frames), fps)
        file["clip"] = list(frames)
    return UntrimmedFile(path)


# Reading


@pytest.mark.parametrize("rate", [4, 10, 25, 3.7])
@pytest.mark.parametrize(("start", "end"), [(None, None), (0.45, 1.62)])
def test_a_steady_rate_takes_the_frame_on_screen(tmp_path, rate, start, end):
    write_video(tmp_path / "v.mp4", 23)  # 10 frames a second
    whole = read_clip(tmp_path / "v.mp4", n=100, size=32).frames
    begin = start or 0
    shown = [k for k in range(23) if begin <= k / 10 and (end is None or k / 10 < end)]
    found = list(steady_frames(tmp_path / "v.mp4", rate=rate, size=32, start=start, end=end))
    expected = []
    for k in range(1000):
        moment = begin + (k + 0.5) / rate
        if moment >= (shown[-1] + 1) / 10 - 1e-9:
            break
        expected.append(max([f for f in shown if f / 10 <= moment + 1e-9], default=shown[0]))
    assert [round((f.time + begin) * 10) for f in found] == expected
    assert all((f.image == whole[k]).all() for f, k in zip(found, expected, strict=True))
    assert {f.fps for f in found} == {10.0}


def test_a_video_that_cannot_be_read_at_a_steady_rate(tmp_path):
    with pytest.raises(VideoProblem, match="missing"):
        list(steady_frames(tmp_path / "none.mp4", rate=4, size=32))
    write_video(tmp_path / "v.mp4", 5)
    with pytest.raises(VideoProblem, match="outside"):
        list(steady_frames(tmp_path / "v.mp4", rate=4, size=32, start=9))
    with pytest.raises(VideoProblem, match=r"not one frame at 0\.5 a second"):
        list(steady_frames(tmp_path / "v.mp4", rate=0.5, size=32))


@pytest.fixture
def videos(tmp_path):
    """A corpus of three videos, the second of which is broken."""
    write_corpus(tmp_path, ["a,1,run,0,9"], videos=("a", "broken", "c"))
    write_video(tmp_path / "a.mp4", 23)
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    write_video(tmp_path / "c.mp4", 31, seed=1)
    return tmp_path, save_networks(tmp_path)[0]


def encode(folder, network, output="out.h5", **settings):
    settings = {"split": "test", "rate": 5, "batch": 4} | settings
    encode_untrimmed(folder, network, folder / output, folder / "report.csv", **settings)
    return folder / output


def test_features_are_those_of_the_cnn_and_broken_videos_are_left_out(videos):
    folder, path = videos
    file = UntrimmedFile(encode(folder, path))
    assert file.clips == ["a", "c"]
    assert file.frames.tolist() == [11, 15]
    assert (file.rate, file.fps.tolist()) == (5.0, [10.0, 10.0])
    lrcn, _ = networks()
    frames = read_clip(folder / "c.mp4", n=100, size=32).frames[1::2]
    with torch.no_grad():
        h = lrcn.encode(lrcn.preprocess(frames[None]))[0]
    assert torch.allclose(file.features(1), h, atol=1e-6)
    assert torch.equal(file.features(1, 3, 7), file.features(1)[3:7])
    assert torch.equal(file.features(0, 9, 99), file.features(0)[9:])
    report = pd.read_csv(folder / "report.csv")
    assert report[["clip", "status"]].to_numpy().tolist() == [["broken", "unreadable"]]
    with h5py.File(folder / "out.h5") as raw:
        assert np.allclose(raw["times"][:3], [0.1, 0.3, 0.5])


def test_a_killed_run_goes_on_after_the_last_whole_video(videos, monkeypatch):
    folder, path = videos
    whole = encode(folder, path, "whole.h5").read_bytes()
    read = []

    def killed(video, **settings):
        read.append(video)
        if video.endswith("c.mp4") and len(read) < 4:
            raise KeyboardInterrupt
        return steady_frames(video, **settings)

    monkeypatch.setattr(untrimmed, "steady_frames", killed)
    with pytest.raises(KeyboardInterrupt):
        encode(folder, path)
    assert not (folder / "out.h5").exists()
    assert encode(folder, path).read_bytes() == whole
    assert [one[-5:] for one in read] == ["a.mp4", "n.mp4", "c.mp4", "n.mp4", "c.mp4"]
    assert not list(folder.glob(".*"))


def test_work_on_other_settings_is_not_taken_up(videos, monkeypatch):
    folder, path = videos
    gather = untrimmed._gather
    monkeypatch.setattr(untrimmed, "_gather", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        encode(folder, path, rate=2)
    monkeypatch.setattr(untrimmed, "_gather", gather)
    assert UntrimmedFile(encode(folder, path)).frames.tolist() == [11, 15]


def test_no_usable_video_is_an_error(videos):
    folder, path = videos
    for name in ("a", "c"):
        (folder / f"{name}.mp4").unlink()
    with pytest.raises(InputError, match=r"none of the 3 videos of split test .* missing"):
        encode(folder, path)
    with pytest.raises(InputError, match="rate: 0 is not above 0"):
        encode(folder, path, rate=0)


# Annotations


def test_annotations_count_in_seconds(tmp_path):
    columns = "clip,instance,label,start,end,start_seconds,end_seconds"
    rows = ["a,1,run,4,12,,", "a,0,jump,9,9,0.3,1.7", "a,2,dance,0,5,,", "b,0,Ambiguous,8,16,,"]
    write_corpus(tmp_path, rows, columns=columns)
    file = write_features(tmp_path / "f.h5", {"a": 9, "b": 9})
    found = read_annotations(tmp_path, file, networks()[0])
    assert found.table.to_numpy().tolist() == [["a", "run", 0.5, 1.5], ["a", "jump", 0.3, 1.7]]
    assert found.ambiguous.to_numpy().tolist() == [["b", "Ambiguous", 1.0, 2.0]]
    assert found.unknown == 1


def test_annotations_of_a_part_of_a_video_begin_with_it(tmp_path):
    columns = "clip,instance,label,start,end,start_seconds,end_seconds"
    write_corpus(tmp_path, ["a,0,run,4,12,3.5,4.5", "a,1,run,4,12,,"], columns=columns)
    (tmp_path / "clips.csv").write_text("clip,split,video,start\na,test,a.mp4,3\n")
    file = write_features(tmp_path / "f.h5", {"a": 9})
    found = read_annotations(tmp_path, file, networks()[0]).table
    assert found[["start", "end"]].to_numpy().tolist() == [[0.5, 1.5], [0.5, 1.5]]


def test_actions_that_the_network_does_not_know_are_one_clear_error(tmp_path):
    file = write_features(tmp_path / "f.h5", {"a": 9, "b": 9})
    write_corpus(tmp_path, ["a,0,Diving,0,5", "b,0,Ambiguous,0,5"])
    with pytest.raises(InputError, match=r"none of its actions \(Diving, …\) .*\(jump, run, spin"):
        read_annotations(tmp_path, file, networks()[0])
    for rows in ([], ["b,0,Ambiguous,0,5"], ["other,0,run,0,5"]):
        write_corpus(tmp_path, rows)
        with pytest.raises(InputError, match="no interval of any action in the videos of"):
            read_annotations(tmp_path, file, networks()[0])


def pairs(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "start", "frames"])


def table(*rows):
    return pd.DataFrame(rows, columns=["video", "label", "start", "end"])


def test_annotations_are_cut_at_the_borders_of_clips():
    # 10 frames at 2 a second, on screen at 0.25, 0.75, …, in clips of 4
    signals = Signals(pairs(["a", "run", 0, 4], ["a", "run", 4, 4], ["a", "run", 8, 2]), 2.0, {})
    truth = table(
        ["a", "run", 1.0, 2.5],  # frames 2, 3 | 4
        ["a", "run", 0.3, 0.4],  # none on screen: frame 1
        ["a", "run", 4.25, 9.0],  # frames 8, 9
        ["a", "run", 5.0, 6.0],  # after the end
    )
    items = annotation_items(signals, truth, 4)
    assert items.pair.tolist() == [0, 1, 0, 2]
    assert items.interval.tolist() == [[2, 4], [0, 1], [1, 2], [0, 2]]
    assert items.outside == 1


# Signals


def test_signals_are_those_of_each_clip_by_itself(tmp_path):
    lrcn, cnn = networks()
    file = write_features(tmp_path / "f.h5", {"short": 3, "none": 5, "long": 19})
    truth = table(["short", "run", 0, 1], ["long", "spin", 0, 1], ["long", "jump", 2, 3])
    signals = read_signals(lrcn, cnn, file, truth, clip=8)
    assert signals.pairs.to_numpy().tolist() == [
        ["short", "run", 0, 3],
        ["long", "jump", 0, 8], ["long", "spin", 0, 8],
        ["long", "jump", 8, 8], ["long", "spin", 8, 8],
        ["long", "jump", 16, 3], ["long", "spin", 16, 3],
    ]  # fmt: skip
    for row, (video, label, start, frames) in enumerate(signals.pairs.itertuples(index=False)):
        features = file.features(file.clips.index(video), start, start + frames)[None]
        asked = CLASSES.index(label)
        target = torch.tensor([asked])
        with torch.no_grad():
            p = lrcn.classify(features)[0].softmax(1).numpy()
            logits = cnn.classify(features)[0].numpy()
        others = np.delete(logits, asked, axis=1).max(axis=1)
        expected = {
            PROBABILITY: p[:, asked],
            NAMED: p.argmax(axis=1) == asked,
            MARGIN: logits[:, asked] - others,
            CNN_PROBABILITY: (np.exp(logits) / np.exp(logits).sum(1, keepdims=True))[:, asked],
        }
        for name, how in MAPS.items():
            expected[name] = evidence_of_action(lrcn, features, target, **how).sum(2)[0].numpy()
        for name, values in expected.items():
            own = signals.of[name][row]
            assert np.allclose(own[:frames], values, atol=1e-5), name
            assert (own[frames:] == 0).all(), name


def test_many_clips_and_actions_pass_in_several_parts(tmp_path, monkeypatch):
    lrcn, cnn = networks()
    file = write_features(tmp_path / "f.h5", {"v": 30})
    truth = table(*(["v", label, 0, 1] for label in CLASSES))
    at_once = read_signals(lrcn, cnn, file, truth, clip=4)
    monkeypatch.setattr("seewhy.grounding.timing._TOGETHER", 4)
    one_by_one = read_signals(lrcn, cnn, file, truth, clip=4)
    assert at_once.pairs.equals(one_by_one.pairs)
    for name, values in at_once.of.items():
        assert np.allclose(values, one_by_one.of[name], atol=1e-6), name


def test_networks_must_share_a_cnn_and_fit_the_features(tmp_path):
    lrcn, cnn = networks()
    truth = table(["v", "run", 0, 1])
    file = write_features(tmp_path / "f.h5", {"v": 5})
    with pytest.raises(InputError, match="CNN of the LRCN is not that of the frame classifier"):
        read_signals(lrcn, networks(seed=1)[1], file, truth)
    with pytest.raises(InputError, match="first network must have an LSTM"):
        read_signals(cnn, cnn, file, truth)
    file.width = 7
    with pytest.raises(InputError, match="fc7 of 7 numbers for a network of 6"):
        read_signals(lrcn, cnn, file, truth)


def test_the_prior_is_the_mean_from_the_end():
    evidence = np.array([[0.1, 0.2, 0.7], [0.4, 0.6, 0.0]])
    prior = recency_prior(evidence, np.array([3, 2]))
    assert np.allclose(prior, [[0.1, 0.3, 0.65], [0.3, 0.65, 0.0]])


def test_what_the_network_names_on_the_interval_alone(tmp_path):
    lrcn, _ = networks()
    file = write_features(tmp_path / "f.h5", {"x": 2, "v": 9})
    signals = Signals(pairs(["v", "run", 0, 4], ["v", "spin", 4, 4]), 2.0, {})
    items = Items(np.array([0, 1]), np.array([[1, 3], [0, 4]]), 0)
    expected = [
        float(lrcn.probabilities(file.features(1, a, b)[None]).argmax() == c)
        for a, b, c in ((1, 3, 1), (4, 8, 2))
    ]
    assert named_alone(lrcn, file, signals, items).tolist() == expected


# Tables


def made_up(rows, **of):
    """Signals that are the same for all maps unless given."""
    given = {name.replace("_", " "): np.array(values, float) for name, values in of.items()}
    names = [*MAPS, PROBABILITY, MARGIN, CNN_PROBABILITY, NAMED, PRIOR]
    some = next(iter(given.values()))
    return Signals(rows, 2.0, {**{n: np.zeros_like(some) for n in names}, **given})


def test_pointing_by_hand():
    signals = made_up(
        pairs(["a", "run", 0, 5], ["b", "run", 0, 4]),
        probability=[[0, 0.9, 0.2, 0, 0], [0.1, 0.2, 0.3, 0.4, 0]],
        named=[[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]],
        CNN_margin=[[0, 0, 0, 3, 3], [-1, -2, -1, -2, 9]],
    )
    signals.of["cEB-R"][:] = [[-1, -1, 3, -1, 0], [5, -1, -1, -3, 0]]
    signals.of[PRIOR][:] = [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0]]
    items = Items(np.array([0, 1, 1]), np.array([[2, 4], [0, 2], [3, 4]]), 0)
    found = time_tables.pointing_hits(signals, items, np.array([1.0, 0, 1]))
    hits = {name: values.tolist() for name, (_, values, _) in found.items()}
    assert hits["named"] == [0, 0, 1]  # at frames 3, 1, 3
    assert hits["named, the interval alone"] == [1, 0, 1]
    assert hits["random"] == [0.4, 0.5, 0.25]
    assert hits["middle of the clip"] == [1, 0.5, 0]  # frame 2; frames 1 and 2 alike
    assert hits["mean time profile of EB-R"] == [0, 0, 1]
    assert hits["peak probability"] == [0, 0, 1]
    assert hits["peak CNN margin, frame by frame"] == [0.5, 0.5, 0]
    assert hits["cEB-R"] == [1, 1, 0]
    assert np.allclose(hits["two random frames"], [1 - 0.6**2, 0.75, 1 - 0.75**2])
    assert hits["peak probability + cEB-R, either peak"] == [1, 1, 1]
    # scaled: a: p 0, 1, 2/9, 0, 0 and S 0, 0, 1, 0, 0.25; b: p 0, 1/3, 2/3, 1 and S 1, 1/4, 1/4, 0
    assert hits["peak probability + cEB-R, peak of the product"] == [1, 0, 0]
    chances = {name: chance for name, (_, _, chance) in found.items()}
    assert np.isnan(chances["named"]).all()
    assert (chances["peak probability + cEB-R, either peak"] == chances["two random frames"]).all()


def test_detections_by_hand():
    rows = pairs(["a", "run", 0, 4], ["a", "run", 4, 3], ["b", "run", 0, 2])
    signals = made_up(
        rows,
        probability=[[0.1, 0.2, 0.6, 0.7], [0.8, 0.1, 0.1, 0], [0.2, 0.3, 0, 0]],
        CNN_margin=[[1, -1, -1, -1], [-1, -1, 2, 0], [-1, -1, 0, 0]],
        CNN_probability=[[0.5, 0, 0, 0], [0, 0, 0.6, 0], [0, 0, 0, 0]],
    )
    signals.of["cEB-R"][:] = [[-1, 0, 1, 2], [-1, 3, -1, 0], [-1, -2, 0, 0]]
    signals.of[PRIOR][:] = [[1, 1, 2, 4], [1, 2, 3, 0], [1, 3, 0, 0]]
    found = {
        name: tables[0].drop(columns="label").to_numpy().tolist()
        for name, (_, tables) in time_tables.found_intervals(signals, seed=0).items()
    }
    # Seconds at two frames each; what meets at the border of two clips is joined.
    assert found["probability, at least 0.5"] == [["a", 1.0, 2.5, 0.8]]
    assert found["CNN margin, frame by frame"] == [["a", 0.0, 0.5, 0.5], ["a", 3.0, 3.5, 0.6]]
    assert found["cEB-R"] == [["a", 0.5, 2.0, 0.7], ["a", 2.5, 3.0, 0.1]]
    whole = [["a", 0.0, 2.0, 0.7], ["a", 2.0, 3.5, 0.8], ["b", 0.0, 1.0, 0.3]]
    assert found["whole clip"] == whole
    prior = found["mean time profile of EB-R, above its mean"]
    assert prior == [["a", 1.0, 2.0, 0.7], ["a", 2.5, 3.5, 0.1], ["b", 0.5, 1.0, 0.3]]


def test_random_intervals_are_all_alike():
    drawn = time_tables._random(np.full(30000, 3), np.random.default_rng(0))
    values, counts = np.unique(drawn, axis=0, return_counts=True)
    assert values.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert abs(counts - 5000).max() < 250


def test_boundary_errors_by_hand():
    truth = table(["a", "run", 2, 4], ["a", "spin", 2, 4], ["a", "run", 8, 9], ["b", "run", 2, 4])
    found = table(["a", "run", 0, 3], ["a", "run", 3, 5.5], ["b", "run", 4, 5])
    # overlaps of the first 1/4 and 1/3.5: the second one, off by 1 and 1.5
    errors = time_tables.boundary_errors(truth, found)
    assert np.allclose(errors, [1.25, np.nan, np.nan, np.nan], equal_nan=True)


def score(folder, **settings):
    outputs = folder / "table3.csv", folder / "table4.csv"
    time_tables.score_untrimmed(
        folder, folder / "f.h5", folder / "lrcn.safetensors", folder / "cnn.safetensors", *outputs,
        name="puppets", resamples=100, **settings,
    )  # fmt: skip
    return [pd.read_csv(path) for path in outputs]


def test_both_tables_are_written(tmp_path):
    save_networks(tmp_path)
    write_features(tmp_path / "f.h5", {"a": 12, "b": 5, "c": 7})
    rows = ["a,0,run,0,9", "a,0,spin,18,40", "b,0,jump,4,9", "b,0,dance,0,9", "c,0,dance,0,9"]
    write_corpus(tmp_path, [*rows, "b,0,jump,300,310"], videos=("a", "b", "c"))
    pointing, detection = score(tmp_path, clips=[8, 16])
    assert pointing["clip"].value_counts().to_dict() == {8: 21, 16: 21, 128: 4}
    whole = pointing[pointing["clip"] == 16].set_index("row")
    assert (whole["intervals"] == 3).all()
    shares = [2 / 12, 6 / 12, 1 / 5]
    assert whole.loc["random", "accuracy"] == round(np.mean(shares), 4)
    own = pointing[pointing["clip"] == 8]
    assert (own[["videos", "actions"]] == [2, 3]).all(axis=None)
    assert (own["intervals"] == 4).all()  # spin lies in two clips
    assert (own["left out"] == 3).all()  # twice dance, and one after the end
    shares = [2 / 8, 4 / 8, 2 / 4, 1 / 5]  # run 0-1; spin 4-7 and 0-1 of 4; jump frame 1
    assert own.set_index("row").loc["random", "accuracy"] == round(np.mean(shares), 4)
    differences = own["kind"] == "paired difference"
    assert (own.loc[~differences, "accuracy low"] <= own.loc[~differences, "accuracy"]).all()
    said = {"confirmed", "refuted", "undecided"}
    assert set(own.loc[differences, "verdict"].str.removesuffix(", baseline below chance")) <= said
    assert set(own.loc[differences, "whose"]) == {"paper", "control"}
    over = own.set_index("row")["over chance"]
    assert over["cEB-R minus EB-R"] == pytest.approx(over["cEB-R"] - over["EB-R"], abs=2e-4)
    published = pointing[pointing["kind"].str.startswith("published")].set_index("row")["accuracy"]
    assert published.to_dict() == {
        "random": 0.573, "peak probability": 0.658, "cEB-R": 0.651,
        "peak probability + cEB-R": 0.774,
    }  # fmt: skip
    own = detection[detection["clip"] == 8].set_index("row")
    assert (own["intervals"] == 4).all()
    assert own.loc["whole clip", "overlapped"] == 0.75
    assert (detection["corpus"] == "thumos14").sum() == 11
    assert detection["mAP@0.1"].between(0, 1).all()
    for figure in [c.removesuffix(" low") for c in own if c.endswith(" low")]:
        some = own[own[figure].notna()]
        assert (some[f"{figure} low"] <= some[figure]).all(), figure
        assert (some[figure] <= some[f"{figure} high"]).all(), figure


def test_perfect_peaks_in_one_signal_and_in_two_are_alike():
    rows = pairs(["a", "run", 0, 5], ["b", "run", 0, 5], ["c", "run", 0, 5])
    peak = np.eye(5)[[1, 2, 3]]
    signals = made_up(rows, probability=peak, CNN_margin=peak)
    signals.of["cEB-R"][:] = peak
    items = Items(np.arange(3), np.array([[1, 3], [2, 3], [1, 4]]), 0)
    draws = {"resamples": 50, "level": 0.95, "seed": 0}
    told = time_tables.pointing_rows(signals, items, np.ones(3), 0, {}, draws)
    row = {one["row"]: one for one in told}
    for how in ("either peak", "peak of the product"):
        both = row[f"peak probability + cEB-R, {how}"]
        assert both["accuracy"] == both["over chance"] == 1
        claim = row[f"peak probability + cEB-R, {how} minus cEB-R"]
        assert [claim[f"over chance{end}"] for end in ("", " low", " high")] == [0, 0, 0]
        assert claim["verdict"] == "undecided"


def test_a_verdict_over_a_baseline_below_chance_says_so():
    rows = pairs(*([name, "run", 0, 5] for name in "abcd"))
    inside, outside = np.eye(5)[[1, 1, 1, 1]], np.eye(5)[[4, 4, 4, 4]]
    signals = made_up(rows, probability=outside, CNN_margin=inside)
    signals.of["cEB-R"][:] = inside
    items = Items(np.arange(4), np.array([[1, 2]] * 4), 0)
    draws = {"resamples": 50, "level": 0.95, "seed": 0}
    told = time_tables.pointing_rows(signals, items, np.ones(4), 0, {}, draws)
    row = {one["row"]: one for one in told}
    assert row["peak probability"]["over chance"] == pytest.approx((0 - 0.2) / 0.8)
    said = row["cEB-R minus peak probability"]
    assert said["over chance"] == pytest.approx(1.25)
    assert said["verdict"] == "confirmed, baseline below chance"
    assert row["cEB-R minus peak CNN margin, frame by frame"]["verdict"] == "undecided"


def test_one_video_is_too_few(tmp_path):
    save_networks(tmp_path)
    write_features(tmp_path / "f.h5", {"a": 12, "b": 5})
    write_corpus(tmp_path, ["a,0,run,0,9", "b,0,dance,4,9"])
    with pytest.raises(InputError, match=r"one video \(a\) alone has an action that the network"):
        score(tmp_path)
    write_corpus(tmp_path, ["a,0,run,900,909"])
    with pytest.raises(InputError, match="all intervals begin after their videos' ends"):
        score(tmp_path)
