"""Open a video file, or say in one word and a line why it cannot be used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av

from seewhy.errors import InputError
from seewhy.readable import find_trouble

MAX_LOST = 0.1
"""A video is left out where more than this share of it is lost: frames that the file should hold
and does not, or that the decoder refuses. Below it, players show such files too."""


ENDS = (av.FFmpegError, IndexError)
"""What PyAV raises while packets are read: on damage, and, after the last packet, IndexError where
a further stream has begun in mid-file."""


class VideoProblem(InputError):
    """A video that cannot be used.

    Attributes:
        status: one word for it: ``missing`` (no such file), ``empty`` (0 bytes, or not one frame in
            it), ``unreadable`` (not a video, damaged beyond opening, or of a kind for which there
            is no decoder), ``truncated`` (over a tenth of the frames are missing, at an end or in
            between, or cannot be decoded), ``outside`` (the clip's start and end lie outside of the
            video).
        reason: what was found.
    """

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status, self.reason = status, reason


@contextlib.contextmanager
def open_video(
    path: Path, **options: str
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Open a video for reading, with its first stream of moving pictures.

    Args:
        path: the file.
        options: of FFmpeg's reader.

    Raises:
        VideoProblem: there is no such file, or no video in it that can be decoded.
    """
    problem = find_trouble(path)
    if problem:
        raise VideoProblem(*problem)
    try:
        # Only local files: a playlist named .mp4 must not send us to the network.
        container = av.open(str(path), options={"protocol_whitelist": "file", **options})
    except (av.FFmpegError, ValueError, OSError) as error:
        raise VideoProblem("unreadable", f"not a video, or damaged ({_words(error)})") from error
    with container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise VideoProblem("unreadable", "no video in the file")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoProblem("unreadable", "there is no decoder for this kind of video")
        # Clips are decoded side by side, so each gets one thread.
        stream.codec_context.thread_count = 1
        yield container, stream


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether the stream is a still picture that belongs to a sound file."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
