"""Evaluation mode for a while; each module's mode comes back, after an error too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Dropout off, batch norm by its running statistics; autograd as it is."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
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
    wanted = [(p, p.requires_grad) for p in network.parameters()]
    network.requires_grad_(False)
    try:
        with evaluation_mode(network):
            yield
    finally:
        for p, value in wanted:
            p.requires_grad_(value)
