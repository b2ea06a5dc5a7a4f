r"""The human in the loop: a topic that a caption misses is given, the encoder learns it (eq. 10).

Two steps, section 4 of the paper. *Activation enhancement*: the features of the clip are moved
towards those of train clips with the topic,

.. math::
    v_i^* = v_i + a\, d, \qquad d_j = w_j \bar a_j,

:math:`\bar a_j` being the mean activation of neuron j over train clips that have the topic. In the
paper :math:`w_j` is 1 for the neurons that eq. 9 names after the topic and 0 for the others, and
the dose a is 1 (`direction: named`, `dose: 1`). By default :math:`w_j` is what the neuron
contributes to the topic by eq. 9, over the largest contribution and at least 0 (`direction:
contribution`), and the dose is the smallest at which the decoder says the topic, times `margin`
(`dose: caption`).

*Correction propagation*: the encoder's weights :math:`\theta'` are fitted to it,

.. math::
    L_{human} = \lVert v' - v^* \rVert_2^2 + \mu \lVert \theta' - \theta \rVert_2^2, \tag{10}

on the frames of the clip, plus, as our anchor, `anchor` times the square distance that the features
of some train clips have moved: they are to stay where they were. `anchor: 0` is the paper's form.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seewhy.captioning.decode import Caption, beam_search
from seewhy.captioning.model import Captioner, Encoder, frame_mask
from seewhy.captioning.reading import Preferences

DIRECTIONS = ("contribution", "named")
DOSES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Doses that `dose: caption` tries, in this order."""


@dataclass(frozen=True, kw_only=True)
class RefinementPlan:
    """How corrections are made; the settings of `params.yaml`, section refinement, by their names.

    Args:
        direction: one of `DIRECTIONS`.
        dose: a, or ``caption``.
        margin: factor of the dose that ``caption`` finds.
        mu: weight of the second term of eq. 10.
        anchor: weight of the anchor.
        anchor_clips: train clips that are held.
        steps: of Adam.
        learning_rate: of Adam.
    """

    direction: str
    dose: float | str
    margin: float
    mu: float
    anchor: float
    anchor_clips: int
    steps: int
    learning_rate: float


class Clips(NamedTuple):
    """CNN features [c, n, d] and lengths [c] of some clips."""

    cnn: Tensor
    lengths: Tensor

    def halves(self) -> tuple[Clips, Clips]:
        """The first and the second half of every clip's frames; the middle one is of the second."""
        first = self.lengths // 2
        width = int((self.lengths - first).max())
        place = torch.arange(width, device=first.device) + first.unsqueeze(1)  # [c, width]
        place = place.clamp(max=self.cnn.shape[1] - 1)
        second = self.cnn.gather(1, place.unsqueeze(-1).expand(-1, -1, self.cnn.shape[2]))
        return Clips(self.cnn[:, : int(first.max())], first), Clips(second, self.lengths - first)


def topic_direction(
    kind: str,
    topic: int,
    means: Tensor,
    s: Tensor,
    found: Preferences,
    contribution: Tensor,
) -> Tensor:
    """d of the module's equation, [v].

    Args:
        kind: one of `DIRECTIONS`.
        topic: index of the topic.
        means: mean features of train clips, [c, v].
        s: their topic vectors, [c, t].
        found: what eq. 9 picked on these clips.
        contribution: mean contribution of each neuron to each topic, [v, t].

    Raises:
        ValueError: no train clip has the topic, or no neuron is named after it.
    """
    own = s[:, topic] > 0
    if not own.any():
        raise ValueError("no train clip has this topic")
    if kind == "named":
        weight = torch.from_numpy(found.topic_of() == topic).float()
        if not weight.any():
            raise ValueError("no neuron is named after this topic")
    else:
        weight = contribution[:, topic].clamp(min=0)
        weight = weight / weight.max().clamp(min=1e-12)
    return weight.to(means) * means[own].mean(dim=0)


def random_direction(direction: Tensor, seed: int) -> Tensor:
    """The same numbers at other neurons, drawn at random: of equal norm, for a control."""
    generator = torch.Generator().manual_seed(seed)
    return direction[torch.randperm(len(direction), generator=generator).to(direction.device)]


@torch.no_grad()
def find_dose(
    captioner: Captioner,
    V: Tensor,
    direction: Tensor,
    words: Sequence[int],
    doses: Sequence[float] = DOSES,
) -> float | None:
    """The smallest of `doses` at which the captioner says one of `words`; None if it never does.

    Args:
        captioner: in evaluation mode.
        V: features of one clip, real frames only, [n, v].
        direction: [v].
        words: indices.
        doses: rising.
    """
    a = torch.tensor(doses, device=V.device)
    moved = V + a.view(-1, 1, 1) * direction
    lengths = torch.full((len(doses),), V.shape[0], device=V.device)
    for dose, caption in zip(doses, beam_search(captioner, moved, lengths), strict=True):
        if says(caption, words):
            return dose
    return None


def says(caption: Caption, words: Sequence[int]) -> bool:
    """Whether any of the words is in the caption."""
    return not set(words).isdisjoint(caption.words)


def propagate(
    encoder: Encoder, clips: Clips, target: Tensor, anchors: Clips | None, plan: RefinementPlan
) -> Encoder:
    """Eq. 10: a copy of the encoder that gives the clips their new features.

    Args:
        encoder: the original one; left as it is.
        clips: what was corrected.
        target: v* of every frame, [c, n, v].
        anchors: train clips whose features are to stay; None for none.
        plan: settings.
    """
    refined = copy.deepcopy(encoder).eval()
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
    return refined.requires_grad_(False)


def _distance(encoder: nn.Module, clips: Clips, target: Tensor) -> Tensor:
    """Square distance of the features of a frame from the target, the mean over real frames."""
    cnn, lengths = clips
    real = frame_mask(lengths, cnn.shape[1])
    return (encoder(cnn, lengths) - target).square().sum(dim=-1)[real].mean()
