"""Verdicts, intervals as columns, and tables of means, by hand."""

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.scores.bootstrap import Interval, bootstrap_interval, mean_of
from seewhy.scores.columns import interval_columns, verdict
from seewhy.scores.means import means_of_rows, tabulate_means


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.3, "confirmed"),
        (-0.3, -0.1, "refuted"),
        (-0.1, 0.1, "undecided"),
        (0.0, 0.2, "undecided"),
        (-0.2, 0.0, "undecided"),
        (np.nan, np.nan, "undecided"),
    ],
)
def test_a_verdict_asks_whether_the_interval_excludes_0(low, high, said):
    assert verdict(Interval(0.0, low, high)) == said


def test_a_baseline_below_chance_is_told_whatever_the_verdict():
    below, above = Interval(0.3, 0.2, 0.49), Interval(0.5, 0.4, 0.5)
    gain = Interval(0.2, 0.1, 0.3)
    assert verdict(gain, baseline=below, chance=0.5) == "confirmed, baseline below chance"
    assert verdict(gain, baseline=above, chance=0.5) == "confirmed"
    assert verdict(gain, baseline=below) == "confirmed"  # chance is 0
    lost = Interval(-0.2, -0.3, -0.1)
    assert verdict(lost, baseline=below, chance=0.5) == "refuted, baseline below chance"


def test_an_interval_is_three_columns_and_none_is_none():
    assert interval_columns("x", Interval(0.2, 0.1, 0.3)) == {
        "x": 0.2, "x low": 0.1, "x high": 0.3,
    }  # fmt: skip
    assert interval_columns("x", None) == {}


VALUES = {
    "one": np.array([0.0, 1, np.nan, 3, 4, 6]),
    "two": np.array([0.5, np.nan, 2, 1, 1, 2]),
    "three": np.array([np.nan, 7, np.nan, np.nan, np.nan, np.nan]),
}


def test_means_leave_out_what_is_not_there_and_differences_are_paired():
    table = tabulate_means(
        VALUES, [("one", "two"), ("one", "three")], name="margin", items="images",
        resamples=200, confidence=0.8, seed=3,
    ).set_index("row")  # fmt: skip
    assert list(table.index) == ["one", "two", "three", "one minus two", "one minus three"]
    assert table["images"].tolist() == [5, 5, 1, 4, 1]
    for row, values in (("one", [0, 1, 3, 4, 6]), ("one minus two", [-0.5, 2, 3, 4])):
        found = bootstrap_interval(
            [mean_of(np.array(values, float))], clips=len(values), resamples=200, level=0.8, seed=3
        )["mean"]
        told = table.loc[row, ["margin", "margin low", "margin high"]].tolist()
        assert told == pytest.approx([found.value, found.low, found.high])
    assert np.isnan(table.loc["three", "margin"])  # one item has no interval
    assert table.loc["one minus two", "margin verdict"] == "confirmed"
    assert table["margin verdict"].notna().tolist() == [False, False, False, True, False]


def test_rows_of_other_items_are_refused():
    with pytest.raises(InputError, match="rows of 2 and of 3 birds; give the same"):
        tabulate_means({"a": np.ones(3), "b": np.ones(2)}, [], name="x", items="birds")


def test_means_of_rows_are_nanmeans():
    values = np.array([[1, 3, np.nan], [np.nan] * 3, [0, 0, 6], [np.nan, 5, np.nan]])
    np.testing.assert_allclose(means_of_rows(values), [2, np.nan, 2, 5])


def test_two_items_have_an_interval():
    table = tabulate_means({"a": [True, False]}, [], name="x", items="birds")
    assert table.loc[0, ["birds", "x", "x low", "x high"]].tolist() == [2, 0.5, 0, 1]
