"""From tagged captions to adjective-noun attributes: noun-phrase chunking with NLTK.

The paper takes "only adjective-noun type attributes with no recursion": a chunk is a run of
adjectives before a run of nouns, and each of its adjectives with its last noun is an attribute,

    NP: {<JJ.*>+<NN.*>+}      "long yellow bill" -> long bill, yellow bill

The default rules see more of what captions say: adjectives and nouns in lists ("black and white
wings", "white belly and breast"), adjectives after the verb ("wings that are grey"), shades ("light
brown" is one adjective), nouns of two words ("eye ring"), and words that the tagger gets wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nltk import RegexpParser, Tree

from seewhy.errors import InputError
from seewhy.text import lexicon
from seewhy.text.tagging import Tagged

CONJUNCTIONS = ("none", "adjectives", "both")
COMPOUNDS = ("split", "keep", "base")


class Phrase(NamedTuple):
    """One adjective of one noun, as written: ``Phrase("light brown", "wings")``."""

    adjective: str
    noun: str

    def __str__(self) -> str:
        return f"{self.adjective} {self.noun}"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What counts as an attribute, and what counts as the same one.

    Attributes:
        correct_tags: put right what taggers get wrong in descriptions of birds (`lexicon`): colours
            and shapes are adjectives, parts are nouns, a participle before a noun describes it,
            "white breasted bird" is a white breast, "medium sized bird" a medium bird.
        split_hyphens: of colours and sizes, "black-and-white", "light-brown", "medium-sized";
            others ("white-tipped") are one adjective.
        conjunctions: `none`; `adjectives`: "black and white wings" are black wings, white wings;
            `both`: "white belly and breast" are a white belly, a white breast too.
        predicative: also "wings that are grey", "its crown is yellow", "head and crown are red".
        compounds: of a shade and a colour, "light brown wings": `keep` as one adjective, `split`
            (light wings, brown wings) or `base` (brown wings).
        noun_compounds: name the last two nouns of a run ("eye rings", "tail feathers"), not the
            last alone ("rings", "feathers").
        merge_number: singular and plural of a noun are one attribute, named in the number that the
            captions use more (grey wings, yellow bill).
        noun_synonyms: singular to singular, {"beak": "bill"}.
        adjective_synonyms: {"gray": "grey"}.
        left_out_nouns: singulars, whose attributes are dropped ("grey color").
        left_out_adjectives: words whose attributes are dropped ("same wings").
    """

    correct_tags: bool = True
    split_hyphens: bool = True
    conjunctions: str = "both"
    predicative: bool = True
    compounds: str = "keep"
    noun_compounds: bool = True
    merge_number: bool = True
    noun_synonyms: Mapping[str, str] = field(
        default_factory=lambda: dict(lexicon.SYNONYMS_OF_NOUNS)
    )
    adjective_synonyms: Mapping[str, str] = field(
        default_factory=lambda: dict(lexicon.SYNONYMS_OF_ADJECTIVES)
    )
    left_out_nouns: Sequence[str] = tuple(sorted(lexicon.EMPTY_NOUNS))
    left_out_adjectives: Sequence[str] = tuple(sorted(lexicon.EMPTY_ADJECTIVES))

    def __post_init__(self) -> None:
        """Refuse unknown values."""
        for key, known in (("conjunctions", CONJUNCTIONS), ("compounds", COMPOUNDS)):
            if getattr(self, key) not in known:
                raise InputError(
                    f"attributes: {key} {getattr(self, key)!r} is unknown; it is one of "
                    f"{', '.join(known)}"
                )


PAPER_RULES = Rules(
    correct_tags=False,
    split_hyphens=False,
    conjunctions="none",
    predicative=False,
    compounds="split",
    noun_compounds=False,
    merge_number=False,
    noun_synonyms={},
    adjective_synonyms={},
    left_out_nouns=(),
    left_out_adjectives=(),
)

# Tags of the grammar: A adjective, N noun, C comma or conjunction, R adverb, D determiner,
# B to be, W that or which, P preposition, S a break that nothing reaches across, O anything else.
_GRAMMAR = {
    False: "NP: {<A>+<N>+}\nBN: {<N>+}\nAP: {<R>*<A>+}",
    True: """
    NP: {<R>*<A>(<C>*<R>*<A>)*<N>+}
    BN: {<N>+}
    AP: {<R>*<A>(<C>*<R>*<A>)*}
    """,
}
_TO_BE = frozenset({"is", "are", "was", "were"})
_TO_BE |= {"look", "looks", "appear", "appears", "seem", "seems"}
_LISTING = frozenset({",", "and", "or", "but", "&", "/", "yet"})
_NEGATIONS = frozenset({"not", "n't", "never", "no"})


class _Chunk(NamedTuple):
    """`NP`, `BN` or `AP` with its words, or one word with its tag."""

    label: str
    leaves: Tagged


@functools.cache
def _chunker(lists: bool) -> RegexpParser:
    return RegexpParser(_GRAMMAR[lists])


