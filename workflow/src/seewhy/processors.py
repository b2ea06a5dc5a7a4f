"""How many processors this process may use, and how the threads of a job's libraries wait.

A machine's own count says nothing of what a container, a batch system or ``taskset`` leave to a
process. More threads than that take turns, and wait busily for the one whose turn it is not: eight
on two processors were seen to train 29 times slower than two.

Waiting. PyTorch's threads are those of GNU's OpenMP (``libgomp``, in its wheel). By default they
spin for some milliseconds at the end of every parallel loop, in the way of whoever else could
compute. To sleep at once costs a little on a quiet machine, so they spin for 20,000 turns, about a
fifth of a millisecond, and sleep then; `seewhy.bench.threads` measures what that costs and saves.
Other OpenMPs (LLVM's, Intel's) have no such number and are told to sleep. NumPy's threads are
OpenBLAS's own: they give way while they spin, and sleeping earlier would make small products with
pauses between them slower, so they are left as they are.

References:
    The Linux kernel, Documentation/admin-guide/cgroup-v2.rst (``cpu.max``) and
    Documentation/scheduler/sched-bwc.rst (``cpu.cfs_quota_us``).
    libgomp's manual, OMP_WAIT_POLICY and GOMP_SPINCOUNT.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

# Each library's own variable for its number of threads.
_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
# How threads wait, unless the user has set OMP_WAIT_POLICY.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "20000"}
_SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")


def usable_processors() -> int:
    """Processors that this process may use, at least 1.

    The least of those that it may run on, of the quota of its cgroup and of every one above it
    (rounded down), and of what Slurm has given to its task and, on this machine, to its job.
    """
    may_run_on = getattr(os, "sched_getaffinity", None)
    count = len(may_run_on(0)) if may_run_on else os.cpu_count() or 1
    quota = cgroup_quota()
    limits = [count, *_slurm(os.environ), *([] if quota is None else [int(quota)])]
    return max(1, min(limits))


def cgroup_quota(root: str | Path = "/") -> float | None:
    """Processors' worth of time that this process's cgroups admit, version 1 or 2.

    Args:
        root: where ``proc`` and the mounted cgroups are found.

    Returns:
        The least quota over its period, of the process's own cgroup and of those above it that are
        seen from here; None if there is none.
    """
    found = [
        quota
        for kind, folder, mount in _cgroups(Path(root))
        for quota in _quotas(kind, folder, mount)
    ]
    return min(found, default=None)


def job_prefix(source: str | Path, processors: int) -> str:
    """Shell commands before a job's own: its package and its threads.

    They go before the job's command and not into the environment of what starts it: Snakemake takes
    PYTHONPATH away from jobs in conda's environments, and sets the numbers of threads for each job.

    Args:
        source: the folder that holds this package; it goes before all that is installed, whichever
            checkout was installed.
        processors: the most threads that a library may start.
    """
    path = shlex.quote(os.path.abspath(source))
    first, *others = _COUNTS
    commands = [
        f"export PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}}",
        '[ -n "${OMP_WAIT_POLICY:-}" ] || export '
        + " ".join(f'{name}="${{{name}:-{value}}}"' for name, value in WAITING.items()),
        f'[ "${{{first}:-{processors + 1}}}" -le {processors} ] || export {first}={processors}',
        "export " + " ".join(f'{name}="${first}"' for name in others),
    ]
    return "; ".join(["set -eu", *commands, ""])


def _slurm(environment: Mapping[str, str]) -> Iterator[int]:
    for name in _SLURM:
        with contextlib.suppress(ValueError):
            yield max(1, int(environment.get(name, "")))


def _cgroups(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Version, folder and mount point of each hierarchy that can limit processors."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return
    paths = {"cgroup2": "/", "cgroup": "/"}  # where the first file is silent, as under gVisor
    for line in memberships:  # 0::/user.slice or 4:cpu,cpuacct:/docker/1f0a
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            paths["cgroup"] = path
    for line in mounts:  # 36 25 0:31 /docker/1f0a /sys/fs/cgroup ro - cgroup2 cgroup rw
        before, _, after = line.partition(" - ")
        top, point = before.split(" ")[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            mount = root / _unescaped(point).lstrip("/")
            yield kind, mount / _below(paths[kind], _unescaped(top)), mount


def _below(path: str, top: str) -> str:
    """A cgroup's path from the mounted one on; the mounted one itself where it is not below it."""
    inside = os.path.relpath(path, top)
    return "." if inside.startswith("..") else inside


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _quotas(kind: str, folder: Path, mount: Path) -> Iterator[float]:
    while True:
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            if kind == "cgroup2":
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = (
                    (folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
                )
            if quota != "max" and int(quota) > 0:
                yield int(quota) / int(period)
        if folder == mount:
            return
        folder = folder.parent
