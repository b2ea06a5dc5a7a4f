"""Concept sets made of others: two read as one, one whose labels have changed places, one scaled.

`SETS` names those that the workflow dissects.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from seewhy.dissection.concepts import Labels
from seewhy.errors import InputError
from seewhy.progress import progress

log = logging.getLogger(__name__)
Array = np.ndarray
ACTION = "action"
"""The category of action regions."""
BRODEN, ACTIONS, COMBINED, SHUFFLED = "broden", "actions", "combined", "shuffled"
SETS = {
    BRODEN: "puppets-objects",
    ACTIONS: "action regions",
    COMBINED: "puppets-objects + action regions",
    SHUFFLED: "puppets-objects + action regions, names shuffled",
}
"""Titles of those that are made of puppets' crops; a set of one's own has its folder's name."""


def main_set(names: Sequence[str]) -> str:
    """The set that tables and figures are of: the combined one, else the one that there is."""
    return COMBINED if COMBINED in names else next(name for name in SETS if name in names)


class Concepts(Protocol):
    """What a dissection reads; `seewhy.dissection.concepts.ConceptSet` says what each part is."""

    names: list[str]
    categories: list[str]
    category: Array
    groups: Array

    def __len__(self) -> int: ...

    def image(self, i: int) -> Array:
        """[ih, iw, 3] uint8."""
        ...

    def labels(self, i: int) -> Labels:
        """Labels of the pixels and of the whole image."""
        ...

    def mask_size(self, i: int) -> tuple[int, int]:
        """Height and width of the masks, pixels."""
        ...

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of the image, pixels."""
        ...


def looks_of(concepts: Concepts) -> str | None:
    """What tells that a set's files are others than before; None of a set that is not of files."""
    looks = getattr(concepts, "looks", None)
    return looks() if looks is not None else None


class Combined:
    """Several sets as one, one after another: Broden and action regions, say.

    Labels of the same name and category are one. One that an earlier set has in another category is
    another label, called `painting (action)`: the thing is not the act.

    Args:
        sets: at least one.
    """

    def __init__(self, sets: Sequence[Concepts]) -> None:
        if not sets:
            raise InputError("a combined concept set needs at least one set")
        self._sets = list(sets)
        self._first = np.cumsum([0, *(len(one) for one in sets)])
        self.categories = list(dict.fromkeys(name for one in sets for name in one.categories))
        self.names, self._new = [""], []
        category = [-1]
        for one in self._sets:
            new = np.zeros(len(one.names), int)
            for old, name in enumerate(one.names):
                if not name:
                    continue
                own = one.category[old]
                mine = self.categories.index(one.categories[own]) if own >= 0 else -1
                known = self.names.index(name) if name in self.names else 0
                if known and mine >= 0 and category[known] not in (mine, -1):
                    name = f"{name} ({self.categories[mine]})"
                if name not in self.names:
                    self.names.append(name)
                    category.append(mine)
                new[old] = self.names.index(name)
                if category[new[old]] < 0:
                    category[new[old]] = mine
            self._new.append(new)
        self.category = np.array(category)
        past, groups = 0, []
        for one in self._sets:
            groups.append(one.groups + past)
            past += int(one.groups.max(initial=-1)) + 1
        self.groups = np.concatenate(groups)

    def __len__(self) -> int:
        return int(self._first[-1])

    def _of(self, i: int) -> tuple[int, int]:
        which = int(np.searchsorted(self._first, i, side="right")) - 1
        return which, i - int(self._first[which])

    def image(self, i: int) -> Array:
        """Image `i`: [ih, iw, 3] uint8."""
        which, own = self._of(i)
        return self._sets[which].image(own)

    def mask_size(self, i: int) -> tuple[int, int]:
        """Height and width of the masks of image `i`."""
        which, own = self._of(i)
        return self._sets[which].mask_size(own)

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of image `i`."""
        which, own = self._of(i)
        return self._sets[which].image_size(own)

    def looks(self) -> str | None:
        """See `looks_of`."""
        own = [looks_of(one) for one in self._sets]
        return None if None in own else " ".join(own)

    def labels(self, i: int) -> Labels:
        """Labels of image `i`, in the numbers of `names`."""
        which, own = self._of(i)
        labels, new = self._sets[which].labels(own), self._new[which]
        planes = new[labels.planes].astype(np.int32)
        return Labels(planes, tuple(int(new[w]) for w in labels.whole))


class Shuffled:
    """A set in which the labels of one category have changed places among the images.

    Regions stay where they are, and each name stays with as many groups of images (clips); which
    group's regions bear which name is chance. What a network then still seems to detect in this
    category, it owes to there being so many names and regions, not to what they mean.

    Args:
        concepts: the set.
        category: whose labels are dealt anew.
        seed: of that.

    Raises:
        InputError: no such category.
    """

    def __init__(self, concepts: Concepts, category: str, *, seed: int = 0) -> None:
        if category not in concepts.categories:
            raise InputError(
                f"there is no category {category!r} to shuffle; there are "
                f"{', '.join(concepts.categories)}"
            )
        self._concepts = concepts
        self.names, self.categories = concepts.names, concepts.categories
        self.category, self.groups = concepts.category, concepts.groups
        mine = self.category == self.categories.index(category)
        self._new: list[dict[int, int]] = []
        places: dict[tuple[int, int], list[int]] = {}  # of a group and a label, its images
        for i in progress(range(len(concepts)), what=f"reading {category} labels", unit="image"):
            labels = concepts.labels(i)
            present = np.unique([*labels.planes.ravel(), *labels.whole]).astype(int)
            self._new.append({})
            for c in present[mine[present]].tolist():
                places.setdefault((int(self.groups[i]), c), []).append(i)
        dealt = np.random.default_rng(seed).permutation([c for _, c in places])
        for ((_, old), images), new in zip(places.items(), dealt.tolist(), strict=True):
            for i in images:
                self._new[i][old] = new

    def __len__(self) -> int:
        return len(self._concepts)

    def image(self, i: int) -> Array:
        """Image `i`."""
        return self._concepts.image(i)

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of image `i`."""
        return self._concepts.image_size(i)

    def mask_size(self, i: int) -> tuple[int, int]:
        """Height and width of the masks of image `i`."""
        return self._concepts.mask_size(i)

    def looks(self) -> str | None:
        """See `looks_of`; who got which name depends on the labels themselves and on the seed."""
        own = looks_of(self._concepts)
        return None if own is None else own + repr(self._new)

    def labels(self, i: int) -> Labels:
        """Labels of image `i`, those of the category under their new names."""
        labels, new = self._concepts.labels(i), self._new[i]
        table = np.arange(len(self.names), dtype=np.int32)
        for old, number in new.items():
            table[old] = number
        return Labels(table[labels.planes], tuple(int(table[w]) for w in labels.whole))


