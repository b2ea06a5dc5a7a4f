"""Tests depend on nothing that a run has left in the checkout: each has a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seewhy

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def where_a_fixture_works():
    return Path.cwd()


@pytest.mark.parametrize("number", [1, 2])
def test_a_test_works_in_an_empty_folder(number):
    assert list(Path.cwd().iterdir()) == []
    assert not Path.cwd().is_relative_to(CHECKOUT)
    Path("data").mkdir()  # which the second does not find


def test_a_fixture_of_several_tests_works_elsewhere_too(where_a_fixture_works):
    assert not where_a_fixture_works.is_relative_to(CHECKOUT)
    assert where_a_fixture_works != Path.cwd()


def test_what_a_test_starts_imports_this_checkouts_package():
    code = "import seewhy; print(seewhy.__file__)"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert printed == seewhy.__file__ == os.fspath(CHECKOUT / "workflow/src/seewhy/__init__.py")
