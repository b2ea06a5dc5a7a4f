"""`--cores 8` on two processors, with and without neighbours, and threads that wait or spin.

The command that the README shows is run on two processors of the machine, whichever it has more, in
several ways one after the other, in a folder of its own each time:

    --cores 2              the floor
    --cores 8              what a job may use is told by the processors, not by the option
    neighbours             --cores 2 beside as many busy processes as there are processors
    spinning               --cores 2, threads waiting as the libraries have it without our settings
    spinning, neighbours   the same beside the busy processes

Fair shares beside as many neighbours as threads give twice the quiet time.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from seewhy.bench.timing import against_first
from seewhy.bench.workflow import snakemake_command
from seewhy.processors import WAITING

BACKBONE = "models/backbone/slim_inception.safetensors"
SPINNING = {"GOMP_SPINCOUNT": "300000"}  # as libgomp waits where nothing is set
# Of each phase enough to be measured, not enough to be good.
SMALL = {
    "puppets": {"clips": {"train": 40, "val": 40, "test": 40}},
    "backbone": {"stills": 384, "epochs": 1, "least_steps": 30},
    "topics": {"iterations": 100},
    "captioner": {"max_epochs": 2, "seeds": [0]},
}
# Until it is ended, or what started it is gone.
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"


def bench_threads(
    root: str | Path,
    *,
    processors: int = 2,
    repeats: int = 3,
    table: str = "results/table2.csv",
    settings: Mapping[str, Mapping[str, Any]] = SMALL,
) -> dict[str, Any]:
    """Time the ways of the module's list.

    Args:
        root: folder of the Snakefile; its params.yaml is used, with `settings` in it.
        processors: that everything runs on.
        repeats: turns.
        table: what both numbers of cores are compared on as a whole command.
        settings: what the run changes of params.yaml, section by section.

    Returns:
        `backbone`: the job that trains the backbone, all ways; `command`: `table` from nothing,
        the two numbers of cores. Of each way `seconds` (median), and, but for the first, `ratio` to
        it in the same turn (median) with the lowest and the highest.

    Raises:
        ValueError: there are not so many processors.
        subprocess.CalledProcessError: a run failed.
    """
    root = Path(root).resolve()
    with _on(processors):
        run = _Run(root, settings)
        many = 4 * processors
        job = {
            f"--cores {processors}": lambda: run.job(processors),
            f"--cores {many}": lambda: run.job(many),
            "neighbours": lambda: run.job(processors, neighbours=processors),
            "spinning": lambda: run.job(processors, SPINNING),
            "spinning, neighbours": lambda: run.job(processors, SPINNING, processors),
        }
        command = {
            f"--cores {cores}": lambda cores=cores: run.command(cores, table)
            for cores in (processors, many)
        }
        return {
            "what": f"--cores {many}, busy neighbours, spinning threads on {processors} processors",
            "processors": processors,
            "backbone": _turns(job, repeats),
            "command": _turns(command, repeats),
        }


class _Run:
    """Runs of the workflow with changed settings, each in a folder of its own."""

    def __init__(self, root: Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._root = root
        self._params = yaml.safe_load((root / "params.yaml").read_text())
        for section, values in settings.items():
            self._params[section] |= values

    def job(
        self, cores: int, waiting: Mapping[str, str] | None = None, neighbours: int = 0
    ) -> float:
        """Seconds of the job that trains the backbone, as Snakemake tells."""
        with self._folder() as folder:
            beside = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(neighbours)]
            try:
                self._snakemake(folder, cores, BACKBONE, waiting)
            finally:
                for process in beside:
                    process.kill()
                    process.wait()
            with open(folder / "benchmarks/train_backbone.tsv") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])

    def command(self, cores: int, target: str) -> float:
        """Seconds of the whole command."""
        with self._folder() as folder:
            start = time.perf_counter()
            self._snakemake(folder, cores, target)
            return time.perf_counter() - start

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "params.yaml").write_text(yaml.safe_dump(self._params))
            shutil.copy(self._root / self._params["refinement"]["corrections"], folder)
            yield folder

    def _snakemake(
        self, folder: Path, cores: int, target: str, waiting: Mapping[str, str] | None = None
    ) -> None:
        command = [*snakemake_command(self._root), "--snakefile", str(self._root / "Snakefile")]
        command += ["--configfile", str(folder / "params.yaml"), "--directory", str(folder)]
        command += ["--cores", str(cores), target]
        if "--use-conda" in command:
            subprocess.run([*command, "--conda-create-envs-only"], check=True)
        subprocess.run(command, check=True, env=_waiting(waiting or {}))


def _waiting(waiting: Mapping[str, str]) -> dict[str, str]:
    """The environment with nothing set but `waiting` of how threads wait."""
    return {name: value for name, value in os.environ.items() if name not in WAITING} | waiting


@contextlib.contextmanager
def _on(processors: int) -> Iterator[None]:
    """Hold this process, and all that it starts, to so many processors."""
    every = os.sched_getaffinity(0)
    if len(every) < processors:
        raise ValueError(f"{processors} processors: there are {len(every)}")
    os.sched_setaffinity(0, sorted(every)[:processors])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def _turns(ways: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, dict[str, float]]:
    """Each way's seconds in turn, against the first one's of the same turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way())
    return against_first(seconds)
