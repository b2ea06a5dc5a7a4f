"""Tables 1 to 3 of the summaries, and the triage of mistakes, for every preset side by side.

Each sentence stands twice in its table: with the five attributes ranked first, as in the paper, and
`judged`: with those alone whose evidence exceeds what exchanged filters give, or none. That is a
generous judge (`seewhy.summaries.explain`); tables of shuffled images, the strict one, leave a
reason to one image of the aviary in ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.errors import InputError
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
    class_profile,
    frequent_attributes,
    retrieve,
    tabulate_retrieval,
)
from seewhy.summaries.sentences import baseline_sentences, tabulate_sentences
from seewhy.summaries.split import Split
from seewhy.summaries.study import Study
from seewhy.summaries.triage import fit_thresholds, say_evidence, triage, true_kinds
from seewhy.summaries.triage_table import (
    fit_confidence,
    majority,
    tabulate_evidence,
    tabulate_triage,
)
from seewhy.table_numbers import number_format
from seewhy.text.attributes import Attributes
from seewhy.text.sentences import sentence

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
    """
    first = next(iter(tables.values()))
    parts = attribute_parts(first.names, test.parts)
    counts = np.asarray(train.presence.sum(0)).ravel()
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
    """Table 2: search by the most frequent attributes, restricted to sentences and open."""
    asked = frequent_attributes(train.presence, top=top)
    profile = class_profile(train.presence, train.labels, len(train.classes))
    frequency = np.asarray(train.presence.mean(0)).ravel()
    methods = {
        preset: retrieve(image_probabilities(test, table), asked, top=TOP)
        for preset, table in tables.items()
    }
    baselines = baseline_retrievals(
        profile, test.found.decided, frequency, asked, top=TOP, seed=draws["seed"]
    )
    last = list(methods)[-1]
    baselines[f"another image's ({last})"] = another_images(methods[last], seed=draws["seed"])
    truth = test.presence[:, asked].toarray()
    return tabulate_retrieval(methods, baselines, truth, **draws)


def sentence_table(
    train: Split, test: Split, tables: Tables, attributes: Attributes, *, draws: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 3, and the sentences: a row an image and preset."""
    write = say(attributes)
    rows, systems = [], {}
    for preset, table in tables.items():
        scores = image_probabilities(test, table)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        judged = explain_images(
            test.found.phi, test.found.weight, table.distributions(), table.names,
            bias=test.found.bias, classes=test.classes, top=TOP, support=table.support,
            seed=draws["seed"],
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
    names = next(iter(tables.values())).names
    last = list(systems)[-1]
    decided = test.found.decided
    baselines = baseline_sentences(
        systems[last],
        lambda c, some: write(test.classes[c], [names[j] for j in some]),
        decided,
        profile=class_profile(train.presence, train.labels, len(train.classes)),
        frequency=np.asarray(train.presence.mean(0)).ravel(),
        top=TOP, seed=draws["seed"],
    )  # fmt: skip
    told = [k for k, texts in enumerate(test.captions) if len(texts) > 1]
    if len(told) < 2:
        raise InputError(f"{test.path}: {len(told)} images with two captions; Table 3 needs two")
    pick = lambda texts: [texts[k] for k in told]  # noqa: E731
    table = tabulate_sentences(
        {name: pick(texts) for name, texts in systems.items()},
        {name: pick(texts) for name, texts in baselines.items()},
        pick(test.captions), test.right[told], test.labels[told], **draws,
    )  # fmt: skip
    return table, pd.DataFrame(rows)


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
    """
    statistics = {
        id(split): image_statistics(split.images(np.arange(len(split.names))))
        for split in (train, val, test)
    }
    known = describe_train(
        train.found.phi, train.labels, train.found.weight, table.distributions(), table.names,
        presence=train.presence, statistics=statistics[id(train)],
    )  # fmt: skip
    evidence = {}
    for split in (val, test):
        wrong = np.flatnonzero(~split.right)
        found = gather_evidence(
            known, split.found.phi, split.found.logits, split.labels,
            presence=split.presence, statistics=statistics[id(split)],
        ).iloc[wrong].reset_index(drop=True)  # fmt: skip
        found["fault"] = [faults.get(split.names[k], "") for k in wrong]
        found["image"] = [split.names[k] for k in wrong]
        evidence[id(split)] = found
    of_val, of_test = evidence[id(val)], evidence[id(test)]
    truth_val, truth = true_kinds(of_val["fault"]), true_kinds(of_test["fault"])
    kinds = triage(of_test, fit_thresholds(of_val, truth_val))
    rule = fit_confidence(of_val["confidence"].to_numpy(), truth_val)
    baselines = {
        "confidence alone": rule(of_test["confidence"].to_numpy()),
        "majority": np.full(len(truth), majority(truth_val)),
    }
    pages = of_test.assign(
        kind=kinds, truth=truth,
        says=[
            say_evidence(row, kind, test.classes)
            for (_, row), kind in zip(of_test.iterrows(), kinds, strict=True)
        ],
    )  # fmt: skip
    scores = tabulate_triage({"triage": kinds}, baselines, truth, **draws)
    return scores, tabulate_evidence(of_test, truth, **draws), pages


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
    """p(t|f) of the training images by one preset, from file to file (eqs. 1 to 4)."""
    mined, found = Attributes.load(attributes), load_activations(activations)
    with open_hdf5(crops, needs=("name",)) as file:
        names = file["name"].asstr()[:]
    place = {name: row for row, name in enumerate(mined.images)}
    presence = mined.presence[[place[name] for name in names]]
    prior = mined.prior() if preset == PAPER else None
    filter_attributes(
        preset, found.phi, presence, mined.names,
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
    """All tables.

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
    third, sentences = sentence_table(train, test, tables, study.attributes, draws=evaluation)
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
            "table1": grounding_table(train, test, tables, maps, top=top, draws=evaluation),
            "table2": retrieval_table(train, test, tables, top=top, draws=evaluation),
            "table3": third,
            "sentences": sentences,
            "classes": class_table(study),
            "triage": scores,
            "evidence": evidence,
            "failures": failures,
        },
    )
