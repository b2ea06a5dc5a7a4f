"""Run a network that a user brings: on what it can read, or refused in one line.

    x = readable_input(network, frames, "frames")   # the weights' type and device, finite
    y = run(network, x)                             # the network's own error as an InputError

Whatever the network raises names what it was given, so that nobody reads a traceback of torch's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

from seewhy.errors import InputError
from seewhy.hooking import Reached

_TOLERANCES = {torch.float16: 2e-2, torch.bfloat16: 1e-1}


class NetworkError(InputError):
    """A network raised something when it was run."""


def tolerance(dtype: torch.dtype) -> float:
    """How far two computations of the same may lie apart, by the largest value.

    1e-4 is beyond the rounding of float32 in a deep network, and below what changes a map.
    """
    return _TOLERANCES.get(dtype, 1e-4)


def apart(found: Tensor, expected: Tensor) -> float:
    """Largest difference by the largest of `expected`; infinite where shapes or NaNs differ."""
    if found.shape != expected.shape:
        return torch.inf
    if not found.numel():
        return 0.0
    found, expected = found.double(), expected.double()
    off, most = float((found - expected).abs().max()), float(expected.abs().max())
    if off == 0:
        return 0.0
    return off / most if most > 0 and np.isfinite(off) and np.isfinite(most) else torch.inf


def as_tensor(values: object, what: str) -> Tensor:
    """A tensor of a tensor, an array or lists.

    Raises:
        InputError: of anything else.
    """
    if isinstance(values, Tensor):
        # What was made in inference mode cannot take part in a gradient.
        return values.detach().clone() if values.is_inference() else values.detach()
    try:
        array = np.asarray(values)
        # A copy: of negative strides, of foreign byte order and read-only arrays torch takes none.
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=True))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} of {type(values).__name__} is no tensor or array of numbers ({error})"
        ) from None


def weights_of(network: nn.Module) -> Tensor:
    """The first weight of floating point; an empty float32 tensor where there is none."""
    kept = (*network.parameters(), *network.buffers())
    return next((p for p in kept if is_lazy(p) or p.is_floating_point()), torch.empty(0))


def require_weights(network: nn.Module) -> None:
    """Refuse a network that has no weights yet, or whose frames or images change each other.

    Raises:
        InputError: lazy or meta weights; batch norm without running statistics.
    """
    for name, value in (*network.named_parameters(), *network.named_buffers()):
        if is_lazy(value):
            raise InputError(
                f"weight {name!r} has no size yet (lazy); run the network on one batch first"
            )
        if value.is_meta:
            raise InputError(
                f"weight {name!r} is on the device meta and has no values; load weights first"
            )
    require_running_statistics(network)


def require_running_statistics(network: nn.Module) -> None:
    """Refuse batch norm that takes its statistics from the batch: what passes together would mix.

    Raises:
        InputError: there is one; the line names it.
    """
    for where, layer in network.named_modules():
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise InputError(
                f"layer {where or 'at the top'}: {type(layer).__name__} has no running statistics, "
                "so units that pass together would change each other; train it with "
                "track_running_stats=True"
            )


def require_finite(x: Tensor, what: str, remedy: str = "mend what wrote them") -> Tensor:
    """The values as they are.

    Raises:
        InputError: NaN or infinite values.
    """
    if x.is_floating_point() and not torch.isfinite(x).all():
        raise InputError(f"{what} {list(x.shape)}: there are values that are not finite; {remedy}")
    return x


def readable_input(network: nn.Module, x: Tensor, what: str) -> Tensor:
    """Values of floating point as the network's weights have them, on their device.

    Others, such as bytes, keep their type.

    Raises:
        InputError: the network has no weights yet; the values are not finite, or not within the
            range of the weights' type.
    """
    require_weights(network)
    like = weights_of(network)
    require_finite(x, what)
    x = x.to(like.device)
    if x.is_floating_point() and x.dtype != like.dtype:
        x = require_finite(x.to(like.dtype), what, f"they are too large for {like.dtype}")
    return x


def run(network: nn.Module, *inputs: Tensor, what: str = "the network"):
    """What the network gives.

    Raises:
        InputError: whatever it raises, in one line, with the shapes that it was given.
    """
    try:
        return network(*inputs)
    except (InputError, Reached):
        raise
    except Exception as error:  # anything at all: the code is the user's
        given = ", ".join(
            f"{list(x.shape)} of {str(x.dtype).removeprefix('torch.')}" for x in inputs
        )
        first = next(iter(str(error).strip().splitlines()), "")
        kind = type(error).__name__
        if "out of memory" in str(error) or "not enough memory" in str(error):
            raise NetworkError(
                f"{what} has not enough memory for {given}; give fewer at once (batch)"
            ) from error
        raise NetworkError(
            f"{what} cannot run on {given} ({kind}: {first}); give what it was made for"
        ) from error
