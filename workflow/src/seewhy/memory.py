"""How much memory this process may use, and whether what the settings ask for can fit.

A batch of a billion images is refused in one line before it is made, and not by the kernel, which
ends the process without a word. What is asked for is a lower bound of what the work takes, so that
nothing is refused that could be done; what fails for memory all the same is told by
:func:`seewhy.entry.rule`.
"""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

from seewhy.errors import InputError

_NONE = 1 << 60  # cgroup v1 writes nearly this where there is no limit
_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory"
    r"|unable to allocate|bad_?alloc|Storage size calculation overflowed",
    re.IGNORECASE,
)


def usable_memory(root: str | Path = "/") -> int:
    """Bytes that this process may use at most, with swap: the machine's, or less where a container,
    Slurm (both by control groups, version 1 or 2) or ``ulimit`` allows less.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    root = Path(root)
    about = _lines(root / "proc/meminfo")
    sizes = {key: int(value.split()[0]) * 1024 for key, value in about if value.split()}
    physical = sizes.get("MemTotal", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    swap = sizes.get("SwapTotal", 0)
    limits = [physical + swap]
    for _, group in _lines(root / "proc/self/cgroup"):
        kind, _, path = group.partition(":")
        if kind in ("", "memory"):
            limits += _group_limits(root / "sys/fs/cgroup", kind, path.lstrip("/"), swap)
    if root == Path("/"):
        limits += [
            soft
            for soft, _ in map(resource.getrlimit, (resource.RLIMIT_AS, resource.RLIMIT_DATA))
            if soft != resource.RLIM_INFINITY
        ]
    return min(limits)


def check_memory(needed: int, what: str, *, remedy: str, usable: int | None = None) -> None:
    """Refuse what cannot fit.

    Args:
        needed: bytes, a lower bound.
        what: what they are for, for the message.
        remedy: what to do.
        usable: bytes that there are; None: `usable_memory`.

    Raises:
        InputError: more than there is.
    """
    usable = usable_memory() if usable is None else usable
    if needed > usable:
        raise InputError(
            f"{what}: needs at least {readable(needed)} of memory, and this process may use "
            f"{readable(usable)}; {remedy}"
        )


def readable(size: int) -> str:
    """A size in bytes as people write it, such as `1.5 GB`."""
    for power, unit in ((15, "PB"), (12, "TB"), (9, "GB"), (6, "MB"), (3, "kB")):
        if size >= 10**power:
            return f"{size / 10**power:,.1f} {unit}"
    return f"{size} bytes"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of any library says that memory did not suffice."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and bool(_OUT_OF_MEMORY.search(str(error)))
    )


def _lines(path: Path) -> list[tuple[str, str]]:
    """`key: value` or `key:value` of each line; none where there is no such file."""
    try:
        text = path.read_text()
    except OSError:
        return []
    return [(key, value.strip()) for key, _, value in (x.partition(":") for x in text.splitlines())]


def _group_limits(mount: Path, kind: str, path: str, swap: int) -> list[int]:
    """Limits of a control group and of those it is in; a container sees its own at the top."""
    mounts = [mount / "memory"] if kind else [mount, mount / "unified"]
    memory, with_swap = (
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        if kind
        else ("memory.max", "memory.swap.max")
    )
    parts = [part for part in path.split("/") if part]
    found = []
    for top in mounts:
        for depth in range(len(parts) + 1):
            folder = top.joinpath(*parts[:depth])
            limit, more = _limit(folder / memory), _limit(folder / with_swap)
            if limit is None:
                continue
            if kind:
                found.append(limit + swap if more is None else max(limit, more))
            else:
                found.append(limit + (swap if more is None else min(more, swap)))
    return found


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _NONE else None
