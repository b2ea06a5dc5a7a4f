"""Tables 1 to 3 of the summaries, and the triage of mistakes, for every preset side by side.

Each sentence stands twice in its table: with the five attributes ranked first, as in the paper, and
`judged`: with those alone whose evidence exceeds what exchanged filters give, or none. That is a
generous judge (`seewhy.summaries.explain`); tables of shuffled images, the strict one, leave a
reason to one image of the aviary in ten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.files import open_hdf5, whole_file
from seewhy.summaries.activations import feature_maps, load_activations
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.evidence import describe_train, gather_evidence
from seewhy.summaries.explain import (
    attribute_probabilities,
    class_importance,
    describe_classes,
    explain_images,
    filter_importance,
)
from seewhy.summaries.filters import PAPER, filter_attributes
from seewhy.summaries.image_statistics import image_statistics
from seewhy.summaries.lacks import COLUMN, Lacks, table_or_needs
from seewhy.summaries.parts import attribute_parts
from seewhy.summaries.pointing import (
    centre_points,
    grounding_pairs,
    other_attribute,
    part_mean_points,
    predicted_points,
    tabulate_pck,
)
from seewhy.summaries.retrieval import (
    another_images,
    baseline_retrievals,
    frequent_attributes,
    retrieve,
    tabulate_retrieval,
)
from seewhy.summaries.sentences import baseline_sentences, tabulate_sentences
from seewhy.summaries.split import Split, presence_of
from seewhy.summaries.study import Study
from seewhy.summaries.triage import UNSORTED, fit_thresholds, say_evidence, triage, true_kinds
from seewhy.summaries.triage_table import (
    fit_confidence,
    majority,
    tabulate_evidence,
    tabulate_triage,
)
from seewhy.table_numbers import number_format
from seewhy.text.attributes import Attributes
from seewhy.text.sentences import sentence
from seewhy.text.tokens import tokenise

log = logging.getLogger(__name__)
Array = np.ndarray
Tables = Mapping[str, FilterAttributes]
TOP = 5
"""Attributes of a sentence (paper)."""


def image_probabilities(split: Split, table: FilterAttributes) -> Array:
    """Eq. 5 for the class that the network says: p(t|x, c), ``[m, l]``."""
    w = split.found.weight[split.found.decided]
    return attribute_probabilities(filter_importance(split.found.phi, w), table.distributions())


def say(attributes: Attributes) -> Callable[[str, Sequence[str]], str]:
    """A sentence of a class's name and attributes' names."""
    phrase = dict(zip(attributes.names, attributes.phrases, strict=True))
    return lambda class_name, names: sentence(class_name, [phrase[name] for name in names])


def grounding_table(
    train: Split,
    test: Split,
    tables: Tables,
    maps: Iterable[Array],
    *,
    top: int,
    draws: Mapping[str, Any],
) -> pd.DataFrame:
    """Table 1: PCK of eq. 9 with each preset, and what it must beat.

    Args:
        train, test: splits.
        tables: p(t|f) by preset.
        maps: feature maps of all test images in order, ``[b, n, h, w]`` at a time.
        top: most frequent attributes with key points.
        draws: resamples, confidence, seed.

    Raises:
        Lacks: no key points, or none that an attribute of a caption names.
    """
    first = next(iter(tables.values()))
    if not test.parts:
        raise Lacks("key points of the images' parts, which this corpus has none of")
    parts = attribute_parts(first.names, test.parts)
    counts = np.asarray(train.presence.sum(0)).ravel()
    named = parts & (counts > 0)[:, None]
    if not ((test.presence.astype(float) @ named > 0) & test.visible).any():
        raise Lacks("test images whose captions name a part of which a key point is visible")
    pairs = grounding_pairs(
        test.presence, parts, test.points, test.visible, size=test.size, top=top, counts=counts
    )
    last = list(tables.values())[-1]
    other = other_attribute(pairs, parts, seed=draws["seed"])
    alphas = {preset: table.distributions() for preset, table in tables.items()}
    controls = {
        "constant p.d.f.": np.full_like(last.scores, 1 / len(last.names)),
        f"another attribute's ({last.preset})": alphas[last.preset][:, other],
    }
    places = predicted_points(maps, pairs, np.stack([*alphas.values(), *controls.values()]))
    methods = dict(zip(alphas, places, strict=False))
    baselines = {
        **dict(zip(controls, places[len(alphas) :], strict=True)),
        "box centre": centre_points(pairs),
        "mean of the part": part_mean_points(pairs, parts, train.points, train.visible),
    }
    return tabulate_pck(methods, baselines, pairs, **draws)


def retrieval_table(
    train: Split, test: Split, tables: Tables, *, top: int, draws: Mapping[str, Any]
) -> pd.DataFrame:
    """Table 2: search by the most frequent attributes, restricted to sentences and open.

    Of the test images with captions: what others show, nobody says.

    Raises:
        Lacks: no such image, or none with an attribute that is asked for.
    """
    asked, known = frequent_attributes(train.presence, top=top), test.described
    truth = test.presence[:, asked].toarray()[known]
    if not truth.any():
        raise Lacks("captions of test images with one of the train images' frequent attributes")
    most = min(TOP, test.presence.shape[1])
    methods = {
        preset: retrieve(image_probabilities(test, table)[known], asked, top=most)
        for preset, table in tables.items()
    }
    baselines = baseline_retrievals(
        train.profile, test.found.decided[known], train.frequency, asked, top=most,
        seed=draws["seed"],
    )  # fmt: skip
    last = list(methods)[-1]
    baselines[f"another image's ({last})"] = another_images(methods[last], seed=draws["seed"])
    return tabulate_retrieval(methods, baselines, truth, **draws)


def image_sentences(
    test: Split, tables: Tables, attributes: Attributes, *, seed: int
) -> tuple[dict[str, list[str]], pd.DataFrame]:
    """The sentence of each image by each preset, and both as a table: a row an image and preset."""
    write = say(attributes)
    rows: list[dict[str, Any]] = []
    systems: dict[str, list[str]] = {}
    for preset, table in tables.items():
        scores = image_probabilities(test, table)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        judged = explain_images(
            test.found.phi, test.found.weight, table.distributions(), table.names,
            bias=test.found.bias, classes=test.classes, top=TOP, support=table.support, seed=seed,
        )  # fmt: skip
        systems[preset] = [
            write(test.classes[c], [table.names[j] for j in some])
            for c, some in zip(test.found.decided, best, strict=True)
        ]
        rows += [
            {
                "image": name, "preset": preset, "given": test.classes[given],
                "said": one.class_name, "sentence": text, "judged": one.sentence(write),
                "admitted": len(one.attributes),
            }
            for name, given, one, text in zip(
                test.names, test.labels, judged, systems[preset], strict=True
            )
        ]  # fmt: skip
    return systems, pd.DataFrame(rows)


def sentence_table(
    train: Split,
    test: Split,
    tables: Tables,
    attributes: Attributes,
    systems: Mapping[str, Sequence[str]],
    *,
    draws: Mapping[str, Any],
) -> pd.DataFrame:
    """Table 3, of the sentences of `image_sentences` and the test images with captions.

    Raises:
        Lacks: fewer than two such images.
    """
    told = [k for k, texts in enumerate(test.captions) if any(map(tokenise, texts))]
    if len(told) < 2:
        raise Lacks(f"captions of two test images or more; {len(told)} have any")
    write, names = say(attributes), next(iter(tables.values())).names
    frequency = train.frequency
    baselines = baseline_sentences(
        systems[list(systems)[-1]],
        lambda c, some: write(test.classes[c], [names[j] for j in some]),
        test.found.decided,
        profile=train.profile,
        frequency=frequency,
        top=min(TOP, int((frequency > 0).sum())), seed=draws["seed"],
    )  # fmt: skip
    pick = lambda texts: [texts[k] for k in told]  # noqa: E731
    return tabulate_sentences(
        {name: pick(texts) for name, texts in systems.items()},
        {name: pick(texts) for name, texts in baselines.items()},
        pick(test.captions), test.right[told], test.labels[told], **draws,
    )  # fmt: skip


def class_table(study: Study) -> pd.DataFrame:
    """What each class looks for, whatever the image (eqs. 7 and 8): a row a class and preset."""
    write, rows = say(study.attributes), []
    for preset, table in study.tables.items():
        described = describe_classes(
            study.train.found.weight, table.distributions(), table.names,
            classes=study.train.classes, top=TOP, support=table.support,
        )  # fmt: skip
        p = attribute_probabilities(
            class_importance(study.train.found.weight), table.distributions()
        )
        best = np.argsort(-p, axis=1, kind="stable")[:, :TOP]
        rows += [
            {
                "class": one.class_name, "preset": preset,
                "sentence": write(one.class_name, [table.names[j] for j in some]),
                "judged": one.sentence(write), "admitted": len(one.attributes),
            }
            for one, some in zip(described, best, strict=True)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def triage_tables(
    train: Split,
    val: Split,
    test: Split,
    table: FilterAttributes,
    faults: Mapping[str, str],
    *,
    draws: Mapping[str, Any],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The triage of the test mistakes against recorded faults, what each number of the evidence
    tells by itself, and each mistake with its evidence.

    Args:
        train, val, test: splits.
        table: p(t|f) that names.
        faults: recorded fault of an image, by its name; "" for none.
        draws: resamples, confidence, seed.

    Without validation mistakes the thresholds have nothing to be fitted to: the test mistakes are
    listed, `UNSORTED`, and the other two tables say what they would need.
    """
    try:
        of_val, of_test = _evidence_of_mistakes(train, val, test, table, faults)
    except Lacks as needs:
        of_val, of_test = None, _mistakes(test, faults)
        lacking = str(needs)
    else:
        lacking = next(
            (
                f"images that the network mistakes, and of {what} it mistakes {len(found)}"
                for what, found, least in (
                    ("the validation images", of_val, 1), ("the test images", of_test, 2)
                )
                if len(found) < least
            ),
            "",
        )  # fmt: skip
    truth = true_kinds(of_test["fault"])
    if lacking:
        log.warning("the triage of mistakes is skipped: it needs %s", lacking)
        kinds = np.full(len(of_test), UNSORTED)
        needs = pd.DataFrame({COLUMN: [lacking]})
        return needs, needs, _pages(of_test, kinds, truth, test)
    truth_val = true_kinds(of_val["fault"])
    kinds = triage(of_test, fit_thresholds(of_val, truth_val))
    rule = fit_confidence(of_val["confidence"].to_numpy(), truth_val)
    baselines = {
        "confidence alone": rule(of_test["confidence"].to_numpy()),
        "majority": np.full(len(truth), majority(truth_val)),
    }
    scores = tabulate_triage({"triage": kinds}, baselines, truth, **draws)
    evidence = tabulate_evidence(of_test, truth, **draws)
    return scores, evidence, _pages(of_test, kinds, truth, test)


