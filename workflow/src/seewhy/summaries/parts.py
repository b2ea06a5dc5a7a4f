"""Which key points of a bird the noun of an attribute names, in the words of CUB-200-2011."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seewhy.errors import InputError

Array = np.ndarray
_EYES = ("left eye", "right eye")
_LEGS = ("left leg", "right leg")
_WINGS = ("left wing", "right wing")
_HEAD = ("crown", "forehead", "nape", *_EYES)
# CUB's part names for each noun; `attribute_parts` also takes plurals. Nouns of the whole bird
# (body, bird, feather, plumage, colour, pattern) and of places between key points (rump, side,
# flank, shoulder) are not in it, and their attributes are not scored.
NOUN_PARTS: Mapping[str, tuple[str, ...]] = {
    "back": ("back",),
    "mantle": ("back",),
    "beak": ("beak",),
    "bill": ("beak",),
    "belly": ("belly",),
    "abdomen": ("belly",),
    "stomach": ("belly",),
    "underbelly": ("belly",),
    "breast": ("breast",),
    "chest": ("breast",),
    "crown": ("crown",),
    "cap": ("crown",),
    "crest": ("crown",),
    "forehead": ("forehead",),
    "nape": ("nape",),
    "throat": ("throat",),
    "neck": ("nape", "throat"),
    "tail": ("tail",),
    "rectrix": ("tail",),
    "wing": _WINGS,
    "wingbar": _WINGS,
    "covert": _WINGS,
    "primary": _WINGS,
    "secondary": _WINGS,
    "eye": _EYES,
    "eyering": _EYES,
    "eyebrow": _EYES,
    "superciliary": _EYES,
    "cheek": _EYES,
    "leg": _LEGS,
    "foot": _LEGS,
    "tarsus": _LEGS,
    "thigh": _LEGS,
    "claw": _LEGS,
    "talon": _LEGS,
    "face": ("forehead", "beak", *_EYES),
    "head": _HEAD,
}
_PLURALS = {"rectrices": "rectrix", "feet": "foot", "tarsi": "tarsus", "bellies": "belly",
            "primaries": "primary", "secondaries": "secondary"}  # fmt: skip
_MEASURES = ("span", "length", "size", "shape")  # of a part: "wing span" is no place


def attribute_parts(names: Sequence[str], part_names: Sequence[str]) -> Array:
    """Key points that each attribute's noun names, by `NOUN_PARTS`.

    The noun is the last word, or, of a noun of two words ("eye ring", "tail feathers"), the first
    of them where the last one names no part.

    Args:
        names: attributes, adjective and noun: "yellow crown".
        part_names: of the key points, in CUB's words (case and underscores do not matter).

    Returns:
        [l, p] bool; a row without True is an attribute without a key point.

    Raises:
        InputError: none of the part names is one of CUB's.
    """
    column = {name.lower().replace("_", " ").strip(): i for i, name in enumerate(part_names)}
    known = {part for parts in NOUN_PARTS.values() for part in parts}
    if not known & set(column):
        raise InputError(
            f"key points: none of {', '.join(map(str, part_names))} is a part of CUB's; "
            f"name them as {', '.join(sorted(known))}"
        )
    found = np.zeros((len(names), len(part_names)), bool)
    for row, name in zip(found, names, strict=True):
        *_, first, last = "", "", *name.lower().split()
        parts = _parts_of(last) or (() if last in _MEASURES else _parts_of(first))
        row[[column[part] for part in parts if part in column]] = True
    return found


def _parts_of(noun: str) -> tuple[str, ...]:
    singular = _PLURALS.get(noun, noun)
    return NOUN_PARTS.get(singular) or NOUN_PARTS.get(singular.removesuffix("s"), ())
