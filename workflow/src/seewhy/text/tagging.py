"""Tokens of a caption and their parts of speech, in the Penn Treebank's tags.

Two taggers, and nothing is ever downloaded:

- `nltk`: NLTK's averaged perceptron, the one of the paper's pipeline, where its data
  ``averaged_perceptron_tagger_eng`` is installed;
- `textblob`: the lexicon and Brill-style rules that TextBlob carries (from the package pattern).

They disagree, so their name and version travel with whatever was mined through them.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
from collections.abc import Sequence
from typing import Protocol

import nltk
from nltk.tag.perceptron import PerceptronTagger
from nltk.tokenize import NLTKWordTokenizer
from textblob.taggers import PatternTagger

from seewhy.errors import InputError

TAGGERS = ("auto", "nltk", "textblob")
NLTK_DATA = "averaged_perceptron_tagger_eng"
Tagged = list[tuple[str, str]]

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_words = NLTKWordTokenizer()


class Tagger(Protocol):
    """Gives each token its part of speech.

    Attributes:
        name: `nltk` or `textblob`.
        version: of the package, and of the data where they come apart from it.
    """

    name: str
    version: str

    def tag(self, tokens: Sequence[str]) -> Tagged:
        """Each token with its Penn tag."""


class NLTKTagger:
    """The averaged perceptron (Honnibal 2013; Collins 2002) with its data found on this machine."""

    name = "nltk"

    def __init__(self) -> None:
        """Load the data.

        Raises:
            InputError: they are not installed, or damaged.
        """
        try:
            folder = nltk.data.find(f"taggers/{NLTK_DATA}/")
        except LookupError as error:
            raise InputError(
                f"tagger nltk: its data taggers/{NLTK_DATA} are not on this machine; install them "
                f"(python -m nltk.downloader {NLTK_DATA}) or set tagger to textblob"
            ) from error
        try:
            self._tagger = PerceptronTagger(loc=folder)
            digest = hashlib.sha256()
            for name in sorted(self._tagger.param_files("eng")):
                with folder.join(name).open() as file:
                    digest.update(file.read())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"tagger nltk: the data in {folder} cannot be read ({error}); install them again"
            ) from error
        self.version = f"{nltk.__version__} data {digest.hexdigest()[:8]}"

    def tag(self, tokens: Sequence[str]) -> Tagged:
        """See `Tagger.tag`."""
        return self._tagger.tag(list(tokens))


class TextBlobTagger:
    """The lexicon and rules of pattern.en (De Smedt and Daelemans 2012), as TextBlob ships them."""

    name = "textblob"

    def __init__(self) -> None:
        self.version = importlib.metadata.version("textblob")
        self._tagger = PatternTagger()

    def tag(self, tokens: Sequence[str]) -> Tagged:
        """See `Tagger.tag`."""
        tagged = self._tagger.tag(" ".join(tokens), tokenize=False)
        return [(token, tag) for token, (_, tag) in zip(tokens, tagged, strict=True)]


@functools.cache
def tagger_named(name: str) -> Tagger:
    """The tagger of a setting.

    Args:
        name: `nltk`, `textblob`, or `auto`: the first where its data are installed, else the other.

    Raises:
        InputError: there is none of that name, or its data are not installed.
    """
    if name not in TAGGERS:
        raise InputError(f"tagger {name!r}: unknown; it is one of {', '.join(TAGGERS)}")
    if name == "textblob" or (name == "auto" and not _nltk_data_installed()):
        return TextBlobTagger()
    return NLTKTagger()


def _nltk_data_installed() -> bool:
    try:
        nltk.data.find(f"taggers/{NLTK_DATA}/")
    except LookupError:
        return False
    return True


def sentences_of(caption: str) -> list[list[str]]:
    """Lower-case tokens of each sentence of `caption`, in the Penn Treebank's manner.

    Sentences end at . ! ? or ; before a space (NLTK's own splitter would need data).

    Example::

        sentences_of("A bird's bill. It is long")  # [[a bird 's bill .] [it is long]]
    """
    text = caption.lower().replace("/", " / ")
    return [_words.tokenize(sentence) for sentence in _SENTENCE_END.split(text.strip()) if sentence]
