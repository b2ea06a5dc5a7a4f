"""Bootstrap intervals, against a literal loop and for their coverage."""

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.scores.bootstrap import (
    bootstrap_interval,
    bootstrap_rows,
    mean_of,
    multiplicities,
    paired_bootstrap,
)
from seewhy.scores.captions import SCORES, ClipScores, score_captions


def random_scores(seed: int, clips: int = 20) -> ClipScores:
    rng = np.random.default_rng(seed)
    names = [f"clip{i}" for i in range(clips)]

    def caption() -> str:
        return " ".join(rng.choice(["a", "man", "cat", "runs"], size=rng.integers(3, 9)))

    heard = np.random.default_rng(99)  # the same references whatever the seed
    references = {
        n: [" ".join(heard.choice(["a", "man", "cat", "runs"], size=7)) for _ in range(3)]
        for n in names
    }
    return score_captions({n: caption() for n in names}, references, meteor=False)


def test_multiplicities_count_the_draws():
    drawn = np.array([[0, 2, 2], [1, 1, 1]])
    np.testing.assert_array_equal(multiplicities(drawn, 4), [[1, 0, 2, 0], [0, 3, 0, 0]])


def test_interval_is_that_of_a_literal_loop():
    scores, other = random_scores(1), random_scores(2)
    n, draws = 20, 200
    rng = np.random.default_rng(5)
    indices = rng.integers(n, size=(draws, n))
    values = []
    for drawn in indices:
        of_first, of_second = (
            ClipScores(
                tuple("x" * n), s.bleu[drawn], None, s.rouge_l[drawn], s.cider[drawn]
            ).corpus()
            for s in (scores, other)
        )
        values.append({name: (of_first[name], of_second[name]) for name in of_first})
    single = bootstrap_interval([scores], resamples=draws, seed=5, level=0.9)
    difference = paired_bootstrap([scores], [other], resamples=draws, seed=5, level=0.9)
    assert set(single) == set(SCORES) - {"METEOR"}
    for name in single:
        first = np.array([v[name][0] for v in values])
        delta = first - [v[name][1] for v in values]
        assert single[name].value == pytest.approx(scores.corpus()[name])
        assert (single[name].low, single[name].high) == pytest.approx(
            tuple(np.quantile(first, [0.05, 0.95]))
        )
        assert (difference[name].low, difference[name].high) == pytest.approx(
            tuple(np.quantile(delta, [0.05, 0.95]))
        )


def test_rows_and_their_differences_are_those_taken_one_at_a_time():
    rng = np.random.default_rng(5)
    scores = {row: mean_of(rng.normal(size=30)) for row in ("one", "two", "three")}
    draws = {"clips": 30, "resamples": 300, "seed": 4}
    rows = bootstrap_rows(scores, [("one", "two"), ("one", "three")], **draws)
    expected = {row: bootstrap_interval([score], **draws) for row, score in scores.items()}
    for other in ("two", "three"):
        pair = [scores["one"]], [scores[other]]
        expected[f"one minus {other}"] = paired_bootstrap(*pair, **draws)
    assert list(rows) == list(expected)
    assert rows == expected


def test_seeds_are_averaged_before_the_quantiles():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 30))  # [seeds, clips]
    result = paired_bootstrap([mean_of(x) for x in a], [mean_of(x) for x in b], clips=30)["mean"]
    merged = bootstrap_interval([mean_of((a - b).mean(0))], clips=30)["mean"]
    assert (result.value, result.low, result.high) == pytest.approx(
        (merged.value, merged.low, merged.high)
    )


def test_drawing_seeds_widens_the_interval_where_seeds_differ():
    values = np.random.default_rng(0).normal(size=200)
    scores = [mean_of(values + shift) for shift in (-1.0, 0.0, 1.0)]
    fixed = bootstrap_interval(scores, clips=200)["mean"]
    drawn = bootstrap_interval(scores, clips=200, resample_seeds=True)["mean"]
    assert drawn.value == pytest.approx(fixed.value)
    assert drawn.high - drawn.low > 3 * (fixed.high - fixed.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        first = rng.exponential(1.2, size=80)
        second = first * 0.5 + rng.exponential(0.5, size=80)  # true difference 1.2 - 1.1
        found = paired_bootstrap(
            [mean_of(first)], [mean_of(second)], clips=80, resamples=400, seed=trial
        )["mean"]
        covered += found.low <= 0.1 <= found.high
    assert 0.90 <= covered / 300 <= 0.98  # 0.95 less the known shortfall at 80 clips, +- 3 sd


def test_chunks_do_not_change_the_draws(monkeypatch):
    scores = random_scores(3)
    whole = bootstrap_interval([scores], resamples=50)
    monkeypatch.setattr("seewhy.scores.bootstrap._CHUNK", 20 * 7)
    assert bootstrap_interval([scores], resamples=50)["CIDEr"].low == whole["CIDEr"].low


def test_errors_say_what_is_wrong():
    scores = random_scores(1)
    other = ClipScores(scores.clips[::-1], scores.bleu, None, scores.rouge_l, scores.cider)
    for call, message in [
        (lambda: bootstrap_interval([]), "there are no scores"),
        (lambda: paired_bootstrap([scores], [scores, scores]), "1 seeds .* and 2 of the second"),
        (lambda: paired_bootstrap([scores], [other]), "different clips, or in another order"),
        (lambda: bootstrap_interval([scores], clips=7), "clips is 7, and the scores are of 20"),
        (lambda: bootstrap_interval([mean_of(np.ones(3))]), "give the number of clips"),
        (lambda: bootstrap_interval([mean_of(np.ones(1))], clips=1), "at least two"),
        (lambda: bootstrap_interval([scores], level=1.5), r"level \(1.5\)"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_two_clips_and_a_single_draw_are_enough():
    values = mean_of(np.array([1.0, 3.0]))
    found = bootstrap_interval([values], clips=2, resamples=400)["mean"]
    assert (found.value, found.low, found.high) == (2, 1, 3)
    one = bootstrap_interval([values], clips=2, resamples=1)["mean"]
    assert one.low == one.high
    assert one.low in (1, 2, 3)


@pytest.mark.parametrize("level", [0, 1])
def test_a_level_of_none_or_all_is_refused(level):
    with pytest.raises(InputError, match="out of range"):
        bootstrap_interval([mean_of(np.arange(3.0))], clips=3, level=level)


def test_pairs_of_seeds_are_drawn_where_that_is_asked():
    first = [mean_of(np.full(5, value)) for value in (1.0, 3.0)]
    second = [mean_of(np.zeros(5))] * 2
    still = paired_bootstrap(first, second, clips=5)["mean"]
    assert (still.low, still.value, still.high) == (2, 2, 2)
    drawn = paired_bootstrap(first, second, clips=5, resample_seeds=True)["mean"]
    assert (drawn.low, drawn.value, drawn.high) == (1, 2, 3)
