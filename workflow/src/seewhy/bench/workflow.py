"""The workflow's wall time against the compute of its jobs.

A job that runs s seconds on t of the machine's c cores is s t / c seconds of the machine's compute.
What the wall clock shows beyond their sum is the workflow's own: planning, starting, waiting.
"""

from __future__ import annotations

import csv
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seewhy.processors import usable_processors


def bench_workflow(root: str | Path, *, target: str = "results/table2.csv") -> dict[str, Any]:
    """Run the workflow from nothing in a folder of its own and compare.

    Args:
        root: folder of the Snakefile; its params.yaml is used.
        target: what to make.

    Returns:
        `wall_seconds`, `compute_seconds`, `ratio` of the two, `jobs`, and the longest jobs.

    Raises:
        subprocess.CalledProcessError: the workflow failed.
    """
    cores = usable_processors()
    root = Path(root).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for file in root.glob("*.yaml"):  # params.yaml names corrections.yaml
            shutil.copy(file, folder)
        command = [*snakemake_command(root), "--snakefile", str(root / "Snakefile")]
        command += ["--configfile", str(root / "params.yaml"), "--directory", folder]
        command += ["--cores", str(cores), "--benchmark-extended", target]
        if "--use-conda" in command:  # what is measured begins when the environments are there
            subprocess.run([*command, "--conda-create-envs-only"], check=True)
        start = time.perf_counter()
        subprocess.run(command, check=True)
        wall = time.perf_counter() - start
        jobs = []
        for file in Path(folder, "benchmarks").rglob("*.tsv"):
            with open(file) as lines:
                for row in csv.DictReader(lines, delimiter="\t"):
                    share = min(int(row["threads"]), cores) / cores
                    jobs.append((float(row["s"]) * share, str(file.relative_to(folder))))
    compute = sum(seconds for seconds, _ in jobs)
    return {
        "what": f"wall time of {target} from nothing against its jobs' compute",
        "cores": cores,
        "jobs": len(jobs),
        "wall_seconds": wall,
        "compute_seconds": compute,
        "ratio": wall / compute,
        "longest": [
            {"job": name, "compute_seconds": seconds}
            for seconds, name in sorted(jobs, reverse=True)[:8]
        ],
    }


def snakemake_command(root: Path) -> list[str]:
    """How to start Snakemake as it was started for this job.

    Under ``--use-conda`` the job's own Python has none: what can be imported is the caller's.
    """
    found = importlib.util.find_spec("snakemake")
    if found is not None and Path(str(found.origin)).is_relative_to(sys.prefix):
        return [sys.executable, "-m", "snakemake"]
    return ["snakemake", "--use-conda", "--conda-prefix", str(root / ".snakemake" / "conda")]
