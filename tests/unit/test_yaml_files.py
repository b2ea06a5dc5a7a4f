"""Files of settings are data: nothing in them runs, and what a YAML reader passes over is told."""

import json
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import CliException
from snakemake.settings.types import ConfigSettings

from seewhy.errors import InputError
from seewhy.yaml_files import DEEPEST, MOST, plain_value, read_settings, read_yaml

ROOT = Path(__file__).parents[2]
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def written(tmp_path):
    def write(content, name="settings.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "__use_yte__: true\na: ?open({marker!r}, 'w').write('x')\n",
        "__use_yte__: true\n?if open({marker!r}, 'w'):\n  a: 1\n",
        "__definitions__:\n  - open({marker!r}, 'w')\n__use_yte__: yes\n",
        '{{"__use_yte__": true, "a": "?open({marker!r}, \'w\')"}}',
        "a: !!python/object/apply:builtins.open [{marker!r}, w]\n",
        "a: !!python/object/new:os.system ['touch {marker}']\n",
        "a: !!python/name:os.system\n",
        "? !!python/object/apply:builtins.open [{marker!r}, w]\n: 1\n",
    ],
)
def test_nothing_in_a_file_runs(content, written, tmp_path):
    marker = tmp_path / "marker"
    path = written(content.format(marker=str(marker)))
    with pytest.raises(InputError, match=r"key __use_yte__|is not read|as a key") as error:
        read_settings(path)
    assert not marker.exists()
    assert "\n" not in str(error.value)


def test_snakemake_runs_nothing_in_what_configfile_names(written, tmp_path):
    marker = tmp_path / "marker"
    path = written(f"__use_yte__: true\na: ?open({str(marker)!r}, 'w').write('x')\n")
    before = {name: module for name, module in sys.modules.items() if name.startswith("seewhy")}
    # Snakemake imports every package of such a name when it starts; see tests/workflow.
    import snakemake_logger_plugin_seewhy

    plain = written("a: {b: 1}\n", "plain.yaml")
    assert ConfigSettings(configfiles=[plain]).overwrite_config == {"a": {"b": 1}}
    with pytest.raises(CliException, match="__use_yte__"):
        ConfigSettings(configfiles=[plain, path])
    with pytest.raises(CliException, match="no file"):
        ConfigSettings(configfiles=[tmp_path / "absent.yaml"])
    assert not marker.exists()
    # it leaves the package to be imported from the workflow's checkout, and this process as it was
    for name in [name for name in sys.modules if name.partition(".")[0] == "seewhy"]:
        del sys.modules[name]
    snakemake_logger_plugin_seewhy.load_configfile(plain)
    assert not [name for name in sys.modules if name.partition(".")[0] == "seewhy"]
    sys.modules.update(before)


