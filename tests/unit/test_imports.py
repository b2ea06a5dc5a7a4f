"""Which package files a script depends on."""

import os
from pathlib import Path

from seewhy.imports import ROOT, package_files

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"


def names(script):
    return {os.path.relpath(file, ROOT) for file in package_files(SCRIPTS / script)}


def test_indirect_imports_packages_and_data_files_are_found():
    found = names("import_corpus.py")
    assert {"corpora/importing.py", "corpora/msvd.py", "corpora/canonical.py"} <= found
    assert {"__init__.py", "corpora/__init__.py", "files.py", "corpora/canonical.yaml"} <= found


def test_what_is_not_imported_is_not_there():
    found = names("mine_topics.py")
    assert "text/topics.py" in found
    assert not any(name.startswith(("captioning", "worlds", "backbones")) for name in found)
    assert not found & {"entry.py", "errors.py", "progress.py"}


def test_the_network_is_no_part_of_what_only_reads_its_captions():
    assert "captioning/model.py" in names("caption_clips.py")
    assert "captioning/model.py" not in names("score_captions.py")
