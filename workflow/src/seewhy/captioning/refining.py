r"""The human in the loop: a topic that a caption misses is given, the encoder learns it (eq. 10).

Two steps, section 4 of the paper. *Activation enhancement*: the features of the clip are moved,

.. math::
    v_i^* = v_i + a\, d,

and where v is what a ReLU gave, they pass it once more, :math:`v_i^* = \mathrm{ReLU}(v_i + a\, d)`.
The direction d is a setting:

`named`
    The paper's: :math:`d_j = \bar a_j`, the mean activation of neuron j over train clips that have
    the topic, for the neurons that eq. 9 names after it, and 0 for the others.
`contribution`
    :math:`d_j = w_j \bar a_j`, where :math:`w_j` is what the neuron contributes to the topic by
    eq. 9, over the largest contribution and at least 0.
`spoken` (default)
    The mean feature of train clips in whose caption the captioner itself names the topic, less that
    of all train clips. Where it does so in fewer than five, of the train clips that have the topic.

The dose a is 1 in the paper. By default (`dose: caption`) it is the smallest at which the decoder
says the topic, and `margin` more: for the whole of what was seen and for each of its equal `parts`,
which are captioned by themselves as clips not yet seen will be. Where all say it as they are, the
dose is 0 and nothing changes.

*Correction propagation*: the encoder's weights :math:`\theta'` are fitted to it,

.. math::
    L_{human} = \lVert v' - v^* \rVert_2^2 + \mu \lVert \theta' - \theta \rVert_2^2
    + \gamma\, \mathrm{E}_{train} \lVert v' - v \rVert_2^2, \tag{10}

where the last term is ours: train clips are to stay where they are. The distances are means over
frames. Two ways:

`weights: encoder`
    All weights of the encoder, the last term over `anchor_clips` train clips. With `anchor: 0` this
    is the paper's form; how it minimises, and its mu, the paper does not say: here by Adam.
`weights: neuron` (default)
    The encoder gains one neuron (:class:`.model.AddedNeurons`), as in T-Patcher (Huang et al.,
    ICLR 2023) for language models: it fires where a frame is like those that were seen, and moves
    the frame's feature by a d. What it reads, x, is all that the biLSTM reads and says of a frame,
    each number over its root mean square in the train frames, and a 1. Of a linear one eq. 10 is a
    ridge regression with the minimum

    .. math::
        k \propto (\overline{x x^\top} + \gamma\, C + \mu I)^{-1}\, \bar x,

    the bars being means over the frames seen, :math:`C` that of :math:`x x^\top` over all train
    frames; each clip that has been corrected before adds its own mean to :math:`C`, so that it
    holds as much as they all. :math:`k^\top x`, scaled to a mean of 1 over the frames seen, is the
    frame's likeness to them. The neuron is silent below a `threshold` of it, and fires fully from
    `rise` more on; a clip without such a frame is captioned exactly as before. One correction costs
    one or two tenths of a second.

Measured on validation clips that LSTM-I and LSTM-B both get wrong (LSTM-I, three seeds, 252 clips;
``workflow/presets/corrections.yaml``, kept in ``results/evidence/validation``): the unseen halves
that name the topic, those of their rightly named topics that they still name, the other clips whose
caption changes by a word or more, and BLEU-4 of the halves (0.266 before).

=========================================  =========  ====  =======  ======
setting                                    corrected  kept  changed  BLEU-4
=========================================  =========  ====  =======  ======
default                                    0.79       0.58  0.01     0.51
`margin` 1                                 0.85       0.46  0.01     0.48
`threshold` 0.2, `rise` 0.3                0.79       0.57  0.02     0.51
`direction` contribution, `margin` 1       0.72       0.60  0.01     0.48
the rectifier's weights instead, see [1]_  0.63             0.23
=========================================  =========  ====  =======  ======

A correction is local: of other clips in which the same topic is missed it helps one in a hundred,
and with a threshold of 0.2 three.

.. [1] As this module had it before (171 such clips of earlier trainings): the same ridge regression
   for the layer ReLU(W x + b), contribution, margin 4. What it changed, it changed in all clips.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.captioning.data import FeatureFile
from seewhy.captioning.decode import Caption, beam_search
from seewhy.captioning.encoding import encode_means
from seewhy.captioning.interpreter import fit_interpreter
from seewhy.captioning.model import Captioner, Encoder, fires, frame_mask, mean_feature
from seewhy.captioning.reading import Preferences, contributions, prefer
from seewhy.progress import progress

DIRECTIONS = ("spoken", "contribution", "named")
WEIGHTS = ("neuron", "encoder")
LEAST, RATIO = 0.1, 1.15  # the doses above 0 that `dose: caption` tries
SPOKEN = 5  # train clips in whose captions a topic is named, for `spoken` to go by them
_CLIPS = 64  # encoded together
_STILL = 1e-6  # a root mean square below which a number does not vary


@dataclass(frozen=True, kw_only=True)
class RefinementPlan:
    """How corrections are made; the settings of `params.yaml`, section refinement, by their names.

    Args:
        direction: one of `DIRECTIONS`.
        weights: one of `WEIGHTS`.
        dose: a, or ``caption``.
        margin: what is added to the dose that ``caption`` finds.
        parts: equal parts of what was seen that must say the topic too; 1: the whole is enough.
        most: largest dose that is tried.
        threshold: likeness below which the added neuron is silent, `neuron` only.
        rise: over how much more likeness it comes to fire fully, `neuron` only.
        mu: weight of the second term of eq. 10.
        anchor: weight of its third, gamma.
        anchor_clips: train clips that are held, `encoder` only, as the next two.
        steps: of Adam.
        learning_rate: of Adam.
    """

    direction: str
    weights: str
    dose: float | str
    margin: float
    parts: int
    most: float
    threshold: float
    rise: float
    mu: float
    anchor: float
    anchor_clips: int
    steps: int
    learning_rate: float

    def doses(self) -> list[float]:
        """What `dose: caption` tries, rising."""
        count = int(np.log(self.most / LEAST) / np.log(RATIO)) + 1
        return [0.0, *(LEAST * RATIO**k for k in range(max(0, count)))]


class Clips(NamedTuple):
    """CNN features [c, n, d] and lengths [c] of some clips."""

    cnn: Tensor
    lengths: Tensor

    def rows(self, rows: Sequence[int]) -> Clips:
        """Some of the clips."""
        return Clips(self.cnn[rows], self.lengths[rows])

    def halves(self) -> tuple[Clips, Clips]:
        """The first and the second half of every clip's frames; the middle one is of the second."""
        first = self.lengths // 2
        return self.cut(torch.zeros_like(first), first), self.cut(first, self.lengths)

    def cut(self, first: Tensor, last: Tensor) -> Clips:
        """Of each clip the frames ``first <= i < last``."""
        lengths = last - first
        place = torch.arange(int(lengths.max()), device=first.device) + first.unsqueeze(1)
        place = place.clamp(max=self.cnn.shape[1] - 1)  # [c, n']
        cnn = self.cnn.gather(1, place.unsqueeze(-1).expand(-1, -1, self.cnn.shape[2]))
        return Clips(cnn, lengths)

    def with_parts(self, parts: int) -> Clips:
        """One clip, and below it its equal parts (as many as it has frames at most)."""
        n = int(self.lengths[0])
        parts = min(parts, n) if parts > 1 else 0
        edges = [round(n * part / parts) for part in range(parts + 1)] if parts else []
        first = torch.tensor([0, *edges[:-1]], device=self.lengths.device)
        last = torch.tensor([n, *edges[1:]], device=self.lengths.device)
        several = Clips(self.cnn.expand(len(first), -1, -1), self.lengths.expand(len(first)))
        return several.cut(first, last)


