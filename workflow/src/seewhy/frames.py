"""Sample frames: n equally spaced frames of every clip of a corpus, as one HDF5 file.

Which frames, and from how many, is defined in `seewhy.video.decoding`. The file is written so that
a killed run can be taken up, see `seewhy.video.resumable`.
"""

from __future__ import annotations

import csv
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import SPLITS, table_parts
from seewhy.errors import InputError
from seewhy.files import input_stamp, summarise_problems, whole_file
from seewhy.memory import check_memory
from seewhy.progress import progress
from seewhy.shards import Shard
from seewhy.video.decoding import FITS, Clip, VideoProblem, read_clip
from seewhy.video.resumable import ResumableRows

log = logging.getLogger(__name__)

_LOGGED = 1000
REPORT_COLUMNS = ("clip", "video", "status", "reason")


class Entry(NamedTuple):
    """A clip of a corpus: its identifier, its video, and its start and end in it (seconds)."""

    clip: str
    video: str
    start: float | None
    end: float | None


def sample_frames(
    corpus_folder: str | Path,
    output: str | Path,
    report: str | Path,
    *,
    split: str,
    n: int = 28,
    size: int = 64,
    fit: str = "crop",
    workers: int = 2,
    shard: Shard | None = None,
    resume: str | Path | None = None,
) -> None:
    """Sample n equally spaced frames of every clip of a split.

    Of the N frames of a clip (those with ``start <= t < end`` seconds where the table gives them)
    frame k is number ``floor((2k + 1) N / 2n)``, the centre of the k-th of n equal intervals; N is
    what the decoder gives, whatever the header says.

    Args:
        corpus_folder: a corpus in canonical form; its table ``clips`` names the videos.
        output: the HDF5 file: ``frames`` uint8 ``[clips, n, size, size, 3]`` (RGB), ``lengths``
            int32 ``[clips]`` (frames that are real: a clip with N < n has N, the others are 0),
            ``counts`` int32 ``[clips]`` (N), ``shapes`` int32 ``[clips, 2]`` (height and width of
            the video), ``clip`` ``[clips]`` (identifiers, in the table's order), and the settings
            as attributes.
        report: a CSV file ``clip,video,status,reason`` with a line for each clip that has a
            problem. `status` is ``missing``, ``empty``, ``unreadable``, ``truncated`` or
            ``outside`` (`seewhy.video.VideoProblem`) where the clip was left out of `output`, and
            ``patched`` where it is used though at most a tenth of it is missing or could not be
            decoded.
        split: ``train``, ``val`` or ``test``.
        n: frames a clip.
        size: side of the square frames in pixels.
        fit: ``crop`` (the shorter side becomes `size`, the centre is kept), ``squash`` (all of the
            frame, out of proportion) or ``pad`` (all of it, with black bars).
        workers: videos decoded side by side, a thread each.
        shard: only its clips, and none that can be used is no error
            (`seewhy.shards.gather_rows` puts shards together); None: all.
        resume: folder for unfinished work; None: beside `output`.

    Raises:
        InputError: a setting is out of range, the split has no clip, no clip can be decoded, or the
            disk is full.
    """
    for name, value in (("n", n), ("size", size), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"frames.{name}: {value!r} is not a whole number of at least 1")
    if fit not in FITS:
        raise InputError(f"frames.fit: {fit!r} is not one of {', '.join(FITS)}")
    check_memory(
        3 * n * size * size * (workers + 1),
        f"frames.n {n}, frames.size {size}: {workers} clips at a time",
        remedy="lower frames.n or frames.size",
    )
    entries = corpus_entries(corpus_folder, split, shard)
    settings = {"n": n, "size": size, "fit": fit, "split": split}
    rows = ResumableRows(
        output,
        keys=[entry.clip for entry in entries],
        fields={
            "frames": ((n, size, size, 3), np.uint8),
            "lengths": ((), np.int32),
            "counts": ((), np.int32),
            "shapes": ((2,), np.int32),
        },
        attributes=settings,
        made_from=[[*entry, *input_stamp(entry.video)] for entry in entries],
        resume=resume,
    )
    with rows:
        todo = [(row, entries[row]) for row in rows.pending]
        done = len(entries) - len(todo)
        with progress(what=f"frames of {split}", total=len(entries), initial=done) as bar:
            for row, clip in _decoded(todo, n=n, size=size, fit=fit, workers=workers):
                if isinstance(clip, VideoProblem):
                    rows.leave_out(row, clip.status, clip.reason)
                else:
                    frames = np.zeros((n, size, size, 3), np.uint8)
                    frames[: len(clip.frames)] = clip.frames
                    note = ("patched", f"{clip.remark}; the rest is used")
                    rows.write(
                        row,
                        frames=frames,
                        lengths=len(clip.frames),
                        counts=clip.count,
                        shapes=clip.shape,
                        note=note if clip.lost else None,
                    )
                bar.update()
        write_report(report, entries, rows.problems)
        if len(rows.left_out) == len(entries) and not shard:
            raise InputError(
                f"{corpus_folder}/clips.csv: none of the {len(entries)} clips of split {split} can "
                f"be used: {explain_problems(entries, rows.problems)}"
            )
        if rows.left_out:
            log.warning(
                "%d of %d clips of %s left out; %s names them and says why",
                len(rows.left_out), len(entries), split, report,
            )  # fmt: skip
        rows.finish()


