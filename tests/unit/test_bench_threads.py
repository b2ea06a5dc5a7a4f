"""The benchmark of threads: its turns and its processors; the runs are Snakemake's."""

import os

import pytest

from seewhy.bench import threads
from seewhy.bench.threads import SPINNING, bench_threads
from seewhy.processors import WAITING


def test_each_way_is_held_against_the_first_of_its_turn():
    seconds = {"floor": iter([1.0, 2.0, 4.0]), "other": iter([2.0, 3.0, 12.0])}
    ways = {name: values.__next__ for name, values in seconds.items()}
    assert threads._turns(ways, repeats=3) == {
        "floor": {"seconds": 2.0},
        "other": {"seconds": 3.0, "ratio": 2.0, "ratio_lowest": 1.5, "ratio_highest": 3.0},
    }


def test_it_runs_on_so_many_processors_and_gives_the_others_back():
    every = os.sched_getaffinity(0)
    with threads._on(1):
        assert os.sched_getaffinity(0) == {min(every)}
    assert os.sched_getaffinity(0) == every
    with pytest.raises(ValueError, match=f"{len(every) + 1} processors: there are {len(every)}"):
        bench_threads(".", processors=len(every) + 1)


def test_what_is_set_of_waiting_is_the_ways_alone(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "1")
    left = threads._waiting(SPINNING)
    assert {name: left.get(name) for name in WAITING} == {"OMP_WAIT_POLICY": None} | SPINNING
    assert left["PATH"] == os.environ["PATH"]
