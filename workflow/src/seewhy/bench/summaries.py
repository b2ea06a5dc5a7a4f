"""Filter attribute distributions at the size of CUB against the dense product of eq. 2.

The floor is what eqs. 1 to 4 are to one who writes them down in numpy, ``sigma(phi).T @ presence``
with the presence as a dense matrix. Ours are the four presets, the joint regression also within
classes. Data are made up: attributes by Zipf's law, as many an image as captions give, and pooled
activations as sparse as those of a ResNet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse

from seewhy.bench.timing import in_turn, peak_megabytes
from seewhy.summaries.filters import SIGMAS, centred, joint, paper, welch_t

Array = np.ndarray
OURS = ("paper", "centred", "t", "joint")


def bench_summaries(
    *,
    images: int = 5994,
    filters: int = 2048,
    attributes: int = 9649,
    an_image: int = 19,
    classes: int = 200,
    repeats: int = 3,
) -> dict[str, Any]:
    """Time them in turn; numpy's products take OMP_NUM_THREADS threads, of which one is best.

    Args:
        images: of the training set.
        filters: of the last layer.
        attributes: of the vocabulary.
        an_image: that an image bears in the mean.
        classes: for the regression within classes.
        repeats: turns.

    Returns:
        Of each way its processor's seconds, all threads together; of the paper's product, by how
        much it is faster than the dense one; of all presets together, seconds and the growth of
        memory in megabytes.

    Raises:
        RuntimeError: the two products differ, so that times would mean nothing.
    """
    rng = np.random.default_rng(0)
    presence = made_presence(rng, images, attributes, an_image)
    phi = made_activations(rng, images, filters)
    prior = np.ones(attributes, np.float32)
    y = rng.integers(0, classes, images)
    ours = paper(phi, presence, prior)
    dense = presence.toarray()
    if not np.allclose(ours, SIGMAS["filters"](phi).T @ dense, rtol=1e-3, atol=1e-6):
        raise RuntimeError("the sparse product differs from the dense one")
    del ours
    works: dict[str, Callable[[], Any]] = {
        "dense": lambda: SIGMAS["filters"](phi).T @ dense,
        "paper": lambda: paper(phi, presence, prior),
        "centred": lambda: centred(phi, presence),
        "t": lambda: welch_t(phi, presence),
        "joint": lambda: joint(phi, presence),
        "joint within": lambda: joint(phi, presence, within=y),
    }
    timed = in_turn(works, repeats=repeats, warm_up=0)
    # Each result is let go before the next, as one preset is written before the next is made.
    megabytes = peak_megabytes(lambda: [None for preset in OURS if works[preset]() is None])
    return {
        "what": "filter attribute distributions against the dense product, at the size of CUB",
        "images": images,
        "filters": filters,
        "attributes": attributes,
        "attributes_an_image": presence.nnz / images,
        "threads": torch.get_num_threads(),
        "seconds": {way: timed[way]["seconds"] for way in timed},
        "times_faster_than_dense": 1 / timed["paper"]["ratio"],
        "times_faster_than_dense_lowest": 1 / timed["paper"]["ratio_highest"],
        "all_seconds": sum(timed[preset]["seconds"] for preset in OURS),
        "all_megabytes": megabytes,
        "repeats": repeats,
    }


def made_presence(
    rng: np.random.Generator, images: int, attributes: int, an_image: float
) -> sparse.csr_array:
    """Attributes by Zipf's law, none in more than six images of ten: ``[m, l]``."""
    share = 1 / np.arange(1, attributes + 1) ** 0.9
    share = np.minimum(an_image * share / share.sum(), 0.6)
    columns = [
        rng.choice(images, rng.binomial(images, p), replace=False, shuffle=False) for p in share
    ]
    rows = np.concatenate(columns)
    which = np.repeat(np.arange(attributes), [len(column) for column in columns])
    values = np.ones(len(rows), np.float32)
    return sparse.csr_array((values, (rows, which)), shape=(images, attributes))


def made_activations(rng: np.random.Generator, images: int, filters: int) -> Array:
    """Spatial means after a ReLU: never negative, most near 0, a long tail: ``[m, n]``."""
    return rng.gamma(0.5, 0.8, (images, filters)).astype(np.float32)
