"""Whether what a caption says of a clip is true: who, what and where, by what was drawn.

The grammar's own words are looked for in the caption, the longest first, and held against the
tables of the corpus:

``who``
    whatever actor is named is in the clip.
``what``
    whatever is said to be done, somebody named does (anybody, where nobody is named), with the
    object that is named; what an action shows in passing is no lie (`RELATED`).
``where``
    whatever place is named is one that the scene may be called.

A caption says nothing wrong of what it does not mention. It is judged by the clip as a whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from seewhy.corpora.canonical import read_table
from seewhy.worlds.puppets.grammar import NOUNS, PLACES, RELATED, SWIM_PLACES, VERBS
from seewhy.worlds.puppets.vocabulary import ACTORS, ALL_ACTIONS, COLOURS, RARE_ACTORS

ASKED = ("who", "what", "where")


class Done(NamedTuple):
    """What somebody does: the class of who does it, and of the thing it is done with or to."""

    actor: str
    action: str
    object: str


class ClipTruth(NamedTuple):
    """What was drawn: the classes of all things, what is done, and the scene."""

    things: frozenset[str]
    done: tuple[Done, ...]
    scene: str


def read_clip_truths(corpus: str | Path) -> dict[str, ClipTruth]:
    """What was drawn in each clip of a corpus of puppets, by clip.

    Raises:
        InputError: a table is missing or damaged.
    """
    labels = read_table(corpus, "labels")
    scenes = labels[labels["kind"] == "scene"].set_index("clip")["label"].to_dict()
    classes: dict[str, dict[int, str]] = defaultdict(dict)
    instances = read_table(corpus, "instances")
    for clip, instance, kind in instances[["clip", "instance", "class"]].itertuples(index=False):
        classes[clip][instance] = kind
    done: dict[str, list[Done]] = defaultdict(list)
    for row in read_table(corpus, "segments").fillna({"object": 0}).itertuples():
        own = classes[row.clip]
        done[row.clip].append(Done(own[row.instance], row.label, own.get(row.object, "")))
    return {
        clip: ClipTruth(frozenset(own.values()), tuple(done[clip]), scenes.get(clip, ""))
        for clip, own in classes.items()
    }


def judge_caption(caption: str, truth: ClipTruth) -> dict[str, bool]:
    """Whether a caption is true of who, what and where.

    Args:
        caption: lower-case words.
        truth: of its clip.

    Returns:
        A value for each of `ASKED`; True also where the caption says nothing of that.
    """
    text = " ".join(caption.split())
    named = [_ACTOR_CLASSES[found.group()] for found in _nouns().finditer(text)]
    who = set().union(*named) & {one.actor for one in truth.done}
    does = [one for one in truth.done if one.actor in who or not who]
    return {
        "who": all(classes & truth.things for classes in named),
        "what": all(any(_is_said(one, said) for one in does) for said in _claims(text)),
        "where": all(truth.scene in _SCENES[found.group()] for found in _places().finditer(text)),
    }


def _classes_of_nouns(classes: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for kind in classes:
        for noun in NOUNS[kind]:
            found[noun].add(kind)
    return dict(found)


def _scenes_of_places() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for table in (PLACES, SWIM_PLACES):
        for scene, places in table.items():
            for _, phrase, *_ in places:
                found[re.sub(r"^(a|the) ", "", phrase)].add(scene)
    return dict(found)


_ACTOR_CLASSES = _classes_of_nouns((*ACTORS, *RARE_ACTORS))
_THING_CLASSES = _classes_of_nouns(NOUNS)
_SCENES = _scenes_of_places()


def _any_of(words: Iterable[str]) -> str:
    """A pattern of whole words, the longest first."""
    return r"\b(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + r")\b"


@cache
def _nouns() -> re.Pattern[str]:
    return re.compile(_any_of(_ACTOR_CLASSES))


@cache
def _places() -> re.Pattern[str]:
    return re.compile(_any_of(_SCENES))


@cache
def _verbs() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each way of telling an action; the group `thing` is what it is done with or to."""
    noun = _any_of(_THING_CLASSES)
    thing = rf"(?:(?:an?|the|another) (?:(?:{'|'.join(COLOURS)}) )?(?P<thing>{noun})|something)"
    slots = {"{o}": thing, "{m}": thing, "{b}": r"(?:three |some )?balls\b"}
    found = []
    for key, verbs in VERBS.items():
        action = key if key in ALL_ACTIONS else key.split()[0]  # "sit chair" is sit
        for form in {form for going, goes, _ in verbs for form in (going, goes)}:
            pattern = re.sub(r"\{\w\}", lambda slot: slots[slot.group()], form)
            found.append((action, re.compile(rf"\b{pattern}\b")))
    return tuple(found)


class _Claim(NamedTuple):
    """An action that may be meant, and the classes that its thing may be of; empty: not said."""

    action: str
    things: frozenset[str]


def _claims(text: str) -> list[list[_Claim]]:
    """What is said to be done: for each verb all that it may mean, the longest reading of it."""
    claims, place = [], 0
    while place < len(text):
        matches = [(action, pattern.match(text, place)) for action, pattern in _verbs()]
        matches = [(action, match) for action, match in matches if match]
        if matches:
            end = max(match.end() for _, match in matches)
            claims.append([_claim(*match) for match in matches if match[1].end() == end])
            place = end
        place = text.find(" ", place) + 1 or len(text)
    return claims


def _claim(action: str, match: re.Match[str]) -> _Claim:
    thing = match.groupdict().get("thing")
    return _Claim(action, frozenset(_THING_CLASSES.get(thing, ())))


def _is_said(one: Done, claims: Iterable[_Claim]) -> bool:
    shown = {one.action, *RELATED.get(one.action, ())}
    return any(
        claim.action in shown and (not claim.things or one.object in claim.things)
        for claim in claims
    )
