"""Tests depend on nothing that a run has left in the checkout, and a job on no other checkout."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seewhy
from seewhy.errors import InputError
from seewhy.own_source import PACKAGE, require_package

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


def test_a_job_of_another_checkouts_script_is_refused(tmp_path):
    require_package(PACKAGE)
    other = tmp_path / "workflow/src/seewhy"
    line = (
        f"the package seewhy was imported from {PACKAGE}, and what runs is of the checkout whose "
    )
    for _ in ("not there", "there"):
        with pytest.raises(InputError, match=re.escape(f"{line}package is {other}; ")):
            require_package(other)
        other.mkdir(parents=True, exist_ok=True)
    (tmp_path / "link").symlink_to(PACKAGE.parent)
    require_package(tmp_path / "link/seewhy")
