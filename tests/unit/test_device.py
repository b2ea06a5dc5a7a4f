"""How a network is trained where its libraries have faults."""

import pytest
import torch
from torch import nn

from seewhy.device import training_format
from seewhy.dissection.network import ResidualNetwork


@pytest.mark.parametrize(
    ("layer", "last"),
    [
        (nn.Conv2d(4, 6, 1, 2), False),
        (nn.Conv2d(8, 6, 1, 2), True),
        (nn.Conv2d(4, 6, 1), True),
        (nn.Conv2d(4, 6, 3, 2), True),
    ],
)
def test_narrow_strided_convolutions_are_not_trained_channels_last(layer, last):
    expected = torch.channels_last if last else torch.contiguous_format
    assert training_format(nn.Sequential(nn.ReLU(), layer)) == expected


def test_the_default_networks_are_trained_channels_last():
    for widths in ((32, 64, 96, 192), (24, 48, 96, 192)):
        assert training_format(ResidualNetwork(widths, ["a", "b"])) == torch.channels_last
