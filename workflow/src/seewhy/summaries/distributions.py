r"""A table of p(t|f): attributes by filters, what it was made of, and its file.

It knows the tagger that found the attributes and the network whose filters it is about, and refuses
by name to be used with another's.

Letters and shapes: n filters, l attributes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from seewhy.errors import InputError
from seewhy.files import create_hdf5, open_hdf5, whole_file
from seewhy.hdf5_files import explained_form

Array = np.ndarray

FORMAT = "seewhy filter attributes 1"


@dataclass(frozen=True)
class FilterAttributes:
    """p(t|f) as far as a preset gives it.

    Attributes:
        names: of the attributes, l.
        preset: one of `seewhy.summaries.filters.PRESETS`.
        scores: at least 0, not normalised, ``[n, l]`` float32.
        support: training images that bear each attribute, int64 ``[l]``.
        tagger: name and version of what found the attributes.
        network: digest of the network's weights.
        settings: how the preset was set, what it chose (the ridge).
    """

    names: tuple[str, ...]
    preset: str
    scores: Array
    support: Array
    tagger: str = ""
    network: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def top(self, filter_: int, k: int = 5) -> list[tuple[str, float]]:
        """The `k` attributes with the highest score above 0 of a filter, and the scores.

        Raises:
            InputError: no such filter.
        """
        if not 0 <= filter_ < len(self.scores):
            raise InputError(f"filter {filter_} is not one of 0 … {len(self.scores) - 1}")
        row = self.scores[filter_]
        best = np.argsort(-row, kind="stable")[:k]
        return [(self.names[j], float(row[j])) for j in best if row[j] > 0]

    def distributions(self) -> Array:
        """p(t|f), rows that sum to 1, or to 0 for a filter without any attribute: ``[n, l]``."""
        return rows_to_one(self.scores)

    def require(self, *, network: str = "", tagger: str = "", what: str = "") -> None:
        """Refuse to be used with what was made of another network, or by another tagger.

        Args:
            network: digest; empty: unknown, whatever it is.
            tagger: name; empty: unknown.
            what: the other thing, for the message.

        Raises:
            InputError: they differ.
        """
        for kind, own, other in (
            ("network", self.network, network),
            ("tagger", self.tagger, tagger),
        ):
            if own and other and own != other:
                raise InputError(
                    f"{what or 'what was given'} is of {kind} {other}, the filter attributes "
                    f"({self.preset}) are of {kind} {own}; make both with the same {kind}"
                )

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file."""
        with whole_file(path) as temporary, create_hdf5(temporary) as file:
            file.attrs["format"] = FORMAT
            for name in ("preset", "tagger", "network"):
                file.attrs[name] = getattr(self, name)
            file.attrs["settings"] = json.dumps(self.settings, sort_keys=True)
            file.create_dataset("names", data=list(self.names), dtype=h5py.string_dtype())
            file.create_dataset("support", data=self.support)
            file.create_dataset("scores", data=self.scores, compression="gzip", compression_opts=1)


def load_filter_attributes(
    path: str | Path, *, network: str = "", tagger: str = ""
) -> FilterAttributes:
    """What `FilterAttributes.save` wrote.

    Args:
        path: the file.
        network: digest of the network that it is used with; empty: any.
        tagger: of the attributes that it is used with; empty: any.

    Raises:
        InputError: missing, cut short, something else, or of another network or tagger.
    """
    needs = ("names", "support", "scores")
    with open_hdf5(path, needs=needs) as file, explained_form(path, "filter attributes"):
        if file.attrs.get("format") != FORMAT:
            raise InputError(f"{path}: not filter attributes of this version; make it again")
        table = FilterAttributes(
            names=tuple(file["names"].asstr()[:]),
            scores=file["scores"][:],
            support=file["support"][:],
            settings=json.loads(file.attrs["settings"]),
            **{name: str(file.attrs[name]) for name in ("preset", "tagger", "network")},
        )
    table.require(network=network, tagger=tagger, what=f"what {path} is used with")
    return table


def rows_to_one(scores: Array) -> Array:
    """Scores at least 0 in rows that sum to 1, or to 0: ``[n, l]`` float32."""
    total = scores.sum(axis=1, keepdims=True, dtype=float)
    return scores / np.where(total > 0, total, 1).astype(np.float32)
