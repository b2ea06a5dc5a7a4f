"""The conda environments pin what pyproject.toml pins, and hold what their rules import."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from seewhy.imports import package_files

ROOT = Path(__file__).parents[2]
PINS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
ENVS = sorted((ROOT / "envs").glob("*.yaml"))
DISTRIBUTION = {"PIL": "pillow", "yaml": "pyyaml", "mpl_toolkits": "matplotlib"}


def pip_pins(env):
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    return next(d["pip"] for d in dependencies if isinstance(d, dict))


@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_an_environment_repeats_the_pins(env):
    content = yaml.safe_load(env.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert content["dependencies"][0] == "python=3.11"
    assert set(pip_pins(env)) <= set(PINS)
    assert pip_pins(env) == sorted(pip_pins(env))


def third_party(files):
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(Path(file).read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"seewhy", "__future__"}


def rules():
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for block in re.split(r"(?m)^rule ", file.read_text())[1:]:
            script = re.search(r'"\.\./scripts/(\w+\.py)"', block)
            if script:
                env = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', block)
                yield pytest.param(script[1], env and env[1], id=block.split(":")[0])


@pytest.mark.parametrize(("script", "env"), list(rules()))
def test_a_rule_names_an_environment_that_has_what_it_imports(script, env):
    path = ROOT / "workflow/scripts" / script
    files = [path, *(f for f in package_files(path) if f.endswith(".py"))]
    pinned = {pin.split("==")[0] for pin in pip_pins(ROOT / "envs" / f"{env}.yaml")}
    needed = {DISTRIBUTION.get(name, name) for name in third_party(files)}
    assert needed <= pinned
