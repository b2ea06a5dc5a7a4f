"""One look for all figures: colours that the colour-blind tell apart, sizes that print well."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text

from seewhy.files import whole_file

# Okabe and Ito's palette, without the yellow that is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
HEAT = "cividis"
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "text.parse_math": False,  # captions and names may hold dollars
}
_LONGEST = 300  # letters of a line
_UNDRAWN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@contextlib.contextmanager
def figure(path: str | Path, *, width: float, height: float, dpi: int = 110) -> Iterator[Figure]:
    """Yield a figure of `width` x `height` inches; it is written to `path` when the block ends.

    Args:
        path: PNG.
        width: inches; 7.2 is the width of a printed page's text.
        height: inches.
        dpi: pixels an inch.

    The file holds no date, so equal figures are equal files.
    """
    mpl.use("Agg")
    with mpl.rc_context(_STYLE), _drawable_texts():
        drawn = plt.figure(figsize=(width, height), layout="constrained")
        try:
            yield drawn
            with whole_file(path) as temporary:
                drawn.savefig(temporary, dpi=dpi, metadata={"Software": None})
        finally:
            plt.close(drawn)


def drawable(text: str) -> str:
    """A text of a user's as it can be drawn.

    Control characters and halves of characters become blanks; a line that would press everything
    else out of the figure is cut.
    """
    lines = _UNDRAWN.sub(" ", text).split("\n")
    return "\n".join(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines)


@contextlib.contextmanager
def _drawable_texts() -> Iterator[None]:
    """Bring all texts to a form that can be drawn, also tick labels, made while drawing."""
    usual = Text.set_text

    def set_text(self: Text, text: Any) -> None:
        usual(self, drawable(text) if isinstance(text, str) else text)

    Text.set_text = set_text
    try:
        yield
    finally:
        Text.set_text = usual


def bare(axes: Any) -> None:
    """Take ticks and frame off an axes that shows a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
