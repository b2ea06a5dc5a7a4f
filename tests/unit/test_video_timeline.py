"""Holes, cuts and clocks of videos: what is missing is noticed, and what is whole is taken.

The videos are made here, 4 s of noise that moves at 25 frames a second; what is done to them is
what disks and downloads do, and what cameras, screen recorders and editors rightly do.
"""

from __future__ import annotations

import functools
import os
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from seewhy.video import VideoProblem, read_clip
from seewhy.video.decoding import steady_frames
from seewhy.video.timeline import Clock, Survey

COUNT, RATE = 100, 25
# Suffix: codec, options of the container, whether there is sound.
KINDS = {
    "mkv": ("libx264", {}, False),
    "mkv with sound": ("libx264", {}, True),
    "webm": ("libvpx", {}, False),
    "flv": ("flv", {}, False),
    "mpg": ("mpeg2video", {}, False),
    "vob": ("mpeg1video", {}, True),
    "ts": ("libx264", {}, False),
    "ts with sound": ("libx264", {}, True),
    "wmv": ("wmv2", {}, False),
    "avi": ("mpeg4", {}, False),
    "mp4": ("libx264", {"movflags": "faststart"}, False),
    "fragments.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}, False),
}


@functools.cache
def encoded(kind, times=None, offset=0, matrix=None):
    """The bytes of a video whose frame k is shown at `times`[k] / 25 s, and its name's suffix."""
    import tempfile

    codec, options, sound = KINDS[kind]
    suffix = kind.split()[0]
    times = range(COUNT) if times is None else times
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/v.{suffix}"
        with av.open(path, "w", options=options) as container:
            stream = container.add_stream(codec, rate=RATE)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.gop_size = 10
            if codec == "libx264":
                stream.options = {"preset": "ultrafast", "bf": "2", "crf": "18"}
            ears = container.add_stream("mp2", rate=48000) if sound else None
            if ears:
                ears.layout = "mono"
                tone = np.zeros((1, 1152), np.int16)
                for k in range(int(max(times) / RATE * 48000 / 1152) + 1):
                    frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                    frame.sample_rate, frame.pts = 48000, k * 1152
                    frame.time_base = Fraction(1, 48000)
                    container.mux(ears.encode(frame))
                container.mux(ears.encode())
            for k, time in enumerate(times):
                moved = np.roll(picture, 3 * k, axis=1)
                moved[20:28, :8] = 0
                frame = av.VideoFrame.from_ndarray(moved, format="rgb24")
                frame.pts, frame.time_base = time + offset, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        with open(path, "rb") as file:
            return file.read(), suffix


def write(tmp_path, content, suffix):
    path = tmp_path / f"v.{suffix}"
    path.write_bytes(content)
    return path


def times_of(path, rate=5):
    return [frame.time for frame in steady_frames(path, rate=rate, size=8)]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_videos_are_whole(tmp_path, kind):
    path = write(tmp_path, *encoded(kind))
    clip = read_clip(path, n=4, size=8)
    assert (clip.count, clip.lost, clip.remark) == (COUNT, 0, "")
    assert len(times_of(path)) == 20