def corpus_entries(
    corpus_folder: str | Path, split: str, shard: Shard | None = None
) -> list[Entry]:
    """The clips of a split, or of one shard of it, in the order of the corpus.

    Raises:
        InputError: an unknown split, one without clips, or a clip that ends before it starts.
    """
    if split not in SPLITS:
        raise InputError(f"split: {split!r} is not one of {', '.join(SPLITS)}")
    total = sum(len(rows) for rows in _rows_of(corpus_folder, split))
    if not total:
        raise InputError(f"{corpus_folder}/clips.csv: no clip has the split {split}")
    own = shard.rows(total) if shard else range(total)
    rows = itertools.chain.from_iterable(
        part.itertuples(index=False) for part in _rows_of(corpus_folder, split)
    )
    entries = [
        Entry(row.clip, row.video, _seconds(row.start), _seconds(row.end))
        for row in itertools.islice(rows, own.start, own.stop)
    ]
    for entry in entries:
        if (entry.start or 0) < 0 or (entry.end is not None and entry.end <= (entry.start or 0)):
            raise InputError(
                f"{corpus_folder}/clips.csv: clip {entry.clip} runs from {entry.start} to "
                f"{entry.end}; start must be at least 0 and end greater than start (seconds)"
            )
    return entries


def _rows_of(corpus_folder: str | Path, split: str) -> Iterator[pd.DataFrame]:
    for part in table_parts(corpus_folder, "clips"):
        yield part[part["split"] == split]


def _seconds(value: object) -> float | None:
    return None if pd.isna(value) else float(value)


def _decoded(
    todo: Sequence[tuple[int, Entry]], *, n: int, size: int, fit: str, workers: int
) -> Iterator[tuple[int, Clip | VideoProblem]]:
    """Decode clips side by side, giving each as it is ready; few are in the air at a time."""

    def decode(row: int, entry: Entry) -> tuple[int, Clip | VideoProblem]:
        try:
            clip = read_clip(entry.video, n=n, size=size, fit=fit, start=entry.start, end=entry.end)
        except VideoProblem as problem:
            return row, problem
        return row, clip

    with ThreadPoolExecutor(workers) as pool:
        running: set[Future] = set()
        try:
            for row, entry in todo:
                running.add(pool.submit(decode, row, entry))
                if len(running) >= 2 * workers:
                    ready, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ready:
                        yield future.result()
            for future in running:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def explain_problems(entries: Sequence[Entry], problems: Mapping[int, tuple[str, str]]) -> str:
    """A line on clips (by row) that cannot be used, for a message: no output lasts when a job
    fails, a report neither. All of them go to the log, up to a thousand.
    """
    listed = [(entries[row].video, *problems[row]) for row in sorted(problems)]
    for name, status, reason in listed[:_LOGGED]:
        log.info("%s: %s: %s", name, status, reason)
    return summarise_problems(listed)


def write_report(
    path: str | Path, entries: Sequence[Entry], problems: dict[int, tuple[str, str]]
) -> None:
    """Write a CSV file of the clips (by row) that have a problem: status and reason."""
    with whole_file(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REPORT_COLUMNS)
        for row in sorted(problems):
            writer.writerow([entries[row].clip, entries[row].video, *problems[row]])
