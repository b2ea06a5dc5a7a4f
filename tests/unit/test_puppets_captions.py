"""Who does what where is drawn as it should be, and the descriptions say what the truth is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from seewhy.worlds.puppets import vocabulary as words
from seewhy.worlds.puppets.describe import (
    NOUNS,
    PER_CLIP,
    PLACES,
    RELATED,
    SWIM_PLACES,
    VERBS,
    best_description,
    describe_clip,
    verbs_of,
)
from seewhy.worlds.puppets.sampling import plan_clip

SEED = 3


@pytest.fixture(scope="module")
def told():
    return [
        (plan, describe_clip(plan, SEED, "test", i))
        for i in range(300)
        for plan in [plan_clip(SEED, "test", i)]
    ]


@pytest.fixture(scope="module")
def plans():
    return {
        s: [plan_clip(SEED, s, i) for i in range(n)]
        for s, n in (("train", 1500), ("val", 300), ("test", 400))
    }


def _object_kind(plan, member):
    return plan.member(member.object).kind if member.object else ""


def _stems(plan, member):
    """Every way of beginning to say what a member does."""
    options = verbs_of(member.action, _object_kind(plan, member))
    return {form.partition("{")[0].strip() for going, goes, _ in options for form in (going, goes)}


def _has(text, phrase):
    return f" {phrase} " in f" {text} "


def test_twenty_lower_case_descriptions_without_punctuation(told):
    for _, descriptions in told:
        assert len(descriptions) == PER_CLIP
        for one in descriptions:
            assert one.text.replace(" ", "").isalpha()
            assert one.text == one.text.lower()
            assert "  " not in one.text
            assert 2 <= len(one.text.split()) <= 24


def test_articles_agree(told):
    vowels = "aeiou"
    for _, descriptions in told:
        for one in descriptions:
            for first, second in pairwise(one.text.split()):
                if first == "a":
                    assert second[0] not in vowels, one.text
                if first == "an":
                    assert second[0] in vowels, one.text


def test_correct_descriptions_say_who_does_what(told):
    for plan, descriptions in told:
        for one in descriptions:
            if not one.correct:
                continue
            fits = [
                any(_has(one.text, noun) for noun in NOUNS[actor.kind])
                and any(_has(one.text, stem) for stem in _stems(plan, actor))
                for actor in plan.actors
            ]
            assert any(fits), one.text


def test_places_named_are_those_of_the_scene(told):
    everywhere = {p[:2] for options in (*PLACES.values(), *SWIM_PLACES.values()) for p in options}
    named = 0
    for plan, descriptions in told:
        own = {p[:2] for p in (*PLACES[plan.scene], *SWIM_PLACES.get(plan.scene, []))}
        for one in descriptions:
            said = {p for p in everywhere if _has(one.text, " ".join(p))}
            if one.correct:
                assert said <= own | {p for p in everywhere if p[1] in {q[1] for q in own}}
                named += bool(said)
            elif one.fault == "scene":
                assert said - own, one.text
    assert 0.2 < named / (len(told) * PER_CLIP) < 0.6


def test_phrases_name_what_they_are_linked_to(told):
    kinds = Counter()
    for plan, descriptions in told:
        own = {p[1]: p[2] for p in (*PLACES[plan.scene], *SWIM_PLACES.get(plan.scene, []))}
        for one in descriptions:
            tokens = one.text.split()
            last = 0
            for phrase in sorted(one.phrases, key=lambda p: p.first):
                assert last <= phrase.first < phrase.last <= len(tokens)
                last = phrase.last
                text = " ".join(tokens[phrase.first : phrase.last])
                kinds[phrase.kind] += 1
                if phrase.kind == "stuff":
                    assert own[text] == phrase.refers_to
                    continue
                member = plan.member(int(phrase.refers_to))
                if member.kind == "ball" and text.endswith("balls"):
                    continue
                assert any(_has(text, noun) for noun in NOUNS[member.kind]), text
                for colour in words.COLOURS:
                    assert not _has(text, colour) or colour == member.colour, text
    assert kinds["instance"] > 3 * kinds["stuff"] > 300


def test_wrong_descriptions_are_wrong_and_about_a_twentieth(told):
    wrong = [(plan, one) for plan, ds in told for one in ds if not one.correct]
    assert 0.035 < len(wrong) / (len(told) * PER_CLIP) < 0.065
    assert {one.fault for _, one in wrong} == {"actor", "action", "scene"}
    misnamed = 0
    for plan, one in wrong:
        if one.fault == "actor" and len(plan.actors) == 1:
            main, *rest = plan.cast
            assert 1 not in {int(p.refers_to) for p in one.phrases if p.kind == "instance"}
            shared = {noun for member in rest for noun in NOUNS[member.kind]}
            named = [n for n in set(NOUNS[main.kind]) - shared if _has(one.text, n)]
            assert not named, one.text
            misnamed += 1
        if one.fault == "action":
            done = {m.action for m in plan.actors}
            done |= {r for a in set(done) for r in RELATED.get(a, set())}
            stems = {v[0].split()[0] for k, vs in VERBS.items() if k.split()[0] in done for v in vs}
            claimed = [w for w in one.text.split() if w.endswith("ing") or w.endswith("s")]
            assert set(claimed) - stems, one.text
    assert misnamed > 30


def test_the_vocabulary_is_small_and_varied(told):
    vocabulary = {word for _, ds in told for one in ds for word in one.text.split()}
    assert 150 <= len(vocabulary) <= 350
    distinct = np.mean([len({one.text for one in ds}) for _, ds in told])
    assert distinct > 12


def test_the_best_description_is_often_said(told):
    said = [best_description(plan) in {one.text for one in ds} for plan, ds in told]
    assert np.mean(said) > 0.45


# --- what is sampled


def test_held_out_triples_occur_in_test_only(plans):
    held_out = words.held_out()
    for split, some in plans.items():
        triples = [{(m.kind, m.action, plan.scene) for m in plan.actors} for plan in some]
        shown = [bool(one & held_out) for one in triples]
        assert shown == [plan.is_held_out for plan in some]
        if split == "test":
            assert 0.12 < np.mean(shown) < 0.25
        else:
            assert not any(shown)


def test_each_part_of_a_held_out_triple_is_seen_elsewhere():
    held_out = words.held_out()
    free = {
        (actor, action, scene)
        for actor in words.ACTORS
        for action in words.ACTIONS
        if words.can_do(actor, action)
        for scene in words.scenes_for(actor, action)
    } - held_out
    for drop in range(3):
        pairs = {t[:drop] + t[drop + 1 :] for t in free}
        assert {t[:drop] + t[drop + 1 :] for t in held_out} <= pairs


def _mutual_information(pairs):
    """Bits, corrected for the bias of a finite sample (Miller and Madow)."""
    joint, left, right = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    n = len(pairs)
    plain = sum(c / n * np.log2(c * n / (left[a] * right[b])) for (a, b), c in joint.items())
    return plain - (len(joint) - len(left) - len(right) + 1) / (2 * n * np.log(2))


def test_action_tells_little_of_actor_and_scene(plans):
    common = [p for p in plans["train"] if not p.rarities]
    actor = _mutual_information([(p.actors[0].action, p.actors[0].kind) for p in common])
    scene = _mutual_information([(p.actors[0].action, p.scene) for p in common])
    assert actor < 0.75  # of 3.3 bits
    assert scene < 0.2
    people = [p for p in common if p.actors[0].kind in words.PEOPLE]
    among = _mutual_information([(p.actors[0].action, p.actors[0].kind) for p in people])
    assert among < 0.06


def test_actions_scenes_and_people_are_near_uniform(plans):
    common = [p for p in plans["train"] if not p.rarities]
    actions = Counter(p.actors[0].action for p in common)
    assert set(actions) == set(words.ACTIONS)
    assert max(actions.values()) < 2.2 * min(actions.values())
    scenes = Counter(p.scene for p in common)
    assert max(scenes.values()) < 2.2 * min(scenes.values())


def test_rare_things_have_a_long_tail(plans):
    rare = Counter(name for p in plans["train"] for name in p.rarities)
    share = sum(rare.values()) / len(plans["train"])
    assert 0.06 < share < 0.1
    assert rare["robot"] > 2 * rare["push"]
    for plan in plans["train"]:
        there = {plan.scene} | {m.kind for m in plan.cast} | {m.action for m in plan.actors}
        for name, _ in words.RARITIES:
            assert (name in plan.rarities) == (name in there)


def test_second_actors_do_something_else(plans):
    two = [p for p in plans["train"] if len(p.actors) > 1]
    assert 0.1 < len(two) / len(plans["train"]) < 0.3
    assert all(p.actors[0].action != p.actors[1].action for p in two)
    for plan in plans["train"]:
        for member in plan.cast:
            if member.role == "distractor":
                assert member.kind == plan.actors[0].kind
                assert member.colour != plan.actors[0].colour
