"""The human in the loop: eq. 10 against literal re-readings, doses, parts, directions."""

import copy
import functools

import numpy as np
import pytest
import torch

from seewhy.captioning import refining
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.decode import Caption, beam_search
from seewhy.captioning.model import Captioner, CaptionerShape, frame_mask, mean_feature
from seewhy.captioning.reading import Preferences
from seewhy.captioning.refining import (
    Clips,
    RefinementPlan,
    Refiner,
    least_change,
    propagate,
    random_direction,
    says,
    topic_direction,
)

pytestmark = pytest.mark.usefixtures("short_fits")
SHAPE = CaptionerShape(
    vocabulary=9, topics=3, cnn=6, encoder=4, embedding=3, decoder=5, attention=4, interpreter=7
)
PLAN = dict(
    direction="contribution", weights="neuron", dose="caption", margin=0.5, parts=2, most=60.0,
    threshold=0.1, rise=0.3, mu=0.01, anchor=0.5, anchor_clips=2, steps=3, learning_rate=0.01,
)  # fmt: skip
DECODING = {"beam": 3, "max_words": 6}


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


def test_parts_share_out_the_whole(captioner):
    clips = some_clips(1, n=7, lengths=[6])
    views = clips.with_parts(3)
    assert views.lengths.tolist() == [6, 2, 2, 2]
    parts = [views.cnn[k, : views.lengths[k]] for k in (1, 2, 3)]
    torch.testing.assert_close(torch.cat(parts), views.cnn[0, :6])
    assert clips.with_parts(1).lengths.tolist() == [6]
    assert some_clips(1, n=1).with_parts(2).lengths.tolist() == [1, 1]


def test_the_closed_form_is_the_minimum_of_equation_10():
    """Eq. 10 before the ReLU for one neuron that is to gain 1, frame by frame, by descent."""
    generator = torch.Generator().manual_seed(0)
    seen, train = (torch.randn(n, 4, generator=generator, dtype=torch.double) for n in (3, 30))
    mu, anchor = 0.2, 0.7
    w = torch.zeros(4, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=500, tolerance_grad=1e-12, tolerance_change=0)

    def loss():
        optimizer.zero_grad()
        gains = sum((w @ x - 1) ** 2 for x in seen) / len(seen)
        moved = sum((w @ x) ** 2 for x in train) / len(train)
        total = gains + mu * (w @ w) + anchor * moved
        total.backward()
        return total

    optimizer.step(loss)
    found = least_change(seen, train.T @ train / len(train), mu, anchor)
    torch.testing.assert_close(found, w.detach(), rtol=1e-6, atol=1e-8)


@pytest.fixture
def refiner_of(captioner, made_features):
    """A refiner for a plan; train and validation clips share one made-up file."""

    def make(shape=None, **changes):
        file = FeatureFile(made_features(clips=12, n=5, d=SHAPE.cnn))
        s = (torch.rand(12, SHAPE.topics, generator=torch.Generator().manual_seed(5)) > 0.5).int()
        s[0] = 1
        own = copy.deepcopy(captioner)
        if shape:
            own = Captioner(CaptionerShape(**{**vars(captioner.shape), **shape})).eval()
        own.requires_grad_(False)
        refiner = Refiner(
            own, (file, s), (file, s), RefinementPlan(**PLAN | changes), DECODING, seed=0
        )
        refiner.files = file
        return refiner

    return make


def word_that_a_push_brings(refiner, seen, direction):
    """A word that the captioner says at a large dose and not without."""
    encoder = refiner.captioner.encoder
    with torch.no_grad():
        V = encoder(*seen)
        pushed = beam_search(refiner.captioner, V + 40 * direction, seen.lengths, **DECODING)[0]
    before = refiner.caption(encoder, seen)[0]
    return next(iter(set(pushed.words) - set(before.words)), None)


