"""Caption scores on MSVD's validation clips: the figures that pycocoevalcap gives."""

from pathlib import Path

import pytest

from seewhy.scores.bootstrap import bootstrap_interval, paired_bootstrap
from seewhy.scores.captions import CaptionScorer
from seewhy.scores.meteor import Meteor
from seewhy.scores.reference_rows import best_constant_caption, reference_against_others

MSVD = Path(__file__).parents[3] / "shared" / "data" / "msvd"
NEEDED = ("sa_valid_samples.txt", "sents_train_lc_nopunc.txt", "sents_val_lc_nopunc.txt")
pytestmark = pytest.mark.skipif(
    not all((MSVD / name).exists() for name in NEEDED), reason=f"no {', '.join(NEEDED)} in {MSVD}"
)


def captions(split: str) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for line in (MSVD / f"sents_{split}_lc_nopunc.txt").read_text().splitlines():
        clip, text = line.split("\t")
        result.setdefault(clip, []).append(text)
    return result


def test_scores_of_published_captions():
    lines = (MSVD / "sa_valid_samples.txt").read_text().splitlines()
    predictions = {f"vid{1201 + i}": line for i, line in enumerate(lines)}
    references = captions("val")
    constant = best_constant_caption(captions("train"), references)
    with Meteor() as meteor:
        scorer = CaptionScorer(references, meteor=meteor)
        scores = scorer.score(predictions)
        floor = scorer.score(dict.fromkeys(references, constant))
        ceiling = reference_against_others(references, draws=2, meteor=meteor)
    found = {name: 100 * value for name, value in scores.corpus().items()}
    expected = {"BLEU-4": 44.55, "METEOR": 29.91, "ROUGE-L": 62.58, "CIDEr": 71.61}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.05), name
    for name in expected:
        assert floor.corpus()[name] < scores.corpus()[name] < ceiling.corpus()[name], name
    intervals = bootstrap_interval([scores])
    for name, interval in intervals.items():
        assert interval.low < interval.value < interval.high, name
    assert paired_bootstrap([scores], [floor])["METEOR"].low > 0
