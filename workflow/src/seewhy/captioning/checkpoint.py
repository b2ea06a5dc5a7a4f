"""A trained captioner on disk: safetensors with everything that is needed to use it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import save_file

from seewhy.backbones.weights import read_weights
from seewhy.captioning.data import FeatureFile
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.checkpoint_metadata import (
    COUNT,
    COUNTS,
    FLAG,
    NAME,
    NAMES,
    SIZE,
    build,
    check_metadata,
    table_of,
)
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.readable import check_readable, make_again
from seewhy.text.tokens import SPECIALS, Vocabulary

FORMAT = "seewhy captioner 1"
_SCHEMA = table_of(
    shape=table_of(
        vocabulary=COUNT,
        topics=COUNT,
        cnn=COUNT,
        encoder=COUNT,
        features=NAME,
        components=SIZE,
        motion=COUNTS,
        concat_cnn=FLAG,
        embedding=COUNT,
        decoder=COUNT,
        attention=COUNT,
        interpreter=COUNT,
        corrections=SIZE,
    ),
    words=NAMES,
    backbone=NAME,
)


def save_captioner(
    path: str | Path, captioner: Captioner, vocabulary: Vocabulary, *, backbone: str
) -> None:
    """Write weights, shape, vocabulary and the digest of the backbone whose features it reads."""
    about = {
        "format": FORMAT,
        "shape": asdict(captioner.shape),
        "words": vocabulary.words[len(SPECIALS) :],
        "backbone": backbone,
    }
    weights = {name: value.contiguous().cpu() for name, value in captioner.state_dict().items()}
    with whole_file(path) as temporary:
        # One entry, since safetensors writes several in an order that changes from run to run.
        save_file(weights, temporary, metadata={"seewhy": json.dumps(about, sort_keys=True)})


def load_captioner(path: str | Path) -> tuple[Captioner, Vocabulary, str]:
    """Read a captioner written by `save_captioner`; it comes back in evaluation mode.

    Returns:
        The captioner, its vocabulary, and the digest of the backbone it was trained on.

    Raises:
        InputError: missing, cut short, or not a captioner.
    """
    check_readable(path, missing="run the rule train_captioner")
    weights, about = read_weights(path)
    about = check_metadata(about, path, _SCHEMA, form=FORMAT, what="a captioner")
    words = len(SPECIALS) + len(about["words"])
    if about["shape"]["vocabulary"] != words:
        raise InputError(
            f"{path}: not a captioner of this version: it tells {words} words, and a vocabulary of "
            f"{about['shape']['vocabulary']}; {make_again(path)}"
        )
    captioner = build(
        lambda: Captioner(CaptionerShape(**about["shape"])), weights, path, "a captioner"
    )
    captioner.load_state_dict(weights)
    return captioner.eval(), Vocabulary(about["words"]), about["backbone"]


def load_for(
    captioner_path: str | Path, *features_paths: str | Path
) -> tuple[Captioner, Vocabulary, list[FeatureFile]]:
    """A captioner, its vocabulary, and files of features that it can read.

    Raises:
        InputError: an unreadable file, or features of another backbone.
    """
    captioner, vocabulary, backbone = load_captioner(captioner_path)
    files = [FeatureFile(path) for path in features_paths]
    for file in files:
        if file.backbone != backbone or file.shape[2] != captioner.shape.cnn:
            raise InputError(
                f"{file.path}: features of another backbone than {captioner_path} was trained on; "
                "extract them with that backbone, or train again"
            )
    return captioner, vocabulary, files
