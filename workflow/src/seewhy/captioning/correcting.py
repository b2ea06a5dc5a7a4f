"""Corrections of captions: those of a person, and the paper's experiment with an oracle.

The experiment, section 4 of the paper. Of the test clips that all compared captioners get wrong,
`choose_cases` names for each the topic that is missed, as a person would who knows the human
captions. `correct_cases` gives a captioner the first half of one clip and that topic, and judges it
on the second half, which it has not seen, and on all other test clips; then starts anew with the
next. What counts as naming a topic are strict words (:mod:`seewhy.text.strict`).
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml

from seewhy.captioning.checkpoint import load_for, save_captioner
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.decode import Caption
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
from seewhy.errors import InputError
from seewhy.files import read_json, whole_file, write_json
from seewhy.progress import progress
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import Vocabulary, tokenise
from seewhy.text.vectors import read_topic_vectors, vectors_of

log = logging.getLogger(__name__)

CASE = ["clip", "topic", "words", "agreed"]
AGREED = 0.3  # share of a clip's human captions that say a topic which an oracle calls missing


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
    topic that no human caption of the clip has, and where a topic of the clip is missed: at least
    `AGREED` of its human captions have a strict word of it, and no captioner's caption of either
    half has one. Of several topics the one that most human captions have is taken.

    Clips of a single frame have no halves and are left out.

    Args:
        captioners: from `train_captioner`.
        features_path: CNN features of the clips.
        corpus: in canonical form.
        topics: `topics.json`.
        vectors_path: s of all clips (CSV).
        output: CSV, a row a case: `clip`, `topic`, `words` (strict ones) and `agreed` (share of the
            human captions).
        cases: chosen at random where there are more.
        seed: of that choice.
        decoding: of :func:`.decode.beam_search`.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        InputError: an unreadable file, or features of another backbone.
    """
    words, vectors = TopicWords.load(topics), read_topic_vectors(vectors_path)
    strict, known = words.strict(), set(words.words)
    table = read_table(corpus, "captions")
    human = {
        clip: [set(tokenise(text)) for text in texts]
        for clip, texts in table.groupby("clip")["text"]
    }
    said = [_said_of_halves(path, features_path, decoding, device) for path in captioners]
    rows = []
    for clip in said[0].keys() & human.keys() & set(vectors.index):
        used = set().union(*human[clip])
        if not all((one[clip][1] & known) - used for one in said):
            continue
        spoken = set().union(*(half for one in said for half in one[clip]))
        missed = [
            (np.mean([not own.isdisjoint(strict[topic]) for own in human[clip]]), topic)
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
        picked.to_csv(temporary, index=False, float_format="%.3f")


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
    in_turn: int,
    control_for: str | Path | None = None,
) -> None:
    """Correct each case by itself from its first half; then the first of them in turn.

    Args:
        opened: the captioner; afterwards it is the one that was corrected in turn.
        cases_path: CSV of `choose_cases`, of test clips.
        output: JSON: `before`, the captions of all whole test clips; `cases`, of each its `clip`,
            `topic`, `dose` (null: no dose made the captioner say it), the captions of its second
            half `before` and `after`, whether it is `corrected`, and `changed`, the captions of
            those other clips that are now captioned differently, with `gained`, those of them that
            now name the topic and do not have it, and `without`, how many do not have it; of those
            that have it, `helped`, those that name it only now, and `missing`, how many did not
            before, `lost`, those that no longer name it, and `having`, how many did before;
            `in_turn`: what has `changed` after so many corrections one upon the other.
        in_turn: how many cases are corrected one upon the other (the paper: 20).
        control_for: what this function wrote for the same captioner and cases; then the same
            doses are given to neurons drawn at random, of the same weights.

    Raises:
        InputError: a case that is no test clip or no topic.
    """
    refiner, file = opened.refiner, opened.files["test"]
    everything = opened.clips("test", range(len(file.clips)))
    doses = None
    if control_for is not None:
        doses = {case["clip"]: case["dose"] for case in read_json(control_for)["cases"]}
    original = refiner.captioner.encoder
    whole = refiner.caption(original, everything)
    before = opened.decode(whole)
    has = opened.vectors.loc[list(file.clips)]
    work = []
    for number, case in enumerate(read_csv(cases_path).itertuples()):
        if case.clip not in file.clips or case.topic not in has.columns:
            raise InputError(f"{cases_path}: {case.clip}, {case.topic}: choose the cases again")
        words = opened.words(case.words.split())
        try:
            direction = refiner.direction(has.columns.get_loc(case.topic), words)
        except ValueError:  # with `direction: named`, a topic may have no neuron
            direction = None
        dose = None  # that of the plan
        if doses is not None:
            dose = doses.get(case.clip)
            if dose is None:
                direction = None
            if direction is not None:
                direction = random_direction(direction, refiner.movable, number)
        row = file.clips.index(case.clip)
        halves = everything.rows([row]).halves()
        work.append((case, row, halves, words, direction, dose))

    def correct(
        seen: Clips, words: list[int], direction: torch.Tensor | None, dose: float | None
    ) -> Correction:
        if direction is None:
            return Correction(refiner.captioner.encoder, None)
        return refiner.correct(seen, direction, words, dose)

    records = []
    for case, row, (first, second), words, *push in progress(work, what="corrections"):
        correction = correct(first, words, *push)
        (old,), (new,) = (refiner.caption(one, second) for one in (original, correction.encoder))
        now = whole
        if correction.dose is not None:
            now = refiner.caption(correction.encoder, everything)
        texts = opened.decode(now)
        others = [other for other in range(len(now)) if other != row]
        own = has[case.topic].to_numpy() > 0
        lacking = [other for other in others if not own[other]]
        having = [other for other in others if own[other] and says(whole[other], words)]
        missing = [other for other in others if own[other] and not says(whole[other], words)]
        records.append(
            {
                "clip": case.clip,
                "topic": case.topic,
                "dose": correction.dose,
                "before": opened.decode([old])[0],
                "after": opened.decode([new])[0],
                "corrected": says(new, words),
                "changed": {file.clips[o]: texts[o] for o in others if texts[o] != before[o]},
                "gained": sum(says(now[o], words) and not says(whole[o], words) for o in lacking),
                "without": len(lacking),
                "helped": sum(says(now[o], words) for o in missing),
                "missing": len(missing),
                "lost": sum(not says(now[o], words) for o in having),
                "having": len(having),
                "whole": texts[row],
            }
        )
    made = 0
    for _, _, (first, _), words, *push in work[:in_turn]:
        correction = correct(first, words, *push)
        made += correction.dose is not None
        refiner.accept(correction, first)
    texts = opened.decode(refiner.caption(refiner.captioner.encoder, everything))
    changed = {clip: new for clip, new, old in zip(file.clips, texts, before, strict=True)
               if new != old}  # fmt: skip
    write_json(
        output,
        {
            "before": dict(zip(file.clips, before, strict=True)),
            "cases": records,
            "in_turn": {"corrections": made, "changed": changed},
        },
    )


