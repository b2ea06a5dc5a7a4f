"""A feed-forward CNN as a chain of layers that excitation backprop can walk down.

Layers get the names that VGG's have: a convolution is ``conv<group>_<number>``, where a pooling
layer ends a group; pools are ``pool<group>``; linear layers go on counting, so that VGG-16 has
``conv1_1`` … ``conv5_3``, ``pool5``, ``fc6``, ``fc7``. A name stands for the layer's activations
after its ReLU, ``[b, channels, h, w]``; ``conv5`` alone is the last convolution of its group.

A chain is what excitation backprop explains, so it must be what the CNN computes: its features are
held against the CNN's own (`Chain.features`), of every frame and layer by layer, in the very pass
in which the CNN gives them; that costs one more forward pass. Of a CNN whose code is known to run
just these layers (an ``nn.Sequential``, torchvision's VGG and AlexNet and the VGG here, without
hooks) nothing is left to compare. What folding batch norm does is compared for one frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import _has_any_global_hook
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from seewhy.errors import InputError, none_such
from seewhy.hooking import Call, unwrapped, watching
from seewhy.running import apart, run, tolerance
from seewhy.skeletons import without_weights

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
WEIGHTED = (nn.Conv2d, nn.Linear)
_PASSED = (nn.Dropout, nn.Dropout2d, nn.Identity)  # nothing at inference
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_KINDS = (*WEIGHTED, *POOLS, nn.Flatten, nn.ReLU, *_NORMS, *_PASSED)
_CONVOLVE, _ITERATE = nn.Conv2d._conv_forward, nn.Sequential.__iter__
_KNOWN = {kind.forward for kind in (*_KINDS, nn.Sequential)}
_LAID_OUT = ["features", "avgpool", "classifier"]
_KNOWN_NETWORKS = {
    ("torchvision.models.vgg", "VGG.forward"),
    ("torchvision.models.alexnet", "AlexNet.forward"),
    ("seewhy.grounding.networks", "VGG.forward"),
}
"""Forward functions that run `_LAID_OUT` one after the other, flattened before the last."""
_REMEDY = (
    "excitation backprop would explain another network; put all that it does into layers of an "
    "nn.Sequential, or take Grad-CAM (seewhy.gradcam.recurrent), which takes any CNN"
)


@dataclass(frozen=True)
class Step:
    """A layer with its name, and whether a ReLU follows it.

    Attributes:
        output: name of the module in the CNN that gives the step's activations
            (`seewhy.hooking.find_layer`).
    """

    name: str
    layer: nn.Module
    rectified: bool
    output: str = ""

    def __call__(self, x: Tensor) -> Tensor:
        """Activations of the layer, after its ReLU."""
        y = plain_forward(self.layer, x)
        if not self.rectified:
            return y
        return functional.relu(y, inplace=isinstance(self.layer, WEIGHTED))  # y is nobody else's


def plain_forward(layer: nn.Module, x: Tensor) -> Tensor:
    """What PyTorch's layer of this kind computes, without hooks or a forward of its own."""
    if isinstance(layer, nn.Conv2d):
        return _CONVOLVE(layer, x, layer.weight, layer.bias)
    return next(kind for kind in _KINDS if isinstance(layer, kind)).forward(layer, x)


def runs_as_known(module: nn.Module, *known: object) -> bool:
    """Whether a module runs one of the `known` forward functions, and no hooks."""
    return (
        type(module).forward in known
        and type(module).__call__ is nn.Module.__call__
        and getattr(type(module), "_conv_forward", _CONVOLVE) is _CONVOLVE
        and getattr(type(module), "__iter__", _ITERATE) is _ITERATE
        and not {"forward", "_call_impl", "_conv_forward"} & vars(module).keys()
        and not (module._forward_hooks or module._forward_pre_hooks)
        and not _has_any_global_hook()
    )


