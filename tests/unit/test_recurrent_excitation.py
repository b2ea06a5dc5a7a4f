"""Excitation backprop through a ReLU LSTM: against autograd replicas and literal loops."""

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.errors import InputError
from seewhy.grounding import recurrent
from seewhy.grounding.excitation import PositiveWeights
from seewhy.grounding.maps import (
    evidence_of_action,
    evidence_of_word,
    ground_action,
    ground_word,
)
from seewhy.grounding.networks import (
    VGG16,
    ActionNetwork,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.grounding.recurrent import RULES, excite_difference, excite_lstm
from seewhy.grounding.relu_lstm import ReluLSTM, TemporalDifference

B, T, D, H = 2, 5, 4, 3


@pytest.fixture
def lstm():
    torch.manual_seed(3)
    result = ReluLSTM(D, H).double()
    with torch.no_grad():
        result.weight_hh.normal_(0, 0.7)
        result.bias.normal_()
    return result


@pytest.fixture
def x():
    return torch.rand(B, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def prior():
    return torch.rand(B, T, H, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def literal_run(lstm, x):
    """The LSTM's equations, a step and an item at a time."""
    w, u, b = (p.detach().numpy() for p in (lstm.weight_ih, lstm.weight_hh, lstm.bias))
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    h, c, steps = np.zeros(H), np.zeros(H), []
    for t in range(len(x)):
        i, f, g, o = np.split(w @ x[t] + u @ h + b, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.maximum(g, 0), sigmoid(o)
        c_before, h_before = c, h
        c = f * c + i * g
        h = o * np.maximum(c, 0)
        steps.append(dict(i=i, f=f, g=g, o=o, c=c, h=h, c_before=c_before, h_before=h_before))
    return steps


def literal_rule(lstm, x, prior, rule):
    """The module's text, a neuron at a time."""
    w, u = (p.detach().numpy() for p in (lstm.weight_ih, lstm.weight_hh))
    steps = literal_run(lstm, x)
    result = np.zeros_like(x)
    into_h, into_c = np.zeros(H), np.zeros(H)
    for t in reversed(range(len(x))):
        s = steps[t]
        at_h = prior[t] + into_h
        into_h, into_c_before = np.zeros(H), np.zeros(H)
        signal = np.zeros(4 * H)
        for k in range(H):
            if rule == "gates-const":
                at_c = at_h[k] * (s["c"][k] > 0) + into_c[k]
                parts = s["f"][k] * s["c_before"][k], s["i"][k] * s["g"][k]
                if sum(parts) > 0:
                    into_c_before[k] = at_c * parts[0] / sum(parts)
                    signal[2 * H + k] = at_c * parts[1] / sum(parts)
            else:
                at_c = at_h[k] * s["o"][k] * (s["c"][k] > 0) + into_c[k]
                signal[k] = at_c * s["g"][k] * s["i"][k] * (1 - s["i"][k])
                signal[H + k] = at_c * s["c_before"][k] * s["f"][k] * (1 - s["f"][k])
                signal[2 * H + k] = at_c * s["i"][k] * (s["g"][k] > 0)
                signal[3 * H + k] = at_h[k] * s["c"][k] * s["o"][k] * (1 - s["o"][k])
                into_c_before[k] = at_c * s["f"][k]
        into_c = into_c_before
        for j in range(4 * H):
            children = [(result[t], d, x[t, d] * max(w[j, d], 0)) for d in range(D)]
            if rule != "released":
                children += [(into_h, k, s["h_before"][k] * max(u[j, k], 0)) for k in range(H)]
            z = sum(excitation for *_, excitation in children)
            for where, place, excitation in children:
                if z > 0:
                    where[place] += signal[j] * excitation / z
    return result


def test_the_lstm_runs_as_written(lstm, x):
    trace = lstm.trace(x)
    for item in range(B):
        steps = literal_run(lstm, x[item].numpy())
        for name in ("i", "f", "g", "o", "c", "h"):
            got = getattr(trace, name)[item].detach().numpy()
            np.testing.assert_allclose(got, [s[name] for s in steps], atol=1e-12)
    h, (last, _) = lstm(x)
    torch.testing.assert_close(h, trace.h)
    torch.testing.assert_close(last, trace.h[:, -1])
    half, state = lstm(x[:, :2])
    rest, _ = lstm(x[:, 2:], state)
    torch.testing.assert_close(torch.cat([half, rest], 1), h)
    assert (trace.c >= 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_its_literal_loop(lstm, x, prior, rule):
    with torch.no_grad():
        got = excite_lstm(lstm, lstm.trace(x), prior, rule=rule, positive=PositiveWeights())
    for item in range(B):
        expected = literal_rule(lstm, x[item].numpy(), prior[item].numpy(), rule)
        np.testing.assert_allclose(got[item].numpy(), expected, atol=1e-12)
    assert (got >= 0).all()


class ExcitationLinear(torch.autograd.Function):
    """W x + b with excitation backprop in place of its derivative."""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w.T + b

    @staticmethod
    def backward(ctx, p):
        x, w = ctx.saved_tensors
        w = w.clamp(min=0)
        z = x @ w.T
        return x * (torch.where(z > 0, p / z, 0.0) @ w), None, None


def test_the_released_rule_is_autograd_with_the_hidden_path_detached(lstm, x, prior):
    asked = x.clone().requires_grad_()
    h = c = torch.zeros(B, H, dtype=torch.float64)
    states = []
    for t in range(T):
        gates = ExcitationLinear.apply(asked[:, t], lstm.weight_ih, lstm.bias)
        i, f, g, o = (gates + h.detach() @ lstm.weight_hh.T).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.relu()
        h = o.sigmoid() * c.relu()
        states.append(h)
    (theirs,) = torch.autograd.grad(torch.stack(states, 1), asked, prior)
    own = excite_lstm(lstm, lstm.trace(x), prior, rule="released", positive=PositiveWeights())
    torch.testing.assert_close(own, theirs, atol=1e-12, rtol=1e-9)


def test_the_papers_rule_is_autograd_with_both_weights_together(lstm, x, prior):
    both = torch.cat([lstm.weight_ih, lstm.weight_hh], 1).detach()
    asked = x.clone().requires_grad_()
    h = c = torch.zeros(B, H, dtype=torch.float64)
    states = []
    for t in range(T):
        gates = ExcitationLinear.apply(torch.cat([asked[:, t], h], 1), both, lstm.bias)
        i, f, g, o = gates.chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.relu()
        h = o.sigmoid() * c.relu()
        states.append(h)
    (theirs,) = torch.autograd.grad(torch.stack(states, 1), asked, prior)
    own = excite_lstm(lstm, lstm.trace(x), prior, rule="paper", positive=PositiveWeights())
    torch.testing.assert_close(own, theirs, atol=1e-12, rtol=1e-9)


def test_signals_that_grow_without_bound_are_divided_by_one_factor(lstm, monkeypatch):
    """In long sequences the paper's rule leaves the range of numbers; the map must not."""
    generator = torch.Generator().manual_seed(6)
    x = torch.rand(3, 8, D, dtype=torch.float64, generator=generator)
    prior = torch.rand(2, 3, 8, H, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        trace = lstm.trace(x)
        given = {"rule": "paper", "positive": PositiveWeights()}
        plain = excite_lstm(lstm, trace, prior, **given)
        monkeypatch.setattr(recurrent, "_LARGE", 1e-3)  # at every step
        divided = excite_lstm(lstm, trace, prior, **given)
    torch.testing.assert_close(
        plain / plain.sum((2, 3), keepdim=True), divided / divided.sum((2, 3), keepdim=True)
    )
    monkeypatch.undo()
    growing = ReluLSTM(D, 8)
    with torch.no_grad():  # gates half open, a large cell, an output gate that hears h loudest
        for parameter in growing.parameters():
            parameter.zero_()
        growing.weight_ih[16:24] = 20.0
        growing.weight_ih[24:] = 1e-4
        growing.weight_hh[24:] = torch.tensor([0.01, -0.01]).repeat(4)
        long = torch.rand(2, 400, D)
        trace = growing.trace(long)
        last = torch.zeros(2, 400, 8)
        last[:, -1] = 1
        for rule in RULES:
            found = excite_lstm(growing, trace, last, rule=rule, positive=PositiveWeights())
            assert torch.isfinite(found).all()
            assert (found.sum((1, 2)) > 0).all()
        monkeypatch.setattr(recurrent, "_LARGE", float("inf"))
        lost = excite_lstm(growing, trace, last, rule="paper", positive=PositiveWeights())
        assert not torch.isfinite(lost).all()  # without it


def test_constant_gates_lose_nothing(lstm, x, prior):
    with torch.no_grad():
        lstm.weight_ih.abs_()  # something excites every candidate
        trace = lstm.trace(x)
        got = excite_lstm(lstm, trace, prior, rule="gates-const", positive=PositiveWeights())
    alive = trace.c > 0
    assert alive.all()
    torch.testing.assert_close(got.sum((1, 2)), prior.sum((1, 2)))


def test_several_priors_pass_at_once(lstm, x, prior):
    trace, positive = lstm.trace(x), PositiveWeights()
    for rule in RULES:
        both = excite_lstm(
            lstm, trace, torch.stack([prior, 2 * prior.flip(2)]), rule=rule, positive=positive
        )
        one = excite_lstm(lstm, trace, 2 * prior.flip(2), rule=rule, positive=positive)
        torch.testing.assert_close(both[1], one)


def test_differences_hand_on_to_what_excited_them(x):
    difference = TemporalDifference([1, 3])
    y = difference(x)
    assert y.shape == (B, T, 5 * D)
    t, before = 4, 1
    torch.testing.assert_close(y[:, t, 3 * D : 4 * D], (x[:, t] - x[:, before]).relu())
    torch.testing.assert_close(y[:, t, 4 * D :], (x[:, before] - x[:, t]).relu())
    assert (y[:, 0, D:] == 0).all()
    p = torch.zeros_like(y)
    p[:, t, 3 * D] = 1.0  # a rise over three steps
    p[:, t, 4 * D + 1] = 2.0  # a fall
    p[:, 2, 2 * D + 2] = 4.0  # a fall over one
    got = excite_difference(difference, p)
    expected = torch.zeros_like(x)
    expected[:, t, 0], expected[:, before, 1], expected[:, 1, 2] = 1.0, 2.0, 4.0
    torch.testing.assert_close(got, expected)
    assert TemporalDifference()(x) is not None
    torch.testing.assert_close(TemporalDifference()(x), x)
    with pytest.raises(InputError, match="lags"):
        TemporalDifference([0])


def lrcn(lags=(1,)):
    torch.manual_seed(0)
    shape = VGGShape(groups=((6,), (8, 8)), linear=(24,), size=16, batch_norm=False)
    return vgg_action_network(shape, ["a", "b", "c"], hidden=24, lags=lags).double()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", ["last", "all"])
def test_maps_of_a_clip_sum_to_one_and_to_nothing(rule, seed):
    network = lrcn()
    frames = torch.rand(3, 6, 3, 16, 16, dtype=torch.float64)
    options = {"layer": "conv1", "rule": rule, "seed": seed}
    eb = ground_action(network, frames, ["a", "b", "c"], method="EB", **options)
    assert eb.shape == (3, 6, 16, 16)
    assert (eb >= 0).all()
    torch.testing.assert_close(eb.sum((1, 2, 3)), torch.ones(3, dtype=torch.float64))
    contrast = ground_action(network, frames, ["a", "b", "c"], method="cEB", **options)
    assert contrast.sum((1, 2, 3)).abs().max() < 1e-12
    assert contrast.abs().max() > 0


def test_the_map_of_a_clip_is_not_that_of_its_batch():
    network, frames = lrcn(), torch.rand(3, 6, 3, 16, 16, dtype=torch.float64)
    together = ground_action(network, frames, [0, 1, 2], batch=4)
    for k in range(3):
        alone = ground_action(network, frames[k : k + 1], k)
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-12, rtol=0)


def test_sums_at_fc7_are_sums_of_the_maps():
    network, frames = lrcn(), torch.rand(2, 6, 3, 16, 16, dtype=torch.float64)
    maps = ground_action(network, frames, [0, 2])
    with torch.no_grad():
        evidence = evidence_of_action(network, network.eval().encode(frames), torch.tensor([0, 2]))
    torch.testing.assert_close(maps.sum((2, 3)), evidence.sum(2))


def test_plain_gradients_flow_through_time():
    network, frames = lrcn().eval(), torch.rand(2, 5, 3, 16, 16, dtype=torch.float64)
    maps = ground_action(network, frames, [1, 1], method="BP")
    asked = frames.clone().requires_grad_()
    network(asked)[:, -1, 1].sum().backward()
    torch.testing.assert_close(maps, asked.grad.abs().amax(2))
    assert maps[:, 0].max() > 0


def captioner():
    torch.manual_seed(0)
    cnn = vgg_action_network(
        VGGShape(groups=((6,), (8,)), linear=(24,), size=16, batch_norm=False), "ab"
    ).cnn
    return MeanPoolCaptioner(
        cnn, 24, CaptionerSizes(words=9, embedding=4, hidden=24), size=16, scale="-1..1"
    ).double()


@pytest.mark.parametrize("rule", RULES)
def test_words_are_grounded_in_frames(rule):
    network, frames = captioner(), torch.rand(2, 4, 3, 16, 16, dtype=torch.float64)
    words = torch.tensor([[1, 4, 5, 2], [1, 8, 3, 2]])
    position = torch.tensor([1, 3])
    eb = ground_word(network, frames, words, position, method="EB", rule=rule, layer="conv2")
    assert eb.shape == (2, 4, 8, 8)
    torch.testing.assert_close(eb.sum((1, 2, 3)), torch.ones(2, dtype=torch.float64))
    contrast = ground_word(network, frames, words, position, rule=rule)
    assert contrast.sum((1, 2, 3)).abs().max() < 1e-12
    changed = words.clone()
    changed[0, 2:] = 7  # words after the one that is asked for
    torch.testing.assert_close(
        ground_word(network, frames, changed, position, rule=rule)[0], contrast[0]
    )
    with pytest.raises(InputError, match="positions must be 1 … 3"):
        ground_word(network, frames, words, torch.tensor([0, 4]))


def test_the_mean_hands_on_by_activations():
    network, frames = captioner(), torch.rand(1, 4, 3, 16, 16, dtype=torch.float64)
    words, position = torch.tensor([[1, 4, 5, 2]]), torch.tensor([2])
    with torch.no_grad():
        features = network.eval().encode(frames)
        p = evidence_of_word(network, features, words, position, contrastive=False)
    shared = features / features.sum(1, keepdim=True).clamp(min=1e-300)
    torch.testing.assert_close(p, shared * p.sum(1, keepdim=True))


def test_a_words_gradient_is_its_scores():
    network, frames = captioner().eval(), torch.rand(1, 3, 3, 16, 16, dtype=torch.float64)
    words, position = torch.tensor([[1, 4, 5, 2]]), torch.tensor([2])
    maps = ground_word(network, frames, words, position, method="BP")
    asked = frames.clone().requires_grad_()
    logits = network(words[:, :-1], network.encode(asked).mean(1))
    logits[0, 1, 5].backward()
    torch.testing.assert_close(maps, asked.grad.abs().amax(2))


def test_an_lstm_with_tanh_is_refused():
    cnn = nn.Sequential(nn.Conv2d(3, 3, 2), nn.ReLU(), nn.Flatten())
    network = ActionNetwork(cnn, nn.Linear(4, 2), nn.LSTM(3, 4))
    for method in ("EB", "cEB"):
        with pytest.raises(InputError, match="the recurrent layer is LSTM: its tanh breaks"):
            ground_action(network, torch.rand(1, 4, 3, 2, 2), 0, method=method)
    assert ground_action(network, torch.rand(1, 4, 3, 2, 2), 0, method="BP").max() > 0


def test_what_is_asked_for_must_be_there():
    network, frames = lrcn(), torch.rand(2, 5, 3, 16, 16, dtype=torch.float64)
    for options, message in [
        ({"action": "d"}, "action 'd' is not one of a, b, c"),
        ({"action": 3}, "class 3 is not one of 0 … 2"),
        ({"action": ["a"]}, "1 actions for 2 clips"),
        ({"action": "a", "method": "LRP"}, "method 'LRP' is not one of EB, cEB, BP"),
        ({"action": "a", "rule": "none"}, "rule 'none' is not one of released"),
        ({"action": "a", "seed": "first"}, "seed 'first' is not one of last, all"),
    ]:
        with pytest.raises(InputError, match=message):
            ground_action(network, frames, **options)
    with pytest.raises(InputError, match="are not"):
        ground_action(network, frames[0], "a")
    with pytest.raises(InputError, match="reads 3 numbers, the LSTM has 4"):
        ActionNetwork(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), nn.Linear(3, 2), ReluLSTM(3, 4))


def test_frames_are_brought_to_what_the_network_wants():
    network = lrcn()
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), np.uint8)
    assert network.preprocess(frames).shape == (2, 3, 3, 16, 16)
    same = network.preprocess(frames[:, :, :16, :16])
    assert float(same[0, 0, 1, 4, 5]) == pytest.approx(frames[0, 0, 4, 5, 1] / 127.5 - 1, abs=1e-6)
    with pytest.raises(InputError, match="are not uint8"):
        network.preprocess(frames.astype(np.float32))


def test_the_full_vgg_16_has_torchvisions_weights():
    from seewhy.backbones.torchvision_import import import_torchvision
    from seewhy.grounding.networks import VGG

    with torch.device("meta"):
        own, theirs = VGG(VGG16), import_torchvision().models.vgg16()
    shapes = {k: v.shape for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in own.state_dict().items()} == {
        k: v for k, v in shapes.items() if not k.startswith("classifier.6")
    }
