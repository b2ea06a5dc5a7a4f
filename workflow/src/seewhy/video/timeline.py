"""When each frame of a video is shown, and how many are missing; found without decoding.

**The clock.** Times count from the first frame that is shown, in seconds, whatever its stamp: a
stream may start at 10 hours or before 0, and its first frames may have no stamp at all. Where the
stamps go back (recordings put one behind the other, a counter that ran over) or, in an MPEG stream,
leap by more than ten minutes, the next frame follows the last one and the clock goes on from there.

**What is missing.** A file that was cut has fewer frames than its index declares, or ends before
its header says. A hole in the middle shows as a gap between stamps. But so does a still picture in
a screen recording, and a variable frame rate is no fault. So a gap counts as a hole where something
else tells that frames are gone:

- the container says how long each frame is shown (MP4), and the next one comes later;
- bytes: between the two frames lie bytes that belong to no packet, or the file is shorter than its
  header says, as much as frames would have taken at least in part;
- the sound stops as well (where it goes on, the picture stood still);
- the numbers of an MPEG transport stream's packets do not follow each other;
- the codec or the container knows no variable rate: MPEG-1 and MPEG-2 video and Theora; other
  codecs in an MPEG program stream, if all other frames come regularly.

An index that holds more frames than are shown because an edit list trims the video (MP4) is whole:
the frames are counted without that list.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from seewhy.video.headers import Declared, end_of_page, read_header
from seewhy.video.opening import ENDS, MAX_LOST, VideoProblem, open_video

Array = np.ndarray

_NONE = np.iinfo(np.int64).min

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MATROSKA = "matroska,webm"
_MPEG = ("mpeg", "mpegts")
# Containers without a count of frames whose header tells the duration. (That of an MPEG stream is
# only estimated from the file itself.)
_DECLARE_DURATION = (MATROSKA, "flv", "asf", "mxf")
# An AVI has no times of presentation; those that the library makes up from the order of the packets
# go back and forth.
_UNTIMED = ("avi",)
# Codecs that know no variable rate.
_FIXED_RATE = ("mpeg1video", "mpeg2video")
# A gap is this many times the usual interval, at least.
_GAP = 2.5
# Stamps that go back by less, in intervals of frames, are jitter.
_JITTER = 4
# Stamps of an MPEG stream that leap by more are another clock, seconds.
_LEAP = 600
# What a container writes around a packet, and its index for it, at most, bytes.
_OVERHEAD = 32
# Packets on either side of a gap that tell about it: an order of decoding differs by fewer.
_NEAR = 8
# So many frames, or such a share, may lack at the end by a header without anything being lost.
_FEW, _FEW_SHARE = 3, 0.01
# Of the bytes that a gap's frames would have taken, how many must be there without a packet.
_EVIDENCE = 0.2


class Clock:
    """Seconds from the video's start of each frame, in the order in which they are shown.

    Args:
        base: of the stamps, seconds; None: stamps mean nothing.
        origin: the stamp of the video's start.
        step: usual time between frames.
        breaks: whether the stamps of this video go back or leap somewhere.
        order: times of the frames in order, where stamps mean nothing.
    """

    def __init__(
        self,
        *,
        base: Fraction | None,
        origin: Fraction = Fraction(0),
        step: Fraction,
        breaks: bool = False,
        order: Array | None = None,
    ) -> None:
        self._base, self._origin, self._step, self._breaks = base, origin, step, breaks
        self._order, self._seen = order, 0
        self._last: Fraction | None = None

    def __call__(self, stamp: int | None) -> float:
        """The time of the next frame."""
        number, self._seen = self._seen, self._seen + 1
        if self._base is None:
            if self._order is not None and number < len(self._order):
                return float(self._order[number])
            return float(number * self._step)
        due = Fraction(0) if self._last is None else self._last + self._step
        if stamp is None:
            time = due
        else:
            time = (stamp - self._origin) * self._base
            if self._last is not None:
                back = self._last - time
                if self._breaks and (back > _JITTER * self._step or -back > _LEAP):
                    self._origin += (time - due) / self._base
                    time = due
                elif back > 0:
                    time = self._last
        self._last = time
        return float(time)


@dataclass(frozen=True)
class Survey:
    """What the packets of a video tell.

    Attributes:
        times: of the clip's frames, seconds, sorted.
        missing: frames that the clip should have besides.
        remark: where they are missing; empty: none are.
        seekable: whether a seek finds the clip's start.
        origin: stamp of the video's start.
    """

    times: Array
    missing: int
    remark: str
    seekable: bool
    origin: Fraction
    _clock: dict = field(repr=False)

    @property
    def count(self) -> int:
        """Frames of the clip."""
        return len(self.times)

    def clock(self) -> Clock:
        """A clock for one decoding from the start, or from a place that was sought."""
        return Clock(**self._clock)

    def not_shown(self, times: Sequence[float]) -> int:
        """How many frames of the clip did not come out of the decoder, which gave some at `times`.

        After damage a decoder may swallow frames without a complaint until it finds its way again.
        Two packets may make one frame (fields), so a frame nearby will do.
        """
        if len(self.times) < 2 or not len(times):
            return 0
        near = 1.5 * float(np.median(np.diff(self.times))) + 1e-6
        shown = np.sort(times)
        place = np.searchsorted(shown, self.times).clip(1, max(1, len(shown) - 1))
        left, right = shown[place - 1], shown[np.minimum(place, len(shown) - 1)]
        apart = np.minimum(abs(self.times - left), abs(self.times - right))
        return int((apart > near).sum())


def survey_video(path: Path, begin: float = 0.0, end: float | None = None) -> Survey:
    """Look at all packets of a video.

    Args:
        path: the file.
        begin, end: of the clip, seconds from the video's start; None: the video's end.

    Raises:
        VideoProblem: it cannot be opened, or too much of it, or of the clip, is missing.
    """
    with open_video(path) as (container, stream):
        packets = _Packets.read(container, stream)
        if not packets.whole or not packets.shown.any():
            raise VideoProblem("empty", "no picture in the file")
        kind, base = container.format.name, stream.time_base
        step = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        codec, declared = stream.codec_context.name, stream.frames
        duration = (container.duration or 0) / av.time_base if kind in _DECLARE_DURATION else None
    whole = packets.whole
    if kind == MOV and whole < declared:
        whole = _count_unedited(path)
    if kind in _UNTIMED and base == step:  # a frame that repeats the one before it is left out
        whole = max(whole, int(packets.order.max()) + 1)
    if declared and whole < (1 - MAX_LOST) * declared:
        raise VideoProblem("truncated", f"holds {whole} of the {declared} frames it declares")
    header = read_header(path, kind)
    if kind == "asf":
        duration = header.duration
    holes = []
    if declared - whole > max(_FEW, _FEW_SHARE * declared):
        holes.append(_Hole(np.nan, np.nan, declared - whole))
    limit = np.inf if end is None else end
    if base is None or kind in _UNTIMED:
        order = None if base is None else packets.decoding_times(base)
        times = np.arange(packets.shown.sum()) * float(step) if order is None else order
        inside = (times >= begin) & (times < limit)
        clock = {"base": None, "step": step, "order": order}
        found = _count_missing(holes, begin, limit, int(inside.sum()))
        return Survey(times[inside], *found, False, Fraction(0), clock)
    line = _Timeline.of(packets, base, step, may_leap=kind in _MPEG)
    inside = (line.times >= begin) & (line.times < limit)
    times = np.sort(line.times[inside & packets.shown])
    if duration:
        holes += _early_end(packets, duration, step, header, zero=float(line.origin * base))
    holes += [
        *_inner_holes(packets, line, header, base=base, kind=kind, codec=codec, path=path),
        *_outer_holes(packets, line, header, base=base, kind=kind, path=path),
    ]
    missing, remark = _count_missing(holes, begin, limit, len(times))
    clock = {"base": base, "origin": line.origin, "step": step, "breaks": line.breaks}
    seekable = kind in (MOV, MATROSKA) and not line.breaks and line.stamped
    return Survey(times, missing, remark, seekable, line.origin, clock)


def _count_unedited(path: Path) -> int:
    """Whole packets of an MP4, those too that its edit list does not show."""
    whole = 0
    with (
        open_video(path, ignore_editlist="1") as (container, stream),
        contextlib.suppress(*ENDS),
    ):
        for packet in container.demux(stream):
            whole += packet.size > 0 and not packet.is_corrupt
    return whole


@dataclass
class _Packets:
    """Packets of the video in the order of the file, `_NONE` for what is not given.

    The stamps of showing and of decoding (`order`), the duration, the place and size in bytes,
    whether it is shown, and whether the container says that something lacks (`broken`). `all_*` are
    of every stream. `sound` are the times of the first sound and `last` is the last of all times,
    in seconds of the file's own clock. `whole` counts undamaged packets of the video.
    """

    stamp: Array
    order: Array
    duration: Array
    place: Array
    size: Array
    shown: Array
    broken: Array
    all_place: Array
    all_size: Array
    sound: Array
    whole: int
    last: float

    @classmethod
    def read(cls, container: av.container.InputContainer, stream: av.VideoStream) -> _Packets:
        own, every, sound = array("q"), array("q"), array("d")  # hours have millions of packets
        behind: dict[int, int] = {}
        whole, last = 0, 0.0
        heard = next((one.index for one in container.streams.audio), None)
        with contextlib.suppress(*ENDS):  # the end of a cut file; the counts tell
            for packet in container.demux():
                if packet.size == 0:
                    continue
                stamp, index = packet.pts, packet.stream_index
                place = packet.pos  # not given where a frame follows another one in a packet
                if place is None or place < 0:
                    place = behind.get(index, _NONE)
                if place != _NONE:
                    behind[index] = place + packet.size
                every.extend((place, packet.size))
                if stamp is not None:
                    time = float(stamp * packet.time_base)
                    last = max(last, time)
                    if index == heard:
                        sound.append(time)
                if index == stream.index:
                    whole += not packet.is_corrupt
                    row = (stamp, packet.dts, packet.duration, place, packet.size)
                    own.extend(_NONE if value is None else value for value in row)
                    own.extend((not packet.is_discard, packet.is_corrupt))
        *columns, shown, broken = np.array(own, np.int64).reshape(-1, 7).T
        flags = shown.astype(bool), broken.astype(bool)
        places = np.array(every, np.int64).reshape(-1, 2).T
        return cls(*columns, *flags, *places, np.sort(sound), whole, last)

    def decoding_times(self, base: Fraction) -> Array | None:
        """Times of the frames by the order of decoding alone, seconds from the first."""
        order = np.sort(self.order[self.shown])
        if len(order) and order[0] == _NONE:
            return None
        return (order - order[0]) * base.numerator / base.denominator

    def loose_bytes(self, low: int, high: int) -> int:
        """Bytes of the file from `low` to before `high` that belong to no packet and are more than
        what a container writes around packets.
        """
        inside = (self.all_place >= low) & (self.all_place < high)
        taken = int(self.all_size[inside].sum()) + _OVERHEAD * int(inside.sum())
        return max(0, high - low - taken)


@dataclass
class _Timeline:
    """Times of the packets, seconds from the start, in the order of the file; the part of the clock
    to which each belongs; and what a `Clock` must know.
    """

    times: Array
    part: Array
    origin: Fraction
    breaks: bool
    stamped: bool

    @classmethod
    def of(cls, packets: _Packets, base: Fraction, step: Fraction, *, may_leap: bool) -> _Timeline:
        stamp = packets.stamp
        part = _parts(packets.order, stamp, float(base), float(step), may_leap=may_leap)
        times = np.zeros(len(stamp))
        origin, due = None, Fraction(0)
        for number in range(part[-1] + 1):
            rows = np.flatnonzero(part == number)
            visible = rows[packets.shown[rows]]
            visible = visible[stamp[visible] != _NONE]
            if not len(visible):
                times[rows] = float(due) + np.arange(len(rows)) * float(step)
                due += len(rows) * step
                continue
            there = rows[stamp[rows] != _NONE]
            early = int((stamp[rows[: visible[0] - rows[0]]] == _NONE).sum())
            start = int(stamp[visible].min()) - (due + early * step) / base
            origin = start if origin is None else origin
            places = stamp[there] * start.denominator - start.numerator
            times[there] = places * base.numerator / (start.denominator * base.denominator)
            times[rows[:early]] = float(due) + np.arange(early) * float(step)
            unknown = rows[early:][stamp[rows[early:]] == _NONE]
            for row in unknown:
                times[row] = times[row - 1] + float(step)
            due = (int(stamp[there].max()) - start) * base + step
            if len(unknown) and unknown[-1] == rows[-1]:
                due += int((unknown > there[-1]).sum()) * step
        stamped = bool((stamp != _NONE).all())
        return cls(times, part, origin or Fraction(0), bool(part[-1]), stamped)


def _parts(order: Array, stamp: Array, base: float, step: float, *, may_leap: bool) -> Array:
    """Number of the stretch of one clock to which each packet belongs, by the stamps of decoding,
    which only grow within one.
    """
    part = np.zeros(len(order), np.int64)
    known = np.flatnonzero(order != _NONE)
    change = np.diff(order[known]) * base
    for row in known[1:][(change < -_JITTER * step) | (may_leap & (change > _LEAP))]:
        first = row  # the stamps of decoding may follow a packet late, where they are made up
        while (
            first > 1
            and stamp[first - 1] != _NONE != order[first - 1]
            and abs(stamp[first - 1] - order[row]) < abs(stamp[first - 1] - order[first - 1])
        ):
            first -= 1
        part[first] = 1
    return np.cumsum(part)


@dataclass(frozen=True)
class _Hole:
    """Where frames are missing, in seconds, and about how many."""

    start: float
    end: float
    frames: float


def _inner_holes(
    packets: _Packets,
    line: _Timeline,
    header: Declared,
    *,
    base: Fraction,
    kind: str,
    codec: str,
    path: Path,
) -> list[_Hole]:
    """Gaps between frames in which some are missing (see the module)."""
    holes = []
    sound = packets.sound - float(line.origin * base)
    for number in range(line.part[-1] + 1):
        rows = np.flatnonzero((line.part == number) & packets.shown)
        rows = rows[np.argsort(line.times[rows], kind="stable")]
        times = line.times[rows]
        steps = np.diff(times)
        usual = float(np.median(steps)) if len(steps) > 1 else 0.0
        if usual <= 0:
            continue
        if kind == MOV:
            holes += _late_frames(packets, line, np.flatnonzero(line.part == number), usual, base)
            continue
        wide = steps > _GAP * usual
        if not wide.any():
            continue
        regular = np.mean(np.abs(steps[~wide] - usual) < 0.5 * usual) > 0.9
        fixed = codec == "theora" or (kind in _MPEG and codec in _FIXED_RATE)
        fixed |= kind == "mpeg" and regular
        rate = packets.size[rows].sum() / max(float(steps[~wide].sum()), usual)
        for gap in np.flatnonzero(wide).tolist():
            low, high = float(times[gap]), float(times[gap + 1])
            before, after = rows[: gap + 1][-_NEAR:], rows[gap + 1 :][:_NEAR]
            if kind == "asf":  # a packet's place is that of a block of many
                lost, length = _lost_bytes(packets, header), float(steps[wide].sum())
            else:
                lost, length = _bytes_between(packets, before, after, path, kind), high - low
                lost += header.gone
            told = lost > max(512, _EVIDENCE * rate * length)
            told |= kind == "mpegts" and packets.broken[np.r_[before, after]].any()
            if fixed or told or (not line.breaks and _silent(sound, low, high)):
                holes.append(_Hole(low, high, round((high - low) / usual) - 1))
    return holes


def _late_frames(
    packets: _Packets, line: _Timeline, rows: Array, usual: float, base: Fraction
) -> list[_Hole]:
    """Frames that do not come when the one before them is over, though it says how long it is."""
    order, duration = packets.order[rows], packets.duration[rows]
    if (order == _NONE).any() or (duration <= 0).any():
        return []
    late = (np.diff(order) - duration[:-1]) * float(base)
    return [
        _Hole(float(line.times[rows[row]]), float(line.times[rows[row]] + late[row]),
              round(late[row] / usual))
        for row in np.flatnonzero(late > (_GAP - 1) * usual)
    ]  # fmt: skip


def _bytes_between(packets: _Packets, before: Array, after: Array, path: Path, kind: str) -> int:
    """Bytes that belong to no packet, between the packets before and those after a gap."""
    before, after = (rows[packets.place[rows] != _NONE] for rows in (before, after))
    if not len(before) or not len(after):
        return 0
    low = int((packets.place[before] + packets.size[before]).max())
    high = int(packets.place[after].min())
    return packets.loose_bytes(low, high) if _is_foreign(path, kind, low, high) else 0


def _lost_bytes(packets: _Packets, header: Declared) -> int:
    """Bytes between the first and the last packet that belong to none, and those cut off."""
    there = packets.all_place[packets.all_place != _NONE]
    if not len(there):
        return header.gone
    end = int((packets.all_place + packets.all_size).max())
    return max(0, packets.loose_bytes(int(there.min()), end) - 1024) + header.gone


def _silent(sound: Array, low: float, high: float) -> bool:
    """Whether the sound stops in a gap, though there is some before and behind it."""
    if len(sound) < 3 or sound[0] > low or sound[-1] < high:
        return False
    usual = float(np.median(np.diff(sound)))
    if usual <= 0 or high - low < 4 * usual:
        return False
    inside = ((sound > low) & (sound < high - usual)).sum()
    return inside * usual < 0.25 * (high - low)


def _outer_holes(
    packets: _Packets,
    line: _Timeline,
    header: Declared,
    *,
    base: Fraction,
    kind: str,
    path: Path,
) -> list[_Hole]:
    """Frames that are missing before the first one or behind the last."""
    rows = np.flatnonzero(packets.shown & (packets.place != _NONE))
    unmarked = kind in (*_MPEG, "ogg") or header.fragmented  # nothing tells where they end
    if not (unmarked or kind in _DECLARE_DURATION) or not len(rows):
        return []
    total, last = int(packets.size[rows].sum()), float(line.times[rows].max())
    begin = int(packets.place[rows].min())
    holes = []
    if unmarked:
        end = int((packets.place + packets.size)[rows].max())
        if kind == "ogg":
            end = end_of_page(path, int(packets.place[rows].max()))
        if header.gone:
            holes.append(_Hole(last, np.inf, _frames_of(header.gone, header, len(rows))))
        most = max(MAX_LOST * header.actual, 8192)
        for low, high, hole in (
            (0, begin, (-np.inf, 0.0)),
            (end, header.actual, (last, np.inf)),
        ):
            lost = packets.loose_bytes(low, high)
            if lost > most and _is_foreign(path, kind, low, high):
                holes.append(_Hole(*hole, _frames_of(lost, header, len(rows))))
    elif last > 0:
        late = float(line.origin * base)
        lacking = 0.5 * late * total / last
        if late > 0.2 and begin > max(4096, lacking) and (
            not len(packets.sound) or packets.sound[0] > late / 2
        ):  # fmt: skip
            holes.append(_Hole(-np.inf, 0.0, late * len(rows) / last))
    return holes


def _frames_of(lost: int, header: Declared, count: int) -> float:
    """How many frames were in `lost` bytes, where `count` are in the others."""
    size = max(header.actual, header.size or 0)
    return count * lost / max(1, size - lost)


def _is_foreign(path: Path, kind: str, low: int, high: int) -> bool:
    """Whether a stretch of a file is no part of its stream. An MPEG transport stream may have
    packets without content, to fill its rate: each begins with 0x47.
    """
    if kind != "mpegts" or high <= low:
        return high > low
    with open(path, "rb") as file:
        file.seek(low + (high - low) // 4)
        some = file.read(min(high - low, 188 * 64))
    return not any(set(some[first::188]) == {0x47} for first in range(188))


def _early_end(
    packets: _Packets, duration: float, step: Fraction, header: Declared, *, zero: float
) -> list[_Hole]:
    """Frames that are missing because the file ends before its header says; none where its last
    picture stands still and all of the file is there.

    Raises:
        VideoProblem: it ends much too early.
    """
    lacking = duration - packets.last
    if lacking <= max(_FEW * float(step), _FEW_SHARE * duration):
        return []
    if header.size and not header.gone and packets.last > 0:
        end = int((packets.all_place + packets.all_size).max())
        rate = int(packets.all_size.sum()) / packets.last
        if packets.loose_bytes(end, header.size) < max(4096, _EVIDENCE * rate * lacking):
            return []
    if lacking > MAX_LOST * duration:
        raise VideoProblem(
            "truncated", f"ends after {packets.last:.1f} of the {duration:.1f} s it declares"
        )
    return [_Hole(packets.last - zero, duration - zero, lacking / float(step))]


def _count_missing(holes: list[_Hole], begin: float, end: float, count: int) -> tuple[int, str]:
    """Frames that are missing from a clip of `count` frames, and a sentence that says where.

    Raises:
        VideoProblem: they are too many.
    """
    frames, where = 0.0, []
    for hole in holes:
        if np.isnan(hole.start):  # nobody knows where
            if begin <= 0 and end == np.inf:
                frames += hole.frames
                where.append("of those that it declares")
            continue
        if hole.end < begin or hole.start >= end or (hole.end == begin and begin > 0):
            continue
        share, length = 1.0, hole.end - hole.start
        if np.isfinite(length) and length > 0:
            share = (min(hole.end, end) - max(hole.start, begin)) / length
        frames += share * hole.frames
        if hole.start == -np.inf:
            where.append("at the start")
        elif hole.end == np.inf:
            where.append("at the end")
        else:
            where.append(f"from {hole.start:.1f} to {hole.end:.1f} s")
    if round(frames) < 1:
        return 0, ""
    more = f" and at {len(where) - 3} more places" if len(where) > 3 else ""
    remark = f"about {frames:.0f} frames are missing {', '.join(where[:3])}{more}"
    if frames > MAX_LOST * (count + frames):
        raise VideoProblem("truncated", f"{remark}; {count} are there")
    return round(frames), remark
