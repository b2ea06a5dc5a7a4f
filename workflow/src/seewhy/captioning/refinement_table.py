"""What corrections achieve and what they cost: `results/refinement.csv`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.captioning.predictions import model_and_seed
from seewhy.captioning.tables import Bootstrap, references_of
from seewhy.files import read_json, whole_file
from seewhy.scores.captions import CaptionScorer, ClipScores
from seewhy.scores.meteor import Meteor
from seewhy.scores.seeds import DIFFERENCE_OF_SHARES, SHARE, OverSeeds, over_seeds
from seewhy.table_numbers import number_format
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import tokenise
from seewhy.worlds.puppets.caption_truth import (
    ASKED,
    ClipTruth,
    judge_caption,
    read_clip_truths,
)

TRUE = ("true", *(f"true of {asked}" for asked in ASKED), "true before")
SHARES_OF_CASES = ("corrected", *TRUE, "kept", "unanswered", "others changed", "false positives",
                   "helped", "lost")  # fmt: skip
SHARES = (*SHARES_OF_CASES, "corrected in turn")
ENDINGS = {"own": "", "random": ", random neurons", "other": ", another topic"}
"""What follows a network's name in its row; the name of a variant, where it is none of these."""
SCORES = ("BLEU-4", "METEOR")
PUBLISHED = {"cases": 20, "corrected": 17 / 20, "BLEU-4 before": 0.446, "METEOR before": 0.297,
             "BLEU-4 in turn": 0.449, "METEOR in turn": 0.298}  # fmt: skip


