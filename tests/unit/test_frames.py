"""Sampling frames of a corpus into one HDF5 file: what is written, reported, and taken up again."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import av
import h5py
import numpy as np
import pytest

from seewhy import frames as frames_module
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.video import ResumableRows, read_clip


def write_video(path, count, *, seed=0, size=32):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, (size, size, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for i in range(count):
            rolled = np.roll(picture, i, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rolled, format="rgb24")))
        container.mux(stream.encode())


def write_clips(folder, rows, header="clip,split,video"):
    (folder / "clips.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def corpus(tmp_path):
    """Eight clips of 3 to 24 frames."""
    rows = []
    for k in range(8):
        write_video(tmp_path / f"{k}.mp4", 3 * (k + 1), seed=k)
        rows.append(f"clip{k},train,{tmp_path}/{k}.mp4")
    write_clips(tmp_path, rows)
    return tmp_path


def sample(corpus, **settings):
    settings = {"split": "train", "n": 10, "size": 24, "workers": 2} | settings
    sample_frames(corpus, corpus / "frames.h5", corpus / "report.csv", **settings)


def read_report(corpus):
    with open(corpus / "report.csv") as file:
        return list(csv.DictReader(file))


def test_file_holds_what_one_by_one_decoding_gives(corpus):
    sample(corpus)
    with h5py.File(corpus / "frames.h5") as file:
        assert file["frames"].shape == (8, 10, 24, 24, 3)
        assert file["frames"].dtype == np.uint8
        assert file["frames"].chunks is None
        assert file["lengths"].dtype == np.int32
        assert file["lengths"][:].tolist() == [3, 6, 9, 10, 10, 10, 10, 10]
        assert file["clip"].asstr()[:].tolist() == [f"clip{k}" for k in range(8)]
        assert dict(file.attrs) == {"n": 10, "size": 24, "fit": "crop", "split": "train"}
        for k in range(8):
            expected = read_clip(corpus / f"{k}.mp4", n=10, size=24).frames
            assert np.array_equal(file["frames"][k, : len(expected)], expected)
            assert not file["frames"][k, len(expected) :].any()
    assert read_report(corpus) == []
    assert [path.name for path in corpus.glob(".*")] == []


def test_number_of_workers_changes_no_byte(corpus):
    contents = []
    for workers in (1, 3):
        sample(corpus, workers=workers)
        contents.append((corpus / "frames.h5").read_bytes())
    assert contents[0] == contents[1]


def test_start_and_end_of_the_table_are_used(corpus):
    video = corpus / "7.mp4"
    write_clips(
        corpus,
        [f"a,train,{video},0.5,1.0", f"b,train,{video},1.0,", f"c,train,{video},,0.3"],
        header="clip,split,video,start,end",
    )
    sample(corpus, n=28)
    with h5py.File(corpus / "frames.h5") as file:
        assert file["lengths"][:].tolist() == [5, 14, 3]
        whole = read_clip(video, n=24, size=24).frames
        assert np.array_equal(file["frames"][0, :5], whole[5:10])
        assert np.array_equal(file["frames"][1, :14], whole[10:])


def test_broken_videos_are_reported_and_left_out_and_never_zero(corpus, caplog):
    (corpus / "text.mp4").write_text("not a video\n" * 50)
    (corpus / "empty.mp4").write_bytes(b"")
    cut = (corpus / "5.mp4").read_bytes()
    (corpus / "cut.mp4").write_bytes(cut[: len(cut) // 2])
    bad = ["text.mp4", "empty.mp4", "none.mp4", "cut.mp4"]
    rows = (corpus / "clips.csv").read_text().splitlines()[1:]
    for place, name in zip((0, 3, 5, 8), bad, strict=True):
        rows.insert(place, f"{name[:-4]},train,{corpus}/{name}")
    rows.append(f"late,train,{corpus}/1.mp4,50,60")
    rows = [row if row.count(",") == 4 else row + ",," for row in rows]
    write_clips(corpus, rows, header="clip,split,video,start,end")
    sample(corpus)
    report = {row["clip"]: row for row in read_report(corpus)}
    assert {clip: row["status"] for clip, row in report.items()} == {
        "text": "unreadable",
        "empty": "empty",
        "none": "missing",
        "cut": "unreadable",
        "late": "outside",
    }
    assert report["none"]["video"] == f"{corpus}/none.mp4"
    assert all(row["reason"] for row in report.values())
    assert "5 of 13 clips of train left out" in caplog.text
    with h5py.File(corpus / "frames.h5") as file:
        assert file["clip"].asstr()[:].tolist() == [f"clip{k}" for k in range(8)]
        assert file["lengths"][:].tolist() == [3, 6, 9, 10, 10, 10, 10, 10]
        for k in range(8):
            expected = read_clip(corpus / f"{k}.mp4", n=10, size=24).frames
            assert np.array_equal(file["frames"][k, : len(expected)], expected)


def test_no_usable_video_is_an_error_that_names_one(tmp_path):
    write_clips(tmp_path, [f"a,train,{tmp_path}/none.mp4"])
    with pytest.raises(
        InputError,
        match=r"none of the 1 clips of split train can be used: 1 missing: .*none.mp4 \(missing:",
    ):
        sample(tmp_path)
    assert not (tmp_path / "frames.h5").exists()


def test_the_message_carries_the_reasons_itself(tmp_path, caplog):
    """Snakemake removes the report of a job that fails."""
    (tmp_path / "text.mp4").write_text("not a video")
    names = ["a.mp4", "b.mp4", "text.mp4", "c.mp4"]
    write_clips(tmp_path, [f"{k},train,{tmp_path}/{name}" for k, name in enumerate(names)])
    with caplog.at_level("INFO"), pytest.raises(InputError) as caught:
        sample(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/clips.csv: none of the 4 clips of split train can be used: 3 missing, 1 "
        f"unreadable: {tmp_path}/a.mp4 (missing: no such file); {tmp_path}/b.mp4 (missing: no such "
        f"file); {tmp_path}/text.mp4 (unreadable: not a video, or damaged (Invalid data found when "
        "processing input)); and 1 more"
    )
    assert "report.csv" not in caplog.text
    assert f"{tmp_path}/c.mp4: missing: no such file" in caplog.text  # all of them, in the log


def test_a_video_with_a_small_hole_is_used_and_said(corpus):
    path = corpus / "7.mp4"
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux() if p.size]
        place, size = packets[20].pos, packets[20].size
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    sample(corpus)
    (row,) = read_report(corpus)
    assert (row["clip"], row["status"]) == ("clip7", "patched")
    assert row["reason"].endswith("; the rest is used")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, r"frames\.n: 0 is not a whole number of at least 1"),
        ({"size": 2.5}, r"frames\.size: 2\.5 is not"),
        ({"fit": "stretch"}, r"frames\.fit: 'stretch' is not one of crop, squash, pad"),
        ({"split": "dev"}, r"split: 'dev' is not one of train, val, test"),
        ({"split": "test"}, r"clips\.csv: no clip has the split test"),
    ],
)
def test_wrong_settings(corpus, settings, message):
    with pytest.raises(InputError, match=message):
        sample(corpus, **settings)


def test_end_before_start(corpus):
    write_clips(corpus, [f"a,train,{corpus}/1.mp4,2,1"], header="clip,split,video,start,end")
    said = r"clips\.csv: column start, line 2: the value '2\.0' is not below its end; mend both"
    with pytest.raises(InputError, match=said):
        sample(corpus)


SLOWLY = """
import sys, time
from seewhy import frames
read = frames.read_clip
def slowly(*args, **kwargs):
    time.sleep(0.15)
    return read(*args, **kwargs)
