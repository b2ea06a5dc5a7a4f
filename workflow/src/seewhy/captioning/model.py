r"""The attentive encoder-decoder with topics, eqs. 3 to 8 of the paper.

Notation, as in the paper: a clip is :math:`n` frames, :math:`v_i` the feature of frame :math:`i`,
:math:`V = \{v_1, \dots, v_n\}`, :math:`\bar v` their mean, :math:`y_t` the word at step
:math:`t`, :math:`h_t` the decoder's hidden state, :math:`s \in \{0,1\}^{N_t}` the topics.

.. math::
    \varphi_t(V) &= \sum_i \alpha_{it} v_i \tag{3} \\
    \alpha_{it} &= \mathrm{softmax}_i(w_a \tanh(U_a h_{t-1} + T_a v_i + b_a)) \tag{4} \\
    (c_0, h_0) &= (f_{init,c}(\bar v), f_{init,h}(\bar v)) \tag{5} \\
    p_t &= \mathrm{softmax}(W_p [h_t, \varphi_t(V), y_{t-1}] + b_p) \tag{6} \\
    L_I(V, s) &= \lVert f(\bar v) - s \rVert_2^2 \tag{8}

Shapes: c clips, k captions of each clip (or beams), n frames, t words, d CNN channels, v features
(the paper's :math:`D_v`), h hidden units, e embedding size, a attention units.

What does not depend on the previous word is computed once a clip and not once a step: the
attention keys :math:`T_a v_i + b_a`, the LSTM's share of each frame :math:`W_\varphi v_i` (its
input from the attended frames is then :math:`\sum_i \alpha_{it} W_\varphi v_i`, the same sum in
another order), the embedded words' share, and eq. 6 for all steps together.

Reference: Y. Dong, H. Su, J. Zhu, B. Zhang, *Improving Interpretability of Deep Neural Networks
with Semantic Information*, CVPR 2017.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seewhy.captioning.inputs import FrameInput
from seewhy.captioning.recurrence import AttentiveRecurrence

FEATURES = ("relu", "signed")


@dataclass(frozen=True, kw_only=True)
class CaptionerShape:
    """Everything that fixes the shapes of a captioner's weights.

    Args:
        vocabulary: number of words, special ones included.
        topics: :math:`N_t`.
        cnn: channels of the CNN features.
        encoder: hidden units of the biLSTM in each direction; :math:`D_v` is twice that.
        features: `relu` for :math:`v_i = ReLU(W\\,\\mathrm{biLSTM}_i + b)`, which a neuron can only
            answer with silence or a firing; `signed` for the biLSTM's own output, as in the paper.
        components: principal components of the CNN features that the biLSTM reads; 0 for the
            channels themselves, each over its spread.
        motion: the biLSTM also reads how far they have moved since so many frames ago, for each of
            these lags (:mod:`.inputs`); none, as in the paper.
        concat_cnn: append the CNN feature to :math:`v_i`.
        embedding: size of a word's embedding.
        decoder: hidden units of the decoder.
        attention: units of the attention, the length of :math:`w_a`.
        interpreter: hidden units of :math:`f`.
        corrections: neurons that corrections have added to the encoder (:class:`AddedNeurons`).
    """

    vocabulary: int
    topics: int
    cnn: int = 1024
    encoder: int = 512
    features: str = "relu"
    components: int = 0
    motion: tuple[int, ...] = ()
    concat_cnn: bool = False
    embedding: int = 468
    decoder: int = 512
    attention: int = 256
    interpreter: int = 256
    corrections: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "motion", tuple(self.motion))  # a list in settings and files
        if self.features not in FEATURES:
            raise ValueError(f"features ({self.features}) must be one of {', '.join(FEATURES)}")
        for name, value in asdict(self).items():
            least = 0 if name in ("components", "corrections") else 1
            if isinstance(value, int) and not isinstance(value, bool) and value < least:
                raise ValueError(f"{name} ({value}) must be at least {least}")
        if self.components > self.cnn:
            raise ValueError(
                f"components ({self.components}) must be at most the {self.cnn} channels"
            )
        if any(lag < 1 for lag in self.motion):
            raise ValueError(f"motion ({self.motion}) must be lags of at least 1 frame")

    @property
    def neurons(self) -> int:
        """:math:`D_v`, the number of encoder neurons that eq. 9 reads."""
        return 2 * self.encoder + (self.cnn if self.concat_cnn else 0)


class AddedNeurons(nn.Module):
    """Neurons that corrections have added, each silent but where it is meant (:mod:`.refining`).

    Of a frame they read x, what goes into the biLSTM and what comes out of it. Neuron j fires by
    :math:`g_j = \\min(1, \\max(0, k_j^\\top [x, 1]))`, the difference of two ReLU neurons, and
    adds :math:`g_j d_j` to the frame's feature, which then passes the ReLU once more (for `relu`).
    No training changes them.

    Args:
        reads: length of x.
        moves: length of d, the features that can be moved.
        count: number of neurons.
    """

    def __init__(self, reads: int, moves: int, count: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(count, reads + 1))
        self.register_buffer("pushes", torch.zeros(count, moves))

    def forward(self, x: Tensor) -> Tensor:
        """What is read of frames [..., x] to how their features are moved, [..., moves]."""
        return fires(x, self.keys) @ self.pushes


def fires(x: Tensor, keys: Tensor) -> Tensor:
    """How far added neurons fire, 0 to 1: x [..., r] and keys [j, r + 1] to [..., j]."""
    return (x @ keys[:, :-1].T + keys[:, -1]).clamp(0, 1)


class Encoder(nn.Module):
    """CNN features of n frames to the hidden features V: a biLSTM, for `relu` a layer on it.

    In training, `dropout` of what the biLSTM reads of each frame is missing from a clip, the same
    numbers in all its frames.
    """

    def __init__(self, shape: CaptionerShape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.input = FrameInput(shape.cnn, shape.components, shape.motion)
        self.lstm = nn.LSTM(self.input.width, shape.encoder, batch_first=True, bidirectional=True)
        self.rectifier = (
            nn.Linear(2 * shape.encoder, 2 * shape.encoder) if shape.features == "relu" else None
        )
        self.concat_cnn = shape.concat_cnn
        self.reads, self.movable = self.input.width + 2 * shape.encoder, 2 * shape.encoder
        self.added = (
            AddedNeurons(self.reads, self.movable, shape.corrections) if shape.corrections else None
        )

    def forward(self, cnn: Tensor, lengths: Tensor) -> Tensor:
        """Encode clips.

        Args:
            cnn: CNN features, [c, n, d]; frames past a clip's length are ignored.
            lengths: number of real frames of each clip, [c].

        Returns:
            V, [c, n, v]; zero past a clip's length.
        """
        return self.features(cnn, lengths, *self.read(cnn, lengths))

    def read(self, cnn: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What goes into the biLSTM, [c, n, width], and what comes out of it, [c, n, 2h]."""
        x = self.input(cnn)
        if self.training and self.dropout:
            x = x * F.dropout(torch.ones_like(x[:, :1]), self.dropout)
        if not bool((lengths < cnn.shape[1]).any()):
            return x, self._recur(x)
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(
            self._recur(packed), batch_first=True, total_length=cnn.shape[1]
        )
        return x, hidden

    def features(
        self,
        cnn: Tensor,
        lengths: Tensor,
        x: Tensor,
        hidden: Tensor,
        push: Tensor | None = None,
    ) -> Tensor:
        """V from what was `read`, moved by the added neurons.

        Args:
            cnn, lengths: as in `forward`.
            x, hidden: from `read`.
            push: moves the features further, as one more neuron would; [c, n, 2h].
        """
        V = hidden if self.rectifier is None else F.relu(self.rectifier(hidden))
        pushes = [] if push is None else [push]
        if self.added is not None:
            pushes.append(self.added(torch.cat([x, hidden], dim=-1)))
        if pushes:
            V = V + sum(pushes)
            V = V if self.rectifier is None else F.relu(V)
        if self.concat_cnn:
            V = torch.cat([V, cnn], dim=-1)
        if not bool((lengths < cnn.shape[1]).any()):
            return V
        return V * frame_mask(lengths, cnn.shape[1]).unsqueeze(-1)

    def with_neuron(self, key: Tensor, push: Tensor) -> Encoder:
        """A copy with one more added neuron: its key [r + 1] and its push [2h]."""
        bigger = copy.deepcopy(self)
        old = self.added or AddedNeurons(self.reads, self.movable, 0).to(push)
        bigger.added = AddedNeurons(self.reads, self.movable, len(old.keys) + 1)
        bigger.added.keys = torch.cat([old.keys, key.to(old.keys).unsqueeze(0)])
        bigger.added.pushes = torch.cat([old.pushes, push.to(old.pushes).unsqueeze(0)])
        return bigger

    def _recur(self, x: Tensor | PackedSequence) -> Tensor | PackedSequence:
        """The biLSTM in single precision: under autocast cuDNN's would run in float16."""
        with torch.autocast(self.input.mean.device.type, enabled=False):
            return self.lstm(x)[0]


