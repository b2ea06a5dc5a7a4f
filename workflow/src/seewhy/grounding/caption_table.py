"""How good the word network's captions are, beside the METEOR of the captioners of the paper."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from seewhy.captioning.predictions import read_predictions
from seewhy.captioning.tables import references_of
from seewhy.files import whole_file
from seewhy.scores.bootstrap import bootstrap_interval
from seewhy.scores.captions import CaptionScorer, ClipScores
from seewhy.scores.meteor import Meteor
from seewhy.scores.reference_rows import best_constant_caption, reference_against_others
from seewhy.table_numbers import number_format
from seewhy.text.tokens import tokenise
from seewhy.training_remarks import all_alike, metrics_remarks, sound

log = logging.getLogger(__name__)

SCORES = ("BLEU-4", "METEOR", "CIDEr")
# Bargal et al., section 6: the captioners whose words they ground, and those of [15].
PUBLISHED = {
    ("mean pooling, VGG-16 (Bargal et al. 2018)", "MSR-VTT"): 0.265,
    ("caption-guided saliency (Ramanishka et al. 2017)", "MSR-VTT"): 0.259,
    ("without pooling, VGG-16 (Bargal et al. 2018)", "Flickr30k"): 0.180,
    ("caption-guided saliency, images (Ramanishka et al. 2017)", "Flickr30k"): 0.183,
}


def tabulate_word_captions(
    corpus: str | Path,
    captions: str | Path,
    table: str | Path,
    *,
    name: str,
    metrics: str | Path | None = None,
    resamples: int,
    confidence: float,
    seed: int,
) -> None:
    """Score the captions of test clips, beside the floor, the ceiling and the paper's METEOR.

    A model that learnt nothing has a `remark`; where it learnt, there is no such column.

    Args:
        corpus: in canonical form.
        captions: from `caption_by_words`, of the test clips.
        table: CSV, a row a system.
        name: of the corpus.
        metrics: from `train_word_network`, for what it remarked.
        resamples: of the bootstrap over clips.
        confidence: coverage of the intervals.
        seed: of the bootstrap, and of the references that are drawn.
    """
    references = references_of(corpus, "test")
    said = {c: text for c, text in read_predictions(captions).items() if c in references}
    references = {clip: references[clip] for clip in said}
    with Meteor() as meteor:
        scorer = CaptionScorer(references, meteor=meteor)
        constant = best_constant_caption(
            references_of(corpus, "train", least=1), references_of(corpus, "val", least=1)
        )
        systems: dict[tuple[str, str], Sequence[ClipScores]] = {
            ("mean pooling", "model"): [scorer.score(said)],
            (f"constant: {constant}", "floor"): [scorer.score(dict.fromkeys(said, constant))],
        }
        if any(len(texts) > 1 for texts in references.values()):
            systems["one reference against the others", "ceiling"] = reference_against_others(
                references, seed=seed, meteor=meteor
            ).draws
    rows = []
    for (label, kind), own in systems.items():
        row = {"row": label, "kind": kind, "corpus": name, "clips": len(own[0].clips)}
        intervals = bootstrap_interval(own, resamples=resamples, level=confidence, seed=seed)
        for score in SCORES:
            one = intervals[score]
            row |= {score: one.value, f"{score} low": one.low, f"{score} high": one.high}
        rows.append(row)
    remarks = metrics_remarks(metrics) if metrics else []
    should = [" ".join(tokenise(references[clip][0])) for clip in said]
    remarks += [told for told in [all_alike(said.values(), references=should)] if told]
    if rows[0]["BLEU-4"] <= rows[1]["BLEU-4"]:
        remarks.append("BLEU-4 is not above that of the best constant caption")
    if remarks:
        rows[0]["remark"] = "; ".join(remarks)
        sound(log, table, remarks)
    rows += _published()
    with whole_file(table) as temporary:
        frame = pd.DataFrame(rows)
        frame["clips"] = frame["clips"].astype("Int64")
        frame.to_csv(temporary, index=False, float_format=number_format("%.4f"))


def _published() -> list[Mapping[str, object]]:
    kind = "published (Bargal et al. 2018, section 6)"
    return [
        {"row": label, "kind": kind, "corpus": corpus, "METEOR": value}
        for (label, corpus), value in PUBLISHED.items()
    ]
