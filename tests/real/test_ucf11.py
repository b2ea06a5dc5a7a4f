"""A real video of UCF11, in UCF11's layout, becomes clips with frames."""

from __future__ import annotations

import h5py
import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.frames import sample_frames


def test_videos_in_ucf11s_layout_go_to_frames(shared_data, tmp_path):
    video = shared_data / "video/v_biking_01_01.mpg"
    if not video.exists():
        pytest.skip(f"no {video}")
    source = tmp_path / "UCF11_updated_mpg"
    for group in range(1, 11):
        folder = source / f"biking/v_biking_{group:02d}"
        folder.mkdir(parents=True)
        (folder / f"{folder.name}_01.mpg").symlink_to(video)
    import_corpus("ucf11", source, tmp_path / "corpus", split="group", seed=0)
    assert set(read_table(tmp_path / "corpus", "labels")["label"]) == {"biking"}
    frames = tmp_path / "train.h5"
    sample_frames(tmp_path / "corpus", frames, tmp_path / "report.csv", split="train", n=28)
    with h5py.File(frames) as file:
        assert file["lengths"][:].tolist() == [28] * 4
    assert len((tmp_path / "report.csv").read_text().splitlines()) == 1
