"""DVC's stages and Snakemake's rules describe one and the same work."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from checkouts import snakemake

from seewhy.imports import package_files

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def resolved(path):
    """A path of dvc.yaml with its ${key.key} filled in."""
    for key in re.findall(r"\$\{([\w.]+)\}", path):
        value = PARAMS
        for part in key.split("."):
            value = value[part]
        path = path.replace(f"${{{key}}}", value)
    return path


def entries(stage, kind):
    found = STAGES[stage].get(kind, [])
    return {resolved(next(iter(e)) if isinstance(e, dict) else e): e for e in found}


def outs(stage):
    return {**entries(stage, "outs"), **entries(stage, "metrics")}


def covers(paths, file):
    return any(file == path or file.startswith(path.rstrip("/") + "/") for path in paths)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the workflow without any of its outputs."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "params.yaml", "corrections.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("workflow", "envs", "profiles"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    return folder


def planned(folder, *arguments):
    """Rule, input, output and script of every job of a dry run."""
    text = snakemake(folder, "--dry-run", "--printshellcmds", "--nocolor", *arguments)
    jobs = []
    for block in re.split(r"\n(?=(?:local)?rule )", text)[1:]:
        job = {"rule": re.match(r"(?:local)?rule (\w+):", block)[1]}
        for kind in ("input", "output"):
            found = re.search(rf"\n    {kind}: (.*)", block)
            job[kind] = found[1].split(", ") if found else []
        jobs.append(job)
    return jobs


@pytest.fixture(scope="module")
def all_jobs(checkout):
    return planned(checkout, "all")


@pytest.fixture(scope="module")
def sharded_jobs(checkout):
    """The jobs with two shards a split."""
    original = (checkout / "params.yaml").read_text()
    try:
        shards = {"frames": 2, "features": 2}
        (checkout / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"shards": shards}))
        return planned(checkout, "all")
    finally:
        (checkout / "params.yaml").write_text(original)


@pytest.fixture(scope="module")
def either_way(all_jobs, sharded_jobs):
    return all_jobs + sharded_jobs


# Rules that take over another's script.
INHERITED = {
    heir: rule
    for file in (ROOT / "workflow/rules").glob("*.smk")
    for rule, heir in re.findall(r"(?m)^use rule (\w+) as (\w+)", file.read_text())
}


def script_of(rule):
    return ROOT / "workflow" / "scripts" / f"{INHERITED.get(rule, rule)}.py"


def jobs_of(stage, jobs):
    """Jobs whose outputs are the stage's."""
    return [job for job in jobs if job["output"] and covers(outs(stage), job["output"][0])]


FOLDERS = ("/videos", "/aviary/images", "/sets/broden", "/sets/actions")  # outputs that are folders
WORKING = [stage for stage in STAGES if stage != "records"]


def test_every_output_belongs_to_exactly_one_stage(either_way):
    for job in either_way:
        for output in job["output"]:
            owners = [stage for stage in STAGES if covers(outs(stage), output)]
            assert len(owners) == 1, f"{output} of rule {job['rule']} is an out of {owners}"


@pytest.mark.parametrize("stage", WORKING)
def test_the_outs_of_a_stage_are_those_of_its_rules(stage, either_way):
    jobs = jobs_of(stage, either_way)
    made = [output for job in jobs for output in job["output"]]
    for out in outs(stage):
        assert any(covers([out], file) for file in made), f"no rule makes {out}"
    allowed = STAGES[stage]["cmd"].split("--allowed-rules ")[1].split()
    targets = {rule for rule in allowed if not script_of(rule).exists()}
    assert {job["rule"] for job in jobs} == set(allowed) - targets


