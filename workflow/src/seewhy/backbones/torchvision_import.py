"""Import torchvision beside any torch.

The wheel of torchvision on PyPI is built for CUDA. Beside a torch for CPUs only, its C++ library
does not load, and the import then fails where Python code refers to two operators of that library.
None of them is used here, so where they are missing they are declared (without a body) first.
"""

from __future__ import annotations

import functools
from types import ModuleType

import torch

_OPERATORS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: torch.library.Library | None = None


def _declare_missing() -> None:
    global _library
    for name, schema in _OPERATORS.items():
        if not hasattr(torch.ops.torchvision, name):
            # The declarations last as long as the library object.
            _library = _library or torch.library.Library("torchvision", "FRAGMENT")
            _library.define(schema)


@functools.cache
def import_torchvision() -> ModuleType:
    """The module ``torchvision``, with ``torchvision.models`` imported."""
    try:
        import torchvision.models
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_missing()
        import torchvision.models
    return torchvision
