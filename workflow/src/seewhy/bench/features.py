"""How much reading, converting and writing add to the network itself in `extract_features`.

The floor is the bare forward pass over the same batches, converted and in memory before the clock
starts. Both are run in turns in one process, and their outputs must agree.

`bench_precision` is about the pass itself: what `features.precision: native` chooses between.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from seewhy.backbones import load_backbone
from seewhy.bench.timing import compare
from seewhy.device import has_bfloat16
from seewhy.features import extract_features
from seewhy.video.resumable import create_rows


def bench_features(
    backbone: str = "slim_inception",
    *,
    clips: int = 60,
    n: int = 28,
    size: int | None = None,
    batch: int = 112,
    repeats: int = 5,
    precision: str = "float32",
) -> dict[str, Any]:
    """Time `extract_features` against the bare forward pass, weights random.

    Args:
        backbone: ``slim_inception`` or ``googlenet``.
        clips: clips in the file; every fourth is short.
        n: frames a clip.
        size: side of the frames in pixels; None: what the network wants.
        batch: frames a forward pass.
        repeats: times that each of the two is run.
        precision: see `seewhy.backbones.load_backbone`.

    Returns:
        ``ratio`` (median over the repeats of extraction / bare), ``extract_seconds`` and
        ``bare_seconds`` (medians), ``milliseconds_a_frame``, ``frames``, ``threads``, ``backbone``.

    Raises:
        RuntimeError: the two give other features.
    """
    network = load_backbone(backbone, "random", precision=precision)
    size = size or network.input_size
    rng = np.random.default_rng(0)
    lengths = np.where(np.arange(clips) % 4 == 3, n // 2, n).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "frames.h5", Path(folder) / "features.h5"
        fields = {
            "frames": ((n, size, size, 3), np.dtype(np.uint8)),
            "lengths": ((), np.dtype(np.int32)),
        }
        create_rows(source, [f"clip{i}" for i in range(clips)], fields, {"n": n, "size": size})
        real = []
        with h5py.File(source, "r+") as file:
            file["lengths"][:] = lengths
            for clip, length in enumerate(lengths):
                frames = np.zeros((n, size, size, 3), np.uint8)
                frames[:length] = rng.integers(0, 256, (length, size, size, 3), np.uint8)
                file["frames"][clip] = frames
                real.append(frames[:length])
        row = np.concatenate(real)
        batches = [network.preprocess(row[k : k + batch]) for k in range(0, len(row), batch)]
        del row, real

        extract, bare = [], []
        network.features(batches[0])  # the first pass sets up kernels
        for _ in range(repeats):
            start = time.perf_counter()
            extract_features(source, output, backbone=network, batch=batch)
            extract.append(time.perf_counter() - start)
            start = time.perf_counter()
            plain = [network.features(x) for x in batches]
            bare.append(time.perf_counter() - start)
        with h5py.File(output) as file:
            written = np.concatenate(
                [file["features"][clip, :length] for clip, length in enumerate(lengths)]
            )
        if not np.array_equal(written, torch.cat(plain).numpy()):
            raise RuntimeError("the features that were written are not those of the bare pass")
    frames_done = int(lengths.sum())
    return {
        "backbone": backbone,
        "precision": precision,
        "frames": frames_done,
        "threads": torch.get_num_threads(),
        "ratio": statistics.median(a / b for a, b in zip(extract, bare, strict=True)),
        "extract_seconds": statistics.median(extract),
        "bare_seconds": statistics.median(bare),
        "milliseconds_a_frame": 1000 * statistics.median(extract) / frames_done,
    }


def bench_precision(
    backbone: str = "slim_inception", *, frames: int = 112, repeats: int = 5
) -> dict[str, Any]:
    """Time one pass in bfloat16 against the same in float32, weights random.

    Args:
        backbone: ``slim_inception`` or ``googlenet``.
        frames: of a pass, of the size that the network wants.
        repeats: turns.

    Returns:
        What `seewhy.bench.timing.compare` gives, bfloat16 being ours, with ``backbone``,
        ``precision``, ``frames``, ``threads`` and ``native`` (the device multiplies bfloat16).
    """
    networks = [load_backbone(backbone, "random", precision=p) for p in ("bfloat16", "float32")]
    size = networks[0].input_size
    pixels = np.random.default_rng(0).integers(0, 256, (frames, size, size, 3), np.uint8)
    ours, floor = (
        functools.partial(network.features, network.preprocess(pixels)) for network in networks
    )
    return {
        "backbone": backbone,
        "precision": "bfloat16 against float32",
        "frames": frames,
        "threads": torch.get_num_threads(),
        "native": has_bfloat16(networks[0].device),
        **compare(ours, floor, repeats=repeats),
    }