@functools.lru_cache(maxsize=100_000)  # captions are built alike, and chunks depend on tags alone
def _spans(tags: tuple[str, ...], lists: bool) -> list[tuple[str, int, int]]:
    spans, start = [], 0
    for chunk in _chunker(lists).parse([("", tag) for tag in tags]) if tags else ():
        label, length = (chunk.label(), len(chunk)) if isinstance(chunk, Tree) else (chunk[1], 1)
        spans.append((label, start, start + length))
        start += length
    return spans


def phrases_of(tagged: Tagged, rules: Rules) -> list[Phrase]:
    """The attributes that a tagged sentence says, in its order, as often as it says them.

    Args:
        tagged: tokens in lower case with their Penn tags.
        rules: what to look for; number, synonyms and words to leave out come later
            (`seewhy.text.attributes`).
    """
    tokens = _classes(tagged, rules)
    spans = _spans(tuple(tag for _, tag in tokens), rules.conjunctions != "none")
    chunks = [_Chunk(label, tokens[start:stop]) for label, start, stop in spans]
    found = []
    for index, chunk in enumerate(chunks):
        if chunk.label == "NP":
            found += _of_noun_phrase(chunks, index, rules)
        if chunk.label in ("NP", "BN") and rules.predicative:
            found += _of_predicate(chunks, index, rules)
    return found


def _noun(chunk: _Chunk, rules: Rules) -> str:
    nouns = [word for word, tag in chunk.leaves if tag == "N"]
    if not rules.noun_compounds or (len(nouns) > 1 and nouns[-2] in rules.left_out_nouns):
        return nouns[-1]  # of "black color bird" the bird
    if singular(nouns[-1]) in lexicon.WHOLES and singular(nouns[0]) in lexicon.PARTS:
        return nouns[0]  # of "white belly bird" the belly
    if len(nouns) > 1 and singular(nouns[-2]) in lexicon.WHOLES:
        return nouns[-1]  # of "the long birds bill" the bill
    return " ".join(nouns[-2:])


def _adjectives(leaves: Sequence[tuple[str, str]], rules: Rules) -> list[str]:
    """The adjectives of a run, a shade joined to the colour that follows it."""
    found, shade = [], ""
    for word, tag in leaves:
        if tag != "A":
            found, shade = ([*found, shade] if shade else found), ""
        elif rules.compounds != "split" and word in lexicon.SHADES:
            found, shade = ([*found, shade] if shade else found), word
        elif shade and word in lexicon.COLOURS:
            found.append(f"{shade} {word}" if rules.compounds == "keep" else word)
            shade = ""
        else:
            found, shade = [*found, *([shade] if shade else []), word], ""
    return [*found, shade] if shade else found


def _of_noun_phrase(chunks: list[_Chunk], index: int, rules: Rules) -> list[Phrase]:
    leaves = [leaf for leaf in chunks[index].leaves if leaf[1] != "N"]
    if index and chunks[index - 1].label == "B":
        leaves = _after_last_comma(leaves)  # "wings are grey, yellow belly": the belly is not grey
    if _NEGATIONS & {word for word, _ in leaves}:
        return []
    nouns = [_noun(chunks[index], rules)]
    if rules.conjunctions == "both" and nouns[0].split()[-1].rstrip("s") not in lexicon.WHOLES:
        nouns += _listed_after(chunks, index, rules)
    adjectives = _adjectives(leaves, rules)
    return [Phrase(adjective, noun) for noun in nouns for adjective in adjectives]


def _after_last_comma(leaves: list[tuple[str, str]]) -> list[tuple[str, str]]:
    lists = [place for place, (_, tag) in enumerate(leaves) if tag == "C"]
    return leaves[lists[-1] + 1 :] if lists else leaves


def _listed_after(chunks: list[_Chunk], index: int, rules: Rules) -> list[str]:
    """The bare nouns that follow in a list: "white belly, breast and throat".

    A list that runs into a clause of its own is left alone ("black head and wings that are brown").
    """
    nouns, place = [], index + 1
    while place < len(chunks) and chunks[place].label == "C":
        while place < len(chunks) and chunks[place].label == "C":
            place += 1
        if place == len(chunks) or chunks[place].label != "BN":
            break
        nouns.append(_noun(chunks[place], rules))
        place += 1
        if place < len(chunks) and chunks[place].label in ("B", "W"):
            return nouns[:-1]
    return nouns


def _of_predicate(chunks: list[_Chunk], index: int, rules: Rules) -> list[Phrase]:
    """``wings (that) are grey (and black)``."""
    labels = [chunk.label for chunk in chunks[index + 1 : index + 4]]
    relative = labels[:1] == ["W"]
    after = labels[relative:]
    if after[:1] != ["B"] or after[1:2] not in (["AP"], ["NP"]):
        return []
    place = index + 1 + relative
    if not relative and _behind_preposition(chunks, index):
        return []  # in "the tip of the bill is black" it is the tip that is black
    said = chunks[place + 1].leaves
    if after[1] == "NP":  # "wings are grey and yellow belly": grey is said of the wings
        head = [leaf for leaf in said if leaf[1] != "N"]
        said = head[: len(head) - len(_after_last_comma(head))]
    if _NEGATIONS & {word for word, _ in said}:
        return []
    nouns = [_noun(chunks[index], rules)]
    if chunks[place].leaves[0][0] in ("are", "were") and rules.conjunctions == "both":
        nouns = _listed_before(chunks, index, rules) + nouns
    adjectives = _adjectives(said, rules)
    return [Phrase(adjective, noun) for noun in nouns for adjective in adjectives]


