"""The networks that are explained: a CNN, a CNN with an LSTM on top (LRCN), and a captioner.

* `ActionNetwork` without an LSTM names the action of each frame by itself; with one it is the LRCN
  of Donahue et al.: the activations of the CNN's last layer (fc7), a frame a step, feed a ReLU LSTM
  of one layer, and a linear classifier reads its state at every step.
* `MeanPoolCaptioner` is that of Venugopalan et al. (NAACL 2015): the mean of fc7 over the frames is
  input to an LSTM of two layers at every word, beside the word before. Embeddings are rectified, so
  that all that a neuron reads is at least 0.

References:
    K. Simonyan and A. Zisserman, Very Deep Convolutional Networks, ICLR 2015.
    J. Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015.
    S. Venugopalan et al., Translating Videos to Natural Language, NAACL 2015.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.errors import InputError, as_whole
from seewhy.grounding.chain import channels_last
from seewhy.grounding.relu_lstm import ReluLSTM, TemporalDifference
from seewhy.hooking import unwrapped

SCALES = {
    "-1..1": ((127.5,) * 3, (127.5,) * 3),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""Mean and spread of the red, green and blue that a network wants taken out of 0 … 255."""


@dataclass(frozen=True)
class VGGShape:
    """A network of VGG's kind.

    Attributes:
        groups: channels of the 3x3 convolutions; a 2x2 max pool ends each group.
        linear: units of the linear layers above, fc6, fc7, …
        size: side of the frames, pixels.
        batch_norm: after each convolution.
        scale: a key of `SCALES`.
    """

    groups: tuple[tuple[int, ...], ...] = ((16,), (32,), (32, 64), (64, 64))
    linear: tuple[int, ...] = (128,)
    size: int = 64
    batch_norm: bool = True
    scale: str = "-1..1"

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, size: int) -> VGGShape:
        """From settings with `groups`, `linear`, `batch_norm` and `scale`, and others."""
        return cls(
            groups=tuple(tuple(group) for group in settings["groups"]),
            linear=tuple(settings["linear"]),
            size=size,
            batch_norm=settings["batch_norm"],
            scale=settings["scale"],
        )


VGG16 = VGGShape(
    groups=((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    linear=(4096, 4096),
    size=224,
    batch_norm=False,
    scale="imagenet",
)


class VGG(nn.Module):
    """Convolutions and linear layers up to the last ReLU (fc7), with torchvision's names.

    Raises:
        InputError: frames too small for so many pools.
    """

    def __init__(self, shape: VGGShape, *, dropout: float = 0.3) -> None:
        super().__init__()
        side = shape.size // 2 ** len(shape.groups)
        if side < 1:
            raise InputError(
                f"frames of {shape.size} pixels cannot be halved {len(shape.groups)} times; take "
                "larger frames or fewer groups"
            )
        layers: list[nn.Module] = []
        inputs = 3
        for group in shape.groups:
            for outputs in group:
                layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not shape.batch_norm))
                layers += [nn.BatchNorm2d(outputs)] if shape.batch_norm else []
                layers.append(nn.ReLU())
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.Identity()  # nothing to do at this size; the name is torchvision's
        inputs *= side * side
        layers = []
        for units in shape.linear:
            layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(dropout)]
            inputs = units
        self.classifier = nn.Sequential(*layers)
        self.outputs = inputs
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[b, 3, h, w]`` to fc7 ``[b, outputs]``."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class FrameEncoder(nn.Module):
    """What all the networks share: a CNN that turns each frame into fc7.

    Args:
        cnn: any network of single frames ``[b, 3, h, w]`` that gives ``[b, D]``; for excitation
            backprop one that `Chain` takes apart, ending with a linear layer and a ReLU.
        size: side of the frames it wants, pixels.
        scale: a key of `SCALES`.
    """

    def __init__(self, cnn: nn.Module, *, size: int, scale: str) -> None:
        super().__init__()
        self.cnn, self.size, self.scale = cnn, size, scale

    def preprocess(self, frames: np.ndarray | Tensor) -> Tensor:
        """Frames uint8 ``[clips, T, h, w, 3]`` to ``[clips, T, 3, size, size]`` as the CNN wants.

        Raises:
            InputError: of another form.
        """
        frames = torch.as_tensor(frames)
        if frames.ndim != 5 or frames.shape[-1] != 3 or frames.dtype != torch.uint8:
            raise InputError(
                f"frames {list(frames.shape)} of {frames.dtype} are not uint8 "
                "[clips, frames, height, width, 3]"
            )
        mean, spread = (torch.tensor(values)[:, None, None] for values in SCALES[self.scale])
        x = frames.flatten(0, 1).permute(0, 3, 1, 2).float()
        if x.shape[2:] != (self.size, self.size):
            x = nn.functional.interpolate(
                x, size=(self.size,) * 2, mode="bilinear", antialias=True, align_corners=False
            )
        return ((x - mean) / spread).unflatten(0, frames.shape[:2])

    def encode(self, frames: Tensor) -> Tensor:
        """``[clips, T, 3, h, w]`` to fc7 ``[clips, T, D]``."""
        return self.cnn(channels_last(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])


