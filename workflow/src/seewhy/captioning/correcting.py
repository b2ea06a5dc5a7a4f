"""Corrections of captions: those of a person, and the paper's experiment with an oracle.

The experiment, section 4 of the paper. Of the test (or validation) clips that all compared
captioners get wrong, `choose_cases` names for each the topic that is missed, as a person would who
knows the reference captions. `correct_cases` gives a captioner the first half of one clip and that
topic, and judges it on the second half, which it has not seen, and on all other clips of the split;
then starts anew with the next. What counts as naming a topic are strict words
(:mod:`seewhy.text.strict`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from seewhy.captioning.checkpoint import load_for, save_captioner
from seewhy.captioning.corrections import read_corrections
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.decode import Caption
from seewhy.captioning.model import Encoder
from seewhy.captioning.refining import (
    Clips,
    Correction,
    RefinementPlan,
    Refiner,
    captions_of,
    random_direction,
    says,
)
from seewhy.corpora.canonical import SPLITS, read_csv, read_table
from seewhy.device import choose_device
from seewhy.errors import InputError, nearest
from seewhy.files import read_json, whole_file, write_json
from seewhy.progress import progress
from seewhy.table_numbers import number_format
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import Vocabulary, tokenise
from seewhy.text.vectors import read_topic_vectors, vectors_of

log = logging.getLogger(__name__)

CASE = ["clip", "topic", "words", "agreed"]
AGREED = 0.3  # share of a clip's references that say a topic which an oracle calls missing


class Opened(NamedTuple):
    """A captioner that is ready for corrections."""

    refiner: Refiner
    vocabulary: Vocabulary
    files: dict[str, FeatureFile]
    vectors: pd.DataFrame

    def words(self, words: Sequence[str]) -> list[int]:
        """Indices of those words that the captioner can say."""
        return [self.vocabulary.index(word) for word in words if word in self.vocabulary]

    def clips(self, split: str, rows: Sequence[int]) -> Clips:
        """CNN features of some clips of a split."""
        cnn, lengths = next(self.files[split].batches([rows]))
        device = self.refiner.captioner.encoder.input.mean.device
        return Clips(cnn.to(device), lengths.to(device))

    def decode(self, captions: Sequence[Caption]) -> list[str]:
        """Captions as text."""
        return [self.vocabulary.decode(caption.words) for caption in captions]


def open_refiner(
    captioner_path: str | Path,
    features: Mapping[str, str | Path],
    vectors_path: str | Path,
    *,
    plan: Mapping[str, Any],
    decoding: Mapping[str, Any],
    seed: int,
    device: str = "auto",
) -> Opened:
    """Load a captioner, and compute what its corrections need of the train clips.

    Args:
        captioner_path: from `train_captioner`.
        features: for each of `SPLITS` its CNN features.
        vectors_path: s of all clips (CSV, from `mine_topics`).
        plan: a value for each field of `RefinementPlan`.
        decoding: of :func:`.decode.beam_search`.
        seed: see `Refiner`.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: an unreadable file, or features of another backbone.
    """
    captioner, vocabulary, opened = load_for(captioner_path, *(features[split] for split in SPLITS))
    files = dict(zip(SPLITS, opened, strict=True))
    vectors = read_topic_vectors(vectors_path)
    labelled = {
        split: (file, torch.from_numpy(vectors_of(vectors, file.clips, split=split)))
        for split, file in files.items()
        if split != "test"
    }
    captioner.to(choose_device(device)).requires_grad_(False)
    refiner = Refiner(
        captioner,
        labelled["train"],
        labelled["val"],
        RefinementPlan(**plan),
        dict(decoding),
        seed=seed,
    )
    return Opened(refiner, vocabulary, files, vectors)


def choose_cases(
    captioners: Sequence[str | Path],
    features_path: str | Path,
    corpus: str | Path,
    topics: str | Path,
    vectors_path: str | Path,
    output: str | Path,
    *,
    cases: int,
    seed: int,
    decoding: Mapping[str, Any],
    device: str = "auto",
) -> None:
    """Choose clips that all captioners get wrong, and for each the topic they miss.

    A clip is a case where the caption of its second half by each of the captioners has a word of a
    topic that no reference caption of the clip has, and where a topic of the clip is missed: at
    least `AGREED` of its references have a strict word of it, and no captioner's caption of either
    half has one. Of several topics the one that most references have is taken.

    Clips of a single frame have no halves and are left out.

    Args:
        captioners: from `train_captioner`.
        features_path: CNN features of the clips.
        corpus: in canonical form.
        topics: `topics.json`.
        vectors_path: s of all clips (CSV).
        output: CSV, a row a case: `clip`, `topic`, `words` (strict ones) and `agreed` (share of the
            references).
        cases: chosen at random where there are more.
        seed: of that choice.
        decoding: of :func:`.decode.beam_search`.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: an unreadable file, or features of another backbone.
    """
    words, vectors = TopicWords.load(topics), read_topic_vectors(vectors_path)
    strict, known = words.strict, set(words.words)
    table = read_table(corpus, "captions")
    references = {
        clip: [set(tokenise(text)) for text in texts]
        for clip, texts in table.groupby("clip")["text"]
    }
    said = [_said_of_halves(path, features_path, decoding, device) for path in captioners]
    rows = []
    for clip in said[0].keys() & references.keys() & set(vectors.index):
        used = set().union(*references[clip])
        if not all((one[clip][1] & known) - used for one in said):
            continue
        spoken = set().union(*(half for one in said for half in one[clip]))
        missed = [
            (np.mean([not own.isdisjoint(strict[topic]) for own in references[clip]]), topic)
            for topic in np.flatnonzero(vectors.loc[clip].to_numpy())
            if strict[topic] and spoken.isdisjoint(strict[topic])
        ]
        agreed, topic = max(missed, default=(0.0, -1))
        if agreed >= AGREED:
            rows.append((clip, words.names[topic], " ".join(strict[topic]), agreed))
    if len(rows) < cases:
        log.warning("%d cases, refinement.experiment.cases is %d", len(rows), cases)
    rows.sort()
    chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:cases])
    picked = pd.DataFrame([rows[row] for row in chosen], columns=CASE)
    with whole_file(output) as temporary:
        picked.to_csv(temporary, index=False, float_format=number_format("%.3f"))


def _said_of_halves(
    captioner_path: str | Path,
    features_path: str | Path,
    decoding: Mapping[str, Any],
    device: str,
) -> dict[str, list[set[str]]]:
    """Of each clip the words of its first half's caption and of its second half's."""
    captioner, vocabulary, (features,) = load_for(captioner_path, features_path)
    captioner.to(choose_device(device))
    rows = np.flatnonzero(features.lengths > 1)
    if not len(rows):
        return {}
    cnn, lengths = next(features.batches([rows]))
    where = captioner.encoder.input.mean.device
    said: dict[str, list[set[str]]] = {features.clips[row]: [] for row in rows}
    for half in Clips(cnn.to(where), lengths.to(where)).halves():
        captions = captions_of(captioner, captioner.encoder, half, dict(decoding))
        for clip, caption in zip(said, captions, strict=True):
            said[clip].append(set(vocabulary.decode(caption.words).split()))
    return said


def correct_cases(
    opened: Opened,
    cases_path: str | Path,
    output: str | Path,
    *,
    split: str,
    in_turn: int,
    control: str | None = None,
    control_for: str | Path | None = None,
) -> None:
    """Correct each case by itself from its first half; then the first of them in turn.

    Args:
        opened: the captioner; afterwards it is the one that was corrected in turn.
        cases_path: CSV of `choose_cases`, of clips of this split.
        output: JSON: `before`, the captions of all whole clips of the split; `cases`, of each its
            `clip`, `topic`, `dose` (null: no dose made the captioner say it), the captions of its
            second half `before` and `after`, whether it is `corrected`, the caption of the `whole`
            clip afterwards, and `changed`, the captions of those other clips that are now captioned
            differently, with `gained`, those of them that now name the topic and do not have it,
            and `without`, how many do not have it; of those that have it, `helped`, those that name
            it only now, and `missing`, how many did not before, `lost`, those that no longer name
            it, and `having`, how many did before; `in_turn`: the `cases` corrected one
            upon the other, the `doses` by clip where one was found, and when all have been made
            what has `changed`, and how many of the cases' second halves are `corrected`.
        split: `test`, or `val` to choose settings by.
        in_turn: how many cases are corrected one upon the other (the paper: 20).
        control: one of `CONTROLS`, in the place of the topic's own push.
        control_for: what this function wrote for the same captioner and cases without a control;
            the doses of the control are these.

    Raises:
        InputError: a case that is no clip of the split or no topic, or that `control_for` lacks.
    """
    refiner, file = opened.refiner, opened.files[split]
    everything = opened.clips(split, range(len(file.clips)))
    topics = list(opened.vectors.columns)
    # What is not described has no topics that one could know: it is not counted by them.
    described = np.isin(file.clips, opened.vectors.index)
    has = np.zeros((len(file.clips), len(topics)), bool)
    known = [clip for clip, one in zip(file.clips, described, strict=True) if one]
    has[described] = vectors_of(opened.vectors, known, split=split) > 0
    doses = _doses_of(control_for) if control else None
    original = refiner.captioner.encoder
    V = original(*everything)
    whole = refiner.caption(original, everything)
    before = opened.decode(whole)

    def caption_all(encoder: Encoder) -> list[Caption]:
        """Captions of all clips; those whose features are what they were are not asked again."""
        if encoder is original:
            return whole
        moved = (encoder(*everything) != V).flatten(1).any(dim=1).nonzero().flatten().tolist()
        new = dict(zip(moved, refiner.caption(encoder, everything.rows(moved)), strict=True))
        return [new.get(row, caption) for row, caption in enumerate(whole)]

    work = []
    for case in read_csv(cases_path).itertuples():
        if case.clip not in file.row or case.topic not in topics:
            raise InputError(f"{cases_path}: {case.clip}, {case.topic}: choose the cases again")
        if doses is not None and case.clip not in doses["cases"]:
            raise InputError(f"{control_for}: has no case {case.clip}; correct the cases again")
        row, topic = file.row[case.clip], topics.index(case.topic)
        words = opened.words(case.words.split())
        try:
            direction = refiner.direction(topic, words)
        except ValueError:  # with `direction: named`, a topic may have no neuron
            direction = None
        work.append(_Case(case.clip, row, topic, words, direction, everything.rows([row]).halves()))
    pushes = [case.direction for case in work]
    if control:
        pushes = [CONTROLS[control](work, number, has) for number in range(len(work))]

    def correct(number: int, phase: str) -> Correction:
        case, push = work[number], pushes[number]
        dose = doses[phase].get(case.clip) if doses else None
        if push is None or (doses and dose is None):
            return Correction(refiner.captioner.encoder, None)
        return refiner.correct(case.halves[0], push, case.words, dose)

    records = []
    for number, case in enumerate(progress(work, what="corrections")):
        correction = correct(number, "cases")
        (old,), (new,) = (
            refiner.caption(one, case.halves[1]) for one in (original, correction.encoder)
        )
        now = caption_all(correction.encoder)
        texts = opened.decode(now)
        others = [other for other in range(len(now)) if other != case.row]
        own = has[:, case.topic]
        named = [(says(one, case.words), says(two, case.words))
                 for one, two in zip(whole, now, strict=True)]  # fmt: skip
        lacking = [other for other in others if described[other] and not own[other]]
        having = [other for other in others if own[other] and named[other][0]]
        missing = [other for other in others if own[other] and not named[other][0]]
        records.append(
            {
                "clip": case.clip,
                "topic": topics[case.topic],
                "dose": correction.dose,
                "before": opened.decode([old])[0],
                "after": opened.decode([new])[0],
                "corrected": says(new, case.words),
                "changed": {file.clips[o]: texts[o] for o in others if texts[o] != before[o]},
                "gained": sum(named[o] == (False, True) for o in lacking),
                "without": len(lacking),
                "helped": sum(named[o][1] for o in missing),
                "missing": len(missing),
                "lost": sum(not named[o][1] for o in having),
                "having": len(having),
                "whole": texts[case.row],
            }
        )
    made: dict[str, float] = {}
    first = work[:in_turn]
    for number, case in enumerate(first):
        correction = correct(number, "in_turn")
        if correction.dose is not None:
            made[case.clip] = correction.dose
        refiner.accept(correction, case.halves[0])
    encoder = refiner.captioner.encoder
    texts = opened.decode(caption_all(encoder))
    write_json(
        output,
        {
            "before": dict(zip(file.clips, before, strict=True)),
            "cases": records,
            "in_turn": {
                "cases": [case.clip for case in first],
                "doses": made,
                "changed": {clip: new for clip, new, old
                            in zip(file.clips, texts, before, strict=True) if new != old},
                "corrected": sum(
                    says(refiner.caption(encoder, case.halves[1])[0], case.words) for case in first
                ),
            },
        },
    )  # fmt: skip


class _Case(NamedTuple):
    """A wrongly captioned clip: its row, the topic that is missed, and its two halves."""

    clip: str
    row: int
    topic: int
    words: list[int]
    direction: torch.Tensor | None
    halves: tuple[Clips, Clips]


def _random_push(work: Sequence[_Case], number: int, has: np.ndarray) -> torch.Tensor | None:
    """The case's own push, at neurons drawn at random."""
    direction = work[number].direction
    return None if direction is None else random_direction(direction, number)


