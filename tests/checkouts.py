"""Checkouts with tiny settings, in which a test can run the whole workflow as a user would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from preloaded import programs

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
FILES = ("Snakefile", "params.yaml", "dvc.yaml", ".dvcignore", ".gitignore")
FOLDERS = ("workflow", "envs", "profiles")
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b.c",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b.c",
}
DEFAULT = yaml.safe_load((ROOT / "params.yaml").read_text())
# Widths in steps of 8: with others, oneDNN's 1 x 1 convolutions on processors with AVX2 and without
# AVX-512 write beyond their memory in training (PyTorch 2.13), and the job hangs or dies.
TINY = {
    "puppets": {
        "clips": {"train": 24, "val": 6, "test": 6},
        "untrimmed": {"train": 8, "val": 4, "test": 8},
    },
    "backbone": {"stills": 128, "epochs": 1, "least_steps": 1},
    "frames": {"n": 8},
    "topics": {"n_topics": 6, "iterations": 50, "min_df": 2},
    "captioner": {
        "seeds": [0],
        "max_epochs": 2,
        "least_steps": 1,
        "encoder": 8,
        "decoder": 8,
        "attention": 8,
    },
    "sweep": {"lambdas": [1.0, 3.0]},
    "transfer": {"clips": {"train": 24, "val": 6, "test": 6}, "labels": [1, "all"]},
    "evaluation": {"resamples": 100},
    "neurons": {"least_clips": 1},
    "grounding": {
        "puppets": {"clips": {"train": 24, "val": 6, "test": 6}, "actions": []},
        "network": {
            **DEFAULT["grounding"]["network"],
            **{"groups": [[8], [8], [8, 8], [8, 8]], "linear": [16], "hidden": 8},
        },
        "training": {"frames": 2, "clips": 2, "long": 2, "clips_per_batch": 2, "rate": 1.0},
        "probed_items": 2,
        "words": {
            **DEFAULT["grounding"]["words"],
            **{"training": {"decoder": 2, "all": 1}, "phrases": 4, "steps": 2},
            **{"embedding": 8, "hidden": 8},
        },
    },
    "dissection": {
        "crops": {**DEFAULT["dissection"]["crops"], "clips": {"train": 8, "val": 4, "test": 12}},
        "network": {**DEFAULT["dissection"]["network"], "widths": [8, 8, 8, 8], "steps": 4},
        "layers": ["block3", "block4"],
        "groups": 4,
        "nulls": 2,
        "paths": {**DEFAULT["dissection"]["paths"], "mistakes": 4, "drawn": 1, "draws": 4},
    },
    "summaries": {
        "aviary": {"seed": 1, "size": 96, "birds": {"train": 64, "val": 40, "test": 200}},
        "network": {**DEFAULT["summaries"]["network"], "widths": [8, 8, 8, 8], "steps": 4},
    },
}


def write_params(folder, changes):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    for section, values in changes.items():
        params[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def call(folder, *command, check=True, environment=ENVIRONMENT):
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def snakemake(folder, *arguments, check=True, preloaded=True):
    """Run Snakemake and give what it says; its jobs are forks where they are `preloaded`."""
    environment = _preloaded() if preloaded else ENVIRONMENT
    command = ["snakemake", "--cores", "2", *arguments]
    return call(folder, *command, check=check, environment=environment)


def recording(folder, what):
    """What `make record` asks first (``check``), and what `make pull` runs (``pull``)."""
    environment = _preloaded() | {"PYTHONPATH": str(folder / "workflow/src")}
    return call(folder, sys.executable, "-m", "seewhy.recording", what, environment=environment)


def _preloaded():
    return ENVIRONMENT | {"PATH": f"{programs()}{os.pathsep}{ENVIRONMENT['PATH']}"}


def ran(output):
    """Rules that ran, or would run, by the job table."""
    table = output.split("Job stats:")[-1]
    return {
        m[1] for m in re.finditer(r"^(\w+) +\d+$", table, re.MULTILINE) if m[1] not in ("total",)
    }


def make_checkout(folder):
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    (folder / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    (folder / "corrections.yaml").write_text("- {clip: test00000, topics: [dog]}\n")
    write_params(folder, TINY)
    return folder
