"""Visual attributes in the captions of images: "yellow crown", "long bill".

The textual-summaries paper, Visual Attribute Extraction. For attribute t_j and image x_k with its
file of captions,

    TF[k, j]  = occurrences of t_j in the captions of x_k
    IDF[j]    = log(N / D_j),   N files, D_j of them with t_j
    p(t_j)    = normalised TF/IDF, the prior of eq. 1
    p(x_k|t_j) = 1 where t_j is in the captions of x_k, else 0 (eq. 4)

TF belongs to one file and p(t_j) to the whole corpus, and the paper does not say how it gets from
the one to the other. `Attributes.prior` has the readings: `sum`, the corpus-summed term frequency,
taken as the paper's; `mean`, over the files that have t_j; `idf` and `uniform`, without TF. `sum`
names what is frequent: the same few attributes lead for every filter.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from seewhy.corpora.canonical import SPLITS
from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, whole_file
from seewhy.progress import progress
from seewhy.readable import make_again
from seewhy.text.chunking import PAPER_RULES, Phrase, Rules, phrases_of, singular
from seewhy.text.tagging import sentences_of, tagger_named

PRIORS = ("sum", "mean", "idf", "uniform")
_NEEDS = ("names", "adjectives", "nouns", "images", "fitted", "captions", "counts")


@dataclass(frozen=True, kw_only=True)
class Settings(Rules):
    """How attributes are mined: the rules of `Rules`, and

    Attributes:
        tagger: `auto`, `nltk` or `textblob` (`seewhy.text.tagging`).
        captions_per_image: the first so many of each image; None: all.
        splits: the images whose captions make the vocabulary, D and the prior; all are counted.
        min_df: attributes of fewer of these images are dropped.
    """

    tagger: str = "auto"
    captions_per_image: int | None = None
    splits: Sequence[str] = ("train",)
    min_df: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        for key in ("min_df", "captions_per_image"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise InputError(f"attributes: {key} ({value}) must be at least 1")
        unknown = set(self.splits) - set(SPLITS)
        if unknown or not self.splits:
            raise InputError(
                f"attributes: splits {list(self.splits)}: name one or more of {', '.join(SPLITS)}"
            )


PRESETS = {
    "default": Settings(),
    # The paper counts 9,649 attributes of CUB.
    "paper": Settings(
        **asdict(PAPER_RULES), tagger="nltk", captions_per_image=5, splits=SPLITS, min_df=1
    ),
}


def settings_of(preset: str, **changes: Any) -> Settings:
    """The settings of a preset, some of them changed.

    Raises:
        InputError: unknown preset, setting or value.
    """
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r}: unknown; it is one of {', '.join(PRESETS)}")
    known = [f.name for f in fields(Settings)]
    unknown = [key for key in changes if key not in known]
    if unknown:
        raise InputError(
            f"attributes: there is no setting {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return replace(PRESETS[preset], **changes)


@dataclass(frozen=True, eq=False)
class Attributes:
    """The attributes of a corpus, by falling support, equals by alphabet.

    Attributes:
        names: ``yellow crown``, `[l]`.
        adjectives: of each, `[l]`.
        nouns: of each, `[l]`.
        images: identifiers, `[m]`.
        fitted: bool `[m]`, images that support, IDF and prior are taken from.
        counts: TF, int32 CSR `[m, l]`, of all images.
        captions: fitted captions that say each, int64 `[l]`.
        tagger: name and version, ``textblob 0.20.1``.
        preset: `default` or `paper`.
        settings: see `Settings`.
    """

    names: tuple[str, ...]
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    images: tuple[str, ...]
    fitted: np.ndarray
    counts: sparse.csr_matrix = field(repr=False)
    captions: np.ndarray = field(repr=False)
    tagger: str
    preset: str
    settings: Mapping[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def phrases(self) -> list[Phrase]:
        """Adjective and noun of each."""
        return [Phrase(*pair) for pair in zip(self.adjectives, self.nouns, strict=True)]

    @property
    def presence(self) -> sparse.csr_matrix:
        """p(x_k | t_j) of eq. 4: bool CSR `[m, l]`."""
        return self.counts.astype(bool)

    @property
    def support(self) -> np.ndarray:
        """D: fitted images that have each attribute, int64 `[l]`."""
        return np.asarray(self.presence[self.fitted].sum(0), np.int64).ravel()

    @property
    def idf(self) -> np.ndarray:
        """log(N / D) over the fitted images, float64 `[l]`."""
        return np.log(self.fitted.sum() / self.support)

    def prior(self, rule: str = "sum") -> np.ndarray:
        """p(t) of eq. 1, float64 `[l]`, its sum 1; see the module's head.

        Args:
            rule: `sum` (TF summed over the fitted images, times IDF), `mean` (TF a fitted image
                that has t, times IDF), `idf`, or `uniform`.

        Attributes that every image has get 0; where all are such, the prior is uniform.

        Raises:
            InputError: unknown rule.
        """
        if rule not in PRIORS:
            raise InputError(f"prior {rule!r}: unknown; it is one of {', '.join(PRIORS)}")
        tf = np.asarray(self.counts[self.fitted].sum(0), float).ravel()
        weights = {
            "sum": tf * self.idf,
            "mean": tf / self.support * self.idf,
            "idf": self.idf,
            "uniform": np.ones(len(self)),
        }[rule]
        total = weights.sum()
        return weights / total if total > 0 else np.full(len(self), 1 / len(self))

    def index(self, name: str) -> int:
        """Position of an attribute.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.names:
            same = [n for n, noun in zip(self.names, self.nouns, strict=True) if noun in name]
            hint = f"there are {', '.join(same[:5])}" if same else "attributes.csv lists them"
            raise InputError(f"attribute {name!r}: there is none of this name; {hint}")
        return self.names.index(name)

    def check_same(self, other: Attributes, *, what: str = "the other file") -> None:
        """Refuse attributes that another tagger or other settings have given.

        Raises:
            InputError: tagger, preset or names differ.
        """
        for key in ("tagger", "preset"):
            mine, theirs = getattr(self, key), getattr(other, key)
            if mine != theirs:
                raise InputError(
                    f"attributes: {key} {mine!r} here and {theirs!r} in {what}; mine both anew "
                    f"with the same {key}"
                )
        if self.names != other.names:
            raise InputError(f"attributes: not those of {what}; mine both anew")

    def save(self, path: str | Path) -> None:
        """Write everything as one HDF5 file; equal attributes give equal bytes."""
        with whole_file(path) as temporary, create_hdf5(temporary) as file:
            for name in ("names", "adjectives", "nouns", "images"):
                file[name] = np.array(getattr(self, name), dtype=h5py.string_dtype())
            file["fitted"], file["captions"] = self.fitted, self.captions
            for name in ("data", "indices", "indptr"):
                file[f"counts/{name}"] = getattr(self.counts, name)
            file.attrs["tagger"], file.attrs["preset"] = self.tagger, self.preset
            file.attrs["settings"] = json.dumps(dict(self.settings), sort_keys=True)

    @classmethod
    def load(
        cls, path: str | Path, *, tagger: str | None = None, preset: str | None = None
    ) -> Attributes:
        """Read what `save` wrote.

        Args:
            path: the file.
            tagger: name of the tagger that must have made it, or name and version; `auto`: the one
                that `auto` is on this machine, in its version.
            preset: the preset that must have made it.

        Raises:
            InputError: missing, damaged, or made with another tagger or preset.
        """
        if tagger == "auto":
            tagger = f"{tagger_named(tagger).name} {tagger_named(tagger).version}"
        with open_hdf5(path, needs=_NEEDS) as file:
            try:
                strings = {
                    name: tuple(file[name].asstr()[:])
                    for name in ("names", "adjectives", "nouns", "images")
                }
                about = {key: str(file.attrs[key]) for key in ("tagger", "preset")}
                counts = sparse.csr_matrix(
                    tuple(file[f"counts/{name}"][:] for name in ("data", "indices", "indptr")),
                    shape=(len(strings["images"]), len(strings["names"])),
                )
                settings = json.loads(file.attrs["settings"])
                fitted, captions = file["fitted"][:], file["captions"][:]
            except (KeyError, ValueError, TypeError, OSError) as error:
                raise InputError(
                    f"{path}: not a file of attributes ({error}); {make_again(path)}"
                ) from error
        if tagger not in (None, about["tagger"], about["tagger"].split()[0]):
            raise InputError(
                f"{path}: mined with the tagger {about['tagger']}, not {tagger}; artefacts of "
                "different taggers do not mix: mine the attributes again"
            )
        if preset not in (None, about["preset"]):
            raise InputError(
                f"{path}: mined with the preset {about['preset']}, not {preset}; mine the "
                "attributes again"
            )
        return cls(
            **strings, **about, counts=counts, fitted=fitted, captions=captions, settings=settings
        )


