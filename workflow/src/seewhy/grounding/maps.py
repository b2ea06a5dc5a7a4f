"""Saliency maps in space and time for a class or a word, in one backward pass (Algorithm 1).

    maps = ground_action(network, frames, "wave")              # cEB-R of an LRCN, cEB of a CNN
    maps = ground_word(captioner, frames, words, position=3)

The steps, in the paper's numbers: a prior on the class at the last step (1), excitation backprop
through time down to fc7 (2), each map over its own sum in time and space (3, eqs. 5 and 6), the
same for the dual class, whose classifier weights are negated (4), the difference (5, eq. 7), and
excitation backprop of that difference, signed, through the CNN (6, eqs. 8 and 9). It is not
clamped: negative is what speaks for other classes.

Without an LSTM each frame is an image: its map sums to 1 (EB) or 0 (cEB). With one, the maps of a
clip do so together.

Reference: S. Bargal et al., Excitation Backprop for RNNs, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seewhy.errors import InputError
from seewhy.grounding.chain import Chain
from seewhy.grounding.excitation import PositiveWeights, excite, share
from seewhy.grounding.networks import ActionNetwork, MeanPoolCaptioner
from seewhy.grounding.recurrent import RULES, excite_difference, excite_lstm
from seewhy.modes import evaluating, frozen

METHODS = ("EB", "cEB", "BP")
SEEDS = ("last", "all")
_POSITIVE = PositiveWeights()


@dataclass(frozen=True)
class Seen:
    """One forward pass, with what the pass back needs.

    Attributes:
        features: fc7 ``[clips, T, D]``.
        activations: for each batch of frames, those of the chain's layers from the map's layer up,
            each ``[batch, …]``.
        batch: frames in each batch but the last.
    """

    features: Tensor
    activations: list[list[Tensor]]
    batch: int

    @property
    def at_layer(self) -> Tensor:
        """Activations of the map's layer, ``[clips, T, channels, …]``."""
        together = torch.cat([kept[0] for kept in self.activations])
        return together.unflatten(0, self.features.shape[:2])


def ground_action(
    network: ActionNetwork,
    frames: Tensor,
    action: str | int | Sequence[str | int] | Tensor,
    *,
    method: str = "cEB",
    layer: str | None = None,
    rule: str = "released",
    seed: str = "last",
    batch: int = 64,
) -> Tensor:
    """Where and when a network sees an action.

    Args:
        network: a CNN or an LRCN; it is left as it was found.
        frames: ``[clips, T, 3, h, w]``, as ``network.preprocess`` gives them.
        action: one for all clips, or one a clip: names or numbers of classes.
        method: ``EB``, ``cEB`` (contrastive) or ``BP`` (the largest absolute derivative of the
            score over the colours of a pixel; Simonyan et al. 2014). With an LSTM these are the
            paper's EB-R, cEB-R and BP-R.
        layer: of the CNN, whose maps are wanted (`seewhy.grounding.chain`); None: the last
            convolution (conv5 of VGG-16). ``BP`` goes down to the pixels and has none.
        rule: how an LSTM is passed, one of `seewhy.grounding.recurrent.RULES`.
        seed: ``last`` asks at the last step, as in the paper; ``all`` at every step alike.
        batch: frames that pass the CNN at once, when there is no gradient to keep.

    Returns:
        ``[clips, T, h', w']``, of the layer's size, summed over channels, signed.

    Raises:
        InputError: an unknown name or number, or a network with layers that cannot be passed.
    """
    check_methods(method, rule, seed)
    target = targets(network, frames, action)
    if method == "BP":
        return gradient_of_action(network, frames, target, seed=seed)
    with evaluating(network):
        chain = Chain(network.cnn)
        keep = asked_layer(chain, layer)
        chain.require_rectified(keep)
        seen = look(chain, frames, keep, batch=batch)
        evidence = evidence_of_action(
            network, seen.features, target, contrastive=method == "cEB", rule=rule, seed=seed
        )
        return down(chain, seen, evidence)


