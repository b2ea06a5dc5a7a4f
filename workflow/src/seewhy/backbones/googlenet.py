"""torchvision's GoogLeNet up to its 1024-d average pool (pool5).

It is the port of TensorFlow-slim's Inception v1, with batch norm, not the network that BVLC
published for Caffe: its pool5 differs from the features of papers that used that one.

The published weights expect the values of tf-slim, x / 127.5 - 1. torchvision gets there by its
usual ImageNet normalisation, undone inside of the network (``transform_input``); here the two steps
are the one that they amount to.

Reference:
    C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
"""

from __future__ import annotations

import warnings

from torch import Tensor, nn

from seewhy.backbones.torchvision_import import import_torchvision

FEATURES = 1024


class GoogLeNet(nn.Module):
    """torchvision's network without its classifiers; without weights, drawn at random."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.layers = import_torchvision().models.googlenet(
                weights=None, aux_logits=False, transform_input=False, init_weights=False
            )
        for module in self.layers.modules():
            if isinstance(module, nn.Conv2d):  # torch's default would shrink the signal to nothing
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def feature_map(self, x: Tensor) -> Tensor:
        """``[b, 3, h, w]``, values in -1 … 1, to inception 5b's ``[b, 1024, h/32, w/32]``."""
        net = self.layers
        x = net.maxpool1(net.conv1(x))
        x = net.maxpool2(net.conv3(net.conv2(x)))
        x = net.maxpool3(net.inception3b(net.inception3a(x)))
        for name in "abcde":
            x = getattr(net, f"inception4{name}")(x)
        return net.inception5b(net.inception5a(net.maxpool4(x)))

    def features(self, x: Tensor) -> Tensor:
        """``[b, 3, h, w]`` to pool5 ``[b, 1024]``."""
        return self.feature_map(x).mean(dim=(2, 3))


def without_auxiliary(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torchvision's without the two classifiers that only training needs."""
    return {name: value for name, value in tensors.items() if not name.startswith("aux")}
