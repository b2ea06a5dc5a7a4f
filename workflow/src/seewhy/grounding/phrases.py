"""Noun phrases of captions: which words are asked for, and where what they name is to be seen.

A phrase is asked for by its head noun, the last word before its first preposition ("dress" in "the
red dress", "man" in "a man in a black shirt"), or by all its words, whose maps are added up. In a
tokenised caption of L words the decoder reads L + 1: the start word is number 0, so that token k is
word k + 1.

In reference captions the phrases are linked to things by whoever made the corpus. In generated ones
a noun stands for all things of the clip that people call so: a noun's classes are those that at
least a twentieth of the train phrases with that head refer to. Captions that are known to be wrong
are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.files import open_hdf5
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.items import Scenery
from seewhy.scores.pointing import region_masks
from seewhy.text.tokens import tokenise

ASKED = ("head", "sum")
STUFF = "stuff"
OTHERS = "objects"
GROUPS = {
    "people": ("man", "woman", "boy", "girl", "people"),
    "animals": ("dog", "cat", "horse", "bird", "elephant", "animals"),
    "vehicles": ("car", "motorcycle", "vehicles"),
}
"""Classes of things (puppets; types of Flickr30k Entities); all others are `OTHERS`."""
PREPOSITIONS = frozenset(
    ("in", "on", "with", "of", "at", "near", "by", "from", "to", "for", "behind", "under", "over")
)
LEAST_SHARE = 0.05  # of a noun's train phrases, for a class that it names


@dataclass(frozen=True)
class Phrase:
    """A noun phrase of a caption.

    Attributes:
        clip: identifier.
        row: of the clip in its file of frames.
        words: tokens of the whole caption.
        first, last: tokens first <= token < last are the phrase.
        kind: ``instance`` or ``stuff``.
        refers_to: numbers of instances, or names of stuff, as text.
        classes: of these things.
    """

    clip: str
    row: int
    words: tuple[str, ...]
    first: int
    last: int
    kind: str
    refers_to: frozenset[str]
    classes: frozenset[str]

    @property
    def head(self) -> int:
        """Token of the head noun."""
        return head_of(self.words, self.first, self.last)

    @property
    def group(self) -> str:
        """Column of the table."""
        return STUFF if self.kind == STUFF else group_of(min(self.classes))

    def positions(self, asked: str) -> list[int]:
        """Places, counted with the start word, of the words that are asked for.

        Raises:
            InputError: `asked` is not one of `ASKED`.
        """
        if asked not in ASKED:
            raise InputError(f"grounding.words.asked: {asked!r} is not one of {', '.join(ASKED)}")
        tokens = [self.head] if asked == "head" else range(self.first, self.last)
        return [token + 1 for token in tokens]


def head_of(words: Sequence[str], first: int, last: int) -> int:
    """Token of the head noun of a phrase: the last one before its first preposition."""
    for token in range(first + 1, last):
        if words[token] in PREPOSITIONS:
            return token - 1
    return last - 1


def group_of(name: str) -> str:
    """Column of the table for a class of things."""
    return next((group for group, names in GROUPS.items() if name in names), OTHERS)


def linked_phrases(
    corpus: str | Path, file: ClipFile, *, count: int, seed: int = 0
) -> list[Phrase]:
    """Phrases of reference captions, one caption a clip, of clips in random order.

    Captions that are known to be wrong are passed over.

    Args:
        corpus: folder in canonical form, with phrases and instances.
        file: frames of the split.
        count: clips are added until there are so many phrases that name things (with those that
            name stuff there are more).
        seed: of the choice.

    Raises:
        InputError: the corpus has no linked phrases for these clips.
    """
    table = _phrases_of(corpus)
    table = table[table["clip"].isin(set(file.clips)) & table["correct"]]
    captions = table.loc[table["kind"] == "instance", ["clip", "caption"]].drop_duplicates()
    if captions.empty:
        raise InputError(
            f"{corpus}/phrases.csv: no phrase is linked to a thing in a clip of {file.path}; Table "
            "5 needs a corpus with linked phrases, such as puppets or flickr30k"
        )
    captions = captions.sample(frac=1, random_state=seed).drop_duplicates("clip")
    rows = {clip: row for row, clip in enumerate(file.clips)}
    by_caption = dict(tuple(table[table["caption"].isin(captions["caption"])].groupby("caption")))
    found: list[Phrase] = []
    for caption in captions["caption"]:
        for phrase in by_caption[caption].itertuples():
            names = frozenset([phrase.refers_to])
            classes = names if phrase.kind == STUFF else frozenset([phrase.name])
            found.append(
                Phrase(
                    phrase.clip, rows[phrase.clip], phrase.words, phrase.first, phrase.last,
                    phrase.kind, names, classes,
                )
            )  # fmt: skip
        if sum(phrase.kind != STUFF for phrase in found) >= count:
            break
    return found


def spoken_phrases(
    corpus: str | Path, file: ClipFile, captions: Mapping[str, str], clips: Sequence[str]
) -> tuple[list[Phrase], pd.DataFrame]:
    """Phrases of generated captions.

    Args:
        corpus: folder in canonical form.
        file: frames of the split.
        captions: by clip.
        clips: those whose captions are taken.

    Returns:
        The phrases whose thing is in the clip; and a line a noun for things, `clip` and `box`,
        which is 1 if there is such a thing. (Stuff is looked for later, in the pixels.)
    """
    table = _phrases_of(corpus)
    splits = read_table(corpus, "clips").set_index("clip")["split"]
    nouns = nouns_of(table[(table["clip"].map(splits) == "train") & table["correct"]])
    instances = read_table(corpus, "instances")
    things, none = dict(tuple(instances.groupby("clip"))), instances[:0]
    rows = {clip: row for row, clip in enumerate(file.clips)}
    found, said = [], []
    for clip in clips:
        words = tuple(tokenise(captions[clip]))
        for token, word in enumerate(words):
            if word not in nouns:
                continue
            kind, names = nouns[word]
            refers_to = names
            if kind != STUFF:
                own = things.get(clip, none)
                own = own[own["class"].isin(names)]
                said.append((clip, float(len(own) > 0)))
                if own.empty:
                    continue
                refers_to = frozenset(own["instance"].astype(str))
                names = frozenset(own["class"])
            found.append(Phrase(clip, rows[clip], words, token, token + 1, kind, refers_to, names))
    return found, pd.DataFrame(said, columns=["clip", "box"])


def nouns_of(table: pd.DataFrame) -> dict[str, tuple[str, frozenset[str]]]:
    """Kind and classes that each head noun names.

    Args:
        table: phrases with `words`, `first`, `last`, `kind`, `refers_to` and `name` (the class).
    """
    heads = [
        words[head_of(words, first, last)]
        for words, first, last in zip(table["words"], table["first"], table["last"], strict=True)
    ]
    named = table["name"].where(table["kind"] != STUFF, table["refers_to"])
    counts = pd.DataFrame({"head": heads, "kind": table["kind"], "name": named}).value_counts()
    found = {}
    for head, own in counts.groupby("head"):
        kinds = own.groupby("kind").sum()
        kind = kinds.idxmax()
        of_kind = own.xs(kind, level="kind").droplevel("head")
        found[head] = (kind, frozenset(of_kind.index[of_kind >= LEAST_SHARE * of_kind.sum()]))
    return found


def _phrases_of(corpus: str | Path) -> pd.DataFrame:
    """All linked phrases, with the caption's clip and `words` and the thing's class, `name`."""
    captions = read_table(corpus, "captions")
    if "correct" not in captions:
        captions["correct"] = True
    captions["correct"] = captions["correct"].fillna(True).astype(bool)
    table = read_table(corpus, "phrases").merge(captions, on="caption")
    words = {row.caption: tuple(tokenise(row.text)) for row in captions.itertuples()}
    table["words"] = table["caption"].map(words)
    things = read_table(corpus, "instances")
    names = dict(
        zip(
            zip(things["clip"], things["instance"].astype(str), strict=True),
            things["class"],
            strict=True,
        )
    )
    table["name"] = [
        names.get(key, "") for key in zip(table["clip"], table["refers_to"], strict=True)
    ]
    return table


class PhraseTruth:
    """Where the things that phrases name are to be seen, at the frames that the network reads.

    Args:
        corpus: folder in canonical form.
        file: frames of the split, squashed into squares.
        steps: frames of a clip.

    Raises:
        InputError: no truth by the frame, or frames of which parts were cut off.
    """

    def __init__(self, corpus: str | Path, file: ClipFile, steps: int) -> None:
        with open_hdf5(file.path) as data:
            fit = data.attrs.get("fit", "squash")
        if fit != "squash":
            raise InputError(
                f"{file.path}: the frames were fitted by {fit}, so boxes are no longer where the "
                "corpus says; set grounding.frames.fit to squash"
            )
        self.scenery = Scenery(corpus, file, steps)
        self.size = file.size

    def __enter__(self) -> PhraseTruth:
        return self

    def __exit__(self, *_: object) -> None:
        self.scenery.truth.close()

    def boxes(self, phrase: Phrase) -> list[list[list[float]]]:
        """Boxes of the things at each step, in pixels of the frames; none for stuff."""
        frames = self.scenery.frames(phrase.row)
        if phrase.kind == STUFF:
            return [[] for _ in frames]
        boxes = self.scenery.truth.boxes(phrase.clip)
        height, width = self.scenery.shapes[phrase.row]
        scale = np.tile([self.size / width, self.size / height], 2)
        own = np.isin(boxes["instance"], [int(number) for number in phrase.refers_to])
        return [
            (boxes["box"][own & (boxes["frame"] == frame)] * scale).tolist() for frame in frames
        ]

    def masks(self, phrase: Phrase) -> np.ndarray:
        """Pixels of the things or the stuff, ``[steps, size, size]``.

        Of a corpus that has boxes alone, they are filled.
        """
        truth = self.scenery.truth
        if not truth.has_masks:
            return region_masks(self.boxes(phrase), (self.size,) * 2)
        frames = self.scenery.frames(phrase.row)
        masks = np.any(
            [truth.phrase(phrase.clip, phrase.kind, name)[frames] for name in phrase.refers_to], 0
        )
        rows, columns = (
            (2 * np.arange(self.size) + 1) * side // (2 * self.size) for side in masks.shape[1:]
        )
        return masks[:, rows][:, :, columns]