DAMAGES = {
    "zeros": lambda b: b[: len(b) * 3 // 10] + bytes(len(b) * 4 // 10) + b[len(b) * 7 // 10 :],
    "noise": lambda b: (
        b[: len(b) * 3 // 10]
        + np.random.default_rng(1).bytes(len(b) * 4 // 10)
        + b[len(b) * 7 // 10 :]
    ),
    "left out": lambda b: b[: len(b) * 3 // 10] + b[len(b) * 7 // 10 :],
    "zeros at the end": lambda b: b[: len(b) * 6 // 10] + bytes(len(b) * 4 // 10),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_holes_are_refused(tmp_path, kind, damage):
    content, suffix = encoded(kind)
    path = write(tmp_path, DAMAGES[damage](content), suffix)
    for read in (lambda: read_clip(path, n=4, size=8), lambda: times_of(path)):
        with pytest.raises(VideoProblem, match=r"^(truncated|unreadable): "):
            read()


def test_the_line_says_how_many_are_missing_and_where(tmp_path):
    path = write(tmp_path, *encoded("mkv", (*range(30), *range(80, 130))))
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = sorted((p.pts, p.pos, p.size) for p in container.demux() if p.size)
    first, last = packets[10], packets[19]  # a whole second and more stands still elsewhere
    assert read_clip(path, n=4, size=8).lost == 0
    content[first[1] - 40 : last[1] + last[2]] = bytes(last[1] + last[2] - first[1] + 40)
    path.write_bytes(content)
    with pytest.raises(VideoProblem, match=r"about 1\d frames are missing from 0\.4 to 0\.8 s; 7"):
        read_clip(path, n=4, size=8)
    # A clip that lies elsewhere is whole.
    assert read_clip(path, n=4, size=8, start=3.3, end=4.5).lost == 0


def test_a_small_hole_is_patched_and_said(tmp_path):
    content, suffix = encoded("ts")
    low, high = len(content) // 2, len(content) // 2 + 188 * 30
    path = write(tmp_path, content[:low] + bytes(high - low) + content[high:], suffix)
    clip = read_clip(path, n=4, size=8)
    assert 1 <= clip.lost <= 10
    assert "missing" in clip.remark or "could not be decoded" in clip.remark
    assert clip.count + clip.lost == pytest.approx(COUNT, abs=8)


STILL = (*range(30), *range(75, 120))  # nearly two seconds without a change
SLIDES = (0, 2, 3, 40, 41, 90, 91, 92, 130, 150)
LAPSE = tuple(range(0, 500, 50))


@pytest.mark.parametrize("times", [STILL, SLIDES, LAPSE], ids=["still", "slides", "lapse"])
@pytest.mark.parametrize(
    "kind", ["mkv", "mkv with sound", "webm", "flv", "ts", "ts with sound", "wmv", "mp4",
             "fragments.mp4"]
)  # fmt: skip
def test_a_picture_that_stands_still_is_no_hole(tmp_path, kind, times):
    path = write(tmp_path, *encoded(kind, times))
    clip = read_clip(path, n=4, size=8)
    assert (clip.count, clip.lost, clip.remark) == (len(times), 0, "")
    found = times_of(path)
    shown = [time / RATE for time in times]
    for k, time in enumerate(found[: int(5 * shown[-1])]):
        assert time == pytest.approx(max(t for t in shown if t <= (k + 0.5) / 5 + 1e-3), abs=2e-3)


@pytest.mark.parametrize("kind", ["mkv", "ts", "mpg", "mp4"])
def test_a_clock_may_start_anywhere(tmp_path, kind):
    path = write(tmp_path, *encoded(kind, None, 25 * 36))
    assert read_clip(path, n=4, size=8).count == COUNT
    assert times_of(path)[0] == pytest.approx(0.08, abs=1e-3)
    assert read_clip(path, n=99, size=8, start=1, end=2).count == 25
    assert read_clip(path, n=99, size=8, start=3).count == 25


@pytest.mark.parametrize("kind", ["ts", "mpg", "vob"])
@pytest.mark.parametrize("offsets", [(0, 0), (900, 0), (0, 900 * RATE), (0, 0, 0)])
def test_a_clock_that_restarts_loses_nothing(tmp_path, kind, offsets):
    """Recordings put one behind the other; the second clock goes back, or leaps by 15 minutes."""
    path = tmp_path / f"v.{kind}"
    path.write_bytes(b"".join(encoded(kind, None, offset)[0] for offset in offsets))
    whole = len(offsets) * COUNT
    clip = read_clip(path, n=4, size=8)
    assert (clip.count, clip.lost) == (whole, 0)
    times = times_of(path)
    assert len(times) == whole / 5
    assert np.diff(times).max() < 0.25
    assert read_clip(path, n=200, size=8, start=3, end=6).count == 75


def test_frames_without_a_stamp_follow_each_other(tmp_path):
    """A program stream that was cut in a pack: its first frames have no time."""
    content, suffix = encoded("mpg")
    blank = bytearray(content)
    # Take the stamps of the first packets away: the two flags, and the fields become stuffing.
    place = blank.find(b"\0\0\1\xe0")
    for _ in range(3):
        length = blank[place + 8]
        blank[place + 7] &= 0x3F
        blank[place + 9 : place + 9 + length] = b"\xff" * length
        place = blank.find(b"\0\0\1\xe0", place + 4)
    path = write(tmp_path, bytes(blank), suffix)
    clip = read_clip(path, n=4, size=8)
    assert clip.count == COUNT
    assert len(times_of(path)) == pytest.approx(20, abs=1)


def boxes(content, start, end):
    place = start
    while place < end:
        size = int.from_bytes(content[place : place + 4])
        yield content[place + 4 : place + 8], place, size
        place += size


def find_box(content, *names):
    start, end = 0, len(content)
    for name in names:
        _, start, size = next(box for box in boxes(content, start, end) if box[0] == name)
        end, start = start + size, start + 8
    return start


def test_an_edit_list_that_trims_an_mp4_is_no_loss(tmp_path):
    content, suffix = encoded("mp4")
    content = bytearray(content)
    place = find_box(content, b"moov", b"trak", b"edts", b"elst")
    # version and flags, count, then duration and media time of the only edit
    duration = int.from_bytes(content[place + 8 : place + 12])
    time = int.from_bytes(content[place + 12 : place + 16])
    scale = find_box(content, b"moov", b"trak", b"mdia", b"mdhd")
    scale = int.from_bytes(content[scale + 12 : scale + 16])
    content[place + 8 : place + 12] = (duration // 2).to_bytes(4)
    content[place + 12 : place + 16] = (time + 2 * scale).to_bytes(4)
    path = write(tmp_path, bytes(content), suffix)
    clip = read_clip(path, n=4, size=8)
    assert (clip.count, clip.lost) == (50, 0)
    assert len(times_of(path)) == 10
    # Cut short, it is truncated all the same.
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(VideoProblem, match=r"truncated: holds \d+ of the 100 frames"):
        read_clip(path, n=4, size=8)


def test_a_folder_and_a_pipe_in_place_of_a_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    caught = []

    def read():
        for name in ("pipe.mp4", "folder.mp4"):
            for reader in (read_clip, steady_frames):
                how = {"n": 1} if reader is read_clip else {"rate": 1}
                try:
                    list(reader(tmp_path / name, size=8, **how))
                except VideoProblem as problem:
                    caught.append(str(problem))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    instead = "unreadable: is a {}; name a file that can be read to its end"
    assert caught == [instead.format(kind) for kind in ("named pipe", "folder") for _ in range(2)]


def test_frames_that_a_decoder_swallows_are_counted():
    times = np.arange(100) / 25
    survey = Survey(times, 0, "", True, Fraction(0), {})
    assert survey.not_shown(times) == 0
    assert survey.not_shown(times[::2]) == 0  # two fields make one frame
    assert survey.not_shown(np.delete(times, np.arange(40, 60))) == 18  # but for the neighbours
    assert survey.not_shown(times[:90]) == 9
    assert survey.not_shown(times[:1]) == 98


def test_a_clock_counts_from_the_first_frame_and_goes_on():
    """Two frames without a stamp, a start before 0, jitter, a leap of an hour, a step back."""
    step = Fraction(1, 10)
    clock = Clock(base=step, origin=Fraction(-22), step=step, breaks=True)
    stamps = [None, None, -20, -19, -17, -18, -16, 0, 1, 36000, 36001, -500]
    found = [clock(stamp) for stamp in stamps]
    expected = [0, 0.1, 0.2, 0.3, 0.5, 0.5, 0.6, 2.2, 2.3, 2.4, 2.5, 2.6]
    assert found == pytest.approx(expected)
    steady = Clock(base=step, step=step)
    assert [steady(stamp) for stamp in (0, 1, 36000, 3)] == pytest.approx([0, 0.1, 3600, 3600])
