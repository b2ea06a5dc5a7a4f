"""Three real files (H.264, an AVI of MPEG-4, a UCF11 MPEG) decode and go to features."""

from __future__ import annotations

import math

import av
import h5py
import numpy as np
import pytest

from seewhy.backbones import load_backbone
from seewhy.features import extract_features
from seewhy.frames import sample_frames
from seewhy.video import choose_frames, fit_frame, read_clip

FILES = {"test.mp4": 300, "test.avi": 164, "v_biking_01_01.mpg": 151}


@pytest.fixture
def videos(shared_data):
    folder = shared_data / "video"
    missing = [name for name in FILES if not (folder / name).exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {folder}")
    return folder


WIDTHS = {"test.mp4": round(340 * 1024 / 765), "test.avi": None, "v_biking_01_01.mpg": None}
"""As shown: the first has a sample aspect ratio of 1024:765."""


def decode_all(path):
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24", width=WIDTHS[path.name])
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_of_a_full_decoding(videos, name):
    images = decode_all(videos / name)
    assert len(images) == FILES[name]
    clip = read_clip(videos / name, n=28, size=64)
    assert clip.lost == 0
    for k, index in enumerate(choose_frames(len(images), 28)):
        assert np.array_equal(clip.frames[k], fit_frame(images[index], 64, "crop"))


@pytest.mark.parametrize("name", FILES)
def test_a_clip_in_the_middle_is_found_by_seeking(videos, name):
    """All three have a constant frame rate, so the second picks frames by their number."""
    whole = read_clip(videos / name, n=1000, size=32).frames
    rate = {"test.mp4": 30, "test.avi": 25, "v_biking_01_01.mpg": 30000 / 1001}[name]
    clip = read_clip(videos / name, n=1000, size=32, start=2.51, end=3.51)
    first, last = math.ceil(2.51 * rate), math.ceil(3.51 * rate)
    assert np.array_equal(clip.frames, whole[first:last])


def test_videos_to_features(videos, tmp_path):
    rows = [f"{name.replace('.', '_')},test,{videos / name}" for name in FILES]
    rows.insert(1, f"missing,test,{videos}/none.avi")
    (tmp_path / "clips.csv").write_text("\n".join(["clip,split,video", *rows]) + "\n")
    frames, features = tmp_path / "frames.h5", tmp_path / "features.h5"
    sample_frames(tmp_path, frames, tmp_path / "report.csv", split="test", n=8, size=64)
    extract_features(frames, features, backbone=load_backbone("slim_inception", "random"))
    with h5py.File(features) as file:
        assert file["clip"].asstr()[:].tolist() == ["test_mp4", "test_avi", "v_biking_01_01_mpg"]
        assert file["lengths"][:].tolist() == [8, 8, 8]
        values = file["features"][:]
    assert values.shape == (3, 8, 1024)
    assert np.isfinite(values).all()
    assert (values.std(axis=(1, 2)) > 0).all()
    assert (tmp_path / "report.csv").read_text().splitlines()[1:] == [
        f"missing,{videos}/none.avi,missing,no such file"
    ]
