"""A job runs its own checkout's package, on no more threads than it may, whatever is installed."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from checkouts import ENVIRONMENT, ROOT, call, make_checkout

from seewhy.own_source import PACKAGE
from seewhy.processors import WAITING, usable_processors

TARGET = "data/puppets/trimmed/clips.csv"
# What renders a world tells instead where it is and what it was given.
TELLS = """

def render_clips(*_, workers, **__):
    import json, os, torch
    told = {name: value for name, value in os.environ.items() if "THREAD" in name or "OMP_" in name}
    told |= {"file": __file__, "workers": workers, "torch": torch.get_num_threads()}
    raise InputError(json.dumps(told))
"""
# The environment's package is that of another checkout; nothing but it says which is to be taken.
INSTALLED = {
    name: value for name, value in ENVIRONMENT.items() if name not in ("PYTHONPATH", *WAITING)
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A checkout as a git repository."""
    folder = make_checkout(tmp_path_factory.mktemp("two") / "first")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    call(folder, "git", "init", "-q")
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-q", "-m", "first")
    return folder


@pytest.fixture(scope="module")
def second(first):
    """A clone of it, whose package tells of itself; its name needs quotes in a shell."""
    folder = first.with_name("the user's second")
    call(first, "git", "clone", "-q", str(first), str(folder))
    with open(folder / "workflow/src/seewhy/worlds/puppets/world.py", "a") as world:
        world.write(TELLS)
    script = folder / "workflow/scripts/render_puppets.py"
    script.write_text("import torch\n\n" + script.read_text())  # loaded before the package
    return folder


def run(folder, *command, env=INSTALLED, **given):
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, **given)
    return result.stdout + result.stderr


def snakemake(folder, *arguments, **given):
    """What the job told, and the cores that Snakemake has for all."""
    output = run(folder, sys.executable, "-m", "snakemake", *arguments, **given)
    cores = re.search(r"Provided cores: (\d+)", output)
    return json.loads(re.search(r"(?m)^error: (\{.*)", output)[1]) | {"cores": cores and cores[1]}


# What an executor for clusters starts where a job runs: the Snakefile is read again there.
REMOTELY = (
    *("--mode", "remote", "--force", "--nolock", "--allowed-rules", "render_puppets"),
    *("--target-jobs", "render_puppets:world=trimmed"),
)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[TARGET], REMOTELY], ids=["here", "on a cluster"])
def test_a_job_runs_its_own_package_on_the_processors_there_are(second, arguments):
    found = snakemake(second, "--cores", "64", *arguments)
    assert found["file"] == str(second / "workflow/src/seewhy/worlds/puppets/world.py")
    threads = min(8, usable_processors())  # of the rule's 8
    assert found["workers"] == found["torch"] == threads
    counts = {name: value for name, value in found.items() if name.endswith("_NUM_THREADS")}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"} <= set(counts)
    assert set(counts.values()) == {str(threads)}
    assert found.items() >= WAITING.items()
    assert found["cores"] in (str(usable_processors()), None)  # an executor's job does not say


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_job_that_is_held_to_one_processor_has_one_thread(second):
    one = min(os.sched_getaffinity(0))
    found = snakemake(
        second, "--cores", "8", TARGET, preexec_fn=lambda: os.sched_setaffinity(0, [one])
    )
    assert found["workers"] == found["torch"] == 1
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == found["cores"] == "1"


WHERE = "import seewhy; print('in', seewhy.__path__[0])"


def test_make_and_pytest_run_their_own_package(second):
    (second / "where.py").write_text(WHERE)
    rule = "where:; @python where.py"
    own = str(second / "workflow/src/seewhy")
    assert f"in {own}\n" in run(second, "make", "--eval", rule, "where")
    (second / "test_where.py").write_text(f"def test_where():\n    {WHERE}\n")
    options = ("-s", "-q", "-p", "no:cacheprovider", "test_where.py")
    assert f"in {own}\n" in run(second, sys.executable, "-m", "pytest", *options)


@pytest.mark.parametrize("within", [".", "workflow/scripts"])
def test_the_installed_package_refuses_to_be_imported_in_another_checkout(second, within):
    output = run(second / within, sys.executable, "-c", WHERE)
    assert "in " not in output.splitlines()
    assert output.splitlines()[-1].endswith(
        f"and the checkout {second} has its own; set PYTHONPATH={second}/workflow/src, or install "
        f"that one: pip install -e {second}"
    )


def test_the_installed_package_is_imported_where_it_is_no_checkout(second, tmp_path):
    assert run(tmp_path, sys.executable, "-c", WHERE).startswith("in ")
    chosen = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {WHERE}"
    assert run(second, sys.executable, "-c", chosen) == f"in {PACKAGE}\n"


def test_a_snakefile_refuses_a_package_that_is_already_imported_from_elsewhere(second):
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import seewhy\n"
        f"sys.argv = ['snakemake', '-n', '--cores', '1', {TARGET!r}]\n"
        "runpy.run_module('snakemake', run_name='__main__')"
    )
    output = run(second, sys.executable, "-c", code)
    assert f"the package seewhy was already imported from {PACKAGE}, and is not that" in output
    assert "Traceback" not in output


def test_a_worktree_is_planned_by_its_own_package(first, second):
    """Of another commit, with what is installed, and within what is exported for a first one."""
    tree = first.with_name("tree")
    call(first, "git", "worktree", "add", "-q", str(tree))
    with open(tree / "workflow/src/seewhy/dissection/given.py", "a") as given:
        given.write("\n\ndef check_given(*_, **__):\n    raise InputError(f'in {__file__}')\n")
    call(tree, "git", "commit", "-q", "-a", "-m", "tells where it is")
    line = f"in {tree}/workflow/src/seewhy/dissection/given.py"
    plan = (sys.executable, "-m", "snakemake", "-n", "--cores", "1", TARGET)
    assert line in run(tree, *plan)
    exported = INSTALLED | {"PYTHONPATH": str(second / "workflow/src")}
    assert line in run(tree, *plan, env=exported)
