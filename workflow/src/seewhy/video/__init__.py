"""Videos: which frames stand for a clip, their decoding, and files of rows that survive a kill."""

from seewhy.video.decoding import FITS, VideoProblem, choose_frames, fit_frame, read_clip
from seewhy.video.resumable import ResumableRows

__all__ = ["FITS", "ResumableRows", "VideoProblem", "choose_frames", "fit_frame", "read_clip"]