def extract_attributes(
    captions: Mapping[str, Sequence[str]],
    *,
    fitted: Collection[str] | None = None,
    preset: str = "default",
    **changes: Any,
) -> Attributes:
    """The attributes in captions.

    Args:
        captions: of each image what was written of it, any of them possibly empty.
        fitted: images that the vocabulary, D and the prior are taken from; None: all.
        preset: `default` or `paper`.
        changes: settings of `Settings` that differ from the preset's.

    Raises:
        InputError: unusable settings, or no attribute is left.
    """
    settings = settings_of(preset, **changes)
    tagger = tagger_named(settings.tagger)
    images = tuple(captions)
    known = np.array([fitted is None or image in fitted for image in images], bool)
    said: dict[str, list[Phrase]] = {}  # of each caption once: a third of CUB's are repeated
    found: list[list[list[Phrase]]] = []
    for image in progress(images, what="Attributes", unit="image"):
        texts = captions[image][: settings.captions_per_image]
        for text in set(texts) - said.keys():
            sentences = (tagger.tag(tokens) for tokens in sentences_of(text))
            said[text] = [p for tagged in sentences for p in phrases_of(tagged, settings)]
        found.append([said[text] for text in texts])
    name_of = _names(
        [p for image, is_known in zip(found, known, strict=True) if is_known for p in image],
        settings,
    )
    named = [[[name_of(p) for p in caption] for caption in image] for image in found]
    return _counted(images, known, named, settings, f"{tagger.name} {tagger.version}", preset)


