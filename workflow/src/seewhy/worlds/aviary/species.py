"""The species of the aviary: 32 in 8 families, told apart by 13 slots.

A slot is something that a bird has in one of several values: the colour of its crown, the shape of
its bill. A family has a value in each slot; each of its four species carries one *mark*, that is,
one slot in which it alone departs from its family. So

* any two siblings differ in exactly two slots, the two marks (hence `red-crowned sparrow`);
* siblings are told apart by the eight slots of `MARKS` alone, each of which is a mark in four
  families; two further slots tell families, and the three of `FREE` tell next to nothing;
* no value names a family: each is found in species of at least three.

How often a value occurs follows from the first and the last: a slot in which a family is of one
mind gives its value to all four siblings at once. With four values a slot, each value belongs to
seven to nine species of exactly three families; with two, to sixteen or so of four or more. (That
each value belong to only four to six species of three families cannot be had together with siblings
that differ in just two slots: a family of one mind fills four places of a value, the other two
would have to be marks of two other families; that asks for 144 marks or more, and there are 32.)

A bird is not its species to the letter: each slot takes another of its values with probability
`VARIATION`, and those in `FREE` with probability `FREE_VARIATION`, whence "diagnostic or not" has a
truth and effects of slots that go together in every species can still be told apart.

The table was found by a seeded random search for families far apart (species of two families differ
in seven slots at least) and slots that do not run parallel (no two values of different slots
correlate by more than 0.67 over the species).
"""

from __future__ import annotations

from typing import NamedTuple

VARIATION, FREE_VARIATION = 0.075, 0.4
ABSENT = ("none", "plain")
"""Values that mean that there is nothing to see."""


class Slot(NamedTuple):
    """One thing by which birds differ.

    Attributes:
        values: what it may be.
        part: the part of the drawing that shows it (`seewhy.worlds.aviary.draw`).
        points: key points that it lies at.
        adjectives: how people put each value, the usual word first.
        nouns: what people call the part, the usual word first.
    """

    values: tuple[str, ...]
    part: str
    points: tuple[str, ...]
    adjectives: dict[str, tuple[str, ...]]
    nouns: tuple[str, ...]


def _colours(text: str) -> dict[str, tuple[str, ...]]:
    return {value: ("grey", "gray") if value == "grey" else (value,) for value in text.split()}


def _slot(part: str, points: str, adjectives: dict[str, tuple[str, ...]], nouns: str) -> Slot:
    return Slot(
        tuple(adjectives), part, tuple(points.split(", ")), adjectives, tuple(nouns.split(", "))
    )


_BILL, _TAIL, _BREAST = "bill, beak", "tail, tail feathers", "breast, chest"

SLOTS: dict[str, Slot] = {
    "bill_shape": _slot(
        "bill",
        "beak",
        {
            "short": ("short", "small", "stubby"),
            "long": ("long", "pointy"),
            "curved": ("curved",),
            "thick": ("thick", "large"),
        },
        _BILL,
    ),
    "bill_colour": _slot("bill", "beak", _colours("black yellow red grey"), _BILL),
    "crown": _slot("crown", "crown, forehead", _colours("red yellow black blue"), "crown, cap"),
    "throat": _slot("throat", "throat", _colours("white red black yellow"), "throat, neck"),
    "breast": _slot("breast", "breast", _colours("yellow grey orange white"), _BREAST),
    "belly": _slot("belly", "belly", _colours("white yellow brown grey"), "belly, abdomen"),
    "wing": _slot("wing", "left wing, right wing", _colours("blue brown black green"), "wings"),
    "tail": _slot("tail", "tail", _colours("black blue red brown"), _TAIL),
    "tail_shape": _slot(
        "tail", "tail", {"forked": ("forked", "notched"), "rounded": ("rounded", "round")}, _TAIL
    ),
    "breast_pattern": _slot(
        "breast", "breast", {"plain": (), "spotted": ("spotted", "speckled")}, _BREAST
    ),
    "wing_bar": _slot(
        "wing bar",
        "left wing, right wing",
        {"none": (), "white": ("white",)},
        "wingbars, wing bars",
    ),
    "eye_ring": _slot(
        "eye ring",
        "left eye, right eye",
        {"none": (), "white": ("white",)},
        "eyering, eye ring, eye rings",
    ),
    "back": _slot(
        "back", "back, nape", {"plain": (), "striped": ("striped", "streaked")}, "back, nape"
    ),
}
MARKS = ("bill_shape", "bill_colour", "crown", "throat", "breast", "belly", "wing", "tail")
FREE = ("wing_bar", "eye_ring", "back")

# A family's values, in the order of SLOTS, and the marks of its species.
_FAMILIES = """
bunting: short black blue white orange grey brown black forked spotted none none plain
  bill_shape thick, breast white, belly brown, wing black
finch: thick grey red yellow grey white green black forked spotted white none striped
  bill_colour red, crown yellow, throat black, tail brown
jay: long grey yellow black orange white black red rounded plain white white plain
  bill_shape short, throat yellow, belly yellow, wing green
oriole: curved red red red grey yellow black red rounded plain none white striped
  bill_colour black, crown blue, breast yellow, tail blue
sparrow: long yellow black red white grey green blue forked plain white none plain
  crown red, breast orange, wing brown, tail black
tanager: short black yellow yellow yellow yellow blue blue rounded spotted none white plain
  bill_shape curved, bill_colour grey, throat white, belly white
thrush: curved yellow blue black yellow brown brown brown rounded spotted none none striped
  crown black, breast grey, belly grey, wing blue
warbler: thick red black white white brown blue brown forked plain white white striped
  bill_shape long, bill_colour yellow, throat red, tail red
"""
_NAMED_AFTER = {
    "bill_shape": "billed",
    "bill_colour": "billed",
    "crown": "crowned",
    "throat": "throated",
    "breast": "breasted",
    "belly": "bellied",
    "wing": "winged",
    "tail": "tailed",
}


class Species(NamedTuple):
    """A species: what its birds are when they do not vary."""

    name: str
    family: str
    mark: str
    values: dict[str, str]


def _read(text: str) -> tuple[Species, ...]:
    lines = text.strip().splitlines()
    table = []
    for family_line, mark_line in zip(lines[::2], lines[1::2], strict=True):
        family, values = family_line.split(": ")
        base = dict(zip(SLOTS, values.split(), strict=True))
        for mark in mark_line.strip().split(", "):
            slot, value = mark.split()
            name = f"{value}-{_NAMED_AFTER[slot]} {family}"
            table.append(Species(name, family, slot, base | {slot: value}))
    return tuple(table)


SPECIES: tuple[Species, ...] = _read(_FAMILIES)
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(one.family for one in SPECIES))


def siblings(species: int) -> list[int]:
    """Numbers of the other species of a species' family."""
    family = SPECIES[species].family
    return [k for k, one in enumerate(SPECIES) if one.family == family and k != species]


def attribute(slot: str, value: str) -> str:
    """The plainest name of a value, such as `red crown`; empty where there is nothing to see."""
    words = SLOTS[slot].adjectives[value]
    return f"{words[0]} {SLOTS[slot].nouns[0]}" if words else ""


def named(adjective: str, noun: str) -> tuple[str, str] | None:
    """Slot and value that an adjective and a noun of a caption name; None: none of the slots'."""
    for slot, about in SLOTS.items():
        if noun in about.nouns:
            for value, words in about.adjectives.items():
                if adjective in words:
                    return slot, value
    return None
