"""What is recorded is current and whole: the checks, with Snakemake's answers written by hand."""

import base64
import hashlib
import json

import numpy as np
import pytest

from seewhy import recording
from seewhy.errors import InputError
from seewhy.files import create_hdf5

HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A run's features and captions, with Snakemake's record of what these were made from."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "results", ".snakemake/metadata"):
        (tmp_path / folder).mkdir(parents=True)
    with create_hdf5(tmp_path / "data/train.h5") as file:
        file["features"] = np.arange(50_000.0)
    (tmp_path / "data/topics.json").write_text("{}")
    (tmp_path / "results/captions.csv").write_text("clip,caption\n")
    sums = {
        name: f"sha256:{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}"
        for name in ("data/train.h5", "data/topics.json")
    }
    record = base64.urlsafe_b64encode(b"results/captions.csv").decode()
    (tmp_path / ".snakemake/metadata" / record).write_text(json.dumps({"input_checksums": sums}))
    (tmp_path / ".snakemake/metadata/bm90aGluZw==").write_text("{ cut of")
    return tmp_path


def answers(monkeypatch, *said, ran=None):
    """Let commands say something: ``(what the command begins with, what it says)``."""

    def call(*command):
        text = " ".join(command)
        return next(answer for start, answer in said if text.startswith(start))

    monkeypatch.setattr(recording, "_call", call)
    monkeypatch.setattr(recording, "_run", lambda *command: ran.append(" ".join(command)))


def summary(*changed):
    rows = [
        f"{name}\tnow\trule\tlog\t{'updated input files' if name in changed else 'ok'}\t"
        f"{'update pending' if name in changed else 'no update'}"
        for name in ("results/captions.csv", "data/train.h5", "data/topics.json")
    ]
    return "\n".join(["Using workflow specific profile", HEADER, *rows]) + "\n"


def test_a_run_that_is_current_and_whole_may_be_recorded(made, monkeypatch):
    answers(monkeypatch, ("snakemake --summary all", summary()))
    assert recording.check_run() == 3


def test_what_is_to_be_done_is_not_recorded(made, monkeypatch):
    answers(monkeypatch, ("snakemake --summary", summary("data/topics.json")))
    with pytest.raises(InputError, match=r"data/topics\.json: updated input files, update pending"):
        recording.check_run()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data/train.h5", "data/train.h5: damaged: .*; get the recorded one back"),
        ("data/topics.json", "data/topics.json: is not what results/captions.csv was made from"),
    ],
)
def test_a_damaged_file_is_not_recorded(made, monkeypatch, name, message):
    answers(monkeypatch, ("snakemake --summary", summary()))
    content = bytearray((made / name).read_bytes())
    content[len(content) // 2] ^= 1
    (made / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        recording.check_run()


PLAN = """
rule dissect_layer:
    input: data/sets
    output: data/counts.h5, results/tally.csv
    reason: Params have changed since last execution: Union of exclusive params before and now \
across all output: before: '{name} = 1' now: '{name} = 2'
"""


@pytest.mark.parametrize("name", ["files", "sets", "images", "classes", "videos"])
def test_other_files_are_not_blessed_by_a_touch(made, monkeypatch, name):
    """What dvc restores of its own settings is; what it cannot have seen is not."""
    ran = []
    answers(monkeypatch, ("snakemake -n", PLAN.format(name=f"stamp.{name}")), ran=ran)
    with pytest.raises(InputError, match=rf"data/counts\.h5: made from other {name} of yours"):
        recording.touch_restored()
    assert ran == []
    answers(monkeypatch, ("snakemake -n", PLAN.format(name="transfer.hidden")), ran=ran)
    recording.touch_restored()
    assert ran == ["snakemake all --touch"]


def test_a_clone_without_a_remote_says_so(made, monkeypatch):
    answers(monkeypatch, ("dvc remote list", ""), ran=[])
    with pytest.raises(InputError, match=r"there is no dvc\.lock: nothing has been recorded"):
        recording.pull()
    (made / "dvc.lock").write_text("schema: '2.0'\n")
    with pytest.raises(InputError, match="names no remote to fetch data from; `dvc remote add"):
        recording.pull()