def tabulate_refinement(
    corpus: str | Path,
    topics: str | Path,
    records: Sequence[str | Path],
    table_path: str | Path,
    *,
    split: str,
    name: str,
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Write for each captioner, variant and control what became of its cases and of the whole set.

    Columns: `corrected`, the share of unseen halves that name the topic afterwards; of these
    corrected captions, where the corpus knows what was drawn (puppets), `true of who`, `what` and
    `where`, the shares that say nothing wrong of that, `true`, that of all three, and `true
    before`, that of what was said of these halves before; `kept`, where there was a dose, the share
    of the topics that their captions named before as some reference does which they still name;
    `unanswered`, the share of cases in which no dose made the captioner say the topic; `others
    changed`, the share of the other clips that are captioned in other words; `false positives`, the
    share of those without the topic that now name it; of those with the topic, `helped`, the share
    of those that did not name it and now do, and `lost`, that of those that did and no longer do;
    `corrected in turn`, of the unseen halves of those corrected one upon the other the share that
    name their topic when all have been. Each is the mean over training seeds (those with a case)
    with Student's interval, cut at 0 and 1. Then BLEU-4 and METEOR: of the unseen halves, `halves
    before` and `halves after` (the mean over seeds, with Student's interval of the `halves
    change`), and of the whole split: `before` with its bootstrap interval over clips, `after` one
    correction, the mean over the cases, and after several `in turn`, as many as were `made`, with
    the interval of the `change` (clips and seeds drawn). Differences, seed by seed: of LSTM-I from
    each other row, and of its variants from those of the other networks. Then the paper's own
    figures.

    Args:
        corpus: in canonical form.
        topics: `topics.json`.
        records: JSON of `correct_cases`, ``<model>-seed<seed>.<variant>.json``; of LSTM-I's `own`
            at least one.
        table_path: CSV.
        split: whose clips they are of.
        name: of the corpus.
        resamples: bootstrap resamples of the clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        InputError: no references, METEOR failing.
    """
    networks: dict[str, dict[int, dict[str, Any]]] = {}
    for path in map(Path, records):
        model, number = model_and_seed(path)
        variant = path.name.split(".")[-2]
        row = f"LSTM-{model}" + ENDINGS.get(variant, f", {variant}")
        networks.setdefault(row, {})[number] = read_json(path)
    references = references_of(corpus, split)
    clips = [c for c in next(iter(networks["LSTM-I"].values()))["before"] if c in references]
    bootstrap = Bootstrap(resamples, confidence, seed)
    words = TopicWords.load(topics).strict
    truths = read_clip_truths(corpus) if name == "puppets" else {}
    shares = {
        row: {
            number: _shares(record, references, words, truths) for number, record in by_seed.items()
        }
        for row, by_seed in networks.items()
    }
    rows = []
    every = [record for by_seed in networks.values() for record in by_seed.values()]
    said = _statistics([texts for r in every for texts in (*_captions(r), *_halves(r))],
                       {clip: references[clip] for clip in clips})  # fmt: skip
    for row, by_seed in networks.items():
        rows.append(
            {"row": row, "kind": "network", "seeds": len(by_seed)}
            | {"cases": sum(len(record["cases"]) for record in by_seed.values())}
            | _intervals(list(shares[row].values()), confidence, bounds=SHARE)
            | _half_scores(list(by_seed.values()), said, confidence)
            | _scores(list(by_seed.values()), clips, said, bootstrap)
        )
    for ours, theirs in _compared(list(shares)):
        pairs = [
            {name: shares[ours][number][name] - one[name] for name in SHARES}
            for number, one in shares[theirs].items()
        ]
        rows.append(
            {"row": f"{ours} minus {theirs}", "kind": "paired difference", "seeds": len(pairs)}
            | _intervals(pairs, confidence)
        )
    rows.append({"row": "LSTM-I", "kind": "published (Dong et al. 2017, section 4)"} | PUBLISHED)
    table = pd.DataFrame(rows)
    for count in ("seeds", "cases"):
        table[count] = table[count].astype("Int64")
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def _compared(rows: Sequence[str]) -> list[tuple[str, str]]:
    """LSTM-I and every other row; then each variant of LSTM-I and the same of other networks."""
    pairs = [("LSTM-I", row) for row in rows if row != "LSTM-I"]
    for row in rows:
        network, _, variant = row.partition(", ")
        ours = f"LSTM-I, {variant}"
        if variant and network != "LSTM-I" and ours in rows:
            pairs.append((ours, row))
    return pairs


def _shares(
    record: Mapping[str, Any],
    references: Mapping[str, Sequence[str]],
    words: Sequence[Sequence[str]],
    truths: Mapping[str, ClipTruth],
) -> dict[str, float]:
    others = max(1, len(record["before"]) - 1)
    by_case = [
        {
            "corrected": case["corrected"],
            **_truth(case, truths),
            "kept": _kept(case, references.get(case["clip"], ()), words),
            "unanswered": case["dose"] is None,
            "others changed": len(case["changed"]) / others,
            "false positives": case["gained"] / max(1, case["without"]),
            "helped": case["helped"] / case["missing"] if case["missing"] else math.nan,
            "lost": case["lost"] / case["having"] if case["having"] else math.nan,
        }
        for case in record["cases"]
    ]
    shares = {name: _mean(case[name] for case in by_case) for name in SHARES_OF_CASES}
    cases = len(record["in_turn"]["cases"])
    in_turn = record["in_turn"]["corrected"] / cases if cases else math.nan
    return shares | {"corrected in turn": in_turn}


def _truth(case: Mapping[str, Any], truths: Mapping[str, ClipTruth]) -> dict[str, float]:
    """`TRUE` of a corrected case; not a number for the others, and where nothing is known."""
    if not case["corrected"] or case["clip"] not in truths:
        return dict.fromkeys(TRUE, math.nan)
    before, after = (
        judge_caption(case[when], truths[case["clip"]]) for when in ("before", "after")
    )
    return {
        "true": float(all(after.values())),
        **{f"true of {asked}": float(right) for asked, right in after.items()},
        "true before": float(all(before.values())),
    }


def _kept(
    case: Mapping[str, Any], references: Sequence[str], words: Sequence[Sequence[str]]
) -> float:
    """Of topics that a caption named as some reference does, the share that it still names.

    Not a number where no dose was found, and so nothing was at stake.
    """
    if case["dose"] is None:
        return math.nan
    known = {word for text in references for word in tokenise(text)}
    before, after = set(tokenise(case["before"])), set(tokenise(case["after"]))
    right = [own for own in words if not before.isdisjoint(known.intersection(own))]
    return _mean(float(not after.isdisjoint(own)) for own in right)


def _mean(values: Iterable[float]) -> float:
    """The mean of what is a number; not a number where there is nothing."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def _intervals(
    by_seed: Sequence[Mapping[str, float]],
    confidence: float,
    bounds: tuple[float, float] = DIFFERENCE_OF_SHARES,
) -> dict[str, float]:
    """Student's intervals, within what a share (or a difference of two) can be."""
    result: dict[str, float] = {}
    for name in SHARES:
        values = [one[name] for one in by_seed if not math.isnan(one[name])]
        found = over_seeds(values, confidence, bounds=bounds) if values else OverSeeds(math.nan)
        result |= found.columns(name)
    return result


def _captions(record: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Captions of whole clips: all of them before; what each correction changed; in turn."""
    cases = [case["changed"] | {case["clip"]: case["whole"]} for case in record["cases"]]
    return [record["before"], *cases, record["in_turn"]["changed"]]


def _halves(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Captions of the cases' unseen halves, before and after."""
    return [{case["clip"]: case[when] for case in record["cases"]} for when in ("before", "after")]


def _statistics(
    captions: Sequence[Mapping[str, str]], references: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """What BLEU and METEOR need of each clip and caption; the same one is looked at once."""
    new: dict[str, list[str]] = {clip: [] for clip in references}
    for clip, text in dict.fromkeys(pair for some in captions for pair in some.items()):
        if clip in new:
            new[clip].append(text)
    result = {}
    with Meteor() as meteor:
        scorer = CaptionScorer(references, meteor=None)
        tokens = {clip: [" ".join(tokenise(text)) for text in own]
                  for clip, own in references.items()}  # fmt: skip
        for number in range(max(map(len, new.values()))):
            here = {clip: texts[number] for clip, texts in new.items() if number < len(texts)}
            plain = [" ".join(tokenise(text)) for text in here.values()]
            scores = meteor.statistics(plain, [tokens[clip] for clip in here])
            result |= dict(zip(here.items(), zip(scorer.bleu(here), scores, strict=True),
                               strict=True))  # fmt: skip
    return result


def _half_scores(
    by_seed: Sequence[Mapping[str, Any]],
    said: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
    confidence: float,
) -> dict[str, float]:
    """BLEU-4 and METEOR of the unseen halves before and after their correction."""
    columns: dict[str, float] = {}
    pairs = []
    for record in by_seed:
        before, after = _halves(record)
        clips = [clip for clip in before if (clip, before[clip]) in said]
        if clips:
            scores = [_clip_scores(clips, texts, said).corpus() for texts in (before, after)]
            pairs.append(scores)
    for name in SCORES if pairs else ():
        columns |= {
            f"{name} halves {when}": _mean(pair[side][name] for pair in pairs)
            for side, when in enumerate(("before", "after"))
        }
        changes = [after[name] - before[name] for before, after in pairs]
        columns |= over_seeds(changes, confidence).columns(f"{name} halves change")
    return columns


def _scores(
    by_seed: Sequence[Mapping[str, Any]],
    clips: Sequence[str],
    said: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
    bootstrap: Bootstrap,
) -> dict[str, float]:
    """BLEU-4 and METEOR before, after each case (the mean) and after several in turn."""
    before, after, in_turn = [], [], []
    for record in by_seed:
        original, *changes = _captions(record)
        each = [_clip_scores(clips, original | change, said) for change in ({}, *changes)]
        before.append(each[0])
        in_turn.append(each[-1])
        single = [scores.corpus() for scores in each[1:-1]]
        after.append({name: _mean(one[name] for one in single) for name in SCORES})
    intervals, changed = bootstrap.of(before), bootstrap.difference(in_turn, before)
    columns: dict[str, float] = {"made": _mean(len(r["in_turn"]["doses"]) for r in by_seed)}
    for name in SCORES:
        own, change = intervals[name], changed[name]
        columns |= {f"{name} before": own.value, f"{name} before low": own.low}
        columns |= {f"{name} before high": own.high}
        columns[f"{name} after"] = _mean(one[name] for one in after)
        columns[f"{name} in turn"] = own.value + change.value
        columns |= {f"{name} change": change.value, f"{name} change low": change.low}
        columns |= {f"{name} change high": change.high}
    return columns


def _clip_scores(
    clips: Sequence[str],
    captions: Mapping[str, str],
    said: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]],
) -> ClipScores:
    """Scores of one caption a clip; without ROUGE-L and CIDEr, which are not asked for."""
    bleu, meteor = zip(*(said[clip, captions[clip]] for clip in clips), strict=True)
    nothing = np.full(len(clips), math.nan)
    return ClipScores(tuple(clips), np.array(bleu), np.array(meteor), nothing, nothing)