class ClipContext(NamedTuple):
    """What the decoder needs of a clip at every step, computed once."""

    V: Tensor  # [c, n, v]
    keys: Tensor  # T_a v_i + b_a, [c, n, a]
    gates: Tensor  # W_phi v_i, [c, n, 4h]
    mask: Tensor | None  # true where a frame is real, [c, 1, n]; None where all are


class Decoder(nn.Module):
    """The attentive LSTM decoder, eqs. 3 to 6.

    One LSTM layer, written out, with gates in the order i, f, g, o. Hidden states are [c, k, h]:
    k captions, or k beams, share a clip's context.
    """

    def __init__(self, shape: CaptionerShape, *, dropout: float = 0.5) -> None:
        super().__init__()
        v, h, e, a = shape.neurons, shape.decoder, shape.embedding, shape.attention
        self.hidden, self.dropout = h, dropout
        self.embed = nn.Embedding(shape.vocabulary, e)
        self.T_a = nn.Linear(v, a)  # with the bias b_a
        self.w_a = nn.Linear(a, 1, bias=False)
        self.W_y = nn.Linear(e, 4 * h)  # with the bias of the gates
        self.W_phi = nn.Linear(v, 4 * h, bias=False)
        self.W_h_U_a = nn.Linear(h, 4 * h + a, bias=False)  # W_h above U_a: both act on h_{t-1}
        self.init_c = nn.Sequential(nn.Linear(v, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh())
        self.init_h = nn.Sequential(nn.Linear(v, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh())
        self.W_p = nn.Linear(h + v + e, shape.vocabulary)  # with the bias b_p
        nn.init.normal_(self.embed.weight, std=0.1)
        for start in range(0, 4 * h, h):
            nn.init.orthogonal_(self.W_h_U_a.weight[start : start + h])
        with torch.no_grad():
            self.W_y.bias[h : 2 * h] = 1.0  # the forget gate starts open

    def context(self, V: Tensor, lengths: Tensor) -> ClipContext:
        """Everything of a clip that is the same at each step."""
        n = V.shape[1]
        short = bool((lengths < n).any())
        mask = frame_mask(lengths, n).unsqueeze(1) if short else None
        return ClipContext(V, self.T_a(V), self.W_phi(V), mask)

    def initial_state(self, mean: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Eq. 5: (h_0, c_0), each [c, k, h], from the mean feature, [c, v]."""
        h, c = self.init_h(mean), self.init_c(mean)
        return h.unsqueeze(1).expand(-1, k, -1), c.unsqueeze(1).expand(-1, k, -1)

    def step(
        self, from_words: Tensor, state: tuple[Tensor, Tensor], clip: ClipContext
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """One word further.

        Args:
            from_words: the previous words' share of the gates, W_y y_{t-1} + b, [c, k, 4h].
            state: (h_{t-1}, c_{t-1}), each [c, k, h].
            clip: from :meth:`context`.

        Returns:
            (h_t, c_t) and the attention weights alpha_t, [c, k, n].
        """
        h, c = state
        from_hidden, query = self.W_h_U_a(h).split([4 * self.hidden, self.w_a.in_features], dim=-1)
        energy = torch.tanh(query.unsqueeze(2) + clip.keys.unsqueeze(1))  # [c, k, n, a]
        energy = torch.matmul(energy, self.w_a.weight[0])  # [c, k, n]
        if clip.mask is not None:
            energy = energy.masked_fill(~clip.mask, float("-inf"))
        alpha = energy.softmax(dim=-1)  # eq. 4
        gates = from_words + from_hidden + torch.matmul(alpha, clip.gates)  # [c, k, 4h]
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return (h, c), alpha

    def logits(self, h: Tensor, phi: Tensor, y: Tensor) -> Tensor:
        """Eq. 6 before the softmax: h [..., h], phi [..., v], y [..., e] to [..., vocabulary]."""
        return self.W_p(F.dropout(torch.cat([h, phi, y], dim=-1), self.dropout, self.training))

    def forward(
        self, V: Tensor, mean: Tensor, lengths: Tensor, words: Tensor, asked: Tensor
    ) -> Tensor:
        """Logits of the next words, the true words being fed in.

        Args:
            V: [c, n, v]. mean: [c, v]. lengths: [c].
            words: indices y_0 … y_{t-1}, beginning with the begin mark, [c, k, t].
            asked: where the next word is asked for, bool [c, k, t]; m of them.

        Returns:
            [m, vocabulary], in the order of ``words[asked]``.
        """
        k = words.shape[1]
        clip = self.context(V, lengths)
        known, place = words.permute(2, 0, 1).unique(return_inverse=True)  # few, each many times
        from_words = F.embedding(place, self.W_y(self.embed(known)))  # [t, c, k, 4h]
        recurrence = (from_words, *self.initial_state(mean, k), self.W_h_U_a.weight)
        recurrence += (self.w_a.weight[0], clip.keys, clip.gates)
        with torch.autocast(V.device.type, enabled=False):
            h, alpha = AttentiveRecurrence.apply(*map(_full, recurrence), clip.mask)
        h, alpha = h.permute(1, 2, 0, 3), alpha.permute(1, 2, 0, 3)  # [c, k, t, …]
        phi = torch.matmul(alpha.flatten(1, 2), V).unflatten(1, words.shape[1:])  # eq. 3
        return self.logits(h[asked], phi[asked], self.embed(words[asked]))


class Captioner(nn.Module):
    """Encoder, decoder and the interpreter f that reads the topics off the mean feature."""

    def __init__(
        self, shape: CaptionerShape, *, dropout: float = 0.5, input_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.shape = shape
        # The parts that differ least between models come first: models of one seed then begin with
        # the same decoder and interpreter, whatever their encoder is.
        self.decoder = Decoder(shape, dropout=dropout)
        self.interpreter = topic_perceptron(shape.neurons, shape.interpreter, shape.topics)
        self.encoder = Encoder(shape, dropout=input_dropout)

    def replace_encoder(self, encoder: Encoder) -> None:
        """Take a refined encoder in the place of its own."""
        self.encoder = encoder
        added = 0 if encoder.added is None else len(encoder.added.keys)
        self.shape = replace(self.shape, corrections=added)

    def losses(
        self, cnn: Tensor, lengths: Tensor, words: Tensor, targets: Tensor, topics: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The two terms of eq. 2 for c clips with k captions each.

        Args:
            cnn: [c, n, d]. lengths: [c].
            words: begin mark and words, [c, k, t]. targets: words and end mark, -1 where a caption
                has ended, [c, k, t]; a caption of -1 only stands for none.
            topics: s, [c, N_t], or None to leave eq. 8 out.

        Returns:
            eq. 1, the mean over captions of -log p(y | x), summed over the words (nats); and eq. 8,
            the mean over clips of the squared distance (zero where `topics` is None).
        """
        V = self.encoder(cnn, lengths)
        mean = mean_feature(V, lengths)
        said = targets >= 0
        logits = self.decoder(V, mean, lengths, words, said)
        captions = said.any(dim=-1).sum().clamp(min=1)
        task = F.cross_entropy(logits.float(), targets[said], reduction="sum")
        if topics is None:
            return task / captions, task.new_zeros(())
        return task / captions, interpretive_loss(self.interpreter, mean, topics)


def topic_perceptron(neurons: int, hidden: int, topics: int) -> nn.Sequential:
    """f of eq. 8: a two-layer perceptron from mean features [..., v] to topics [..., t]."""
    return nn.Sequential(nn.Linear(neurons, hidden), nn.ReLU(), nn.Linear(hidden, topics))


def interpretive_loss(f: nn.Module, mean: Tensor, s: Tensor) -> Tensor:
    """Eq. 8, the mean over the clips: mean features [c, v], topic vectors s [c, t]."""
    return (f(mean).float() - s).square().sum(dim=-1).mean()


def frame_mask(lengths: Tensor, n: int) -> Tensor:
    """True where a frame is real, [c, n]."""
    return torch.arange(n, device=lengths.device) < lengths.unsqueeze(1)


def mean_feature(V: Tensor, lengths: Tensor) -> Tensor:
    """The mean over a clip's real frames, [c, v]; V [c, n, v] is zero past the clip's length."""
    lengths = lengths.clamp(min=1).unsqueeze(1)
    return (_full(V).sum(dim=1) / lengths).to(V.dtype)  # half precision cannot count far


def _full(x: Tensor) -> Tensor:
    """`x`, in single precision if it is in half."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
