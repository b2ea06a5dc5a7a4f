"""The captioner against literal, slow re-readings of the paper's equations."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from seewhy.captioning.decode import beam_search
from seewhy.captioning.model import Captioner, CaptionerShape, mean_feature
from seewhy.captioning.recurrence import AttentiveRecurrence
from seewhy.text.tokens import BOS, EOS, PAD, UNK

SHAPE = dict(vocabulary=9, topics=5, cnn=6, encoder=4, embedding=3, decoder=5, attention=4)


@pytest.fixture(params=["relu", "signed", "concat", "components"])
def captioner(request):
    torch.manual_seed(0)
    kind = {"concat": {"concat_cnn": True}, "components": {"components": 3, "motion": [1, 3]}}
    kind = kind.get(request.param, {"features": request.param})
    model = Captioner(CaptionerShape(**SHAPE, interpreter=7, **kind)).double()
    read = model.encoder.input
    read.mean.normal_(), read.motion_mean.normal_(), read.motion_spread.uniform_(0.5, 2)
    if read.axes is None:
        read.spread.uniform_(0.5, 2)
    else:
        read.axes.normal_()
    with torch.no_grad():  # weights large enough that a wrong term shows
        for parameter in model.parameters():
            parameter.mul_(1.5).add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def literal_lstm_step(x, h, c, W_x, W_h, b):
    i, f, g, o = (W_x @ x + W_h @ h + b).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def literal_bilstm(lstm: nn.LSTM, x):
    """[n, d] -> [n, 2h], one frame after the other in each direction."""
    out = []
    for suffix, order in (("", range(len(x))), ("_reverse", reversed(range(len(x))))):
        W_x, W_h = (getattr(lstm, f"weight_{k}_l0{suffix}") for k in ("ih", "hh"))
        b = getattr(lstm, f"bias_ih_l0{suffix}") + getattr(lstm, f"bias_hh_l0{suffix}")
        h = c = torch.zeros(lstm.hidden_size, dtype=x.dtype)
        states = {}
        for t in order:
            h, c = literal_lstm_step(x[t], h, c, W_x, W_h, b)
            states[t] = h
        out.append(torch.stack([states[t] for t in range(len(x))]))
    return torch.cat(out, dim=1)


def literal_features(model, x):
    """V of one clip: [n, v]."""
    read = model.encoder.input
    if read.axes is None:
        z = [(frame - read.mean) / read.spread for frame in x]
    else:
        z = [read.axes.T @ (frame - read.mean) for frame in x]
    y = []
    for i in range(len(z)):
        y.append(z[i])
        for number, lag in enumerate(read.lags):
            moved = abs(z[i] - z[max(i - lag, 0)]) - read.motion_mean[number]
            y[-1] = torch.cat([y[-1], moved / read.motion_spread[number]])
    y = torch.stack(y)
    V = literal_bilstm(model.encoder.lstm, y)
    if model.encoder.rectifier is not None:
        W, b = model.encoder.rectifier.weight, model.encoder.rectifier.bias
        V = torch.stack([torch.clamp(W @ v + b, min=0) for v in V])
    return torch.cat([V, x], dim=1) if model.encoder.concat_cnn else V


def literal_log_probabilities(model, V, words):
    """log p(. | y_{<t}, x) at each step for one clip and one caption, eqs. 3 to 6 word by word."""
    d, H = model.decoder, model.decoder.hidden
    W_h, U_a = d.W_h_U_a.weight[: 4 * H], d.W_h_U_a.weight[4 * H :]
    mean = sum(V) / len(V)
    c, h = d.init_c(mean), d.init_h(mean)  # eq. 5
    result = []
    for word in words:
        y = d.embed.weight[word]
        e = torch.stack(
            [d.w_a.weight[0] @ torch.tanh(U_a @ h + d.T_a.weight @ v + d.T_a.bias) for v in V]
        )
        alpha = torch.exp(e) / torch.exp(e).sum()  # eq. 4
        phi = sum(a * v for a, v in zip(alpha, V, strict=True))  # eq. 3
        W_x = torch.cat([d.W_y.weight, d.W_phi.weight], dim=1)
        h, c = literal_lstm_step(torch.cat([y, phi]), h, c, W_x, W_h, d.W_y.bias)
        logits = d.W_p.weight @ torch.cat([h, phi, y]) + d.W_p.bias  # eq. 6
        result.append(torch.log_softmax(logits, dim=0))
    return torch.stack(result)


def clips(c=3, n=4, lengths=(4, 4, 4)):
    x = torch.randn(c, n, SHAPE["cnn"], dtype=torch.double)
    for clip, length in enumerate(lengths):
        x[clip, length:] = 0
    return x, torch.tensor(lengths)


@pytest.mark.parametrize("lengths", [(4, 4, 4), (4, 1, 3)])
def test_features_are_those_of_the_literal_bilstm(captioner, lengths):
    x, length = clips(lengths=lengths)
    V = captioner.encoder(x, length)
    for clip in range(3):
        expected = literal_features(captioner, x[clip, : lengths[clip]])
        torch.testing.assert_close(V[clip, : lengths[clip]], expected)
        assert (V[clip, lengths[clip] :] == 0).all()


@pytest.mark.parametrize("lengths", [(4, 4, 4), (4, 1, 3)])
def test_losses_are_equations_1_and_8(captioner, lengths):
    x, length = clips(lengths=lengths)
    captions = [[[4, 5], [6]], [[5, 5, 7]], [[8, 4], [7, 6, 5]]]
    words = torch.full((3, 2, 4), PAD)
    targets = torch.full((3, 2, 4), -1)
    for clip, own in enumerate(captions):
        for k, caption in enumerate(own):
            words[clip, k, : len(caption) + 1] = torch.tensor([BOS, *caption])
            targets[clip, k, : len(caption) + 1] = torch.tensor([*caption, EOS])
    s = torch.randint(0, 2, (3, 5)).double()
    task, interpretive = captioner.losses(x, length, words, targets, s)
    losses, distances = [], []
    for clip, own in enumerate(captions):
        V = literal_features(captioner, x[clip, : lengths[clip]])
        for caption in own:
            log_p = literal_log_probabilities(captioner, V, [BOS, *caption])
            losses.append(-sum(log_p[t, w] for t, w in enumerate([*caption, EOS])))
        hidden = captioner.interpreter[0](sum(V) / len(V)).clamp(min=0)
        distances.append(((captioner.interpreter[2](hidden) - s[clip]) ** 2).sum())
    # the losses are reduced in single precision
    torch.testing.assert_close(task.double(), sum(losses) / len(losses), rtol=1e-5, atol=0)
    torch.testing.assert_close(interpretive.double(), sum(distances) / 3, rtol=1e-5, atol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_the_written_out_gradient_is_the_numerical_one(masked):
    t, c, k, n, h, a = 3, 2, 2, 4, 3, 2
    shapes = [
        (t, c, k, 4 * h),
        (c, k, h),
        (c, k, h),
        (4 * h + a, h),
        (a,),
        (c, n, a),
        (c, n, 4 * h),
    ]
    arguments = [torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in shapes]
    mask = torch.tensor([[[True, True, True, False]], [[True] * 4]]) if masked else None
    assert torch.autograd.gradcheck(AttentiveRecurrence.apply, (*arguments, mask))


@pytest.mark.parametrize("components", [0, 3])
@pytest.mark.parametrize("motion", [(), (1, 2)])
@pytest.mark.parametrize("features", ["relu", "signed"])
def test_mixed_precision_reads_frames_in_full(components, motion, features):
    torch.manual_seed(0)
    shape = CaptionerShape(
        **SHAPE, interpreter=7, components=components, motion=motion, features=features
    )
    model = Captioner(shape).eval()
    x, length = clips(lengths=(4, 2, 3))
    words = torch.full((3, 1, 2), BOS)
    s = torch.ones(3, 5)
    expected = model.losses(x.float(), length, words, words, s)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.encoder.input(x.float()).dtype == torch.float32
        found = model.losses(x.float(), length, words, words, s)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.float(), b, rtol=0.05, atol=0)
    (found[0] + found[1]).backward()


def test_without_topics_the_interpreter_is_left_out(captioner):
    x, length = clips()
    words = torch.full((3, 1, 2), BOS)
    task, interpretive = captioner.losses(x, length, words, words, None)
    assert interpretive == 0
    task.backward()
    assert captioner.interpreter[0].weight.grad is None
    assert captioner.encoder.lstm.weight_ih_l0.grad.abs().sum() > 0


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_caption_of_all(captioner, power):
    x, length = clips(lengths=(4, 2, 3))
    V = captioner.encoder(x, length)
    longest, spoken = 3, range(4, 9)
    found = beam_search(
        captioner, V, length, beam=5**longest + 40, max_words=longest, length_power=power
    )
    for clip in range(3):
        best, best_score, best_log_p = None, -np.inf, None
        for size in range(longest + 1):
            for caption in itertools.product(spoken, repeat=size):
                log_p = literal_log_probabilities(
                    captioner, V[clip, : length[clip]], [BOS, *caption]
                )
                total = sum(log_p[t, w] for t, w in enumerate([*caption, EOS])).item()
                if total / (size + 1) ** power > best_score:
                    best, best_log_p = list(caption), total
                    best_score = total / (size + 1) ** power
        assert found[clip].words == best
        assert found[clip].log_probability == pytest.approx(best_log_p, rel=1e-4)
        assert found[clip].attention.shape == (len(best), 4)
        assert found[clip].attention.sum(axis=1) == pytest.approx(1, rel=1e-5)
        assert (found[clip].attention[:, length[clip] :] == 0).all()


def test_a_beam_of_one_is_greedy(captioner):
    x, length = clips()
    V = captioner.encoder(x, length)
    found = beam_search(captioner, V, length, beam=1, max_words=6)
    for clip in range(3):
        words = []
        while len(words) < 6:
            log_p = literal_log_probabilities(captioner, V[clip], [BOS, *words])[-1]
            log_p[[PAD, BOS, UNK]] = -np.inf
            word = int(log_p.argmax())
            if word == EOS:
                break
            words.append(word)
        assert found[clip].words == words


def test_clips_of_a_batch_do_not_touch_each_other(captioner):
    x, length = clips(lengths=(4, 2, 3))
    together = beam_search(captioner, captioner.encoder(x, length), length, beam=3, max_words=5)
    for clip in range(3):
        own = x[clip : clip + 1, : length[clip]], length[clip : clip + 1]
        alone = beam_search(captioner, captioner.encoder(*own), own[1], beam=3, max_words=5)
        assert alone[0].words == together[clip].words


def test_the_mean_feature_leaves_padding_out():
    V = torch.tensor([[[1.0], [3.0], [0.0]]])
    assert mean_feature(V, torch.tensor([2])).item() == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": "tanh"}, r"features \(tanh\) must be one of"),
        ({"decoder": 0}, r"decoder \(0\)"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        CaptionerShape(**{**SHAPE, **change})
