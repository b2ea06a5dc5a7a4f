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
* A layer that gives maps ``[n, h, w, units]``, such as Swin's, is asked for as ``features.1@nhwc``.
  Its maps are handed out as ``[n, units, h, w]``.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import InputError

WRAPPERS = ("module", "_orig_mod")
"""Attributes under which wrappers hold the network that they wrap."""
_LAST = "nhwc"


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
        channels_last: its maps are ``[n, h, w, units]``.
    """

    asked: str
    name: str
    module: nn.Module
    call: int | None = None
    channels_last: bool = False


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
    call, last = None, False
    for mark in marks:
        if mark == _LAST:
            last = True
        elif re.fullmatch(r"[1-9][0-9]{0,8}", mark):
            call = int(mark)
        else:
            raise InputError(
                f"layer {asked!r}: {mark!r} after @ is neither the number of a call, from 1, nor "
                f"{_LAST}"
            )
    if name not in modules:
        top = [child for child, _ in network.named_children()]
        near = difflib.get_close_matches(name, list(modules), n=3, cutoff=0.5) or top
        remedy = f"give one such as {', '.join(near)}" if near else "the network has no layers"
        raise InputError(f"layer {asked!r} is not in the network; {remedy}")
    return _readable(Layer(asked, name, modules[name], call, last))


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

    @contextlib.contextmanager
    def recording(self) -> Iterator[dict[str, Tensor]]:
        """Keep what the layers gave in the last pass within the block, by the names asked for.

        They are copies, so in-place layers cannot change them.

        Raises:
            InputError: a layer gives something else than a tensor; at the end of a pass, it did not
                run, or ran several times and was not asked for by the number of a call; at the end
                of the first, its maps look like ``[n, h, w, units]``.
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
                maps = found[layer.asked]
                if maps.ndim == 4 and self._units_last(layer, maps) is not layer.channels_last:
                    raise _wrong_layout(layer, maps)
        finally:
            self._aside = False

    def _units_last(self, layer: Layer, maps: Tensor) -> bool:
        """By the sizes; where these do not tell, or tell against what was asked for, by what grows
        with the image; where that cannot be found out, as the sizes say or as was asked for.
        """
        _, *cells = maps.shape  # units, h, w, if they were asked for rightly
        first, second, third = (*cells[1:], cells[0]) if layer.channels_last else cells
        may_be_last = _like_image(first, second, self._image)
        may_be_second = _like_image(second, third, self._image)
        if maps.shape[1:].numel() == 1 or not (may_be_last or may_be_second):
            return layer.channels_last
        by_size = layer.channels_last if may_be_last and may_be_second else may_be_last
        if may_be_last == may_be_second or by_size is not layer.channels_last:
            known = units_are_last(self.network, layer, self._input)
            return by_size if known is None else known
        return by_size


@contextlib.contextmanager
def edited(
    network: nn.Module, asked: str, edit: Callable[[Tensor], Tensor]
) -> Iterator[list[Tensor]]:
    """Put something else in the place of what a layer gives.

    Args:
        network: left as it was.
        asked: the layer.
        edit: of its output, maps as ``[n, units, h, w]``.

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

    def replace(_: nn.Module, __: tuple[Any, ...], output: object) -> Tensor | None:
        nonlocal calls
        calls += 1
        if calls != (layer.call or 1):
            return None
        maps = edit(units_first(one_tensor(output, asked), layer))
        passed.append(maps)
        return maps.movedim(1, -1) if layer.channels_last else maps

    def end(_: nn.Module, __: tuple[Any, ...], ___: object) -> None:
        require_calls(layer, calls, network)

    with (
        network.register_forward_pre_hook(begin),
        layer.module.register_forward_hook(replace),
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
    numbers: dict[nn.Module, int] = {}
    waiting: dict[nn.Module, list[Tensor | None]] = {}

    def keep(value: object) -> Tensor | None:
        first = value
        while isinstance(first, (tuple, list)) and first:
            first = first[0]
        if not isinstance(first, Tensor):
            return None
        return _copy(first) if copies else first

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        waiting.setdefault(module, []).append(keep(inputs))

    def after(module: nn.Module, _: tuple[Any, ...], output: object, *, name: str) -> None:
        numbers[module] = numbers.get(module, 0) + 1
        given = waiting[module].pop()
        calls.append(Call(name, module, numbers[module], given, keep(output)))

    with contextlib.ExitStack() as hooks:
        for name, module in network.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue
            hooks.enter_context(module.register_forward_pre_hook(before))
            hooks.enter_context(
                module.register_forward_hook(lambda m, i, o, name=name: after(m, i, o, name=name))
            )
        yield calls


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
        marks = f"@{_LAST}" if layer.channels_last else ""
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
    """A layer's maps as ``[n, units, h, w]``, if it was asked for as ``[n, h, w, units]``."""
    return output.movedim(-1, 1) if layer.channels_last and output.ndim == 4 else output


def _wrong_layout(layer: Layer, maps: Tensor) -> InputError:
    if layer.channels_last:
        return InputError(
            f"layer {layer.asked!r} gives {list(maps.movedim(1, -1).shape)}, which look like maps "
            f"[n, units, h, w]; if they are, ask for it without @{_LAST}"
        )
    return InputError(
        f"layer {layer.asked!r} gives {list(maps.shape)}, which look like maps [n, h, w, units]; "
        f"if they are, ask for {layer.asked}@{_LAST}, or give a layer whose output is "
        "[n, units, h, w]"
    )


def _like_image(h: int, w: int, image: tuple[int, ...]) -> bool:
    """Whether maps of h x w have the proportions of the image; not known: it is square."""
    height, width = image or (1, 1)
    # A cell more or less is rounding: by padding, or of a size that a stride does not divide.
    return abs(h * width - w * height) <= (max(height, width) if image else 0)


def units_are_last(network: nn.Module, layer: Layer, x: object) -> bool | None:
    """Whether of a layer's output, with four dimensions, the third grows with the width of the
    image and not the fourth.

    Args:
        network: runs twice, on an image and on one three times as wide.
        layer: of it.
        x: its input, images ``[n, c, h, w]``.

    Returns:
        True: the units come last; False: second; None: neither grows or both do, or the network
        takes no wider image.
    """
    if not isinstance(x, Tensor) or x.ndim < 4:
        return None
    outputs: list[object] = []
    shapes: list[torch.Size] = []
    for wide in (x[:1], torch.cat([x[:1]] * 3, dim=-1)):
        outputs.clear()
        with (
            torch.no_grad(),
            layer.module.register_forward_hook(lambda _, __, output: outputs.append(output)),
            contextlib.suppress(Exception),  # layers above may want a fixed size
        ):
            network(wide)
        output = outputs[(layer.call or 1) - 1] if len(outputs) >= (layer.call or 1) else None
        if not isinstance(output, Tensor) or output.ndim != 4:
            return None
        shapes.append(output.shape)
    third, fourth = (b > a for a, b in zip(*(shape[2:] for shape in shapes), strict=True))
    return third if third != fourth else None


def image_size(inputs: Sequence[Any]) -> tuple[int, ...]:
    """h, w of images ``[n, c, h, w]`` or clips ``[…, h, w]`` that a network reads; else nothing."""
    first = inputs[0] if inputs else None
    return tuple(first.shape[-2:]) if isinstance(first, Tensor) and first.ndim >= 4 else ()


def _copy(x: Tensor) -> Tensor:
    return x.detach().clone()
