"""What may spoil an image: blur, noise, a colour cast, low contrast, JPEG at a low quality."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter

_TINTS = np.array([(230, 90, 60), (60, 190, 90), (60, 110, 230), (235, 200, 60)], np.float32)


def perturb(image: np.ndarray, kind: str, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Spoil an image.

    Args:
        image: [s, s, 3] uint8.
        kind: one of `seewhy.worlds.aviary.plan.KINDS`.
        strength: from 0 (mild, but to be seen) to 1.
        rng: of the noise and of the tint.

    Returns:
        [s, s, 3] uint8.
    """
    if kind == "blur":
        radius = (1.2 + 1.6 * strength) * image.shape[0] / 96
        return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))
    if kind == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=round(12 - 9 * strength))
        return np.asarray(Image.open(buffer))
    values = image.astype(np.float32)
    if kind == "noise":
        sigma = 22 + 33 * strength
        values += sigma * rng.standard_normal(values.shape, np.float32)
    elif kind == "colour cast":
        share = 0.4 + 0.3 * strength
        tint = _TINTS[rng.integers(len(_TINTS))]
        values = values * (1 - share) + values.mean(-1, keepdims=True) / 128 * tint * share
    else:
        share = 0.45 - 0.25 * strength
        values = values.mean((0, 1)) * (1 - share) + values * share
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
