"""Networks of the grounding system on disk: safetensors, with all that is needed to use them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from seewhy.backbones.weights import load_into, read_weights
from seewhy.checkpoint_metadata import (
    COUNT,
    COUNTS,
    FLAG,
    NAMES,
    SIZE,
    build,
    check_metadata,
    table_of,
)
from seewhy.files import whole_file
from seewhy.grounding.networks import (
    SCALES,
    VGG,
    ActionNetwork,
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.readable import check_readable
from seewhy.text.tokens import SPECIALS, Vocabulary

FORMAT = "seewhy grounding 1"
_VGG = table_of(
    groups={"type": "array", "items": {**COUNTS, "minItems": 1}, "minItems": 1, "maxItems": 16},
    linear={**COUNTS, "minItems": 1},
    size=COUNT,
    batch_norm=FLAG,
    scale={"enum": list(SCALES)},
)
_SCHEMAS = {
    "action": table_of(kind={"const": "action"}, vgg=_VGG, classes=NAMES, hidden=SIZE, lags=COUNTS),
    "words": table_of(
        kind={"const": "words"},
        vgg=_VGG,
        sizes=table_of(words=COUNT, embedding=COUNT, hidden=COUNT),
        words=NAMES,
    ),
}


def save_action_network(path: str | Path, network: ActionNetwork, shape: VGGShape) -> None:
    """Write a CNN or an LRCN whose CNN is a `VGG` of that shape."""
    about = {
        "kind": "action",
        "vgg": asdict(shape),
        "classes": network.classes,
        "hidden": network.lstm.hidden if network.lstm else 0,
        "lags": list(network.difference.lags),
    }
    _save(path, network.state_dict(), about)


def save_word_network(
    path: str | Path, captioner: MeanPoolCaptioner, shape: VGGShape, vocabulary: Vocabulary
) -> None:
    """Write a captioner whose CNN is a `VGG` of that shape."""
    about = {
        "kind": "words",
        "vgg": asdict(shape),
        "sizes": asdict(captioner.sizes),
        "words": vocabulary.words[len(SPECIALS) :],
    }
    _save(path, captioner.state_dict(), about)


def load_action_network(path: str | Path) -> ActionNetwork:
    """A CNN or an LRCN, in evaluation mode.

    Raises:
        InputError: missing, cut short, or something else.
    """
    return _load_action(path)[0]


def load_cnn(path: str | Path) -> tuple[VGG, VGGShape]:
    """The CNN alone of an action network, in evaluation mode, and its shape.

    Raises:
        InputError: missing, cut short, or something else.
    """
    network, shape = _load_action(path)
    return network.cnn, shape


def _load_action(path: str | Path) -> tuple[ActionNetwork, VGGShape]:
    tensors, about = _read(path, "action", "train_action_networks")
    shape = VGGShape.of(about["vgg"], size=about["vgg"]["size"])
    network = build(
        lambda: vgg_action_network(
            shape, about["classes"], hidden=about["hidden"], lags=about["lags"]
        ),
        tensors,
        path,
        "an action network",
    )
    load_into(network, tensors, path, "an action network")
    return network.eval(), shape


def load_word_network(path: str | Path) -> tuple[MeanPoolCaptioner, Vocabulary]:
    """A captioner, in evaluation mode, and its words.

    Raises:
        InputError: missing, cut short, or something else.
    """
    tensors, about = _read(path, "words", "train_word_network")
    shape = VGGShape.of(about["vgg"], size=about["vgg"]["size"])

    def make() -> MeanPoolCaptioner:
        cnn, sizes = VGG(shape), CaptionerSizes(**about["sizes"])
        return MeanPoolCaptioner(cnn, cnn.outputs, sizes, size=shape.size, scale=shape.scale)

    captioner = build(make, tensors, path, "a captioner")
    load_into(captioner, tensors, path, "a captioner")
    return captioner.eval(), Vocabulary(about["words"])


def load_vgg(cnn: VGG, path: str | Path) -> None:
    """Load a user's weights into the CNN alone.

    Args:
        cnn: of the shape of the weights.
        path: see `seewhy.backbones.weights.read_weights`; with torchvision's names. The last
            classifier, which `cnn` lacks, is passed over.

    Raises:
        InputError: not there, or of another network.
    """
    own = cnn.state_dict()
    tensors, _ = read_weights(path, names=own)
    last = max((name for name in tensors if name.startswith("classifier.")), default="")
    beyond = last.rsplit(".", 1)[0] + "."
    if last and last not in own:
        tensors = {name: value for name, value in tensors.items() if not name.startswith(beyond)}
    load_into(cnn, tensors, path, "a VGG of this shape")


def _save(path: str | Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    weights = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps({"format": FORMAT, **about}, sort_keys=True)
    with whole_file(path) as temporary:
        # One entry, since safetensors writes several in an order that changes from run to run.
        save_file(weights, temporary, metadata={"seewhy": text})


def _read(path: str | Path, kind: str, rule: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    check_readable(path, missing=f"run the rule {rule}")
    tensors, about = read_weights(path)
    what = f"a network for {'actions' if kind == 'action' else 'words'}"
    return tensors, check_metadata(about, path, _SCHEMAS[kind], form=FORMAT, what=what)
