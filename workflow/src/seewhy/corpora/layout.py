"""Where the files of a data set lie: its own layout, and those of the copies that go round.

An archive unpacks one folder deeper than its page says; a copy keeps videos in ``videos`` or in a
folder a split, annotations in ``annotation`` or ``annotations``, and videos brought to another
format. So a file is known by its name, or by the end of its path, and lies anywhere below the
source folder. What lies where the data set's own layout has it comes first, then what is nearest to
the source folder, then the alphabet.

Light on purpose: the workflow reads it at every start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DEPTH = 8  # folders below the source that are looked into
_PASSED_OVER = re.compile(r"\..*|__MACOSX")


class Tree:
    """The files and folders below a folder by name, read once; folders behind links too.

    Args:
        folder: it need not be there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files: dict[str, list[str]] = {}  # by name: paths below the folder, nearest first
        self.folders: dict[str, list[str]] = {}
        seen: set[tuple[int, int]] = set()
        for above, folders, files in os.walk(folder, followlinks=True):
            try:
                about = os.stat(above)
            except OSError:  # it has just gone
                continue
            below = os.path.relpath(above, folder)
            below = "" if below == "." else f"{below}/"
            folders[:] = sorted(name for name in folders if not _PASSED_OVER.fullmatch(name))
            if (about.st_dev, about.st_ino) in seen or below.count("/") >= DEPTH:
                folders.clear()
                continue
            seen.add((about.st_dev, about.st_ino))
            for known, names in ((self.files, files), (self.folders, folders)):
                for name in names:
                    if not _PASSED_OVER.fullmatch(name):
                        known.setdefault(name, []).append(below + name)
        for known in (self.files, self.folders):
            for paths in known.values():
                paths.sort(key=lambda path: (path.count("/"), path))

    def all(self, path: str) -> list[Path]:
        """What ends in `path`, such as ``train.txt`` or ``annotation/Diving_val.txt``."""
        name = path.rsplit("/", 1)[-1]
        ways = [*self.files.get(name, ()), *self.folders.get(name, ())]
        own = [way for way in ways if way == path]
        deeper = [way for way in ways if way != path and way.endswith("/" + path)]
        return [self.folder / way for way in own + deeper]

    def find(self, *paths: str) -> Path | None:
        """The first of `paths` that is there anywhere; each as `all` has it."""
        return next((found[0] for path in paths if (found := self.all(path))), None)

    def holder(self, names: Iterable[str]) -> Path | None:
        """The nearest folder that one of the folders called `names` lies in."""
        ways = [way for name in names for way in self.folders.get(name, ())]
        if not ways:
            return None
        return (self.folder / min(ways, key=lambda way: (way.count("/"), way))).parent


class Located(dict[str, str]):
    """The path of each clip's file; where it is nowhere, the path that it should have.

    Attributes:
        present: how many are there.
        remarks: what a reader must know: which are not there, and which are there twice.
    """

    present: int
    remarks: list[str]


def locate(
    tree: Tree,
    expected: Mapping[str, str],
    *,
    endings: Sequence[str],
    also: Mapping[str, str] | None = None,
    what: str = "videos",
    remedy: str,
    without: str = "",
) -> Located:
    """Find the file of each clip.

    Args:
        tree: of the source folder.
        expected: of each clip the path in the data set's own layout, relative to the source.
        endings: that a file of this name may have instead of the expected one.
        also: of a clip another name (without ending) under which its file goes.
        what: they are, for the remarks.
        remedy: what to do where some are not there.
        without: what can be done without them, for the same remark.
    """
    found = Located()
    absent, twice = [], []
    for clip, path in expected.items():
        stem, ending = os.path.splitext(path)
        names = [stem.rsplit("/", 1)[-1], *([also[clip]] if also and clip in also else [])]
        ways = [path] if path in tree.files.get(os.path.basename(path), ()) else []
        for name in names:
            for other in dict.fromkeys((ending, *endings)):
                for cased in (other, other.upper()):
                    ways += tree.files.get(name + cased, ())
        ways = [way for way in dict.fromkeys(ways) if os.path.exists(tree.folder / way)]
        found[clip] = str(tree.folder / (ways[0] if ways else path))
        if not ways:
            absent.append(clip)
        elif len({os.path.getsize(tree.folder / way) for way in ways}) > 1:
            twice.append((clip, ways))
    found.present = len(expected) - len(absent)
    found.remarks = []
    if absent:
        first = expected[absent[0]]
        found.remarks.append(
            f"{len(absent)} of {len(expected)} {what} are not below {tree.folder} (the first: "
            f"{first}, looked for under this name in every folder); {without}{remedy}"
        )
    if twice:
        clip, ways = twice[0]
        found.remarks.append(
            f"{len(twice)} {what} are there in several files of different size; of {clip} "
            f"{ways[0]} is used, not {ways[1]}: remove those that are not meant"
        )
    return found
