"""What the README shows is what runs."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from code_blocks import in_prose
from still_layouts import annotations, broden, cub200
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.corpora import folder
from seewhy.corpora.sources import source_files
from seewhy.dissection.concepts import ConceptWriter
from seewhy.dissection.given import check_given, concept_folders
from seewhy.grounding.checkpoint import save_action_network
from seewhy.grounding.maps import ground_action
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network
from seewhy.grounding.relu_lstm import ReluLSTM
from seewhy.settings import check_settings
from seewhy.summaries.given import check_summaries
from seewhy.worlds.puppets import draw_clip
from seewhy.worlds.puppets.encode import write_mp4

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"
README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_an_action_is_grounded_in_a_video_in_ten_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    network = vgg_action_network(VGGShape(), ["walk", "wave"], hidden=8, lags=(1,))
    save_action_network("models/grounding/lrcn.safetensors", network, VGGShape())
    write_mp4(tmp_path / "wave.mp4", draw_clip(0, "test", 0, captions=False).frames, 8)
    lines = [line for line in BLOCKS[0].splitlines() if line and "import" not in line]
    assert len(lines) <= 10
    found: dict = {}
    exec(BLOCKS[0], found)
    assert found["maps"].shape == (1, 16, 16, 16)
    assert (tmp_path / "wave.png").stat().st_size > 10_000


def test_a_vgg_of_torchvisions_is_taken_as_it_is():
    models = import_torchvision().models
    vgg = models.vgg11(weights=None, num_classes=5).eval()
    assert "vgg.classifier = vgg.classifier[:-1]" in BLOCKS[1]
    fc8 = vgg.classifier[-1]
    frames = torch.rand(1, 2, 3, 224, 224)
    with torch.no_grad():
        expected = vgg(frames[0])
    vgg.classifier = vgg.classifier[:-1]
    network = ActionNetwork(vgg, fc8)
    with torch.no_grad():
        torch.testing.assert_close(network(frames)[0], expected, atol=1e-4, rtol=1e-4)
    assert ground_action(network, frames, 3).shape == (1, 2, 14, 14)
    recurrent = ActionNetwork(vgg, nn.Linear(16, 5), ReluLSTM(4096, 16))
    maps = ground_action(recurrent, frames, 3)
    assert maps.shape == (1, 2, 14, 14)
    assert float(maps.sum()) == pytest.approx(0, abs=1e-4)


def test_a_network_is_dissected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with ConceptWriter("data/dissection/sets/broden", {"color": ["red-c", "blue-c"]}) as writer:
        for i in range(6):
            plane = rng.integers(0, 3, (1, 32, 32))
            writer.add(f"{i}", np.where(plane[0][..., None] == 1, [255, 0, 0], 9).astype(np.uint8),
                       masks={"color": plane})  # fmt: skip
    torch.manual_seed(0)
    network = import_torchvision().models.resnet18(weights=None).eval()
    (block,) = [block for block in BLOCKS if "dissect_layer(" in block]
    found: dict = {"network": network}
    exec(block.replace("Scaling(224,", "Scaling(32,"), found)
    assert len(pd.read_csv("tally.csv")) == 512
    assert (tmp_path / "layer4.h5").exists()


# --- every other block of the prose


def without_dots(text: str) -> str:
    """A block of settings without what it leaves to params.yaml by dots."""
    text = re.sub(r",?\s*\.\.\.(?=\s*[}\]])", "", text)
    text = re.sub(r",?\s*\w+: \[\]", "", text)
    return re.sub(r"(?m)^\s*\.\.\.\s*$\n", "", text)


def merged(settings, changes):
    """Settings with a block's own in their place, at any depth."""
    if not isinstance(settings, dict) or not isinstance(changes, dict):
        return changes
    return settings | {key: merged(settings.get(key), value) for key, value in changes.items()}