class Correction(NamedTuple):
    """A refined encoder, and the dose that made it: None where none did, 0 where none was needed.

    In both cases the encoder is the old one.
    """

    encoder: Encoder
    dose: float | None


class Refiner:
    """What corrections of a captioner need of its train clips, computed once.

    Args:
        captioner: in evaluation mode; it is changed by :meth:`accept` alone.
        train: CNN features of the train clips, and their topic vectors, [c, t].
        val: the same of the validation clips, on which f of eq. 9 stops (:mod:`.interpreter`); for
            directions by eq. 9.
        plan: settings.
        decoding: of :func:`.decode.beam_search`.
        seed: of f, and of the train clips that are held.
    """

    def __init__(
        self,
        captioner: Captioner,
        train: tuple[FeatureFile, Tensor],
        val: tuple[FeatureFile, Tensor],
        plan: RefinementPlan,
        decoding: dict[str, Any],
        seed: int = 0,
    ) -> None:
        features, self.s = train
        self.captioner, self.plan, self.decoding = captioner, plan, decoding
        device = captioner.encoder.input.mean.device
        rows = np.arange(len(features.clips))
        groups = [rows[start : start + _CLIPS] for start in range(0, len(rows), _CLIPS)]
        means, second, frames = [], 0.0, 0
        self.said: list[set[int]] = []  # words of its own captions of the train clips
        for cnn, lengths in progress(
            features.batches(groups), what="reading train clips", total=len(groups)
        ):
            clips = Clips(cnn.to(device), lengths.to(device))
            V, x = _encode(captioner.encoder, clips)
            means.append(mean_feature(V, clips.lengths))
            if plan.weights == "neuron":
                X = _real(x, clips.lengths)
                second, frames = second + X.T @ X, frames + len(X)
            if plan.direction == "spoken":
                captions = beam_search(captioner, V, clips.lengths, **decoding)
                self.said += [set(caption.words) for caption in captions]
        if frames:
            self.scale = (second.diagonal() / frames).sqrt()
            self.scale[self.scale < _STILL] = 1.0
            self.second = second / frames / torch.outer(self.scale, self.scale)
        self.means = torch.cat(means).cpu()
        self.movable = captioner.encoder.movable
        self.found = self.contribution = None
        if plan.direction != "spoken":
            f = fit_interpreter(
                self.means,
                self.s,
                encode_means(captioner, val[0]),
                val[1],
                hidden=captioner.shape.interpreter,
                seed=seed,
            )
            self.found = prefer(f, self.means, self.s)
            contribution = contributions(f, self.means, self.s)[: self.movable]
            self.contribution = torch.from_numpy(contribution).float()
        self.anchors = None
        if plan.weights == "encoder" and plan.anchor:
            held = np.random.default_rng(seed).permutation(rows)[: plan.anchor_clips]
            cnn, lengths = next(features.batches([np.sort(held)]))
            self.anchors = Clips(cnn.to(device), lengths.to(device))

    def direction(self, topic: int, words: Sequence[int]) -> Tensor:
        """d of a topic and the words that give it away, see `topic_direction`; [2h].

        Channels of the CNN (`concat_cnn`) are not in it: nothing can move them.
        """
        said = torch.tensor([not own.isdisjoint(words) for own in self.said])
        d = topic_direction(
            self.plan.direction,
            topic,
            self.means[:, : self.movable],
            self.s,
            self.found,
            self.contribution,
            said,
        )
        return d.to(self.captioner.encoder.input.mean)

    def caption(self, encoder: Encoder, clips: Clips) -> list[Caption]:
        """Captions by this captioner's decoder of what some encoder makes of clips."""
        return captions_of(self.captioner, encoder, clips, self.decoding)

    @torch.no_grad()
    def correct(
        self,
        seen: Clips,
        direction: Tensor,
        words: Sequence[int],
        dose: float | str | None = None,
    ) -> Correction:
        """Both steps for one clip.

        Args:
            seen: CNN features of the clip, or of the part of it that may be used; [1, n, d].
            direction: d, [2h].
            words: what gives the topic away, indices.
            dose: a, or ``caption``; None for that of the plan.
        """
        encoder, plan = self.captioner.encoder, self.plan
        dose = plan.dose if dose is None else dose
        views = seen.with_parts(plan.parts if dose == "caption" else 1)
        states = encoder.read(*views)
        key, fired = None, 1.0
        if plan.weights == "neuron":
            x = torch.cat(states, dim=-1)
            key = self._key(_real(x[:1], views.lengths[:1])).to(x)
            fired = fires(x, key.unsqueeze(0))  # [views, n, 1]

        def moved(dose: float) -> Tensor:
            """Features of the views where the dose is given, [views, n, v]."""
            push = (dose * fired * direction).expand(*states[1].shape)
            return encoder.features(*views, *states, push)

        if dose == "caption":
            dose = self._smallest(moved, views.lengths, words)
            if not dose:
                return Correction(encoder, dose)
            dose += plan.margin
        if key is not None:
            return Correction(encoder.with_neuron(key, dose * direction), dose)
        target = moved(dose)[:1]
        with torch.enable_grad():
            refined = propagate(encoder, views.rows([0]), target, self.anchors, plan)
        return Correction(refined, dose)

    def accept(self, correction: Correction, seen: Clips) -> None:
        """Go on from a correction; further ones are to leave its clip where it is now."""
        if correction.dose is None:
            return
        self.captioner.replace_encoder(correction.encoder)
        if self.plan.weights == "neuron":
            X = _real(_encode(correction.encoder, seen)[1], seen.lengths) / self.scale
            self.second = self.second + X.T @ X / len(X)
        elif self.anchors is not None:
            self.anchors = _together(self.anchors, seen)

    def _key(self, X: Tensor) -> Tensor:
        """What the added neuron fires by, [r + 1], from the frames seen, [n, r + 1]."""
        X = X / self.scale
        likeness = least_change(X, self.second, self.plan.mu, self.plan.anchor)
        likeness = likeness / (X @ likeness).mean()
        key = likeness / self.scale / self.plan.rise
        key[-1] -= self.plan.threshold / self.plan.rise
        return key

    def _smallest(self, moved: Any, lengths: Tensor, words: Sequence[int]) -> float | None:
        """The smallest dose at which every view says one of the words; None if there is none."""
        doses, views = self.plan.doses(), len(lengths)
        if not words:
            return None
        V = torch.cat([moved(dose) for dose in doses])
        captions = beam_search(self.captioner, V, lengths.repeat(len(doses)), **self.decoding)
        said = [says(caption, words) for caption in captions]
        for number, dose in enumerate(doses):
            if all(said[number * views : (number + 1) * views]):
                return dose
        return None


