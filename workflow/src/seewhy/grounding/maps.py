"""Saliency maps in space and time for a class or a word, in one backward pass (Algorithm 1).

    maps = ground_action(network, frames, "wave")              # cEB-R of an LRCN, cEB of a CNN
    maps = ground_word(captioner, frames, words, position)     # [clips]: of a word in each

The steps, in the paper's numbers: a prior on the class at the last step (1), excitation backprop
through time down to fc7 (2), each map over its own sum in time and space (3, eqs. 5 and 6), the
same for the dual class, whose classifier weights are negated (4), the difference (5, eq. 7), and
excitation backprop of that difference, signed, through the CNN (6, eqs. 8 and 9). It is not
clamped: negative is what speaks for other classes.

Without an LSTM each frame is an image: its map sums to 1 (EB) or 0 (cEB). With one, the maps of a
clip do so together.

What is explained is held against what the network computes (`Chain.features`, `require_forward`),
and refused, with the module named, where they differ by more than 1e-4 of the largest value.

Reference: S. Bargal et al., Excitation Backprop for RNNs, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seewhy.errors import InputError, as_whole, require_whole
from seewhy.grounding.chain import Chain, runs_as_known
from seewhy.grounding.excitation import PositiveWeights, excite, share
from seewhy.grounding.networks import (
    ActionNetwork,
    FrameEncoder,
    MeanPoolCaptioner,
    require_relu_lstm,
)
from seewhy.grounding.recurrent import RULES, excite_difference, excite_lstm
from seewhy.grounding.relu_lstm import ReluLSTM, TemporalDifference, Trace
from seewhy.hooking import unwrapped
from seewhy.modes import explaining
from seewhy.running import apart, as_tensor, readable_input, require_finite, run, tolerance

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
        frames: ``[clips, T, 3, h, w]``, as ``network.preprocess`` gives them; or pixels of uint8,
            which it is given.
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
        ``[clips, T, h', w']``, of the layer's size, summed over channels, signed; float32 of a
        network of half precision.

    Raises:
        InputError: an unknown name or number, a network with layers that cannot be passed or that
            computes something else than these, or frames that it cannot read.
    """
    check_methods(method, rule, seed)
    require_whole(1, batch=batch)
    network = require_network(network, ActionNetwork)
    with explaining(network):
        frames = readable_frames(network, frames)
        target = targets(network, frames, action)
        if method == "BP":
            return gradient_of_action(network, frames, target, seed=seed)
        require_excitable(network)
        chain = Chain(network.cnn)
        keep = asked_layer(chain, layer)
        chain.require_rectified(keep)
        seen = look(chain, frames, keep, batch=batch)
        require_forward(network, frames, seen.features, batch=batch)
        evidence = evidence_of_action(
            network, seen.features, target, contrastive=method == "cEB", rule=rule, seed=seed
        )
        return require_finite(down(chain, seen, evidence), "maps", "look at the weights")


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

    Raises:
        InputError: an LSTM or a classifier that excitation backprop cannot pass.
    """
    network = require_network(network, ActionNetwork)
    with explaining(network):
        require_excitable(network)
        features = readable_input(network, as_tensor(features, "features"), "features")
        trace = (
            _trace(network.lstm, network.difference(features)) if network.lstm is not None else None
        )
        states = trace.h if trace else features
        _require_head(network, features, states)
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
    require_whole(1, batch=batch)
    captioner = require_network(captioner, MeanPoolCaptioner)
    with explaining(captioner):
        frames = readable_frames(captioner, frames)
        words, position = readable_words(captioner, frames, words, position)
        if method == "BP":
            return gradient_of_word(captioner, frames, words, position)
        chain = Chain(captioner.cnn)
        keep = asked_layer(chain, layer)
        chain.require_rectified(keep)
        seen = look(chain, frames, keep, batch=batch)
        require_encoding(captioner, frames, seen.features, batch=batch)
        evidence = evidence_of_word(
            captioner, seen.features, words, position, contrastive=method == "cEB", rule=rule
        )
        return require_finite(down(chain, seen, evidence), "maps", "look at the weights")


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
    captioner = require_network(captioner, MeanPoolCaptioner)
    with explaining(captioner):
        require_excitable(captioner)
        features = readable_input(captioner, as_tensor(features, "features"), "features")
        pooled = features.mean(dim=1)
        read = MeanPoolCaptioner.read(captioner, words[:, :-1], pooled)
        first = _trace(captioner.lstm1, read)
        second = _trace(captioner.lstm2, first.h)
        _require_decoder(captioner, words, pooled, second.h)
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
    """Run the CNN over all frames, some at a time, and keep what the pass back needs.

    Raises:
        InputError: the CNN is not the chain (`Chain.features`), or gives no vector a frame.
    """
    passes = [
        chain.features(part, keep, first=number == 0)
        for number, part in enumerate(frames.flatten(0, 1).split(batch))
    ]
    if passes[0][0].ndim != 2:
        raise InputError(
            f"the CNN gives {list(passes[0][0].shape[1:])} for a frame, not one vector; end it "
            "with a pool and a Flatten, or linear layers"
        )
    features = torch.cat([y for y, _ in passes]).unflatten(0, frames.shape[:2])
    require_finite(features, "features of the CNN", "look at the weights")
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
    with explaining(network), torch.enable_grad():
        x = frames.detach().requires_grad_()
        logits = run(network, x)
        require_logits(logits, x, target)
        score = logits.gather(2, target[:, None, None].expand(-1, x.shape[1], 1))[..., 0]
        if network.lstm is not None and seed == "last":
            score = score[:, -1:]
        (gradient,) = torch.autograd.grad(score.sum(), x)
    return require_finite(gradient, "maps", "look at the weights").abs().amax(dim=2)


def gradient_of_word(
    captioner: MeanPoolCaptioner, frames: Tensor, words: Tensor, position: Tensor
) -> Tensor:
    """The same of a word's score."""
    with explaining(captioner), torch.enable_grad():
        x = frames.detach().requires_grad_()
        pooled = run(captioner.encode, x, what="the CNN").mean(dim=1)
        logits = run(captioner, words[:, :-1], pooled)
        clips = torch.arange(len(x), device=x.device)
        score = logits[clips, position - 1, words[clips, position]]
        (gradient,) = torch.autograd.grad(score.sum(), x)
    return require_finite(gradient, "maps", "look at the weights").abs().amax(dim=2)