def evidence_of_action(
    network: ActionNetwork,
    features: Tensor,
    target: Tensor,
    *,
    contrastive: bool = True,
    rule: str = "released",
    seed: str = "last",
) -> Tensor:
    """Winning probabilities at fc7: steps 1 to 5 of Algorithm 1.

    Their sum over D says when; it is also that of the map of any layer below, since excitation
    backprop keeps sums.

    Args:
        network: a CNN or an LRCN.
        features: fc7 ``[clips, T, D]``, at least 0.
        target: classes ``[clips]``.
        contrastive: minus those of the dual class.
        rule: one of `seewhy.grounding.recurrent.RULES`.
        seed: ``last`` or ``all``.

    Returns:
        ``[clips, T, D]``; of an LRCN each clip, of a CNN each frame sums to 1, or to 0 if
        contrastive.
    """
    with evaluating(network):
        trace = network.lstm.trace(network.difference(features)) if network.lstm else None
        states = trace.h if trace else features
        w = network.classifier.weight[target]  # [clips, H]
        prior = _priors(w, states, contrastive)  # [1 or 2, clips, T, H]
        if trace:
            if seed == "last":
                prior[..., :-1, :] = 0
            p = excite_lstm(network.lstm, trace, prior, rule=rule, positive=_POSITIVE)
            p = normalised(excite_difference(network.difference, p), over=(-2, -1))
        else:
            p = normalised(prior, over=(-1,))
        return p[0] - p[1] if contrastive else p[0]


def ground_word(
    captioner: MeanPoolCaptioner,
    frames: Tensor,
    words: Tensor,
    position: Tensor,
    *,
    method: str = "cEB",
    layer: str | None = None,
    rule: str = "released",
    batch: int = 64,
) -> Tensor:
    """Where and when a captioner sees what a word names.

    Args:
        captioner: it is left as it was found.
        frames: ``[clips, T, 3, h, w]``; an image is a clip of one frame.
        words: ``[clips, L]``, the captions, each beginning with the start word; the captioner reads
            them, whoever wrote them.
        position: ``[clips]``, place in `words` of the word that is asked for, at least 1.
        method: ``EB``, ``cEB`` or ``BP``.
        layer: see `ground_action`.
        rule: see `ground_action`; for both LSTM layers.
        batch: see `ground_action`.

    Returns:
        ``[clips, T, h', w']``.

    Raises:
        InputError: see `ground_action`; or a position outside of the words.
    """
    check_methods(method, rule, "last")
    check_position(words, position)
    if method == "BP":
        return gradient_of_word(captioner, frames, words, position)
    with evaluating(captioner):
        chain = Chain(captioner.cnn)
        keep = asked_layer(chain, layer)
        chain.require_rectified(keep)
        seen = look(chain, frames, keep, batch=batch)
        evidence = evidence_of_word(
            captioner, seen.features, words, position, contrastive=method == "cEB", rule=rule
        )
        return down(chain, seen, evidence)


def evidence_of_word(
    captioner: MeanPoolCaptioner,
    features: Tensor,
    words: Tensor,
    position: Tensor,
    *,
    contrastive: bool = True,
    rule: str = "released",
) -> Tensor:
    """Winning probabilities at fc7 of a word, through the decoder and the mean over the frames.

    Args:
        captioner: the network.
        features: fc7 ``[clips, T, D]``.
        words: ``[clips, L]``.
        position: ``[clips]``.
        contrastive: minus those of the dual word.
        rule: one of `seewhy.grounding.recurrent.RULES`.

    Returns:
        ``[clips, T, D]``; each clip sums to 1, or to 0 if contrastive.
    """
    with evaluating(captioner):
        pooled = features.mean(dim=1)
        first = captioner.lstm1.trace(captioner.read(words[:, :-1], pooled))
        second = captioner.lstm2.trace(first.h)
        asked = words.gather(1, position[:, None])[:, 0]
        prior = _priors(captioner.classifier.weight[asked], second.h, contrastive)
        steps = torch.arange(second.h.shape[1], device=words.device)
        prior = prior * (steps == position[:, None] - 1)[..., None]
        p = excite_lstm(captioner.lstm2, second, prior, rule=rule, positive=_POSITIVE)
        p = excite_lstm(captioner.lstm1, first, p, rule=rule, positive=_POSITIVE)
        p = p[..., captioner.sizes.embedding :].sum(dim=-2)  # every step read the same mean
        # The mean hands its part to the frames by their activations (eq. 8).
        p = features * share(p, features.sum(dim=1).expand_as(p))[..., None, :]
        p = normalised(p, over=(-2, -1))
        return p[0] - p[1] if contrastive else p[0]


def _priors(w: Tensor, states: Tensor, contrastive: bool) -> Tensor:
    """P of the states ``[clips, T, H]`` below a class, and below its dual: ``[1 or 2, …]``.

    A one-hot vector on the class of weights `w` ``[clips, H]``, handed on by eqs. 1 and 2.
    """
    signs = (w, -w) if contrastive else (w,)
    excitation = torch.stack([states * sign.clamp(min=0)[:, None] for sign in signs])
    return share(excitation, excitation.sum(dim=-1, keepdim=True).expand_as(excitation))


