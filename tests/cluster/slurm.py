"""A throw-away Slurm on one machine: two nodes with a pretended GPU each, partitions cpu and gpu.

    python tests/cluster/slurm.py up      # as root on Debian; installs slurm-wlm and munge
    python tests/cluster/slurm.py down

Every daemon listens on the loopback alone. There is no accounting: squeue and scontrol answer,
sacct does not. Slurm wants its configuration in /etc/slurm; one not made here is left alone.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ETC = Path("/etc/slurm")
BASE = Path("/var/tmp/seewhy-slurm")
MARK = "# made by seewhy's tests/cluster/slurm.py\n"
NODES = ("n1", "n2")
PACKAGES = ("slurm-wlm", "munge")
# Nodes pretend to the threads and memory that the largest rule asks for at its third attempt
# (config_overrides). One that is silent for ten seconds is down.
SETTINGS = """\
ClusterName=seewhy
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool/%n
SlurmctldPidFile={base}/run/slurmctld.pid
SlurmdPidFile={base}/run/slurmd.%n.pid
SlurmctldLogFile={base}/log/slurmctld.log
SlurmdLogFile={base}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=900
SlurmdTimeout=10
KillWait=5
InactiveLimit=0
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={nodes} NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=8 RealMemory=32000 \
Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={nodes} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={nodes} MaxTime=INFINITE State=UP
"""
GRES = "AutoDetect=off\nNodeName={nodes} Name=gpu File=/dev/null\n"


class NoSlurm(Exception):
    """Slurm cannot be brought up here; the message says why."""


def up() -> None:
    """Install what is missing, and start.

    Raises:
        NoSlurm: not root, not Debian, or this machine has a Slurm of its own.
    """
    if os.geteuid() != 0:
        raise NoSlurm("a throw-away Slurm needs root")
    if not shutil.which("apt-get"):
        raise NoSlurm("a throw-away Slurm needs Debian's packages")
    own = ETC / "slurm.conf"
    if own.exists() and not own.read_text().startswith(MARK):
        raise NoSlurm(f"{own} is of another Slurm, and is left alone")
    if not all(map(shutil.which, ("slurmctld", "slurmd", "munged"))):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    down()
    for name in ("run", "log", "state", *(f"spool/{node}" for node in NODES)):
        (BASE / name).mkdir(parents=True, exist_ok=True)
    _munge()
    filled = {"host": socket.gethostname().split(".")[0], "base": BASE, "nodes": ",".join(NODES)}
    ETC.mkdir(exist_ok=True)
    own.write_text(MARK + SETTINGS.format(**filled))
    (ETC / "gres.conf").write_text(MARK + GRES.format(**filled))
    _run("slurmctld -c -i")
    for node in NODES:
        start_node(node)


def down() -> None:
    """Stop the daemons and forget all jobs."""
    for node in NODES:
        _kill_processes_of(node)
    for file in (BASE / "run").glob("*.pid"):
        _stop(file)
    _stop(Path("/run/munge/munged.pid"))
    shutil.rmtree(BASE, ignore_errors=True)
    for file in ("slurm.conf", "gres.conf"):
        if (ETC / file).exists() and (ETC / file).read_text().startswith(MARK):
            (ETC / file).unlink()


def start_node(node: str) -> None:
    """Start a node's daemon, and wait until the node takes jobs."""
    _run(f"slurmd -N {node}")
    wait_for(lambda: node in _run("sinfo -h -N -t idle,mixed,alloc -o %N").split(), f"node {node}")


def kill_node(node: str) -> None:
    """As if its plug were pulled: the daemon and everything that runs there."""
    pid = int((BASE / f"run/slurmd.{node}.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    (BASE / f"run/slurmd.{node}.pid").unlink()
    _kill_processes_of(node)


def jobs() -> list[dict[str, str]]:
    """Every job of the last quarter of an hour, as `scontrol show job` has it."""
    text = _run("scontrol -o show jobs")
    lines = [line for line in text.splitlines() if line.startswith("JobId=")]
    return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]


def wait_for(condition, what: str, *, seconds: float = 60) -> None:
    """Wait until it holds.

    Raises:
        TimeoutError: it does not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing after {seconds:.0f} seconds")
        time.sleep(0.2)


def _munge() -> None:
    folder, key = Path("/run/munge"), Path("/etc/munge/munge.key")
    folder.mkdir(exist_ok=True)
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        shutil.chown(key, "munge", "munge")
    shutil.chown(folder, "munge", "munge")
    folder.chmod(0o755)
    _run("runuser -u munge -- munged")
    _run("munge -n")


def _run(command: str) -> str:
    result = subprocess.run(shlex.split(command), capture_output=True, text=True)
    if result.returncode:
        raise NoSlurm(f"{command}: {result.stderr.strip()}")
    return result.stdout


def _stop(pid_file: Path) -> None:
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), str(pid_file), seconds=10)


def _kill_processes_of(node: str) -> None:
    """Kill the job steps, which have the node's log open, and all with its name around them."""
    log, name = str(BASE / f"log/slurmd.{node}.log"), f"SLURMD_NODENAME={node}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            around = (process / "environ").read_bytes().split(b"\0")
            if name in around or log in map(os.readlink, (process / "fd").iterdir()):
                os.kill(int(process.name), signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1:] not in (["up"], ["down"]):
        sys.exit(__doc__)
    try:
        up() if sys.argv[1] == "up" else down()
    except NoSlurm as error:
        sys.exit(f"error: {error}")