class OneSize:
    """A set whose images are scaled to one size, and their masks to one, each when it is read.

    Images by Pillow's bilinear filter, which looks at all pixels where it makes them fewer; a
    mask's pixel has the label of the one that lies at its centre.

    Args:
        concepts: the set.
        image: height and width of the images.
        mask: of the masks.
    """

    def __init__(
        self, concepts: Concepts, *, image: tuple[int, int], mask: tuple[int, int]
    ) -> None:
        self._concepts, self._image, self._mask = concepts, image, mask
        self.names, self.categories = concepts.names, concepts.categories
        self.category, self.groups = concepts.category, concepts.groups

    def __len__(self) -> int:
        return len(self._concepts)

    def image(self, i: int) -> Array:
        """Image `i`, scaled."""
        pixels = self._concepts.image(i)
        if pixels.shape[:2] == self._image:
            return pixels
        height, width = self._image
        scaled = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(scaled)

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of all images."""
        return self._image

    def mask_size(self, i: int) -> tuple[int, int]:
        """Height and width of all masks."""
        return self._mask

    def looks(self) -> str | None:
        """See `looks_of`; with the sizes that all is scaled to."""
        own = looks_of(self._concepts)
        return None if own is None else f"{own} {self._image} {self._mask}"

    def labels(self, i: int) -> Labels:
        """Labels of image `i`, its masks scaled."""
        labels = self._concepts.labels(i)
        if labels.planes.shape[1:] == self._mask:
            return labels
        down, across = (
            np.minimum(((np.arange(n) + 0.5) * m / n).astype(int), m - 1)
            for n, m in zip(self._mask, labels.planes.shape[1:], strict=True)
        )
        return Labels(labels.planes[:, down[:, None], across], labels.whole)


def of_one_size(concepts: Concepts, *, side: int | None = None) -> Concepts:
    """The set itself where its images are of one size and its masks of one, else `OneSize`.

    Args:
        concepts: any set; one that does not tell the sizes of its images is left as it is.
        side: of the network's input, which images of different sizes are then scaled to; None: to
            the size that most of them have.

    Masks of different sizes get the size that most of them have, so that each image weighs the same
    in what is counted, and each can meet the labels of any other.
    """
    if not len(concepts) or not hasattr(concepts, "image_size"):
        return concepts
    images = Counter(concepts.image_size(i) for i in range(len(concepts)))
    masks = Counter(concepts.mask_size(i) for i in range(len(concepts)))
    if len(images) == len(masks) == 1:
        return concepts
    image, mask = (
        max(sizes, key=lambda size: (sizes[size], size)) for sizes in (images, masks)
    )  # fmt: skip
    if side is not None and len(images) > 1:
        image = (side, side)
    log.info(
        "images of %d sizes are scaled to %d x %d pixels, masks of %d sizes to %d x %d",
        len(images), *image, len(masks), *mask,
    )  # fmt: skip
    return OneSize(concepts, image=image, mask=mask)
