"""Contact sheets: parts of a page, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from seewhy.files import whole_file

PAPER = (255, 255, 255)


def save_page(path: str | Path, parts: Sequence[Image.Image]) -> None:
    """Write parts of one width as one png, from top to bottom."""
    page = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), PAPER)
    y = 0
    for part in parts:
        page.paste(part, (0, y))
        y += part.height
    with whole_file(path) as temporary:
        page.save(temporary, "PNG")
