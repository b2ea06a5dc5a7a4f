"""Answers the calls that Snakemake makes to conda, with venvs, where no conda can be installed.

An environment holds the pins of its file and what they require, nothing else. With ``STAND_IN=pip``
pip installs them, as conda would let it. Otherwise they are links to what is installed beside this
Python, which takes a second; a pin of another version is then refused. Conda's own packages are
not looked at: this Python stands for ``python=3.11``. Channels are: one that is not served is
refused, as conda 26.7 refused ``nodefaults`` (libmamba 2 asks for a channel of that name as well).
To a file's channels come those of the user's configuration, ``STAND_IN_CHANNELS``.

Each environment notes what its Python was started with, in a file ``started``.
"""

import json
import os
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
SERVED = ("conda-forge", "defaults")
NOTE_START = """\
import pathlib, sys
with open(pathlib.Path(sys.prefix, "started"), "a") as file:
    file.write(" ".join(sys.orig_argv).replace("\\n", " ") + "\\n")
"""
ANSWERS = {
    "info --json": lambda: {"conda_prefix": os.environ["STAND_IN_BASE"], "platform": "linux-64"},
    "config --get channel_priority --json": lambda: {"get": {"channel_priority": "strict"}},
    "clean -y --tarballs": dict,
}


def install(base):
    """Put ``bin/conda`` and ``bin/activate`` into the folder `base`; return that ``bin``."""
    bin = base / "bin"
    bin.mkdir(parents=True)
    (bin / "activate").write_text(ACTIVATE)
    conda = f'#!/bin/sh\nSTAND_IN_BASE="{base}" exec "{sys.executable}" "{__file__}" "$@"\n'
    write_command(bin / "conda", conda)
    return bin


def write_command(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def pip_pins(file):
    """The pins of an environment file that has the form conda expects; refused otherwise."""
    content = yaml.safe_load(Path(file).read_text())
    if set(content) - {"name"} != {"channels", "dependencies"}:
        raise SystemExit(f"{file}: keys {', '.join(content)}")
    *own, last = content["dependencies"]
    if [package.split("=")[0] for package in own] != ["python", "pip"] or set(last) != {"pip"}:
        raise SystemExit(f"{file}: not python, pip and the list of pip: {content['dependencies']}")
    return last["pip"]


def check_channels(file):
    """Channels in order of priority: the file's, then the user's own; each must be there."""
    channels = yaml.safe_load(Path(file).read_text()).get("channels", [])
    channels += os.environ.get("STAND_IN_CHANNELS", "").split()
    if not channels:
        raise SystemExit("NoChannelsConfiguredError: no channels are configured")
    for channel in channels:
        if channel not in SERVED:
            raise SystemExit(
                f"UnavailableInvalidChannel: HTTP 404 NOT FOUND for channel {channel}\n"
                "The channel is not accessible or is invalid."
            )
    return list(dict.fromkeys(channels))


def required(pins):
    """`{name: distribution}` of the pins and all that they require, as installed here."""
    found, seen = {}, set()
    queue = [Requirement(pin) for pin in pins]
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = metadata.distribution(name)
        if not requirement.specifier.contains(found[name].version, prereleases=True):
            raise SystemExit(f"{requirement}: {found[name].version} is installed")
        for line in found[name].requires or []:
            further = Requirement(line)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in extras | {""}
            ):
                queue.append(further)
    return found


def link(distributions, site):
    for distribution in distributions:
        for top in {file.parts[0] for file in distribution.files}:
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))


def create(file, prefix):
    """The environment of `file` in the folder `prefix`."""
    check_channels(file)
    pins = pip_pins(file)
    linked = os.environ.get("STAND_IN") != "pip"
    venv = [sys.executable, "-m", "venv", *(["--without-pip"] if linked else []), str(prefix)]
    subprocess.run(venv, check=True)
    (site,) = prefix.glob("lib/python*/site-packages")
    (site / "sitecustomize.py").write_text(NOTE_START)
    if not linked:
        subprocess.run([prefix / "bin/python", "-m", "pip", "install", "-q", *pins], check=True)
        return
    distributions = required(pins)
    link(distributions.values(), site)
    for pin in pins:
        commands = distributions[canonicalize_name(Requirement(pin).name)].entry_points
        for command in commands.select(group="console_scripts"):
            text = f"#!{prefix}/bin/python\nfrom {command.module} import {command.attr}\n"
            write_command(
                prefix / "bin" / command.name, f"{text}raise SystemExit({command.attr}())\n"
            )


def main(arguments):
    if arguments == ["--version"]:
        print("conda 25.1.1")
    elif " ".join(arguments) in ANSWERS:
        print(json.dumps(ANSWERS[" ".join(arguments)]()))
    elif arguments[:4] == ["env", "create", "--quiet", "--no-default-packages"]:
        options = dict(zip(arguments[4::2], arguments[5::2], strict=True))
        create(options.pop("--file"), Path(options.pop("--prefix")))
        assert not options, options
    else:
        raise SystemExit(f"no answer to: conda {' '.join(arguments)}")


if __name__ == "__main__":
    main(sys.argv[1:])
