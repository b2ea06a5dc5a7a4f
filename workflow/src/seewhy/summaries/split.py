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
        presence: attributes in the captions of each image, bool CSR ``[m, l]``.
        captions: of each image, m.
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
        InputError: files of different images, or an image that the attributes do not know.
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
    place = {name: row for row, name in enumerate(attributes.images)}
    missing = [name for name in names if name not in place]
    if missing:
        raise InputError(f"{crops}: the attributes know no image {missing[0]}; mine them again")
    presence = attributes.presence[[place[name] for name in names]]
    table = read_table(corpus, "captions")
    said: Mapping[str, list[str]] = table.groupby("clip")["text"].agg(list).to_dict()
    captions = tuple(tuple(said.get(name, ())) for name in names)
    return Split(
        Path(crops), names, labels.astype(int), classes, points, visible, parts, size, found,
        presence, captions,
    )  # fmt: skip
