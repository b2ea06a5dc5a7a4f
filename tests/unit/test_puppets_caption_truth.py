"""Captions judged by what was drawn, against the grammar's own right and wrong descriptions."""

from collections import Counter

import pytest

from seewhy.worlds.puppets.caption_truth import (
    ASKED,
    ClipTruth,
    Done,
    judge_caption,
    read_clip_truths,
)
from seewhy.worlds.puppets.describe import describe_clip
from seewhy.worlds.puppets.sampling import plan_clip
from seewhy.worlds.puppets.world import render_clips

ASKED_OF = {"actor": "who", "action": "what", "scene": "where"}


def truth_of(plan):
    kinds = {member.instance: member.kind for member in plan.cast}
    done = (
        Done(member.kind, act.action, kinds.get(member.object, ""))
        for member in plan.actors
        for act in member.acts
        if act.action != "idle"
    )
    return ClipTruth(frozenset(kinds.values()), tuple(done), plan.scene)


def test_right_descriptions_are_true_and_wrong_ones_wrong_in_what_was_changed():
    found = Counter()
    for index in range(150):
        plan = plan_clip(7, "test", index)
        for told in describe_clip(plan, 7, "test", index):
            judged = judge_caption(told.text, truth_of(plan))
            if told.correct:
                assert all(judged.values()), (told.text, truth_of(plan))
            else:
                found[told.fault, judged[ASKED_OF[told.fault]]] += 1
    assert found["action", True] == found["scene", True] == 0
    # Somebody else in the clip may bear a wrong name ("person" for a girl beside a man).
    assert found["actor", True] <= 0.05 * found["actor", False]
    assert min(found[fault, False] for fault in ASKED_OF) > 20


DRAWN = ClipTruth(
    frozenset(["man", "dog", "ball", "girl"]),
    (Done("man", "kick", "ball"), Done("dog", "walk", "")),
    "road",
)


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("a man in a green shirt is kicking a ball on the street", ()),
        ("a person plays soccer and a puppy strolls", ()),
        ("a girl is beside a man kicking the red ball", ()),
        ("", ()),
        ("a cat is walking", ("who",)),
        ("a dog is kicking a ball", ("what",)),
        ("a man is kicking an apple", ("what",)),
        ("a girl is walking", ()),  # she does nothing, so that anybody may be meant
        ("a man is riding a horse", ("who", "what")),
        ("a man is kicking a ball on stage", ("where",)),
        ("on the beach a cat is swimming", ASKED),
    ],
)
def test_what_is_wrong_in_a_caption(caption, wrong):
    judged = judge_caption(caption, DRAWN)
    assert tuple(asked for asked in ASKED if not judged[asked]) == wrong


def test_the_truth_is_read_from_the_corpus(tmp_path):
    render_clips(tmp_path, seed=5, clips={"train": 2, "val": 1, "test": 3}, workers=1)
    found = read_clip_truths(tmp_path)
    assert len(found) == 6
    for index in range(3):
        plan = plan_clip(5, "test", index)
        assert found[f"test{index:05d}"] == truth_of(plan)
