"""A split of a corpus with all that is known of its images: crops, activations, attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.summaries.activations import Activations, load_activations
from seewhy.summaries.retrieval import class_profile
from seewhy.text.attributes import Attributes

Array = np.ndarray
_NEEDS = ("image", "label", "name", "points", "visible")


@dataclass(frozen=True)
class Split:
    """Letters: m images, n filters, l attributes, p key points, o classes.

    Attributes:
        path: of the crops (`seewhy.summaries.images`).
        names: of the images, m.
        labels: given classes, ``[m]``.
        classes: their names, o.
        points: key points in pixels of the crop, ``[m, p, 2]``; `visible` ``[m, p]``.
        parts: names of the key points, p.
        size: side of a crop, pixels.
        found: activations.
        presence: attributes in the captions of each image, bool CSR ``[m, l]``; none for an image
            without captions, of which they say nothing.
        captions: of each image, m; perhaps none.
    """

    path: Path
    names: tuple[str, ...]
    labels: Array
    classes: tuple[str, ...]
    points: Array
    visible: Array
    parts: tuple[str, ...]
    size: int
    found: Activations
    presence: sparse.csr_matrix
    captions: tuple[tuple[str, ...], ...]

    @property
    def right(self) -> Array:
        """Whether the network's class is the given one, ``[m]``."""
        return self.found.decided == self.labels

    @property
    def described(self) -> Array:
        """Whether the image has a caption, ``[m]``."""
        return np.array([bool(texts) for texts in self.captions], bool)

    @property
    def profile(self) -> Array:
        """The share of each class's described images with each attribute, ``[o, l]``."""
        known = self.described
        return class_profile(self.presence[known], self.labels[known], len(self.classes))

    @property
    def frequency(self) -> Array:
        """The share of the described images with each attribute, ``[l]``."""
        return np.asarray(self.presence[self.described].mean(axis=0)).ravel()

    def images(self, rows: Sequence[int] | Array) -> Array:
        """Crops at these places, ``[b, s, s, 3]`` uint8."""
        order = np.unique(rows)
        with open_hdf5(self.path, needs=("image",)) as file:
            crops = file["image"][order]
        return crops[np.searchsorted(order, rows)]


def open_split(
    crops: str | Path, activations: str | Path, corpus: str | Path, attributes: Attributes
) -> Split:
    """Bring together what the workflow knows of a split.

    Args:
        crops: file of `seewhy.summaries.images`.
        activations: file of `seewhy.summaries.activations`, of these crops.
        corpus: folder in canonical form.
        attributes: mined from the corpus's captions.

    Raises:
        InputError: files of different images or of classes that the network does not know, or
            captions that the attributes do not know.
    """
    found = load_activations(activations)
    with open_hdf5(crops, needs=_NEEDS) as file:
        names = tuple(file["name"].asstr()[:])
        labels, points, visible = (file[key][:] for key in ("label", "points", "visible"))
        classes = tuple(str(name) for name in file["label"].attrs["classes"])
        parts = tuple(str(name) for name in file["visible"].attrs["points"])
        size = file["image"].shape[1]
    if len(found.phi) != len(names):
        raise InputError(
            f"{activations}: of {len(found.phi)} images, {crops} has {len(names)}; read the "
            "activations again"
        )
    labels, classes = labels_of_outputs(
        labels.astype(int), classes, found.classes, outputs=found.logits.shape[1], where=str(crops)
    )
    table = read_table(corpus, "captions")
    said: Mapping[str, list[str]] = table.groupby("clip")["text"].agg(list).to_dict()
    captions = tuple(tuple(said.get(name, ())) for name in names)
    missing = sorted({name for name in names if name in said} - set(attributes.images))
    if missing:
        raise InputError(f"{crops}: the attributes know no image {missing[0]}; mine them again")
    return Split(
        Path(crops), names, labels, classes, points, visible, parts, size, found,
        presence_of(attributes, names), captions,
    )  # fmt: skip


def presence_of(attributes: Attributes, names: Sequence[str]) -> sparse.csr_matrix:
    """Which of these images has which attribute, bool CSR ``[m, l]``; an unknown image has none."""
    place = {name: row for row, name in enumerate(attributes.images)}
    known = [row for row, name in enumerate(names) if name in place]
    rows = attributes.presence[[place[names[row]] for row in known]]
    if len(known) == len(names):
        return rows
    picked = (np.ones(len(known), bool), (known, np.arange(len(known))))
    return (sparse.csr_matrix(picked, (len(names), len(known))) @ rows).astype(bool)


def labels_of_outputs(
    labels: Array, classes: Sequence[str], known: Sequence[str], *, outputs: int, where: str
) -> tuple[Array, tuple[str, ...]]:
    """Labels as numbers of the network's outputs, and the outputs' names.

    Args:
        labels: indices into `classes`, ``[m]``.
        classes: of the images.
        known: names of the network's outputs in their order; empty: unknown, and taken to be those
            of the images in the order of the alphabet, as networks trained here have them.
        outputs: their number.
        where: what the images are of, for messages.

    Raises:
        InputError: another number of outputs, or names that are not those of the images.
    """
    if not known and outputs == len(classes):
        return labels, tuple(classes)
    remedy = "name the outputs, in their order, in a file for summaries.model.classes"
    if not known:
        raise InputError(
            f"{where}: has {len(classes)} classes, the network {outputs} outputs without names; "
            f"{remedy}"
        )
    strange = sorted(set(classes) - set(known)) or sorted(set(known) - set(classes))
    if strange:
        whose = "the images" if strange[0] in classes else "the network"
        raise InputError(
            f"{where}: {strange[0]!r} is a class of {whose} alone; give both the same "
            f"{len(classes)} classes, or {remedy}"
        )
    place = {name: number for number, name in enumerate(known)}
    return np.array([place[name] for name in classes], int)[labels], tuple(known)
