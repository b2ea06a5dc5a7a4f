"""The corpora on disk: same seed same bytes, whole or absent, and equal to what is drawn alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc

import av
import numpy as np
import pytest

from seewhy.corpora.canonical import read_table, schema
from seewhy.corpora.truth import Truth, TruthWriter
from seewhy.errors import InputError
from seewhy.worlds.puppets import (
    STILL_CLASSES,
    draw_clip,
    draw_stills,
    draw_untrimmed,
    render_clips,
    render_untrimmed,
)
from seewhy.worlds.puppets.untrimmed import first_numbers

SEED = 21
COUNTS = {"train": 9, "val": 2, "test": 7}


def _digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("puppets") / "trimmed"
    render_clips(folder, seed=SEED, clips=COUNTS, workers=1)
    return folder


def _decode(path):
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_same_seed_same_bytes_whatever_the_workers(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    once = tmp_path / "once" / "trimmed"
    render_clips(once, seed=SEED, clips=COUNTS, workers=2)
    first, again = _digests(corpus), _digests(once)
    assert set(first) == set(again)
    differing = {name for name in first if first[name] != again[name]}
    assert differing == {"clips.csv"}  # it holds the videos' paths
    assert len([name for name in first if name.endswith(".mp4")]) == sum(COUNTS.values())


def test_numbers_of_clips_do_not_change_the_others(corpus, tmp_path):
    render_clips(tmp_path / "few", seed=SEED, clips={"test": 2}, workers=1)
    for name in ("test00000", "test00001"):
        few, many = tmp_path / "few/videos" / f"{name}.mp4", corpus / "videos" / f"{name}.mp4"
        assert few.read_bytes() == many.read_bytes()


def test_workers_do_not_run_the_calling_script_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from seewhy.worlds.puppets import render_clips\n"
        "print('started')\n"
        f"render_clips({str(tmp_path / 'x')!r}, seed=1, clips={{'train': 17}}, workers=2)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "started\n"
    assert len(list((tmp_path / "x/videos").iterdir())) == 17


def test_another_seed_gives_other_clips():
    ours = draw_clip(SEED, "test", 0, captions=False).frames
    others = draw_clip(SEED + 1, "test", 0, captions=False).frames
    assert (ours != others).mean() > 0.2


def test_tables_are_canonical_and_agree(corpus):
    tables = {name: read_table(corpus, name) for name in schema()}
    clips = tables["clips"]
    assert dict(clips["split"].value_counts()) == COUNTS
    assert all((corpus / "videos" / f"{clip}.mp4").exists() for clip in clips["clip"])
    assert list(clips["video"]) == [
        (corpus / "videos" / f"{c}.mp4").as_posix() for c in clips["clip"]
    ]
    assert len(tables["captions"]) == 20 * len(clips)
    actors = tables["instances"].query("role == 'actor'")
    segments = tables["segments"]
    assert sorted(zip(actors["clip"], actors["instance"], strict=True)) == sorted(
        zip(segments["clip"], segments["instance"], strict=True)
    )
    assert ((segments["start"] >= 0) & (segments["start"] < segments["end"])).all()
    assert (segments["end"] <= 32).all()
    kinds = set(tables["labels"]["kind"])
    assert {"action", "scene", "actor", "camera", "combination"} <= kinds


def test_videos_look_like_what_was_drawn(corpus):
    for split, index in (("train", 0), ("train", 5), ("test", 3)):
        clip = draw_clip(SEED, split, index, captions=False)
        decoded = _decode(corpus / "videos" / f"{clip.name}.mp4")
        assert decoded.shape == clip.frames.shape
        luma = np.array([0.299, 0.587, 0.114])
        error = (decoded.astype(float) @ luma - clip.frames.astype(float) @ luma) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > 34


def test_truth_is_that_of_the_clip_drawn_alone(corpus):
    with Truth(corpus) as truth:
        assert len(truth.clips) == sum(COUNTS.values())
        for split, index in (("val", 1), ("test", 6)):
            clip = draw_clip(SEED, split, index, captions=False)
            elements = truth.elements(clip.name)
            assert (truth.code(clip.name) == clip.drawing.code).all()
            assert elements["class"].tolist() == [e.kind for e in clip.drawing.elements]
            assert (elements["rgb"] == [e.rgb for e in clip.drawing.elements]).all()
            boxes = truth.boxes(clip.name)
            assert (boxes["box"] == clip.drawing.boxes[:, 2:]).all()
            points = truth.key_points(clip.name)
            names = np.array(clip.drawing.point_names)[clip.drawing.points[:, 2].astype(int)]
            assert points["name"].tolist() == names.tolist()
            assert (points["visible"] == (clip.drawing.points[:, 5] > 0)).all()


def test_masks_are_readings_of_one_raster(corpus):
    instances = read_table(corpus, "instances").set_index(["clip", "instance"])
    with Truth(corpus) as truth:
        for clip in truth.clips[:6]:
            read = {
                kind: truth.masks(clip, kind)
                for kind in ("instance", "class", "part", "colour", "texture", "stuff")
            }
            instance = read["instance"][0]
            assert ((read["class"][0] > 0) == (instance > 0)).all()
            assert ((read["part"][0] > 0) == (instance > 0)).all()
            assert ((read["stuff"][0] > 0) == (instance == 0)).all()
            assert (read["colour"][0] > 0).all()
            assert (read["texture"][0] > 0).all()
            for number in set(np.unique(instance).tolist()) - {0}:
                values, names = read["class"]
                seen = {names[v] for v in np.unique(values[instance == number])}
                assert seen == {instances.loc[(clip, number), "class"]}


def test_regions_hold_actor_and_object_within_the_segment(corpus):
    segments = read_table(corpus, "segments")
    with Truth(corpus) as truth:
        for row in segments.to_dict("records"):
            region = truth.region(row["clip"], row)
            masks, _ = truth.masks(row["clip"], "instance")
            expected = (masks == row["instance"]) | ((masks == row["object"]) & (row["object"] > 0))
            inside = np.zeros(len(masks), bool)
            inside[row["start"] : row["end"]] = True
            assert (region == expected & inside[:, None, None]).all()


def test_phrases_can_be_pointed_at(corpus):
    captions = read_table(corpus, "captions").set_index("caption")
    phrases = read_table(corpus, "phrases")
    found = []
    with Truth(corpus) as truth:
        for row in phrases.iloc[::9].to_dict("records"):
            clip = captions.loc[row["caption"], "clip"]
            mask = truth.phrase(clip, row["kind"], row["refers_to"])
            assert mask.shape == (32, 64, 64)
            found.append(mask.any())
    assert np.mean(found) > 0.98


def test_bad_requests_are_named(corpus, tmp_path):
    with Truth(corpus) as truth:
        with pytest.raises(InputError, match="has no clip nobody"):
            truth.code("nobody")
        with pytest.raises(InputError, match="mask kind 'shape' is not one of instance, class"):
            truth.masks(truth.clips[0], "shape")
    with pytest.raises(InputError, match="no such file"):
        Truth(tmp_path / "truth.h5")
    with pytest.raises(InputError, match="split 'dev' is not one of"):
        render_clips(tmp_path / "x", seed=1, clips={"dev": 3})
    with pytest.raises(InputError, match="number of test clips -1"):
        render_clips(tmp_path / "x", seed=1, clips={"test": -1})
    with pytest.raises(InputError, match="workers 0"):
        render_clips(tmp_path / "x", seed=1, clips={"test": 1}, workers=0)
    assert not (tmp_path / "x").exists()


# --- the writer


def _append(writer, name, frames=32, codes=3, size=64):
    rng = np.random.default_rng(0)
    row = {
        "instance": 0,
        "class": "sky",
        "part": "",
        "colour": "blue",
        "texture": "plain",
        "rgb": np.zeros((2, 3)),
    }
    writer.append(
        name,
        code=rng.integers(0, codes, (frames, size, size), np.uint8),
        elements=[row] * 3,
        boxes={"frame": [0], "instance": [1], "box": [[1, 2, 3, 4]]},
        key_points={
            "frame": [0],
            "instance": [1],
            "point": [[1.5, 2.5]],
            "visible": [True],
            "name": ["head"],
        },
    )


def test_the_writer_refuses_what_cannot_be_read_back(tmp_path):
    path = tmp_path / "truth.h5"
    for arguments, message in (
        ({"name": "a"}, "the clip a is given twice"),
        ({"name": "b", "codes": 9}, "has the code 8, but only 3 elements"),
        ({"name": "b", "size": 32}, "frames of 32 x 32 pixels, the first clip 64 x 64"),
    ):
        with pytest.raises(InputError, match=message), TruthWriter(path) as writer:
            _append(writer, "a")
            _append(writer, **arguments)
        assert not path.exists()
        assert list(tmp_path.iterdir()) == []


def test_the_writer_holds_few_clips_at_a_time(tmp_path):
    peaks = []
    for count in (80, 320):
        tracemalloc.start()
        with TruthWriter(tmp_path / f"{count}.h5") as writer:
            for i in range(count):
                _append(writer, f"clip{i}", size=32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    with Truth(tmp_path / "320.h5") as truth:
        assert truth.clips[-1] == "clip319"
        assert truth.boxes("clip200")["box"].tolist() == [[1, 2, 3, 4]]
        assert truth.key_points("clip64")["name"].tolist() == ["head"]


# --- untrimmed videos and stills


@pytest.fixture(scope="module")
def untrimmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("puppets") / "untrimmed"
    render_untrimmed(folder, seed=SEED, videos={"train": 5, "test": 6}, workers=1)
    return folder


def test_untrimmed_videos_are_those_drawn_alone(untrimmed):
    segments = read_table(untrimmed, "segments")
    with Truth(untrimmed) as truth:
        for index in range(6):
            clip, shots = draw_untrimmed(SEED, "test", index)
            assert (truth.code(clip.name) == clip.drawing.code).all()
            expected = sorted(
                (m.instance + more, act.action, shot.first + act.start, shot.first + act.end)
                for shot, more in zip(shots, first_numbers(shots), strict=True)
                for m in shot.plan.actors
                for act in m.acts
            )
            rows = segments[segments["clip"] == clip.name]
            columns = [rows[c] for c in ("instance", "label", "start", "end")]
            assert sorted(zip(*columns, strict=True)) == expected
            assert 2 <= len(expected) <= 4
            assert max(row[3] for row in expected) <= len(clip.frames)
            assert len(_decode(untrimmed / "videos" / f"{clip.name}.mp4")) == len(clip.frames)


def test_actions_of_one_actor_do_not_overlap(untrimmed):
    segments = read_table(untrimmed, "segments").sort_values(["clip", "instance", "start"])
    for _, rows in segments.groupby(["clip", "instance"]):
        assert (rows["start"].to_numpy()[1:] >= rows["end"].to_numpy()[:-1]).all()


def test_a_change_of_action_within_a_shot_is_not_a_cut():
    at_cuts, within = [], []
    for index in range(12):
        clip, shots = draw_untrimmed(SEED, "train", index)
        change = np.abs(np.diff(clip.frames.astype(int), axis=0)).mean((1, 2, 3))
        for shot in shots:
            if shot.first:
                at_cuts.append(change[shot.first - 1])
            if shot.plan.camera == "still":
                within += [change[shot.first + a.first - 1] for a in shot.plan.actors[0].acts[1:]]
    assert len(within) >= 3
    assert min(at_cuts) > 3 * max(within)


def test_stills_are_reproducible_and_labelled():
    images, targets = draw_stills(seed=SEED, count=60, workers=1)
    fewer, some = draw_stills(seed=SEED, count=21, workers=1)
    assert images.shape == (60, 64, 64, 3)
    assert (images[:21] == fewer).all()
    for name, target in targets.items():
        assert np.array_equal(target[:21], some[name], equal_nan=target.dtype.kind == "f")
    here = targets["things"] > 0
    assert (~np.isnan(targets["places"].reshape(60, -1, 4)).any(2) == here).all()
    assert np.nanmin(targets["pose"]) >= 0
    assert np.nanmax(targets["pose"]) <= 1
    for name, classes in STILL_CLASSES.items():
        if name == "things":
            assert targets[name].shape == (60, len(classes))
            assert set(np.unique(targets[name])) == {0, 1}
        else:
            assert (targets[name] >= 0).all()
            assert (targets[name] < len(classes)).all()
            assert len(np.unique(targets[name])) > 1
    seen = targets["things"][np.arange(60), targets["actor"]]
    assert seen.mean() > 0.95
    assert not set(STILL_CLASSES["posture"]) & {"walk", "run", "fall", "sit", "swim", "fly"}
    with pytest.raises(InputError, match="count 0"):
        draw_stills(seed=1, count=0)
