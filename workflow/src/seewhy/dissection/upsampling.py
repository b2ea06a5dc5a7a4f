"""Where the cells of a feature map lie in a mask: separable bilinear upsampling, as tables.

Pixel y of a mask lies between two neighbouring cells i and j of the map, at t from i to j, and its
value is interpolated between them; beyond the outermost cells it is theirs. Two ways to say where
the cells lie (`WAYS`):

- `lite`: NetDissect-Lite's: cell i of n covers the i-th n-th of the mask, and its value is that of
  its middle: what resizing by torch (align_corners=False) and Pillow's bilinear filter does too.
- `netdissect`: the original's: cell i lies at the whole pixel in the middle of its receptive field,
  (offset + size // 2) // r + i * (step // r), with r the pixels of the image for each of the mask;
  where no receptive field is given, in the middle of the i-th n-th of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.errors import InputError

Array = np.ndarray
WAYS = ("lite", "netdissect")


@dataclass(frozen=True)
class Field:
    """Receptive field of a layer's cells in one direction, pixels of the image: cell i sees
    `size` pixels from `offset + i * step` on.
    """

    offset: int
    size: int
    step: int


@dataclass(frozen=True)
class Axis:
    """Interpolation along one axis of n cells to m pixels.

    Attributes:
        low, high: [m] int64, the two cells; equal beyond the outermost ones.
        share: [m] float64, t: the value is that of `low` plus t times the step to `high`.
        first: [n + 1] int64: pixels first[i] to first[i + 1] have `low` = i.
    """

    low: Array
    high: Array
    share: Array
    first: Array

    @property
    def matrix(self) -> Array:
        """[m, n] float64: pixels = matrix @ cells."""
        pixels = np.arange(len(self.low))
        matrix = np.zeros((len(pixels), len(self.first) - 1))
        np.add.at(matrix, (pixels, self.low), 1 - self.share)
        np.add.at(matrix, (pixels, self.high), self.share)
        return matrix


def axis(cells: int, pixels: int, *, way: str = "lite", field: Field | None = None,
         image: int | None = None) -> Axis:  # fmt: skip
    """Tables for one axis.

    Args:
        cells: n, of the feature map.
        pixels: m, of the mask.
        way: one of `WAYS`.
        field: of the layer, for `netdissect`; None: cells tile the image without overlap.
        image: pixels of the image along this axis, for `netdissect`; None: as many as the mask's.

    Raises:
        InputError: an unknown way; cells that lie closer than a pixel of the mask is wide, for
            `netdissect`, which has no place for them then.
    """
    if way not in WAYS:
        raise InputError(f"upsampling {way!r} is not one of {', '.join(WAYS)}")
    where = np.arange(pixels, dtype=float)
    if way == "lite":
        place = (where + 0.5) * cells / pixels - 0.5
    else:
        image = image or pixels
        r = max(1, round(image / pixels))
        step = field.step if field else image / cells
        if step < r or (field is None and cells > pixels):
            raise InputError(
                f"cells are {step:g} pixels of the image apart, a pixel of the mask has {r}; "
                "upsampling lite can do it"
            )
        if field is None:  # whole steps would add up to less than the image
            centres = (2 * np.arange(cells) + 1) * pixels // (2 * cells)
        else:
            centres = (field.offset + field.size // 2) // r + np.arange(cells) * (field.step // r)
        place = np.interp(where, centres, np.arange(cells, dtype=float))
    place = np.clip(place, 0, cells - 1)
    low = np.minimum(np.floor(place).astype(np.int64), cells - 1)
    high = np.minimum(low + 1, cells - 1)
    first = np.searchsorted(low, np.arange(cells + 1))
    return Axis(low, high, place - low, first)
