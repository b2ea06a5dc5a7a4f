"""Flickr30k Entities: 31,783 images, five captions each, whose phrases are tied to boxes.

Its layout, below the source folder::

    flickr30k-images/1000092795.jpg
    Sentences/1000092795.txt    [/EN#1/people Two young guys] see [/EN#2/bodyparts their hands] .
    Annotations/1000092795.xml  objects: chains by name, and a box, or the flag nobndbox or scene
    train.txt val.txt test.txt  image numbers, a line each: 29,783, 1,000 and 1,000
    UNRELATED_CAPTIONS          image and number of captions that describe something else

Each may lie in another folder below the source, and the images in any (``flickr30k_images``,
``images``): they are found by their names (`seewhy.corpora.layout`).

An image is a clip of one frame, frame 0. The mark ``[/EN#<chain>/<type>/<type>… words]`` ties words
to a coreference chain: whatever mentions one thing, in any of the five captions, has one number.
Captions lose the marks; phrases keep the words' places among the tokens of
`seewhy.text.tokens.tokenise`.

How chains come out:

* A chain is an instance, numbered within its image by its first mention; its class is its type of
  the first mention. It has role `object`: who acts is not annotated.
* Its boxes, one or several, are rows of boxes with that instance and frame 0. `two young guys` is
  one chain with two boxes; a point is right where it lies in any of them.
* One with no box because it is the scene refers to the surroundings and is no instance. One with
  no box for another reason is an instance without boxes: there is nothing to point at.
* Chain 0 stands for words that show nothing (`notvisual`): no phrase.

The files count pixels from 1, in the manner of PASCAL VOC, and the official reader subtracts 1 from
each corner. The last pixel belongs to the box, so here one of xmin to xmax starts at xmin - 1 and
is xmax - xmin + 1 wide, cut to the image.

Reference: B. A. Plummer et al., *Flickr30k Entities: Collecting Region-to-Phrase Correspondences
for Richer Image-to-Sentence Models*, IJCV 2017.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from seewhy.corpora.layout import Tree, locate
from seewhy.corpora.sources import IMAGE_EXTENSIONS, SOURCES
from seewhy.corpora.truth import SURROUNDINGS
from seewhy.errors import InputError
from seewhy.number_text import whole_number
from seewhy.progress import progress
from seewhy.readable import check_readable
from seewhy.text.tokens import tokenise
from seewhy.text_files import read_lines

COUNTS = {"train": 29783, "val": 1000, "test": 1000}
CAPTIONS = 5  # of each image
NOT_VISUAL = 0
LARGEST = 10**9  # number of a chain, or pixels
WHERE = SOURCES["flickr30k"].where
_MARK = re.compile(r"\[/EN#([0-9]{1,9})/([^\s/\]]+)(?:/[^\s/\]]+)*\s+([^\]]*)\]")

Boxes = Iterator[tuple[str, Mapping[str, np.ndarray]]]


class Phrase(NamedTuple):
    """Marked words of a caption: tokens first <= token < last."""

    chain: int
    kind: str
    first: int
    last: int


class Chains(NamedTuple):
    """What an annotation file says of the chains of an image."""

    boxes: dict[int, list[tuple[float, float, float, float]]]  # x, y, width, height
    scenes: set[int]  # shown by the image as a whole
    empty: int  # boxes with no pixel in the image, which are left out


def read(source: Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any], Boxes]:
    """Read the lists, the captions and the boxes, and look which images are there.

    Raises:
        InputError: an image in two lists, a missing or malformed sentence or annotation file.
    """
    tree = Tree(source)
    split_of = _splits(tree)
    unrelated = _unrelated(tree.find("UNRELATED_CAPTIONS"))
    found = locate(
        tree,
        {image: f"flickr30k-images/{image}.jpg" for image in split_of},
        endings=IMAGE_EXTENSIONS,
        what="images",
        remedy=WHERE,
    )
    said_in, boxed_in = (_folder(tree, name) for name in ("Sentences", "Annotations"))
    clips = pd.DataFrame(
        {"clip": image, "split": split, "video": found[image]} for image, split in split_of.items()
    )
    captions: list[tuple[str, str, str, bool]] = []
    instances: list[tuple[str, int, str, str]] = []
    phrases: list[tuple[str, int, int, str, str]] = []
    boxes: dict[str, np.ndarray] = {}
    without, empty, odd, silent = 0, [], [], []
    for image in progress(split_of, what="Reading annotations", unit="image"):
        sentences = _sentences(said_in / f"{image}.txt")
        chains = _chains(boxed_in / f"{image}.xml")
        numbers: dict[int, int] = {}
        for place, (text, marked) in enumerate(sentences):
            if not tokenise(text):
                silent.append(image)
                continue
            captions.append((f"{image}.{place}", image, text, (image, place + 1) not in unrelated))
            for phrase in marked:
                if phrase.chain == NOT_VISUAL:
                    continue
                refers_to = SURROUNDINGS
                if phrase.chain not in chains.scenes:
                    if phrase.chain not in numbers:
                        numbers[phrase.chain] = len(numbers) + 1
                        instances.append((image, numbers[phrase.chain], phrase.kind, "object"))
                    refers_to = str(numbers[phrase.chain])
                kind = "stuff" if refers_to == SURROUNDINGS else "instance"
                phrases.append((f"{image}.{place}", phrase.first, phrase.last, kind, refers_to))
        if chains.empty:
            empty.append(image)
        if len(sentences) != CAPTIONS:
            odd.append(image)
        boxes[image] = np.array(
            [(numbers[c], *box) for c in numbers for box in chains.boxes.get(c, [])], np.float32
        ).reshape(-1, 5)
        without += sum(chain not in chains.boxes for chain in numbers)
    remarks = [*_remarks(clips), *found.remarks]
    if odd:
        remarks.append(
            f"{len(odd)} images have more or fewer than {CAPTIONS} captions (the first: {odd[0]})"
        )
    if silent:
        remarks.append(
            f"{len(silent)} captions have no word in them and are left out (the first: of "
            f"{silent[0]})"
        )
    if empty:
        remarks.append(
            f"{len(empty)} images have boxes with no pixel in the image, which are left out (the "
            f"first: {empty[0]})"
        )
    if without:
        remarks.append(f"{without} chains have no box: there is nothing to point at")
    tables = {
        "clips": clips,
        "captions": pd.DataFrame(captions, columns=["caption", "clip", "text", "correct"]),
        "instances": pd.DataFrame(instances, columns=["clip", "instance", "class", "role"]),
        "phrases": pd.DataFrame(phrases, columns=["caption", "first", "last", "kind", "refers_to"]),
    }
    return tables, {"remarks": remarks, "remedy": WHERE, "videos": found.present}, _rows(boxes)


def _folder(tree: Tree, name: str) -> Path:
    ways = tree.folders.get(name)
    if not ways:
        raise InputError(f"{tree.folder}: no folder {name} here or below; {WHERE}")
    return tree.folder / ways[0]


def _remarks(clips: pd.DataFrame) -> list[str]:
    remarks = []
    for split, expected in COUNTS.items():
        count = int((clips["split"] == split).sum())
        if count != expected:
            remarks.append(
                f"{count} {split} images, where Flickr30k Entities has {expected}: results are not "
                "those of the whole data set"
            )
    return remarks


def _splits(tree: Tree) -> dict[str, str]:
    split_of: dict[str, str] = {}
    for split in COUNTS:
        path = tree.find(f"{split}.txt")
        if path is None:
            raise InputError(f"{tree.folder}: no {split}.txt here or below; {WHERE}")
        for number, line in enumerate(read_lines(path, missing=WHERE), 1):
            image = line.strip()
            if not image:
                continue
            if not re.fullmatch(r"[0-9]{1,20}", image):
                raise InputError(
                    f"{path}: line {number}: {line[:60]!r} is not an image's number; copy the file "
                    "again"
                )
            if image in split_of:
                raise InputError(
                    f"{path}: line {number}: {image} is already in {split_of[image]}.txt; copy the "
                    "files again"
                )
            split_of[image] = split
        if split not in split_of.values():
            raise InputError(f"{path}: names no image; copy the file again")
    return split_of


def _unrelated(path: Path | None) -> set[tuple[str, int]]:
    """(image, number of the caption from 1) of captions that do not describe their image."""
    if path is None:
        return set()
    found = set()
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9]{1,20})\s+([0-9]{1,9})", line.strip())
        if not match:
            raise InputError(
                f"{path}: line {number}: {line[:60]!r} is not '<image> <caption>'; copy the file "
                "again"
            )
        found.add((match[1], int(match[2])))
    return found


def _sentences(path: Path) -> list[tuple[str, list[Phrase]]]:
    """Captions without their marks, and the marked phrases of each."""
    lines = read_lines(path, missing=WHERE)
    found = [
        parse_sentence(line, where=f"{path}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"{path}: holds no caption; copy the file again")
    return found


def parse_sentence(line: str, *, where: str) -> tuple[str, list[Phrase]]:
    """Take the marks out of a caption.

    Args:
        line: a line of a file in `Sentences`.
        where: file and line, for messages.

    Returns:
        the caption, and its phrases in the order of their words. A phrase that cuts a token (as in
        ``[/EN#5/people man]hood``) takes all of it; one without a letter or number, or whose first
        token is already an earlier phrase's, is left out.

    Raises:
        InputError: a mark that is not closed or has no chain or type.
    """
    text, spans, end = "", [], 0
    for match in _MARK.finditer(line.strip()):
        text += match.string[end : match.start()]
        spans.append((int(match[1]), match[2], len(text), len(text) + len(match[3])))
        text, end = text + match[3], match.end()
    text += line.strip()[end:]
    if "[/EN" in text:
        mark = text[text.index("[/EN") :]
        raise InputError(
            f"{where}: {mark[:40]!r} is not a mark '[/EN#<chain>/<type> words]'; copy the file "
            "again"
        )
    phrases: list[Phrase] = []
    count = len(tokenise(text))
    for chain, kind, begin, until in spans:
        first, split = _tokens_before(text, begin, count)
        last, _ = _tokens_before(text, until, count)
        first -= split
        if first < last and (not phrases or first >= phrases[-1].last):
            phrases.append(Phrase(chain, kind, first, last))
    return text, phrases


def _tokens_before(text: str, place: int, count: int) -> tuple[int, bool]:
    """Tokens of `text` that begin before a place, and whether the place lies within one."""
    before, after = len(tokenise(text[:place])), len(tokenise(text[place:]))
    return before, before + after > count


def _chains(path: Path) -> Chains:
    """Boxes and scenes of an annotation file."""
    check_readable(path, missing=WHERE)
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter of its encoding
        raise InputError(f"{path}: not XML ({error}); it is cut short: copy it again") from error
    width, height = (
        _pixels(root.findtext(f"size/{side}"), f"{path}: size/{side}", least=1)
        for side in ("width", "height")
    )
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    scenes: set[int] = set()
    empty = 0
    for number, entry in enumerate(root.iter("object"), 1):
        where = f"{path}: object {number}"
        names = [_pixels(name.text, f"{where}: name", least=0) for name in entry.iter("name")]
        corners = entry.find("bndbox")
        if corners is not None:
            left, top, right, bottom = (
                _pixels(corners.findtext(side), f"{where}: {side}")
                for side in ("xmin", "ymin", "xmax", "ymax")
            )
            if left > right or top > bottom:
                raise InputError(f"{where}: its box ends before it begins; copy the file again")
        if corners is None:
            if entry.findtext("scene") == "1":
                scenes.update(names)
            continue
        # Counted from 1, the last pixel included; some reach beyond the image.
        x, y = max(left - 1, 0), max(top - 1, 0)
        w, h = min(right, width) - x, min(bottom, height) - y
        if w <= 0 or h <= 0:
            empty += 1
            continue
        for name in names:
            boxes.setdefault(name, []).append((x, y, w, h))
    return Chains(boxes, scenes - set(boxes), empty)


def _pixels(text: str | None, where: str, *, least: int = -LARGEST) -> int:
    return whole_number(text or "", where, least=least, most=LARGEST, remedy="copy the file again")


def _rows(boxes: Mapping[str, np.ndarray]) -> Boxes:
    for image, rows in boxes.items():
        yield (
            image,
            {
                "frame": np.zeros(len(rows), np.int32),
                "instance": rows[:, 0].astype(np.int32),
                "box": rows[:, 1:],
            },
        )