def least_change(X: Tensor, second: Tensor, mu: float, anchor: float) -> Tensor:
    """k of the module's equation: the ridge regression of 1 on the frames seen.

    Args:
        X: frames seen, each with its 1 at the end, [n, x + 1].
        second: C, [x + 1, x + 1].
        mu: of eq. 10.
        anchor: gamma of eq. 10.
    """
    A = X.T @ X / len(X) + anchor * second
    if not mu:  # of several minima the nearest to no change
        return torch.linalg.pinv(A, hermitian=True) @ X.mean(dim=0)
    eye = torch.eye(len(A), dtype=A.dtype, device=A.device)
    return torch.linalg.solve(A + mu * eye, X.mean(dim=0))


def topic_direction(
    kind: str,
    topic: int,
    means: Tensor,
    s: Tensor,
    found: Preferences | None,
    contribution: Tensor | None,
    said: Tensor,
) -> Tensor:
    """d of the module's equation, [v].

    Args:
        kind: one of `DIRECTIONS`.
        topic: index of the topic.
        means: mean features of train clips, [c, v].
        s: their topic vectors, [c, t].
        found: what eq. 9 picked on these clips; for `named` alone.
        contribution: mean contribution of each neuron to each topic, [v, t]; for `contribution`.
        said: whether the captioner names the topic, bool [c]; for `spoken`.

    Raises:
        ValueError: no train clip has the topic (or, for `spoken`, enough captions name it), or no
            neuron is named after it.
    """
    own = s[:, topic] > 0
    if kind == "spoken" and said.sum() >= SPOKEN:
        own = said
    if not own.any():
        raise ValueError("no train clip has this topic")
    if kind == "spoken":
        return means[own].mean(dim=0) - means.mean(dim=0)
    if kind == "named":
        weight = torch.from_numpy(found.topic_of() == topic).float()[: means.shape[1]]
        if not weight.any():
            raise ValueError("no neuron is named after this topic")
    else:
        weight = contribution[:, topic].clamp(min=0)
        weight = weight / weight.max().clamp(min=1e-12)
    return weight.to(means) * means[own].mean(dim=0)


