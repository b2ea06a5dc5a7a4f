"""Real photographs, in Flickr30k's layout, become clips of one frame."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from seewhy.corpora.importing import import_corpus
from seewhy.corpora.truth import open_truth
from seewhy.frames import sample_frames


def test_photographs_go_to_frames(shared_data, tmp_path):
    photographs = sorted((shared_data / "cub").glob("**/*.jpg"))[:6]
    if len(photographs) < 6:
        pytest.skip(f"no photographs in {shared_data / 'cub'}")
    source = tmp_path / "flickr30k"
    for name in ("flickr30k-images", "Sentences", "Annotations"):
        (source / name).mkdir(parents=True)
    splits = ["train"] * 4 + ["val", "test"]
    for number, photograph in enumerate(photographs, 1):
        (source / f"flickr30k-images/{number}.jpg").symlink_to(photograph)
        width, height = Image.open(photograph).size
        (source / f"Sentences/{number}.txt").write_text("[/EN#1/animals A bird] flies .\n" * 5)
        (source / f"Annotations/{number}.xml").write_text(
            f"<annotation><size><width>{width}</width><height>{height}</height></size><object>"
            f"<name>1</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{width}</xmax>"
            f"<ymax>{height}</ymax></bndbox></object></annotation>"
        )
        with open(source / f"{splits[number - 1]}.txt", "a") as file:
            file.write(f"{number}\n")
    import_corpus("flickr30k", source, tmp_path / "corpus")
    frames = tmp_path / "train.h5"
    sample_frames(
        tmp_path / "corpus", frames, tmp_path / "report.csv", split="train", n=28, fit="squash"
    )
    with h5py.File(frames) as file:
        assert file["lengths"][:].tolist() == [1] * 4
        size = file["frames"].shape[2]
        image = Image.open(photographs[0]).convert("RGB").resize((size, size), Image.BILINEAR)
        assert np.abs(file["frames"][0, 0].astype(int) - np.asarray(image)).mean() < 2
    with open_truth(tmp_path / "corpus") as truth:
        width, height = Image.open(photographs[0]).size
        assert truth.boxes("1")["box"].tolist() == [[0, 0, width, height]]
