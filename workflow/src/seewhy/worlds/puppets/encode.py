"""Frames to H.264 in an mp4 file: the same frames, the same bytes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# x264's macroblock tree is not reproducible with AVX-512 (build 164, frames of 64 pixels): the same
# frames gave several files. Without it 1,000 encodings agreed.
_X264 = {
    "crf": "12", "preset": "veryfast", "tune": "animation", "threads": "1", "g": "16",
    "x264-params": "mbtree=0",
}  # fmt: skip
_BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT


def write_mp4(path: str | Path, frames: np.ndarray, fps: int = 8) -> None:
    """Write `frames` [T, h, w, 3] uint8 (height and width even) as yuv420p H.264.

    One thread and no time stamps or version strings of the muxer, so equal frames give equal bytes.
    """
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(path), "w", format="mp4", options=options) as file:
        stream = file.add_stream("libx264", rate=fps, options=_X264)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.flags |= _BITEXACT
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