class ActionNetwork(FrameEncoder):
    """CNN, LSTM (or none) and classifier.

    Args:
        cnn: of `FrameEncoder`.
        classifier: from the LSTM's state (from fc7) to the classes; for excitation backprop one
            linear layer.
        lstm: reads fc7; None names each frame by itself. A `ReluLSTM` for excitation backprop;
            gradients also pass an ``nn.LSTM`` or ``nn.GRU`` (stacked, bidirectional), and any
            module from ``[b, T, D]`` to ``[b, T, H]`` or a tuple that begins with that.
        lags: the LSTM also reads how fc7 has changed in so many steps (`TemporalDifference`).
        classes: names of the classes.
        size: of `FrameEncoder`.
        scale: of `FrameEncoder`.

    Raises:
        InputError: sizes that do not fit.
    """

    def __init__(
        self,
        cnn: nn.Module,
        classifier: nn.Module,
        lstm: nn.Module | None = None,
        *,
        lags: Sequence[int] = (),
        classes: Sequence[str] = (),
        size: int = 224,
        scale: str = "imagenet",
    ) -> None:
        super().__init__(cnn, size=size, scale=scale)
        width, outputs = _state_width(lstm), _linear_outputs(classifier)
        reads = classifier.in_features if isinstance(classifier, nn.Linear) else None
        if None not in (width, reads) and reads != width:
            raise InputError(f"the classifier reads {reads} numbers, the LSTM has {width} units")
        if classes and outputs is not None and len(classes) != outputs:
            raise InputError(f"{len(classes)} names for {outputs} outputs of the classifier")
        self.lstm, self.classifier = lstm, classifier
        self.difference = TemporalDifference(lags)
        self.classes = list(classes)

    def classify(self, features: Tensor) -> Tensor:
        """fc7 ``[clips, T, D]`` to logits ``[clips, T, classes]``."""
        return self.classifier(self.states(features))

    def states(self, features: Tensor) -> Tensor:
        """fc7 ``[clips, T, D]`` to what the classifier reads, ``[clips, T, H]``."""
        if self.lstm is None:
            return features
        x, layer = self.difference(features), unwrapped(self.lstm)
        if isinstance(layer, nn.RNNBase) and not layer.batch_first:
            return self.lstm(x.transpose(0, 1))[0].transpose(0, 1)
        found = self.lstm(x)
        return found if isinstance(found, Tensor) else found[0]

    @property
    def causal(self) -> bool:
        """Whether no state is known to read a later frame."""
        layer = unwrapped(self.lstm) if self.lstm is not None else None
        if isinstance(layer, nn.RNNBase):
            return not layer.bidirectional
        return layer is None or isinstance(layer, ReluLSTM)

    def forward(self, frames: Tensor) -> Tensor:
        """``[clips, T, 3, h, w]`` to logits ``[clips, T, classes]``."""
        return self.classify(self.encode(frames))

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """P of the classes of whole clips, ``[clips, classes]``.

        The LSTM's at the last step; without one, the mean over the frames.
        """
        p = self.classify(features).softmax(dim=2)
        return p.mean(dim=1) if self.lstm is None else p[:, -1]

    def index(self, action: str | int) -> int:
        """Number of a class.

        Raises:
            InputError: there is no such class; the line lists those there are.
        """
        if isinstance(action, str):
            if action not in self.classes:
                raise InputError(_unknown_action(action, self.classes))
            return self.classes.index(action)
        number, outputs = as_whole(action), _linear_outputs(self.classifier)
        if number is None:
            raise InputError(f"class {action!r} is neither a name nor a whole number")
        count = len(self.classes) if outputs is None and self.classes else outputs
        if number < 0 or (count is not None and number >= count):
            raise InputError(
                f"class {number} is not one of 0 … {'' if count is None else count - 1}"
            )
        return number


