"""Counting where a unit fires and what is there: the hot loop of network dissection.

Unit u *fires* at a pixel where its feature map, upsampled to the mask, exceeds its threshold T_u
(strictly). Over a concept set we count, for each unit u, label c and category of labels k

    I[u, c]   pixels at which u fires that have the label c
    G[c]      pixels that have the label c
    A[u, k]   pixels at which u fires, in the images that speak of the category k
    A[u]      pixels at which u fires

An image *speaks of* k (`SEMANTICS`): `netdissect` (the original, for data annotated in part): a
pixel of it has a label of k; `lite` (NetDissect-Lite): a pixel at which u fires has one. A label
counts once at a pixel, however many planes repeat it.

The value at a pixel between cells a, b (above), c, d (below) is, in float64,

    top = a + s (b - a),  bottom = c + s (d - c),  value = top + t (bottom - top),

kept within the least and greatest of the four. So a pixel can only fire where one of its four cells
does, and most of the map is passed over unseen: the counts are those of the literal loop over all
pixels, exactly. The labels of a pixel are listed once for all units.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numba import njit

from seewhy.dissection.concepts import LARGEST, Labels
from seewhy.dissection.upsampling import Axis
from seewhy.errors import InputError
from seewhy.processors import usable_processors

Array = np.ndarray
SEMANTICS = ("netdissect", "lite")


@dataclass
class Counts:
    """What was counted, apart for each of g groups of images; sums over groups are the data set's.

    Attributes:
        both: I, [g, units, labels] int64 (int32 where that holds all pixels); label 0 is none and
            stays 0.
        truth: G, [g, labels] int64.
        fired: A[u, k], [g, units, categories] int64.
        fired_all: A[u], [g, units] int64.
        pixels: [g] int64, of all masks.
        spoken: [g, categories] int64, pixels of the images that have a label of the category.
    """

    both: Array
    truth: Array
    fired: Array
    fired_all: Array
    pixels: Array
    spoken: Array

    @classmethod
    def zeros(
        cls, groups: int, units: int, labels: int, categories: int, pixels: int | None = None
    ) -> Counts:
        """Nothing counted yet; `pixels` of all masks, if known, tells how large I can become."""
        small = pixels is not None and pixels <= np.iinfo(np.int32).max
        return cls(
            np.zeros((groups, units, labels), np.int32 if small else np.int64),
            np.zeros((groups, labels), np.int64),
            np.zeros((groups, units, categories), np.int64),
            np.zeros((groups, units), np.int64),
            np.zeros(groups, np.int64),
            np.zeros((groups, categories), np.int64),
        )

    def total(self, groups: Array | slice = slice(None)) -> Counts:
        """Summed over some groups: the same without the first axis."""
        return Counts(**{f.name: getattr(self, f.name)[groups].sum(0) for f in fields(self)})


@dataclass(frozen=True)
class Listed:
    """The labels of one image by pixel, each once.

    Attributes:
        start: [pixels + 1] int32; `label[start[p]:start[p + 1]]` are those of pixel p.
        label: uint16.
        whole: [m] int32, labels of the whole image, not in `label`.
        truth: [labels] int64, pixels with each label.
    """

    start: Array
    label: Array
    whole: Array
    truth: Array


def list_labels(labels: Labels, count: int) -> Listed:
    """List the labels of an image by pixel.

    Args:
        labels: of one image.
        count: number of labels, with label 0.

    Raises:
        InputError: a label below 0, or of `count` or above; more labels than a mask can tell.
    """
    if count > LARGEST + 1:
        raise InputError(f"{count - 1} labels, a mask holds at most {LARGEST}")
    whole = np.array(sorted({w for w in labels.whole if w}), np.int32)
    pixels = labels.planes.shape[1] * labels.planes.shape[2]
    planes = np.ascontiguousarray(labels.planes.reshape(-1, pixels), np.int32)
    for numbers in (planes, whole):
        if numbers.view(np.uint32).max(initial=0) >= count:  # those below 0 are great ones, too
            raise InputError(
                f"labels {numbers.min()} … {numbers.max()} must lie between 0 and {count - 1}"
            )
    start, label, truth = _list(planes, whole, pixels, count)
    return Listed(start, label, whole, truth)


class Counter:
    """Counts one image after another.

    Args:
        thresholds: T_u, [units]; a unit whose threshold is NaN never fires.
        category: [labels] index of each label's category, -1 for label 0.
        categories: how many there are.
        groups: of images, for intervals.
        semantics: one of `SEMANTICS`.
        pixels: of all masks, if known: where int32 holds them, counts take half the memory.
        workers: threads, which share the units; None: one a processor that this process may use.

    Attributes:
        counts: so far.
        thresholds: as given.

    Raises:
        InputError: unknown semantics.
    """

    def __init__(
        self,
        thresholds: Array,
        category: Array,
        categories: int,
        *,
        groups: int = 1,
        semantics: str = "netdissect",
        pixels: int | None = None,
        workers: int | None = None,
    ) -> None:
        if semantics not in SEMANTICS:
            raise InputError(f"semantics {semantics!r} is not one of {', '.join(SEMANTICS)}")
        self.thresholds = np.ascontiguousarray(thresholds, np.float64)
        self._category = np.ascontiguousarray(category, np.int64)
        self._lite = semantics == "lite"
        self.counts = Counts.zeros(groups, len(thresholds), len(category), categories, pixels)
        self._workers = max(1, workers or usable_processors())
        bounds = np.linspace(0, len(thresholds), self._workers + 1).astype(int)
        self._shares = [slice(a, b) for a, b in pairwise(bounds.tolist()) if b > a]
        self._pool = ThreadPoolExecutor(self._workers)

    def add(
        self,
        maps: Sequence[Array],
        labels: Sequence[Listed],
        axes: Sequence[tuple[Axis, Axis]],
        groups: Sequence[int],
    ) -> None:
        """Count some images.

        Args:
            maps: of each image, [units, h, w] float32.
            labels: of each image, by :func:`list_labels`.
            axes: of each image, down and across.
            groups: of each image, the number of its group.
        """
        counts, known = self.counts, self._category
        speaks = np.zeros((len(labels), counts.fired.shape[2]), bool)
        present = [np.flatnonzero(listed.truth) for listed in labels]
        for i, (listed, group) in enumerate(zip(labels, groups, strict=True)):
            categories = known[present[i]]
            speaks[i, categories[categories >= 0]] = True
            counts.truth[group] += listed.truth
            counts.pixels[group] += len(listed.start) - 1
            counts.spoken[group, speaks[i]] += len(listed.start) - 1

        def work(share: slice) -> None:
            for i, (one, listed, (down, across), group) in enumerate(
                zip(maps, labels, axes, groups, strict=True)
            ):
                _count(
                    one[share], self.thresholds[share], listed.start, listed.label, listed.whole,
                    present[i], known, speaks[i], self._lite,
                    down.high, down.share, down.first, across.high, across.share, across.first,
                    counts.both[group, share], counts.fired[group, share],
                    counts.fired_all[group, share],
                )  # fmt: skip

        list(self._pool.map(work, self._shares))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


@njit(cache=True, nogil=True)
def _list(planes, whole, pixels, count):
    start = np.zeros(pixels + 1, np.int32)
    label = np.empty(planes.size, np.uint16)
    truth = np.zeros(count, np.int64)
    last = np.full(count, -1, np.int32)  # the last pixel that has the label
    last[0] = pixels  # so that no pixel comes after it: never listed
    for w in whole:
        last[w] = truth[w] = pixels
    planes = planes.view(np.uint32)  # no test for negative places
    n = 0
    for p in range(pixels):
        for k in range(planes.shape[0]):
            c = planes[k, p]
            if last[c] < p:
                last[c] = p
                truth[c] += 1
                label[n] = c
                n += 1
        start[p + 1] = n
    return start, label[:n], truth


@njit(cache=True, nogil=True)
def _count(
    maps, thresholds, start, label, whole, present, category, speaks, lite,
    down_high, down_share, down_first, across_high, across_share, across_first,
    both, fired, fired_all,
):  # fmt: skip
    height, width = maps.shape[1], maps.shape[2]
    columns = len(across_high)
    # Of one row of pixels between two cells. Loops that count have no branches, so that they become
    # vector instructions.
    above, step, fires = np.empty(columns), np.empty(columns), np.empty(columns, np.bool_)
    here = np.zeros(both.shape[1], np.int64)
    start = start.view(np.uint32)  # no test for negative places
    touched = np.zeros(fired.shape[1] + 1, np.bool_)  # the last: category -1, labels of none
    for u in range(maps.shape[0]):
        threshold = thresholds[u]
        n = 0
        for value in maps[u].ravel():
            n += value > threshold
        if n == 0:
            continue
        total = 0
        for i in range(height):
            top, end = down_first[i], down_first[i + 1]
            if top == end:
                continue
            below = down_high[top]
            for j in range(width):
                left, right = across_first[j], across_first[j + 1]
                if left == right:
                    continue
                beside = across_high[left]
                a, b = np.float64(maps[u, i, j]), np.float64(maps[u, i, beside])
                c, d = np.float64(maps[u, below, j]), np.float64(maps[u, below, beside])
                # A value is kept within these four, so nothing fires where none of them does, and
                # everything where all do; elsewhere keeping it so cannot change on which side of
                # the threshold it lies.
                if not max(max(a, b), max(c, d)) > threshold:
                    continue
                surely = min(min(a, b), min(c, d)) > threshold
                share = across_share[left:right]
                for x in range(len(share)):
                    above[x] = a + share[x] * (b - a)
                    step[x] = (c + share[x] * (d - c)) - above[x]
                for y in range(top, end):
                    t = down_share[y]
                    for x in range(len(share)):
                        fires[x] = surely | (above[x] + t * step[x] > threshold)
                    n = 0
                    for x in range(len(share)):
                        n += fires[x]
                    if n == 0:
                        continue
                    total += n
                    begin = start[y * columns + left : y * columns + right + 1]
                    x = 0
                    while x < len(share):
                        first = x
                        while x < len(share) and fires[x]:
                            x += 1
                        for k in range(begin[first], begin[x]):  # neighbours' labels are in a row
                            here[label[k]] += 1
                        x += 1
        if total == 0:
            continue
        fired_all[u] += total
        for w in whole:
            here[w] = total
        touched[:] = False
        for c in present:
            if here[c] > 0:
                both[u, c] += here[c]
                here[c] = 0
                touched[category[c]] = True
        for k in range(fired.shape[1]):
            if (lite and touched[k]) or (not lite and speaks[k]):
                fired[u, k] += total