def require_network(network: nn.Module, kind: type) -> nn.Module:
    """The network inside ``nn.DataParallel`` and its like.

    Raises:
        InputError: of another kind.
    """
    network = unwrapped(network) if isinstance(network, nn.Module) else network
    if not isinstance(network, kind):
        raise InputError(
            f"the network is {type(network).__name__}, not {kind.__name__}; put its CNN and "
            f"what is above it into seewhy.grounding.networks.{kind.__name__}"
        )
    return network


def readable_frames(network: nn.Module, frames: object) -> Tensor:
    """Frames as a network reads them, ``[clips, T, 3, h, w]``.

    Args:
        network: within `seewhy.modes.explaining`.
        frames: so, tensor or array of any floating point; or pixels of uint8, the colours last or
            third, which ``network.preprocess`` is given.

    Raises:
        InputError: frames of another form, none, or with values that are not finite.
    """
    x = as_tensor(frames, "frames")
    if x.dtype == torch.uint8 and isinstance(network, FrameEncoder):
        if x.ndim == 5 and x.shape[2] == 3 and x.shape[-1] != 3:
            x = x.movedim(2, -1)
        x = network.preprocess(x)
    shape = list(x.shape)
    if x.ndim != 5:
        remedy = "; one clip is frames[None]" if x.ndim == 4 else ""
        raise InputError(f"frames {shape} are not [clips, frames, channels, height, width]{remedy}")
    if not x.is_floating_point():
        raise InputError(
            f"frames {shape} of {x.dtype} are neither of floating point nor pixels of uint8; give "
            "them as network.preprocess does"
        )
    if not x.numel():
        raise InputError(f"frames {shape} have no pixel; give at least one clip of one frame")
    x = readable_input(network, x, "frames")
    first = next((m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))), None)
    if first is not None and first.in_channels == x.shape[-1] != x.shape[2]:
        raise InputError(
            f"frames {shape} have their {first.in_channels} channels last; give "
            "[clips, frames, channels, height, width], frames.permute(0, 1, 4, 2, 3)"
        )
    return x