def _unknown_action(action: str, classes: Sequence[str]) -> str:
    if not classes:
        return f"action {action!r}: the network's classes have no names; give its number"
    if len(classes) <= 10:
        return f"action {action!r} is not one of {', '.join(classes)}"
    near = difflib.get_close_matches(action, classes, n=3) or classes[:3]
    return (
        f"action {action!r} is not one of the network's {len(classes)} classes; give one such as "
        f"{', '.join(near)}"
    )


def _state_width(lstm: nn.Module | None) -> int | None:
    """Numbers a step that a recurrent layer gives; None where that is not known."""
    layer = unwrapped(lstm) if lstm is not None else None
    if isinstance(layer, ReluLSTM):
        return layer.hidden
    if isinstance(layer, nn.RNNBase):
        return (layer.proj_size or layer.hidden_size) * (2 if layer.bidirectional else 1)
    return None


def _linear_outputs(classifier: nn.Module) -> int | None:
    """Classes of a linear layer; None of anything else."""
    layer = unwrapped(classifier)
    return layer.out_features if isinstance(layer, nn.Linear) else None


def require_relu_lstm(lstm: object) -> None:
    """Refuse what excitation backprop cannot pass.

    Raises:
        InputError: not a `ReluLSTM`.
    """
    if lstm is not None and not isinstance(lstm, ReluLSTM):
        raise InputError(
            f"the recurrent layer is {type(lstm).__name__}: its tanh breaks excitation backprop's "
            "assumption A1; train with seewhy.grounding.relu_lstm.ReluLSTM, or take Grad-CAM or BP"
        )


@dataclass(frozen=True)
class CaptionerSizes:
    """Sizes of a `MeanPoolCaptioner` above the CNN."""

    words: int
    embedding: int = 64
    hidden: int = 128


class MeanPoolCaptioner(FrameEncoder):
    """The mean of fc7 and the words so far, through two ReLU LSTM layers, to the next word.

    Args:
        cnn: of `FrameEncoder`.
        features: D of fc7.
        sizes: of the decoder.
        size: of `FrameEncoder`.
        scale: of `FrameEncoder`.
    """

    def __init__(
        self,
        cnn: nn.Module,
        features: int,
        sizes: CaptionerSizes,
        *,
        size: int = 224,
        scale: str = "imagenet",
    ) -> None:
        super().__init__(cnn, size=size, scale=scale)
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.words, sizes.embedding)
        self.lstm1 = ReluLSTM(sizes.embedding + features, sizes.hidden)
        self.lstm2 = ReluLSTM(sizes.hidden, sizes.hidden)
        self.classifier = nn.Linear(sizes.hidden, sizes.words)

    def read(self, words: Tensor, pooled: Tensor) -> Tensor:
        """Words so far ``[b, L]`` and mean fc7 ``[b, D]`` to the input of the first LSTM."""
        embedded = self.embedding(words).relu()
        return torch.cat([embedded, pooled[:, None].expand(-1, words.shape[1], -1)], dim=2)

    def forward(self, words: Tensor, pooled: Tensor) -> Tensor:
        """Words so far ``[b, L]``, mean fc7 ``[b, D]``; logits of each next word ``[b, L, V]``."""
        return self.classifier(self.lstm2(self.lstm1(self.read(words, pooled))[0])[0])


def vgg_action_network(
    shape: VGGShape, classes: Sequence[str], *, hidden: int = 0, lags: Sequence[int] = ()
) -> ActionNetwork:
    """A fresh network: VGG, with an LSTM of `hidden` units unless that is 0."""
    cnn = VGG(shape)
    lstm = ReluLSTM(cnn.outputs * TemporalDifference(lags).times, hidden) if hidden else None
    return ActionNetwork(
        cnn,
        nn.Linear(hidden or cnn.outputs, len(classes)),
        lstm,
        lags=lags,
        classes=classes,
        size=shape.size,
        scale=shape.scale,
    )
