"""What the README shows is what runs."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy.backbones.torchvision_import import import_torchvision
from seewhy.dissection.concepts import ConceptWriter
from seewhy.grounding.checkpoint import save_action_network
from seewhy.grounding.maps import ground_action
from seewhy.grounding.networks import ActionNetwork, VGGShape, vgg_action_network
from seewhy.grounding.relu_lstm import ReluLSTM
from seewhy.worlds.puppets import draw_clip
from seewhy.worlds.puppets.encode import write_mp4

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
