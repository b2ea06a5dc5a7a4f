"""Descriptions: twenty sentences a clip from a grammar, each noun phrase linked to what it names.

Lower-case words without punctuation, as people describe short videos. Words of one meaning differ
(man, guy, person), some mean several things (person, animal, playing); a few descriptions are
wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.grammar import (
    ADVERBS,
    NOUNS,
    PLACES,
    RELATED,
    SWIM_PLACES,
    VERBS,
    Place,
    Verb,
)
from seewhy.worlds.puppets.plan import Member, Plan, clip_generator

PER_CLIP = 20
WRONG_SHARE = 0.05
PLACED, COLOURED, HURRIED, AGREED = 0.44, 0.22, 0.12, 0.48
"""Chances of a place, of a colour, of an adverb, and of `is` with the -ing form."""


@dataclass(frozen=True)
class Phrase:
    """Tokens first <= token < last name an instance or some stuff."""

    first: int
    last: int
    kind: str
    refers_to: str


@dataclass(frozen=True)
class Description:
    """A sentence, whether it is right, what is wrong in it, and its linked noun phrases."""

    text: str
    correct: bool
    fault: str
    phrases: tuple[Phrase, ...]


class _Sentence:
    """Words strung together, with the noun phrases among them."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.phrases: list[Phrase] = []

    def say(self, text: str) -> _Sentence:
        self.tokens += text.split()
        return self

    def name(self, text: str, kind: str = "", refers_to: str = "") -> _Sentence:
        first = len(self.tokens)
        self.say(text)
        if kind:
            self.phrases.append(Phrase(first, len(self.tokens), kind, refers_to))
        return self


def verbs_of(action: str, object_kind: str = "") -> list[Verb]:
    """The ways of saying an action with that object."""
    key = f"{action} {object_kind}"
    if action in ("eat", "sit") and key in VERBS:
        return VERBS[key]
    return VERBS[action]


def places_of(scene: str, action: str) -> list[Place]:
    """The ways of saying where it happens."""
    return SWIM_PLACES[scene] if action == "swim" else PLACES[scene]


def describe_clip(
    plan: Plan, seed: int, split: str, index: int, purpose: int = 0
) -> list[Description]:
    """Twenty descriptions of a clip, the same for the same arguments."""
    rng = clip_generator(seed, split, index, 1000 + purpose)
    return [sample_description(plan, rng) for _ in range(PER_CLIP)]


def sample_description(
    plan: Plan, rng: np.random.Generator, also: Sequence[str] = ()
) -> Description:
    """One description from the grammar; a wrong one claims none of the actions in `also`."""
    fault = ""
    if rng.random() < WRONG_SHARE:
        fault = str(rng.choice(["actor", "action", "scene"]))
    actors = plan.actors
    first = actors[0]
    both = len(actors) > 1 and rng.random() < 0.45
    if len(actors) > 1 and not both and rng.random() < 0.35:
        first = actors[1]
    sentence = _Sentence()
    opening = rng.random()
    placed = fault == "scene" or rng.random() < PLACED
    ahead = placed and not both and opening < 0.12  # "on the road a man is walking"
    if ahead:
        _place(sentence, plan, first, rng, wrong=fault == "scene")
    there = not ahead and opening > 0.985  # "there is a man walking"
    if there:
        sentence.say("there is")
    _clause(sentence, plan, first, rng, fault, bare=there, also=also)
    if both:
        second = actors[1] if first is actors[0] else actors[0]
        sentence.say("and" if rng.random() < 0.8 else "while")
        _clause(sentence, plan, second, rng, "")
        placed = fault == "scene" or rng.random() < 0.12
    if placed and not ahead:  # where the one named last is
        _place(sentence, plan, second if both else first, rng, wrong=fault == "scene")
    company = [m for m in plan.cast if m.role in ("bystander", "distractor")]
    if company and not both and rng.random() < 0.22:
        sentence.say(str(rng.choice(["near", "next to", "beside"], p=[0.4, 0.45, 0.15])))
        one = company[0]
        other = any(m.kind == one.kind for m in plan.cast if m is not one)
        _noun_phrase(sentence, one, rng, article="another" if other else "a")
    return Description(" ".join(sentence.tokens), not fault, fault, tuple(sentence.phrases))


def best_description(plan: Plan) -> str:
    """The most typical sentence for what truly happens: heaviest words, nothing optional."""
    parts = []
    for member in plan.actors[:1]:
        verb = max(verbs_of(member.action, _object_of(plan, member)), key=lambda v: v[2])[0]
        text = f"{_article(_heaviest(member.kind))} is {verb}"
        if member.object:
            other = plan.member(member.object)
            name = _heaviest(other.kind)
            article = f"the {name}" if other.kind == "guitar" else _article(name)
            text = text.format(o=article, m=_article(name), b="balls")
        parts.append(text)
    return " and ".join(parts)


def _object_of(plan: Plan, member: Member) -> str:
    return plan.member(member.object).kind if member.object else ""


def _heaviest(kind: str) -> str:
    return max(NOUNS[kind], key=NOUNS[kind].__getitem__)


