"""Evaluation mode for a while; each module's mode comes back, after an error too.

with evaluating(network): ...   # no gradients
with explaining(network): ...   # the same, whatever is around: no_grad, inference_mode, autocast
with explaining(network), torch.enable_grad(): ...    # gradients of inputs, not of weights
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from seewhy.running import require_weights

HALVES = (torch.float16, torch.bfloat16)


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Dropout off, batch norm by its running statistics; autograd as it is."""
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients."""
    with evaluation_mode(network), torch.no_grad():
        yield


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Evaluation mode in which weights take no gradient."""
    wanted = [p for p in network.parameters() if p.requires_grad]
    try:
        for p in wanted:
            p.requires_grad_(False)
        with evaluation_mode(network):
            yield
    finally:
        for p in wanted:
            p.requires_grad_(True)


@contextlib.contextmanager
def explaining(network: nn.Module) -> Iterator[None]:
    """Evaluation mode in which the network can be explained, whatever the caller's context.

    Weights take no gradient and there is none unless ``torch.enable_grad()`` follows. Inference
    mode and autocast are off, and a compiled network runs as it is written, with its hooks. In the
    block, weights of half precision stand in float32, in which small probabilities and gradients do
    not vanish, and weights that were made in inference mode are ordinary ones.

    Raises:
        InputError: a network without weights, or whose batch norm takes its statistics from the
            batch (`seewhy.running.require_weights`).
    """
    require_weights(network)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        if any(_is_compiled(module) for module in network.modules()):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_ordinary_weights(network))
        stack.enter_context(_differentiable_recurrence(network))
        stack.enter_context(frozen(network))
        yield


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or module._compiled_call_impl is not None


@contextlib.contextmanager
def _differentiable_recurrence(network: nn.Module) -> Iterator[None]:
    """LSTMs and GRUs on a GPU run without cuDNN, whose have no gradient in evaluation mode."""
    before: list[bool] = []

    def off(*_: object) -> None:
        before.append(torch.backends.cudnn.enabled)
        torch.backends.cudnn.enabled = False

    def back(*_: object) -> None:
        torch.backends.cudnn.enabled = before.pop()

    with contextlib.ExitStack() as hooks:
        for module in network.modules():
            if isinstance(module, nn.RNNBase) and any(p.is_cuda for p in module.parameters()):
                hooks.enter_context(module.register_forward_pre_hook(off))
                hooks.enter_context(module.register_forward_hook(back, always_call=True))
        yield


@contextlib.contextmanager
def placed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """The network on a device for a while; then its own weights are back where they were."""
    weights = [(p, p.data) for p in network.parameters()]
    buffers = [
        (module._buffers, name, value)
        for module in network.modules()
        for name, value in module._buffers.items()
        if value is not None
    ]
    moves = any(value.device != device for value in (*network.parameters(), *network.buffers()))
    try:
        if moves:
            network.to(device)
        yield
    finally:
        if moves:
            for p, data in weights:
                p.data = data
            for kept, name, value in buffers:
                kept[name] = value


@contextlib.contextmanager
def _ordinary_weights(network: nn.Module) -> Iterator[None]:
    """For a while, float32 copies of weights and buffers of half precision, copies of weights that
    were made in inference mode.
    """
    changed = []
    copies: dict[int, torch.Tensor] = {}  # a shared weight stays shared
    try:
        for module in network.modules():
            for kept in (module._parameters, module._buffers):
                for name, value in kept.items():
                    if value is None or not (value.dtype in HALVES or value.is_inference()):
                        continue
                    if id(value) not in copies:
                        as_float = torch.float32 if value.dtype in HALVES else value.dtype
                        copies[id(value)] = value.detach().to(as_float, copy=True)
                    changed.append((kept, name, value))
                    kept[name] = copies[id(value)]
        yield
    finally:
        for kept, name, value in changed:
            kept[name] = value
