"""Words of captions with their maps over the frames, as in Figs. 8 and 9 of Bargal et al."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seewhy.files import open_hdf5
from seewhy.saliency_figures import Row, film_strip

SHOWN = 8  # frames of a clip


def draw_words(maps: str | Path, figure: str | Path) -> None:
    """Draw a film strip for each word; what it names is outlined.

    Args:
        maps: from `seewhy.grounding.phrase_scores.ground_phrases`.
        figure: PNG.

    Raises:
        InputError: not a file of maps.
    """
    rows = []
    with open_hdf5(maps) as file:
        for group in file.values():
            caption, word = str(group.attrs["caption"]), str(group.attrs["word"])
            title = f"“{caption}”: {word.upper()}"
            parts = (group[name][:] for name in ("frames", "maps", "masks"))
            rows.append(Row(title, *parts, block=str(group.attrs["clip"])))
    count = len(rows[0].frames)
    shown = np.unique(np.linspace(0, count - 1, min(SHOWN, count)).round().astype(int))
    film_strip(
        rows, figure, shown=shown, positive="speaks for the word", negative="speaks against it"
    )
