"""Where a network runs and in which precision."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable

import torch
from torch import nn

from seewhy.errors import InputError
from seewhy.memory import check_memory, is_out_of_memory
from seewhy.skeletons import without_weights

log = logging.getLogger(__name__)
PRECISIONS = ("auto", "native", "float32", "bfloat16", "float16")


def choose_device(device: str | torch.device) -> torch.device:
    """``cpu``, ``cuda``, ``cuda:1``, or ``auto``: CUDA where there is one.

    Raises:
        InputError: another name, or a CUDA device that torch does not see.
    """
    device = str(device)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError(f"device: {device!r} is not one of auto, cpu, cuda")
    if device != "cpu" and not torch.cuda.is_available():
        raise InputError("device: cuda, but torch sees no CUDA device here; set it to auto or cpu")
    found = torch.device(device)
    if (found.index or 0) >= max(1, torch.cuda.device_count()):
        raise InputError(
            f"device: {device}, but torch sees {torch.cuda.device_count()} CUDA devices here, from "
            "cuda:0 on"
        )
    return found


def check_network(
    build: Callable[[], nn.Module], device: torch.device, what: str, *, remedy: str
) -> None:
    """Refuse a network that cannot be trained here for want of memory, before it is made.

    Args:
        build: makes it; it is called where tensors have shapes and no content, and draws nothing.
        device: where it is to be trained.
        what: its name in the message.
        remedy: which settings to lower.

    Raises:
        InputError: its weights, their gradients and the optimiser's two numbers of each do not fit.
    """
    try:
        with without_weights():
            size = sum(one.numel() * one.element_size() for one in build().parameters())
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        size = 1 << 63  # more bytes than can be counted
    usable = None
    if device.type == "cuda":
        usable = torch.cuda.get_device_properties(device).total_memory
    check_memory(4 * size, what, remedy=remedy, usable=usable)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively (else it is slower than float32)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def choose_precision(precision: str, device: torch.device, *, training: bool) -> str:
    """The precision of the heavy operations: ``float32``, ``bfloat16`` or ``float16``.

    ``native`` is bfloat16 where the device multiplies it, else float32: a processor that does not
    takes several times as long with bfloat16 as with float32. ``auto`` is ``native`` for training;
    for inference it is float16 on a GPU and float32 on a CPU, so that results agree from processor
    to processor.

    Raises:
        InputError: an unknown name, or float16 where it does not work (CPUs, training).
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: {precision!r} is not one of {', '.join(PRECISIONS)}")
    if precision == "auto" and not training:
        return "float16" if device.type == "cuda" else "float32"
    if precision in ("auto", "native"):
        return "bfloat16" if has_bfloat16(device) else "float32"
    if precision == "float16" and (training or device.type == "cpu"):
        raise InputError(
            "precision: float16 is for inference on a GPU; take bfloat16, float32 or auto"
        )
    if precision == "bfloat16" and not has_bfloat16(device):
        log.warning(
            "precision: bfloat16, which %s does not multiply natively: float32 is several times "
            "faster, and more exact",
            "this GPU" if device.type == "cuda" else "this processor",
        )
    return precision


def training_format(network: nn.Module) -> torch.memory_format:
    """How a network's tensors lie in memory while it is trained: channels last, if that is safe.

    On a CPU without AVX-512, oneDNN 3.12 (of PyTorch 2.13) writes beyond its memory in the weight
    gradient of a strided 1x1 convolution that reads fewer than eight channels, channels last.
    """
    unsafe = any(
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels < 8
        for layer in network.modules()
    )
    return torch.contiguous_format if unsafe else torch.channels_last


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """Context in which heavy operations run in `precision`."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))
