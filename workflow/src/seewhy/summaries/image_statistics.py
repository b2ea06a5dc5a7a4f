"""What can be told of an image's quality without a network: light, colour, sharpness, grain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import convolve

from seewhy.errors import InputError

_GREY = np.array([0.299, 0.587, 0.114])
_LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)
# blind to edges, so that what it answers to is noise (Immerkær 1996)
_GRAIN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)
_TINY = 1e-3  # a quarter of a grey level: below it, logarithms are of rounding


def image_statistics(images: np.ndarray) -> pd.DataFrame:
    """Statistics of each image, to compare with those of the train images.

    Args:
        images: [m, h, w, 3], RGB, uint8 or in 0 to 1; at least 3 x 3 pixels.

    Returns:
        A row an image. `brightness` and `contrast`: mean and standard deviation of grey;
        `saturation`: mean of (max - min) / max over the channels; `red-green` and `yellow-blue`:
        means of r - g and (r + g) / 2 - b, a colour cast; `sharpness`: ln of the standard deviation
        of the Laplacian, low in a blurred image; `grain`: ln of the mean size of what is neither
        flat nor an edge (Immerkær 1996), high in a noisy one.

    Raises:
        InputError: another shape, or values out of range.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3], default=0) < 3:
        raise InputError(f"images: the shape is {images.shape}; give [images, height, width, 3]")
    scale = 255 if images.dtype == np.uint8 else 1
    rows = []
    for number, image in enumerate(images):
        rgb = image.astype(float) / scale
        if not (rgb.min() >= 0 and rgb.max() <= 1):
            raise InputError(
                f"images: image {number} has values from {rgb.min()} to {rgb.max()}; give uint8, "
                "or numbers in 0 to 1"
            )
        grey = rgb @ _GREY
        r, g, b = np.moveaxis(rgb, -1, 0)
        largest, smallest = rgb.max(axis=-1), rgb.min(axis=-1)
        inner = slice(1, -1), slice(1, -1)  # where the kernels lie in the image
        rows.append(
            {
                "brightness": grey.mean(),
                "contrast": grey.std(),
                "saturation": ((largest - smallest) / np.maximum(largest, _TINY)).mean(),
                "red-green": (r - g).mean(),
                "yellow-blue": ((r + g) / 2 - b).mean(),
                "sharpness": np.log(convolve(grey, _LAPLACIAN)[inner].std() + _TINY),
                "grain": np.log(abs(convolve(grey, _GRAIN)[inner]).mean() / 6 + _TINY),
            }
        )
    return pd.DataFrame(rows)
