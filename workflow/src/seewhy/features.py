"""Extract CNN features: pool5 of a backbone for every sampled frame, as one HDF5 file.

The real frames of all clips form one row, F of them, and batch k is its frames kB … (k + 1)B - 1,
wherever clips begin and end. A run that takes up a killed one computes every batch that has a frame
of an unfinished clip in full, so each feature always comes out of the same batch, to the last bit.

A reader thread reads and converts the next batches while the network works on this one.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from torch import Tensor

from seewhy.backbones import FEATURES, Backbone
from seewhy.errors import InputError
from seewhy.files import input_stamp, open_hdf5
from seewhy.hdf5_files import FRAMES, texts
from seewhy.memory import check_memory
from seewhy.progress import progress
from seewhy.shards import Shard
from seewhy.video.resumable import ResumableRows

_AHEAD = 2  # batches read ahead


def extract_features(
    frames: str | Path,
    output: str | Path,
    *,
    backbone: Backbone,
    batch: int = 112,
    shard: Shard | None = None,
    resume: str | Path | None = None,
) -> None:
    """Compute the features of all sampled frames.

    Args:
        frames: what `seewhy.frames.sample_frames` wrote: ``frames`` uint8 ``[clips, n, h, w, 3]``,
            ``lengths`` ``[clips]``, ``clip`` ``[clips]``.
        output: the HDF5 file: ``features`` float32 ``[clips, n, 1024]`` (0 from ``lengths`` on),
            ``lengths`` int32 ``[clips]``, ``clip`` ``[clips]``. Its attributes are those of
            `frames` and ``backbone``, ``weights`` (SHA-256), ``precision``.
        backbone: from `seewhy.backbones.load_backbone`.
        batch: frames a forward pass.
        shard: only its clips, out of the batches of all (`seewhy.shards.gather_rows` puts shards
            together); None: all.
        resume: folder for unfinished work; None: beside `output`.

    Raises:
        InputError: `frames` is missing, cut short or not such a file, `batch` is less than 1, a
            feature is not finite, or the disk is full.
    """
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InputError(f"features.batch: {batch!r} is not a whole number of at least 1")
    with open_hdf5(frames, needs=FRAMES) as source:
        lengths = source["lengths"][:]
        clips, n = source["frames"].shape[:2]
        own = shard.rows(clips) if shard else range(clips)
        at_once = min(batch, int(lengths.sum()))
        check_memory(
            # bytes of the frames, and their numbers as float32
            5 * at_once * math.prod(source["frames"].shape[2:]),
            f"features.batch {batch}: {at_once} frames of {frames}",
            remedy="lower features.batch",
        )
        attributes = {name: _plain(value) for name, value in source.attrs.items()}
        attributes |= {
            "backbone": backbone.name,
            "weights": backbone.weights,
            "precision": backbone.precision,
        }
        rows = ResumableRows(
            output,
            keys=texts(source["clip"], frames)[own.start : own.stop],
            fields={"features": ((n, FEATURES), np.float32), "lengths": ((), np.int32)},
            attributes=attributes,
            made_from=[input_stamp(frames), batch, backbone.device.type, own.start],
            resume=resume,
        )
        with rows:
            done = len(own) - len(rows.pending)
            with progress(what="features", total=len(own), initial=done) as bar:
                _fill(rows, own.start, source, lengths, backbone, batch, bar.update)
            rows.finish()


class _Batch(NamedTuple):
    first: int  # number of its first frame in the row of all real frames
    x: Tensor  # [b, 3, s, s]


def _fill(
    rows: ResumableRows,
    offset: int,  # of row 0 among the clips of `source`
    source: h5py.File,
    lengths: np.ndarray,
    backbone: Backbone,
    batch: int,
    update: Callable[[], Any],
) -> None:
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])  # of each clip, and F
    n = source["frames"].shape[1]
    waiting = {offset + row for row in rows.pending}  # clips of `source`, as below
    for clip in sorted(waiting):
        if lengths[clip] == 0:
            rows.write(clip - offset, features=np.zeros((n, FEATURES), np.float32), lengths=0)
            waiting.discard(clip)
            update()
    batches = sorted(
        {
            index
            for clip in waiting
            for index in range(starts[clip] // batch, (starts[clip + 1] - 1) // batch + 1)
        }
    )

    def read(stop: threading.Event) -> Iterator[_Batch]:
        for index in batches:
            if stop.is_set():
                return
            first, last = index * batch, min((index + 1) * batch, starts[-1])
            yield _Batch(first, backbone.preprocess(_read_frames(source, starts, first, last)))

    unfinished: dict[int, np.ndarray] = {}
    for first, x in _prefetched(read):
        features = backbone.features(x).numpy()  # [b, 1024]
        last = first + len(features)
        for clip in range(*_clips_of(starts, first, last)):
            if clip not in waiting:
                continue
            row = unfinished.setdefault(clip, np.zeros((n, FEATURES), np.float32))
            here, there = max(first, starts[clip]), min(last, starts[clip + 1])
            row[here - starts[clip] : there - starts[clip]] = features[here - first : there - first]
            if there == starts[clip + 1]:
                if not np.isfinite(row).all():
                    raise InputError(
                        f"{rows.path}: features of clip {rows.keys[clip - offset]} are not finite; "
                        "the weights are damaged, or set features.precision to float32"
                    )
                rows.write(clip - offset, features=unfinished.pop(clip), lengths=lengths[clip])
                update()


def _clips_of(starts: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Clips (from, to) that have one of the frames first … last - 1."""
    begin = int(np.searchsorted(starts, first, side="right")) - 1
    return begin, int(np.searchsorted(starts, last, side="left"))


def _read_frames(source: h5py.File, starts: np.ndarray, first: int, last: int) -> np.ndarray:
    """Frames first … last - 1 of the row of all real frames, uint8 ``[last - first, h, w, 3]``."""
    data = source["frames"]
    frames = np.empty((last - first, *data.shape[2:]), np.uint8)
    for clip in range(*_clips_of(starts, first, last)):
        here, there = max(first, starts[clip]), min(last, starts[clip + 1])
        if here < there:
            data.read_direct(
                frames,
                np.s_[clip, here - starts[clip] : there - starts[clip]],
                np.s_[here - first : there - first],
            )
    return frames


def _prefetched(read: Callable[[threading.Event], Iterator[_Batch]]) -> Iterator[_Batch]:
    """Run the reader in a thread, `_AHEAD` batches ahead; its errors are raised here."""
    ready: queue.Queue[_Batch | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def put(item: _Batch | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in read(stop):
                put(item)
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


def _plain(value: Any) -> Any:
    """An HDF5 attribute as a Python value."""
    return value.item() if isinstance(value, np.generic) else value
