"""The words of the grammar: what things, actions and places may be called, and how often.

Each table is written as people would note it down: a weight, then the words.
"""

from __future__ import annotations

from seewhy.corpora.truth import SURROUNDINGS

Verb = tuple[str, str, float]
"""The -ing form, the third person, the weight."""
Place = tuple[str, str, str, float]
"""Preposition, noun phrase, the stuff that it names, the weight."""


def _entries(text: str) -> dict[str, list[list[str]]]:
    """Lines `name`, each followed by indented lines `weight word / word / …`."""
    entries: dict[str, list[list[str]]] = {}
    for line in text.strip().splitlines():
        if line.startswith(" "):
            weight, rest = line.split(maxsplit=1)
            entries[name].append([weight, *(part.strip() for part in rest.split("/"))])  # noqa: F821
        else:
            name = line.strip()
            entries[name] = []
    return entries


NOUNS: dict[str, dict[str, float]] = {
    "man": {"man": 58, "guy": 18, "person": 16, "gentleman": 8},
    "woman": {"woman": 58, "lady": 24, "person": 18},
    "girl": {"girl": 58, "child": 12, "kid": 12, "little girl": 12, "young girl": 6},
    "boy": {"boy": 58, "child": 12, "kid": 12, "little boy": 12, "young boy": 6},
    "dog": {"dog": 66, "puppy": 18, "animal": 16},
    "cat": {"cat": 66, "kitten": 18, "animal": 16},
    "horse": {"horse": 70, "pony": 14, "animal": 16},
    "bird": {"bird": 72, "parrot": 16, "animal": 12},
    "car": {"car": 68, "vehicle": 20, "automobile": 12},
    "motorcycle": {"motorcycle": 56, "motorbike": 18, "bike": 16, "vehicle": 10},
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
"""What a class may be called; some words are shared by several classes."""

# {o}: the object with its article, {m}: the mount or the one chased, {b}: the juggler's balls.
VERBS: dict[str, list[Verb]] = {
    action: [(going, goes, float(weight)) for weight, going, goes in forms]
    for action, forms in _entries("""
walk
  62 walking / walks
  16 strolling / strolls
  12 moving around / moves around
  10 taking a walk / takes a walk
run
  62 running / runs
  16 jogging / jogs
  12 racing around / races around
  10 moving around / moves around
jump
  60 jumping / jumps
  20 hopping / hops
  20 jumping up and down / jumps up and down
spin
  54 spinning / spins
  24 turning around / turns around
  22 spinning in circles / spins in circles
dance
  70 dancing / dances
  16 doing a dance / does a dance
  14 moving to the music / moves to the music
wave
  66 waving / waves
  20 saying hello / says hello
  14 greeting someone / greets someone
fall
  52 falling down / falls down
  28 falling over / falls over
  20 tumbling to the ground / tumbles to the ground
get up
  56 getting up / gets up
  22 rising from the ground / rises from the ground
  22 getting back up / gets back up
stop
  50 stopping / stops
  26 coming to a halt / comes to a halt
  24 slowing down / slows down
start
  54 starting to move / starts to move
  24 setting off / sets off
  22 beginning to move / begins to move
enter
  52 coming in / comes in
  28 entering / enters
  20 arriving / arrives
leave
  54 leaving / leaves
  28 going away / goes away
  18 departing / departs
sit
  62 sitting / sits
  22 resting / rests
  16 taking a rest / takes a rest
sit chair
  56 sitting on {o} / sits on {o}
  22 sitting / sits
  22 resting on {o} / rests on {o}
kick
  64 kicking {o} / kicks {o}
  20 playing with {o} / plays with {o}
  16 playing soccer / plays soccer
throw
  62 throwing {o} / throws {o}
  22 tossing {o} / tosses {o}
  16 playing with {o} / plays with {o}
bounce
  60 bouncing {o} / bounces {o}
  24 playing with {o} / plays with {o}
  16 dribbling {o} / dribbles {o}
eat
  60 eating {o} / eats {o}
  22 eating / eats
  18 biting {o} / bites {o}
eat bowl
  50 eating from {o} / eats from {o}
  28 eating / eats
  22 feeding from {o} / feeds from {o}
drink
  56 drinking from {o} / drinks from {o}
  28 drinking / drinks
  16 sipping from {o} / sips from {o}
play
  66 playing {o} / plays {o}
  20 playing music / plays music
  14 strumming {o} / strums {o}
ride
  72 riding {m} / rides {m}
  14 on {m} / is on {m}
  14 sitting on {m} / sits on {m}
swim
  70 swimming / swims
  20 paddling / paddles
  10 taking a swim / takes a swim
fly
  70 flying / flies
  20 flapping its wings / flaps its wings
  10 gliding / glides
drive
  58 driving / drives
  26 driving around / drives around
  16 moving around / moves around
chase
  66 chasing {m} / chases {m}
  34 running after {m} / runs after {m}
juggle
  70 juggling {b} / juggles {b}
  30 juggling / juggles
crawl
  70 crawling / crawls
  30 creeping / creeps
push
  74 pushing {o} / pushes {o}
  26 shoving {o} / shoves {o}
""").items()
}
"""How an action may be told; `sit chair` and `eat bowl` go with these objects."""


def _places(text: str) -> dict[str, list[Place]]:
    return {
        scene: [
            (before, noun, stuff[0] if stuff else SURROUNDINGS, float(weight))
            for weight, before, noun, *stuff in forms
        ]
        for scene, forms in _entries(text).items()
    }


# Without a third part the phrase means the surroundings as a whole.
PLACES = _places("""
field
  52 in / a field
  40 on / the grass / grass
  8 in / a meadow
road
  60 on / the road / road
  28 on / the street / road
  12 down / the street / road
stage
  60 on / stage
  32 on / a stage
  8 in front of / a curtain / curtain
kitchen
  60 in / the kitchen
  40 in / a kitchen
water
  40 on / a pier / pier
  34 by / the water / water
  26 by / a lake / water
snow
  76 in / the snow / snow
  24 on / the snow / snow
beach
  62 on / the beach
  20 on / the sand / sand
  18 by / the sea / water
room
  44 in / a room
  36 in / the living room
  20 in / a house
forest
  56 in / the forest
  28 in / the woods
  16 near / the trees / tree
city
  60 in / the city
  20 on / the street / road
  20 in / a city at night
desert
  74 in / the desert
  26 on / the sand / sand
""")
"""How the place of a scene may be told."""

SWIM_PLACES = _places("""
water
  56 in / the water / water
  44 in / a lake / water
beach
  50 in / the sea / water
  32 in / the water / water
  18 in / the ocean / water
""")
"""The same for who swims."""

ADVERBS: dict[str, tuple[str, ...]] = {
    "walk": ("slowly", "quietly"),
    "run": ("quickly", "fast"),
    "dance": ("happily",),
    "jump": ("happily", "quickly"),
    "spin": ("quickly",),
    "swim": ("slowly", "quietly"),
    "wave": ("happily",),
    "eat": ("slowly", "quietly", "happily"),
    "play": ("happily", "quietly"),
    "fall": ("suddenly",),
    "stop": ("slowly", "suddenly"),
    "start": ("slowly", "suddenly"),
    "get up": ("slowly",),
    "enter": ("slowly", "suddenly"),
    "leave": ("slowly",),
}

RELATED: dict[str, frozenset[str]] = {
    "walk": frozenset(["run", "start"]),
    "run": frozenset(["start", "walk"]),
    "stop": frozenset(["drive", "run", "walk"]),
    "start": frozenset(["drive", "run", "walk"]),
    "enter": frozenset(["drive", "run", "stop", "walk"]),
    "leave": frozenset(["drive", "run", "start", "walk"]),
    "drive": frozenset(["run", "start", "walk"]),
    "chase": frozenset(["run", "walk"]),
    "ride": frozenset(["drive", "run", "sit", "walk"]),
    "push": frozenset(["drive", "start", "stop", "walk"]),
    "juggle": frozenset(["bounce", "throw"]),
    "throw": frozenset(["bounce", "wave"]),
    "kick": frozenset(["throw"]),
    "dance": frozenset(["jump", "walk", "wave"]),
    "bounce": frozenset(["throw"]),
    "jump": frozenset(["walk"]),
    "wave": frozenset(["sit"]),
    "crawl": frozenset(["walk"]),
    "get up": frozenset(["fall"]),
    "fall": frozenset(["get up"]),
}
"""Actions that show another one in passing; a sentence that says so is not wrong."""
