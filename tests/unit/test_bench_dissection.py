"""The benchmark of counting, on maps so few that its times mean nothing."""

import numpy as np
import pytest

from seewhy.bench import dissection
from seewhy.bench.dissection import bench_dissection, literal

SIZES = {"images": 3, "units": 6, "concepts": 12, "mask": 32, "cells": 4, "repeats": 1}


def test_every_way_counts_the_same_and_has_its_numbers():
    found = bench_dissection(**SIZES)
    assert found["literal_upsamples_by"] in ("Pillow", "torch")
    assert 0 < found["fired_share"] < 0.1
    for way in ("literal", "dense"):
        assert 0 < found["times_faster_lowest"][way] <= found["times_faster"][way]
        assert found["milliseconds_an_image"][way] > 0


def test_other_counts_are_an_error(monkeypatch):
    def wrong(*args, **how):
        both, fired = literal(*args, **how)
        both[np.unravel_index(both.argmax(), both.shape)] -= 1
        return both, fired

    monkeypatch.setattr(dissection, "literal", wrong)
    with pytest.raises(RuntimeError, match="Pillow: other counts than ours"):
        bench_dissection(**SIZES)
