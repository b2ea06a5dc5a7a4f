"""Which frames stand for a clip, and what happens to files that are not what they say."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from seewhy.video import VideoProblem, choose_frames, decoding, fit_frame, read_clip
from seewhy.video.decoding import steady_frames
from seewhy.video.timeline import Survey


def write_video(path, count, *, size=(64, 64), rate=10):
    """A video whose frame i is grey of brightness 20 + 4 i (modulo 200)."""
    codec = "mpeg4" if path.suffix == ".avi" else "libx264"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast", "bf": "2", "g": "12"}
        else:
            stream.options = {"qmin": "1", "qmax": "2"}
        for i in range(count):
            grey = np.full((size[1], size[0], 3), brightness(i), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def brightness(i):
    return 20 + 4 * i % 200


def indices(frames):
    """Frame numbers from the brightnesses of `write_video`, for videos of up to 50 frames."""
    return np.round((frames.mean(axis=(1, 2, 3)) - 20) / 4).astype(int).tolist()


@pytest.mark.parametrize(
    ("count", "n"), [(29, 28), (28, 28), (300, 28), (7, 3), (1000, 1), (50, 7)]
)
def test_chosen_frames_lie_at_the_centres_of_equal_intervals(count, n):
    chosen = choose_frames(count, n).tolist()
    expected = []
    for k in range(n):
        begin, end = k * count / n, (k + 1) * count / n
        expected.append(int((begin + end) / 2 + 1e-9))
    assert chosen == expected
    assert len(set(chosen)) == n


def test_few_frames_are_all_chosen():
    assert choose_frames(5, 28).tolist() == [0, 1, 2, 3, 4]
    assert choose_frames(0, 28).tolist() == []


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_frames_come_from_where_the_rule_says(tmp_path, suffix):
    video = write_video(tmp_path / f"v{suffix}", 41)
    clip = read_clip(video, n=6, size=32)
    assert clip.frames.shape == (6, 32, 32, 3)
    assert clip.lost == 0
    assert indices(clip.frames) == [3, 10, 17, 23, 30, 37]


def test_a_wrong_count_of_packets_is_put_right_by_a_second_decoding(tmp_path, monkeypatch):
    video = write_video(tmp_path / "v.mp4", 41)
    expected = read_clip(video, n=6, size=32).frames
    for wrong in (1, 5, 30, 44, 999):
        monkeypatch.setattr(Survey, "count", property(lambda _, wrong=wrong: wrong))
        assert np.array_equal(read_clip(video, n=6, size=32).frames, expected), wrong


def test_start_and_end_select_frames_by_time(tmp_path):
    video = write_video(tmp_path / "v.mp4", 45)  # 10 frames a second
    assert indices(read_clip(video, n=28, size=16, start=1.0, end=1.5).frames) == [
        10,
        11,
        12,
        13,
        14,
    ]
    assert indices(read_clip(video, n=28, size=16, start=4.2).frames) == [42, 43, 44]
    assert indices(read_clip(video, n=3, size=16, end=0.9).frames) == [1, 4, 7]


def test_seeking_changes_nothing(tmp_path, monkeypatch):
    video = write_video(tmp_path / "v.mp4", 45)
    sought = read_clip(video, n=5, size=16, start=2.3, end=4.1)
    monkeypatch.setattr(decoding, "_SEEK_FROM", 1e9)
    assert np.array_equal(read_clip(video, n=5, size=16, start=2.3, end=4.1).frames, sought.frames)
    assert indices(sought.frames) == [24, 28, 32, 35, 39]


def test_a_clip_behind_the_end_is_outside(tmp_path):
    video = write_video(tmp_path / "v.mp4", 20)
    with pytest.raises(VideoProblem, match=r"outside: the video has no frame between 7 s and 9 s"):
        read_clip(video, n=4, size=16, start=7, end=9)


def test_telephone_video_stands_upright(tmp_path):
    path = tmp_path / "v.mp4"
    frame = np.zeros((32, 64, 3), np.uint8)
    frame[:, 48:] = 255  # bright on the right
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(90)  # to be shown turned counter-clockwise: the right goes up
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    shown = read_clip(path, n=1, size=64, fit="squash").frames[0].mean(axis=(1, 2))
    assert shown[:12].min() > 200
    assert shown[20:].max() < 50


def test_crop_keeps_the_centre_and_pad_and_squash_keep_all():
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, 30:70] = (200, 100, 50)  # the central square
    image[:, :10] = 255
    assert np.array_equal(
        fit_frame(image, 40, "crop"), np.broadcast_to(np.uint8([200, 100, 50]), (40, 40, 3))
    )
    padded = fit_frame(image, 50, "pad")
    assert padded.shape == (50, 50, 3)
    assert padded[:14].max() == 0
    assert padded[-14:].max() == 0
    assert padded[25, 1].tolist() == [255, 255, 255]
    assert padded[25, 25].tolist() == [200, 100, 50]
    squashed = fit_frame(image, 50, "squash")
    assert squashed[0, 1].tolist() == [255, 255, 255]
    assert squashed[49, 25].tolist() == [200, 100, 50]


def test_reduction_is_antialiased():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = fit_frame(stripes, 32, "crop")
    assert abs(small.astype(int) - 127).max() <= 6


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("empty.mp4", b"", "empty"),
        ("text.mp4", b"This is not a video.\n" * 200, "unreadable"),
        ("playlist.mp4", b"#EXTM3U\n#EXTINF:9,\nhttp://localhost:9/a.ts\n", "unreadable"),
        ("noise.avi", np.random.default_rng(0).bytes(5000), "unreadable"),
    ],
)
def test_files_that_are_no_videos_are_named(tmp_path, name, content, status):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoProblem) as caught:
        read_clip(tmp_path / name, n=4, size=16)
    assert caught.value.status == status


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(VideoProblem, match="missing: no such file"):
        read_clip(tmp_path / "none.mp4", n=4, size=16)
    with pytest.raises(VideoProblem, match="unreadable: is a "):
        read_clip(tmp_path, n=4, size=16)


def test_sound_without_a_picture_is_unreadable(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(VideoProblem, match="no video in the file"):
        read_clip(path, n=4, size=16)


@pytest.mark.parametrize(
    ("name", "options"),
    [("v.mp4", {"movflags": "faststart"}), ("v.avi", None), ("v.mkv", None)],
)
def test_a_file_cut_in_half_is_truncated_and_a_lost_tail_is_not(tmp_path, name, options):
    rng = np.random.default_rng(0)
    path = tmp_path / name
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4" if name == "v.avi" else "libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(60):
            noise = rng.integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoProblem, match=r"truncated: (holds \d+ of the 60 frames|ends after)"):
        read_clip(path, n=8, size=16)
    path.write_bytes(whole[: int(len(whole) * 0.96)])
    assert len(read_clip(path, n=8, size=16).frames) == 8


def test_an_mp4_without_its_index_is_unreadable(tmp_path):
    video = write_video(tmp_path / "v.mp4", 40)  # the index stands at the end
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoProblem, match="unreadable: not a video, or damaged"):
        read_clip(video, n=4, size=16)


def test_a_video_that_is_mostly_damaged_is_truncated(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(60):
            noise = rng.integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : len(content) * 3 // 4] = rng.bytes(
        len(content) * 3 // 4 - len(content) // 4
    )
    path.write_bytes(content)
    with pytest.raises(VideoProblem, match=r"truncated: \d+ of \d+ pieces .* cannot be decoded"):
        read_clip(path, n=8, size=16)


def test_a_long_video_is_read_with_few_frames_held(tmp_path, monkeypatch):
    video = write_video(tmp_path / "long.mp4", 2000, size=(32, 32), rate=30)
    resized = []
    monkeypatch.setattr(
        decoding, "fit_frame", lambda image, *a: resized.append(1) or fit_frame(image, *a)
    )
    clip = read_clip(video, n=28, size=16)
    assert len(clip.frames) == len(resized) == 28
    expected = [brightness(i) for i in choose_frames(2000, 28)]
    assert abs(clip.frames.mean(axis=(1, 2, 3)) - expected).max() < 3


def corners(image):
    return [tuple(np.round(image[y, x] / 128).astype(int)) for y, x in ((2, 2), (2, -3), (-3, 2))]


def marked(
    path, *, codec="libx264", pix_fmt="yuv444p", size=(64, 48), aspect=None, matrix=None, **tags
):
    """Red above left, green above right, blue below left, black below right; three frames."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2, 0] = 255
    image[: height // 2, width // 2 :, 1] = 255
    image[height // 2 :, : width // 2, 2] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "4", "preset": "ultrafast"}
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            how = {"format": pix_fmt}
            if "color_range" in tags:
                how["dst_color_range"] = tags["color_range"]
            if "colorspace" in tags:
                how["dst_colorspace"] = "ITU709" if tags["colorspace"] == 1 else "ITU601"
            container.mux(stream.encode(frame.reformat(**how)))
        container.mux(stream.encode())
    if matrix is not None:
        content = bytearray(path.read_bytes())
        place = content.index(b"tkhd") + 44
        content[place : place + 36] = struct.pack(">9i", *matrix)
        path.write_bytes(content)
    return path


ONE = 1 << 16
R, G, B, K = (2, 0, 0), (0, 2, 0), (0, 0, 2), (0, 0, 0)


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "seen"),
    [
        (1, 0, 0, 1, [R, G, B]),
        (-1, 0, 0, 1, [G, R, K]),  # mirrored
        (1, 0, 0, -1, [B, K, R]),
        (-1, 0, 0, -1, [K, B, G]),
        (0, 1, -1, 0, [B, R, K]),  # turned clockwise
        (0, -1, 1, 0, [G, K, R]),
        (0, 1, 1, 0, [R, B, G]),  # transposed
        (0, -1, -1, 0, [K, G, B]),
    ],
)
def test_display_matrices_turn_and_mirror(tmp_path, a, b, c, d, seen):
    x, y = (64 if a + c < 0 else 0), (48 if b + d < 0 else 0)
    matrix = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, x * ONE, y * ONE, 1 << 30)
    clip = read_clip(marked(tmp_path / "v.mp4", matrix=matrix), n=1, size=32, fit="squash")
    assert corners(clip.frames[0]) == seen
    assert clip.shape == ((64, 48) if a == 0 else (48, 64))
    steady = next(steady_frames(tmp_path / "v.mp4", rate=10, size=32, fit="squash"))
    assert corners(steady.image) == seen


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize(
    ("aspect", "shape"),
    [("2/1", (48, 128)), ("1/2", (48, 32)), ("16/15", (48, 68)), ("0/1", (48, 64))],
)
def test_pixels_are_square(tmp_path, suffix, aspect, shape):
    aspect = Fraction(aspect)
    codec, pix_fmt = ("mpeg4", "yuv420p") if suffix == "avi" else ("libx264", "yuv444p")
    path = marked(tmp_path / f"v.{suffix}", codec=codec, pix_fmt=pix_fmt, aspect=aspect or None)
    clip = read_clip(path, n=1, size=32, fit="pad")
    assert clip.shape == shape
    height, width = shape
    bars = clip.frames[0].max(axis=(1, 2)) < 40 if width > height else None
    if bars is not None:  # black above and below, by the proportions as shown
        assert bars[: 32 // 2].sum() == pytest.approx((32 - 32 * height / width) / 2, abs=1)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "tags"),
    [
        ("libx264", "yuv420p", {}),
        ("libx264", "yuv420p", {"color_range": 2}),
        ("libx264", "yuv420p", {"colorspace": 1}),
        ("libx264", "yuv420p10le", {}),
        ("mjpeg", "yuvj420p", {}),
        ("ffv1", "yuv422p10le", {}),
        ("ffv1", "bgr0", {}),
        ("ffv1", "yuv444p12le", {}),
    ],
)
def test_colours_come_out_whatever_depth_range_and_matrix(tmp_path, codec, pix_fmt, tags):
    width, height = (64, 48) if codec == "libx264" else (63, 47)  # odd where the codec can
    path = marked(tmp_path / "v.mkv", codec=codec, pix_fmt=pix_fmt, size=(width, height), **tags)
    clip = read_clip(path, n=1, size=32, fit="squash")
    assert clip.shape == (height, width)
    wanted = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for (y, x), colour in zip(((4, 4), (4, 27), (27, 4)), wanted, strict=True):
        assert abs(clip.frames[0, y, x].astype(int) - colour).max() <= 14


def test_transparent_video_lies_on_white(tmp_path):
    image = np.zeros((48, 64, 4), np.uint8)
    image[..., 0], image[:, :32, 3], image[:, 32:, 3] = 255, 255, 51
    with av.open(str(tmp_path / "v.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="argb")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = read_clip(tmp_path / "v.mov", n=1, size=32, fit="squash").frames[0]
    assert shown[16, 4].tolist() == [255, 0, 0]
    assert shown[16, 28].tolist() == [255, 204, 204]
