"""Deal units (videos, groups) out to the splits at random, whatever other units there are."""

from __future__ import annotations

import hashlib


def draw(seed: int, unit: str) -> str:
    """A number for each unit that the seed decides and no other unit touches."""
    return hashlib.sha256(f"{seed}/{unit}".encode()).hexdigest()