def read_corrections(path: str | Path) -> list[tuple[str, list[str]]]:
    """A person's corrections: clips, and for each the topics that its caption misses.

    The file is a list of ``{clip: …, topics: [name or word, …]}``; an empty list corrects nothing.

    Raises:
        InputError: not such a file, a clip twice, or nothing named.
    """
    form = "a list of entries such as {clip: test00012, topics: [dancing]}"
    try:
        entries = yaml.load(Path(path).read_text("utf-8"), yaml.BaseLoader)  # 00012 stays as it is
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; write {form}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    if not entries and entries != []:
        raise InputError(f"{path}: is empty; write {form}, or [] for no correction")
    if not isinstance(entries, list):
        raise InputError(f"{path}: is not {form}")
    corrections: dict[str, list[str]] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}: entry {number}"
        if not isinstance(entry, dict) or set(entry) != {"clip", "topics"}:
            raise InputError(f"{where}: is not of the form {{clip: test00012, topics: [dancing]}}")
        clip, topics = str(entry["clip"]), entry["topics"]
        topics = [topics] if isinstance(topics, str) else topics
        if not isinstance(topics, list) or not topics or not all(topics):
            raise InputError(f"{where} ({clip}): names no topic; say what its caption misses")
        if clip in corrections:
            raise InputError(f"{where} ({clip}): is there twice; put all its topics in one entry")
        corrections[clip] = [str(topic) for topic in topics]
    return list(corrections.items())


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
            give it away, `dose` (empty: none made the captioner say it, and nothing was changed for
            it), `before`, `after` all corrections, and `said`, whether the latter has such a word.

    Raises:
        InputError: an unreadable file, an unknown clip or topic (with the nearest names), a topic
            that no train clip has or that the captioner has no words for.
    """
    found = TopicWords.load(topics)
    strict = found.strict()
    places = {
        clip: (split, row)
        for split, file in opened.files.items()
        for row, clip in enumerate(file.clips)
    }
    work = []
    for clip, names in read_corrections(corrections_path):
        where = f"{corrections_path}: {clip}"
        if clip not in places:
            near = difflib.get_close_matches(clip, places, n=3)
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
        if correction.dose is None:
            log.warning("%s: no dose makes it say %s; left as it is", clip, found.names[topic])
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
    save_captioner(
        output, refiner.captioner, opened.vocabulary, backbone=opened.files["train"].backbone
    )
    columns = ["clip", "split", "topic", "words", "dose", "before", "after", "said"]
    with whole_file(captions) as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False, float_format="%.4g")
