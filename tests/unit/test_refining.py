"""The human in the loop: eq. 10 against a literal re-reading, doses, halves, directions."""

import copy

import numpy as np
import pytest
import torch

from seewhy.captioning.decode import beam_search
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.reading import Preferences
from seewhy.captioning.refining import (
    Clips,
    RefinementPlan,
    find_dose,
    propagate,
    random_direction,
    says,
    topic_direction,
)

SHAPE = CaptionerShape(
    vocabulary=9, topics=3, cnn=6, encoder=4, embedding=3, decoder=5, attention=4, interpreter=7
)
PLAN = dict(
    direction="contribution", dose="caption", margin=2.0, mu=0.01, anchor=0.5, anchor_clips=2,
    steps=3, learning_rate=0.01,
)  # fmt: skip


@pytest.fixture
def captioner():
    torch.manual_seed(0)
    return Captioner(SHAPE).eval()


def some_clips(count, n=5, lengths=None):
    cnn = torch.rand(count, n, SHAPE.cnn)
    return Clips(cnn, torch.tensor(lengths or [n] * count))


def test_halves_share_out_every_real_frame():
    clips = some_clips(3, n=7, lengths=[7, 4, 2])
    first, second = clips.halves()
    assert first.lengths.tolist() == [3, 2, 1]
    assert second.lengths.tolist() == [4, 2, 1]
    for clip, length in enumerate([7, 4, 2]):
        parts = [half.cnn[clip, : half.lengths[clip]] for half in (first, second)]
        torch.testing.assert_close(torch.cat(parts), clips.cnn[clip, :length])


def literal_loss(encoder, original, clips, target, anchors, held, mu, anchor):
    """Eq. 10 frame by frame and weight by weight, and the anchor."""
    terms = []
    for group, wanted in ((clips, target), (anchors, held)):
        V, total, frames = encoder(*group), 0.0, 0
        for clip in range(len(group.lengths)):
            for frame in range(int(group.lengths[clip])):
                total = total + ((V[clip, frame] - wanted[clip, frame]) ** 2).sum()
                frames += 1
        terms.append(total / frames)
    weights = sum(
        ((new - old) ** 2).sum()
        for new, old in zip(encoder.parameters(), original.parameters(), strict=True)
    )
    return terms[0] + mu * weights + anchor * terms[1]


def test_propagation_descends_on_equation_10(captioner):
    clips, anchors = some_clips(1), some_clips(2, lengths=[5, 3])
    with torch.no_grad():
        target, held = captioner.encoder(*clips) + 0.5, captioner.encoder(*anchors)
    plan = RefinementPlan(**PLAN)
    before = copy.deepcopy(captioner.encoder.state_dict())
    refined = propagate(captioner.encoder, clips, target, anchors, plan)
    for name, value in captioner.encoder.state_dict().items():
        assert torch.equal(value, before[name])
    literal = copy.deepcopy(captioner.encoder)
    optimizer = torch.optim.Adam(literal.parameters(), lr=plan.learning_rate)
    for _ in range(plan.steps):
        optimizer.zero_grad()
        loss = literal_loss(
            literal, captioner.encoder, clips, target, anchors, held, plan.mu, plan.anchor
        )
        loss.backward()
        optimizer.step()
    for new, expected in zip(refined.parameters(), literal.parameters(), strict=True):
        torch.testing.assert_close(new, expected.detach(), rtol=1e-4, atol=1e-6)


def test_the_anchor_holds_other_clips(captioner):
    clips, anchors = some_clips(1), some_clips(4)
    with torch.no_grad():
        target, held = captioner.encoder(*clips) + 0.5, captioner.encoder(*anchors)
    moved = []
    for anchor in (0.0, 5.0):
        plan = RefinementPlan(**{**PLAN, "anchor": anchor, "mu": 0.0, "steps": 60})
        refined = propagate(captioner.encoder, clips, target, anchors, plan)
        assert (refined(*clips) - target).square().mean() < 0.9 * 0.25
        moved.append((refined(*anchors) - held).square().mean())
    assert moved[1] < 0.5 * moved[0]


def test_the_smallest_dose_that_says_a_word_is_found(captioner):
    with torch.no_grad():
        V = captioner.encoder(*some_clips(1))[0]
    direction = torch.randn(V.shape[1], generator=torch.Generator().manual_seed(1))
    doses = (0.5, 2.0, 8.0, 32.0)
    said = [
        set(beam_search(captioner, (V + a * direction)[None], torch.tensor([len(V)]))[0].words)
        for a in doses
    ]
    for word in range(4, SHAPE.vocabulary):
        expected = next((a for a, words in zip(doses, said, strict=True) if word in words), None)
        assert find_dose(captioner, V, direction, [word], doses) == expected
    assert find_dose(captioner, V, direction, [], doses) is None


def test_directions_are_weighted_mean_activations():
    means = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 1.0], [9.0, 9.0, 9.0]])
    s = torch.tensor([[1, 0], [1, 0], [0, 0]])
    found = Preferences(np.array([[2, 0], [0, 0], [1, 0]]), np.ones((3, 2)), np.array([2, 0]))
    contribution = torch.tensor([[0.5, 0.0], [-1.0, 0.0], [0.25, 0.0]])
    by_share = topic_direction("contribution", 0, means, s, found, contribution)
    assert by_share.tolist() == [2.0, 0.0, 1.0]
    named = topic_direction("named", 0, means, s, found, contribution)
    assert named.tolist() == [2.0, 0.0, 2.0]
    with pytest.raises(ValueError, match="no train clip"):
        topic_direction("named", 1, means, s, found, contribution)
    shuffled = random_direction(by_share, 3)
    assert sorted(shuffled.tolist()) == sorted(by_share.tolist())


def test_says_looks_for_any_of_the_words(captioner):
    with torch.no_grad():
        V = captioner.encoder(*some_clips(1))
    caption = beam_search(captioner, V, torch.tensor([5]))[0]
    assert says(caption, [*caption.words[:1], 99]) == bool(caption.words)
    assert not says(caption, [99])