def _other_push(work: Sequence[_Case], number: int, has: np.ndarray) -> torch.Tensor | None:
    """As strong a push to the topic of another case, drawn among those that the clip lacks."""
    own = work[number]
    others = [case.direction for case in work
              if case.direction is not None and not has[own.row, case.topic]]  # fmt: skip
    if own.direction is None or not others:
        return None
    other = others[np.random.default_rng(number).integers(len(others))]
    return other * (own.direction.norm() / other.norm())


CONTROLS = {"random": _random_push, "other": _other_push}
"""What is pushed in the place of a topic, with the same doses."""


def _doses_of(path: str | Path) -> dict[str, dict[str, float | None]]:
    """The doses in what `correct_cases` wrote, of cases by themselves and in turn, by clip."""
    record = read_json(path)
    return {
        "cases": {case["clip"]: case["dose"] for case in record["cases"]},
        "in_turn": record["in_turn"]["doses"],
    }


def refine_captioner(
    opened: Opened,
    corrections_path: str | Path,
    topics: str | Path,
    output: str | Path,
    captions: str | Path,
) -> None:
    """Make a person's corrections, one upon the other, and write the refined captioner.

    Args:
        opened: the captioner; it is changed.
        corrections_path: see `read_corrections`.
        topics: `topics.json`.
        output: the refined captioner (safetensors).
        captions: CSV, a row a topic of a corrected clip: `clip`, `split`, `topic`, the `words` that
            give it away, `dose` (empty: none made the captioner say it; 0: it said it already; in
            both cases nothing was changed for it), `before`, `after` all corrections, and `said`,
            whether the latter has such a word.

    Raises:
        InputError: an unreadable file, an unknown clip or topic (with the nearest names), a topic
            that has no direction (see :func:`.refining.topic_direction`) or that the captioner has
            no words for.
    """
    found = TopicWords.load(topics)
    strict = found.strict
    places = {
        clip: (split, row)
        for split, file in opened.files.items()
        for row, clip in enumerate(file.clips)
    }
    work = []
    for clip, names in read_corrections(corrections_path):
        where = f"{corrections_path}: {clip}"
        if clip not in places:
            near = nearest(clip, places)
            hint = f"did you mean {' or '.join(near)}?" if near else "clips.csv lists the clips"
            raise InputError(f"{where}: there is no such clip; {hint}")
        for name in names:
            try:
                topic = found.find(name)
                words = [*strict[topic], *([name] if name in found.words else [])]
                if not opened.words(words):
                    raise InputError(
                        f"the captioner has no word for {name!r}; add captions that name it"
                    )
                direction = opened.refiner.direction(topic, opened.words(words))
            except (InputError, ValueError) as error:
                raise InputError(f"{where}: {error}") from None
            if (clip, topic) in [done[:2] for done in work]:
                raise InputError(
                    f"{where}: {name!r} is of the topic {found.names[topic]}, which is there twice"
                )
            work.append((clip, topic, list(dict.fromkeys(words)), direction))
    refiner = opened.refiner
    clips = {clip: opened.clips(places[clip][0], [places[clip][1]]) for clip, *_ in work}
    before = {
        clip: refiner.caption(refiner.captioner.encoder, seen) for clip, seen in clips.items()
    }
    rows = []
    for clip, topic, words, direction in progress(work, what="corrections"):
        correction = refiner.correct(clips[clip], direction, opened.words(words))
        if not correction.dose:
            why = "says it already" if correction.dose == 0 else "no dose makes it say that"
            log.warning("%s: %s: %s; nothing is changed for it", clip, found.names[topic], why)
        refiner.accept(correction, clips[clip])
        rows.append({"clip": clip, "split": places[clip][0], "topic": found.names[topic],
                     "words": " ".join(words), "dose": correction.dose})  # fmt: skip
    for row in rows:
        after = refiner.caption(refiner.captioner.encoder, clips[row["clip"]])
        row |= {
            "before": opened.decode(before[row["clip"]])[0],
            "after": opened.decode(after)[0],
            "said": says(after[0], opened.words(row["words"].split())),
        }
        if row["dose"] and not row["said"]:
            log.warning(
                "%s: after all corrections it no longer says %s; give fewer topics of this clip, "
                "or the clip a place further down",
                row["clip"],
                row["topic"],
            )
    save_captioner(
        output, refiner.captioner, opened.vocabulary, backbone=opened.files["train"].backbone
    )
    columns = ["clip", "split", "topic", "words", "dose", "before", "after", "said"]
    with whole_file(captions) as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(
            temporary, index=False, float_format=number_format("%.4g")
        )
