"""Small networks run fastest on one thread, and tests side by side do not fight over cores.

Every test runs in an empty folder of its own: none reads, or leaves, anything in the checkout.
"""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from seewhy.captioning import interpreter
from seewhy.grounding import stages

torch.set_num_threads(1)

REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
# What a test starts imports what the test imports (pytest has put it before all that is installed).
SOURCE = str(REPOSITORY / "workflow" / "src")
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([SOURCE, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
)


@pytest.fixture(scope="session", autouse=True)
def _away(tmp_path_factory):
    """The working directory of what is set up for several tests."""
    with contextlib.chdir(tmp_path_factory.mktemp("away")):
        yield


@pytest.fixture(autouse=True)
def _own_folder(_away, tmp_path_factory):
    """The working directory of one test."""
    within = tmp_path_factory.getbasetemp()
    with (
        tempfile.TemporaryDirectory(dir=within, ignore_cleanup_errors=True) as folder,
        contextlib.chdir(folder),
    ):
        yield


@pytest.fixture(scope="session")
def shared_data():
    """Real data beside the checkout; a test that needs them is skipped where they are absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data at ../shared/data")
    return SHARED_DATA


@pytest.fixture
def made_features(tmp_path):
    """Write a file of random CNN features, and give its path."""

    def make(*, clips, n, d, split="train", seed=0):
        path = tmp_path / f"{split}-{clips}-{seed}.h5"
        random = np.random.default_rng(seed)
        with h5py.File(path, "w") as file:
            file["features"] = random.random((clips, n, d), dtype=np.float32)
            file["lengths"] = np.full(clips, n)
            file["clip"] = [f"{split}{number:05d}" for number in range(clips)]
            file.attrs["weights"] = "made up"
        return path

    return make


@pytest.fixture
def short_fits(monkeypatch):
    """Of few clips the interpreter f learns in a step an epoch, as of many; nothing rests on it."""
    monkeypatch.setattr(interpreter, "LEAST_STEPS", 1)


@pytest.fixture
def killed_after(monkeypatch):
    """Break a staged training off after so many rounds: ``with killed_after(3): train(...)``."""
    usual = stages.StagedTraining._round

    @contextlib.contextmanager
    def kill(rounds):
        left = [rounds]

        def until_killed(*given):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return usual(*given)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(stages.StagedTraining, "_round", until_killed)
            yield

    return kill


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
