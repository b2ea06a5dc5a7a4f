"""Features against a plain loop, across batches and kills."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch

from seewhy import features as features_module
from seewhy.backbones import Backbone, load_backbone
from seewhy.bench.features import bench_features, bench_precision
from seewhy.errors import InputError
from seewhy.features import extract_features

LENGTHS = [5, 6, 1, 0, 6, 3, 6, 2]


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("slim_inception", "random", device="cpu")


@pytest.fixture
def frames(tmp_path):
    """Eight clips of at most six frames; what lies behind their lengths is not 0, to be ignored."""
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        rng = np.random.default_rng(0)
        file["frames"] = rng.integers(0, 256, (8, 6, 64, 64, 3), np.uint8)
        file["lengths"] = np.array(LENGTHS, np.int32)
        file["clip"] = [f"clip{k}" for k in range(8)]
        file.attrs.update({"n": 6, "size": 64, "fit": "crop", "split": "val"})
    return path


def plain_loop(path, network):
    """One frame at a time."""
    with h5py.File(path) as file:
        frames, lengths = file["frames"][:], file["lengths"][:]
    expected = np.zeros((*frames.shape[:2], 1024), np.float32)
    for clip in range(len(frames)):
        for frame in range(lengths[clip]):
            x = torch.from_numpy(frames[clip, frame].astype(np.float32)) / 127.5 - 1
            with torch.no_grad():
                feature_map = network.feature_map(x.permute(2, 0, 1)[None])
            expected[clip, frame] = feature_map[0].flatten(1).mean(dim=1).numpy()
    return expected


@pytest.mark.parametrize("batch", [1, 4, 7, 29, 100])
def test_features_are_those_of_a_plain_loop(frames, backbone, batch):
    output = frames.parent / "features.h5"
    extract_features(frames, output, backbone=backbone, batch=batch)
    expected = plain_loop(frames, backbone.network)
    with h5py.File(output) as file:
        features = file["features"][:]
        assert features.dtype == np.float32
        assert file["lengths"][:].tolist() == LENGTHS
        assert file["clip"].asstr()[:].tolist() == [f"clip{k}" for k in range(8)]
        assert dict(file.attrs) == {
            "n": 6, "size": 64, "fit": "crop", "split": "val", "backbone": "slim_inception",
            "weights": backbone.weights, "precision": "float32",
        }  # fmt: skip
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    for clip, length in enumerate(LENGTHS):
        assert not features[clip, length:].any()
        assert features[clip, :length].any(axis=1).all()
    assert list(frames.parent.glob(".*")) == []


def test_padding_is_not_sent_through_the_network(frames, backbone, monkeypatch):
    sizes = []
    run = Backbone.features
    monkeypatch.setattr(Backbone, "features", lambda self, x: sizes.append(len(x)) or run(self, x))
    extract_features(frames, frames.parent / "features.h5", backbone=backbone, batch=10)
    assert sizes == [10, 10, 9]
    assert sum(sizes) == sum(LENGTHS)


SLOWLY = """
import sys, time
import torch
torch.set_num_threads(1)
from seewhy.backbones import Backbone, load_backbone
from seewhy.features import extract_features
run = Backbone.features
def slowly(self, x):
    time.sleep(0.2)
    return run(self, x)
