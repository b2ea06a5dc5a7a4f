"""What people say of a bird: ten sentences, in the manner of the captions of CUB-200-2011.

They tell one to four of the slots that can be seen, as noun phrases ("a short black bill") or as
predicates ("wings that are grey"), in the words of `seewhy.worlds.aviary.species.SLOTS`; what is
plain or hidden goes untold. One in twenty says something wrong of a slot, and is known to.
"""

from __future__ import annotations

import numpy as np

from seewhy.worlds.aviary.draw import Drawing
from seewhy.worlds.aviary.plan import Bird
from seewhy.worlds.aviary.species import SLOTS

COUNT, WRONG = 10, 0.05
"""Captions of a bird; share of them with a wrong value."""
_SEEN = 0.0011  # share of the image that a part must cover to be told
_OFTEN = {
    "bill_shape": 1.2, "bill_colour": 0.9, "crown": 1.1, "throat": 0.7, "breast": 1.0, "belly": 1.2,
    "wing": 1.3, "tail": 0.6, "tail_shape": 0.35, "breast_pattern": 0.6, "wing_bar": 0.7,
    "eye_ring": 0.6, "back": 0.5,
}  # fmt: skip
_SIZES = ("small", "medium sized", "little", "tiny", "large")
_SUBJECTS = (
    ("this bird has", 0.46), ("the bird has", 0.16), ("this {size} bird has", 0.13),
    ("a {size} bird with", 0.12), ("this is a {size} bird with", 0.06), ("a bird with", 0.07),
)  # fmt: skip


def mentionable(values: dict[str, str], drawing: Drawing) -> list[str]:
    """Slots with something to see, of which enough can be seen."""
    least = _SEEN * drawing.code.size
    return [
        slot
        for slot, value in values.items()
        if SLOTS[slot].adjectives[value]
        and drawing.area({"back": "stripe"}.get(slot, SLOTS[slot].part)) >= least
    ]


def describe(bird: Bird, slots: list[str]) -> list[tuple[str, bool]]:
    """Captions of a bird, each with whether it is right.

    Args:
        bird: with its values.
        slots: those that may be told, of `mentionable`.
    """
    rng = bird.generator("captions")
    return [_sentence(bird.values, slots, rng) for _ in range(COUNT)]


def _sentence(
    values: dict[str, str], slots: list[str], rng: np.random.Generator
) -> tuple[str, bool]:
    weights = np.array([_OFTEN[slot] for slot in slots])
    count = min(len(slots), 1 + int(rng.choice(4, p=[0.12, 0.42, 0.32, 0.14])))
    if not count:
        return "this is a bird", True
    chosen = rng.choice(len(slots), count, replace=False, p=weights / weights.sum())
    told = {slots[k]: values[slots[k]] for k in chosen}
    right = not (rng.random() < WRONG and _mistake(told, rng))
    parts = _by_noun(told)
    style = rng.random()
    if style < 0.58 or count > 3:
        text = _listed(parts, rng)
    elif style < 0.80:
        text = _wings_that_are(parts, rng)
    elif style < 0.92:
        text = f"this bird has {_joined([_that_is(part, rng) for part in parts])}"
    else:
        text = _of_the_bird(parts, rng)
    return text + ("." if rng.random() < 0.4 else ""), right


def _mistake(told: dict[str, str], rng: np.random.Generator) -> bool:
    """Replace one of the values by another that there is a word for."""
    slots = list(told)
    for k in rng.permutation(len(slots)):
        words = SLOTS[slots[k]].adjectives
        others = [value for value in words if words[value] and value != told[slots[k]]]
        if others:
            told[slots[k]] = others[int(rng.integers(len(others)))]
            return True
    return False


def _by_noun(told: dict[str, str]) -> list[list[tuple[str, str]]]:
    """Slots and values, those of one noun together: first the shape or pattern of it."""
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for slot, value in told.items():
        groups.setdefault(SLOTS[slot].nouns, []).append((slot, value))
    order = {"bill_shape": 0, "tail_shape": 1}
    return [sorted(group, key=lambda one: order.get(one[0], 0)) for group in groups.values()]


def _words(part: list[tuple[str, str]], rng: np.random.Generator) -> tuple[list[str], str]:
    """Adjectives and the noun, the usual words more often."""
    adjectives = [_one_of(SLOTS[slot].adjectives[value], rng) for slot, value in part]
    return adjectives, _one_of(SLOTS[part[0][0]].nouns, rng)


def _one_of(words: tuple[str, ...], rng: np.random.Generator) -> str:
    """The first word twice as often as the others together."""
    return words[0] if rng.random() < 2 / 3 else words[int(rng.integers(len(words)))]


def _phrase(part: list[tuple[str, str]], rng: np.random.Generator) -> str:
    """`a short black bill`, `blue wings`."""
    adjectives, noun = _words(part, rng)
    if part[0][0] == "bill_shape" and len(part) == 1 and rng.random() < 0.15:
        adjectives = ["very", *adjectives]
    text = " ".join([*adjectives, noun])
    return text if noun.endswith("s") else f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _that_is(part: list[tuple[str, str]], rng: np.random.Generator) -> str:
    """`wings that are grey`, `a belly that is yellow`."""
    adjectives, noun = _words(part, rng)
    plural = noun.endswith("s")
    article = "" if plural else "an " if noun[0] in "aeiou" else "a "
    return f"{article}{noun} that {'are' if plural else 'is'} {' and '.join(adjectives)}"


def _joined(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _listed(parts: list[list[tuple[str, str]]], rng: np.random.Generator) -> str:
    """`this bird has a yellow crown, blue wings and a short bill`."""
    subjects, shares = zip(*_SUBJECTS, strict=True)
    subject = subjects[int(rng.choice(len(subjects), p=shares))]
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    phrases = [_phrase(part, rng) for part in parts]
    if len(phrases) == 2 and rng.random() < 0.15:
        return f"{subject.format(size=size)} {phrases[0]} as well as {phrases[1]}"
    return f"{subject.format(size=size)} {_joined(phrases)}"


def _wings_that_are(parts: list[list[tuple[str, str]]], rng: np.random.Generator) -> str:
    """`this bird has wings that are grey and has a yellow crown`."""
    parts = sorted(parts, key=lambda part: part[0][0] != "wing")
    first = f"this bird has {_that_is(parts[0], rng)}"
    return first + (
        f" and has {_joined([_phrase(p, rng) for p in parts[1:]])}" if parts[1:] else ""
    )


def _of_the_bird(parts: list[list[tuple[str, str]]], rng: np.random.Generator) -> str:
    """`the bill of the bird is short and the crown is red`."""
    texts = []
    for k, part in enumerate(parts):
        adjectives, noun = _words(part, rng)
        of = " of the bird" if k == 0 else ""
        verb = "are" if noun.endswith("s") else "is"
        texts.append(f"the {noun}{of} {verb} {' and '.join(adjectives)}")
    return _joined(texts)
