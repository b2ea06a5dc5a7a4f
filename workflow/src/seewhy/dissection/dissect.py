"""Dissecting a layer: for each unit, the concepts at whose pixels it fires.

    network = load_network("models/dissection/seed0.safetensors")
    found = dissect_layer(network, "block4", ConceptSet("data/dissection/sets/combined"))
    write_tally("tally.csv", found)

Two passes over the images (Bau et al. 2017, section 2): the first finds each unit's threshold T_u,
the level that its activations exceed in 0.5% of all cells, exactly; the second counts, see
`seewhy.dissection.counting`, with the readings (`seewhy.dissection.reading`) beside: correlations,
average precisions, and formulas of two labels. No feature map is stored: memory is that of 0.5% of
the cells and of the counts, whatever the number of images.

The null: the same maps counted against the labels of another image. What a unit's best IoU is
then, it owes to the shapes and places of things in general. Images are visited in an order drawn
once, and in a batch of b images map i meets the labels of image i + r, for r = 1 … `nulls`.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from seewhy.backbones.weights import digest_of_tensors
from seewhy.device import choose_device
from seewhy.dissection.compositions import Compositions, Pairs, labels_within
from seewhy.dissection.counting import SEMANTICS, Counter, Counts, Listed, list_labels
from seewhy.dissection.curves import Curves, Sample
from seewhy.dissection.layers import LayerReader
from seewhy.dissection.moments import Moments
from seewhy.dissection.networks import Scaling
from seewhy.dissection.quantiles import Quantile
from seewhy.dissection.reading import Reading
from seewhy.dissection.sets import Concepts, looks_of, of_one_size
from seewhy.dissection.upsampling import WAYS, Axis, Field, axis
from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, whole_file
from seewhy.hdf5_files import explained_form
from seewhy.memory import check_memory
from seewhy.modes import placed
from seewhy.progress import progress
from seewhy.resume import Unfinished
from seewhy.running import as_tensor, require_weights

Array = np.ndarray
Prepare = Callable[[Array], Tensor]
READINGS: dict[str, type[Reading]] = {"moments": Moments, "curves": Curves, "pairs": Pairs}
_SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class How:
    """Settings of a dissection.

    Attributes:
        level: of the thresholds; Bau et al. 2017: 0.995; what their code reads out: 0.994995.
        semantics: see `seewhy.dissection.counting`.
        upsampling: see `seewhy.dissection.upsampling`.
        groups: of images, that counts are kept apart for; intervals draw groups.
        nulls: rounds of the null; at most a batch less one.
        batch: images a forward pass.
        top: images kept for each unit.
        seed: of the order in which images are visited.
        curves: read average precisions, see `seewhy.dissection.curves`.
        bins: of activation, for these; their memory is 4 bytes a unit, label and bin.
        stride: for these every `stride`-th pixel of every `stride`-th row is read; 1: all.
        pairs: search formulas of two labels, see `seewhy.dissection.compositions`.
        pair_bytes: most memory for these; if need be the labels that cover least are left out.
    """

    level: float = 0.995
    semantics: str = "netdissect"
    upsampling: str = "lite"
    groups: int = 40
    nulls: int = 0
    batch: int = 100
    top: int = 48
    seed: int = 0
    curves: bool = False
    bins: int = 128
    stride: int = 2
    pairs: bool = False
    pair_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        for name in ("groups", "batch", "top", "stride", "pair_bytes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)!r} must be 1 or more")
        if self.bins < 2:
            raise InputError(f"bins {self.bins!r} must be 2 or more")
        if not 0 <= self.level <= 1:
            raise InputError(f"level {self.level!r} must lie between 0 and 1")
        for name, known in (("semantics", SEMANTICS), ("upsampling", WAYS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} {getattr(self, name)!r} is not one of {', '.join(known)}")
        if not 0 <= self.nulls < self.batch:
            raise InputError(
                f"nulls {self.nulls!r} must be 0 or more, and less than batch, {self.batch}"
            )


@dataclass
class Dissection:
    """All that was counted of a layer; :func:`seewhy.dissection.tally.tally` reads it.

    Attributes:
        names, categories, category: of the concept set.
        thresholds: T_u, [units] float64.
        counts: see there.
        correlation: [units, labels] Pearson correlation over the pixels of activation and label,
            in the images that speak of the label's category; NaN where either never varies.
        null: [nulls, units, categories] best IoU of each unit in each category against other
            images' labels.
        top: [units, top] images in which the unit's greatest activation is the greatest, from the
            first on; -1 where there are no more; `top_value`, those activations.
        about: layer, settings, sizes.
        average_precision: [units, labels] of the activation as a detector of the label's pixels,
            in the images that speak of its category; NaN where the label never occurs.
        chance: [labels] what it is for a detector by chance: the label's share of the pixels.
        compositions: the best formulas of two labels.
            These three are None where the settings leave them out.
    """

    names: list[str]
    categories: list[str]
    category: Array
    thresholds: Array
    counts: Counts
    correlation: Array
    null: Array
    top: Array
    top_value: Array
    about: dict[str, Any]
    average_precision: Array | None = None
    chance: Array | None = None
    compositions: Compositions | None = None

    @property
    def units(self) -> int:
        """How many."""
        return len(self.thresholds)

    def scores(self, groups: Array | slice = slice(None)) -> Array:
        """IoU of each unit with each label over the images of some groups: [units, labels]."""
        total = self.counts.total(groups)
        return iou(total.both, total.truth, total.fired, self.category)


def iou(both: Array, truth: Array, fired: Array, category: Array) -> Array:
    """IoU[u, c] = I / (A_cat + G - I), eq. 1 of Bau et al. 2017; 0 where nothing was there.

    Args:
        both: I, [..., units, labels].
        truth: G, [..., labels].
        fired: A, [..., units, categories].
        category: [labels] of each label, -1 for label 0, whose IoU is 0.
    """
    activation = fired[..., category]
    union = activation + truth[..., None, :] - both
    result = np.divide(both, union, out=np.zeros(both.shape), where=union > 0)
    result[..., category < 0] = 0
    return result


class Tops:
    """The images in which each unit is most active."""

    def __init__(self, units: int, top: int) -> None:
        self.image = torch.full((units, top), -1)
        self.value = torch.full((units, top), -torch.inf)

    def add(self, maps: Tensor, images: Array) -> None:
        """Maps [n, units, h, w] of `images` [n]."""
        value = torch.cat([self.value, maps.amax((2, 3)).T], 1)
        image = torch.cat([self.image, torch.as_tensor(images).expand(len(value), -1)], 1)
        self.value, kept = value.topk(self.value.shape[1], 1)
        self.image = image.gather(1, kept)


def dissect_layer(
    network: nn.Module,
    layer: str,
    concepts: Concepts,
    *,
    how: How | None = None,
    prepare: Prepare | None = None,
    field: tuple[Field, Field] | None = None,
    device: str = "auto",
    workers: int | None = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
) -> Dissection:
    """Dissect one layer.

    Args:
        network: left as it is.
        layer: name of a module whose output is [n, units, h, w] (`seewhy.hooking`: also how a call
            of a module that runs several times is named, and maps with their units last).
        concepts: the concept set.
        how: settings.
        prepare: makes the network's input of images [n, h, w, 3] uint8; by default float32
            [n, 3, h, w] in 0 … 1.
        field: receptive field of the layer's cells down and across, pixels of the network's input,
            for upsampling `netdissect`.
        device: cpu, cuda or auto.
        workers: threads that read and count.
        output: HDF5 file to write (:func:`read_dissection` reads it).
        resume: folder for unfinished work, taken up after a kill; None: beside `output`.

    Raises:
        InputError: an unknown layer, one that a forward pass does not reach or that runs several
            times; no images, or no more than rounds of the null; images that the
            network cannot read; activations that are not finite; with `output`, a
            concept set that changed while it was read.

    Images of different sizes are scaled to one, see `seewhy.dissection.sets.of_one_size`.
    """
    how = how or How()
    if not len(concepts):
        raise InputError("the concept set has no images")
    if how.nulls >= len(concepts):
        raise InputError(f"nulls {how.nulls!r} must be less than the images, {len(concepts)}")
    require_weights(network)
    prepare = prepare or Scaling()
    concepts = of_one_size(concepts, side=getattr(prepare, "size", None))
    at_once = min(how.batch, len(concepts))
    check_memory(
        5 * at_once * concepts.image(0).size,
        f"dissection.batch {how.batch}: {at_once} images",
        remedy="lower dissection.batch",
    )
    passes = _Passes(network, layer, concepts, how, prepare, device, workers)
    kept, read = None, ""
    if output is not None:
        read = _digest(concepts)
        made_from = {
            "network": digest_of_tensors(network), "layer": layer, "how": vars(how),
            "field": repr(field), "prepare": getattr(prepare, "__qualname__", repr(prepare)),
            "concepts": read,
        }  # fmt: skip
        kept = Unfinished(output, resume, made_from, work=passes)
        kept.take_up()
    found = passes.run(field, lambda: kept.save([]) if kept else None)
    if output is not None:
        kept.discard()
        if _digest(concepts) != read:
            raise InputError(
                f"{output}: images or masks of the concept set have changed while they were read; "
                "run again"
            )
        write_dissection(output, found)
    return found


def _digest(concepts: Concepts) -> str:
    """Of all that a dissection reads: the looks of every file, or, of a set without, all pixels."""
    names = [concepts.names, concepts.categories, len(concepts)]
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(np.concatenate([concepts.category, concepts.groups]).tobytes())
    if (looks := looks_of(concepts)) is not None:
        digest.update(looks.encode())
        return digest.hexdigest()
    for i in range(len(concepts)):
        labels = concepts.labels(i)
        digest.update(concepts.image(i).tobytes())
        digest.update(labels.planes.tobytes() + repr(labels.whole).encode())
    return digest.hexdigest()


class _Passes:
    """The two passes, and where they stand."""

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        concepts: Concepts,
        how: How,
        prepare: Prepare,
        device: str,
        workers: int | None,
    ) -> None:
        self._device = choose_device(device)
        self._network, self._layer, self._prepare = network, layer, prepare
        self._concepts, self._how, self._workers = concepts, how, workers
        order = np.random.default_rng(how.seed).permutation(len(concepts))
        self._batches = [
            order[first : first + how.batch] for first in range(0, len(order), how.batch)
        ]
        self._done = 0  # batches, of both passes
        self._quantile: Quantile | None = None
        self._tops: Tops | None = None
        self._counters: list[Counter] = []
        self._sample: Sample | None = None
        self._readings: dict[str, Reading] = {}
        self._axes: dict[tuple[int, int, int, int], tuple[Axis, Axis]] = {}

    # What is saved between batches: the passes know how to begin with all of it.
    def state_dict(self) -> dict[str, Any]:
        """Where the work stands."""
        return {
            "done": self._done,
            "quantile": vars(self._quantile) if self._quantile else None,
            "tops": vars(self._tops) if self._tops else None,
            "counts": [_tensors(counter.counts) for counter in self._counters],
            "thresholds": self._thresholds_tensor(),
            "sample": self._sample.state_dict() if self._sample else None,
            "readings": {name: one.state_dict() for name, one in self._readings.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._done = state["done"]
        self._quantile = self._tops = self._sample = None
        self._counters, self._readings = [], {}
        if state["quantile"]:
            self._quantile = Quantile.__new__(Quantile)
            vars(self._quantile).update(state["quantile"])
            self._tops = Tops(0, 1)
            vars(self._tops).update(state["tops"])
        if state["sample"]:
            self._sample = Sample.of(state["sample"])
        if state["counts"]:
            self._begin_counting(state["thresholds"].numpy())
            for counter, saved in zip(self._counters, state["counts"], strict=True):
                counter.counts = Counts(**{name: value.numpy() for name, value in saved.items()})
            self._readings = {
                name: READINGS[name].of(saved) for name, saved in state["readings"].items()
            }

    def _thresholds_tensor(self) -> Tensor | None:
        return torch.from_numpy(self._counters[0].thresholds) if self._counters else None

    def run(self, field: tuple[Field, Field] | None, save: Callable[[], None]) -> Dissection:
        """Both passes from where they stand; `save` is called now and then."""
        saved, half = time.monotonic(), len(self._batches)
        bar = progress(
            what=f"dissecting {self._layer}", total=2 * half, unit="batch", initial=self._done
        )
        read = LayerReader(self._network, [self._layer], stop=True)
        with bar, placed(self._network, self._device):
            for images, batch, listed in self._read(self._done):
                given = as_tensor(self._prepare(images), "what prepare gives")
                if len(given) != len(images):
                    raise InputError(
                        f"prepare gives {len(given)} inputs for {len(images)} images; give one each"
                    )
                maps = read(given)[0][self._layer].float().cpu().contiguous()
                if not torch.isfinite(maps).all():
                    kind = "NaN" if torch.isnan(maps).any() else "infinite values"
                    raise InputError(f"layer {self._layer!r} gives {kind}; look at the weights")
                if self._done < half:
                    self._measure(maps, batch)
                else:
                    self._count(maps.numpy(), batch, listed, field, tuple(given.shape[2:]))
                self._done += 1
                bar.update()
                if time.monotonic() - saved > _SAVE_SECONDS:
                    save()
                    saved = time.monotonic()
        return self._result()

    def _read(self, done: int) -> Iterator[tuple[Array, Array, list[Listed]]]:
        """Batches from number `done` on, read ahead: images [n, h, w, 3], their numbers, and in the
        second pass their labels.
        """
        half = len(self._batches)

        def read(k: int) -> tuple[Array, Array, list[Listed]]:
            batch, names = self._batches[k % half], len(self._concepts.names)
            images = self._images(batch)
            if k < half:
                return images, batch, []
            return images, batch, [list_labels(self._concepts.labels(i), names) for i in batch]

        with ThreadPoolExecutor(self._workers or 2) as pool:
            ahead = [pool.submit(read, k) for k in range(done, min(done + 2, 2 * half))]
            for k in range(done, 2 * half):
                found = ahead.pop(0).result()
                if k + 2 < 2 * half:
                    ahead.append(pool.submit(read, k + 2))
                yield found

    def _images(self, batch: Array) -> Array:
        images = [self._concepts.image(int(i)) for i in batch]
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            raise InputError(
                f"images of different sizes ({', '.join(map(str, sorted(shapes)))}) where the set "
                "says one; give their true height and width as ih and iw in index.csv"
            )
        return np.stack(images)

    def _measure(self, maps: Tensor, batch: Array) -> None:
        units, cells = maps.shape[1], maps.shape[2] * maps.shape[3]
        if self._quantile is None:
            self._quantile = Quantile(units, cells * len(self._concepts), self._how.level)
            self._tops = Tops(units, self._how.top)
            if self._how.curves:
                self._sample = Sample(units, len(self._concepts), cells, seed=self._how.seed)
        self._quantile.add(maps.transpose(0, 1).flatten(1))
        self._tops.add(maps, batch)
        if self._sample:
            self._sample.add(maps.numpy())

    def _begin_counting(self, thresholds: Array) -> None:
        concepts, how = self._concepts, self._how
        pixels = sum(math.prod(concepts.mask_size(i)) for i in range(len(concepts)))
        self._counters = [
            Counter(
                thresholds, concepts.category, len(concepts.categories), semantics=how.semantics,
                groups=how.groups if k == 0 else 1, pixels=pixels, workers=self._workers,
            )
            for k in range(1 + how.nulls)
        ]  # fmt: skip

    def _begin_reading(self, thresholds: Array) -> None:
        concepts, how, units = self._concepts, self._how, len(thresholds)
        labels = concepts.category, len(concepts.categories)
        self._readings = {"moments": Moments(units, *labels)}
        if self._sample:
            edges = self._sample.edges(how.bins)
            self._readings["curves"] = Curves(edges, *labels, stride=how.stride)
            self._sample = None  # has served
        if how.pairs:
            tried = labels_within(concepts, units, how.pair_bytes, seed=how.seed)
            self._readings["pairs"] = Pairs(thresholds, *labels, labels=tried)

    def _count(
        self,
        maps: Array,
        batch: Array,
        listed: list[Listed],
        field: tuple[Field, Field] | None,
        image_size: tuple[int, int],
    ) -> None:
        if not self._counters:
            thresholds = self._quantile.result().numpy()
            self._begin_counting(thresholds)
            self._begin_reading(thresholds)
        sizes = [self._concepts.mask_size(int(i)) for i in batch]
        axes = [self._axes_of(maps.shape[2:], size, field, image_size) for size in sizes]
        groups = [int(self._concepts.groups[i]) for i in batch]
        self._counters[0].add(maps, listed, axes, [g % self._how.groups for g in groups])
        readings = self._readings.values()
        with ThreadPoolExecutor(min(self._workers or len(readings), len(readings))) as pool:
            list(pool.map(lambda reading: reading.add(maps, listed, axes, groups), readings))
        for r, counter in enumerate(self._counters[1:], 1):
            other = [(i + r) % len(batch) for i in range(len(batch))]
            fits = [i for i, j in enumerate(other) if i != j and sizes[i] == sizes[j]]
            counter.add(
                maps[fits], [listed[other[i]] for i in fits], [axes[i] for i in fits],
                [0] * len(fits),
            )  # fmt: skip

    def _axes_of(
        self,
        cells: tuple[int, int],
        mask: tuple[int, int],
        field: tuple[Field, Field] | None,
        image: tuple[int, int],
    ) -> tuple[Axis, Axis]:
        key = (*cells, *mask)
        if key not in self._axes:
            down, across = (
                axis(n, m, way=self._how.upsampling, field=f, image=i)
                for n, m, f, i in zip(cells, mask, field or (None, None), image, strict=True)
            )
            self._axes[key] = (down, across)
        return self._axes[key]

    def _result(self) -> Dissection:
        concepts, first = self._concepts, self._counters[0]
        null = np.zeros((len(self._counters) - 1, len(first.thresholds), len(concepts.categories)))
        for r, counter in enumerate(self._counters[1:]):
            total = counter.counts.total()
            scores = iou(total.both, total.truth, total.fired, concepts.category)
            for k in range(len(concepts.categories)):
                null[r, :, k] = scores[:, concepts.category == k].max(1, initial=0)
        for counter in self._counters:
            counter.close()
        figures = [reading.result() for reading in self._readings.values()]
        return Dissection(
            names=list(concepts.names),
            categories=list(concepts.categories),
            category=np.asarray(concepts.category),
            thresholds=first.thresholds,
            counts=first.counts,
            null=null,
            top=self._tops.image.numpy(),
            top_value=self._tops.value.numpy(),
            about={"layer": self._layer, "images": len(concepts), **vars(self._how)},
            **{name: value for found in figures for name, value in found.items()},
        )


def _tensors(counts: Counts) -> dict[str, Tensor]:
    return {f.name: torch.from_numpy(getattr(counts, f.name)) for f in fields(counts)}


_ARRAYS = ("category", "thresholds", "correlation", "null", "top", "top_value")
_OPTIONAL = ("average_precision", "chance")
_PARTS = {"counts": Counts, "compositions": Compositions}
"""Data sets of an HDF5 file, those that may be absent, and groups of data sets (the latter of these
too)."""


def write_dissection(path: str | Path, found: Dissection) -> None:
    """Write a dissection as HDF5: names, categories, the arrays under their names, counts and
    compositions as groups, and `about` as an attribute, in JSON.
    """
    with whole_file(path) as temporary, create_hdf5(temporary) as file:
        text = h5py.string_dtype()
        file.create_dataset("names", data=np.array(found.names, object), dtype=text)
        file.create_dataset("categories", data=np.array(found.categories, object), dtype=text)
        file.attrs["about"] = json.dumps(found.about, sort_keys=True)
        for group, part in ((name, getattr(found, name)) for name in _PARTS):
            for name, value in vars(part).items() if part else ():
                file.create_dataset(f"{group}/{name}", data=value, compression="gzip", shuffle=True)
        for name in (*_ARRAYS, *_OPTIONAL):
            if getattr(found, name) is not None:
                file[name] = getattr(found, name)


def read_dissection(path: str | Path) -> Dissection:
    """Read what :func:`write_dissection` wrote.

    Raises:
        InputError: missing, cut short, or something else.
    """
    needs = ("names", "categories", *_ARRAYS, *(f"counts/{f.name}" for f in fields(Counts)))
    with open_hdf5(path, needs=needs) as file, explained_form(path, "a dissection"):
        parts = {
            group: kind(**{f.name: file[f"{group}/{f.name}"][:] for f in fields(kind)})
            for group, kind in _PARTS.items()
            if group in file
        }
        return Dissection(
            names=list(file["names"].asstr()[:]),
            categories=list(file["categories"].asstr()[:]),
            about=json.loads(file.attrs["about"]),
            **parts,
            **{name: file[name][:] for name in (*_ARRAYS, *_OPTIONAL) if name in file},
        )
