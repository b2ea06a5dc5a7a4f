"""A slim inception network for small frames: GoogLeNet's blocks, batch norm, a 1024-d average pool.

An inception block runs four paths side by side and concatenates their channels:

    y = [ 1x1 | 1x1 -> 3x3 | 1x1 -> 3x3 -> 3x3 | 3x3 max pool -> 1x1 ],

each convolution followed by batch norm and ReLU. The stem reduces by 4, a pool by 2, so a 64 px
frame gives a final feature map ``[1024, 8, 8]`` and, averaged, the counterpart of GoogLeNet's
pool5.

References:
    C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
    S. Ioffe and C. Szegedy, Batch Normalization, ICML 2015 (two 3x3 in place of a 5x5).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

FEATURES = 1024


class ConvolutionBlock(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class InceptionBlock(nn.Module):
    """The four paths of the module's equation.

    Args:
        inputs: channels in.
        one: channels of the 1x1 path.
        three: channels of the 3x3 path, (reduced, out).
        five: channels of the path of two 3x3 (the field of a 5x5), (reduced, out).
        pool: channels of the pooled path.
    """

    def __init__(
        self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        self.one = ConvolutionBlock(inputs, one, 1)
        self.three = nn.Sequential(
            ConvolutionBlock(inputs, three[0], 1), ConvolutionBlock(three[0], three[1], 3)
        )
        self.five = nn.Sequential(
            ConvolutionBlock(inputs, five[0], 1),
            ConvolutionBlock(five[0], five[1], 3),
            ConvolutionBlock(five[1], five[1], 3),
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvolutionBlock(inputs, pool, 1))
        self.outputs = one + three[1] + five[1] + pool

    def forward(self, x: Tensor) -> Tensor:
        """``[b, inputs, h, w]`` to ``[b, outputs, h, w]``."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], dim=1)


class SlimInception(nn.Module):
    """The network, with a linear head a target.

    Args:
        heads: number of outputs for each target (classes, or the things of a multi-hot target).
        dropout: share of the pooled features dropped before the heads, in training.
    """

    def __init__(self, heads: Mapping[str, int], dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvolutionBlock(3, 32, 3, 2), ConvolutionBlock(32, 64, 3), nn.MaxPool2d(3, 2, 1)
        )
        self.inception3 = InceptionBlock(64, 32, (48, 64), (16, 32), 32)  # 160 x 16 x 16
        self.reduce = nn.MaxPool2d(3, 2, 1)
        self.inception4a = InceptionBlock(160, 96, (64, 128), (24, 48), 48)  # 320 x 8 x 8
        self.inception4b = InceptionBlock(320, 128, (96, 192), (32, 64), 64)  # 448 x 8 x 8
        self.last = ConvolutionBlock(self.inception4b.outputs + 2, FEATURES, 1)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, k) for name, k in heads.items()})
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def feature_map(self, x: Tensor) -> Tensor:
        """``[b, 3, h, w]``, values in -1 … 1, to ``[b, 1024, h / 8, w / 8]``."""
        x = self.reduce(self.inception3(self.stem(x)))
        x = self.inception4b(self.inception4a(x))
        return self.last(torch.cat([x, _coordinates(x)], dim=1))

    def features(self, x: Tensor) -> Tensor:
        """``[b, 3, h, w]`` to the average pool ``[b, 1024]``."""
        return self.feature_map(x).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """``[b, 3, h, w]`` to logits ``[b, k]`` a head."""
        pooled = self.dropout(self.features(x))
        return {name: head(pooled) for name, head in self.heads.items()}


def _coordinates(x: Tensor) -> Tensor:
    """Height and width of each cell, -1 … 1: ``[b, 2, h, w]`` for a map ``[b, c, h, w]``."""
    b, _, h, w = x.shape
    rows, columns = (torch.linspace(-1, 1, n, device=x.device, dtype=x.dtype) for n in (h, w))
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(b, 2, h, w)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of `network`, for inference, whose batch norms are folded into the convolutions.

    Only pairs that follow each other in a `ConvolutionBlock` (or another ``nn.Sequential``), or are
    the ``conv`` and ``bn`` of torchvision's ``BasicConv2d``, are folded.
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for first, second in zip(range(len(module)), range(1, len(module)), strict=False):
                if isinstance(module[first], nn.Conv2d) and isinstance(
                    module[second], nn.BatchNorm2d
                ):
                    module[first] = fuse_conv_bn_eval(module[first], module[second])
                    module[second] = nn.Identity()
        elif isinstance(getattr(module, "conv", None), nn.Conv2d) and isinstance(
            getattr(module, "bn", None), nn.BatchNorm2d
        ):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return network