def test_a_topic_is_spoken_of_where_the_captioner_s_own_caption_says_so(refiner_of, monkeypatch):
    """With a decoder that says one of four words, by a digit of the first neuron."""

    def word(v):
        return int(v[0] * 1e3) % 4

    def digit(captioner, V, lengths, **decoding):
        return [Caption([word(v)], 0.0, None) for v in mean_feature(V, lengths)]

    monkeypatch.setattr(refining, "beam_search", digit)
    refiner = refiner_of(direction="spoken")
    clips = Clips(*next(refiner.files.batches([range(12)])))
    V = refiner.captioner.encoder(*clips)
    means = torch.stack([V[clip, : clips.lengths[clip]].mean(dim=0) for clip in range(12)])
    own = torch.tensor([word(v) in (0, 1, 2) for v in means])
    assert refining.SPOKEN <= own.sum() < 12
    expected = means[own].mean(dim=0) - means.mean(dim=0)
    torch.testing.assert_close(refiner.direction(0, [0, 1, 2]), expected)


@pytest.mark.parametrize("weights", ["neuron", "encoder"])
def test_the_dose_is_the_smallest_that_brings_the_word(refiner_of, weights):
    refiner = refiner_of(weights=weights, parts=1, steps=1)
    fixed = functools.cache(lambda dose: refiner_of(weights=weights, dose=dose, parts=1, steps=1))
    seen = some_clips(1)
    tried = 0
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        direction = torch.rand(SHAPE.neurons, generator=generator)
        word = word_that_a_push_brings(refiner, seen, direction)
        correction = refiner.correct(seen, direction, [word]) if word else None
        if correction is None or correction.dose is None:
            continue
        tried += 1
        least = correction.dose - refiner.plan.margin
        doses = refiner.plan.doses()
        assert least == pytest.approx(min(doses, key=lambda a: abs(a - least)))
        for dose in [a for a in doses if a <= least * 1.0001][-2:]:
            other = fixed(dose)
            if weights == "neuron":
                refined = other.correct(seen, direction, [word]).encoder
                caption = other.caption(refined, seen)[0]
            else:  # the dose is looked for before any weight has moved
                with torch.no_grad():
                    V = other.captioner.encoder(*seen) + dose * direction
                caption = beam_search(other.captioner, V, seen.lengths, **DECODING)[0]
            assert says(caption, [word]) == (dose > least * 0.9999)
    assert tried >= 2, "no direction brought a word: the test means nothing"


def literal_likeness(refiner, encoder, train, seen, others):
    """k^T x of the module's equation, frame by frame: of the frames seen, and of others."""

    def read(clips):
        x, hidden = encoder.read(*clips)
        return [
            np.append(torch.cat([x[clip, frame], hidden[clip, frame]]).double().numpy(), 1.0)
            for clip in range(len(clips.lengths))
            for frame in range(int(clips.lengths[clip]))
        ]

    frames, plan = read(train), refiner.plan
    scale = np.sqrt(np.mean([x**2 for x in frames], axis=0))
    frames, seen, others = (
        [x / scale for x in some] for some in (frames, read(seen), read(others))
    )
    A = np.mean([np.outer(x, x) for x in seen], axis=0) + plan.mu * np.eye(len(scale))
    A += plan.anchor * np.mean([np.outer(x, x) for x in frames], axis=0)
    k = np.linalg.solve(A, np.mean(seen, axis=0))
    k /= np.mean([k @ x for x in seen])
    return [k @ x for x in seen], [k @ x for x in others]


@pytest.mark.parametrize("features", ["relu", "signed"])
def test_an_added_neuron_moves_frames_by_how_like_they_are_to_what_was_seen(refiner_of, features):
    refiner = refiner_of(shape={"features": features}, dose=2.0, threshold=0.4, rise=0.5)
    train = Clips(*next(refiner.files.batches([range(12)])))
    seen, others = some_clips(1), some_clips(20, lengths=[5] * 10 + [3] * 10)
    direction = torch.linspace(-1, 1, 2 * SHAPE.encoder)
    old, new = refiner.captioner.encoder, refiner.correct(seen, direction, []).encoder
    likeness = literal_likeness(refiner, old, train, seen, others)
    fired = [np.clip((np.array(some) - 0.4) / 0.5, 0, 1) for some in likeness]
    assert 0 < np.mean(fired[1] == 0) < 1, "all or none fires: the test means nothing"
    for clips, g in ((seen, fired[0]), (others, fired[1])):
        real = frame_mask(clips.lengths, 5)
        expected = old(*clips)[real] + 2.0 * torch.from_numpy(g).float()[:, None] * direction
        if features == "relu":
            expected = expected.clamp(min=0)
        torch.testing.assert_close(new(*clips)[real], expected, rtol=1e-4, atol=1e-5)
        silent = torch.from_numpy(g == 0)
        assert torch.equal(new(*clips)[real][silent], old(*clips)[real][silent])
        assert not new(*clips)[~real].any()