def normalised(p: Tensor, *, over: tuple[int, ...]) -> Tensor:
    """Each map over its own sum (eqs. 5 and 6); a map of zeros stays one."""
    return share(p, p.sum(dim=over, keepdim=True).expand_as(p))


def look(chain: Chain, frames: Tensor, keep: int | None, *, batch: int) -> Seen:
    """Run the CNN over all frames, some at a time, and keep what the pass back needs."""
    passes = [chain(part, keep=keep) for part in frames.flatten(0, 1).split(batch)]
    features = torch.cat([y for y, _ in passes]).unflatten(0, frames.shape[:2])
    return Seen(features, [kept for _, kept in passes], batch)


def down(chain: Chain, seen: Seen, evidence: Tensor) -> Tensor:
    """From fc7 to the map's layer, summed over channels: ``[clips, T, h, w]``."""
    maps = []
    parts = evidence.flatten(0, 1).split(seen.batch)
    for activations, part in zip(seen.activations, parts, strict=True):
        p = excite(chain, activations, part, positive=_POSITIVE)
        maps.append(p.sum(dim=1) if p.ndim == 4 else p.sum(dim=1)[:, None, None])
    return torch.cat(maps).unflatten(0, evidence.shape[:2])


def asked_layer(chain: Chain, name: str | None) -> int:
    """Index of the layer of that name; None: of the last convolution.

    Raises:
        InputError: there is none.
    """
    if name is not None:
        return chain.place(name)
    for index in reversed(range(len(chain.steps))):
        if isinstance(chain.steps[index].layer, nn.Conv2d):
            return index
    raise InputError(f"the CNN ({', '.join(chain.names)}) has no convolution; name a layer")


def gradient_of_action(
    network: ActionNetwork, frames: Tensor, target: Tensor, *, seed: str = "last"
) -> Tensor:
    """BP and BP-R: ``max_c |d score / d pixel|``, ``[clips, T, h, w]``."""
    with frozen(network), torch.enable_grad():
        x = frames.detach().requires_grad_()
        score = network(x).gather(2, target[:, None, None].expand(-1, x.shape[1], 1))[..., 0]
        if network.lstm is not None and seed == "last":
            score = score[:, -1:]
        (gradient,) = torch.autograd.grad(score.sum(), x)
    return gradient.abs().amax(dim=2)


def gradient_of_word(
    captioner: MeanPoolCaptioner, frames: Tensor, words: Tensor, position: Tensor
) -> Tensor:
    """The same of a word's score."""
    with frozen(captioner), torch.enable_grad():
        x = frames.detach().requires_grad_()
        logits = captioner(words[:, :-1], captioner.encode(x).mean(dim=1))
        clips = torch.arange(len(x), device=x.device)
        score = logits[clips, position - 1, words[clips, position]]
        (gradient,) = torch.autograd.grad(score.sum(), x)
    return gradient.abs().amax(dim=2)


def targets(
    network: ActionNetwork, frames: Tensor, action: str | int | Sequence[str | int] | Tensor
) -> Tensor:
    """Numbers of the classes asked for, one a clip.

    Raises:
        InputError: an unknown class, another number of them than clips, or frames of another form.
    """
    if frames.ndim != 5:
        raise InputError(
            f"frames {list(frames.shape)} are not [clips, frames, channels, height, width]"
        )
    if isinstance(action, Tensor):
        action = action.tolist()
    if isinstance(action, (str, int)):
        action = [action] * len(frames)
    if len(action) != len(frames):
        raise InputError(f"{len(action)} actions for {len(frames)} clips; give one, or one a clip")
    return torch.tensor([network.index(one) for one in action], device=frames.device)


def check_methods(method: str, rule: str, seed: str) -> None:
    """Refuse names that there are not.

    Raises:
        InputError: the first of them.
    """
    for what, name, known in (
        ("method", method, METHODS),
        ("rule", rule, RULES),
        ("seed", seed, SEEDS),
    ):
        if name not in known:
            raise InputError(f"{what} {name!r} is not one of {', '.join(known)}")


def check_position(words: Tensor, position: Tensor) -> None:
    """Refuse places outside of the captions.

    Raises:
        InputError: there is one.
    """
    if ((position < 1) | (position >= words.shape[1])).any():
        raise InputError(f"positions must be 1 … {words.shape[1] - 1}, the start word is 0")
