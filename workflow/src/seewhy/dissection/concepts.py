"""Concept sets on disk, in the format of Broden: which labels each pixel of each image has.

A folder with

    index.csv      image,split,ih,iw,sh,sw,<one column a category>; a cell holds, separated by `;`,
                   the file of a mask of sh x sw pixels (label = red + 256 * green), or a number, a
                   label of the whole image; empty: the category was not annotated in this image
    label.csv      number,name,category,frequency,coverage,syns; category as `object(12);part(3)`
    category.csv   name,first,last,count,frequency
    c_<category>.csv   code,number,name,frequency,coverage
    images/        the images and the masks, at the paths that index.csv gives; ih and iw are of
                   the image as it is shown, upright (`seewhy.pictures`)

A mask of one channel, or with a palette, holds the labels themselves (`seewhy.pictures.read_mask`).
An image that cannot be used, or a mask of which cannot (missing, cut short, no picture), is left
out and named in the log.

One more column of index.csv, `group`, is ours and optional: images of a group (the frames of a
clip) are drawn together when intervals are made. Without it, or where its cell is empty, an image
is its own group.

A name that occurs in two categories has one number; its *primary* category is the one in which it
covers the most (the later of category.csv where they tie), as in the reference.

Reference: Bau, D., Zhou, B., Khosla, A., Oliva, A., Torralba, A. Network dissection: quantifying
interpretability of deep visual representations. CVPR 2017, and its code's format (joinseg.py).
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from seewhy.csv_files import check_columns, line_of, read_csv
from seewhy.errors import InputError
from seewhy.files import look, summarise_problems, whole_folder
from seewhy.number_text import numbers_of, shown, whole_number
from seewhy.pictures import (
    PictureProblem,
    check_picture,
    read_mask,
    read_picture,
)
from seewhy.table_paths import path_inside

log = logging.getLogger(__name__)

Array = np.ndarray
SIZES = ("ih", "iw", "sh", "sw")
LARGEST = 256 * 256 - 1
"""Number of a label that a mask can hold."""
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Labels:
    """The labels of one image.

    Attributes:
        planes: [k, sh, sw] int32, labels of single pixels, 0 for none; a pixel may have several.
        whole: labels of the whole image.
    """

    planes: Array
    whole: tuple[int, ...]


class ConceptSet:
    """Reads a concept set.

    Args:
        folder: see the module's docstring.

    Attributes:
        names: name of each label number; names[0] is empty: no label.
        categories: names of the categories, in the order of category.csv.
        category: [labels] index into `categories` of each label's primary one; -1 for label 0.
        groups: [images] the number of each image's group.

    Raises:
        InputError: a table or a column that is missing, a number that makes no sense, or not one
            image that can be used.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        index = _read(self.folder / "index.csv", ("image", *SIZES))
        label = _read(self.folder / "label.csv", ("number", "name", "category"))
        category = _read(self.folder / "category.csv", ("name",))
        self.categories = [name for name in category["name"] if name in index]
        if not self.categories:
            raise InputError(
                f"{self.folder / 'index.csv'}: has no column of a category of category.csv "
                f"({', '.join(category['name'])})"
            )
        numbers = _whole_numbers(self.folder / "label.csv", label["number"], least=1, most=LARGEST)
        self.names = [""] * (int(numbers.max(initial=0)) + 1)
        for row, (number, name) in enumerate(zip(numbers, label["name"], strict=True)):
            if self.names[number]:
                raise InputError(
                    f"{self.folder / 'label.csv'}: line {line_of(label, row)}: the number {number} "
                    f"is taken by {self.names[number]}"
                )
            if not name:
                raise InputError(
                    f"{self.folder / 'label.csv'}: line {line_of(label, row)}: the number {number} "
                    "has no name; name it"
                )
            self.names[number] = str(name)
        self.category = self._primary(numbers, label["category"])
        sizes = [
            _whole_numbers(self.folder / "index.csv", index[key], least=1, most=LARGEST)
            for key in SIZES
        ]
        self._sizes = np.stack(sizes, 1)
        if (index["image"] == "").any():
            line = line_of(index, int((index["image"] == "").argmax()))
            raise InputError(f"{self.folder / 'index.csv'}: line {line}: no image; name it")
        usable = self._usable(index)
        index, self._sizes = index[usable], self._sizes[usable]
        self.images: list[str] = index["image"].tolist()
        self._lines = [line_of(index, row) for row in range(len(index))]
        self._cells = {name: index[name].tolist() for name in self.categories}
        grouping = index.get("group", index["image"])
        self.groups = pd.factorize(grouping.where(grouping != "", index["image"]))[0]

    def __len__(self) -> int:
        return len(self.images)

    def number(self, name: str) -> int:
        """Number of the label of that name.

        Raises:
            InputError: there is none.
        """
        if not name or name not in self.names:
            raise InputError(f"{self.folder}: has no concept {name!r}")
        return self.names.index(name)

    def mask_size(self, i: int) -> tuple[int, int]:
        """Height and width of the masks of image `i`, pixels."""
        return int(self._sizes[i, 2]), int(self._sizes[i, 3])

    def image_size(self, i: int) -> tuple[int, int]:
        """Height and width of image `i` as index.csv has them, pixels."""
        return int(self._sizes[i, 0]), int(self._sizes[i, 1])

    def image(self, i: int) -> Array:
        """Image `i`: [ih, iw, 3] uint8."""
        path = self._file(self.images[i], self._lines[i])
        image, said = read_picture(path), tuple(self._sizes[i, :2].tolist())
        if image.shape[:2] != said and image.shape[1::-1] == said:
            raise InputError(
                f"{path}: is {image.shape[1]} x {image.shape[0]} pixels as it is shown, index.csv "
                f"says {said[1]} x {said[0]}; its masks must be upright as well"
            )
        return image

    def labels(self, i: int) -> Labels:
        """Labels of image `i`; a number above those of label.csv is refused."""
        height, width = self.mask_size(i)
        planes, whole = [], []
        for category in self.categories:
            for item in filter(None, self._cells[category][i].split(";")):
                if _NUMBER.fullmatch(item):
                    where = f"{self.folder / 'index.csv'}: line {self._lines[i]}"
                    number = whole_number(item, where, most=LARGEST)
                    whole.append(self._known(number, self.folder / "index.csv"))
                    continue
                path = self._file(item, self._lines[i])
                plane = read_mask(path)
                if plane.shape != (height, width):
                    raise InputError(
                        f"{path}: is {plane.shape[1]} x {plane.shape[0]} pixels, index.csv says "
                        f"{width} x {height}"
                    )
                planes.append(plane)
                self._known(int(planes[-1].max(initial=0)), path)
        empty = np.zeros((0, height, width), np.int32)
        return Labels(np.stack(planes) if planes else empty, tuple(dict.fromkeys(whole)))

    def looks(self) -> str:
        """Digest of the tables as they were read, and of the looks of every image and mask."""
        cells = [cell for column in self._cells.values() for cell in column]
        masks = [item for cell in cells for item in cell.split(";") if item and not item.isdigit()]
        digest = hashlib.sha256(repr((self.images, self._cells)).encode())
        digest.update(self._sizes.tobytes())
        for name in (*self.images, *masks):
            digest.update(repr(look(self.folder / "images" / name)).encode())
        return digest.hexdigest()

    def _file(self, name: str, line: int) -> Path:
        where = f"{self.folder / 'index.csv'}: line {line}"
        return path_inside(self.folder / "images", name, where=where)

    def _usable(self, index: pd.DataFrame) -> Array:
        """[images] whether each can be read, with its masks; those that cannot are logged."""
        usable, sound, problems = np.ones(len(index), bool), set(), []
        for row, (image, *cells) in enumerate(
            index[["image", *self.categories]].itertuples(index=False)
        ):
            masks = (item for cell in cells for item in cell.split(";") if item)
            for name in (image, *(mask for mask in masks if not _NUMBER.fullmatch(mask))):
                if name in sound:
                    continue
                try:
                    check_picture(self._file(name, line_of(index, row)))
                except PictureProblem as problem:
                    usable[row] = False
                    problems.append((name, problem.status, problem.reason))
                    break
                sound.add(name)
        if problems and not usable.any():
            raise InputError(
                f"{self.folder / 'index.csv'}: none of the {len(index)} images can be used: "
                f"{summarise_problems(problems)}"
            )
        if problems:
            log.warning(
                "%s: %d of %d images left out: %s",
                self.folder, len(problems), len(index), summarise_problems(problems),
            )  # fmt: skip
        return usable

    def _known(self, number: int, path: Path) -> int:
        if number >= len(self.names):
            raise InputError(
                f"{path}: has the label {number}, label.csv none above {len(self.names) - 1}"
            )
        return number

    def _primary(self, numbers: Array, listed: Sequence[str]) -> Array:
        """Primary category of each label: by coverage, where c_<category>.csv tell, else the first
        one that label.csv lists and index.csv has.
        """
        best = np.full(len(self.names), -1)
        for number, text in zip(numbers, listed, strict=True):
            for item in text.split(";")[::-1]:
                category = re.sub(r"\(.*", "", item)
                if category in self.categories:
                    best[number] = self.categories.index(category)
        covered = np.zeros(len(self.names))
        for c, category in enumerate(self.categories):
            path = self.folder / f"c_{category}.csv"
            if not path.exists():
                continue
            table = _read(path, ("number", "coverage"))
            for number, coverage in zip(
                _whole_numbers(path, table["number"], most=LARGEST),
                _numbers(path, table["coverage"]),
                strict=True,
            ):
                if self._known(number, path) > 0 and coverage >= covered[number]:
                    best[number], covered[number] = c, coverage
        return best


