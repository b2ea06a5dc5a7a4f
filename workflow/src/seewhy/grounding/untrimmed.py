"""fc7 of untrimmed videos, read at a steady rate: what is needed to ask when an action happens.

Frame k of a video is the one on screen at (k + 1/2) / rate seconds and stands for the time from
k / rate to (k + 1) / rate (`seewhy.video.decoding.steady_frames`). Excitation backprop keeps sums,
so the sums of the maps over time are those at fc7: the CNN is passed once, forwards.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from itertools import islice
from numbers import Real
from pathlib import Path

import h5py
import numpy as np
import torch

from seewhy.device import autocast, choose_device, choose_precision
from seewhy.errors import InputError, explain_write_errors
from seewhy.files import (
    create_hdf5,
    input_stamp,
    open_hdf5,
    read_json,
    sha256,
    unfinished_path,
    whole_file,
    write_json,
)
from seewhy.frames import Entry, corpus_entries, explain_problems, write_report
from seewhy.grounding.checkpoint import load_action_network
from seewhy.grounding.networks import ActionNetwork
from seewhy.hdf5_files import Expect, attribute, check_finite, texts
from seewhy.progress import progress
from seewhy.readable import make_again
from seewhy.video.decoding import FITS, VideoProblem, steady_frames

log = logging.getLogger(__name__)

_FORM = {
    "features": Expect("number", ("rows", None)),
    "times": Expect("number", ("rows",), finite=True),
    "clip": Expect("text", ("videos",)),
    "fps": Expect("number", ("videos",), least=0),
    "offsets": Expect("whole", ("videos+1",), rising="rows"),
}


def encode_untrimmed(
    corpus: str | Path,
    network: str | Path,
    output: str | Path,
    report: str | Path,
    *,
    split: str,
    rate: float,
    fit: str = "squash",
    batch: int = 64,
    device: str = "auto",
    precision: str = "auto",
    resume: str | Path | None = None,
) -> None:
    """Compute fc7 of the videos of a split, at `rate` frames a second.

    Each video is written down by itself until all are done, so a killed run goes on after the last
    whole one. `batch` frames are held at a time.

    Args:
        corpus: folder in canonical form; its table ``clips`` names the videos.
        network: ``.safetensors`` of a CNN or an LRCN.
        output: the HDF5 file: ``features`` float32 ``[F, D]``, the frames of all videos one after
            the other; ``times`` float64 ``[F]``, when each came on screen, in seconds from the
            clip's start; ``offsets`` int64 ``[videos + 1]``, where each video begins; ``fps``
            float64 ``[videos]`` of the video itself; ``clip`` ``[videos]``; and the settings as
            attributes.
        report: CSV of the videos that were left out, as of `seewhy.frames.sample_frames`.
        split: ``train``, ``val`` or ``test``.
        rate: frames a second.
        fit: how a frame becomes square, see `seewhy.video.decoding.fit_frame`.
        batch: frames a forward pass.
        device: ``cpu``, ``cuda`` or ``auto``.
        precision: see `seewhy.device.choose_precision`.
        resume: folder for unfinished work; None: beside `output`.

    Raises:
        InputError: a setting out of range, no network, no video that can be read, features that are
            not finite, or no space left.
    """
    if not rate > 0:
        raise InputError(f"grounding.untrimmed.rate: {rate!r} is not above 0")
    if fit not in FITS:
        raise InputError(f"grounding.frames.fit: {fit!r} is not one of {', '.join(FITS)}")
    on = choose_device(device)
    precision = choose_precision(precision, on, training=False)
    net = load_action_network(network).to(on, memory_format=torch.channels_last)
    entries = corpus_entries(corpus, split)
    settings = {"split": split, "rate": rate, "fit": fit, "network": sha256(network)}
    made_from = [settings, precision, batch, [[*e, *input_stamp(e.video)] for e in entries]]
    parts = _Parts(output, resume, made_from)
    problems: dict[int, tuple[str, str]] = {}
    for row, entry in enumerate(progress(entries, what=f"fc7 of {split}", unit="video")):
        if parts.has(row):
            continue
        try:
            h, times, fps = _encode(net, entry, rate, fit, batch, precision)
        except VideoProblem as problem:
            problems[row] = (problem.status, problem.reason)
            continue
        if not np.isfinite(h).all():
            raise InputError(f"{entry.video}: fc7 is not finite; the weights {network} are damaged")
        parts.write(row, features=h, times=times, fps=fps)
    write_report(report, entries, problems)
    if len(problems) == len(entries):
        raise InputError(
            f"{corpus}/clips.csv: none of the {len(entries)} videos of split {split} can be used: "
            f"{explain_problems(entries, problems)}"
        )
    if problems:
        log.warning(
            "%d of %d videos of %s left out; %s names them and says why",
            len(problems), len(entries), split, report,
        )  # fmt: skip
    rows = [row for row in range(len(entries)) if row not in problems]
    _gather(output, parts, rows, [entries[row].clip for row in rows], net, settings)
    parts.discard()


class UntrimmedFile:
    """What `encode_untrimmed` wrote; the features stay on disk.

    Attributes:
        clips: identifiers of the videos.
        fps: of the videos, ``[videos]``.
        rate: frames a second that were read.
        frames: that were read of each video, ``[videos]``.

    Raises:
        InputError: not such a file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_hdf5(path, needs=_FORM) as file:
            self.clips: list[str] = texts(file["clip"], path)
            self.fps: np.ndarray = file["fps"][:]
            self._offsets: np.ndarray = file["offsets"][:]
            rate = attribute(file, "rate", path)
            if not isinstance(rate, Real) or not 0 < rate < np.inf:
                raise InputError(f"{path}: its rate {rate!r} is none; {make_again(path)}")
            self.rate = float(rate)
            self.width: int = file["features"].shape[1]
        self.frames = np.diff(self._offsets)

    def features(self, row: int, first: int = 0, last: int | None = None) -> torch.Tensor:
        """fc7 ``[last - first, D]`` of a video's frames first <= k < last."""
        start, end = self._offsets[row], self._offsets[row + 1]
        end = end if last is None else min(start + last, end)
        with open_hdf5(self.path, needs=("features",)) as file:
            features = file["features"][start + first : end]
        check_finite(features, f"features of the video {self.clips[row]}", self.path)
        return torch.from_numpy(features)


