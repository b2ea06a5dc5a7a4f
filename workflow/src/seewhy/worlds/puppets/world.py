"""Rendering a corpus of trimmed clips, in canonical form, on several cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import write_tables
from seewhy.corpora.truth import TruthWriter
from seewhy.errors import InputError, require_whole
from seewhy.files import whole_folder
from seewhy.progress import progress
from seewhy.worlds.pool import in_order
from seewhy.worlds.puppets.clip import COLUMNS, Clip, check_size, draw_clip
from seewhy.worlds.puppets.encode import write_mp4
from seewhy.worlds.puppets.vocabulary import ACTIONS, SPLITS

_CHUNK = 8
Job = tuple[int, str, int, int, int, int, str]


def render_clips(
    folder: str | Path,
    *,
    seed: int,
    clips: Mapping[str, int] | None = None,
    size: int = 64,
    frames: int = 32,
    fps: int = 8,
    actions: Sequence[str] | None = None,
    workers: int = 2,
) -> None:
    """Render trimmed clips with their truth into a corpus folder of canonical form.

    Args:
        folder: written whole or not at all: tables, ``truth.h5`` and ``videos/*.mp4``.
        seed: the same seed gives the same bytes.
        clips: number of clips of each split; by default train 1200, val 100, test 400. More clips
            of a split leave the others as they are.
        size: height and width of a frame, pixels.
        frames: length T of a clip.
        fps: frames per second.
        actions: the only ones that there are (of `seewhy.worlds.puppets.vocabulary.ACTIONS`);
            None: all, and the rare ones.
        workers: processes.

    Raises:
        InputError: an argument out of range; an unknown action; no space left.
    """
    only = tuple(actions or ())
    unknown = sorted(set(only) - set(ACTIONS))
    if unknown:
        raise InputError(f"action {unknown[0]!r} is not one of {', '.join(ACTIONS)}")
    clips = {"train": 1200, "val": 100, "test": 400} if clips is None else dict(clips)
    check_size(size, frames)
    check_counts(clips, fps, workers)
    make = partial(_render_trimmed, only)
    render(folder, make, seed, clips, size, frames, fps, workers, "drawing clips")


def _render_trimmed(only: tuple[str, ...], job: Job) -> tuple[Clip, dict]:
    seed, split, index, size, frames, _, _ = job
    clip = draw_clip(seed, split, index, size=size, frames=frames, only=only)
    return clip, clip.rows()


def check_counts(clips: Mapping[str, int], fps: int, workers: int) -> None:
    """Refuse splits, numbers, rates and workers that make no sense.

    Raises:
        InputError: the first of them.
    """
    for split, count in clips.items():
        if split not in SPLITS:
            raise InputError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        require_whole(0, **{f"number of {split} clips": count})
    if not sum(clips.values()):
        raise InputError("number of clips is 0; ask for at least one")
    require_whole(1, fps=fps, workers=workers)


def render(
    folder: str | Path,
    make: Callable[[Job], tuple[Clip, dict]],
    seed: int,
    clips: Mapping[str, int],
    size: int,
    frames: int,
    fps: int,
    workers: int,
    what: str,
) -> None:
    """Make every clip with `make` and write the corpus; see :func:`render_clips`."""
    folder = Path(folder)
    tables: dict[str, list[tuple]] = {name: [] for name in COLUMNS}
    with whole_folder(folder) as temporary:
        videos = temporary / "videos"
        videos.mkdir()
        jobs = [
            (int(seed), split, index, size, frames, fps, str(videos))
            for split in SPLITS
            for index in range(clips.get(split, 0))
        ]
        bar = progress(what=what, total=len(jobs))
        with TruthWriter(temporary / "truth.h5") as writer, bar:
            for name, split, length, truth, rows in _results(make, jobs, workers):
                writer.append(name, **truth)
                video = (folder / "videos" / f"{name}.mp4").as_posix()
                tables["clips"].append((name, split, video, 0.0, length / fps, name))
                for table, values in rows.items():
                    tables[table] += values
                bar.update()
        write_tables(
            temporary,
            {
                name: pd.DataFrame(rows, columns=list(COLUMNS[name]))
                for name, rows in tables.items()
            },
        )


def _finish(
    make: Callable[[Job], tuple[Clip, dict]], jobs: list[Job]
) -> list[tuple[str, str, int, Any, dict]]:
    """In a worker: draw, encode, and hand back what the tables and the truth need."""
    results = []
    for job in jobs:
        clip, rows = make(job)
        write_mp4(Path(job[6]) / f"{clip.name}.mp4", clip.frames, job[5])
        results.append((clip.name, clip.split, len(clip.frames), clip.truth(), rows))
    return results


def _results(
    make: Callable[[Job], tuple[Clip, dict]], jobs: list[Job], workers: int
) -> Iterator[tuple[str, str, int, Any, dict]]:
    """Results in the order of the jobs."""
    chunks = [jobs[i : i + _CHUNK] for i in range(0, len(jobs), _CHUNK)]
    for results in in_order(partial(_finish, make), chunks, min(workers, len(chunks))):
        yield from results
