"""Before a run is recorded, or what was recorded is taken for a run's: is it current and whole?

    python -m seewhy.recording check      refuses while anything is to be done, or is damaged
    python -m seewhy.recording touch      the last DVC stage: tells Snakemake of what DVC restored
    python -m seewhy.recording pull       in a clone: fetches the data, and tells Snakemake of them

``make record`` and ``make pull`` call these. ``dvc commit -f`` and ``snakemake --touch`` by
themselves declare current whatever is there.

What `check` knows: Snakemake's plan, with the stamps of all files of the user's (`seewhy.stamps`);
the seal of every HDF5 file (`seewhy.sealing`); and of the other files the check sums that Snakemake
noted of them as inputs when they were read (files of at most ``max-checksum-file-size``). Of what
no rule reads, tables and figures, it knows no more than that they are not older than their inputs.

Nothing here needs a package.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from seewhy.errors import InputError
from seewhy.readable import make_again
from seewhy.sealing import SealedFile

METADATA = Path(".snakemake", "metadata")
# Params that are stamps of files which no stage of dvc.yaml names (`stamps` of common.smk).
_STAMP = re.compile(r"'stamp\.(\w+) = ")


def check_run(target: str = "all") -> int:
    """Check that nothing is to be done for a target, and that its files are whole.

    Returns:
        the number of its files.

    Raises:
        InputError: the first file that is not current, or not what was written.
    """
    outputs = []
    for row in _summary(target):
        if row["plan"] != "no update":
            raise InputError(
                f"{row['output_file']}: {row['status']}, {row['plan']}; run `snakemake {target}` "
                "to its end, then record it"
            )
        outputs.append(row["output_file"])
    check_whole([file for output in outputs for file in _files(Path(output))])
    check_sums(set(outputs))
    return len(outputs)


def check_whole(files: Sequence[Path]) -> None:
    """Check the seals of HDF5 files.

    Raises:
        InputError: one is damaged.
    """
    for path in files:
        if path.suffix != ".h5":
            continue
        try:
            sealed = SealedFile(path)
        except ValueError:
            continue  # somebody else's
        with sealed:
            try:
                sealed.check()
            except OSError as error:
                raise InputError(f"{path}: {error}; {_remedy(path)}") from error


def check_sums(outputs: set[str]) -> None:
    """Check that inputs are what the outputs were made from, where Snakemake noted their sums.

    Raises:
        InputError: one is another.
    """
    known: dict[str, str] = {}
    for output, sums in _noted(outputs):
        for path, noted in sums.items():
            algorithm, _, value = noted.rpartition(":")
            if path not in outputs or not Path(path).is_file():
                continue
            if path not in known:
                with open(path, "rb") as file:
                    known[path] = hashlib.file_digest(file, algorithm or "sha256").hexdigest()
            if known[path] != value:
                raise InputError(f"{path}: is not what {output} was made from; {_remedy(path)}")


def touch_restored() -> None:
    """`snakemake all --touch`, unless what is there was made from other files of the user's.

    Raises:
        InputError: of which file this holds.
    """
    for block in re.split(r"\n(?=(?:local)?rule )", _call("snakemake", "-n", "all")):
        changed = re.search(r"Params have changed since last execution: (.*)", block)
        if names := sorted(set(_STAMP.findall(changed[1]))) if changed else []:
            output = re.search(r"\n    output: ([^,\n]*)", block)
            raise InputError(
                f"{output[1] if output else 'an output'}: made from other {' and '.join(names)} of "
                "yours than are there now, which dvc does not watch; run `snakemake all`, then "
                "`make record`"
            )
    _run("snakemake", "all", "--touch")


def pull() -> None:
    """`dvc pull`, and then tell Snakemake that what came is current, which `dvc status` must say.

    Raises:
        InputError: nothing was recorded, there is no remote, or what is there is not what was
            recorded.
    """
    if not Path("dvc.lock").is_file():
        raise InputError(
            "dvc pull: there is no dvc.lock: nothing has been recorded here that could be fetched; "
            "make it all with `make all`"
        )
    if not _call("dvc", "remote", "list").strip():
        raise InputError(
            "dvc pull: this clone names no remote to fetch data from; `dvc remote add -d store "
            "<folder or s3://…>` (README, Remotes), or make everything here with `make all`"
        )
    _run("dvc", "pull")
    status = _started(("dvc", "status"), capture_output=True)
    if status.returncode or "up to date" not in status.stdout + status.stderr:
        raise InputError(
            "dvc status: what is here is not what dvc.lock was recorded from: "
            f"{status.stdout or status.stderr}; bring the files named here, or run `dvc repro`"
        )
    _run("snakemake", "all", "--touch", "--forceall")


def _remedy(path: str | Path) -> str:
    return f"get the recorded one back (dvc checkout), or {make_again(path)}"


def _summary(target: str) -> Iterator[dict[str, str]]:
    lines = _call("snakemake", "--summary", target).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("output_file\t"))
    names = lines[start].split("\t")
    for line in lines[start + 1 :]:
        if line.count("\t") == len(names) - 1:
            yield dict(zip(names, line.split("\t"), strict=True))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.is_file() else []


def _noted(outputs: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Of each output the sums of its inputs, from Snakemake's records."""
    for record in sorted(METADATA.rglob("*")):
        if not record.is_file():
            continue
        parts = [part.removeprefix("@") for part in record.relative_to(METADATA).parts]
        try:
            output = base64.urlsafe_b64decode("".join(parts)).decode()
            sums = json.loads(record.read_text()).get("input_checksums") or {}
        except ValueError:
            continue
        if output in outputs and Path(output).exists():
            yield output, sums


def _call(*command: str) -> str:
    """What a command says; an error ends it all with its last words."""
    result = _started(command, capture_output=True)
    if result.returncode:
        said = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        raise InputError(f"{' '.join(command)}: {said[-1] if said else 'failed'}")
    return result.stdout + result.stderr


def _started(command: Sequence[str], **how: bool) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, text=True, **how)
    except FileNotFoundError:
        raise InputError(
            f"{command[0]}: no such command; activate the environment (. .venv/bin/activate)"
        ) from None


def _run(*command: str) -> None:
    """Run a command that speaks for itself."""
    if code := _started(command).returncode:
        raise InputError(f"{' '.join(command)}: ended with status {code}")


_COMMANDS = {"check": check_run, "touch": touch_restored, "pull": pull}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in _COMMANDS:
        sys.exit(f"usage: python -m seewhy.recording {' | '.join(_COMMANDS)}")
    try:
        _COMMANDS[sys.argv[1]]()
    except InputError as error:
        sys.exit(f"error: {error}")
