"""A trained captioner on disk: safetensors with everything that is needed to use it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from seewhy.captioning.data import FeatureFile
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.errors import InputError
from seewhy.files import whole_file
from seewhy.regular_files import check_regular
from seewhy.text.tokens import SPECIALS, Vocabulary

FORMAT = "seewhy captioner 1"


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
    check_regular(path)
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("seewhy", "{}"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; run the rule train_captioner") from error
    except SafetensorError as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({error}); delete it and train again"
        ) from error
    if about.get("format") != FORMAT:
        raise InputError(f"{path}: not a captioner of this version; delete it and train again")
    captioner = Captioner(CaptionerShape(**about["shape"]))
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