def readable_words(
    captioner: MeanPoolCaptioner, frames: Tensor, words: object, position: object
) -> tuple[Tensor, Tensor]:
    """Words ``[clips, L]`` and a place in each, where the frames are.

    Raises:
        InputError: of another form, words that the captioner does not know, or places outside.
    """
    words, position = as_tensor(words, "words"), as_tensor(position, "position")
    for what, x, form in (("words", words, "[clips, L]"), ("position", position, "[clips]")):
        if x.is_floating_point() or x.ndim != form.count(",") + 1 or len(x) != len(frames):
            raise InputError(
                f"{what} {list(x.shape)} of {x.dtype} are not whole numbers {form} for "
                f"{len(frames)} clips"
            )
    count = captioner.sizes.words
    if ((words < 0) | (words >= count)).any():
        raise InputError(f"words must be numbers of the vocabulary, 0 … {count - 1}")
    check_position(words, position)
    return words.long().to(frames.device), position.long().to(frames.device)


def require_excitable(network: nn.Module) -> None:
    """Refuse what stands above the CNN, if excitation backprop cannot pass it.

    Raises:
        InputError: an LSTM that is no `ReluLSTM`, a classifier that is no linear layer.
    """
    for name in ("lstm", "lstm1", "lstm2"):
        if getattr(network, name, None) is not None:
            require_relu_lstm(unwrapped(getattr(network, name)))
    if not isinstance(unwrapped(network.classifier), nn.Linear):
        raise InputError(
            f"the classifier is {type(network.classifier).__name__}; excitation backprop needs one "
            "linear layer (nn.Linear)"
        )


def _trace(lstm: nn.Module, x: Tensor) -> Trace:
    lstm = unwrapped(lstm)
    if x.ndim != 3 or x.shape[2] != lstm.inputs:
        given = x.shape[2] if x.ndim == 3 else list(x.shape)
        raise InputError(f"the LSTM reads {lstm.inputs} numbers a step, and is given {given}")
    # As ReluLSTM has it, whatever a class made from it does; its states are compared with this.
    steps, _ = ReluLSTM._run(lstm, x, None)
    return Trace(x, *(torch.stack(parts, dim=1) for parts in zip(*steps, strict=True)))


def _require_head(network: ActionNetwork, features: Tensor, states: Tensor) -> None:
    """Refuse an LSTM or classifier that computes something else than it is taken for."""
    classifier = unwrapped(network.classifier)
    if states.shape[-1] != classifier.in_features:
        raise InputError(
            f"the classifier reads {classifier.in_features} numbers, and is given "
            f"{states.shape[-1]}"
        )
    known = runs_as_known(network.classifier, nn.Linear.forward) and runs_as_known(
        network.difference, TemporalDifference.forward
    )
    known &= network.lstm is None or _is_known_lstm(network.lstm)
    own = type(network)
    known &= (own.classify, own.states) == (ActionNetwork.classify, ActionNetwork.states)
    if known:
        return
    own_states = run(network.states, features, what="the LSTM")
    _require_equal(own_states, states, f"lstm: this {type(network.lstm).__name__}")
    logits = run(network.classify, features, what="the classifier")
    linear = nn.functional.linear(states, classifier.weight, classifier.bias)
    _require_equal(logits, linear, f"classifier: this {type(network.classifier).__name__}")


