"""The last whole epoch of a training on disk, so that a killed one goes on and ends the same."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch

from seewhy.errors import explain_write_errors
from seewhy.files import unfinished_path, whole_file

log = logging.getLogger(__name__)


class Unfinished:
    """Where a training stands, kept until its output is written.

    Args:
        output: what is being trained.
        folder: see :func:`seewhy.files.unfinished_path`.
        made_from: settings and data, as JSON can hold them; a training of others is not taken up.
        parts: what learns, by name: all that has ``state_dict`` and ``load_state_dict``.
    """

    def __init__(
        self, output: str | Path, folder: str | Path | None, made_from: Any, **parts: Any
    ) -> None:
        self.path = unfinished_path(output, folder, ".pt")
        self.key = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
        self.parts = parts

    def take_up(self) -> dict[str, Any]:
        """Bring the parts to where they were; what else was saved, nothing where all starts anew.

        A file that belongs to another training, or cannot be read, is passed over with a line in
        the log, and the parts are left as they are.
        """
        if not self.path.exists():
            return {}
        before = {name: copy.deepcopy(part.state_dict()) for name, part in self.parts.items()}
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            if saved["key"] != self.key:
                log.info("%s: is of other settings or data; training starts anew", self.path)
                return {}
            for name, part in self.parts.items():
                part.load_state_dict(saved["parts"][name])
        except Exception as error:  # the unpickler trips over damage with errors of any kind
            log.warning("%s: cannot be read (%s); training starts anew", self.path, error)
            for name, part in self.parts.items():
                part.load_state_dict(before[name])
            return {}
        log.info("%s: going on after epoch %d", self.path, len(saved["more"]["history"]))
        return saved["more"]

    def save(self, history: list[dict[str, float]], **more: Any) -> None:
        """Write down where the training stands.

        Args:
            history: a row for each epoch that is done.
            more: tensors, numbers, and lists and dicts of them.
        """
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        saved = {"key": self.key, "parts": parts, "more": {"history": history, **more}}
        # An open file and not its name: torch would not say why a write failed.
        with whole_file(self.path) as temporary, open(temporary, "wb") as file:
            torch.save(saved, file)

    def discard(self) -> None:
        """The output is written: there is nothing left to take up."""
        with explain_write_errors(self.path):
            self.path.unlink(missing_ok=True)