class ConceptWriter:
    """Writes a concept set, image by image; the folder appears when the block ends well.

    Args:
        folder: where.
        names: the label names of each category; label numbers are dealt in this order, and a name
            that occurs in two categories has one number.

    Raises:
        InputError: more labels than a mask can hold (65,535).
    """

    def __init__(self, folder: str | Path, names: Mapping[str, Sequence[str]]) -> None:
        self._folder, self._names = Path(folder), {k: list(v) for k, v in names.items()}
        every = list(dict.fromkeys(name for group in names.values() for name in group))
        if len(every) > LARGEST:
            raise InputError(f"{folder}: {len(every)} labels, a mask holds at most {LARGEST}")
        self.numbers = {name: number for number, name in enumerate(every, 1)}
        self._rows: list[dict] = []
        self._frequency = {c: np.zeros(len(every) + 1, int) for c in names}
        self._coverage = {c: np.zeros(len(every) + 1) for c in names}

    def __enter__(self) -> ConceptWriter:
        self._context = whole_folder(self._folder)
        self._temporary = self._context.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> bool | None:
        if kind is None:
            self._write_tables()
        return self._context.__exit__(kind, error, trace)

    def add(
        self,
        name: str,
        image: Array,
        *,
        masks: Mapping[str, Array] | None = None,
        whole: Mapping[str, Sequence[str]] | None = None,
        size: tuple[int, int] | None = None,
        split: str = "train",
        group: str = "",
    ) -> None:
        """Add an image.

        Args:
            name: path below ``images/`` without suffix, such as `puppets/00012`.
            image: [ih, iw, 3] uint8.
            masks: of each category annotated by the pixel, [k, sh, sw] int: 0 for none, else one
                more than the place in the category's names; planes without any label are kept, for
                they say that the category was looked for.
            whole: of each category annotated by the image, names.
            size: sh, sw, where there are no masks; by default those of the image.
            split: of index.csv.
            group: images with the same group are drawn together; by default alone.

        Raises:
            InputError: an unknown category or name, a mask of another form or with numbers that no
                name has, or a second file of one name.
        """
        masks, whole = dict(masks or {}), dict(whole or {})
        self._check(name, masks, whole)
        shapes = {mask.shape[-2:] for mask in masks.values()} or {size or image.shape[:2]}
        if len(shapes) > 1:
            raise InputError(f"{name}: masks of different sizes {sorted(shapes)}")
        (height, width) = shapes.pop()
        images = self._temporary / "images"
        path = path_inside(images, f"{name}.png", where=f"image {name}", to_write=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_picture(path, image)
        row = dict(zip(SIZES, (*image.shape[:2], height, width), strict=True))
        row |= {"image": f"{name}.png", "split": split, "group": group or name}
        for category, names in self._names.items():
            cells, seen = [], np.zeros(len(self.numbers) + 1)
            table = np.array([0, *(self.numbers[n] for n in names)], np.int32)
            labelled = table[masks.get(category, np.zeros((0, height, width), int))]
            for k, plane in enumerate(labelled):
                cells.append(f"{name}_{category}{f'_{k}' if k else ''}.png")
                _write_mask(
                    path_inside(images, cells[-1], where=f"image {name}", to_write=True), plane
                )
            for number in np.unique(labelled):
                seen[number] = (labelled == number).any(0).mean()
            for item in whole.get(category, ()):
                cells.append(str(self.numbers[item]))
                seen[self.numbers[item]] = 1
            seen[0] = 0
            row[category] = ";".join(cells)
            self._frequency[category] += seen > 0
            self._coverage[category] += seen
        self._rows.append(row)

    def _check(
        self, name: str, masks: Mapping[str, Array], whole: Mapping[str, Sequence[str]]
    ) -> None:
        for category in (*masks, *whole):
            if category not in self._names:
                raise InputError(
                    f"{name}: category {category!r} is not one of {', '.join(self._names)}"
                )
        for category, mask in masks.items():
            if mask.ndim != 3:
                raise InputError(f"{name}: {category} has the shape {mask.shape}, not [k, sh, sw]")
            most = len(self._names[category])
            if mask.min(initial=0) < 0 or mask.max(initial=0) > most:
                raise InputError(
                    f"{name}: {category}: a mask of 0 … {most}, not {mask.min()} … {mask.max()}"
                )
        for category, items in whole.items():
            for item in items:
                if item not in self._names[category]:
                    raise InputError(f"{name}: {category} {item!r} is not among the names")

    def _write_tables(self) -> None:
        folder = self._temporary
        columns = ["image", "split", *SIZES, *self._names, "group"]
        pd.DataFrame(self._rows, columns=columns).to_csv(folder / "index.csv", index=False)
        labels, categories = [], []
        for name, number in self.numbers.items():
            where = [(f[number], c) for c, f in self._frequency.items() if name in self._names[c]]
            where.sort(key=lambda item: -item[0])
            listed = ";".join(f"{c}({f})" for f, c in where)
            covered = sum(c[number] for c in self._coverage.values())
            labels.append((number, name, listed, sum(f for f, _ in where), f"{covered:.6f}", ""))
        for category, own in self._names.items():
            numbers = [self.numbers[name] for name in own]
            frequency = self._frequency[category][numbers]
            order = np.argsort(-frequency, kind="stable")
            rows = [
                (code, numbers[i], own[i], frequency[i], self._coverage[category][numbers[i]])
                for code, i in enumerate(order, 1)
            ]
            pd.DataFrame(rows, columns=["code", "number", "name", "frequency", "coverage"]).to_csv(
                folder / f"c_{category}.csv", index=False
            )
            span = (min(numbers), max(numbers)) if numbers else (0, 0)
            categories.append((category, *span, len(numbers), int(frequency.sum())))
        pd.DataFrame(
            labels, columns=["number", "name", "category", "frequency", "coverage", "syns"]
        ).to_csv(folder / "label.csv", index=False)
        pd.DataFrame(categories, columns=["name", "first", "last", "count", "frequency"]).to_csv(
            folder / "category.csv", index=False
        )


def _write_mask(path: Path, labels: Array) -> None:
    rgb = np.zeros((*labels.shape, 3), np.uint8)
    rgb[..., 0], rgb[..., 1] = labels % 256, labels // 256
    _write_picture(path, rgb)


def _write_picture(path: Path, rgb: Array) -> None:
    if path.exists():
        raise InputError(f"{path.stem}: there is an image or a mask of that name")
    Image.fromarray(rgb).save(path, compress_level=1)


def _read(path: Path, needs: Sequence[str]) -> pd.DataFrame:
    table = read_csv(
        path, missing="a concept set has index.csv, label.csv, category.csv and images/"
    )
    check_columns(table, path, needs, only=False)
    return table.fillna("").astype(object)


def _whole_numbers(path: Path, column: pd.Series, *, least: int = 0, most: int) -> Array:
    return _numbers(path, column, least=least, most=most, whole=True).astype(np.int64)


def _numbers(
    path: Path, column: pd.Series, *, least: int = 0, most: float = np.inf, whole: bool = False
) -> Array:
    numbers = numbers_of(column).to_numpy()
    wrong = ~((numbers >= least) & (numbers <= most))
    if whole:
        wrong |= numbers % 1 != 0
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        bounds = f" from {least} to {most:,.0f}" if most < np.inf else f" of {least} or more"
        raise InputError(
            f"{path}: line {line_of(column, row)}: {column.name} {shown(str(column.iloc[row]))} is "
            f"not a {'whole ' if whole else ''}number{bounds}"
        )
    return numbers
