"""Files of users, broken in every way that is known: a result that holds or one clear line.

``SEEWHY_FUZZ_CASES=20000 SEEWHY_FUZZ_SEED=7`` (`make test-fuzz`) tries more, and others.
"""

import logging
import os
import warnings

import pytest
from fuzzing.kinds import KINDS
from fuzzing.trial import GOOD, Fuzzer, plan, summary

CASES = int(os.environ.get("SEEWHY_FUZZ_CASES", 2000))
SEED = int(os.environ.get("SEEWHY_FUZZ_SEED", 1))


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def fuzzer(tmp_path):
    return Fuzzer(tmp_path, seed=SEED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_used(fuzzer, kind):
    finding = fuzzer.valid(kind)
    assert finding.verdict == "result", finding


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_used_rightly_or_named_in_one_line(fuzzer, kind):
    findings = [fuzzer.case(name, number) for name, number in plan(CASES) if name == kind]
    bad = [finding for finding in findings if finding.verdict not in GOOD]
    told = "\n".join(f"{one.number} {one.change}: {one.verdict}: {one.about}" for one in bad)
    assert not bad, f"seed {SEED}: {summary(findings)}\n{told}"
