"""Limits to the processors of a process, in files as the kernel has them."""

import os
import subprocess

import pytest

from seewhy import processors
from seewhy.processors import WAITING, cgroup_quota, job_prefix, usable_processors

V2 = "36 25 0:31 {top} {point} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 31 0:30 {top} {point} rw - cgroup cgroup rw,cpu,cpuacct"
OTHER = "34 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"


@pytest.fixture
def machine(tmp_path):
    """Lay out a machine's files: ``machine(cgroup, mount, {folder: (quota, period)})``."""

    def lay_out(memberships, mount, quotas):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(memberships)
        (tmp_path / "proc/self/mountinfo").write_text(f"{OTHER}\n{mount}\n")
        for folder, (quota, period) in quotas.items():
            path = tmp_path / folder.lstrip("/")
            path.mkdir(parents=True, exist_ok=True)
            if "cgroup2" in mount:
                (path / "cpu.max").write_text(f"{quota} {period}\n")
            else:
                (path / "cpu.cfs_quota_us").write_text(f"{quota}\n")
                (path / "cpu.cfs_period_us").write_text(f"{period}\n")
        return tmp_path

    return lay_out


@pytest.mark.parametrize(
    ("memberships", "mount", "quotas", "expected"),
    [
        # A container with a view of its own: docker run --cpus 2.5.
        ("0::/\n", V2.format(top="/", point="/cg"), {"/cg": (250000, 100000)}, 2.5),
        # The machine's view: the group itself is free, one above it is not.
        (
            "0::/system.slice/job.scope\n",
            V2.format(top="/", point="/sys/fs/cgroup"),
            {
                "/sys/fs/cgroup/system.slice": (300000, 100000),
                "/sys/fs/cgroup/system.slice/job.scope": ("max", 100000),
            },
            3,
        ),
        # No quota at all, and a root group without the file.
        ("0::/user.slice\n", V2.format(top="/", point="/sys/fs/cgroup"), {}, None),
        ("0::/x\n", V2.format(top="/", point="/s"), {"/s/x": ("max", 100000)}, None),
        # A process from outside of the view that its container has.
        ("0::/../other\n", V2.format(top="/", point="/s"), {"/s": (100000, 100000)}, 1),
        # Version 1: a container sees its own group mounted, and its path on the machine.
        (
            "9:memory:/docker/1f0a\n4:cpu,cpuacct:/docker/1f0a\n",
            V1.format(top="/docker/1f0a", point="/sys/fs/cgroup/cpu,cpuacct"),
            {"/sys/fs/cgroup/cpu,cpuacct": (150000, 50000)},
            3,
        ),
        # Version 1 beside version 2, as systemd's hybrid has it; -1 is no quota.
        (
            "4:cpu,cpuacct:/slurm/job_7/step_0\n0::/system.slice\n",
            V1.format(top="/", point="/cg"),
            {"/cg/slurm/job_7": (400000, 100000), "/cg/slurm/job_7/step_0": (-1, 100000)},
            4,
        ),
        # A mount point with a space.
        ("0::/a\n", V2.format(top="/", point=r"/my\040cg"), {"/my cg/a": (200000, 100000)}, 2),
    ],
)  # fmt: skip
def test_the_least_quota_counts(machine, memberships, mount, quotas, expected):
    assert cgroup_quota(machine(memberships, mount, quotas)) == expected


def test_a_machine_without_proc_has_no_quota(tmp_path):
    assert cgroup_quota(tmp_path) is None


@pytest.fixture
def limits(monkeypatch):
    """Set all limits that there are: processors to run on, quota, and Slurm's variables."""

    def put(may_run_on, quota=None, **slurm):
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda _: set(range(may_run_on)), raising=False
        )
        monkeypatch.setattr(processors, "cgroup_quota", lambda: quota)
        for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in slurm.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((64,), 64),
        ((64, 2.9), 2),  # no more than the quota
        ((64, 0.5), 1),
        ((2, 8.0), 2),
    ],
)
def test_processors_are_the_least_of_all_limits(limits, given, expected):
    limits(*given)
    assert usable_processors() == expected


@pytest.mark.parametrize(
    ("slurm", "expected"),
    [
        ({"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_CPUS_ON_NODE": "6"}, 6),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "16"}, 4),
        ({"SLURM_CPUS_PER_TASK": "128"}, 64),
        ({"SLURM_CPUS_PER_TASK": ""}, 64),
        ({"SLURM_CPUS_ON_NODE": "many"}, 64),
    ],
)
def test_slurms_limit_counts_where_it_binds_no_processors(limits, slurm, expected):
    limits(64, **slurm)
    assert usable_processors() == expected


def environment(prefix, **given):
    """The variables that a job's command finds behind the prefix."""
    output = subprocess.run(
        ["sh", "-c", f"{prefix}env"], env={"PATH": os.environ["PATH"], **given},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return dict(line.split("=", 1) for line in output.splitlines())


@pytest.mark.parametrize(("threads", "expected"), [("1", "1"), ("4", "4"), ("64", "4")])
def test_a_jobs_libraries_start_no_more_threads(threads, expected):
    found = environment(job_prefix("/x", 4), OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    counts = {name: value for name, value in found.items() if name.endswith("_NUM_THREADS")}
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= set(counts)
    assert set(counts.values()) == {expected}


def test_a_job_waits_as_its_user_wants():
    def waiting(**given):
        job = environment(job_prefix("/x", 4), **given)
        within = environment(job_prefix("/y", 2), **job)  # of a job that a job starts
        assert [within.get(name) for name in WAITING] == [job.get(name) for name in WAITING]
        return {name: job.get(name) for name in WAITING}

    assert waiting() == WAITING == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "20000"}
    assert waiting(OMP_WAIT_POLICY="ACTIVE") == dict.fromkeys(WAITING) | {
        "OMP_WAIT_POLICY": "ACTIVE"
    }
    assert waiting(GOMP_SPINCOUNT="7") == WAITING | {"GOMP_SPINCOUNT": "7"}


def test_a_jobs_own_package_comes_first():
    source = "/it's {my} $HOME/src"
    assert environment(job_prefix(source, 1))["PYTHONPATH"] == source
    found = environment(job_prefix(source, 1), PYTHONPATH="/other/src:/lib")
    assert found["PYTHONPATH"] == f"{source}:/other/src:/lib"