def _require_decoder(
    captioner: MeanPoolCaptioner, words: Tensor, pooled: Tensor, states: Tensor
) -> None:
    """The same of a captioner's LSTMs and classifier."""
    known = runs_as_known(captioner, MeanPoolCaptioner.forward)
    known &= type(captioner).read is MeanPoolCaptioner.read
    known &= runs_as_known(captioner.classifier, nn.Linear.forward)
    known &= runs_as_known(captioner.embedding, nn.Embedding.forward)
    if known and _is_known_lstm(captioner.lstm1) and _is_known_lstm(captioner.lstm2):
        return
    classifier = unwrapped(captioner.classifier)
    logits = run(captioner, words[:, :-1], pooled)
    linear = nn.functional.linear(states, classifier.weight, classifier.bias)
    _require_equal(logits, linear, f"at the top: this {type(captioner).__name__}, above its CNN,")


def require_encoding(
    network: FrameEncoder, frames: Tensor, features: Tensor, *, batch: int
) -> None:
    """Refuse a network that gives its frames to the CNN otherwise than as they are.

    Args:
        network: within `seewhy.modes.explaining`.
        frames: ``[clips, T, 3, h, w]``.
        features: the CNN's for them, ``[clips, T, D]``.
        batch: frames at once, or one clip.

    Raises:
        InputError: its ``encode`` gives something else than `features`.
    """
    if type(network).encode is FrameEncoder.encode and "encode" not in vars(network):
        return
    for x, expected in _side_by_side(frames, features, batch):
        found = run(network.encode, x, what="the CNN")
        _require_equal(found, expected, f"at the top: encode of this {type(network).__name__}")


def require_forward(
    network: ActionNetwork, frames: Tensor, features: Tensor, *, batch: int
) -> None:
    """Refuse a network that does something else than to classify its CNN's features.

    That costs a forward pass where the network's class is one with a forward of its own, or it has
    hooks; else nothing.

    Args:
        network: within `seewhy.modes.explaining`.
        frames: ``[clips, T, 3, h, w]``.
        features: the CNN's for them, ``[clips, T, D]``.
        batch: frames at once, or one clip.

    Raises:
        InputError: what it gives for the frames is something else.
    """
    require_encoding(network, frames, features, batch=batch)
    if runs_as_known(network, ActionNetwork.forward):
        return
    for x, own in _side_by_side(frames, features, batch):
        expected = run(network.classify, own, what="the classifier")
        _require_equal(run(network, x), expected, f"at the top: this {type(network).__name__}")


def _side_by_side(frames: Tensor, features: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Frames and features of as many whole clips as `batch` frames make, at least one."""
    clips = max(1, batch // frames.shape[1])
    return zip(frames.split(clips), features.split(clips), strict=True)


def _is_known_lstm(lstm: nn.Module) -> bool:
    return runs_as_known(lstm, ReluLSTM.forward) and type(lstm)._run is ReluLSTM._run


def _require_equal(found: object, expected: Tensor, what: str) -> None:
    off = apart(found, expected) if isinstance(found, Tensor) else torch.inf
    if not off <= tolerance(expected.dtype):
        raise InputError(
            f"layer {what} gives something else than its parts do (off by {off:.2g} of the largest "
            "value), by its forward or by hooks; another network would be explained: leave what it "
            "adds to its CNN, or explain a network without it"
        )


def require_logits(logits: object, frames: Tensor, target: Tensor) -> None:
    """Refuse what is no score of each class at each step.

    Raises:
        InputError: not ``[clips, T, classes]``, not finite, or a class that there is not.
    """
    if not isinstance(logits, Tensor) or logits.ndim != 3 or logits.shape[:2] != frames.shape[:2]:
        form = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(
            f"the network gives {form} for frames {list(frames.shape)}, not scores "
            "[clips, frames, classes]"
        )
    require_finite(logits, "scores of the network", "look at the weights")
    if int(target.max()) >= logits.shape[2]:
        raise InputError(f"class {int(target.max())} is not one of 0 … {logits.shape[2] - 1}")


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
    if hasattr(action, "tolist"):  # a tensor, an array, one of NumPy's numbers
        action = action.tolist()
    if isinstance(action, str) or as_whole(action) is not None:
        action = [action] * len(frames)
    if not isinstance(action, (Sequence, range)) or isinstance(action, bytes):
        raise InputError(
            f"action {action!r} is neither a name nor a whole number of a class, nor a list of them"
        )
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