def test_added_neurons_add_up(captioner):
    """A neuron pushes below zero and another one back: what counts is their sum."""
    always = torch.zeros(captioner.encoder.reads + 1)
    always[-1] = 1.0
    down, up = -torch.ones(2 * SHAPE.encoder), 2 * torch.ones(2 * SHAPE.encoder)
    clips = some_clips(2, lengths=[5, 3])
    both = captioner.encoder.with_neuron(always, down).with_neuron(always, up)
    real = frame_mask(clips.lengths, 5)
    torch.testing.assert_close(both(*clips)[real], captioner.encoder(*clips)[real] + 1)
    assert captioner.encoder.added is None


def test_no_dose_leaves_the_encoder_as_it_is(refiner_of):
    refiner = refiner_of()
    correction = refiner.correct(some_clips(1), torch.ones(SHAPE.neurons), [])
    assert correction.dose is None
    assert correction.encoder is refiner.captioner.encoder


@pytest.mark.parametrize("concat_cnn", [False, True])
def test_what_the_dose_is_looked_for_on_is_what_the_refined_encoder_gives(
    refiner_of, monkeypatch, concat_cnn
):
    """Of the whole and of its parts, which are padded: their features, mean and all."""
    refiner = refiner_of(shape={"concat_cnn": concat_cnn}, margin=0.0)
    looked = {}

    def smallest(moved, lengths, words):
        looked["V"] = moved(3.0)
        return 3.0

    monkeypatch.setattr(refiner, "_smallest", smallest)
    seen = some_clips(1, n=7, lengths=[5])
    direction = torch.randn(refiner.movable)
    refined = refiner.correct(seen, direction, [4]).encoder
    with torch.no_grad():
        expected = refined(*seen.with_parts(2))
    torch.testing.assert_close(looked["V"], expected, rtol=1e-4, atol=1e-5)
    assert refiner.direction(0, [4]).shape == (refiner.movable,)


def test_without_any_weight_the_least_of_the_exact_changes_is_taken():
    X = torch.tensor([[1.0, 2.0, 1.0]], dtype=torch.double)
    k = least_change(X, torch.zeros(3, 3, dtype=torch.double), 0.0, 0.0)
    torch.testing.assert_close(k, X[0] / 6)


def test_accepted_corrections_stay_while_others_follow(refiner_of):
    """With the first clip among those that are held, the second correction moves it less."""
    first, second = some_clips(1), some_clips(1)
    d = torch.ones(SHAPE.neurons)
    moved = {}
    for accept in (True, False):
        refiner = refiner_of(dose=1.0, threshold=0.0, mu=1e-4, anchor=0.01)
        correction = refiner.correct(first, d, [])
        if accept:
            refiner.accept(correction, first)
        else:
            refiner.captioner.replace_encoder(correction.encoder)
        with torch.no_grad():
            before = refiner.captioner.encoder(*first)
            after = refiner.correct(second, d, []).encoder(*first)
        moved[accept] = float((after - before).abs().mean())
    assert moved[True] < moved[False]


def test_a_signed_captioner_is_refined_by_all_weights(refiner_of):
    refiner = refiner_of(shape={"features": "signed"}, weights="encoder", dose=1.0)
    old = refiner.captioner.encoder
    new = refiner.correct(some_clips(1), torch.ones(SHAPE.neurons), []).encoder
    assert not torch.equal(new.lstm.weight_ih_l0, old.lstm.weight_ih_l0)
    assert not new.training
    refiner.accept(refiner.correct(some_clips(1), torch.ones(SHAPE.neurons), []), some_clips(1))
    assert len(refiner.anchors.lengths) == PLAN["anchor_clips"] + 1


