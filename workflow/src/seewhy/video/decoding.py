"""Decode a video and keep n equally spaced frames of it, whatever its header says.

A clip is cut into n intervals of equal length and the frame at the centre of each stands for it: of
N decoded frames, numbered from 0, interval k gives frame

    i_k = floor((2k + 1) N / (2n)),    k = 0 … n - 1,

and a clip of N <= n frames gives all N of them. N is counted on the frames that really come out of
the decoder. The count in the header serves only to notice a file that was cut short: that of an AVI
may be wrong and an MPEG stream has none.

One pass of decoding usually does: the packets are counted first without decoding them (a hundred
times faster), the frames of that N are kept, and if the decoder gives another number the video is
decoded again with the right one. So at most 2n resized frames are ever held.

A long video is read at a steady rate instead, by `steady_frames`, one frame at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from seewhy.errors import InputError

FITS = ("crop", "squash", "pad")

# A video is left out where more than this share of it is lost: packets that the container declares
# and the file does not hold, or that the decoder refuses. Below it, players show such files too.
MAX_LOST = 0.1

# Containers without a count of frames whose header tells the duration. (That of an MPEG stream is
# only estimated from the file itself, so a cut one looks whole: it is simply a shorter video.)
_DECLARE_DURATION = ("matroska,webm", "flv")

# An AVI has no times of presentation; those that the library makes up from the order of the packets
# go back and forth. A frame's time is then its place over the frame rate.
_UNTIMED = ("avi",)

# Containers in which a seek is exact.
_SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")

# Times closer than this, in seconds, are equal.
_INSTANT = 1e-6

# Seeking costs about as much as decoding this many seconds.
_SEEK_FROM = 2.0


class VideoProblem(InputError):
    """A video that cannot be used.

    Attributes:
        status: one word for it: ``missing`` (no such file), ``empty`` (0 bytes, or not one frame in
            it), ``unreadable`` (not a video, or damaged beyond opening), ``truncated`` (over a
            tenth of the frames are missing at the end or cannot be decoded), ``outside`` (the
            clip's start and end lie outside of the video).
        reason: what was found.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status, self.reason = status, reason


class Clip(NamedTuple):
    """What `read_clip` gives."""

    frames: np.ndarray
    lost: int
    count: int
    shape: tuple[int, int]


def choose_frames(count: int, n: int) -> np.ndarray:
    """Indices of the frames at the centres of n equal intervals of a clip.

    Args:
        count: frames in the clip, N.
        n: frames wanted.

    Returns:
        int64 ``[min(N, n)]``, strictly increasing: ``floor((2k + 1) N / 2n)``, or all N if N <= n.
    """
    if count <= n:
        return np.arange(count)
    return (2 * np.arange(n) + 1) * count // (2 * n)


def fit_frame(image: np.ndarray, size: int, fit: str) -> np.ndarray:
    """Bring one frame to a square, antialiased (bilinear, with the support of the reduction).

    Args:
        image: uint8 ``[height, width, 3]``.
        size: side of the square in pixels.
        fit: ``crop`` scales the shorter side to `size` and keeps the centre; ``squash`` keeps the
            whole frame and not its proportions; ``pad`` keeps both and adds black bars.

    Returns:
        uint8 ``[size, size, 3]``.
    """
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return np.ascontiguousarray(image)
    source = Image.fromarray(image)
    if fit == "squash":
        return np.asarray(source.resize((size, size), Image.Resampling.BILINEAR))
    if fit == "crop":
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return np.asarray(source.resize((size, size), Image.Resampling.BILINEAR, box=box))
    scale = size / max(height, width)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((size, size, 3), np.uint8)
    top, left = (size - inner_h) // 2, (size - inner_w) // 2
    inner = source.resize((inner_w, inner_h), Image.Resampling.BILINEAR)
    square[top : top + inner_h, left : left + inner_w] = np.asarray(inner)
    return square


def read_clip(
    path: str | Path,
    *,
    n: int,
    size: int,
    fit: str = "crop",
    start: float | None = None,
    end: float | None = None,
) -> Clip:
    """Decode a clip and keep n equally spaced frames of it (see the module's rule).

    Args:
        path: the video file.
        n: frames to keep.
        size: side of the square frames in pixels.
        fit: how a frame becomes square, see `fit_frame`.
        start, end: seconds from the start of the video; the clip is its frames at times
            ``start <= t < end``. None: the video's start, its end.

    Returns:
        `frames` uint8 ``[min(N, n), size, size, 3]`` (RGB, upright); `lost`, the number of packets
        that could not be decoded and of frames that the decoder had to patch; `count`, N; and
        `shape`, height and width of the video, upright.

    Raises:
        VideoProblem: the file is missing, empty, not a video or cut short, or the clip lies outside
            of it.
    """
    path = Path(path)
    begin = start or 0.0
    expected = _count_packets(path, begin, end)
    seek = begin >= _SEEK_FROM
    for _ in range(3):
        wanted = set(choose_frames(expected, n).tolist())
        shape: list[tuple[int, int]] = []

        def keep(image: np.ndarray, shape: list = shape) -> np.ndarray:
            shape.append(image.shape[:2])
            return fit_frame(image, size, fit)

        kept, count, lost, late = _decode(path, wanted, keep, begin, end, seek)
        if seek and late:  # it cannot be sought in, or the seek landed behind the start
            seek = False
            continue
        if lost > MAX_LOST * (count + lost):
            raise VideoProblem(
                "truncated", f"{lost} of {count + lost} pieces of the video cannot be decoded"
            )
        indices = choose_frames(count, n)
        if count and wanted.issuperset(indices.tolist()):
            frames = np.stack([kept[index] for index in indices.tolist()])
            return Clip(frames, lost, count, shape[0])
        if not count:
            break
        expected = count
    if count:
        raise VideoProblem("unreadable", "two decodings of it give different numbers of frames")
    if start is not None or end is not None:
        until = "its end" if end is None else f"{end:g} s"
        raise VideoProblem("outside", f"the video has no frame between {begin:g} s and {until}")
    raise VideoProblem("empty", "not one frame can be decoded")


class SteadyFrame(NamedTuple):
    """A frame of a video that is read at a steady rate.

    Attributes:
        image: uint8 ``[size, size, 3]``, RGB, upright.
        time: when it came on screen, seconds from the start of the clip.
        fps: frames a second of the video, by its header.
    """

    image: np.ndarray
    time: float
    fps: float


def steady_frames(
    path: str | Path,
    *,
    rate: float,
    size: int,
    fit: str = "crop",
    start: float | None = None,
    end: float | None = None,
) -> Iterator[SteadyFrame]:
    """Read a clip at a steady rate: frame k is the one on screen at ``(k + 1/2) / rate`` seconds.

    So frame k stands for the time from k / rate to (k + 1) / rate, whatever the video's own rate;
    a slower video gives some of its frames several times. The last frame is on screen for as long
    as the one before it was. Nothing is held but one frame.

    Args:
        path: the video file.
        rate: frames a second.
        size: side of the square frames in pixels.
        fit: how a frame becomes square, see `fit_frame`.
        start, end: seconds from the start of the video, as in `read_clip`.

    Yields:
        The frames, in order.

    Raises:
        VideoProblem: as `read_clip`; where too much cannot be decoded, after the last frame, so
            that what was yielded is to be thrown away.
    """
    path, begin = Path(path), start or 0.0
    _count_packets(path, begin, end)
    given, count, seen, lost = 0, 0, 0, 0
    held: tuple[av.VideoFrame, float] | None = None
    step = 0.0
    to_rgb = VideoReformatter()
    with _open(path) as (container, stream):
        clock = _clock(container, stream)
        fps = float(stream.average_rate or stream.guessed_rate or 25)

        def until(time: float) -> Iterator[SteadyFrame]:
            nonlocal given
            image = None
            while (given + 0.5) / rate < time - _INSTANT:
                if image is None:
                    image = fit_frame(_upright(held[0], to_rgb), size, fit)
                yield SteadyFrame(image, held[1], fps)
                given += 1

        for frame in _decoded(container, stream):
            if frame is None:
                lost += 1
                continue
            time = clock(frame.pts, seen) - begin
            seen += 1
            if end is not None and time >= end - begin:
                break
            if time < 0:
                continue
            lost += frame.is_corrupt
            count += 1
            if held is not None:
                step = time - held[1]
                yield from until(time)
            held = frame, time
        if held is not None:
            yield from until(held[1] + (step if step > 0 else 1 / fps))
    if lost > MAX_LOST * (count + lost):
        raise VideoProblem(
            "truncated", f"{lost} of {count + lost} pieces of the video cannot be decoded"
        )
    if not given:
        status = "empty" if start is None and end is None else "outside"
        raise VideoProblem(status, f"not one frame at {rate:g} a second")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    if not path.exists():
        raise VideoProblem("missing", "no such file")
    if not path.is_file():
        raise VideoProblem("unreadable", "not a file")
    if path.stat().st_size == 0:
        raise VideoProblem("empty", "the file has 0 bytes")
    try:
        # Only local files: a playlist named .mp4 must not send us to the network.
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.FFmpegError, ValueError, OSError) as error:
        raise VideoProblem("unreadable", f"not a video, or damaged ({_words(error)})") from error
    with container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise VideoProblem("unreadable", "no video in the file")
        stream = streams[0]
        # Clips are decoded side by side, so each gets one thread.
        stream.codec_context.thread_count = 1
        yield container, stream


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether the stream is a still picture that belongs to a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _clock(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Callable[[int | None, int], float]:
    """Seconds from the video's start of a frame, by its time stamp or else its number."""
    origin, base = stream.start_time or 0, stream.time_base
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    timed = base is not None and container.format.name not in _UNTIMED

    def clock(stamp: int | None, number: int) -> float:
        if timed and stamp is not None:
            return float((stamp - origin) * base)
        return number / rate

    return clock


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _count_packets(path: Path, begin: float, end: float | None) -> int:
    """Packets shown at ``begin <= t < end``; raises `VideoProblem` for a file cut short."""
    with _open(path) as (container, stream):
        clock = _clock(container, stream)
        duration = container.duration if container.format.name in _DECLARE_DURATION else None
        whole, seen, inside, last = 0, 0, 0, 0.0
        with contextlib.suppress(av.FFmpegError):  # the end of a cut file; the counts below tell
            for packet in container.demux():
                if packet.size == 0:
                    continue
                if duration and packet.pts is not None:
                    last = max(last, float(packet.pts * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                whole += not packet.is_corrupt
                if packet.is_discard:
                    continue
                time = clock(packet.pts, seen)
                seen += 1
                inside += begin <= time and (end is None or time < end)
        declared = stream.frames
    if whole == 0:
        raise VideoProblem("empty", "no picture in the file")
    if declared and whole < (1 - MAX_LOST) * declared:
        raise VideoProblem("truncated", f"holds {whole} of the {declared} frames it declares")
    if duration and last < (1 - MAX_LOST) * duration / av.time_base:
        raise VideoProblem(
            "truncated", f"ends after {last:.1f} of the {duration / av.time_base:.1f} s it declares"
        )
    return inside


def _decode(
    path: Path,
    wanted: set[int],
    keep: Callable[[np.ndarray], np.ndarray],
    begin: float,
    end: float | None,
    seek: bool,
) -> tuple[dict[int, np.ndarray], int, int, bool]:
    """Decode the clip once.

    Returns:
        what `keep` made of the frames `wanted` (by index within the clip), the frames counted, the
        packets lost, and whether the first frame seen came after `begin` (the seek failed or went
        too far).
    """
    kept: dict[int, np.ndarray] = {}
    count, lost, seen = 0, 0, 0
    late = False
    to_rgb = VideoReformatter()
    with _open(path) as (container, stream):
        clock = _clock(container, stream)
        if seek:
            if container.format.name not in _SEEKABLE:
                return kept, 0, 0, True
            try:
                place = (stream.start_time or 0) + int(begin / stream.time_base)
                container.seek(place, stream=stream)
            except av.FFmpegError:
                return kept, 0, 0, True
        for frame in _decoded(container, stream):
            if frame is None:
                lost += 1
                continue
            time = clock(frame.pts, seen)
            if seen == 0:
                late = frame.pts is None or time > begin
            seen += 1
            if end is not None and time >= end:
                return kept, count, lost, late
            if time < begin:
                continue
            lost += frame.is_corrupt
            if count in wanted:
                kept[count] = keep(_upright(frame, to_rgb))
            count += 1
    return kept, count, lost, late


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame | None]:
    """Frames in the order in which they are shown; None for each packet that is lost."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            yield None
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            # A decoder that is being emptied at the end may complain once more; nothing is lost.
            if packet.size > 0:
                yield None
            continue
        yield from frames


def _upright(frame: av.VideoFrame, to_rgb: VideoReformatter) -> np.ndarray:
    """RGB ``[height, width, 3]``, turned as the camera's orientation flag asks (telephones).

    One reformatter for all frames of a video and one thread in it: set up anew for each frame, as
    ``frame.to_ndarray(format="rgb24")`` does, it costs ten times the decoding of a small frame.
    """
    image = to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