@pytest.mark.parametrize("stage", WORKING)
def test_every_input_and_every_piece_of_code_is_a_dep(stage, either_way):
    deps = entries(stage, "deps")
    assert "workflow/rules/common.smk" in deps
    for job in jobs_of(stage, either_way):
        own = outs(stage)
        for file in job["input"]:
            assert covers(deps, file) or covers(own, file), f"{file} of {job['rule']}"
        script = script_of(job["rule"])
        assert covers(deps, str(script.relative_to(ROOT)))
        for file in package_files(script):
            assert covers(deps, os.path.relpath(file, ROOT)), f"{file} of {job['rule']}"


@pytest.mark.parametrize("stage", WORKING)
def test_deps_exist_or_are_made(stage):
    for dep in entries(stage, "deps"):
        made = any(covers(outs(other), dep) or dep in outs(other) for other in STAGES)
        assert made or (ROOT / dep).exists(), dep


def test_stages_do_not_overlap_and_none_is_frozen_or_persistent():
    everything = [(stage, out) for stage in STAGES for out in outs(stage)]
    for stage, out in everything:
        for other, another in everything:
            if (stage, out) != (other, another):
                assert not covers([out], another), f"{out} of {stage} holds {another} of {other}"
    for stage in STAGES:
        assert not STAGES[stage].get("frozen")
        for entry in outs(stage).values():
            assert not (isinstance(entry, dict) and next(iter(entry.values())).get("persist"))


def test_tables_and_metrics_belong_to_git():
    for stage in STAGES:
        for out, entry in entries(stage, "metrics").items():
            assert next(iter(entry.values())) == {"cache": False}, out


def perturbed(value):
    """A setting changed without breaking the schema, or None where that is not possible."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value - 1 if value > 2 else value + 2  # more seeds than there are change nothing
    if isinstance(value, float):
        return value * 0.99
    if isinstance(value, list):
        numbers = [place for place, one in enumerate(value) if perturbed(one) is not None]
        if not numbers:
            return None
        last = numbers[-1]
        inner = isinstance(value[last], list)
        other = perturbed(value[last]) if inner else value[last] + 1
        return [*value[:last], other, *value[last + 1 :]]
    if isinstance(value, dict):
        admitted = [k for k, v in value.items() if perturbed(v) is not None]
        if not admitted:
            return None
        key = next((k for k in admitted if not isinstance(value[k], list | dict)), admitted[0])
        return {**value, key: perturbed(value[key])}
    return None


@pytest.fixture(scope="module")
def done(checkout, all_jobs, tmp_path_factory):
    """The checkout as it stands after everything ran: made-up outputs, true records."""
    folder = tmp_path_factory.mktemp("done") / "copy"
    shutil.copytree(checkout, folder)
    for job in all_jobs:
        for output in job["output"]:
            path = folder / output
            if output.endswith(FOLDERS):
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("made up")
    snakemake(folder, "all", "--touch", "--forceall")
    assert "Nothing to be done" in snakemake(folder, "all", "--dry-run")
    return folder


@pytest.mark.parametrize("section", [s for s in PARAMS if s != "corpus"])
def test_an_edit_of_params_replans_the_rules_of_the_stages_that_declare_it(section, done):
    """Those stages are done again, and only in them is the changed setting itself the reason.

    (Where an input is made anew as well, Snakemake names that as the reason and no other.)
    """
    original = (done / "params.yaml").read_text()
    changed = {**PARAMS, section: perturbed(PARAMS[section])}
    try:
        (done / "params.yaml").write_text(yaml.safe_dump(changed))
        text = snakemake(done, "all", "--dry-run", "--nocolor")
    finally:
        (done / "params.yaml").write_text(original)
    again, because_of_it = set(), set()
    for block in re.split(r"\n(?=(?:local)?rule )", text)[1:]:
        output = re.search(r"\n    output: (.*)", block)
        if output:
            owners = {s for s in WORKING if covers(outs(s), output[1].split(", ")[0])}
            again |= owners
            because_of_it |= owners if "Params have changed" in block else set()
    declared = {stage for stage in WORKING if section in STAGES[stage].get("params", [])}
    assert again
    assert because_of_it <= declared <= again