def _pages(of_test: pd.DataFrame, kinds: Array, truth: Array, test: Split) -> pd.DataFrame:
    """Each mistake with what is said of it."""
    return of_test.assign(
        kind=kinds, truth=truth,
        says=[
            say_evidence(row, kind, test.classes)
            for (_, row), kind in zip(of_test.iterrows(), kinds, strict=True)
        ],
    )  # fmt: skip


def _mistakes(split: Split, faults: Mapping[str, str]) -> pd.DataFrame:
    """The mistakes of a split without any evidence."""
    wrong = np.flatnonzero(~split.right)
    names = [split.names[k] for k in wrong]
    return pd.DataFrame(
        {
            "given": split.labels[wrong], "predicted": split.found.decided[wrong],
            "fault": [faults.get(name, "") for name in names], "image": names,
        }
    )  # fmt: skip


def _evidence_of_mistakes(
    train: Split, val: Split, test: Split, table: FilterAttributes, faults: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mistakes of the validation and of the test images, each with its evidence."""
    statistics = {
        id(split): image_statistics(split.images(np.arange(len(split.names))))
        for split in (train, val, test)
    }
    known = describe_train(
        train.found.phi, train.labels, train.found.weight, table.distributions(), table.names,
        presence=train.presence, described=train.described, statistics=statistics[id(train)],
    )  # fmt: skip
    evidence = []
    for split in (val, test):
        wrong = np.flatnonzero(~split.right)
        found = gather_evidence(
            known, split.found.phi, split.found.logits, split.labels,
            presence=split.presence, statistics=statistics[id(split)],
        ).iloc[wrong].reset_index(drop=True)  # fmt: skip
        found["fault"] = [faults.get(split.names[k], "") for k in wrong]
        found["image"] = [split.names[k] for k in wrong]
        evidence.append(found)
    of_val, of_test = evidence
    return of_val, of_test


def write_tables(outputs: Mapping[str, str | Path], tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables as CSV with four significant digits."""
    for name, table in tables.items():
        with whole_file(outputs[name]) as temporary:
            table.to_csv(temporary, index=False, float_format=number_format("%.4g"))


def write_filters(
    output: str | Path,
    preset: str,
    *,
    crops: str | Path,
    activations: str | Path,
    attributes: str | Path,
) -> None:
    """p(t|f) of the training images with captions by a preset, from file to file (eqs. 1 to 4)."""
    mined, found = Attributes.load(attributes), load_activations(activations)
    with open_hdf5(crops, needs=("name",)) as file:
        names = file["name"].asstr()[:]
    described = set(mined.images)
    known = np.array([name in described for name in names], bool)
    presence = presence_of(mined, names[known])
    prior = mined.prior() if preset == PAPER else None
    filter_attributes(
        preset, found.phi[known], presence, mined.names,
        prior=prior, tagger=mined.tagger, network=found.network,
    ).save(output)  # fmt: skip


def score_summaries(
    outputs: Mapping[str, str | Path],
    study: Study,
    *,
    faults: str | Path | None,
    top: int,
    evaluation: Mapping[str, Any],
) -> None:
    """All tables; one that needs what these images lack says so in its file.

    Args:
        outputs: where `table1` to `table3`, `sentences`, `classes`, `triage`, `evidence` and
            `failures` go, CSV.
        study: what they are made of.
        faults: ``birds.csv`` with the recorded faults; None: none are known, and the triage has
            thresholds fitted to mistakes all called missing.
        top: attributes that are asked for in Tables 1 and 2.
        evaluation: resamples, confidence, seed.
    """
    train, test, tables = study.train, study.test, study.tables
    opened = study.opened
    blocks = feature_maps(opened.network, test.path, layer=study.layer, prepare=opened.prepare)
    maps = (block for _, block in blocks)
    systems, sentences = image_sentences(test, tables, study.attributes, seed=evaluation["seed"])
    recorded: dict[str, str] = {}
    if faults is not None:
        birds = pd.read_csv(faults, keep_default_na=False)
        recorded = dict(zip(birds["image"], birds["fault"], strict=True))
    scores, evidence, failures = triage_tables(
        train, study.val, test, list(tables.values())[-1], recorded, draws=evaluation
    )
    write_tables(
        outputs,
        {
            "table1": table_or_needs(
                "Table 1",
                lambda: grounding_table(train, test, tables, maps, top=top, draws=evaluation),
            ),
            "table2": table_or_needs(
                "Table 2", lambda: retrieval_table(train, test, tables, top=top, draws=evaluation)
            ),
            "table3": table_or_needs(
                "Table 3",
                lambda: sentence_table(
                    train, test, tables, study.attributes, systems, draws=evaluation
                ),
            ),
            "sentences": sentences,
            "classes": class_table(study),
            "triage": scores,
            "evidence": evidence,
            "failures": failures,
        },
    )