def _names(fitted: Sequence[Sequence[Phrase]], settings: Settings) -> Any:
    """A function from a phrase as written to the attribute's own, None where it is left out."""
    out_nouns, out_adjectives = set(settings.left_out_nouns), set(settings.left_out_adjectives)

    def lemma(noun: str) -> str:
        one = singular(noun)
        target = settings.noun_synonyms.get(one)
        if target is None and " " in one:  # "yellow eye rings", but also "long beak tip"
            target = " ".join(settings.noun_synonyms.get(word, word) for word in one.split())
        return one if target is None else target

    # The name of each noun: its most frequent form in the number that captions prefer.
    numbers: dict[str, Counter[bool]] = defaultdict(Counter)
    forms: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    for phrase in (p for caption in fitted for p in caption):
        target, plural = lemma(phrase.noun), singular(phrase.noun) != phrase.noun
        numbers[target][plural] += 1
        if singular(phrase.noun) == target:
            forms[target, plural][phrase.noun] += 1

    def display(noun: str) -> str:
        if not settings.merge_number:
            return settings.noun_synonyms.get(noun, noun)
        target = lemma(noun)
        number = numbers[target][True] > numbers[target][False]
        written = forms.get((target, number)) or forms.get((target, not number))
        return min(written, key=lambda form: (-written[form], form)) if written else target

    cache: dict[Phrase, Phrase | None] = {}

    def name_of(phrase: Phrase) -> Phrase | None:
        if phrase not in cache:
            words = phrase.adjective.split()
            adjective = " ".join(settings.adjective_synonyms.get(word, word) for word in words)
            nouns = {singular(phrase.noun.split()[-1]), lemma(phrase.noun).split()[-1]}
            out = out_adjectives & {phrase.adjective, adjective} or out_nouns & nouns
            cache[phrase] = None if out else Phrase(adjective, display(phrase.noun))
        return cache[phrase]

    return name_of


def _counted(
    images: tuple[str, ...],
    fitted: np.ndarray,
    named: Sequence[Sequence[Sequence[Phrase | None]]],
    settings: Settings,
    tagger: str,
    preset: str,
) -> Attributes:
    tf = [Counter(p for caption in image for p in caption if p) for image in named]
    inside = [index for index in range(len(images)) if fitted[index]]
    support = Counter(p for index in inside for p in tf[index])
    in_captions = Counter(p for index in inside for caption in named[index] for p in {*caption})
    by_name: dict[str, Phrase] = {}
    for phrase in sorted(support, key=lambda p: (-support[p], str(p), p)):
        if support[phrase] >= settings.min_df:
            by_name.setdefault(str(phrase), phrase)
    kept = list(by_name.values())
    if not kept:
        raise InputError(
            f"attributes: none is in the captions of min_df ({settings.min_df}) of the "
            f"{len(inside)} images of the splits {', '.join(settings.splits)}; lower min_df, or "
            "give captions that describe what is to be seen"
        )
    column = {phrase: index for index, phrase in enumerate(kept)}
    rows = [sorted((column[p], n) for p, n in image.items() if p in column) for image in tf]
    counts = sparse.csr_matrix(
        (
            np.array([n for row in rows for _, n in row], np.int32),
            np.array([index for row in rows for index, _ in row], np.int32),
            np.cumsum([0, *map(len, rows)], dtype=np.int32),
        ),
        shape=(len(images), len(kept)),
    )
    return Attributes(
        names=tuple(map(str, kept)),
        adjectives=tuple(p.adjective for p in kept),
        nouns=tuple(p.noun for p in kept),
        images=images,
        fitted=fitted,
        counts=counts,
        captions=np.array([in_captions[p] for p in kept], np.int64),
        tagger=tagger,
        preset=preset,
        settings=asdict(settings),
    )
