"""Student's interval over seeds, against scipy's own and by hand."""

import numpy as np
import pytest
from scipy import stats

from seewhy.scores.seeds import SHARE, over_seeds


def test_the_interval_is_the_one_of_scipy():
    values = [0.61, 0.58, 0.65, 0.6]
    found = over_seeds(values, 0.9)
    sem = stats.sem(values)
    low, high = stats.t.interval(0.9, len(values) - 1, loc=np.mean(values), scale=sem)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.sd == pytest.approx(sem * 2)
    assert list(found.columns("x")) == ["x", "x low", "x high", "x seed sd"]


def test_the_interval_of_a_share_ends_where_shares_do():
    found = over_seeds([0.98, 1.0, 0.97], 0.95, bounds=SHARE)
    assert (found.high, found.mean) == (1.0, pytest.approx(0.98333, abs=1e-5))
    assert found.low == over_seeds([0.98, 1.0, 0.97], 0.95).low > 0.9


def test_two_seeds_by_hand():
    assert over_seeds([1.0, 3.0], 0.95).high == pytest.approx(2 + 12.706, abs=1e-3)


def test_a_single_seed_has_no_interval():
    assert over_seeds([0.5], 0.95).columns("x") == {"x": 0.5}