def test_directions_are_weighted_mean_activations():
    means = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 1.0], *[[9.0, 9.0, 9.0]] * 4])
    s = torch.tensor([[1, 0], [1, 0], *[[0, 0]] * 4])
    found = Preferences(np.array([[2, 0], [0, 0], [1, 0]]), np.ones((3, 2)), np.array([2, 0]))
    contribution = torch.tensor([[0.5, 0.0], [-1.0, 0.0], [0.25, 0.0]])
    said = torch.tensor([False, True, True, True, True, True])
    few = torch.tensor([False, False, True, True, True, True])
    by_share = topic_direction("contribution", 0, means, s, found, contribution, said)
    assert by_share.tolist() == [2.0, 0.0, 1.0]
    named = topic_direction("named", 0, means, s, found, contribution, said)
    assert named.tolist() == [2.0, 0.0, 2.0]
    with pytest.raises(ValueError, match="no train clip"):
        topic_direction("named", 1, means, s, found, contribution, said)
    spoken = topic_direction("spoken", 1, means, s, None, None, said)
    torch.testing.assert_close(spoken, torch.tensor([7.8, 7.2, 7.4]) - means.mean(dim=0))
    had = topic_direction("spoken", 0, means, s, None, None, few)
    torch.testing.assert_close(had, torch.tensor([2.0, 1.0, 2.0]) - means.mean(dim=0))
    with pytest.raises(ValueError, match="no train clip"):
        topic_direction("spoken", 1, means, s, None, None, few)
    shuffled = random_direction(torch.arange(6.0), 3)
    assert sorted(shuffled.tolist()) == [0, 1, 2, 3, 4, 5]
    assert shuffled.tolist() != [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("parts", "needed"), [(1, 2.0), (2, 4.0)])
def test_the_whole_and_each_of_its_parts_say_the_word_at_the_least_dose(
    refiner_of, monkeypatch, parts, needed
):
    """A decoder that says word 4 where the first neuron's mean is 3; of two frames one is weak."""

    def strong(captioner, V, lengths, **decoding):
        return [Caption([4] if v[0] >= 3 else [5], 0.0, None) for v in mean_feature(V, lengths)]

    refiner = refiner_of(dose="caption", parts=parts)
    encoder = refiner.captioner.encoder
    strength = torch.tensor([[3.0, -1.0], [3.0, 0.0], [-1.0, 0.0]])  # of the whole and its halves

    def features(cnn, lengths, x, hidden, push):
        V = torch.zeros_like(hidden)
        V[..., 0] = strength[: len(lengths)] + push[..., 0]
        return V * frame_mask(lengths, 2).unsqueeze(-1)

    monkeypatch.setattr(refining, "beam_search", strong)
    monkeypatch.setattr(refining, "fires", lambda x, keys: torch.ones_like(x[..., :1]))
    monkeypatch.setattr(encoder, "features", features)
    direction = torch.zeros(refiner.movable)
    direction[0] = 1.0
    found = refiner.correct(some_clips(1, n=2), direction, [4]).dose - refiner.plan.margin
    before = max(dose for dose in refiner.plan.doses() if dose < found)
    assert before < needed <= found


def test_a_clip_that_says_it_already_changes_nothing(refiner_of):
    refiner = refiner_of(parts=2)
    for seed in range(50):
        torch.manual_seed(seed)
        seen = some_clips(1)
        views = refiner.caption(refiner.captioner.encoder, seen.with_parts(2))
        shared = set.intersection(*(set(caption.words) for caption in views))
        if shared:
            break
    correction = refiner.correct(seen, torch.ones(SHAPE.neurons), list(shared))
    assert correction.dose == 0
    assert correction.encoder is refiner.captioner.encoder


def test_says_looks_for_any_of_the_words(captioner):
    with torch.no_grad():
        V = captioner.encoder(*some_clips(1))
    caption = beam_search(captioner, V, torch.tensor([5]))[0]
    assert says(caption, [*caption.words[:1], 99]) == bool(caption.words)
    assert not says(caption, [99])