Backbone.features = slowly
backbone = load_backbone("slim_inception", "random", device="cpu")
extract_features(sys.argv[1], sys.argv[2], backbone=backbone, batch=4)
"""


def kill_in_the_middle(frames, output):
    command = [sys.executable, "-c", SLOWLY, str(frames), str(output)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    journal = output.with_name(".features.unfinished.journal")
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 5:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(frames, backbone, monkeypatch):
    output = frames.parent / "features.h5"
    extract_features(frames, output, backbone=backbone, batch=4)
    unbroken = output.read_bytes()
    output.unlink()
    kill_in_the_middle(frames, output)
    passes = []
    run = Backbone.features
    monkeypatch.setattr(Backbone, "features", lambda self, x: passes.append(len(x)) or run(self, x))
    extract_features(frames, output, backbone=backbone, batch=4)
    assert output.read_bytes() == unbroken
    assert 1 <= len(passes) < 8  # eight batches in all


@pytest.mark.parametrize("change", ["batch", "frames", "weights"])
def test_what_has_changed_is_not_taken_up(frames, backbone, monkeypatch, change):
    output = frames.parent / "features.h5"
    kill_in_the_middle(frames, output)
    batch = 4
    if change == "batch":
        batch = 5
    elif change == "frames":
        with h5py.File(frames, "r+") as file:
            file["frames"][0, 0] = 7
    else:
        monkeypatch.setattr(backbone, "weights", "others")
    seen = []
    run = Backbone.features
    monkeypatch.setattr(Backbone, "features", lambda self, x: seen.append(len(x)) or run(self, x))
    extract_features(frames, output, backbone=backbone, batch=batch)
    assert sum(seen) == sum(LENGTHS)


def test_not_finite_features_stop_it(frames, monkeypatch):
    backbone = load_backbone("slim_inception", "random", device="cpu")
    backbone.network.last[0].bias[3] = torch.nan
    with pytest.raises(InputError, match="features of clip clip0 are not finite"):
        extract_features(frames, frames.parent / "features.h5", backbone=backbone)
    assert not (frames.parent / "features.h5").exists()


def test_an_error_of_the_reader_is_raised(frames, backbone, monkeypatch):
    def broken(*_):
        raise OSError("cannot read")

    monkeypatch.setattr(features_module, "_read_frames", broken)
    with pytest.raises(OSError, match="cannot read"):
        extract_features(frames, frames.parent / "features.h5", backbone=backbone)


def test_bad_files_of_frames(frames, backbone, tmp_path):
    output = tmp_path / "features.h5"

    def extract():
        extract_features(frames, output, backbone=backbone)

    content = frames.read_bytes()
    frames.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"frames\.h5: not a whole HDF5 file"):
        extract()
    frames.write_bytes(b"hello")
    with pytest.raises(InputError, match=r"frames\.h5: not a whole HDF5 file"):
        extract()
    frames.unlink()
    with pytest.raises(InputError, match=r"frames\.h5: no such file"):
        extract()
    for change, message in [
        (lambda file: file.pop("lengths"), "has no data set lengths"),
        (lambda file: file["lengths"].write_direct(np.full(8, 7, np.int32)), "outside of 0 to 6"),
        (lambda file: replace(file, "clip", ["a"]), "clip is 1, expected"),
        (lambda file: replace(file, "frames", np.zeros((8, 6, 4, 4, 3))), "frames holds float64"),
        (
            lambda file: replace(file, "frames", np.zeros((8, 6), np.uint8)),
            "frames is 8 x 6, expected",
        ),
    ]:
        frames.write_bytes(content)
        with h5py.File(frames, "r+") as file:
            change(file)
        with pytest.raises(InputError, match=message):
            extract()
    frames.write_bytes(content)
    with pytest.raises(InputError, match=r"features\.batch: 0 is not"):
        extract_features(frames, output, backbone=backbone, batch=0)
    assert not output.exists()


def replace(file, name, value):
    del file[name]
    file[name] = value


def test_benchmark_compares_equal_outputs():
    """Timing itself is no matter of a test; that both sides give the same features is."""
    result = bench_features(clips=4, n=4, batch=5, repeats=1)
    assert result["frames"] == 14
    assert result["ratio"] == pytest.approx(result["extract_seconds"] / result["bare_seconds"])


def test_the_benchmark_of_precisions_says_what_native_would_take():
    result = bench_precision(frames=2, repeats=1)
    native = load_backbone("slim_inception", "random", precision="native")
    assert result["native"] == (native.precision == "bfloat16")
    assert result["ratio"] == pytest.approx(result["ours_seconds"] / result["floor_seconds"])
