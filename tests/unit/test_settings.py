"""params.yaml and its schema; the line that a mistake gets."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from seewhy.dissection.network import ResidualNetwork
from seewhy.errors import InputError, nearest, none_such
from seewhy.grounding.chain import Chain
from seewhy.grounding.networks import VGG, VGGShape
from seewhy.setting_references import HEAD, PARTS, check_references, grounding_layers
from seewhy.settings import check_settings, load_settings, merge
from seewhy.worlds.puppets.vocabulary import ACTIONS

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


def keywords(node):
    """Every keyword of a schema that can fail."""
    if isinstance(node, dict):
        for key, inner in node.items():
            if key in ("properties", "$defs"):
                for schema in inner.values():
                    yield from keywords(schema)
            elif key not in ("description", "title", "$schema", "$ref", "const", "enum"):
                yield from keywords(inner)
            if key not in ("properties", "$defs", "description", "title", "$schema", "$ref"):
                yield key
    elif isinstance(node, list):
        for inner in node:
            yield from keywords(inner)


# For each keyword that the schema has, a value that breaks it and the whole of what is said.
BROKEN = {
    "type": ("topics.eta", "x", 'topics.eta: "x" is not of the type number (Dirichlet'),
    "enum": ("frames.fit", "corp", 'frames.fit: "corp" is not one of crop, squash, pad; did you '
             "mean crop? (crop: shorter"),
    "const": ("refinement.dose", "all", 'refinement.dose: "all" is not caption or a number above 0 '
              "(How many"),
    "minimum": ("frames.n", 0, "frames.n: 0 is below 1 ("),
    "maximum": ("frames.n", 10**9, "frames.n: 1000000000 is above 1000 ("),
    "exclusiveMinimum": ("topics.eta", 0, "topics.eta: 0 is not above 0 ("),
    "exclusiveMaximum": ("captioner.dropout", 1, "captioner.dropout: 1 is not below 1 ("),
    "multipleOf": ("frames.size", 65, "frames.size: 65 is not a multiple of 2 ("),
    "pattern": ("grounding.layer", "c3", 'grounding.layer: "c3" does not match ^(conv|pool|fc)'),
    "minLength": ("corpus.source", "", 'corpus.source: "" is empty; write a text (Folder'),
    "minItems": ("captioner.seeds", [], "captioner.seeds: [] is not admitted: the list is empty; "
                 "add an entry (Seeds"),
    "maxItems": ("dissection.model.mean", [0] * 4, "dissection.model.mean: [0, 0, 0, 0] has more "
                 "entries than 3 (Of red"),
    "uniqueItems": ("captioner.seeds", [4, 5, 5], "captioner.seeds: [4, 5, 5] holds 5 twice; "
                    "keep one (Seeds"),
    "contains": ("refinement.experiment.models", ["B"], 'refinement.experiment.models: ["B"] lacks '
                 "I, which must be in it ("),
    "anyOf": ("transfer.labels", [0], "transfer.labels.0: 0 is below 1"),
    "oneOf": ("grounding.words.corpus", "msrvtt", 'grounding.words.corpus: "msrvtt" is not null or '
              "a mapping with name, source (Clips"),
    "propertyNames": ("captioner.models.R 2", {}, "captioner.models.R 2: the key is not admitted "
                      "(A letter, then"),
    "not": ("captioner.models.CNN", {}, "captioner.models.CNN: the key is not admitted (A letter"),
    "additionalProperties": ("frames.N", 3, "unknown key frames.N; did you mean n?"),
}  # fmt: skip


@pytest.mark.parametrize("keyword", BROKEN)
def test_what_each_keyword_asks_for_is_said_in_words(keyword):
    path, value, message = BROKEN[keyword]
    with pytest.raises(InputError) as error:
        check_settings(changed(path, value), SCHEMA_PATH)
    assert str(error.value).startswith(f"params.yaml: {message}")
    assert "\n" not in str(error.value)


def test_every_keyword_of_the_schema_has_such_a_case():
    assert set(keywords(SCHEMA)) - {"items", "required"} == set(BROKEN)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("topics.eta", "1e-3", 'topics.eta: "1e-3" is not of the type number; it is a text to '
         "YAML, write 1.0e-3 ("),
        ("topics.eta", "1E3", "write 1.0e+3 ("),
        ("topics.eta", "2.5e3", "write 2.5e+3 ("),
        ("topics.eta", ".5e-3", "write 0.5e-3 ("),
        ("topics.eta", "0,5", "it is a text, write 0.5 ("),
        ("topics.eta", "0.5", "it is a text to YAML, write 0.5 without quotes or a tag ("),
        ("topics.iterations", "1e3", "write 1000 ("),
        ("topics.iterations", "12", "write 12 without quotes or a tag ("),
        ("topics.iterations", "1.5", "is not of the type integer ("),
        ("topics.iterations", 500.0, "500.0 is not of the type integer; write 500 ("),
        ("grounding.ucf101.split", 1.0, "1.0 is not one of 1, 2, 3; write 1 ("),
        ("grounding.ucf101.split", True, "true is not one of 1, 2, 3; YAML reads yes, no"),
        ("refinement.dose", "1e-1", "is not caption or a number above 0; it is a text to YAML, "
         "write 1.0e-1 ("),
        ("refinement.dose", -1, "refinement.dose: -1 is not above 0"),
        ("grounding.words.corpus", {"name": "msvd", "source": "x"}, 'grounding.words.corpus.name: '
         '"msvd" is not one of puppets, msrvtt, flickr30k'),
        ("grounding.words.corpus", {"name": "msrvtt"}, "missing key grounding.words.corpus.source"),
        ("backbone.weights", 7, "7 is not of the type string or null; put it in quotes ("),
        ("corpus.source", True, "true is not of the type string; YAML reads yes, no"),
        ("corpus.source", "x" * 9999, None),
        ("captioner.seeds", list(range(9999)) + [-1], "captioner.seeds.9999: -1 is below 0"),
        ("topics.eta", float("nan"), "topics.eta: nan is not a finite number"),
        ("captioner.motion", [1, float("inf")], "captioner.motion.1: inf is not a finite number"),
        ("grounding.puppets.actions", ["jum"], '"jum" is not one of walk, run'),
        ("dissection.layers", ["../x", "b"], 'dissection.layers.0: "../x" does not match'),
    ],
)  # fmt: skip
def test_a_value_that_is_nearly_right_gets_how_to_write_it(path, value, message):
    settings = changed(path, value)
    if message is None:
        return check_settings(settings, SCHEMA_PATH)
    with pytest.raises(InputError) as error:
        check_settings(settings, SCHEMA_PATH)
    assert message in str(error.value)
    assert len(str(error.value)) < 400
    return None


@pytest.mark.parametrize(
    "path",
    ["frames.n", "frames.size", "features.batch", "decoding.beam", "evaluation.resamples",
     "captioner.encoder", "captioner.embedding", "captioner.decoder", "captioner.attention",
     "captioner.interpreter", "captioner.clips_per_batch", "captioner.captions_per_clip",
     "captioner.components", "topics.n_topics", "neurons.sparse.codes", "transfer.hidden",
     "grounding.frames.n", "grounding.network.hidden", "grounding.training.clips_per_batch",
     "grounding.words.embedding", "grounding.words.hidden", "grounding.words.beam",
     "dissection.network.batch", "dissection.batch", "dissection.nulls", "dissection.groups",
     "dissection.model.size", "dissection.annotators.annotators", "summaries.network.batch",
     "summaries.crop.size", "summaries.model.size", "puppets.clips.train", "puppets.seed"],
)  # fmt: skip
def test_what_no_machine_has_memory_for_is_refused_by_the_plan(path):
    for number in (10**10, 10**99):
        with pytest.raises(InputError, match=rf"^params\.yaml: {re.escape(path)}: 10+… |{path}: 1"):
            check_settings(changed(path, number), SCHEMA_PATH)


def test_the_message_names_the_file_that_sets_the_value(tmp_path):
    base, over = tmp_path / "params.yaml", tmp_path / "over.yaml"
    base.write_text((ROOT / "params.yaml").read_text())
    over.write_text("topics: {eta: 0.1, seed: -1}\n")
    for given, wrong, name in (
        ({}, r"topics\.seed: -1", over),
        ({"topics": {"seed": "2"}, "frames": {"n": "0"}}, r"frames\.n: 0 is", "--config"),
        ({"topics": {"seed": "2"}, "frame": {"n": "0"}}, "unknown key frame;", "--config"),
    ):
        sources = load_settings(base, further=[over], command_line=given)
        with pytest.raises(InputError, match=rf"^{name}: {wrong}"):
            check_settings(merge(sources), SCHEMA_PATH, sources=sources)


def test_later_settings_count_as_snakemake_lays_them_over(tmp_path):
    files = [tmp_path / f"{number}.yaml" for number in range(3)]
    texts = ("a: {b: 1, c: [1, 2]}\nd: 5\n", "a: {c: [3], e: {f: 1}}\n", "d: {x: 1}\na: {e: 2}\n")
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    sources = load_settings(files[0], further=files[1:], command_line={"a": {"b": "7", "g": "no"}})
    assert merge(sources) == {"a": {"b": 7, "c": [3], "e": 2, "g": False}, "d": {"x": 1}}
    expected = {}
    for _, settings in sources:
        update_config(expected, settings)
    assert merge(sources) == expected
    only = load_settings(files[0], further=files[1:2], replace=True)
    assert merge(only) == yaml.safe_load(texts[1])
    assert merge(load_settings(files[0], replace=True)) == yaml.safe_load(texts[0])
    absent = tmp_path / "absent.yaml"
    assert merge(load_settings(absent, further=files[:1])) == yaml.safe_load(texts[0])
    for given in ([], [files[0], absent]):
        with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
            load_settings(absent, further=given)
    endless = []
    endless.append(endless)
    with pytest.raises(InputError, match="--config a: lists or mappings in one another"):
        load_settings(files[0], command_line={"a": {"b": endless}})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("refinement.model", "II", "refinement.model: 'II' is not one of B, I, B-signed"),
        ("refinement.experiment.models", ["I", "C"], "experiment.models: 'C' is not one of B, I"),
        ("grounding.layer", "conv5", "grounding.layer: 'conv5' is not one of conv1_1, conv1"),
        ("grounding.layer", "conv3_3", "did you mean conv3_"),
        ("grounding.words.layer", "pool5", "grounding.words.layer: 'pool5' is not one of"),
        ("dissection.layers", ["block1", "layer4"], "dissection.layers: 'layer4' is not one of"),
        ("dissection.paths.linear", "head", "dissection.paths.linear: 'head' is not one of fc"),
        ("summaries.model.layer", "layer4", "summaries.model.layer: 'layer4' is not one of st"),
        ("summaries.model.linear", "head", "summaries.model.linear: 'head' is not one of fc"),
        ("summaries.network.base", "resnet50", "summaries.model.name: null, but summaries.network"),
        ("corpus.source", "data/{x}", "corpus.source: 'data/{x}' holds braces"),
        ("corpus.source", " ", "corpus.source: ' ' is empty"),
        ("dissection.paths.images", ["a.jpg", "b\n.jpg"], "dissection.paths.images: 'b"),
        ("dissection.model.classes", "a{b}.txt", "dissection.model.classes: 'a{b}.txt' holds br"),
        ("summaries.model.classes", "a{b}.txt", "summaries.model.classes: 'a{b}.txt' holds br"),
    ],
)
def test_a_setting_that_names_another_must_find_it(path, value, message):
    assert check_references(PARAMS) == []
    settings = changed(path, value)
    check_settings(settings, SCHEMA_PATH)
    with pytest.raises(InputError) as error:
        check_references(settings)
    assert str(error.value).startswith("params.yaml: ")
    assert message in str(error.value)


def test_a_reference_is_told_by_the_file_that_makes_it(tmp_path):
    (tmp_path / "over.yaml").write_text("refinement: {model: X}\n")
    sources = load_settings(ROOT / "params.yaml", further=[tmp_path / "over.yaml"])
    with pytest.raises(InputError, match=rf"^{tmp_path}/over\.yaml: refinement\.model: 'X' is not"):
        check_references(merge(sources), sources=sources)


def test_more_seeds_than_there_are_is_remarked():
    (remark,) = check_references(changed("sweep.seeds", 5))
    assert remark == "params.yaml: sweep.seeds: 5, and captioner.seeds has 3: only these are used"
    settings = changed("dissection.model.name", "resnet50")
    settings["dissection"]["layers"] = ["layer1", "layer2"]
    assert check_references(settings) == []
    assert check_references(changed("dissection.layers", ["stem", "block4.conv2"])) == []


@pytest.mark.parametrize("groups", [[[16], [32], [32, 64], [64, 64]], [[2, 2]], [[2], [2, 2, 2]]])
def test_layers_are_known_before_there_is_a_network(groups):
    settings = {"groups": groups, "linear": [4, 4]}
    shape = VGGShape(groups=tuple(map(tuple, groups)), linear=(4, 4), size=16)
    chain = Chain(VGG(shape).eval())
    known = grounding_layers(settings)
    for name in known:
        assert chain.place(name) >= 0
    assert set(chain.names) - {"flatten"} <= set(known)


def test_the_schema_knows_the_actions_of_puppets_and_the_blocks():
    schema = SCHEMA["properties"]["grounding"]["properties"]["puppets"]
    assert schema["properties"]["actions"]["items"]["enum"] == list(ACTIONS)
    layers = dict(ResidualNetwork((2, 2, 2, 2), ["a", "b"]).named_modules())
    assert {*PARTS, HEAD} == {name.split(".")[0] for name in layers if name} - {"pool"}


def test_names_near_to_one_are_given_once():
    assert nearest("man", ["man", "men", "men", "woman"]) == ["woman", "men"]
    assert nearest("MAN", ["human", "man"])[0] == "man"
    assert nearest("mann", ["man", "man"]) == ["man"]
    assert none_such("x", []) == "'x' is not known, and there is none to choose"
    assert none_such("blok1", ["block1", "fc", "fc"]) == (
        "'blok1' is not one of block1, fc; did you mean block1?"
    )
    assert len(none_such("x", range(10**5))) < 300


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