frames.read_clip = slowly
folder = sys.argv[1]
frames.sample_frames(folder, folder + "/frames.h5", folder + "/report.csv", split="train",
                     n=10, size=24, workers=1)
"""


def start_and_kill(corpus):
    """Start sampling in another process and kill it when some rows, not all, are written."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(corpus)], stderr=subprocess.DEVNULL
    )
    journal = corpus / ".frames.unfinished.journal"
    deadline = time.monotonic() + 60
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (corpus / "frames.h5").exists()
    return journal.read_bytes().count(b"\n") - 1


def count_decodings(monkeypatch):
    decoded = []
    monkeypatch.setattr(
        frames_module,
        "read_clip",
        lambda video, **settings: decoded.append(video) or read_clip(video, **settings),
    )
    return decoded


@pytest.mark.parametrize("broken", [False, True])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(corpus, monkeypatch, broken):
    if broken:
        (corpus / "1.mp4").write_bytes(b"")
    sample(corpus)
    unbroken = (corpus / "frames.h5").read_bytes()
    report = (corpus / "report.csv").read_bytes()
    (corpus / "frames.h5").unlink()
    done = start_and_kill(corpus)
    assert 3 <= done < 8
    decoded = count_decodings(monkeypatch)
    sample(corpus)
    assert len(decoded) == 8 - done
    assert (corpus / "frames.h5").read_bytes() == unbroken
    assert (corpus / "report.csv").read_bytes() == report


