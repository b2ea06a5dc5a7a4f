r"""Grad-CAM and recurrent Grad-CAM: feature maps weighted by gradients that may cross time.

    maps = recurrent_grad_cam(network, frames, "wave")  # Grad-CAM, if the network has no LSTM

With :math:`A_t^k` the k-th feature map of a convolution at input time t, Z its number of pixels,
and :math:`y_{t'}^c` the score (before the softmax) of class c at output time t', each map gets as
its weight the mean of the gradient, which flows back through the LSTM from t' to t,

.. math::
    \beta_{ktt'}^c = \frac{1}{Z} \sum_i \sum_j \frac{\partial y_{t'}^c}{\partial A_{tij}^k}, \tag{1}

and the heat map is their sum where it is positive,

.. math::
    L_t^c = \mathrm{ReLU} \Big( \sum_k \beta_{ktt'}^c A_t^k \Big). \tag{2}

The paper takes t' = T, the final time, and says that it is one variation of many; others here are
every other t' (`output_time`) and signed maps (`relu`). Causality: no frame after t' has a weight.
Without an LSTM t' = t, which is Grad-CAM of each frame by itself.

Neither needs a ReLU LSTM, activations of at least 0 or a chain of layers, as excitation backprop
does. Any CNN of single frames will do, with an LSTM or GRU above it (stacked, bidirectional) or
none: the maps are read, and their gradients taken, in the network's own forward pass. A 3-D CNN is
given as it is, and its maps are of the layer's size in time, too; t is then a cell of the layer.

References:
    N. Yamashita et al., Visually Explaining Videos using Recurrent Neural Networks with
    Gradient-Based Localization.
    R. Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.dissection.hooks import class_names
from seewhy.errors import InputError, as_whole, require_whole
from seewhy.grounding.chain import Chain, channels_last
from seewhy.grounding.maps import (
    asked_layer,
    readable_frames,
    require_forward,
    require_logits,
    targets,
)
from seewhy.grounding.networks import ActionNetwork
from seewhy.grounding.relu_lstm import ReluLSTM
from seewhy.hooking import (
    LayerOutputs,
    edited,
    every_call,
    find_layer,
    named_modules,
    unwrapped,
)
from seewhy.modes import explaining
from seewhy.running import apart, require_finite, run, tolerance

LAST, ALL_PAIRS = "last", "all pairs"


def recurrent_grad_cam(
    network: ActionNetwork,
    frames: Tensor,
    action: str | int | Sequence[str | int] | Tensor,
    *,
    layer: str | None = None,
    output_time: str | int = LAST,
    relu: bool = True,
    batch: int = 64,
) -> Tensor:
    """Where the network saw what raised the score of an action, at each input time (eqs. 1 and 2).

    Only the layers above the map's layer are differentiated, and these run forward once. Of a CNN
    whose code is not known (`seewhy.grounding.chain`) some frames more are run, of a 3-D CNN a clip
    and parts of it: they tell where the units of its maps are.

    Args:
        network: an LRCN, or a CNN for plain Grad-CAM, as `ActionNetwork`. Any other module is taken
            for a CNN from single frames ``[n, 3, h, w]`` to scores ``[n, classes]``, or, if it has
            3-D convolutions, from clips ``[n, 3, T, h, w]``. It is left as it was found.
        frames: ``[clips, T, 3, h, w]``, as ``network.preprocess`` gives them; or pixels of uint8,
            which it is given.
        action: one for all clips, or one a clip: names or numbers of classes.
        layer: of the CNN, whose feature maps A are weighted: the name of a module
            (`seewhy.hooking`), or as `seewhy.grounding.chain` has it, if the CNN is a chain. None:
            the last maps that are not a pool's; of a chain, its last convolution with its ReLU.
        output_time: t' of the score: ``last``, a step from 0 to T - 1, or ``all pairs``, every t'
            beside every t. A network without an LSTM knows only ``last``: each frame's own score.
        relu: of eq. 2; False keeps what speaks against the action, negative.
        batch: frames that pass the CNN at once. Clips are worked through one group after another,
            of no more frames than this or of one clip, so memory does not grow with their number.

    Returns:
        L ``[clips, T, h', w']``, of the layer's size; for ``all pairs`` ``[clips, T', T, h', w']``;
        of a 3-D CNN ``[clips, t', h', w']``. Float32 of a network of half precision.

    Raises:
        InputError: an unknown name or number; a layer that gives no maps, or on which the score
            does not depend; a CNN in which frames change each other; a network with a forward or
            hooks of its own around the CNN that change what it gives.
    """
    require_whole(1, batch=batch)
    network = _as_action_network(network)
    with explaining(network):
        frames = readable_frames(network, frames)
        target = targets(network, frames, action)
        if isinstance(network, _ClipNetwork):
            if output_time != LAST:
                raise InputError(
                    f"output time {output_time!r}: a 3-D CNN has one score a clip; give {LAST!r}"
                )
            found = _of_clips(network, frames, target, layer, batch)
            return found.relu() if relu else found
        length = frames.shape[1]
        times = output_times(network, length, output_time)
        # What no output time reads has no weight.
        reach = times[-1] + 1 if network.lstm is not None and network.causal else length
        group = max(1, batch // max(1, reach))
        asked, single = _maps_layer(network.cnn, frames[0, :1], layer)
        maps = []
        for own, classes in zip(frames[:, :reach].split(group), target.split(group), strict=True):
            maps.append(_of_group(network, asked, single, own, classes, times, batch))
            single = None  # once a call
    found = torch.cat(maps)  # [clips, t', t, h', w']
    found = functional.pad(found, (0, 0, 0, 0, 0, length - reach))
    found = found.relu() if relu else found
    return found if output_time == ALL_PAIRS else found[:, 0]


class _PlainNetwork(ActionNetwork):
    """A classifier of single frames that is given frames ``[clips, T, 3, h, w]``."""

    def __init__(self, cnn: nn.Module) -> None:
        super().__init__(cnn, nn.Identity(), classes=class_names(cnn))

    def preprocess(self, frames: object) -> Tensor:
        """Not known of any network."""
        raise InputError(
            f"frames of uint8: how {type(self.cnn).__name__} wants them scaled is not known; give "
            "floating point as it was trained with"
        )


class _ClipNetwork(_PlainNetwork):
    """A 3-D CNN that is given frames ``[clips, T, 3, h, w]``."""

    def forward(self, frames: Tensor) -> Tensor:
        """Scores ``[clips, classes]``."""
        return self.cnn(frames.transpose(1, 2))


def _as_action_network(network: nn.Module) -> nn.Module:
    """An `ActionNetwork` of any module."""
    if not isinstance(network, nn.Module):
        raise InputError(f"the network is {type(network).__name__}, no torch.nn.Module")
    network = unwrapped(network)
    if isinstance(network, torch.jit.ScriptModule):
        raise InputError(
            "the network is TorchScript, whose layers cannot be read; give the nn.Module that it "
            "was made from"
        )
    cnn = network.cnn if isinstance(network, ActionNetwork) else network
    three = next((name for name, m in cnn.named_modules() if isinstance(m, nn.Conv3d)), None)
    if isinstance(network, ActionNetwork):
        if three is not None:
            raise InputError(
                f"layer {three} is Conv3d, and an ActionNetwork runs its CNN frame by frame; for "
                "Grad-CAM of a 3-D CNN give the CNN itself, with its last layer"
            )
        return network
    return _PlainNetwork(network) if three is None else _ClipNetwork(network)


def _maps_layer(cnn: nn.Module, frame: Tensor, layer: str | None) -> tuple[str, Tensor | None]:
    """The name of the layer whose maps are weighted, for `seewhy.hooking`.

    Args:
        cnn: any.
        frame: one, ``[1, 3, h, w]``.
        layer: as it was asked for.

    Returns:
        The name; and what the CNN gives for the frame by itself, None where its code is known to
        take frames one by one.
    """
    try:
        chain = Chain(cnn)
    except InputError:
        chain = None
    if chain is not None and layer is None and chain.known:
        return chain.steps[asked_layer(chain, None)].output, None
    if chain is not None and isinstance(layer, str):
        # Its names come first; they are those of excitation backprop.
        try:
            layer = chain.steps[chain.place(layer)].output
        except InputError as error:
            if layer.removeprefix("cnn.").partition("@")[0] not in named_modules(cnn):
                raise InputError(f"{error}, nor a module of the CNN") from None
        if chain.known:
            return _module_name(cnn, layer), None
    name = _last_maps(cnn, frame) if layer is None else _module_name(cnn, layer)
    with LayerOutputs(cnn, [name]).recording():  # it runs once, and its units come second
        single = run(unwrapped(cnn), channels_last(frame), what="the CNN")
    return name, single


def _last_maps(cnn: nn.Module, x: Tensor, *, dimensions: int = 4) -> str:
    """Name of the outermost layer that gives the last maps which are not a pool's.

    Maps of one cell above a pool, such as those of a convolution of 1x1 that classifies, do not
    count.

    Raises:
        InputError: no layer gives maps.
    """
    with every_call(unwrapped(cnn), copies=False) as calls:
        run(unwrapped(cnn), x, what="the CNN")
    last: str | None = None
    below: str | None = None  # of a pool to one cell
    pools: list[Tensor] = []  # what pools gave, and layers that only pass it on
    for call in calls:
        if call.output is None or call.output.ndim != dimensions or not call.name:
            continue
        cells = call.output.shape[2:].numel()
        if "Pool" in type(call.module).__name__:
            pools.append(call.output)
            below = last if cells == 1 and below is None else below
        elif not any(call.output is one for one in pools):
            again = sum(other.module is call.module for other in calls) > 1
            last = f"{call.name}@{call.number}" if again else call.name
            below = None if cells > 1 else below
    if last is None:
        form = "[n, k, h, w]" if dimensions == 4 else "[n, k, t, h, w]"
        raise InputError(f"the CNN has no layer with maps {form}, which Grad-CAM needs")
    return below or last


def _module_name(cnn: nn.Module, layer: str) -> str:
    """The layer's name within the CNN; `cnn.` may stand in front.

    Raises:
        InputError: there is none.
    """
    inside = layer.removeprefix("cnn.") if isinstance(layer, str) else layer
    find_layer(cnn, inside)
    return inside


def _of_group(
    network: ActionNetwork,
    layer: str,
    single: Tensor | None,
    frames: Tensor,
    target: Tensor,
    times: list[int],
    batch: int,
) -> Tensor:
    """The maps of some clips before the ReLU, ``[clips, t', t, h', w']``."""
    parts = []  # of each lot of frames: A, and what the layers above make of it, fc7
    for lot in frames.flatten(0, 1).split(batch):
        a, fc7 = _from_layer(network.cnn, layer, channels_last(lot), "the CNN")
        if fc7.ndim != 2 or len(fc7) != len(lot):
            raise InputError(
                f"the CNN gives {list(fc7.shape)} for {len(lot)} frames, not one vector for each"
            )
        if a.ndim not in (2, 4) or len(a) != len(lot):
            raise InputError(
                f"layer {layer!r} gives {list(a.shape)}; Grad-CAM needs maps [n, k, h, w], one for "
                f"each of the {len(lot)} frames"
            )
        parts.append((a, fc7))
    _require_single_frames(single, parts[0][1])
    features = torch.cat([fc7.detach() for _, fc7 in parts]).unflatten(0, frames.shape[:2])
    require_forward(network, frames, features, batch=batch)
    at_fc7 = gradients_at_features(network, features, target, times)
    maps = []
    for slope in at_fc7.flatten(1, 2):  # [b, D], of one t'
        weighted = []
        for (a, fc7), own in zip(parts, slope.split(batch), strict=True):
            gradient = _gradient(fc7, a, own, layer)
            beta = _pictures(gradient).mean(dim=(2, 3))  # [b, k], eq. 1
            weighted.append(torch.einsum("bk,bkij->bij", beta, _pictures(a.detach())))  # eq. 2
        maps.append(torch.cat(weighted).unflatten(0, frames.shape[:2]))
    return require_finite(torch.stack(maps, dim=1), "maps", "look at the weights")


def _of_clips(
    network: _ClipNetwork, frames: Tensor, target: Tensor, layer: str | None, batch: int
) -> Tensor:
    """The maps of a 3-D CNN before the ReLU, ``[clips, t', h', w']``."""
    if layer is None:
        layer = _last_maps(network.cnn, frames[:1].transpose(1, 2), dimensions=5)
    layer = _module_name(network.cnn, layer)
    with LayerOutputs(network.cnn, [layer]).recording():  # it runs once, and its units come second
        run(unwrapped(network.cnn), frames[:1].transpose(1, 2), what="the 3-D CNN")
    maps = []
    clips = max(1, batch // frames.shape[1])
    for own, classes in zip(frames.split(clips), target.split(clips), strict=True):
        a, scores = _from_layer(network.cnn, layer, own.transpose(1, 2), "the 3-D CNN")
        if scores.ndim != 2 or len(scores) != len(own):
            raise InputError(
                f"the 3-D CNN gives {list(scores.shape)} for {len(own)} clips, not scores "
                "[clips, classes]"
            )
        require_logits(scores[:, None].expand(-1, own.shape[1], -1), own, classes)
        if a.ndim != 5 or len(a) != len(own):
            raise InputError(
                f"layer {layer!r} gives {list(a.shape)}; Grad-CAM of a 3-D CNN needs maps "
                f"[n, k, t, h, w], one for each of the {len(own)} clips"
            )
        one_hot = functional.one_hot(classes, scores.shape[1]).to(scores)
        beta = _gradient(scores, a, one_hot, layer).mean(dim=(2, 3, 4))
        maps.append(torch.einsum("bk,bktij->btij", beta, a.detach()))
    return require_finite(torch.cat(maps), "maps", "look at the weights")


def _from_layer(cnn: nn.Module, layer: str, x: Tensor, what: str) -> tuple[Tensor, Tensor]:
    """A of a layer, and what the network makes of it; gradients begin at A."""
    begun: list[Tensor] = []

    def begin(maps: Tensor) -> Tensor:
        begun.append(maps.detach().requires_grad_())
        return begun[-1].clone()  # the layer above may work in place

    with torch.enable_grad(), edited(cnn, layer, begin):
        y = run(unwrapped(cnn), x, what=what)
    if not isinstance(y, Tensor):
        raise InputError(
            f"{what} gives {type(y).__name__}, not one tensor; put out what it answers"
        )
    return begun[-1], y


def _gradient(y: Tensor, a: Tensor, slope: Tensor, layer: str) -> Tensor:
    gradient = None
    if y.requires_grad:
        (gradient,) = torch.autograd.grad(y, a, slope, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise InputError(
            f"layer {layer!r}: the scores do not depend on it by a gradient; give another"
        )
    return gradient


def _require_single_frames(single: Tensor | None, features: Tensor) -> None:
    """Refuse a CNN whose features of a frame depend on the frames that pass with it."""
    if single is None:
        return
    off = apart(features[: len(single)].detach(), single)
    if not off <= max(tolerance(features.dtype), 1e-4):
        raise InputError(
            "the CNN's features of a frame change with the other frames that pass with it (off by "
            f"{off:.2g} of the largest); recurrent Grad-CAM needs a CNN of single frames"
        )


def _pictures(x: Tensor) -> Tensor:
    """``[b, k, h, w]``; a linear layer's units are pictures of one pixel."""
    return x[:, :, None, None] if x.ndim == 2 else x


def gradients_at_features(
    network: ActionNetwork, features: Tensor, target: Tensor, times: Sequence[int]
) -> Tensor:
    """How the scores at some output times hang on fc7 at every input time.

    Args:
        network: of frozen weights; without an LSTM, each score hangs on its own frame alone, and
            one gradient says all.
        features: fc7 ``[clips, t, D]``.
        target: classes c ``[clips]``.
        times: the output times t'.

    Returns:
        dy_t'^c / dfc7_t, ``[t', clips, t, D]``; without an LSTM dy_t^c / dfc7_t, ``[1, …]``.
    """
    with torch.enable_grad():
        x = features.detach().requires_grad_()
        logits = run(network.classify, x, what="what stands above the CNN")
        require_logits(logits, x, target)
        scores = logits[torch.arange(len(x), device=x.device), :, target]  # [clips, t]
        if not scores.requires_grad:
            raise InputError("the scores do not depend on the CNN's features by a gradient")
        if network.lstm is None:
            return torch.autograd.grad(scores.sum(), x)[0][None]
        asked = scores[:, list(times)].sum(dim=0)  # clips do not meet, so their sum parts them
        if not isinstance(unwrapped(network.lstm), ReluLSTM):  # fused kernels know no batches of it
            return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in asked])
        one_hot = torch.eye(len(asked), dtype=x.dtype, device=x.device)
        return torch.autograd.grad(asked, x, one_hot, is_grads_batched=True)[0]


def output_times(network: ActionNetwork, length: int, output_time: str | int) -> list[int]:
    """The output times t' that are asked for, in order.

    Raises:
        InputError: another word, a step that the clips do not have, or one of a network without an
            LSTM.
    """
    if network.lstm is None and output_time != LAST:
        raise InputError(
            f"output time {output_time!r}: the network has no LSTM, so each frame has a score of "
            f"its own; give {LAST!r}"
        )
    if output_time == ALL_PAIRS:
        return list(range(length))
    if output_time == LAST:
        return [length - 1]
    step = as_whole(output_time)
    if step is None or not 0 <= step < length:
        raise InputError(
            f"output time {output_time!r} is not one of 0 … {length - 1}, {LAST!r}, {ALL_PAIRS!r}"
        )
    return [step]
