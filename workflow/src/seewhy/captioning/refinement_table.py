"""What corrections achieve and what they cost: `results/refinement.csv`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seewhy.captioning.predictions import model_and_seed
from seewhy.captioning.tables import Bootstrap, references_of
from seewhy.files import read_json, whole_file
from seewhy.scores.captions import CaptionScorer, ClipScores
from seewhy.scores.meteor import Meteor
from seewhy.scores.seeds import over_seeds

SHARES = ("corrected", "unanswered", "others changed", "false positives", "lost")
SCORES = ("BLEU-4", "METEOR")
PUBLISHED = {"cases": 20, "corrected": 17 / 20, "BLEU-4 before": 0.446, "METEOR before": 0.297,
             "BLEU-4 in turn": 0.449, "METEOR in turn": 0.298}  # fmt: skip


def tabulate_refinement(
    corpus: str | Path,
    records: Sequence[str | Path],
    table_path: str | Path,
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Write for each captioner, and the control, what became of its cases and of the test set.

    Columns: `corrected`, the share of unseen halves that name the topic afterwards; `unanswered`,
    the share of cases in which no dose made the captioner say it; `others changed`, the share of
    the other clips that are captioned in other words; `false positives`, the share of those without
    the topic that now name it, `lost`, that of those with the topic that named it and no longer do;
    each the mean over training seeds (those with a case) with Student's interval. Then BLEU-4 and
    METEOR of the whole test set: `before` with its bootstrap interval over clips, `after` one
    correction, the mean over the cases, and after several `in turn`, as many as were `made`, with
    the interval of the `change` (clips and seeds drawn). Differences of LSTM-I's seeds from the
    others', and the paper's own figures.

    Args:
        corpus: in canonical form.
        records: JSON of `correct_cases`, ``<model>-seed<seed>.<neurons>.json``.
        table_path: CSV.
        resamples: bootstrap resamples of the clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        InputError: no references, METEOR failing.
    """
    networks: dict[str, dict[int, dict[str, Any]]] = {}
    for path in map(Path, records):
        model, number = model_and_seed(path)
        row = f"LSTM-{model}" + ("" if ".own." in path.name else ", random neurons")
        networks.setdefault(row, {})[number] = read_json(path)
    references = references_of(corpus, "test")
    clips = [c for c in next(iter(networks["LSTM-I"].values()))["before"] if c in references]
    bootstrap = Bootstrap(resamples, confidence, seed)
    shares = {
        row: {number: _shares(record) for number, record in by_seed.items()}
        for row, by_seed in networks.items()
    }
    rows = []
    with Meteor() as meteor:
        scorer = CaptionScorer({clip: references[clip] for clip in clips}, meteor=meteor)
        for row, by_seed in networks.items():
            rows.append(
                {"row": row, "kind": "network", "seeds": len(by_seed)}
                | {"cases": sum(len(record["cases"]) for record in by_seed.values())}
                | _intervals(list(shares[row].values()), confidence)
                | _scores(list(by_seed.values()), clips, scorer, bootstrap)
            )
    for row, by_seed in shares.items():
        if row != "LSTM-I":
            pairs = [
                {name: shares["LSTM-I"][number][name] - one[name] for name in SHARES}
                for number, one in by_seed.items()
            ]
            rows.append(
                {"row": f"LSTM-I minus {row}", "kind": "paired difference", "seeds": len(pairs)}
                | _intervals(pairs, confidence)
            )
    rows.append({"row": "LSTM-I", "kind": "published (Dong et al. 2017, section 4)"} | PUBLISHED)
    table = pd.DataFrame(rows)
    for count in ("seeds", "cases"):
        table[count] = table[count].astype("Int64")
    with whole_file(table_path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.4f")


def _shares(record: Mapping[str, Any]) -> dict[str, float]:
    others = max(1, len(record["before"]) - 1)
    by_case = [
        {
            "corrected": case["corrected"],
            "unanswered": case["dose"] is None,
            "others changed": len(case["changed"]) / others,
            "false positives": case["gained"] / max(1, case["without"]),
            "lost": case["lost"] / case["having"] if case["having"] else math.nan,
        }
        for case in record["cases"]
    ]
    return {name: _mean(case[name] for case in by_case) for name in SHARES}


def _mean(values: Iterable[float]) -> float:
    """The mean of what is a number; not a number where there is nothing."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def _intervals(by_seed: Sequence[Mapping[str, float]], confidence: float) -> dict[str, float]:
    result: dict[str, float] = {}
    for name in SHARES:
        values = [one[name] for one in by_seed if not math.isnan(one[name])]
        result |= over_seeds(values, confidence).columns(name) if values else {name: math.nan}
    return result


def _scores(
    by_seed: Sequence[Mapping[str, Any]],
    clips: Sequence[str],
    scorer: CaptionScorer,
    bootstrap: Bootstrap,
) -> dict[str, float]:
    """BLEU-4 and METEOR before, after each case (the mean) and after several in turn."""
    before, after, in_turn = [], [], []
    for record in by_seed:
        original = scorer.score({clip: record["before"][clip] for clip in clips})
        before.append(original)
        cases = [case["changed"] | {case["clip"]: case["whole"]} for case in record["cases"]]
        each = _rescored(original, [*cases, record["in_turn"]["changed"]], scorer, record["before"])
        single = [scores.corpus() for scores in each[:-1]]
        after.append({name: _mean(one[name] for one in single) for name in SCORES})
        in_turn.append(each[-1])
    intervals, changes = bootstrap.of(before), bootstrap.difference(in_turn, before)
    columns: dict[str, float] = {"made": _mean(r["in_turn"]["corrections"] for r in by_seed)}
    for name in SCORES:
        own = intervals[name]
        columns |= {f"{name} before": own.value, f"{name} before low": own.low}
        columns |= {f"{name} before high": own.high}
        columns[f"{name} after"] = _mean(one[name] for one in after)
        columns[f"{name} in turn"] = own.value + changes[name].value
        columns[f"{name} change"] = changes[name].value
        columns |= {
            f"{name} change low": changes[name].low,
            f"{name} change high": changes[name].high,
        }
    return columns


def _rescored(
    original: ClipScores,
    changes: Sequence[Mapping[str, str]],
    scorer: CaptionScorer,
    before: Mapping[str, str],
) -> list[ClipScores]:
    """Scores after each set of changed captions; every caption of a clip is scored once."""
    place = {clip: row for row, clip in enumerate(original.clips)}
    new: dict[str, list[str]] = {clip: [] for clip in original.clips}
    for change in changes:
        for clip, text in change.items():
            if clip in place and text not in new[clip]:
                new[clip].append(text)
    rounds = [
        scorer.score({clip: texts[n] if n < len(texts) else before[clip]
                      for clip, texts in new.items()})
        for n in range(max(map(len, new.values()), default=0))
    ]  # fmt: skip
    result = []
    for change in changes:
        parts = {name: getattr(original, name).copy()
                 for name in ("bleu", "meteor", "rouge_l", "cider")}  # fmt: skip
        for clip, text in change.items():
            if clip in place:
                row = place[clip]
                scores = rounds[new[clip].index(text)]
                for name, values in parts.items():
                    values[row] = getattr(scores, name)[row]
        result.append(replace(original, **parts))
    return result