class Chain:
    """The layers of a CNN at inference; the CNN itself is neither changed nor hooked.

    Dropout is left out, batch norm with its running statistics is folded into the layer before it.
    Weights are the CNN's own, so a chain follows its training, but for folded ones: build the chain
    anew after training on.

    Args:
        cnn: an ``nn.Sequential`` (nested ones too) of convolutions, ReLUs, pools, linear layers,
            or a network of torchvision's that is laid out as ``features``, ``avgpool``,
            ``classifier`` (VGG, AlexNet).

    Attributes:
        cnn: the CNN, without what ``nn.DataParallel`` and its like put around it.
        known: whether its code is known to run these layers one after another.

    Raises:
        InputError: a layer of another kind; the line names it.
    """

    def __init__(self, cnn: nn.Module) -> None:
        self.cnn = unwrapped(cnn)
        self.known = all(
            runs_as_known(module, *_KNOWN) or (module is self.cnn and _is_known_network(module))
            for name, module in self.cnn.named_modules()
            if "parametrizations" not in name.split(".")
        )
        self._layers = list(_flat(self.cnn, ""))  # places and modules
        self.steps: list[Step] = []
        self._ends: list[int] = []  # of each step the last layer
        group, number, linear = 1, 0, 0
        layers = list(_folded(self._layers))
        if not layers:
            raise InputError("the CNN has no layer")
        for place, (index, layer) in enumerate(layers):
            if isinstance(layer, nn.ReLU):
                if place == 0:
                    raise InputError(
                        f"layer {self._layers[index][0]}: the chain begins with a ReLU; begin with "
                        "a layer"
                    )
                continue
            follower = layers[place + 1][1] if place + 1 < len(layers) else None
            rectified = isinstance(follower, nn.ReLU)
            if isinstance(layer, nn.Conv2d):
                number += 1
                name = f"conv{group}_{number}"
            elif isinstance(layer, nn.Linear):
                group += linear == 0 and number > 0
                linear += 1
                name = f"fc{group + linear - 1}"
            elif isinstance(layer, POOLS):
                name = f"pool{group}" if number else f"pool{group - 1}_again"
                group, number = group + (number > 0), 0
            else:
                name = "flatten"
            last = layers[place + 1][0] if rectified else index
            self._ends.append(last)
            self.steps.append(Step(name, layer, rectified, self._asked(last)))

    def _asked(self, index: int) -> str:
        """How `seewhy.hooking` names a layer: with the number of its call, if there are several."""
        where, module = self._layers[index]
        calls = [k for k, (_, other) in enumerate(self._layers) if other is module]
        return where if len(calls) == 1 else f"{where}@{1 + calls.index(index)}"

    @property
    def names(self) -> list[str]:
        """Names of the layers, from the first to the last."""
        return [step.name for step in self.steps]

    def place(self, name: str) -> int:
        """Index of the layer of that name, ``conv5`` being the last convolution of group 5.

        Raises:
            InputError: there is none; the line lists those there are.
        """
        if name in self.names:
            return self.names.index(name)
        for index in reversed(range(len(self.steps))):
            if self.steps[index].name.split("_")[0] == name:
                return index
        raise InputError(f"layer {none_such(name, self.names)}")

    def __call__(self, x: Tensor, keep: int | None = None) -> tuple[Tensor, list[Tensor]]:
        """Run the layers.

        Args:
            x: ``[b, channels, h, w]``.
            keep: index of a layer; None keeps nothing.

        Returns:
            The last layer's activations, and those of every layer from `keep` to the last but one:
            what the layers above `keep` read.
        """
        kept = []
        x = channels_last(x)
        for index, step in enumerate(self.steps):
            x = step(x)
            if keep is not None and keep <= index < len(self.steps) - 1:
                kept.append(x)
        return x, kept

    def features(
        self, frames: Tensor, keep: int | None = None, *, first: bool = True
    ) -> tuple[Tensor, list[Tensor]]:
        """Run the layers, and hold what they give against what the CNN gives.

        Args:
            frames: ``[b, channels, h, w]``.
            keep: see `__call__`.
            first: whether these are the first frames of a call.

        Returns:
            As `__call__`.

        Raises:
            InputError: the CNN computes something else; the line names the module at which they
                part.
        """
        one = frames[: int(first and any(isinstance(layer, _NORMS) for _, layer in self._layers))]
        if self.known:
            # The CNN comes first: hooks of older kinds write the weights in its forward pass.
            own = run(self.cnn, channels_last(one), what="the CNN") if len(one) else None
            found, kept = run(lambda x: self(x, keep=keep), frames, what="the CNN")
            if len(one):
                self._require_close(one, found[:1], own)
            return found, kept
        own, line, (found, kept) = self._watched(frames, keep)
        self._require_close(frames, found, own)
        if line:
            raise InputError(line)  # of faults that undo each other
        if len(one):
            self._require_close(one, run(lambda x: self(x)[0], one, what="the CNN"), own[:1])
        return found, kept

    def _require_close(self, frames: Tensor, found: Tensor, own: object) -> None:
        same = isinstance(own, Tensor) and own.shape[1:] == found.shape[1:]
        if not same or not apart(found, own) <= tolerance(found.dtype):
            raise InputError(self._difference(frames, found, own))

    def _watched(
        self, frames: Tensor, keep: int | None = None
    ) -> tuple[object, str | None, tuple[Tensor, list[Tensor]]]:
        """Run the CNN, and hold what its modules read and give against plain layers as they run.

        Args:
            frames: ``[b, channels, h, w]``.
            keep: see `__call__`.

        Returns:
            What the CNN gives; the line about the innermost module that reads what it should and
            gives something else than its layers give one after another, or a layer that reads
            something else, None where there is none; and what `__call__` gives, by the layers as
            they are, without anything folded.
        """
        layers = [layer for _, layer in self._layers]
        ends = [] if keep is None else self._ends[keep:-1]
        plain = _PlainLayers(layers, channels_last(frames), ends)
        reads_otherwise: str | None = None  # the first layer that reads something else
        line: str | None = None
        known: tuple[Tensor, int, int] | None = None  # what was last found to be as before a layer

        def is_before(index: int, found: Tensor | None) -> bool:
            nonlocal known
            expected = plain.before(index)
            mark = None if found is None or found.is_inference() else (found._version, index)
            if known and mark and found is known[0] and mark == known[1:]:
                return True
            close = _close(found, expected, tolerance(frames.dtype))
            known = (found, *mark) if close and mark else None
            return close

        def begin(call: Call) -> tuple[int, bool] | None:
            nonlocal reads_otherwise
            span = self._span(call)
            if span is None or line:
                return None
            first, last = span
            right = is_before(first, call.given)
            if not right:
                reads_otherwise = reads_otherwise or self._layers[first][0]
            return last, right

        def end(call: Call, begun: tuple[int, bool] | None) -> None:
            nonlocal line
            if begun is None or line:
                return
            last, right = begun
            if right and not is_before(last + 1, call.output):
                line = self._line(call, reads_otherwise)

        with watching(self.cnn, begin, end):
            own = run(self.cnn, channels_last(frames.clone()), what="the CNN")  # may work in place
        if reads_otherwise and not line:
            line = (
                f"layer {reads_otherwise} reads something else than the layer before it gives, by "
                f"a forward or by hooks; {_REMEDY}"
            )
        last = plain.before(len(layers))
        return own, line, (last, [plain.kept[end] for end in ends])

    def _difference(self, frames: Tensor, found: Tensor, own: object) -> str:
        """The line that says at which module the CNN parts from the chain."""
        worst = frames[:1]
        if isinstance(own, Tensor) and own.shape == found.shape:
            off = (found - own).abs().flatten(1).amax(dim=1).nan_to_num(nan=torch.inf)
            worst = frames[off.argmax()][None]
        x, line, _ = self._watched(worst)
        if line:
            return line
        if not isinstance(x, Tensor):
            return f"the CNN gives {type(x).__name__}, not one tensor; put out its features alone"
        if not apart(self(worst)[0], x) <= tolerance(x.dtype):
            return (
                "batch norm folded into the layers before it gives something else than the CNN, by "
                f"rounding in {x.dtype}; give the network and frames in float64"
            )
        return (
            "the CNN is not the chain of its layers: what it gives for a frame changes with the "
            "other frames that pass with it; excitation backprop needs a CNN of single frames"
        )

    def _span(self, call: Call) -> tuple[int, int] | None:
        """First and last of the layers that run in a call; None where that cannot be said."""
        inside = {id(module) for module in call.module.modules()}
        own = [k for k, (_, layer) in enumerate(self._layers) if id(layer) in inside]
        if call.module is self.cnn:
            return 0, len(self._layers) - 1
        if len(inside) == 1:  # a layer, which may run several times
            return (own[call.number - 1],) * 2 if call.number <= len(own) else None
        return (own[0], own[-1]) if own and own == list(range(own[0], own[-1] + 1)) else None

    @staticmethod
    def _line(call: Call, reads_otherwise: str | None) -> str:
        kind, where = type(call.module).__name__, call.name or "at the top"
        if any(True for _ in call.module.children()):
            first = f", as of layer {reads_otherwise}" if reads_otherwise else ""
            return (
                f"layer {where}: {kind} does something else than to run its layers one after "
                f"another{first}, by its forward or by hooks; {_REMEDY}"
            )
        return (
            f"layer {where}: this {kind} gives something else than a {kind} of its weights, by its "
            f"forward or by hooks; {_REMEDY}"
        )

    def part(self, x: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        """Run the layers from index `start` to the one before `stop`; None: to the last."""
        x = channels_last(x)
        for step in self.steps[start:stop]:
            x = step(x)
        return x

    def require_rectified(self, first: int) -> None:
        """Refuse a chain whose activations from layer `first` on can be negative.

        Raises:
            InputError: names the layer without a ReLU.
        """
        for step in self.steps[first:]:
            if isinstance(step.layer, WEIGHTED) and not step.rectified:
                raise InputError(
                    f"layer {step.name}: no ReLU follows it, so its activations can be negative; "
                    "excitation backprop needs activations of at least 0"
                )
        if not any(isinstance(step.layer, WEIGHTED) for step in self.steps[: first + 1]):
            raise InputError(
                f"layer {self.steps[first].name}: what it gives can be negative, since no "
                "convolution with a ReLU comes before it; take a higher layer"
            )


class _PlainLayers:
    """What layers give one after another, as far as it was asked for.

    Args:
        layers: of a chain.
        x: what the first one reads.
        kept: layers whose output is kept, in `kept`.
    """

    def __init__(self, layers: Sequence[nn.Module], x: Tensor, kept: Sequence[int]) -> None:
        self._layers, self._first, self._wanted = layers, x, set(kept)
        self._at, self._x = 0, x
        self.kept: dict[int, Tensor] = {}

    def before(self, index: int) -> Tensor:
        """What the layer of this index reads; valid until a layer above is asked for."""
        if index < self._at:  # a CNN that runs its layers in another order
            self._at, self._x = 0, self._first
        while self._at < index:
            layer = self._layers[self._at]
            x = self._x.clone() if getattr(layer, "inplace", False) else self._x
            with torch.autocast(x.device.type, enabled=False):  # the CNN's own may be on
                self._x = run(lambda x, layer=layer: plain_forward(layer, x), x, what="the CNN")
            if self._at in self._wanted:
                self.kept[self._at] = self._x
            self._at += 1
        return self._x


def _close(found: Tensor | None, expected: Tensor, close: float) -> bool:
    if found is None or found.shape != expected.shape:
        return False
    alike = found.dtype == expected.dtype and found.device == expected.device
    return (alike and torch.equal(found, expected)) or apart(found, expected) <= close


def channels_last(x: Tensor) -> Tensor:
    """Images ``[b, channels, h, w]`` laid out as convolutions and pools are fastest on a CPU.

    On other devices they stay as they are.
    """
    if x.ndim != 4 or x.device.type != "cpu":
        return x
    return x.contiguous(memory_format=torch.channels_last)


def _flat(module: nn.Module, where: str) -> Iterator[tuple[str, nn.Module]]:
    """Layers in the order in which they run, with their places in the module."""
    module = unwrapped(module)
    if isinstance(module, nn.Sequential):
        for name, child in module._modules.items():  # named_children() has a shared layer once
            yield from _flat(child, f"{where}.{name}" if where else name)
    elif [name for name, _ in module.named_children()] == _LAID_OUT:
        within = f"{where}." if where else ""
        yield from _flat(module.features, f"{within}features")
        yield from _flat(module.avgpool, f"{within}avgpool")
        yield f"{within}flatten", nn.Flatten()
        yield from _flat(module.classifier, f"{within}classifier")
    elif isinstance(module, _PASSED):
        return
    elif isinstance(module, (nn.ReLU, nn.Flatten, *_NORMS, *POOLS, *WEIGHTED)):
        yield where or type(module).__name__, module
    else:
        remedy = "put the network as an nn.Sequential of Conv2d, ReLU, pools, Flatten and Linear"
        if isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
            remedy = (
                "train with seewhy.grounding.relu_lstm.ReluLSTM: excitation backprop needs ReLU"
            )
        raise InputError(
            f"layer {where or 'at the top'}: {type(module).__name__} is not supported by "
            f"excitation backprop; {remedy}"
        )


def _is_known_network(module: nn.Module) -> bool:
    forward = type(module).forward
    named = (forward.__module__, forward.__qualname__)
    return named in _KNOWN_NETWORKS and runs_as_known(module, forward)


def _folded(layers: list[tuple[str, nn.Module]]) -> Iterator[tuple[int, nn.Module]]:
    """Layers with their places, batch norms folded into copies of the layers before them."""
    waiting: tuple[int, nn.Module] | None = None
    for index, (where, layer) in enumerate(layers):
        if isinstance(layer, _NORMS):
            before = waiting[1] if waiting else None
            if layer.running_mean is None:
                raise InputError(
                    f"layer {where}: {type(layer).__name__} has no running statistics, so frames "
                    "that pass together would change each other; train it with "
                    "track_running_stats=True"
                )
            if not isinstance(before, WEIGHTED):
                raise InputError(
                    f"layer {where}: {type(layer).__name__} can only be folded into a convolution "
                    "or linear layer right before it"
                )
            waiting = (index, _fused(before, layer))
            continue
        if waiting:
            yield waiting
        waiting = (index, layer)
    if waiting:
        yield waiting


def _fused(layer: nn.Conv2d | nn.Linear, norm: nn.Module) -> nn.Conv2d | nn.Linear:
    """A layer with the weights of `layer` and a batch norm after it."""
    convolution = isinstance(layer, nn.Conv2d)
    fuse = fuse_conv_bn_weights if convolution else fuse_linear_bn_weights
    with torch.no_grad():
        weight, bias = fuse(
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias,
        )  # fmt: skip
    with without_weights():  # no weights that would be drawn for nothing
        if convolution:
            made: nn.Conv2d | nn.Linear = nn.Conv2d(
                layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride,
                layer.padding, layer.dilation, layer.groups, padding_mode=layer.padding_mode,
            )  # fmt: skip
        else:
            made = nn.Linear(layer.in_features, layer.out_features)
    made.weight, made.bias = (
        nn.Parameter(values.detach(), requires_grad=False) for values in (weight, bias)
    )
    return made