def test_an_install_brings_the_plugin_too():
    """A wheel, as the editable install of `make`."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packages = {path.parent for path in (ROOT / "workflow/src").glob("*/__init__.py")}
    assert {ROOT / path for path in build["targets"]["wheel"]["packages"]} == packages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key a is in line 1 already"),
        ("x: {a: 1, a: 2}\n", "line 1, column 11: the key a is in line 1 already"),
        ('{"a": 1, "a": 2}', "the key a stands twice"),
        ("a:\n\tb: 1\n", "line 2, column 1: a tab; indent with blanks"),
        ("a: b: c\n", "line 1, column 5: a colon too many"),
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3, column 2: not YAML"),
        ("a: 'x\n", "line 2, column 1: not YAML: found unexpected end of stream"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: not YAML"),
        ("a: caf\xe9\n".encode("latin-1"), "line 1: the byte 0xe9 is not UTF-8; save"),
        ("a: 1\n".encode("utf-16"), "is written in UTF-16; save it as UTF-8"),
        (b"a: 1\nb: \x00\n", "line 2: the character 0x0 cannot stand in YAML"),
        ('a: "\\0"\n', "a character that no text file can hold"),
        ('{"a": "\\ud800"}', "a character that no text file can hold"),
        ("x: 1\na: .nan\n", "line 2, column 4: .nan is not a finite number"),
        ("a: -.inf\n", "-.inf is not a finite number"),
        ("a: 1.0e+999\n", "is not a finite number"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": 1e999}', "1e999 is not a finite number"),
        (f"a: {'9' * 5000}\n", "a number of 5000 characters"),
        (f'{{"a": {"9" * 5000}}}', "a number of 5000 digits"),
        ("a: 010\n", "line 1, column 4: 010 is a number to other bases"),
        ("a: 12:30\n", "12:30 is a number to other bases"),
        ("a: !!bool x\n", "x is neither true nor false"),
        ("a: !!map [1]\n", "a mapping by its tag, and none"),
        ("a: !!timestamp 2026-01-01\n", "the tag tag:yaml.org,2002:timestamp is not read"),
        ("yes: 1\n", "the key yes means true or false; put it in quotes"),
        ("1: 2\n", "the key 1 is no text"),
        ("? [a]\n: 1\n", "a list or a mapping as a key"),
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- 1\n", "has no keys at the top"),
        (LAUGHS, f"with its aliases followed, more than {MOST:,} values"),
        ("a: &a [*a]\n", "line 1, column 8: an alias to what it stands in"),
        ("a: &a {b: {c: *a}}\n", "an alias to what it stands in"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 99)), "levels"),
        (f"a: {'[' * 9999}", f"more than {DEEPEST} levels"),
        ('{"a":' * 9999, f"more than {DEEPEST} levels"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", f"more than {DEEPEST} levels"),
        (b"a: " + b"x" * 2**20, "is larger than 1,048,576 bytes"),
    ],
)
def test_a_fault_gets_one_line_with_file_and_place(content, message, written):
    path = written(content)
    with pytest.raises(InputError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("a: 2026-01-01\n", {"a": "2026-01-01"}),  # a folder may be called so
        (b"\xef\xbb\xbfa: 1\r\nb: x\r\n", {"a": 1, "b": "x"}),
        ("x: &x {a: 1}\ny: {<<: *x, b: *x}\n", {"x": {"a": 1}, "y": {"a": 1, "b": {"a": 1}}}),
        ("x: &x {a: 1}\ny: {<<: *x, a: 2}\n", {"x": {"a": 1}, "y": {"a": 2}}),
        ('{"a": 1e-3,\n\t"b": [null, true]}', {"a": 0.001, "b": [None, True]}),
        ("{a: 1, b: ~}\n", {"a": 1, "b": None}),
        ("a: 0x1f\nb: 1_000\nc: 0\nd: -7\ne: 1.5e-3\n", {"a": 31, "b": 1000, "c": 0, "d": -7,
         "e": 0.0015}),
        ("a: -1..1\nb: ?x\nc: !!str 12\n", {"a": "-1..1", "b": "?x", "c": "12"}),
    ],
)  # fmt: skip
def test_plain_values_are_read_as_they_stand(content, value, written):
    assert read_settings(written(content)) == value


def test_everything_else_is_what_the_usual_reader_gives(written, request):
    content = (request.config.rootpath / "params.yaml").read_text()
    assert read_settings(written(content)) == yaml.safe_load(content)
    assert read_settings(written(json.dumps(yaml.safe_load(content)))) == yaml.safe_load(content)


def test_as_text_every_value_stays_a_text(written):
    path = written("- {clip: 00012, topics: [no, 1e3, 2026-01-01]}\n")
    assert read_yaml(path, as_text=True) == [
        {"clip": "00012", "topics": ["no", "1e3", "2026-01-01"]}
    ]
    with pytest.raises(InputError, match="more than"):
        read_yaml(written(LAUGHS), as_text=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("8", 8), ("1.0e-3", 0.001), ("true", True), ("null", None), ("", None), ("I", "I"),
     ("2026-01-01", "2026-01-01"), ("=", "="), ("<<", "<<")],
)  # fmt: skip
def test_a_text_of_the_command_line_is_what_it_would_be_in_a_file(text, value):
    assert plain_value(text, where="--config") == value
    with pytest.raises(InputError, match=r"^--config: \.nan is not a finite number"):
        plain_value(".nan", where="--config")
