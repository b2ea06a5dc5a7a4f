"""A split done by many jobs and put together: the very bytes of one job's file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from test_frames import write_clips, write_video

from seewhy.backbones import load_backbone
from seewhy.errors import InputError
from seewhy.features import extract_features
from seewhy.frames import sample_frames
from seewhy.shards import Shard, gather_reports, gather_rows, shard_of
from seewhy.video import ResumableRows

CLIPS = 7


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Seven clips of 3 to 21 frames; the third is missing and the fifth is no video."""
    folder = tmp_path_factory.mktemp("corpus")
    for k in range(CLIPS):
        write_video(folder / f"{k}.mp4", 3 * (k + 1), seed=k, size=64)
    (folder / "2.mp4").unlink()
    (folder / "4.mp4").write_text("no video")
    write_clips(folder, [f"clip{k},train,{folder}/{k}.mp4" for k in range(CLIPS)])
    return folder


def sample(corpus, folder, name, **settings):
    paths = folder / f"{name}.h5", folder / f"{name}.csv"
    sample_frames(corpus, *paths, split="train", n=6, size=64, **settings)
    return paths


def shards(of):
    return [Shard(number, of) for number in range(1, of + 1)]


@pytest.mark.parametrize("of", [1, 2, 3, CLIPS, CLIPS + 2])
def test_frames_of_shards_are_those_of_one_job(corpus, tmp_path, of):
    whole = sample(corpus, tmp_path, "whole")
    parts = [sample(corpus, tmp_path, f"part{s.number}", shard=s) for s in shards(of)]
    gather_rows([frames for frames, _ in parts], tmp_path / "gathered.h5")
    gather_reports([report for _, report in parts], tmp_path / "gathered.csv")
    assert (tmp_path / "gathered.h5").read_bytes() == whole[0].read_bytes()
    assert (tmp_path / "gathered.csv").read_bytes() == whole[1].read_bytes()
    assert whole[1].read_text().count("\n") == 3
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("of", [2, 3, CLIPS])
def test_features_of_shards_are_those_of_one_job(corpus, tmp_path, of):
    """Batches of four frames lie across the borders of shards."""
    backbone = load_backbone("slim_inception", "random", device="cpu")
    frames, _ = sample(corpus, tmp_path, "frames")
    given = {"backbone": backbone, "batch": 4}
    extract_features(frames, tmp_path / "whole.h5", **given)
    parts = [tmp_path / f"part{s.number}.h5" for s in shards(of)]
    for path, shard in zip(parts, shards(of), strict=True):
        extract_features(frames, path, shard=shard, **given)
    gather_rows(parts, tmp_path / "gathered.h5")
    assert (tmp_path / "gathered.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize(("total", "of"), [(0, 3), (1, 3), (10, 3), (12, 4), (1_000_000, 199)])
def test_shards_part_the_rows_evenly(total, of):
    parts = [shard.rows(total) for shard in shards(of)]
    assert [row for part in parts for row in part] == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_wildcard_names_a_shard():
    assert shard_of({"split": "val"}) is None
    assert shard_of({"shard": "3-of-8"}) == Shard(3, 8)
    for wrong in ("0-of-8", "9-of-8", "3of8", "1-of-0"):
        with pytest.raises(InputError, match=f"shard '{wrong}' is not of the form 3-of-8"):
            Shard.parse(wrong)


def rows_file(path, keys, *, width=3, **attributes):
    fields = {"values": ((width,), np.float32), "lengths": ((), np.int32)}
    with ResumableRows(path, keys=keys, fields=fields, attributes=attributes, made_from=[]) as rows:
        for row in rows.pending:
            rows.write(row, values=np.full(width, row), lengths=row)
        rows.finish()
    return path


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    one = rows_file(tmp_path / "one.h5", ["a", "b"], size=3)
    others = [
        rows_file(tmp_path / "size.h5", ["c"], size=4),
        rows_file(tmp_path / "width.h5", ["c"], size=3, width=2),
    ]
    for other in others:
        with pytest.raises(InputError, match=f"{other.name}: made with other settings than .*one"):
            gather_rows([one, other], tmp_path / "all.h5")
    cut = rows_file(tmp_path / "cut.h5", [f"c{k}" for k in range(9)], size=3)
    cut.write_bytes(cut.read_bytes()[:-60])  # the seal, and some of the data
    with pytest.raises(InputError, match=r"cut\.h5: not a whole HDF5 file"):
        gather_rows([one, cut], tmp_path / "all.h5")
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        gather_rows([one, tmp_path / "none.h5"], tmp_path / "all.h5")
    assert not (tmp_path / "all.h5").exists()


def test_shards_without_a_single_clip_are_refused(corpus, tmp_path):
    write_clips(tmp_path, [f"clip{k},train,{corpus}/2.mp4" for k in range(2)])
    made = [sample(tmp_path, tmp_path, f"part{s.number}", shard=s) for s in shards(2)]
    parts, reports = zip(*made, strict=True)
    with h5py.File(parts[0]) as file:
        assert len(file["clip"]) == 0
    with pytest.raises(InputError, match="none of the 2 shards has a clip that can be used"):
        gather_rows(parts, tmp_path / "all.h5")
    with pytest.raises(InputError, match=r"that can be used: 2 \w+: .*2\.mp4 \(\w+: .*2\.mp4 \("):
        gather_rows(parts, tmp_path / "all.h5", reports=reports)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, small_disk):
    keys = [f"c{k}" for k in range(10_000)]
    parts = [rows_file(tmp_path / f"{k}.h5", keys, width=20) for k in range(2)]
    with pytest.raises(InputError, match=r"all\.h5: no space left on the device"):
        gather_rows(parts, small_disk / "all.h5")
    assert not list(small_disk.iterdir())
