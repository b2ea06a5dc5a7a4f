"""Decode a video and keep n equally spaced frames of it, whatever its header says.

A clip is cut into n intervals of equal length and the frame at the centre of each stands for it: of
N decoded frames, numbered from 0, interval k gives frame

    i_k = floor((2k + 1) N / (2n)),    k = 0 … n - 1,

and a clip of N <= n frames gives all N of them. N is counted on the frames that really come out of
the decoder. The count in the header serves only to notice a file that was cut short: that of an AVI
may be wrong and an MPEG stream has none.

One pass of decoding usually does: the packets are counted first without decoding them (a hundred
times faster, `seewhy.video.timeline`, which also finds what is missing), the frames of that N are
kept, and if the decoder gives another number the video is decoded again with the right one. So at
most 2n resized frames are ever held.

A long video is read at a steady rate instead, by `steady_frames`, one frame at a time.

Frames are as a player shows them: turned and mirrored by the display matrix, in square pixels (the
width is multiplied by the sample aspect ratio, so a 720 x 576 video of 16:9 is 1024 x 576), RGB of
8 bits from whatever depth, range and matrix the video is tagged with (BT.601 where it is not),
transparent pixels on white. Interlaced frames keep their lines as they are stored. A picture, still
or moving (GIF, WebP, APNG), stands for a video too; `seewhy.pictures` reads it.
"""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from seewhy.pictures import GROUND, PictureProblem, is_picture, read_animation
from seewhy.video.opening import MAX_LOST, VideoProblem, open_video
from seewhy.video.timeline import Survey, survey_video

FITS = ("crop", "squash", "pad")

# Times closer than this, in seconds, are equal.
_INSTANT = 1e-6

# Seeking costs about as much as decoding this many seconds.
_SEEK_FROM = 2.0

# Sample aspect ratios beyond are mistakes of a header.
_WIDEST = 8


