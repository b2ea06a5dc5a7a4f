"""params.yaml and its schema; the line that a mistake gets."""

import copy
from pathlib import Path

import pytest
import yaml

from seewhy.errors import InputError
from seewhy.settings import check_settings

ROOT = Path(__file__).parents[2]
SCHEMA_PATH = ROOT / "workflow/schemas/params.schema.yaml"
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text())


def changed(path, value):
    settings = copy.deepcopy(PARAMS)
    *above, key = path.split(".")
    inner = settings
    for part in above:
        inner = inner[part]
    inner[key] = value
    return settings


def test_the_settings_of_the_repository_pass():
    check_settings(PARAMS, SCHEMA_PATH, where="params.yaml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("captioner.lambda", "three", r'captioner\.lambda: "three" is not of the type number'),
        ("captioner.lamda", 3, r"unknown key captioner\.lamda; did you mean lambda\?"),
        ("captioner.zzz", 3, r"unknown key captioner\.zzz; its keys are seeds, models"),
        ("puppets.size", 1000, r"puppets\.size: 1000 is above 256 \(Side of"),
        ("puppets.size", 65, r"puppets\.size: 65 is not a multiple of 2"),
        ("corpus.name", "webvid", r'corpus\.name: "webvid" is not one of puppets, msvd, msrvtt'),
        ("captioner.models.B.lambda", -1, r"captioner\.models\.B\.lambda: -1 is below 0"),
        ("captioner.dropout", 1.0, r"captioner\.dropout: 1\.0 is not below 1"),
        ("captioner.seeds", [], r"captioner\.seeds: \[\] is not admitted"),
        ("frames.n", None, r"frames\.n: null is not of the type integer"),
        ("frames.n", True, r"frames\.n: true is not of the type integer"),
    ],
)
def test_a_mistake_gets_one_line_with_key_value_and_remedy(path, value, message):
    with pytest.raises(InputError, match=rf"^params\.yaml: {message}") as error:
        check_settings(changed(path, value), SCHEMA_PATH, where="params.yaml")
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named():
    settings = copy.deepcopy(PARAMS)
    del settings["captioner"]["patience"]
    with pytest.raises(InputError, match=r"missing key captioner\.patience; add it"):
        check_settings(settings, SCHEMA_PATH, where="params.yaml")


def leaves(node, path=""):
    yield path, node
    for name, inner in node.get("properties", {}).items():
        yield from leaves(inner, f"{path}.{name}")


def test_the_schema_describes_every_key_and_closes_every_section():
    for path, node in [*leaves(SCHEMA), *(leaves({"properties": SCHEMA["$defs"]}))]:
        if path and "$ref" not in node:
            assert node.get("description"), f"no description of {path}"
        if node.get("type") == "object" and path:
            assert "additionalProperties" in node, path
            required, known = set(node.get("required", [])), set(node.get("properties", {}))
            assert required <= known or "propertyNames" in node
        assert "default" not in node, f"{path}: values belong in params.yaml alone"


def test_every_key_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    for line in lines:
        is_leaf = line.strip() and not line.startswith("#") and not line.rstrip().endswith(":")
        if is_leaf and not line.startswith("    "):
            assert "#" in line or line.split(":")[0].strip() == "seed", line
