"""Descriptions: twenty sentences a clip from a grammar, each noun phrase linked to what it names.

Lower-case words without punctuation, as people describe short videos. Words of one meaning differ
(man, guy, person), some mean several things (person, animal, playing); a few descriptions are wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.corpora.truth import SURROUNDINGS
from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.plan import Member, Plan, clip_generator

PER_CLIP = 20
WRONG_SHARE = 0.05

# Word and weight; what a class may be called.
NOUNS: dict[str, dict[str, float]] = {
    "man": {"man": 70, "guy": 12, "person": 14, "gentleman": 4},
    "woman": {"woman": 70, "lady": 16, "person": 14},
    "girl": {"girl": 74, "child": 8, "kid": 8, "little girl": 10},
    "boy": {"boy": 74, "child": 8, "kid": 8, "little boy": 10},
    "dog": {"dog": 80, "puppy": 10, "animal": 10},
    "cat": {"cat": 80, "kitten": 10, "animal": 10},
    "horse": {"horse": 84, "pony": 6, "animal": 10},
    "bird": {"bird": 86, "parrot": 8, "animal": 6},
    "car": {"car": 82, "vehicle": 10, "automobile": 8},
    "motorcycle": {"motorcycle": 70, "motorbike": 14, "bike": 10, "vehicle": 6},
    "robot": {"robot": 88, "machine": 12},
    "elephant": {"elephant": 90, "animal": 10},
    "ball": {"ball": 100},
    "apple": {"apple": 72, "fruit": 20, "snack": 8},
    "banana": {"banana": 80, "fruit": 20},
    "pizza": {"pizza": 100},
    "bowl": {"bowl": 84, "dish": 16},
    "cup": {"cup": 78, "mug": 22},
    "bucket": {"bucket": 86, "pail": 14},
    "guitar": {"guitar": 92, "instrument": 8},
    "chair": {"chair": 88, "seat": 12},
    "box": {"box": 84, "carton": 16},
}

# -ing form, third person, weight. {o}: the object with its article, {m}: the mount or the one
# chased, {b}: the balls of a juggler.
_V = tuple[str, str, float]
VERBS: dict[str, list[_V]] = {
    "walk": [("walking", "walks", 78), ("strolling", "strolls", 10), ("moving around", "moves around", 8), ("taking a walk", "takes a walk", 4)],
    "run": [("running", "runs", 80), ("jogging", "jogs", 10), ("racing around", "races around", 6), ("moving around", "moves around", 4)],
    "jump": [("jumping", "jumps", 78), ("hopping", "hops", 12), ("jumping up and down", "jumps up and down", 10)],
    "spin": [("spinning", "spins", 74), ("turning around", "turns around", 14), ("spinning in circles", "spins in circles", 12)],
    "dance": [("dancing", "dances", 88), ("doing a dance", "does a dance", 12)],
    "wave": [("waving", "waves", 84), ("saying hello", "says hello", 10), ("greeting someone", "greets someone", 6)],
    "fall": [("falling down", "falls down", 70), ("falling over", "falls over", 18), ("tumbling to the ground", "tumbles to the ground", 12)],
    "get up": [("getting up", "gets up", 76), ("rising from the ground", "rises from the ground", 12), ("getting back up", "gets back up", 12)],
    "stop": [("stopping", "stops", 66), ("coming to a halt", "comes to a halt", 18), ("slowing down", "slows down", 16)],
    "start": [("starting to move", "starts to move", 72), ("setting off", "sets off", 16), ("beginning to move", "begins to move", 12)],
    "enter": [("entering", "enters", 40), ("coming in", "comes in", 48), ("arriving", "arrives", 12)],
    "leave": [("leaving", "leaves", 72), ("going away", "goes away", 18), ("departing", "departs", 10)],
    "sit": [("sitting", "sits", 80), ("resting", "rests", 12), ("taking a rest", "takes a rest", 8)],
    "sit chair": [("sitting on {o}", "sits on {o}", 74), ("sitting", "sits", 14), ("resting on {o}", "rests on {o}", 12)],
    "kick": [("kicking {o}", "kicks {o}", 82), ("playing with {o}", "plays with {o}", 12), ("playing soccer", "plays soccer", 6)],
    "throw": [("throwing {o}", "throws {o}", 82), ("tossing {o}", "tosses {o}", 12), ("playing with {o}", "plays with {o}", 6)],
    "bounce": [("bouncing {o}", "bounces {o}", 80), ("playing with {o}", "plays with {o}", 14), ("dribbling {o}", "dribbles {o}", 6)],
    "eat": [("eating {o}", "eats {o}", 78), ("eating", "eats", 14), ("biting {o}", "bites {o}", 8)],
    "eat bowl": [("eating from {o}", "eats from {o}", 68), ("eating", "eats", 20), ("feeding from {o}", "feeds from {o}", 12)],
    "drink": [("drinking from {o}", "drinks from {o}", 74), ("drinking", "drinks", 20), ("sipping from {o}", "sips from {o}", 6)],
    "play": [("playing {o}", "plays {o}", 84), ("playing music", "plays music", 10), ("strumming {o}", "strums {o}", 6)],
    "ride": [("riding {m}", "rides {m}", 90), ("on {m}", "is on {m}", 10)],
    "swim": [("swimming", "swims", 88), ("paddling", "paddles", 12)],
    "fly": [("flying", "flies", 88), ("flapping its wings", "flaps its wings", 12)],
    "drive": [("driving", "drives", 72), ("driving around", "drives around", 18), ("moving around", "moves around", 10)],
    "chase": [("chasing {m}", "chases {m}", 82), ("running after {m}", "runs after {m}", 18)],
    "juggle": [("juggling {b}", "juggles {b}", 76), ("juggling", "juggles", 24)],
    "crawl": [("crawling", "crawls", 82), ("creeping", "creeps", 18)],
    "push": [("pushing {o}", "pushes {o}", 86), ("shoving {o}", "shoves {o}", 14)],
}  # fmt: skip

# Preposition, noun phrase, what it refers to, weight.
PLACES: dict[str, list[tuple[str, str, str, float]]] = {
    "field": [("in", "a field", SURROUNDINGS, 52), ("on", "the grass", "grass", 40), ("in", "a meadow", SURROUNDINGS, 8)],
    "road": [("on", "the road", "road", 60), ("on", "the street", "road", 28), ("down", "the street", "road", 12)],
    "stage": [("on", "stage", SURROUNDINGS, 60), ("on", "a stage", SURROUNDINGS, 32), ("in front of", "a curtain", "curtain", 8)],
    "kitchen": [("in", "the kitchen", SURROUNDINGS, 60), ("in", "a kitchen", SURROUNDINGS, 40)],
    "water": [("on", "a pier", "pier", 40), ("by", "the water", "water", 34), ("by", "a lake", "water", 26)],
    "snow": [("in", "the snow", "snow", 76), ("on", "the snow", "snow", 24)],
    "beach": [("on", "the beach", SURROUNDINGS, 62), ("on", "the sand", "sand", 20), ("by", "the sea", "water", 18)],
    "room": [("in", "a room", SURROUNDINGS, 44), ("in", "the living room", SURROUNDINGS, 36), ("in", "a house", SURROUNDINGS, 20)],
    "forest": [("in", "the forest", SURROUNDINGS, 56), ("in", "the woods", SURROUNDINGS, 28), ("near", "the trees", "tree", 16)],
    "city": [("in", "the city", SURROUNDINGS, 60), ("on", "the street", "road", 20), ("in", "a city at night", SURROUNDINGS, 20)],
    "desert": [("in", "the desert", SURROUNDINGS, 74), ("on", "the sand", "sand", 26)],
}  # fmt: skip
SWIM_PLACES: dict[str, list[tuple[str, str, str, float]]] = {
    "water": [("in", "the water", "water", 56), ("in", "a lake", "water", 44)],
    "beach": [
        ("in", "the sea", "water", 50),
        ("in", "the water", "water", 32),
        ("in", "the ocean", "water", 18),
    ],
}

# Actions that show another one in passing; a sentence that says so is not wrong.
RELATED: dict[str, set[str]] = {
    "walk": {"start", "run"}, "run": {"walk", "start"}, "stop": {"walk", "run", "drive"},
    "start": {"walk", "run", "drive"}, "enter": {"walk", "run", "drive", "stop"},
    "leave": {"walk", "run", "drive", "start"}, "drive": {"start", "walk", "run"},
    "chase": {"run", "walk"}, "ride": {"run", "sit", "drive", "walk"}, "push": {"walk", "start", "drive"},
    "juggle": {"throw", "bounce"}, "throw": {"bounce", "wave"}, "kick": {"throw"}, "dance": {"wave", "jump", "walk"},
    "bounce": {"throw"}, "jump": {"walk"}, "wave": {"sit"}, "fly": set(), "crawl": {"walk"},
    "get up": {"fall"}, "fall": {"get up"}, "swim": set(),
}  # fmt: skip


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


def verbs_of(action: str, object_kind: str = "") -> list[_V]:
    """The ways of saying an action with that object."""
    key = f"{action} {object_kind}"
    if action in ("eat", "sit") and key in VERBS:
        return VERBS[key]
    return VERBS[action]


def places_of(scene: str, action: str) -> list[tuple[str, str, str, float]]:
    """The ways of saying where it happens."""
    return SWIM_PLACES[scene] if action == "swim" else PLACES[scene]


def describe_clip(
    plan: Plan, seed: int, split: str, index: int, purpose: int = 0
) -> list[Description]:
    """Twenty descriptions of a clip, the same for the same arguments."""
    rng = clip_generator(seed, split, index, 1000 + purpose)
    return [sample_description(plan, rng) for _ in range(PER_CLIP)]


def sample_description(plan: Plan, rng: np.random.Generator) -> Description:
    """One description from the grammar."""
    fault = ""
    if rng.random() < WRONG_SHARE:
        fault = str(rng.choice(["actor", "action", "scene"]))
    actors = plan.actors
    first = actors[0]
    both = len(actors) > 1 and rng.random() < 0.45
    if len(actors) > 1 and not both and rng.random() < 0.35:
        first = actors[1]
    sentence = _Sentence()
    _clause(sentence, plan, first, rng, fault)
    placed = fault == "scene" or rng.random() < 0.3
    if both:
        second = actors[1] if first is actors[0] else actors[0]
        sentence.say("and" if rng.random() < 0.8 else "while")
        _clause(sentence, plan, second, rng, "")
        placed = fault == "scene" or rng.random() < 0.12
    if placed:
        _place(sentence, plan, first, rng, wrong=fault == "scene")
    company = [m for m in plan.cast if m.role in ("bystander", "distractor")]
    if company and not both and rng.random() < 0.22:
        sentence.say(str(rng.choice(["near", "next to", "beside"], p=[0.4, 0.45, 0.15])))
        one = company[0]
        other = one.kind == first.kind
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
                f" in {member.colour}" if rng.random() < 0.4 else f" in a {member.colour} {garment}"
            )
        else:
            noun = f"{member.colour} {noun}"
    text = f"{article} {noun}" if article in ("another", "the", "two", "some") else _article(noun)
    if kind:
        sentence.say(text + after)
    else:
        sentence.name(text + after, "instance", str(member.instance))


def _clause(
    sentence: _Sentence, plan: Plan, member: Member, rng: np.random.Generator, fault: str
) -> None:
    """Who does what."""
    twin = any(m.kind == member.kind and m is not member for m in plan.cast)
    action, target = member.action, plan.member(member.object) if member.object else None
    wrong_kind = ""
    if fault == "actor":
        like = [k for k in words.ACTORS if k != member.kind and words.can_do(k, action)]
        others = [k for k in like or words.ACTORS if set(NOUNS[k]) - set(NOUNS[member.kind])]
        present = {m.kind for m in plan.cast}
        wrong_kind = str(rng.choice([k for k in others if k not in present] or others))
    colour_chance = 0.45 if twin else 0.1
    _noun_phrase(sentence, member, rng, colour_chance=colour_chance, kind=wrong_kind)
    if fault == "action":
        action = _wrong_action(plan, member, rng)
        target = None
    object_kind = target.kind if target is not None else ""
    options = verbs_of(action, object_kind)
    if fault == "action":
        options = [v for v in options if "{" not in v[0]] or [v for v in options]
    weights = np.array([v[2] for v in options])
    going, goes, _ = options[rng.choice(len(options), p=weights / weights.sum())]
    tense = rng.random()
    if tense < 0.84:
        sentence.say("is")
    elif tense < 0.91:
        sentence.say("was")
    else:
        going = goes
    _verb(sentence, going, target, rng)


def _wrong_action(plan: Plan, member: Member, rng: np.random.Generator) -> str:
    """An action that nobody in the clip does, not even in passing, and whose words differ."""
    done = {m.action for m in plan.actors}
    done |= {other for action in set(done) for other in RELATED.get(action, set())}
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
