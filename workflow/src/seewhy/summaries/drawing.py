"""All figures of the summaries, from what the workflow knows of the splits.

    draw_summaries(paths, train=train, test=test, tables=tables, attributes=attributes,
                   network=network, layer="layer4", prepare=prepare, pages=pages, seed=0)

Which images, filters and attributes are shown is drawn by the seed, not by how well they look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from seewhy.summaries.activations import Prepare, feature_maps
from seewhy.summaries.contrast import contrast_classes
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.exemplars import class_exemplars, filter_exemplars
from seewhy.summaries.explain import Explanation, explain_images
from seewhy.summaries.figures import (
    HEATS,
    Contrasted,
    Explained,
    Filter,
    Heat,
    draw_contrast,
    draw_explanations,
    draw_filters,
)
from seewhy.summaries.image_figures import (
    Failure,
    Located,
    Query,
    draw_failures,
    draw_heat_maps,
    draw_retrieval,
)
from seewhy.summaries.parts import attribute_parts
from seewhy.summaries.pointing import heat_maps
from seewhy.summaries.retrieval import frequent_attributes
from seewhy.summaries.split import Split
from seewhy.summaries.tables import TOP, image_probabilities, say
from seewhy.summaries.triage import AMBIGUOUS, KINDS, UNSORTED
from seewhy.text.attributes import Attributes
from seewhy.text.sentences import readable

Array = np.ndarray
FIGURES = ("explanations", "contrast", "filters", "heat_maps", "retrieval", "failures")
LEVEL = 0.05
"""p-value from which an attribute is no better than chance."""
_WORDS = {"missing": "a feature missed", "perturbation": "a spoilt image",
          "label": "a wrong label", AMBIGUOUS: "undecided", UNSORTED: "not sorted"}  # fmt: skip
_NO_FAULT = "no fault of image or label"
_FREQUENT = 30  # attributes among which some are drawn


@dataclass(frozen=True)
class Shown:
    """How many are shown: images explained, contrasts, filters, attributes, failures."""

    explained: int = 6
    contrasts: int = 2
    filters: int = 6
    located: int = 4
    rows: int = 4
    queries: int = 6
    retrieved: int = 8
    failures: int = 6


def draw_summaries(
    outputs: Mapping[str, str | Path],
    *,
    train: Split,
    test: Split,
    tables: Mapping[str, FilterAttributes],
    attributes: Attributes,
    network: nn.Module,
    layer: str,
    prepare: Prepare,
    pages: pd.DataFrame,
    seed: int = 0,
    shown: Shown | None = None,
) -> None:
    """Draw all figures.

    Args:
        outputs: PNG by the names of `FIGURES`.
        train, test: splits.
        tables: p(t|f) by preset; the last is that which heat maps and contrasts are of.
        attributes: mined from the captions.
        network: of the activations.
        layer: of its last maps.
        prepare: makes images its input.
        pages: of `seewhy.summaries.tables.triage_tables`: the wrong test images.
        seed: of all draws.
        shown: how many.
    """
    shown = shown or Shown()
    drawer = _Drawer(
        train, test, tables, say(attributes),
        lambda rows: np.concatenate([
            maps for _, maps in feature_maps(
                network, test.path, layer=layer, prepare=prepare, rows=rows
            )
        ]),
        seed,
    )  # fmt: skip
    draw_explanations(outputs["explanations"], drawer.explained(shown.explained))
    draw_contrast(outputs["contrast"], drawer.contrasted(shown.contrasts))
    draw_filters(
        outputs["filters"], drawer.filters(shown.filters), top=TOP,
        note="Filters are drawn at random.",
    )  # fmt: skip
    draw_heat_maps(outputs["heat_maps"], drawer.located(shown.located, shown.rows))
    draw_retrieval(outputs["retrieval"], drawer.queries(shown.queries, shown.retrieved))
    draw_failures(outputs["failures"], drawer.failures(pages, shown.failures))


def chosen_images(right: Array, labels: Array, count: int, *, seed: int) -> Array:
    """Images to show: half of them wrong ones, as far as there are, of many classes.

    Args:
        right: whether the network is, ``[m]``.
        labels: ``[m]``.
        count: so many, or all.
        seed: of the draw.

    Returns:
        Places, right and wrong in turn.
    """
    rng = np.random.default_rng(seed)
    kinds = [_spread(np.flatnonzero(right == truth), labels, rng) for truth in (True, False)]
    wrong = min(len(kinds[1]), max(count // 2, count - len(kinds[0])))
    parts = [kinds[0][: count - wrong], kinds[1][:wrong]]
    order = sorted((k, which) for which, part in enumerate(parts) for k in range(len(part)))
    return np.array([parts[which][k] for k, which in order], int)


def _spread(places: Array, labels: Array, rng: np.random.Generator) -> Array:
    """Places in an order drawn, in which no class comes again before all others came."""
    places = rng.permutation(places)
    seen: dict[int, int] = {}
    turns = []
    for place in places:
        turns.append(seen.get(int(labels[place]), 0))
        seen[int(labels[place])] = turns[-1] + 1
    return places[np.argsort(turns, kind="stable")].astype(int)


class _Drawer:
    """Gathers what each figure shows."""

    def __init__(
        self,
        train: Split,
        test: Split,
        tables: Mapping[str, FilterAttributes],
        write: Callable[[str, Sequence[str]], str],
        maps: Callable[[Array], Array],
        seed: int,
    ) -> None:
        self.train, self.test, self.tables = train, test, tables
        self.write, self.maps, self.seed = write, maps, seed
        self.table = list(tables.values())[-1]
        self.names = [readable(name) for name in test.classes]
        self.place = {name: t for t, name in enumerate(self.table.names)}

    def explained(self, count: int) -> list[Explained]:
        test = self.test
        rows = chosen_images(test.right, test.labels, count, seed=self.seed)
        if not len(rows):
            return []
        said = {preset: self._explain(table, rows) for preset, table in self.tables.items()}
        own, maps, images = list(said.values())[-1], self.maps(rows), test.images(rows)
        found = []
        for k, row in enumerate(rows):
            reasons = own[k].attributes[:HEATS]
            heats = self._heats(maps[k], [self.place[reason.name] for reason in reasons])
            found.append(
                Explained(
                    images[k], self.names[test.labels[row]],
                    self.names[test.found.decided[row]],
                    [
                        Heat(reason.name, _strength(reason.p), heat)
                        for reason, heat in zip(reasons, heats, strict=True)
                    ],
                    {preset: self._sentence(one[k]) for preset, one in said.items()},
                )
            )  # fmt: skip
        return found

    def contrasted(self, count: int) -> list[Contrasted]:
        test = self.test
        if test.found.logits.shape[1] < 2:
            return []
        rows = chosen_images(test.right, test.labels, count, seed=self.seed + 1)
        ranked = np.argsort(-test.found.logits[rows], axis=1, kind="stable")
        decided = test.found.decided[rows]
        other = np.where(test.right[rows], ranked[:, 1], test.labels[rows])
        held = contrast_classes(
            test.found.phi[rows], test.found.weight, test.found.bias,
            self.table.distributions(), self.table.names, list(decided), list(other),
            classes=self.names, top=5, support=self.table.support,
        ) if len(rows) else []  # fmt: skip
        return [
            Contrasted(
                image, self.names[test.labels[row]], self.names[test.found.decided[row]], one,
                self._of_class(one.class_), self._of_class(one.other),
            )
            for row, image, one in zip(rows, test.images(rows), held, strict=True)
        ]  # fmt: skip

    def filters(self, count: int) -> list[Filter]:
        phi = self.train.found.phi
        fires = np.flatnonzero(phi.max(axis=0) > phi.min(axis=0))
        rng = np.random.default_rng(self.seed + 2)
        drawn = np.sort(rng.permutation(fires)[:count])
        shares = {preset: table.distributions() for preset, table in self.tables.items()}
        return [
            Filter(
                int(k),
                {
                    preset: [
                        (name, float(shares[preset][k, self.place[name]]))
                        for name, _ in table.top(int(k), TOP)
                    ]
                    for preset, table in self.tables.items()
                },
                self.train.images(filter_exemplars(phi, int(k), 6)),
            )
            for k in drawn
        ]

    def located(self, columns: int, rows: int) -> list[Located]:
        test, rng = self.test, np.random.default_rng(self.seed + 3)
        if not test.parts:
            return []
        parts = attribute_parts(self.table.names, test.parts)
        found, taken = [], np.zeros(len(test.parts), bool)
        for t in rng.permutation(self._frequent()):
            if not parts[t].any() or (parts[t] & taken).any():
                continue  # no key point, or one that another column shows
            shows = test.presence[:, [t]].toarray()[:, 0] & (test.visible & parts[t]).any(axis=1)
            some = _spread(np.flatnonzero(shows), test.labels, rng)[:rows]
            if not len(some):
                continue
            taken |= parts[t]
            heats = [self._heats(maps, [t])[0] for maps in self.maps(some)]
            points = [test.points[k][test.visible[k] & parts[t]] for k in some]
            found.append(Located(self.table.names[t], test.images(some), np.array(heats), points))
            if len(found) == columns:
                break
        return found

    def queries(self, count: int, images: int) -> list[Query]:
        rng = np.random.default_rng(self.seed + 4)
        scores = image_probabilities(self.test, self.table)
        known = np.flatnonzero(self.test.described)
        if not len(known):
            return []
        found = []
        for t in rng.permutation(self._frequent())[:count]:
            best = known[np.argsort(-scores[known, t], kind="stable")[:images]]
            has = self.test.presence[:, [t]].toarray()[:, 0]
            found.append(
                Query(
                    self.table.names[t], self.test.images(best), has[best], float(has[known].mean())
                )
            )
        return found

    def failures(self, pages: pd.DataFrame, count: int) -> list[Failure]:
        test = self.test
        place = {name: k for k, name in enumerate(test.names)}
        rng = np.random.default_rng(self.seed + 5)
        queues = [rng.permutation(np.flatnonzero(pages["truth"] == kind)) for kind in KINDS]
        turns = sorted((k, which) for which, one in enumerate(queues) for k in range(len(one)))
        drawn = sorted(turns[:count], key=lambda turn: turn[::-1])  # kinds beside each other
        mistakes = pages.iloc[[queues[which][k] for k, which in drawn]]
        rows = np.array([place[name] for name in mistakes["image"]], int)
        if not len(rows):
            return []
        why = {
            column: [
                self._sentence(one)
                for one in self._explain(self.table, rows, list(mistakes[column].astype(int)))
            ]
            for column in ("given", "predicted")
        }
        known = (pages["truth"] != KINDS[0]).any()
        return [
            Failure(
                image, self.names[int(one.given)], self.names[int(one.predicted)],
                self._of_class(int(one.given)), self._of_class(int(one.predicted)),
                why["given"][k], why["predicted"][k], _WORDS[one.kind], self._evidence(one),
                (_WORDS | {KINDS[0]: _NO_FAULT})[one.truth] if known else "nothing of any image",
                one.kind == one.truth if known and one.kind != UNSORTED else None,
            )
            for k, (image, one) in enumerate(
                zip(test.images(rows), mistakes.itertuples(), strict=True)
            )
        ]  # fmt: skip

    def _explain(
        self, table: FilterAttributes, rows: Array, asked: Sequence[int] | None = None
    ) -> list[Explanation]:
        """The first attributes whatever their p, which is said beside them."""
        found = self.test.found
        return explain_images(
            found.phi[rows], found.weight, table.distributions(), table.names, bias=found.bias,
            asked=asked, classes=self.names, top=TOP, support=table.support, level=1.0,
            seed=self.seed,
        )  # fmt: skip

    def _sentence(self, one: Explanation) -> str:
        """The sentence, and how much of it chance does not give."""
        if one.abstains:
            return f"no attribute speaks for {one.class_name}."
        beyond = sum(reason.p <= LEVEL for reason in one.attributes)
        count = len(one.attributes)
        much = {0: "none is", count: "all are"}.get(beyond, f"{beyond} of {count} are")
        return f"{one.sentence(self.write)} ({much} beyond chance)"

    def _evidence(self, one: Any) -> str:
        """What `say_evidence` says, without the classes and the kind, which stand beside it."""
        if one.kind == UNSORTED:
            return "There is too little to learn the kinds of mistakes from."
        given, predicted = (self.test.classes[int(c)] for c in (one.given, one.predicted))
        before = f"{given} taken for {predicted}: {one.kind} ("
        said = one.says
        if said.startswith(before):
            said = said.removeprefix(before).removesuffix(")")
        said = said.replace(given, readable(given)).replace(predicted, readable(predicted))
        return said[:1].upper() + said[1:] + "."

    def _heats(self, maps: Array, columns: Sequence[int]) -> Array:
        return heat_maps(maps[None], self.table.distributions()[:, columns])[0]

    def _of_class(self, class_: int) -> Array:
        train = self.train
        rows = class_exemplars(train.found.logits, train.labels, class_, 3)
        return train.images(rows)

    def _frequent(self) -> Array:
        return frequent_attributes(self.train.presence, top=_FREQUENT)


def _strength(p: Any) -> str:
    return f"p = {p:.2g}" + ": chance" * (p > LEVEL)
