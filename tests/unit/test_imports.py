"""Which package files a script depends on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


# Of a script below the folder, in a process of its own: another one knows only what was kept.
TELL = """
import ast, sys
from seewhy.imports import package_digest, package_files
parsed, usual = [], ast.parse
ast.parse = lambda *given: parsed.append(1) or usual(*given)
files = package_files("script.py", cache="kept/imports.json")
print(len(files), len(parsed), package_digest("script.py", cache="kept/imports.json"))
"""


def told():
    said = subprocess.check_output([sys.executable, "-c", TELL], text=True).split()
    return int(said[0]), int(said[1]), said[2]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 3}', None])
def test_a_file_is_parsed_once_until_its_content_is_another(damage):
    script, kept = Path("script.py"), Path("kept/imports.json")
    script.write_text("from seewhy.text.topics import x\n")
    files, parsed, digest = told()
    assert files == len(package_files(script)) > 5
    assert parsed == len(json.loads(kept.read_text())) > 5
    assert told() == (files, 0, digest)
    about = script.stat()
    script.write_text("from seewhy.text.tokens import x\n")  # of the same size
    os.utime(script, ns=(about.st_atime_ns, about.st_mtime_ns))
    fewer, parsed, other = told()
    assert 0 < fewer < files
    assert parsed == 1
    assert other != digest
    if damage is None:
        kept.unlink()
        kept.mkdir()  # where it cannot be kept, it is not
    else:
        kept.write_text(damage)
    assert told()[::2] == (fewer, other)
