"""`--use-conda` as a user types it, where Snakemake has nothing beside it and conda is a stand-in.

Links take the place of the installed packages; with ``STAND_IN=pip`` (``make test-conda``) pip
installs the pins of the four environments, and the whole workflow runs in them.
"""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import stand_in_conda
import yaml
from checkouts import make_checkout, ran
from test_envs import ENVS, ROOT, rules

from seewhy.imports import package_files

INSTALLED = os.environ.get("STAND_IN") == "pip"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
TABLE2 = "results/table2.csv"
EVERYWHERE = "all" if INSTALLED else "data/summaries/activations/test.h5"
# Executes every import of the files that it is given, and says which files have one that fails. One
# within a function may fail for another reason than a missing package: it may be tried there.
TRY_IMPORTS = """
import ast, json, sys
sys.path.append(sys.argv[1])
failed = {}
for file in sys.argv[2:]:
    tree = ast.parse(open(file).read())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            try:
                exec(compile(ast.Module([node], []), file, "exec"), {})
            except Exception as error:
                if isinstance(error, ImportError) or node in tree.body:
                    failed[file] = str(error)
print(json.dumps(failed))
"""


def call(folder, environment, *command, check=True):
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The variables of one who has conda, Anaconda's channel, and an environment with Snakemake."""
    folder = tmp_path_factory.mktemp("user")
    conda = stand_in_conda.install(folder / "conda")
    snakemake = [pin for pin in EXTRAS["workflow"] if pin.startswith("snakemake==")]
    dependencies = ["python=3.11", "pip", {"pip": snakemake}]
    file = folder / "snakemake.yaml"
    file.write_text(yaml.safe_dump({"channels": ["conda-forge"], "dependencies": dependencies}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    prefix = folder / "snakemake"
    variables = {**kept, "PATH": os.pathsep.join([str(conda), str(prefix / "bin"), os.defpath])}
    variables["STAND_IN_CHANNELS"] = "defaults"
    create_environment(folder, variables, file, prefix)
    # Snakemake stands in the same environment as another checkout's package, of some other state.
    (site,) = prefix.glob("lib/python*/site-packages")
    (site / "seewhy").mkdir()
    (site / "seewhy/__init__.py").write_text("raise ImportError('another checkout's package')\n")
    return variables


def create_environment(folder, user, file, prefix, check=True):
    return call(
        folder,
        user,
        *("conda", "env", "create", "--quiet", "--no-default-packages"),
        *("--file", str(file), "--prefix", str(prefix)),
        check=check,
    )


def run(folder, user, *arguments):
    result = call(folder, user, "snakemake", "--cores", "2", *arguments)
    return result.stdout + result.stderr


def scripts_run(prefix):
    """Scripts that the environment's own Python was started with."""
    notes = prefix / "started"
    told = notes.read_text() if notes.exists() else ""
    return set(re.findall(r"/scripts/tmp\w+\.(\w+\.py)$", told, re.MULTILINE))


def scripts_of(names, env):
    return {p.values[0] for p in rules() if p.id in names and p.values[1] == env}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("conda") / "checkout")


@pytest.fixture(scope="module")
def environments(checkout, user):
    """`{name: prefix}` of the environments that Snakemake makes of the files in envs/."""
    run(checkout, user, "--use-conda", "--conda-create-envs-only", "all")
    made = {file.read_text(): file for file in checkout.glob(".snakemake/conda/*.yaml")}
    assert set(made) == {file.read_text() for file in ENVS}
    return {file.stem: made[file.read_text()].with_suffix("") for file in ENVS}


@pytest.fixture(scope="module")
def finished(checkout, user, environments):
    """Rules that ran for Table 2, and the scripts that each environment's Python was started with.

    One environment is missing and made on the way.
    """
    shutil.rmtree(environments["plot"])
    output = run(checkout, user, "--use-conda", TABLE2)
    assert "Creating conda environment envs/plot.yaml" in output
    return ran(output), {name: scripts_run(prefix) for name, prefix in environments.items()}


# --- each environment by itself -------------------------------------------------------------------


def files_of(script):
    path = ROOT / "workflow/scripts" / script
    return [str(path), *(file for file in package_files(path) if file.endswith(".py"))]


def failed_imports(prefix, files, folder):
    """`{file: message}`; without any variable, in a folder from which nothing can be imported."""
    source = str(ROOT / "workflow/src")
    python = str(prefix / "bin/python")
    output = call(folder, {}, python, "-c", TRY_IMPORTS, source, *sorted(files)).stdout
    return json.loads(output)


@pytest.fixture(scope="module")
def failed(environments, tmp_path_factory):
    """`{environment: {file: message}}` of the files of all rules that name the environment."""
    found = {}
    for name, prefix in environments.items():
        files = {file for p in rules() if p.values[1] == name for file in files_of(p.values[0])}
        found[name] = failed_imports(prefix, files, tmp_path_factory.mktemp("elsewhere"))
    return found


@pytest.mark.parametrize(("script", "env"), list(rules()))
def test_a_rule_can_import_what_it_uses_in_its_bare_environment(script, env, failed):
    assert {file: failed[env][file] for file in files_of(script) if file in failed[env]} == {}


def test_a_pin_that_is_missing_is_found_out(user, tmp_path):
    lines = (ROOT / "envs/text.yaml").read_text().splitlines()
    (tmp_path / "text.yaml").write_text("\n".join(line for line in lines if "tomotopy" not in line))
    create_environment(tmp_path, user, tmp_path / "text.yaml", tmp_path / "text")
    failed = failed_imports(tmp_path / "text", files_of("mine_topics.py"), tmp_path)
    assert failed[str(ROOT / "workflow/src/seewhy/text/topics.py")] == "No module named 'tomotopy'"


def test_a_channel_that_is_not_there_is_refused(user, tmp_path):
    text = (ROOT / "envs/plot.yaml").read_text()
    (tmp_path / "plot.yaml").write_text(
        text.replace("- conda-forge", "- conda-forge\n  - nodefaults")
    )
    files = tmp_path / "plot.yaml", tmp_path / "plot"
    assert (
        "404 NOT FOUND for channel nodefaults"
        in create_environment(tmp_path, user, *files, check=False).stderr
    )
    assert not (tmp_path / "plot").exists()


@pytest.mark.skipif(INSTALLED, reason="pip installs whatever version is pinned")
def test_a_pin_of_another_version_is_refused(user, tmp_path):
    text = (ROOT / "envs/plot.yaml").read_text()
    (tmp_path / "plot.yaml").write_text(re.sub(r"tqdm==.*", "tqdm==0.1", text))
    files = tmp_path / "plot.yaml", tmp_path / "plot"
    assert "tqdm==0.1: " in create_environment(tmp_path, user, *files, check=False).stderr


# --- the user's command ---------------------------------------------------------------------------


def test_every_job_of_table_2_runs_in_its_own_environment(checkout, finished):
    names, scripts = finished
    assert (checkout / TABLE2).is_file()
    assert len(names) == 10
    assert scripts == {env.stem: scripts_of(names, env.stem) for env in ENVS}


def test_switching_conda_off_does_nothing_again(checkout, user, finished):
    assert "Nothing to be done" in run(checkout, user, "-n", TABLE2)
    assert "Nothing to be done" in run(checkout, user, "-n", "--use-conda", TABLE2)
    without = run(checkout, user, "-n", "--workflow-profile", "none", TABLE2)
    assert "software environment definition has changed" in without
    assert ran(without) == finished[0]


def test_all_environments_do_their_part(checkout, user, environments, finished):
    names = ran(run(checkout, user, "--use-conda", EVERYWHERE))
    assert "read_activations" in names
    for name, prefix in environments.items():
        assert scripts_of(names, name) <= scripts_run(prefix)


def test_the_bench_of_the_workflow_starts_the_snakemake_of_its_caller(checkout, user, environments):
    """From an environment that has no Snakemake; one of the workflow's jobs stands for Table 2."""
    callers = Path(shutil.which("snakemake", path=user["PATH"])).parents[1]
    (site,) = callers.glob("lib/python*/site-packages")
    source = str(checkout / "workflow/src")
    code = f"import sys; sys.path.insert(0, {source!r}); sys.path.append({str(site)!r})\n"
    code += "from seewhy.bench.workflow import bench_workflow\n"
    code += "print(bench_workflow('.', target='data/puppets/trimmed/clips.csv')['jobs'])"
    path = os.pathsep.join([str(environments["plot"] / "bin"), user["PATH"]])
    before = set(checkout.glob(".snakemake/conda/*_"))
    result = call(checkout, {**user, "PATH": path}, "python", "-c", code)
    assert result.stdout.splitlines()[-1] == "1"
    assert set(checkout.glob(".snakemake/conda/*_")) == before