def _behind_preposition(chunks: list[_Chunk], index: int) -> bool:
    index -= 1
    while index >= 0 and chunks[index].label == "D":
        index -= 1
    return index >= 0 and chunks[index].label == "P"


def _listed_before(chunks: list[_Chunk], index: int, rules: Rules) -> list[str]:
    """The first nouns of "head and crown are red"."""
    nouns: list[str] = []
    while index >= 2 and chunks[index - 1].label == "C" and chunks[index - 2].label == "BN":
        index -= 2
        nouns.insert(0, _noun(chunks[index], rules))
    return nouns


# Tags


def _classes(tagged: Tagged, rules: Rules) -> Tagged:
    """The tokens with the grammar's tags."""
    if not rules.correct_tags:
        return [(word, _class(word, tag)) for word, tag in tagged]
    if rules.split_hyphens:
        tagged = [part for pair in tagged for part in _split_hyphen(*pair)]
    tokens = [(word, _corrected(word, tag, tagged, i)) for i, (word, tag) in enumerate(tagged)]
    return _joined(tokens)


def _class(word: str, tag: str) -> str:
    if word in _LISTING:
        return "C"
    if word in _TO_BE:
        return "B"
    if word in ("that", "which"):
        return "W"
    if word in _NEGATIONS or word == "all":  # "is all black"
        return "R"
    for start, name in (("JJ", "A"), ("NN", "N"), ("RB", "R"), ("PRP$", "D"), ("IN", "P")):
        if tag.startswith(start):
            return name
    return {"DT": "D", "TO": "P", "POS": "S"}.get(tag, "O")


def _split_hyphen(word: str, tag: str) -> Tagged:
    parts = word.split("-")
    known = lexicon.SPLIT_AT_HYPHENS
    if len(parts) < 2 or not all(parts):
        return [(word, tag)]
    if parts[-1] in known and (len(parts) == 2 or known.issuperset(parts)):
        return [(part, "CC" if part == "and" else "JJ") for part in parts]
    return [(word, "JJ" if parts[-1].endswith(("ed", "like")) else tag)]


def _corrected(word: str, tag: str, tagged: Tagged, index: int) -> str:
    before = tagged[index - 1] if index else ("", "")
    after = tagged[index + 1] if index + 1 < len(tagged) else ("", "")
    describes = after[1].startswith(("JJ", "NN")) or singular(after[0]) in lexicon.PARTS
    if word in lexicon.PARTICIPLES:
        return "E"
    if word in lexicon.ALWAYS_ADJECTIVES:
        return "A"
    if after[0] in lexicon.EMPTY_PARTICIPLES and tag.startswith(("NN", "JJ")):
        return "A"  # medium sized
    if singular(word) in lexicon.PARTS and not (word == "back" and before[1].startswith("VB")):
        return "N"
    if tag in ("VBN", "VBD") and describes and not before[1].startswith(("NN", "PRP", "WDT")):
        return "A"
    return _class(word, tag)


def _joined(tokens: Tagged) -> Tagged:
    """Resolve participles that lean on the word before them, and parts made adjectives."""
    result: Tagged = []
    for word, tag in tokens:
        last = result[-1][1] if result else ""
        if tag == "E" and word in lexicon.JOINED_PARTICIPLES and last in ("A", "N"):
            result.append((f"{result.pop()[0]}-{word}", "A"))
        elif tag == "E":
            # "grey colored wings"; but after an adverb it is the adjective: "brightly colored".
            if last == "R" and word in ("colored", "coloured"):
                result.append((f"{result.pop()[0]} colored", "A"))
        elif word in lexicon.PARTS_AS_ADJECTIVES and last == "A":
            shaded = len(result) > 1 and result[-2][0] in lexicon.SHADES
            start = len(result) - 1 - shaded
            result[start:start] = [("", "S")]
            result += [(lexicon.PARTS_AS_ADJECTIVES[word], "N"), ("", "S")]
        else:
            result.append((word, tag))
    return result


# Number

_IRREGULAR = {"feet": "foot", "teeth": "tooth", "leaves": "leaf", "tarsi": "tarsus"}
_IRREGULAR |= {"rectrices": "rectrix", "remiges": "remex"}


def singular(noun: str) -> str:
    """The singular of a noun by the rules of English spelling, good enough to match two forms.

    Example::

        singular("wings"), singular("eye rings"), singular("feet"), singular("plumage")
    """
    *first, last = noun.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("ies") and len(last) > 4:
        last = last[:-3] + "y"
    elif last.endswith(("ches", "shes", "xes", "sses", "uses")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3:
        last = last[:-1]
    return " ".join([*first, last])
