"""Networks without weights: the shapes of real ones, and no compiler loaded for them."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from seewhy.skeletons import without_weights

BUILD = """
import sys
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.skeletons import without_weights
with without_weights():
    Captioner(CaptionerShape(cnn=8, vocabulary=9, topics=3, components=4, motion=(1,)))
print("torch._dynamo" in sys.modules)
"""


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.draws = nn.Parameter(torch.empty(3, 2).normal_(0.0, 2.0))
        self.layer = nn.Linear(2, 3)
        nn.init.orthogonal_(self.layer.weight[:2])
        nn.init.uniform_(tensor=self.layer.bias, a=-1, b=1)
        self.register_buffer("square", torch.eye(4))
        self.register_buffer("oblong", torch.eye(4, 2, dtype=torch.float64))


MAKERS = [
    Odd,
    lambda: nn.Embedding(5, 4, padding_idx=1),
    lambda: nn.LSTM(3, 4, proj_size=2),
    lambda: nn.MultiheadAttention(8, 2),
    lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.PReLU()),
]


@pytest.mark.parametrize("make", MAKERS)
def test_names_shapes_and_types_are_those_of_the_network(make):
    real = make().state_dict()
    state = torch.random.get_rng_state()
    with without_weights():
        skeleton = make().state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(value.is_meta for value in skeleton.values())
    assert {k: (v.shape, v.dtype) for k, v in skeleton.items()} == {
        k: (v.shape, v.dtype) for k, v in real.items()
    }
    assert not any(value.is_meta for value in make().state_dict().values())


def test_a_captioner_is_described_without_pytorchs_compiler():
    said = subprocess.check_output([sys.executable, "-c", BUILD], text=True)
    assert said.split() == ["False"]
