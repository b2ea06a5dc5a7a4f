"""Layers of any network by name, what they read and gave in a forward pass, and edits of it.

    layers = LayerOutputs(network, ["layer3", "layer4"])
    with layers.recording() as found:
        run(network, images)
    found["layer4"]                             # [n, units, h, w]

    with edited(network, "layer4", lambda maps: maps * kept):
        run(network, images)

All hooks of the package are opened and closed here, after an error too.

A layer is named as ``network.named_modules()`` has it; what ``nn.DataParallel``, ``torch.compile``
and their like put in front of a name may be left out. A name says which output is meant, or is
refused:

* A layer that runs several times in a pass, such as the ReLU in a block of torchvision's ResNet, is
  asked for by the number of its call, ``layer1.0.relu@2``.
* A layer that gives maps ``[n, h, w, units]``, such as Swin's, is asked for as ``features.1@nhwc``,
  one that gives ``[n, t, h, w, units]`` as ``norm@nthwc``. Its maps are handed out as
  ``[n, units, h, w]`` and ``[n, units, t, h, w]``.
* Where the units of maps are is found out (`Layout`): by which axes change their size with the
  image's height, width and number of frames. Where nothing tells, the layer must be asked for with
  its layout, ``features.1@nchw`` or ``features.1@nhwc``.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import InputError

WRAPPERS = ("module", "_orig_mod")
"""Attributes under which wrappers hold the network that they wrap."""


class Layout(Enum):
    """Where the units of maps are."""

    SECOND = "second"
    LAST = "last"
    ELSEWHERE = "elsewhere"


_MARKS = {
    "nchw": Layout.SECOND, "ncthw": Layout.SECOND, "nhwc": Layout.LAST, "nthwc": Layout.LAST,
}  # fmt: skip
_FORMS = {
    4: ("[n, units, h, w]", "[n, h, w, units]"),
    5: ("[n, units, t, h, w]", "[n, t, h, w, units]"),
}
_UNITS = {Layout.SECOND: lambda dimensions: 1 - dimensions, Layout.LAST: lambda _: -1}
"""Axis of the units, from the end."""
_PLAIN = (
    nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.BatchNorm2d, nn.BatchNorm3d,
    nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
"""Layers whose units come second by what they compute."""
_BY_ELEMENT = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Tanh,
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d,
)  # fmt: skip


class Reached(Exception):
    """All layers that were asked for have run."""


@dataclass(frozen=True)
class Layer:
    """A layer that was asked for.

    Attributes:
        asked: the name as it was given.
        name: of the module.
        module: it.
        call: which of its calls in a pass, from 1; None: it must run once.
        layout: of its maps, as it was named; None: it was not, and must be `Layout.SECOND`.
    """

    asked: str
    name: str
    module: nn.Module
    call: int | None = None
    layout: Layout | None = None

    @property
    def channels_last(self) -> bool:
        """Whether its maps are taken for ``[n, h, w, units]``."""
        return self.layout is Layout.LAST


def unwrapped(network: nn.Module) -> nn.Module:
    """The network inside ``nn.DataParallel``, ``torch.compile`` and their like; else itself."""
    while (inner := _inside(network)) is not None:
        network = getattr(network, inner)
    return network


def _inside(module: nn.Module) -> str | None:
    """Name of the attribute in which a wrapper holds a network; None if it is none."""
    if isinstance(module, torch.jit.ScriptModule):
        return None
    named = type(module).__name__
    if named == "OptimizedModule":
        return "_orig_mod"
    if named in ("DataParallel", "DistributedDataParallel", "AveragedModel"):
        return "module"
    return None


def named_modules(network: nn.Module) -> dict[str, nn.Module]:
    """Modules by their names, with and without what wrappers put in front; not the network itself.

    A module that stands in several places has several names.
    """
    found: dict[str, nn.Module] = {}

    def walk(module: nn.Module, names: list[str], above: tuple[nn.Module, ...]) -> None:
        for name in names:
            if name:
                found.setdefault(name, module)
        inner = _inside(module)
        for child_name, child in module._modules.items():
            if child is None or any(child is one for one in above):
                continue
            own = [f"{name}.{child_name}" if name else child_name for name in names]
            walk(child, own + (names if child_name == inner else []), (*above, child))

    walk(network, [""], (network,))
    return found


def find_layer(network: nn.Module, asked: str) -> Layer:
    """The layer of that name.

    Raises:
        InputError: there is none; the line has the nearest names. A call number that is none.
    """
    modules = named_modules(network)
    if not isinstance(asked, str):
        raise InputError(f"layer {asked!r} is not a name such as {', '.join(list(modules)[:3])}")
    if asked in modules:
        return _readable(Layer(asked, asked, modules[asked]))
    name, *marks = asked.split("@")
    call, layout = None, None
    for mark in marks:
        if mark in _MARKS:
            layout = _MARKS[mark]
        elif re.fullmatch(r"[1-9][0-9]{0,8}", mark):
            call = int(mark)
        else:
            raise InputError(
                f"layer {asked!r}: {mark!r} after @ is neither the number of a call, from 1, nor "
                f"a layout ({', '.join(_MARKS)})"
            )
    if name not in modules:
        top = [child for child, _ in network.named_children()]
        near = difflib.get_close_matches(name, list(modules), n=3, cutoff=0.5) or top
        remedy = f"give one such as {', '.join(near)}" if near else "the network has no layers"
        raise InputError(f"layer {asked!r} is not in the network; {remedy}")
    return _readable(Layer(asked, name, modules[name], call, layout))


def _readable(layer: Layer) -> Layer:
    if isinstance(layer.module, torch.jit.ScriptModule):
        raise InputError(
            f"layer {layer.asked!r} is TorchScript, whose layers cannot be read; give the "
            "nn.Module that it was made from"
        )
    return layer


class LayerOutputs:
    """Layers of a network, whose outputs are kept.

    Args:
        network: left as it was.
        names: of its layers.
        stop: end a pass with `Reached` once all of them have run, as nothing above is needed. The
            first pass runs to its end: only then is it known how often each layer runs.
        inputs: keep what they read, too, in `given`.
        edit: of an output and its layer's name, before it is kept.

    Attributes:
        given: what each layer read in the last pass, the first tensor where there are several.

    Raises:
        InputError: no such layer.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        *,
        stop: bool = False,
        inputs: bool = False,
        edit: Callable[[Tensor, str], Tensor] | None = None,
    ) -> None:
        self.network = unwrapped(network)
        self.layers = [find_layer(network, name) for name in dict.fromkeys(names)]
        self.given: dict[str, Tensor] = {}
        self._stop, self._inputs, self._edit = stop, inputs, edit
        self._known = False  # whether each runs as often as it should
        self._calls: dict[str, int] = {}
        self._image: tuple[int, ...] = ()  # h, w of the network's input, where it has some
        self._input: Tensor | None = None
        self._aside = False  # a pass of our own is under way
        # Before there are hooks of our own.
        self._plain = {one.asked for one in self.layers if _puts_units_second(one.module)}

    @contextlib.contextmanager
    def recording(self) -> Iterator[dict[str, Tensor]]:
        """Keep what the layers gave in the last pass within the block, by the names asked for.

        They are copies, so in-place layers cannot change them.

        Raises:
            InputError: a layer gives something else than a tensor; at the end of a pass, it did not
                run, or ran several times and was not asked for by the number of a call; at the end
                of the first, its units are elsewhere than they were taken to be, or where they
                are cannot be told.
        """
        found: dict[str, Tensor] = {}

        def begin(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            if not self._aside:
                found.clear(), self.given.clear(), self._calls.clear()
                self._image = image_size(inputs)
                self._input = next(iter(inputs), None)

        def before(layer: Layer):
            def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
                call = self._calls.get(layer.asked, 0) + 1
                if not self._aside and call == (layer.call or 1):
                    first = next(iter(inputs), None)
                    if not isinstance(first, Tensor):
                        raise InputError(f"layer {layer.asked!r} reads no tensor; give another")
                    self.given[layer.asked] = _copy(first)

            return hook

        def after(layer: Layer):
            def hook(_: nn.Module, __: tuple[Any, ...], output: object) -> None:
                if self._aside:
                    return
                call = self._calls[layer.asked] = self._calls.get(layer.asked, 0) + 1
                if call != (layer.call or 1):
                    return
                maps = units_first(_copy(one_tensor(output, layer.asked)), layer)
                found[layer.asked] = self._edit(maps, layer.asked) if self._edit else maps
                if self._stop and self._known and len(found) == len(self.layers):
                    raise Reached

            return hook

        def end(_: nn.Module, __: tuple[Any, ...], ___: object) -> None:
            if self._aside:
                return
            for layer in self.layers:
                require_calls(layer, self._calls.get(layer.asked, 0), self.network)
            if not self._known:
                self._require_layout(found)
            self._known, self._input = True, None

        with contextlib.ExitStack() as hooks:
            hooks.enter_context(self.network.register_forward_pre_hook(begin))
            for layer in self.layers:
                if self._inputs:
                    hooks.enter_context(layer.module.register_forward_pre_hook(before(layer)))
                hooks.enter_context(layer.module.register_forward_hook(after(layer)))
            hooks.enter_context(self.network.register_forward_hook(end))
            yield found

    def reached(self, found: dict[str, Tensor]) -> bool:
        """Whether nothing more is wanted of the last pass: all layers ran, and may stop it.

        Args:
            found: what was recorded.

        Raises:
            InputError: a layer ran several times, or its maps have their units last.
        """
        counts = [self._calls.get(layer.asked, 0) for layer in self.layers]
        if not self._stop or not all(counts):
            return False
        for layer, calls in zip(self.layers, counts, strict=True):
            require_calls(layer, calls, self.network)
        if not self._known:
            self._require_layout(found)
        return True

    def _require_layout(self, found: dict[str, Tensor]) -> None:
        """Refuse maps whose units are not where they are taken to be."""
        self._aside = True
        try:
            for layer in self.layers:
                maps = _as_given(found[layer.asked], layer)
                if maps.ndim in _FORMS:
                    self._require_units(layer, maps.shape)
        finally:
            self._aside = False

    def _require_units(self, layer: Layer, shape: torch.Size) -> None:
        """By what the layer computes, else by what changes with the image, else by what has its
        proportions, else as the layout was named.
        """
        if shape[1:].numel() == 1 or (shape[2:].numel() == 1 and not layer.channels_last):
            return  # a number for each unit, as a linear layer gives
        found: Layout | None = Layout.SECOND
        if layer.asked not in self._plain:
            changes = changing_axes(self.network, layer, self._input, shape)
            found = _layout_by_changes(changes) if changes else None
            if found is Layout.ELSEWHERE:
                # What changes with the image holds no units; the rest may, if it was named so, as
                # where the network itself resizes its images.
                gone = set().union(*changes.values())
                may_be = [one for one in _UNITS if _UNITS[one](len(shape)) not in gone]
                if layer.layout not in may_be:
                    raise _odd_layout(layer, shape, may_be)
                return
            found = found or _layout_by_proportions(shape, self._image) or layer.layout
        if found is None:
            raise _unknown_layout(layer, shape)
        if found is not (layer.layout or Layout.SECOND):
            raise _wrong_layout(layer, shape)


@contextlib.contextmanager
def edited(
    network: nn.Module, asked: str, edit: Callable[[Tensor], Tensor]
) -> Iterator[list[Tensor]]:
    """Put something else in the place of what a layer gives.

    Args:
        network: left as it was.
        asked: the layer.
        edit: of its output, maps as ``[n, units, h, w]`` or ``[n, units, t, h, w]``.

    Yields:
        What went on from the layer in each pass.

    Raises:
        InputError: as `LayerOutputs.recording`, but that it does not look where the units are.
    """
    layer, network = find_layer(network, asked), unwrapped(network)
    calls = 0
    passed: list[Tensor] = []

    def begin(_: nn.Module, __: tuple[Any, ...]) -> None:
        nonlocal calls
        calls = 0

    def put(_: nn.Module, __: tuple[Any, ...], output: object) -> Tensor | None:
        nonlocal calls
        calls += 1
        if calls != (layer.call or 1):
            return None
        maps = edit(units_first(one_tensor(output, asked), layer))
        passed.append(maps)
        return _as_given(maps, layer)

    def end(_: nn.Module, __: tuple[Any, ...], ___: object) -> None:
        require_calls(layer, calls, network)

    with (
        network.register_forward_pre_hook(begin),
        layer.module.register_forward_hook(put),
        network.register_forward_hook(end),
    ):
        yield passed


@dataclass(frozen=True)
class Call:
    """One call of a module in a forward pass, in the order in which calls end.

    Attributes:
        name: of the module.
        module: it.
        number: of the call, from 1.
        given: the first tensor that it read.
        output: the first tensor that it gave.
    """

    name: str
    module: nn.Module
    number: int
    given: Tensor | None
    output: Tensor | None


@contextlib.contextmanager
def every_call(network: nn.Module, *, copies: bool = True) -> Iterator[list[Call]]:
    """Every call of every module below a network in the passes within the block.

    Args:
        network: left as it was.
        copies: keep copies of the tensors; False: the tensors, which may change or be compared by
            identity.
    """
    calls: list[Call] = []

    def kept(tensor: Tensor | None) -> Tensor | None:
        return _copy(tensor) if copies and tensor is not None else tensor

    def begin(call: Call) -> Tensor | None:
        return kept(call.given)

    def end(call: Call, given: Tensor | None) -> None:
        calls.append(replace(call, given=given, output=kept(call.output)))

    with watching(network, begin, end):
        yield calls


@contextlib.contextmanager
def watching(
    network: nn.Module, begin: Callable[[Call], Any], end: Callable[[Call, Any], None]
) -> Iterator[None]:
    """Tell of every call of every module below a network, and of it, when it begins and ends.

    Args:
        network: left as it was.
        begin: is given the call, without its output.
        end: is given the call, and what `begin` made of it. Tensors are the network's own, which
            layers above may change.
    """
    numbers: dict[nn.Module, int] = {}
    waiting: dict[nn.Module, list[tuple[Call, Any]]] = {}

    def first_tensor(value: object) -> Tensor | None:
        while isinstance(value, (tuple, list)) and value:
            value = value[0]
        return value if isinstance(value, Tensor) else None

    def before(module: nn.Module, inputs: tuple[Any, ...], *, name: str) -> None:
        open_calls = waiting.setdefault(module, [])
        number = numbers.get(module, 0) + len(open_calls) + 1
        call = Call(name, module, number, first_tensor(inputs), None)
        open_calls.append((call, begin(call)))

    def after(module: nn.Module, _: tuple[Any, ...], output: object) -> None:
        numbers[module] = numbers.get(module, 0) + 1
        call, made = waiting[module].pop()
        end(replace(call, number=numbers[module], output=first_tensor(output)), made)

    with contextlib.ExitStack() as hooks:
        for name, module in network.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            hooks.enter_context(
                module.register_forward_pre_hook(lambda m, i, name=name: before(m, i, name=name))
            )
            hooks.enter_context(module.register_forward_hook(after))
        yield


def require_calls(layer: Layer, calls: int, network: nn.Module) -> None:
    """Refuse a layer that does not run as it was asked for.

    Raises:
        InputError: it did not run; it ran several times and no call was named; it ran less often.
    """
    if calls == 0:
        raise InputError(f"layer {layer.asked!r} does not run in a forward pass; give another")
    if layer.call is not None and calls < layer.call:
        raise InputError(
            f"layer {layer.asked!r}: {layer.name!r} runs {calls} times in a forward pass, not "
            f"{layer.call}"
        )
    if layer.call is None and calls > 1:
        _, *named = layer.asked.split("@")
        marks = "".join(f"@{mark}" for mark in named)
        block = layer.name.rpartition(".")[0]
        other = f" such as {block!r}" if block else ""
        raise InputError(
            f"layer {layer.asked!r} runs {calls} times in a forward pass; give another{other}, or "
            f"the number of the call, {layer.name}@1{marks} … {layer.name}@{calls}{marks}"
        )


def one_tensor(output: object, name: str) -> Tensor:
    """The output as it is.

    Raises:
        InputError: it is not one tensor.
    """
    if not isinstance(output, Tensor):
        raise InputError(
            f"layer {name!r} gives {type(output).__name__}, not one tensor; give a layer inside it"
        )
    return output


def units_first(output: Tensor, layer: Layer) -> Tensor:
    """A layer's maps as ``[n, units, (t,) h, w]``, if it was asked for with its units last."""
    return output.movedim(-1, 1) if layer.channels_last and output.ndim in _FORMS else output


def _as_given(maps: Tensor, layer: Layer) -> Tensor:
    """Maps of `units_first` as the layer gives them."""
    return maps.movedim(1, -1) if layer.channels_last and maps.ndim in _FORMS else maps


def _unmarked(layer: Layer) -> str:
    """The layer's name and call, without a layout."""
    return "@".join(part for part in layer.asked.split("@") if part not in _MARKS)


def _mark(layout: Layout, dimensions: int) -> str:
    return next(m for m, one in _MARKS.items() if one is layout and len(m) == dimensions)


def _wrong_layout(layer: Layer, shape: torch.Size) -> InputError:
    dimensions, name = len(shape), _unmarked(layer)
    second, last = _FORMS[dimensions]
    if layer.channels_last:
        return InputError(
            f"layer {layer.asked!r} gives {list(shape)}, which look like maps {second}; if they "
            f"are, ask for it without @{_mark(Layout.LAST, dimensions)}"
        )
    return InputError(
        f"layer {layer.asked!r} gives {list(shape)}, which look like maps {last}; if they are, ask "
        f"for {name}@{_mark(Layout.LAST, dimensions)}, or give a layer whose output is {second}"
    )


def _unknown_layout(layer: Layer, shape: torch.Size) -> InputError:
    return InputError(
        f"layer {layer.asked!r} gives {list(shape)}, and whether its units come second or last "
        f"cannot be told; ask for {_ways(layer, shape, list(_UNITS))}"
    )


def _odd_layout(layer: Layer, shape: torch.Size, may_be: list[Layout]) -> InputError:
    second, last = _FORMS[len(shape)]
    named = f", or ask for {_ways(layer, shape, may_be)}" if may_be else ""
    return InputError(
        f"layer {layer.asked!r} gives {list(shape)}, whose sizes change with the image's as those "
        f"of neither maps {second} nor {last} do; give a layer that gives such maps{named}"
    )


def _ways(layer: Layer, shape: torch.Size, layouts: list[Layout]) -> str:
    forms = dict(zip(_UNITS, _FORMS[len(shape)], strict=True))
    return " or ".join(
        f"{_unmarked(layer)}@{_mark(layout, len(shape))} if they are {forms[layout]}"
        for layout in layouts
    )


def _puts_units_second(module: nn.Module) -> bool:
    """Whether a layer's units come second by what it computes, if it is PyTorch's own."""
    if "forward" in vars(module) or module._forward_hooks:
        return False
    if type(module) is nn.Sequential:
        children = list(module._modules.values())
        while children and type(children[-1]) in _BY_ELEMENT and not children[-1]._forward_hooks:
            children.pop()
        return bool(children) and _puts_units_second(children[-1])
    return type(module) in _PLAIN


def _layout_by_proportions(shape: torch.Size, image: tuple[int, ...]) -> Layout | None:
    """Which of the layouts leaves maps of the image's proportions; None: neither or both do."""
    second, last = _like_image(*shape[-2:], image), _like_image(*shape[-3:-1], image)
    if second == last:
        return None
    return Layout.SECOND if second else Layout.LAST


def _like_image(h: int, w: int, image: tuple[int, ...]) -> bool:
    """Whether maps of h x w have the proportions of the image; not known: it is square."""
    height, width = image or (1, 1)
    # A cell more or less is rounding: by padding, or of a size that a stride does not divide.
    return abs(h * width - w * height) <= (max(height, width) if image else 0)


def changing_axes(
    network: nn.Module, layer: Layer, x: object, shape: torch.Size
) -> dict[int, set[int]]:
    """Which axes of a layer's output change their size with an axis of the image.

    Units are as many whatever the image, and height, width and time of maps are not.

    Args:
        network: runs up to the layer on half of an image; if nothing changes, on one three times
            as large.
        layer: of it.
        x: the network's input, images ``[n, c, h, w]`` or clips ``[n, c, t, h, w]``.
        shape: of the layer's output for `x`.

    Returns:
        All axes counted from the end; without those axes of the image with which nothing changes,
        or of which the network takes no other size.
    """
    if not isinstance(x, Tensor) or x.ndim < 4:
        return {}
    axes = [-1, -2]
    if min(len(shape), x.ndim) == 5 and shape[1] <= x.shape[-3]:
        axes.append(-3)  # units that are more than the frames are not frames
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if any(module._compiled_call_impl is not None for module in network.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        found = {axis: _changed(network, layer, x[:1], axis, shape) for axis in axes}
    return {axis: changed for axis, changed in found.items() if changed}


def _changed(network: nn.Module, layer: Layer, x: Tensor, axis: int, shape: torch.Size) -> set[int]:
    half = x.shape[axis] // 2
    others = [x.narrow(axis, 0, half)] if half else []
    for other in (*others, torch.cat([x] * 3, dim=axis)):
        outputs: list[object] = []

        def keep(_: nn.Module, __: tuple[Any, ...], output: object, outputs=outputs) -> None:
            outputs.append(output)
            if len(outputs) == (layer.call or 1):
                raise Reached

        with (
            layer.module.register_forward_hook(keep),
            contextlib.suppress(Exception),  # not every network takes images of any size
        ):
            network(other)
        last = outputs[-1] if len(outputs) == (layer.call or 1) else None
        if isinstance(last, Tensor) and last.ndim == len(shape):
            changed = {k for k in range(1 - len(shape), 0) if last.shape[k] != shape[k]}
            if changed:
                return changed
    return set()


def _layout_by_changes(changes: dict[int, set[int]]) -> Layout:
    """Where the units are, if what changes with the image is known."""
    for layout, off in ((Layout.SECOND, 0), (Layout.LAST, -1)):
        if all(changed == {axis + off} for axis, changed in changes.items()):
            return layout
    return Layout.ELSEWHERE


def image_size(inputs: Sequence[Any]) -> tuple[int, ...]:
    """h, w of images ``[n, c, h, w]`` or clips ``[…, h, w]`` that a network reads; else nothing."""
    first = inputs[0] if inputs else None
    return tuple(first.shape[-2:]) if isinstance(first, Tensor) and first.ndim >= 4 else ()


def _copy(x: Tensor) -> Tensor:
    return x.detach().clone()