def random_direction(direction: Tensor, seed: int) -> Tensor:
    """The same numbers at other neurons, drawn at random: a control."""
    generator = torch.Generator().manual_seed(seed)
    return direction[torch.randperm(len(direction), generator=generator).to(direction.device)]


@torch.no_grad()
def captions_of(
    captioner: Captioner, encoder: Encoder, clips: Clips, decoding: dict[str, Any]
) -> list[Caption]:
    """Captions by a captioner's decoder of what some encoder makes of clips."""
    captions = []
    for start in range(0, len(clips.lengths), 4 * _CLIPS):
        some = Clips(*(part[start : start + 4 * _CLIPS] for part in clips))
        captions += beam_search(captioner, encoder(*some), some.lengths, **decoding)
    return captions


def says(caption: Caption, words: Sequence[int]) -> bool:
    """Whether any of the words is in the caption."""
    return not set(words).isdisjoint(caption.words)


def propagate(
    encoder: Encoder, clips: Clips, target: Tensor, anchors: Clips | None, plan: RefinementPlan
) -> Encoder:
    """Eq. 10 over all weights by Adam: a copy of the encoder that gives the clips new features.

    Args:
        encoder: the original one; left as it is.
        clips: what was corrected.
        target: v* of every frame, [c, n, v].
        anchors: train clips whose features are to stay; None for none.
        plan: settings.
    """
    refined = copy.deepcopy(encoder).requires_grad_(True)
    refined.dropout = 0.0
    refined.train()  # cuDNN has no backward pass for a recurrent network in evaluation mode
    originals = [parameter.detach().clone() for parameter in encoder.parameters()]
    optimizer = torch.optim.Adam(refined.parameters(), lr=plan.learning_rate, foreach=True)
    held = None
    if anchors is not None and plan.anchor:
        with torch.no_grad():
            held = encoder(*anchors)
    for _ in range(plan.steps):
        loss = _distance(refined, clips, target)
        if plan.mu:
            moved = zip(refined.parameters(), originals, strict=True)
            loss = loss + plan.mu * sum((new - old).square().sum() for new, old in moved)
        if held is not None:
            loss = loss + plan.anchor * _distance(refined, anchors, held)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    refined.dropout = encoder.dropout
    return refined.eval().requires_grad_(False)


def _distance(encoder: nn.Module, clips: Clips, target: Tensor) -> Tensor:
    """Square distance of the features of a frame from the target, the mean over real frames."""
    cnn, lengths = clips
    real = frame_mask(lengths, cnn.shape[1])
    return (encoder(cnn, lengths) - target).square().sum(dim=-1)[real].mean()


@torch.no_grad()
def _encode(encoder: Encoder, clips: Clips) -> tuple[Tensor, Tensor]:
    """V [c, n, v], and what an added neuron reads, [c, n, r]."""
    states = encoder.read(*clips)
    return encoder.features(*clips, *states), torch.cat(states, dim=-1)


def _real(x: Tensor, lengths: Tensor) -> Tensor:
    """The real frames of all clips below each other, each with a 1: double [frames, r + 1]."""
    x = x[frame_mask(lengths, x.shape[1])].double()
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


def _together(first: Clips, second: Clips) -> Clips:
    """Clips below each other, padded to one length."""
    n = max(first.cnn.shape[1], second.cnn.shape[1])
    padded = [
        nn.functional.pad(part.cnn, (0, 0, 0, n - part.cnn.shape[1])) for part in (first, second)
    ]
    return Clips(torch.cat(padded), torch.cat([first.lengths, second.lengths]))