def _choose(rng: np.random.Generator, options: dict[str, float]) -> str:
    weights = np.array(list(options.values()), float)
    return str(rng.choice(list(options), p=weights / weights.sum()))


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _noun_phrase(
    sentence: _Sentence, member: Member, rng: np.random.Generator, *, article: str = "a",
    colour_chance: float = 0.1, kind: str = "",
) -> None:  # fmt: skip
    """Name a member; with `kind` name it wrongly, as that class, and link nothing."""
    noun = _choose(rng, NOUNS[kind or member.kind])
    if kind:
        while noun in NOUNS[member.kind]:
            noun = _choose(rng, NOUNS[kind])
    after = ""
    if rng.random() < colour_chance and not kind and member.kind not in ("banana", "pizza", "box"):
        if member.kind in words.PEOPLE:
            garment = "dress" if member.kind in ("woman", "girl") else "shirt"
            after = (
                f" in {member.colour}"
                if rng.random() < 0.4
                else f" in {_article(member.colour)} {garment}"
            )
        else:
            noun = f"{member.colour} {noun}"
    if (
        article == "a"
        and not kind
        and sentence.tokens[-2:] != ["there", "is"]
        and rng.random() < 0.1
    ):
        article = "the"
    text = _article(noun) if article == "a" else f"{article} {noun}"
    if kind:
        sentence.say(text + after)
    else:
        sentence.name(text + after, "instance", str(member.instance))


def _clause(
    sentence: _Sentence,
    plan: Plan,
    member: Member,
    rng: np.random.Generator,
    fault: str,
    bare: bool = False,
    also: Sequence[str] = (),
) -> None:
    """Who does what; `bare`: without the verb `is`."""
    twin = any(m.kind == member.kind and m is not member for m in plan.cast)
    action, target = member.action, plan.member(member.object) if member.object else None
    wrong_kind = ""
    if fault == "actor":
        like = [k for k in words.ACTORS if k != member.kind and words.can_do(k, action)]
        others = [k for k in like or words.ACTORS if set(NOUNS[k]) - set(NOUNS[member.kind])]
        present = {m.kind for m in plan.cast}
        wrong_kind = str(rng.choice([k for k in others if k not in present] or others))
    colour_chance = 0.45 if twin else COLOURED
    _noun_phrase(sentence, member, rng, colour_chance=colour_chance, kind=wrong_kind)
    if fault == "action":
        action = _wrong_action(plan, member, rng, also)
        target = None
    object_kind = target.kind if target is not None else ""
    options = verbs_of(action, object_kind)
    if fault == "action":
        options = [v for v in options if "{" not in v[0]]
    weights = np.array([v[2] for v in options])
    going, goes, _ = options[rng.choice(len(options), p=weights / weights.sum())]
    tense = rng.random()
    if bare:
        pass
    elif tense < AGREED:
        sentence.say("is")
    elif tense < AGREED + 0.1:
        sentence.say("was")
    elif tense < AGREED + 0.18:
        pass  # "a man walking on the road"
    else:
        going = goes
    if action in ADVERBS and rng.random() < HURRIED:
        sentence.say(str(rng.choice(ADVERBS[action])))
    _verb(sentence, going, target, rng)


def _wrong_action(plan: Plan, member: Member, rng: np.random.Generator, also: Sequence[str]) -> str:
    """An action that nobody in the clip does, not even in passing, and whose words differ."""
    done = {m.action for m in plan.actors} | set(also)
    done |= {other for action in set(done) for other in RELATED.get(action, frozenset())}
    said = {form for action in done for form in _forms(action)}
    options = [
        a for a in words.ACTIONS
        if a not in done and a not in ("chase", "ride") and words.can_do(member.kind, a)
        and not said & _forms(a) and any("{" not in v[0] for v in VERBS[a])
    ]  # fmt: skip
    return str(rng.choice(options))


def _forms(action: str) -> set[str]:
    return {
        v[0].split()[0]
        for key, verbs in VERBS.items()
        if key.split()[0] == action.split()[0]
        for v in verbs
    }


def _verb(sentence: _Sentence, text: str, target: Member | None, rng: np.random.Generator) -> None:
    before, _, rest = text.partition("{")
    sentence.say(before)
    if not rest:
        return
    slot, _, after = rest.partition("}")
    if target is None:
        sentence.say("something")
    elif slot == "b":
        sentence.name(
            str(rng.choice(["balls", "three balls", "some balls"])),
            "instance",
            str(target.instance),
        )
    else:
        article = "the" if target.kind == "guitar" and rng.random() < 0.6 else "a"
        if target.kind == "ball" and rng.random() < 0.2:
            article = "the"
        _noun_phrase(sentence, target, rng, article=article)
    sentence.say(after)


def _place(
    sentence: _Sentence, plan: Plan, member: Member, rng: np.random.Generator, *, wrong: bool
) -> None:
    scene, action = plan.scene, member.action
    options = places_of(scene, action)
    if wrong:
        true = {p[1] for p in (*PLACES[scene], *SWIM_PLACES.get(scene, []))}
        alike = {
            "road": {"city"},
            "city": {"road"},
            "beach": {"water", "desert"},
            "water": {"beach"},
            "desert": {"beach"},
        }
        others = [s for s in words.SCENES if s != scene and s not in alike.get(scene, set())]
        options = [
            p for p in PLACES[str(rng.choice(others))] if p[1] not in true and p[2] != "tree"
        ]
    weights = np.array([p[3] for p in options])
    before, text, refers_to, _ = options[rng.choice(len(options), p=weights / weights.sum())]
    sentence.say(before)
    if wrong:
        sentence.say(text)
    else:
        sentence.name(text, "stuff", refers_to)
