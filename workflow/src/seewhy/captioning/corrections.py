"""A person's corrections of captions, as `corrections.yaml` holds them.

Light on purpose: the workflow reads the file when it plans, and refuses corrections that name
nothing before anything is trained.
"""

from __future__ import annotations

from pathlib import Path

from seewhy.errors import InputError
from seewhy.yaml_files import read_yaml


def read_corrections(path: str | Path) -> list[tuple[str, list[str]]]:
    """A person's corrections: clips, and for each the topics that its caption misses.

    The file is a list of ``{clip: …, topics: [name or word, …]}``; an empty list corrects nothing.

    Raises:
        InputError: not such a file, a clip twice, or nothing named.
    """
    form = "a list of entries such as {clip: test00012, topics: [dancing]}"
    try:
        entries = read_yaml(path, as_text=True)  # 00012 stays as it is
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; write {form}") from error
    if not entries and entries != []:
        raise InputError(f"{path}: is empty; write {form}, or [] for no correction")
    if not isinstance(entries, list):
        raise InputError(f"{path}: is not {form}")
    corrections: dict[str, list[str]] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}: entry {number}"
        formed = isinstance(entry, dict) and set(entry) == {"clip", "topics"}
        if not formed or not isinstance(entry["clip"], str) or not entry["clip"]:
            raise InputError(f"{where}: is not of the form {{clip: test00012, topics: [dancing]}}")
        clip, topics = entry["clip"], entry["topics"]
        topics = [topics] if isinstance(topics, str) else topics
        named = isinstance(topics, list) and all(isinstance(one, str) and one for one in topics)
        if not named or not topics:
            raise InputError(f"{where} ({clip}): names no topic; say what its caption misses")
        if clip in corrections:
            raise InputError(f"{where} ({clip}): is there twice; put all its topics in one entry")
        corrections[clip] = topics
    return list(corrections.items())
