"""The conda environments pin what pyproject.toml pins, and hold what their rules import."""

import ast
import functools
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from stand_in_conda import check_channels, pip_pins

from seewhy.imports import package_files

ROOT = Path(__file__).parents[2]
PINS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))
# Imported everywhere, and left out of package_files.
SAYING = [
    ROOT / "workflow/src/seewhy" / f"{name}.py"
    for name in ("entry", "errors", "own_source", "processes", "processors", "progress")
]
# METEOR's program lies in it, and is run by Java.
NOT_IMPORTED = {"text": {"pycocoevalcap"}}
DISTRIBUTION = {"PIL": "pillow", "yaml": "pyyaml", "mpl_toolkits": "matplotlib"}


@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_an_environment_repeats_the_pins(env):
    content = yaml.safe_load(env.read_text())
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][:2] == ["python=3.11", "pip"]
    assert set(pip_pins(env)) <= set(PINS)
    assert pip_pins(env) == sorted(pip_pins(env))


@pytest.mark.parametrize("configured", ["", "defaults", "conda-forge", "defaults conda-forge"])
@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_an_environment_takes_conda_forge_first_whatever_is_configured(
    env, configured, monkeypatch
):
    monkeypatch.setenv("STAND_IN_CHANNELS", configured)
    assert check_channels(env)[0] == "conda-forge"
    with_defaults = "defaults" in configured
    assert check_channels(env)[1:] == (["defaults"] if with_defaults else [])


def test_a_channel_that_is_not_there_is_refused(tmp_path):
    file = tmp_path / "env.yaml"
    file.write_text("channels: [conda-forge, nodefaults]\ndependencies: [python=3.11]\n")
    with pytest.raises(SystemExit, match="404 NOT FOUND for channel nodefaults"):
        check_channels(file)
    file.write_text("dependencies: [python=3.11]\n")
    with pytest.raises(SystemExit, match="no channels are configured"):
        check_channels(file)


@functools.cache
def third_party(file):
    found = set()
    for node in ast.walk(ast.parse(Path(file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"seewhy", "_seewhy_torchvision", "__future__"}


def rules():
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.split(r"(?m)^rule ", file.read_text())[1:]:
            script = re.search(r'"\.\./scripts/(\w+\.py)"', block)
            if script:
                env = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', block)
                yield pytest.param(script[1], env and env[1], id=block.split(":")[0])


def needed(script):
    path = ROOT / "workflow/scripts" / script
    files = [path, *(f for f in package_files(path) if f.endswith(".py")), *SAYING]
    return {DISTRIBUTION.get(name, name) for file in files for name in third_party(file)}


def pinned(env):
    return {pin.split("==")[0] for pin in pip_pins(ROOT / "envs" / f"{env}.yaml")}


@pytest.mark.parametrize(("script", "env"), list(rules()))
def test_a_rule_names_an_environment_that_has_what_it_imports(script, env):
    assert needed(script) <= pinned(env)


@pytest.mark.parametrize("env", [path.stem for path in ENVS])
def test_an_environment_has_nothing_that_no_rule_imports(env):
    users = [needed(p.values[0]) for p in rules() if p.values[1] == env]
    assert pinned(env) - set().union(*users) == NOT_IMPORTED.get(env, set())