def _encode(
    network: ActionNetwork, entry: Entry, rate: float, fit: str, batch: int, precision: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """fc7 ``[frames, D]`` of a video, the times of its frames, and its rate."""
    on = next(network.parameters()).device
    frames = steady_frames(
        entry.video, rate=rate, size=network.size, fit=fit, start=entry.start, end=entry.end
    )
    features, times, fps = [], [], 0.0
    while some := list(islice(frames, batch)):
        x = network.preprocess(np.stack([frame.image for frame in some])[None])[0]
        with torch.no_grad(), autocast(on, precision):
            h = network.cnn(x.to(on, memory_format=torch.channels_last))
        features.append(h.float().cpu().numpy())
        times += [frame.time for frame in some]
        fps = some[0].fps
    return np.concatenate(features), np.array(times), fps


class _Parts:
    """Videos that are done, each in a file of its own, until all are."""

    def __init__(self, output: str | Path, resume: str | Path | None, made_from: object) -> None:
        self.output = Path(output)
        self.folder = unfinished_path(output, resume, ".parts")
        text = json.dumps(made_from, sort_keys=True)
        key = {"made from": hashlib.sha256(text.encode()).hexdigest()}
        about = self.folder / "about.json"
        if not about.exists() or read_json(about) != key:
            self.discard()
            write_json(about, key)

    def _path(self, row: int) -> Path:
        return self.folder / f"{row}.h5"

    def has(self, row: int) -> bool:
        return self._path(row).exists()

    def write(self, row: int, **values: np.ndarray | float) -> None:
        with whole_file(self._path(row)) as temporary, create_hdf5(temporary) as file:
            for name, value in values.items():
                file[name] = value

    def read(self, row: int) -> dict[str, np.ndarray]:
        with open_hdf5(self._path(row)) as file:
            return {name: file[name][()] for name in file}

    def frames(self, row: int) -> int:
        with open_hdf5(self._path(row)) as file:
            return len(file["times"])

    def each(self, rows: list[int]) -> Iterator[dict[str, np.ndarray]]:
        for row in rows:
            yield self.read(row)

    def discard(self) -> None:
        with explain_write_errors(self.output):
            shutil.rmtree(self.folder, ignore_errors=True)


def _gather(
    output: str | Path,
    parts: _Parts,
    rows: list[int],
    clips: list[str],
    network: ActionNetwork,
    settings: dict[str, object],
) -> None:
    offsets = np.concatenate([[0], np.cumsum([parts.frames(row) for row in rows])]).astype(np.int64)
    width = parts.read(rows[0])["features"].shape[1]
    with whole_file(output) as temporary, create_hdf5(temporary) as file:
        file.attrs.update(settings)
        file.create_dataset("clip", data=clips, dtype=h5py.string_dtype())
        file["offsets"] = offsets
        features = file.create_dataset("features", (offsets[-1], width), np.float32)
        times = file.create_dataset("times", (offsets[-1],), np.float64)
        fps = file.create_dataset("fps", (len(rows),), np.float64)
        for place, part in enumerate(parts.each(rows)):
            own = slice(offsets[place], offsets[place + 1])
            features[own], times[own], fps[place] = part["features"], part["times"], part["fps"]
