"""Networks made for their shapes alone: without memory, and without weights that nobody reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = (torch.Tensor.normal_, torch.Tensor.uniform_)


@contextlib.contextmanager
def without_weights() -> Iterator[None]:
    """Modules that are made within lie on the device `meta`, and nothing is drawn for them.

    To draw has no effect there, but PyTorch 2.13 loads its compiler for it, as it does for
    `torch.eye`: two seconds in each job.
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        fills = getattr(func, "__module__", "") == "torch.nn.init" and func.__name__.endswith("_")
        if fills or func in _DRAWS:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        if func is torch.eye:
            rows, columns = (*args, args[0])[:2]
            return torch.empty(rows, columns, **kwargs)
        return func(*args, **kwargs)
