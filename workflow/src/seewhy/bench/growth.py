"""How the workflow grows with the corpus: start-up, import, one shard, and gathering.

The corpus is a folder of videos and captions at 1, 10 and 100 times the default's clips, in as many
shards, so that a shard has equally many clips at every scale. Videos are links to a few. Frames and
features that are read but were not computed here are zeros, which take no room on the disk.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seewhy.backbones import FEATURES, load_backbone
from seewhy.corpora.importing import import_corpus
from seewhy.features import extract_features
from seewhy.frames import sample_frames
from seewhy.processors import usable_processors
from seewhy.shards import Shard, gather_rows
from seewhy.video.resumable import create_rows
from seewhy.worlds.pool import in_order
from seewhy.worlds.puppets import render_clips

CLIPS = {"train": 1800, "val": 200, "test": 400}  # of the default corpus
FRAMES = {"n": 4, "size": 64, "fit": "crop"}
_VIDEOS, _CAPTIONS = 24, 2


def bench_growth(root: str | Path, *, scales: Sequence[int] = (1, 10, 100)) -> dict[str, Any]:
    """Measure each step at each scale.

    Args:
        root: folder of the Snakefile.
        scales: times the default corpus; so many shards too.

    Returns:
        `scales`: for each, `clips`, `shards`, `start_seconds` (a dry run of Table 2),
        `import_seconds`; of the last shard of the train split `frames_ms` and `features_ms`, a
        clip; `gather_mb_per_second` of that split's features; and the largest memory of each of
        these jobs, `<step>_mb`.

    Raises:
        subprocess.CalledProcessError: a dry run failed.
    """
    root = Path(root).resolve()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder, "world")
        render_clips(world, seed=1, clips={"train": _VIDEOS, "val": 0, "test": 0})
        videos = sorted((world / "videos").glob("*.mp4"))
        rows = []
        for scale in scales:
            run = Path(folder, "run")
            _lay_out(root, run, videos, scale)
            rows.append({"scale": scale, "clips": scale * sum(CLIPS.values()), "shards": scale})
            rows[-1] |= _measure(root, run, scale)
            shutil.rmtree(run)
    return {
        "what": "steps on corpora of several times the default's clips, a shard's clips the same",
        "cores": usable_processors(),
        "frames": FRAMES,
        "scales": rows,
    }


def _lay_out(root: Path, run: Path, videos: Sequence[Path], scale: int) -> None:
    """A folder to work in, with a corpus and its settings."""
    own = run / "own"
    own.mkdir(parents=True)
    with open(own / "captions.csv", "w") as file:
        file.write("video,caption,split\n")
        for split, count in CLIPS.items():
            for number in range(scale * count):
                name = f"{split}{number:07d}.mp4"
                os.link(videos[number % len(videos)], own / name)
                for k in range(_CAPTIONS):
                    file.write(f"{name},a puppet does number {number % 97} in way {k},{split}\n")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["corpus"] = {"name": "folder", "source": "own"}
    params["shards"] = {"frames": scale, "features": scale}
    params["frames"] = FRAMES
    (run / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(root / params["refinement"]["corrections"], run)


def _measure(root: Path, run: Path, scale: int) -> dict[str, float]:
    clips, shard = CLIPS["train"], Shard(scale, scale)
    corpus, frames, parts = run / "corpus", run / "zeros.h5", run / "parts"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--configfile", str(run / "params.yaml"), "--directory", str(run)]
    command += ["--cores", "2", "--quiet", "all", "--dry-run", "results/table2.csv"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = {"start_seconds": time.perf_counter() - start}
    found["import_seconds"], found["import_mb"] = _apart(_import, run / "own", corpus)
    seconds, found["frames_mb"] = _apart(_sample, corpus, run / "frames.h5", shard)
    found["frames_ms"] = 1000 * seconds / clips
    keys = [f"train{number:07d}.mp4" for number in range(scale * clips)]
    n, size = FRAMES["n"], FRAMES["size"]
    _zeros(frames, keys, {"frames": ((n, size, size, 3), np.dtype(np.uint8))}, lengths=n)
    seconds, found["features_mb"] = _apart(_extract, frames, run / "features.h5", shard)
    found["features_ms"] = 1000 * seconds / clips
    parts.mkdir()
    names = [parts / f"{number}.h5" for number in range(scale)]
    for number, path in enumerate(names):
        own = keys[number * clips : (number + 1) * clips]
        _zeros(path, own, {"features": ((n, FEATURES), np.dtype(np.float32))}, lengths=n)
    seconds, found["gather_mb"] = _apart(gather_rows, names, run / "gathered.h5")
    found["gather_mb_per_second"] = (run / "gathered.h5").stat().st_size / 2**20 / seconds
    return found


def _import(own: Path, corpus: Path) -> None:
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}  # captions.csv gives the splits
    import_corpus("folder", own, corpus, shares=shares, seed=0)


def _sample(corpus: Path, output: Path, shard: Shard) -> None:
    report = output.with_suffix(".csv")
    sample_frames(corpus, output, report, split="train", workers=2, shard=shard, **FRAMES)


def _extract(frames: Path, output: Path, shard: Shard) -> None:
    backbone = load_backbone("slim_inception", "random", precision="native")
    extract_features(frames, output, backbone=backbone, batch=224, shard=shard)


def _zeros(path: Path, keys: Sequence[str], fields: dict[str, Any], *, lengths: int) -> None:
    """A file of rows whose content is holes, but for the lengths."""
    places = create_rows(path, keys, {**fields, "lengths": ((), np.dtype(np.int32))}, {})
    with open(path, "r+b") as file:
        file.seek(places["lengths"])
        file.write(np.full(len(keys), lengths, np.int32).tobytes())


def _apart(work: Callable[..., Any], *given: Any) -> tuple[float, float]:
    """Seconds and largest memory, MB, of a call in a process of its own."""
    (found,) = in_order(_measured, [(work, given)], workers=2)  # one would be this process
    return found


def _measured(call: tuple[Callable[..., Any], tuple]) -> tuple[float, float]:
    work, given = call
    start = time.perf_counter()
    work(*given)
    seconds = time.perf_counter() - start
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return seconds, int(peak[1]) / 1024