@pytest.mark.parametrize("change", ["settings", "video", "content", "row", "journal"])
def test_what_has_changed_is_not_taken_up(corpus, monkeypatch, change):
    start_and_kill(corpus)
    rows, journal = corpus / ".frames.unfinished.h5", corpus / ".frames.unfinished.journal"
    settings, expected = {}, 8
    if change == "settings":
        settings = {"fit": "squash"}
    elif change == "video":
        os.utime(corpus / "7.mp4", (1, 1))
    elif change == "content":
        rows.write_bytes(rows.read_bytes()[:1000])
    elif change == "row":  # one row is damaged: only that one is done again
        expected = 8 - (journal.read_bytes().count(b"\n") - 1) + 1
        with h5py.File(rows, "r+") as file:
            file["frames"][0, 0] += 1
    else:
        journal.write_bytes(b"\x00\xff nothing\n")
    decoded = count_decodings(monkeypatch)
    sample(corpus, **settings)
    assert len(decoded) == expected
    taken_up = (corpus / "frames.h5").read_bytes()
    sample(corpus, **settings)
    assert (corpus / "frames.h5").read_bytes() == taken_up


def test_a_torn_line_of_the_journal_is_done_again(corpus, monkeypatch):
    start_and_kill(corpus)
    journal = corpus / ".frames.unfinished.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:7])
    decoded = count_decodings(monkeypatch)
    sample(corpus)
    assert len(decoded) == 8 - (len(lines) - 2)


def test_memory_does_not_grow_with_the_corpus(corpus):
    """Twenty times the clips, the same peak (of what Python and numpy hold)."""
    peaks = []
    for times in (1, 20):
        rows = [f"c{i},train,{corpus}/7.mp4" for i in range(8 * times)]
        write_clips(corpus, rows)
        tracemalloc.start()
        sample(corpus, size=48)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    file = (corpus / "frames.h5").stat().st_size
    assert peaks[1] < peaks[0] + 0.1 * file


def test_a_full_disk_is_named_before_the_work_and_nothing_is_left(corpus, small_disk, monkeypatch):
    decoded = count_decodings(monkeypatch)
    with pytest.raises(InputError, match=r"/\.frames\.unfinished\.h5: no space left on the device"):
        sample_frames(
            corpus, small_disk / "frames.h5", corpus / "r.csv", split="train", n=28, size=64
        )
    assert decoded == []
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_while_rows_are_written(small_disk, monkeypatch):
    monkeypatch.setattr("seewhy.video.resumable.reserve_room", lambda _: None)
    fields = {"x": ((300_000,), np.uint8)}
    settings = {"keys": list("abcdef"), "fields": fields, "attributes": {}, "made_from": None}

    def fill():
        with ResumableRows(small_disk / "x.h5", **settings) as rows:
            for row in rows.pending:
                rows.write(row, x=np.ones(300_000, np.uint8))

    with pytest.raises(InputError, match=r"/\.x\.unfinished\.h5: no space left on the device"):
        fill()
    assert not (small_disk / "x.h5").exists()
    with ResumableRows(small_disk / "x.h5", **settings) as rows:
        assert len(rows.pending) == 3
