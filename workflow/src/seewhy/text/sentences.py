"""The sentence that explains a prediction (textual-summaries paper, after eq. 6).

    "This is a {class name} because it has {attribute 1}, {attribute 2}, ..., and {attribute n}."

"Steps are taken to merge adjectives related to the same nouns": black wings and white wings are
"black and white wings".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from seewhy.errors import InputError
from seewhy.text import lexicon
from seewhy.text.chunking import Phrase, singular

_CONSONANT_SOUND = ("uni", "use", "eu", "one", "ubi")  # "a uniform wing"
_VOWEL_SOUND = ("hour", "honest", "heir")


def merge(attributes: Sequence[Phrase | tuple[str, str]]) -> list[Phrase]:
    """Join the adjectives of each noun.

    Args:
        attributes: adjective and noun, best first (`Attributes.phrases`).

    Returns:
        One phrase a noun, where the noun first stood, its adjectives best first and each once.

    Example::

        merge([("black", "wings"), ("long", "bill"), ("white", "wings")])
        # black and white wings, long bill
    """
    adjectives: dict[str, list[str]] = {}
    for adjective, noun in attributes:
        of_noun = adjectives.setdefault(noun, [])
        if adjective not in of_noun:
            of_noun.append(adjective)
    return [Phrase(_listed(words, comma=False), noun) for noun, words in adjectives.items()]


def sentence(class_name: str, attributes: Sequence[Phrase | tuple[str, str]]) -> str:
    """The paper's sentence, with articles.

    An attribute of the whole ("small bird") reads "it is small". The paper takes five attributes.

    Args:
        class_name: as the corpus has it, ``001.Black_footed_Albatross``.
        attributes: adjective and noun, best first.

    Raises:
        InputError: there are no attributes.
    """
    if not attributes:
        raise InputError(f"sentence: {class_name!r} has no attributes to name")
    wholes, parts = [], []
    for adjective, noun in attributes:
        whole = singular(noun).split(" ")[-1] in lexicon.WHOLES
        (wholes if whole else parts).append(Phrase(adjective, noun))
    said = []
    if wholes:
        said.append("is " + _listed(list(dict.fromkeys(p.adjective for p in wholes)), comma=False))
    if parts:
        said.append("has " + _listed([with_article(phrase) for phrase in merge(parts)]))
    name = readable(class_name)
    return f"This is {_article(name)} {name} because it {' and '.join(said)}."


def with_article(phrase: Phrase) -> str:
    """``a yellow crown``, ``an orange bill``, ``grey wings``, ``brown plumage``."""
    last = phrase.noun.split(" ")[-1]
    if singular(last) != last or last in lexicon.UNCOUNTABLE:
        return str(phrase)
    return f"{_article(str(phrase))} {phrase}"


def readable(class_name: str) -> str:
    """A class name to be read: ``001.Black_footed_Albatross`` is ``Black-footed Albatross``."""
    name = re.sub(r"^\d+\.", "", class_name)
    name = re.sub(r"_(?=[a-z]+ed(_|$))", "-", name)
    return " ".join(name.replace("_", " ").split())


def _article(text: str) -> str:
    word = text.lower()
    vowel = word.startswith(_VOWEL_SOUND) or (
        word[:1] in tuple("aeiou") and not word.startswith(_CONSONANT_SOUND)
    )
    return "an" if vowel else "a"


def _listed(items: Sequence[str], *, comma: bool = True) -> str:
    """``a``, ``a and b``, ``a, b, and c`` (``a, b and c`` without the last comma)."""
    if len(items) < 3:
        return " and ".join(items)
    return ", ".join(items[:-1]) + ("," if comma else "") + f" and {items[-1]}"
