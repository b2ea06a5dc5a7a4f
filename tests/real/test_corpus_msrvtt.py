"""A real video and real captions (MSVD's), in MSR-VTT's layout, become clips with frames."""

from __future__ import annotations

import json

import h5py
import pytest

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.frames import sample_frames


def test_a_clip_is_not_cut_a_second_time(shared_data, tmp_path):
    video = shared_data / "video/test.mp4"
    captions = shared_data / "msvd/sents_val_lc_nopunc.txt"
    for path in (video, captions):
        if not path.exists():
            pytest.skip(f"no {path}")
    texts = [line.split("\t")[1] for line in captions.read_text().splitlines()[:20]]
    source = tmp_path / "msrvtt"
    (source / "TrainValVideo").mkdir(parents=True)
    (source / "TrainValVideo/video0.mp4").symlink_to(video)
    entry = {"video_id": "video0", "category": 3, "url": "u", "split": "train"}
    # Far behind the end of the file: the times of the video that it was cut out of.
    entry |= {"start time": 137.72, "end time": 149.44}
    content = {
        "videos": [entry],
        "sentences": [{"video_id": "video0", "caption": text} for text in texts],
    }
    (source / "train_val_videodatainfo.json").write_text(json.dumps(content))
    import_corpus("msrvtt", source, tmp_path / "corpus")
    assert read_table(tmp_path / "corpus", "captions")["text"].tolist() == texts
    frames = tmp_path / "train.h5"
    sample_frames(tmp_path / "corpus", frames, tmp_path / "report.csv", split="train", n=28)
    with h5py.File(frames) as file:
        assert file["lengths"][:].tolist() == [28]