YAML = [block for block in in_prose() if block.language == "yaml"]


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.where)
def test_settings_in_the_prose_pass_the_schema(block):
    changes = yaml.safe_load(without_dots(textwrap.dedent(block.text)))
    if isinstance(changes, list):  # corrections.yaml
        assert all(set(one) == {"clip", "topics"} for one in changes)
        return
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    if "models" in changes:
        changes = {"captioner": changes}
    assert changes.keys() <= settings.keys()
    check_settings(merged(settings, changes), SCHEMA, where=block.where)


def test_the_settings_of_ones_own_networks_are_admitted_by_what_the_plan_checks(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block in YAML:
        changes = yaml.safe_load(without_dots(textwrap.dedent(block.text)))
        if isinstance(changes, dict) and {"dissection", "summaries"} & changes.keys():
            settings = merged(settings, changes)
    for name in ("moments.pth.tar", "moments.txt", "purse.jpg", "resnet50-11ad3fa6.pth"):
        (tmp_path / name).touch()
    broden(tmp_path / settings["dissection"]["sets"]["broden"], images=11)
    annotations(tmp_path / settings["dissection"]["annotations"], images=11)
    check_given(settings["dissection"])
    check_summaries(settings["summaries"])
    assert list(concept_folders(settings["dissection"], "made")) == ["broden", "actions"]
    cub200(tmp_path / settings["summaries"]["corpus"]["source"], per_class=1)
    assert source_files(**settings["summaries"]["corpus"])


SHELL = [block for block in in_prose() if block.language == "sh"]
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
RULES += (ROOT / "Snakefile").read_text()
# Files that rules make, their wildcards as any name.
MADE = [
    "[^/]+".join(map(re.escape, re.split(r"\{+\w+\}+", text)))
    for text in re.findall(r'"((?:data|models|results)/[^"]+)"', RULES)
]


def commands() -> list[list[str]]:
    """Commands of the project in shell blocks and in the text, as words."""
    readme = (ROOT / "README.md").read_text()
    lines = [line.split("#")[0] for block in SHELL for line in block.text.splitlines()]
    lines += re.findall(r"`((?:snakemake|make|dvc) [^`]+)`", readme)
    parts = [part.strip() for line in lines for part in re.split(r"&&|;|\|", line)]
    return [
        part.split() for part in parts if part.split()[:1] in (["snakemake"], ["make"], ["dvc"])
    ]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_what_a_command_of_the_prose_asks_for_exists(words):
    # <rule> stands for a name of the reader's.
    asked = [word for word in words[1:] if not word.startswith(("-", "<"))]
    if words[0] == "make":
        targets = re.findall(r"(?m)^([\w-]+):", (ROOT / "Makefile").read_text())
        assert set(asked) <= {*targets}
        return
    if words[0] == "snakemake":
        rules = set(re.findall(r"(?m)^rule (\w+):", RULES))
        options = {"-n", "--cores", "--resources", "--report", "--workflow-profile", "--configfile"}
        valued = {words[k + 1] for k in range(len(words) - 1)
                  if words[k] in options - {"-n"}}  # fmt: skip
        for word in set(asked) - valued - rules:
            assert any(re.fullmatch(made, word) for made in MADE), f"no rule makes {word}"
        return
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    if asked[0] in ("repro", "pull", "push"):
        assert set(asked[1:]) <= stages.keys()


def test_no_block_is_of_a_kind_that_no_test_takes():
    assert {block.language for block in in_prose()} <= {"python", "yaml", "sh", "csv"}


def test_every_block_of_python_has_its_test_here():
    """Those above, by what they say; a further one fails here until it has a test."""
    known = ("read_clip(", "vgg.classifier[:-1]", "dissect_layer(")
    for block in in_prose():
        if block.language == "python":
            assert any(text in block.text for text in known), f"{block.where}: no test runs it"


def test_a_table_of_videos_is_one_that_the_folder_corpus_takes(tmp_path):
    (block,) = [block for block in in_prose() if block.language == "csv"]
    (tmp_path / "captions.csv").write_text(block.text)
    for name in ("kitchen/a.mp4", "street.mov", "dog.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    tables, _ = folder.read(tmp_path, shares=shares, seed=0)
    assert tables["clips"]["split"].tolist() == ["train", "val", "test"]
    assert len(tables["captions"]) == 3
