"""From a corpus to its visual attributes: the files that the textual summaries are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seewhy.corpora.canonical import read_table
from seewhy.errors import InputError
from seewhy.figures import COLOURS, figure
from seewhy.files import whole_file
from seewhy.text.attributes import Attributes, extract_attributes, settings_of


def mine_attributes(
    corpus: str | Path | Mapping[str, Sequence[str]],
    *,
    attributes_path: str | Path,
    table_path: str | Path,
    figure_path: str | Path,
    split_of: Mapping[str, str] | None = None,
    preset: str = "default",
    prior: str = "sum",
    **changes: Any,
) -> Attributes:
    """Mine the attributes of a corpus, and write them, their table and their frequencies.

    Args:
        corpus: folder in canonical form (an image is a clip there; those without captions are left
            out), or of each image its captions.
        attributes_path: HDF5 (`Attributes.load`).
        table_path: CSV, `attribute`, `adjective`, `noun`, `images`, `captions` (how many of the
            fitted have it), `idf`, `prior`; by falling `images`.
        figure_path: PNG, the paper's Figure 9: the 100 most frequent.
        split_of: of each image of a mapping; None: all are of the train split.
        preset: `default` or `paper`.
        prior: the reading of p(t) in the table, see `Attributes.prior`.
        changes: settings that differ from the preset's (`Settings`).

    Raises:
        InputError: unusable corpus or settings.
    """
    settings = settings_of(preset, **changes)
    if not isinstance(corpus, Mapping):
        clips = read_table(corpus, "clips")
        texts = read_table(corpus, "captions").groupby("clip", sort=False)["text"].agg(list)
        clips = clips[clips["clip"].isin(texts.index)]
        split_of = dict(zip(clips["clip"], clips["split"], strict=True))
        where, corpus = str(corpus), {clip: texts[clip] for clip in clips["clip"]}
    else:
        where = "captions"
        split_of = dict.fromkeys(corpus, "train") if split_of is None else split_of
        if missing := [image for image in corpus if image not in split_of]:
            raise InputError(f"split_of: has no split of the image {missing[0]}; add it")
    fitted = {image for image in corpus if split_of[image] in settings.splits and corpus[image]}
    if not fitted:
        raise InputError(
            f"{where}: no image of the splits {', '.join(settings.splits)} has captions; add them"
        )
    attributes = extract_attributes(corpus, fitted=fitted, preset=preset, **changes)
    table = attribute_table(attributes, prior=prior)
    attributes.save(attributes_path)
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False)
    draw_frequencies(attributes, figure_path)
    return attributes


def attribute_table(attributes: Attributes, *, prior: str = "sum") -> pd.DataFrame:
    """A row an attribute; the columns of `mine_attributes`' table."""
    return pd.DataFrame(
        {
            "attribute": attributes.names,
            "adjective": attributes.adjectives,
            "noun": attributes.nouns,
            "images": attributes.support,
            "captions": attributes.captions,
            "idf": attributes.idf.round(4),
            "prior": attributes.prior(prior).round(8),
        }
    )


def draw_frequencies(
    attributes: Attributes, path: str | Path, *, top: int = 100, columns: int = 4
) -> None:
    """The paper's Figure 9: the most frequent attributes, by the images that have them.

    Args:
        attributes: mined.
        path: PNG.
        top: how many.
        columns: of bars, read downwards.
    """
    support, names = attributes.support[:top], attributes.names[:top]
    rows = -(-len(names) // columns)
    with figure(path, width=7.2, height=0.6 + 0.2 * rows, dpi=150) as drawn:
        for column, axes in enumerate(drawn.subplots(1, columns, sharex=True, squeeze=False)[0]):
            part = slice(column * rows, (column + 1) * rows)
            bars = axes.barh(names[part], support[part], color=COLOURS[0], height=0.7)
            axes.bar_label(bars, fontsize=6, padding=2)
            axes.set_ylim(rows - 0.5, -0.5)
            axes.tick_params(labelsize=7, length=2)
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=3)
            axes.set_xlim(0, 1.3 * support.max())
            if not names[part]:
                axes.axis("off")
        drawn.supxlabel(f"images of {int(attributes.fitted.sum())}", fontsize=8)