class Clip(NamedTuple):
    """What `read_clip` gives; `remark` says what is lost, nothing if nothing is."""

    frames: np.ndarray
    lost: int
    count: int
    shape: tuple[int, int]
    remark: str = ""


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
        start, end: seconds from the first frame of the video, whatever its time stamp; the clip is
            the frames at times ``start <= t < end``. None: the video's start, its end.

    Returns:
        `frames` uint8 ``[min(N, n), size, size, 3]`` (RGB, upright); `lost`, the number of packets
        that could not be decoded, of frames that the decoder had to patch and of those that are
        missing; `count`, N; `shape`, height and width of the video as it is shown; and `remark`.

    Raises:
        VideoProblem: the file is missing, empty, not a video or not whole, or the clip lies outside
            of it.
    """
    path = Path(path)
    begin = start or 0.0
    if is_picture(path):
        clip = _read_moving_picture(path, n, size, fit, begin, end)
    else:
        clip = _read_video(path, n, size, fit, begin, end)
    if clip is not None:
        return clip
    if start is not None or end is not None:
        until = "its end" if end is None else f"{end:g} s"
        raise VideoProblem("outside", f"the video has no frame between {begin:g} s and {until}")
    raise VideoProblem("empty", "not one frame can be decoded")


def _read_video(
    path: Path, n: int, size: int, fit: str, begin: float, end: float | None
) -> Clip | None:
    """`read_clip` of a video; None: it has no frame there."""
    survey = survey_video(path, begin, end)
    expected, seek = survey.count, survey.seekable and begin >= _SEEK_FROM
    for _ in range(3):
        wanted = set(choose_frames(expected, n).tolist())
        shape: list[tuple[int, int]] = []

        def keep(image: np.ndarray, shape: list = shape) -> np.ndarray:
            shape.append(image.shape[:2])
            return fit_frame(image, size, fit)

        kept, times, lost, late = _decode(path, survey, wanted, keep, begin, end, seek)
        count = len(times)
        if seek and late:  # it cannot be sought in, or the seek landed behind the start
            seek = False
            continue
        lost.swallowed = survey.not_shown(times)
        remark = _loss(survey, count, lost.total)
        indices = choose_frames(count, n)
        if count and wanted.issuperset(indices.tolist()):
            frames = np.stack([kept[index] for index in indices.tolist()])
            return Clip(frames, lost.total + survey.missing, count, shape[0], remark)
        if not count:
            return None
        expected = count
    raise VideoProblem("unreadable", "two decodings of it give different numbers of frames")


def _read_moving_picture(
    path: Path, n: int, size: int, fit: str, begin: float, end: float | None
) -> Clip | None:
    """`read_clip` of a picture, still or moving."""

    def frames() -> Iterator[np.ndarray]:
        for one in read_animation(path):
            if one.start >= begin and (end is None or one.start < end):
                yield one.image

    try:
        count = sum(1 for _ in frames())
        indices = set(choose_frames(count, n).tolist())
        kept, shape = [], (0, 0)
        for number, image in enumerate(frames()):
            if number in indices:
                kept.append(fit_frame(image, size, fit))
                shape = image.shape[:2]
    except PictureProblem as problem:
        raise VideoProblem(problem.status, problem.reason) from None
    return Clip(np.stack(kept), 0, count, shape) if kept else None


@dataclass
class _Lost:
    """What a decoder does not give: packets that it refuses, frames of which it patches a part, and
    packets from which no frame comes.
    """

    refused: int = 0
    patched: int = 0
    swallowed: int = 0

    @property
    def total(self) -> int:
        """Frames lost; no frame comes from a refused packet either."""
        return max(self.refused, self.swallowed) + self.patched


def _loss(survey: Survey, count: int, lost: int) -> str:
    """Say what is lost of a clip.

    Raises:
        VideoProblem: it is too much.
    """
    pieces = f"{lost} of {count + lost} pieces of the video cannot be decoded"
    if lost and not count:
        raise VideoProblem("unreadable", pieces)
    said = [survey.remark] if survey.missing else []
    said += [pieces if not said else f"{lost} pieces cannot be decoded"] if lost else []
    if lost + survey.missing > MAX_LOST * (count + lost + survey.missing):
        raise VideoProblem("truncated", "; ".join(said))
    if lost and not survey.missing:
        said = [f"{lost} pieces could not be decoded"]
    return "; ".join(said)


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
    if is_picture(path):
        shown = _steady_pictures(path, 1 / rate)
        survey = None
    else:
        survey = survey_video(path, begin, end)
        shown = _steady_video(path, survey)
    given = 0
    held: _Shown | None = None
    step = 0.0

    def until(time: float) -> Iterator[SteadyFrame]:
        nonlocal given
        image = None
        while (given + 0.5) / rate < time - _INSTANT:
            if image is None:
                image = fit_frame(held.image(), size, fit)
            yield SteadyFrame(image, held.time - begin, held.fps)
            given += 1

    times, lost = array("d"), _Lost()
    for frame in shown:
        if frame is None:
            lost.refused += 1
            continue
        if end is not None and frame.time >= end:
            break
        if frame.time < begin:
            continue
        lost.patched += frame.patched
        times.append(frame.time)
        if held is not None:
            step = frame.time - held.time
            yield from until(frame.time - begin)
        held = frame
    if held is not None:
        length = held.length or (step if step > 0 else 1 / held.fps)
        yield from until(held.time - begin + length)
    if survey is not None:
        lost.swallowed = survey.not_shown(times)
        _loss(survey, len(times), lost.total)
    if not given:
        status = "empty" if start is None and end is None else "outside"
        raise VideoProblem(status, f"not one frame at {rate:g} a second")


class _Shown(NamedTuple):
    """A frame on screen: a function that makes its picture, when it comes and, where that is known,
    for how long, the video's rate, and whether the decoder had to patch it.
    """

    image: Callable[[], np.ndarray]
    time: float
    length: float
    fps: float
    patched: bool


def _steady_video(path: Path, survey: Survey) -> Iterator[_Shown | None]:
    with open_video(path) as (container, stream):
        clock, screen = survey.clock(), _Screen(stream)
        fps = float(stream.average_rate or stream.guessed_rate or 25)
        for frame in _decoded(container, stream):
            if frame is None:
                yield None
            else:
                image = functools.partial(screen.show, frame)
                yield _Shown(image, clock(frame.pts), 0.0, fps, frame.is_corrupt)


def _steady_pictures(path: Path, still: float) -> Iterator[_Shown]:
    try:
        for one in read_animation(path):
            length = one.end - one.start or still
            yield _Shown(lambda image=one.image: image, one.start, length, 1 / length, False)
    except PictureProblem as problem:
        raise VideoProblem(problem.status, problem.reason) from None


def _decode(
    path: Path,
    survey: Survey,
    wanted: set[int],
    keep: Callable[[np.ndarray], np.ndarray],
    begin: float,
    end: float | None,
    seek: bool,
) -> tuple[dict[int, np.ndarray], array, _Lost, bool]:
    """Decode the clip once.

    Returns:
        what `keep` made of the frames `wanted` (by index within the clip), the times of all, what
        was lost, and whether the first frame seen came after `begin` (the seek failed or went
        too far).
    """
    kept: dict[int, np.ndarray] = {}
    times, lost = array("d"), _Lost()
    first = late = False
    with open_video(path) as (container, stream):
        clock, screen = survey.clock(), _Screen(stream)
        if seek:
            try:
                place = math.floor(survey.origin) + int(begin / stream.time_base)
                container.seek(place, stream=stream)
            except av.FFmpegError:
                return kept, times, lost, True
        for frame in _decoded(container, stream):
            if frame is None:
                lost.refused += 1
                continue
            time = clock(frame.pts)
            if not first:
                first, late = True, frame.pts is None or time > begin
            if end is not None and time >= end:
                return kept, times, lost, late
            if time < begin:
                continue
            lost.patched += frame.is_corrupt
            if len(times) in wanted:
                kept[len(times)] = keep(screen.show(frame))
            times.append(time)
    return kept, times, lost, late


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
        except IndexError:  # see `seewhy.video.opening.ENDS`: nothing is lost
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


class _Screen:
    """Shows the frames of a video as a player does.

    One converter for all frames of a video and one thread in it: set up anew for each frame, as
    ``frame.to_ndarray(format="rgb24")`` does, it costs ten times the decoding of a small frame.

    Args:
        stream: of the frames; its sample aspect ratio, where it has one that makes sense.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        self._aspect = aspect if 1 / _WIDEST <= aspect <= _WIDEST else Fraction(1)
        self._converter = VideoReformatter()

    def show(self, frame: av.VideoFrame) -> np.ndarray:
        """RGB ``[height, width, 3]``."""
        seen_through = any(part.is_alpha for part in frame.format.components)
        image = self._converter.reformat(
            frame,
            width=max(1, round(frame.width * self._aspect)),
            format="rgba" if seen_through else "rgb24",
            threads=1,
        ).to_ndarray()
        if seen_through:
            share = image[..., 3:].astype(np.uint16)
            mixed = image[..., :3] * share + np.uint16(GROUND) * (255 - share)
            image = ((mixed + 127) // 255).astype(np.uint8)
        return _turned(image, frame)


def _turned(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror a picture as the display matrix asks (telephones, mirrored cameras).

    The matrix takes a pixel (x, y) to (a x + c y, b x + d y).
    """
    matrix = next((one for one in frame.side_data if one.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a * d) < abs(b * c):
        image, a, d = image.swapaxes(0, 1), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)
