"""What backbones there are and where their weights come from; light to import (no torch)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from seewhy.errors import InputError


class About(NamedTuple):
    """A backbone.

    Attributes:
        input_size: side in pixels of the frames it takes.
        url: where its published weights are; empty where the workflow trains it.
        sha256: first digits of the SHA-256 of that file.
    """

    input_size: int
    url: str = ""
    sha256: str = ""


BACKBONES = {
    "slim_inception": About(64),
    # torchvision's file names carry the first eight digits of the hash.
    "googlenet": About(
        224, "https://download.pytorch.org/models/googlenet-1378be20.pth", "1378be20"
    ),
}


def about_backbone(name: str) -> About:
    """The backbone of that name.

    Raises:
        InputError: there is none.
    """
    if name not in BACKBONES:
        raise InputError(f"backbone.name: {name!r} is not one of {', '.join(BACKBONES)}")
    return BACKBONES[name]


def check_weights(name: str, weights: str | Path | None) -> str:
    """The path of a backbone's file of weights, which must be there; its content is not looked at.

    Raises:
        InputError: an unknown name, or no such file; the message says where to get it.
    """
    about = about_backbone(name)
    if not about.url:
        remedy = "run the rule train_backbone"
    else:
        remedy = f"get {about.url} (about 50 MB) and set backbone.weights to where you put it"
    if weights is None:
        raise InputError(f"backbone.weights: {name} needs a file of weights; {remedy}")
    if not Path(weights).is_file():
        raise InputError(f"backbone.weights: no file {weights}; {remedy}")
    return str(weights)


def check_frame_size(name: str, size: int) -> None:
    """Refuse frames of another size than a backbone reads: they would be resized once more.

    Raises:
        InputError: an unknown name, or another size.
    """
    reads = about_backbone(name).input_size
    if size != reads:
        raise InputError(
            f"params.yaml: frames.size: {size}, but the backbone {name} reads {reads} pixels; set "
            f"frames.size to {reads}"
        )
