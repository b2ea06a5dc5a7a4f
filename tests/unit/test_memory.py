"""What cannot fit into memory is refused in one line before it is made."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seewhy import memory
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.sparse import fit_sparse_autoencoder
from seewhy.captioning.transfer import perceptron
from seewhy.device import check_network
from seewhy.dissection.network import ResidualNetwork
from seewhy.dissection.regions import image_masks
from seewhy.entry import rule
from seewhy.errors import InputError
from seewhy.frames import sample_frames
from seewhy.grounding.networks import (
    CaptionerSizes,
    MeanPoolCaptioner,
    VGGShape,
    vgg_action_network,
)
from seewhy.memory import check_memory, is_out_of_memory, readable, usable_memory

REPOSITORY = Path(__file__).parents[2]

GB = 10**9


def machine(folder, *, group="", files=()):
    """A tree with /proc and /sys of a machine of 16 GiB and 4 GiB of swap."""
    for name, text in {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\nSwapTotal:  4194304 kB\n",
        "proc/self/cgroup": group,
        **dict(files),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


V2, V1 = "0::/slurm/job_7/step_0\n", "11:cpu,cpuacct:/x\n4:memory:/slurm/job_7\n0::/\n"
CGROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("group", "files", "gib"),
    [
        ("", {}, 20),
        (V2, {}, 20),
        (V2, {f"{CGROUP}/slurm/job_7/step_0/memory.max": "max\n"}, 20),
        (V2, {f"{CGROUP}/slurm/job_7/memory.max": f"{2 << 30}\n"}, 6),  # the job's, with swap
        (V2, {f"{CGROUP}/slurm/job_7/memory.max": f"{2 << 30}\n",
              f"{CGROUP}/slurm/job_7/memory.swap.max": "0\n"}, 2),
        ("0::/\n", {f"{CGROUP}/memory.max": f"{3 << 30}\n",
                    f"{CGROUP}/memory.swap.max": "0\n"}, 3),  # a container
        (V1, {f"{CGROUP}/memory/slurm/job_7/memory.limit_in_bytes": f"{5 << 30}\n",
              f"{CGROUP}/memory/slurm/job_7/memory.memsw.limit_in_bytes": f"{6 << 30}\n"}, 6),
        (V1, {f"{CGROUP}/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 20),
        (V1, {f"{CGROUP}/memory/memory.limit_in_bytes": f"{1 << 30}\n"}, 5),
    ],
)  # fmt: skip
def test_the_least_limit_counts(group, files, gib, tmp_path):
    assert usable_memory(machine(tmp_path, group=group, files=files)) == gib << 30


def test_this_machine_has_some_and_less_is_admitted():
    assert GB / 10 < usable_memory() < 1 << 50
    check_memory(1, "x", remedy="y")
    with pytest.raises(InputError, match=r"^features\.batch 7: needs at least 2\.5 GB of memory, "
                       r"and this process may use 1\.0 GB; lower it$"):  # fmt: skip
        check_memory(5 * GB // 2, "features.batch 7", remedy="lower it", usable=GB)
    assert readable(999) == "999 bytes"
    assert readable(4 * 10**18) == "4,000.0 PB"


@pytest.fixture
def small(monkeypatch):
    """As if this process might use a gigabyte."""
    monkeypatch.setattr(memory, "usable_memory", lambda: GB)


CLASSES = ["a", "b"]
NETWORKS = {
    "captioner": lambda wide: Captioner(
        CaptionerShape(vocabulary=50, topics=5, cnn=8, features="relu", components=4, motion=(1,),
                       concat_cnn=False, encoder=wide, embedding=4, decoder=4, attention=4,
                       interpreter=4)
    ),
    "action network": lambda wide: vgg_action_network(
        VGGShape(groups=((4,), (4,)), linear=(8,), size=16), CLASSES, hidden=wide, lags=(1,)
    ),
    "word network": lambda wide: MeanPoolCaptioner(
        nn.Identity(), 8, CaptionerSizes(50, 4, wide), size=16
    ),
    "residual network": lambda wide: ResidualNetwork([4, 4, 4, wide], CLASSES),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.usefixtures("small")
def test_a_network_is_measured_without_being_made(name):
    build = NETWORKS[name]
    expected = build(12)
    size = 4 * sum(one.numel() * one.element_size() for one in expected.parameters())
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    check_network(lambda: build(12), torch.device("cpu"), "x", remedy="y")
    assert torch.equal(torch.random.get_rng_state(), before)  # nothing is drawn
    for limit in (size, size - 1):
        memory.usable_memory = lambda limit=limit: limit  # restored by the fixture
        if limit == size:
            check_network(lambda: build(12), torch.device("cpu"), "x", remedy="y")
            continue
        with pytest.raises(InputError, match=r"^x: needs at least"):
            check_network(lambda: build(12), torch.device("cpu"), "x", remedy="y")
    for wide in (10**6, 10**12):
        with pytest.raises(InputError, match=r"^x: needs at least [\d.,]+ [TP]B of memory"):
            check_network(lambda wide=wide: build(wide), torch.device("cpu"), "x", remedy="y")


@pytest.mark.usefixtures("small")
def test_settings_that_cannot_fit_are_named(tmp_path):
    settings = {"split": "train", "fit": "crop", "workers": 2}
    with pytest.raises(InputError, match=r"^frames\.n 1000000000, frames\.size 64: 2 clips at a"):
        sample_frames(tmp_path, tmp_path / "f.h5", tmp_path / "r.csv", n=10**9, size=64, **settings)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"neurons\.sparse\.codes: 100000000 codes: needs at"):
        fit_sparse_autoencoder(torch.zeros(4, 8), codes=10**8, k=2, epochs=1, seed=0)
    with pytest.raises(InputError, match=r"transfer\.hidden 100000000: needs at least"):
        perceptron(96, 10**8, 5, dropout=0.1)
    box = {"x": 0, "y": 0, "width": 4, "height": 4, "boxes": "0 0 4 4", "region": 0}
    regions = pd.DataFrame([{"image": "a.jpg", "action": "run", **box, "image_width": 10**6,
                             "image_height": 10**6}])  # fmt: skip
    with pytest.raises(InputError, match=r"image a\.jpg of 1000000 x 1000000 pixels: needs at"):
        dict(image_masks(regions))


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (lambda: np.zeros((1 << 46, 1 << 10)), "Unable to allocate"),
        (lambda: torch.zeros(1 << 46, 1 << 10), "memory"),
        (lambda: bytearray(1 << 60), "MemoryError"),
    ],
)
def test_a_job_without_memory_ends_with_one_line(fail, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = SimpleNamespace(
        log=[str(tmp_path / "log")], params={"code": '"x"'}, threads=1, rule="extract_features",
        output=[str(tmp_path / "out")], scriptdir=str(REPOSITORY / "workflow/scripts"),
    )  # fmt: skip
    with pytest.raises(SystemExit) as ended, rule(job):
        fail()
    assert ended.value.code == 1
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: rule extract_features: out of memory (")
    assert said in lines[0]
    logging.getLogger().handlers.clear()


def test_other_failures_are_not_taken_for_it():
    assert not is_out_of_memory(RuntimeError("size mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate"))
