"""No file of settings runs anything when the workflow is planned, whoever wrote it."""

import json
import os

import pytest
import yaml
from checkouts import call, make_checkout

TARGET = "data/captioning/corpus/clips.csv"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return make_checkout(tmp_path_factory.mktemp("settings") / "checkout")


def plan(folder, *arguments, check=False):
    return call(folder, "snakemake", "-n", "--cores", "1", TARGET, *arguments, check=check)


def template(marker):
    return {"__use_yte__": True, "puppets": {"seed": f"?open({str(marker)!r}, 'w').write('x')"}}


@pytest.mark.slow
def test_params_are_no_template(checkout, tmp_path):
    marker, usual = tmp_path / "marker", (checkout / "params.yaml").read_text()
    try:
        (checkout / "params.yaml").write_text(
            yaml.safe_dump(yaml.safe_load(usual) | template(marker))
        )
        said = plan(checkout)
    finally:
        (checkout / "params.yaml").write_text(usual)
    assert not marker.exists()
    assert "params.yaml: key __use_yte__: settings are data" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_what_configfile_names_is_no_template(checkout, tmp_path):
    marker, harmless = tmp_path / "marker", tmp_path / "harmless.yaml"
    harmless.write_text("puppets: {seed: 4}\n")
    (tmp_path / "a.json").write_text(json.dumps(template(marker)))
    said = plan(checkout, "--configfile", str(harmless), str(tmp_path / "a.json"))
    assert not marker.exists()
    assert "a.json: key __use_yte__: settings are data" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_settings_are_laid_over_each_other_and_a_pipe_does_not_hold_up(checkout, tmp_path):
    over, pipe = tmp_path / "over.yaml", tmp_path / "pipe.yaml"
    over.write_text("puppets: {seed: 4, clips: {test: 7}}\n")
    said = plan(checkout, "--configfile", str(over), "--config", "puppets={seed: 1e9}")
    assert '--config: puppets.seed: "1e9" is not of the type integer' in said
    assert "write 1000000000" in said
    os.mkfifo(pipe)
    assert "pipe.yaml: is a named pipe" in plan(checkout, "--configfile", str(pipe))


@pytest.mark.slow
def test_jobs_get_the_settings_of_the_command_line(checkout):
    options = ("--config", "puppets={clips: {train: 3, val: 1, test: 2}}")
    call(checkout, "snakemake", "--cores", "1", TARGET, *options)
    clips = (checkout / TARGET).read_text().splitlines()
    assert len(clips) == 1 + 3 + 1 + 2
