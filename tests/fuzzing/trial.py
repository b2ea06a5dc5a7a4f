"""One case: a valid input, broken in one or two ways, used, and judged.

Good is what ends in time, with a result that holds or with one line that names the file, leaves
nothing half-written behind, and runs nothing that a file holds.
"""

import contextlib
import os
import re
import resource
import shutil
import signal
import traceback
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fuzzing import mutations
from fuzzing.kinds import KINDS
from seewhy.errors import InputError

SECONDS = 10  # of processor time of one case
WAIT = 60  # seconds that it may take in all, on a busy machine
MEMORY = 4 << 30  # bytes that a case may take beyond what the process has


class Finding(NamedTuple):
    """What came of a case.

    Attributes:
        kind: of input.
        number: of the case, which makes it again.
        change: what was done to the input.
        verdict: `result`, `refused`, or what is wrong: `traceback`, `hang`, `unclear`, `wrong`,
            `half-written` or `executed`.
        about: the message.
    """

    kind: str
    number: int
    change: str
    verdict: str
    about: str


GOOD = {"result", "refused"}


class TooLong(BaseException):
    """Not an `Exception`, lest the package takes it for one of a damaged file."""


@contextlib.contextmanager
def limited():
    """A time limit, and one of memory."""

    def stop(*_):
        raise TooLong

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    previous = [signal.signal(one, stop) for one in (signal.SIGALRM, signal.SIGPROF)]
    signal.setitimer(signal.ITIMER_REAL, WAIT)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for one, handler in zip((signal.SIGALRM, signal.SIGPROF), previous, strict=True):
            signal.signal(one, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


class Fuzzer:
    """Tries cases in a folder of its own.

    Args:
        folder: an empty one.
        seed: of all cases.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self._templates: dict[str, Path] = {}
        self.marker = folder / "executed"
        os.environ[mutations.MARKER] = str(self.marker)

    def template(self, kind: str) -> Path:
        """A valid input, built once."""
        if kind not in self._templates:
            path = self.folder / "templates" / re.sub(r"\W", "-", kind)
            path.mkdir(parents=True)
            KINDS[kind].build(path)
            self._templates[kind] = path
        return self._templates[kind]

    def valid(self, kind: str) -> Finding:
        """The input as it was built."""
        return self._try(kind, -1, lambda source, chance: "nothing")

    def case(self, kind: str, number: int) -> Finding:
        """Case `number`, which is the same each time."""
        return self._try(kind, number, lambda source, chance: _break(kind, source, chance))

    def _try(self, kind, number, change) -> Finding:
        chance = np.random.default_rng([self.seed, zlib.crc32(kind.encode()), number + 1])
        source, output = self.folder / "case", self.folder / "output"
        shutil.copytree(self.template(kind), source)
        output.mkdir()
        try:
            what = change(source, chance)
            before = _listing(source)
            verdict, about = self._judged(kind, source, output)
            if verdict in GOOD and _listing(source) != before:
                verdict, about = "half-written", "files beside the source have changed"
            if self.marker.exists():
                verdict, about = "executed", "the file ran a command"
        finally:
            for path in (source, output, self.marker):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return Finding(kind, number, what, verdict, about)

    def _judged(self, kind, source, output) -> tuple[str, str]:
        try:
            with limited():
                found = KINDS[kind].use(source, output)
                KINDS[kind].check(found, source, output)
        except InputError as error:
            left = [path.name for path in output.rglob("*")]
            if left:
                return "half-written", f"{left} after: {error}"
            return _clear(str(error), source)
        except TooLong:
            return "hang", f"over {SECONDS} seconds of work, or {WAIT} of waiting"
        except AssertionError as error:
            return "wrong", _place(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return "traceback", _place(error)
        return "result", ""


def _clear(message: str, source: Path) -> tuple[str, str]:
    """Whether a message is one line that names a file of the input, and says what to do."""
    names = {path.name for path in source.rglob("*")} | {source.name}
    if "\n" in message or len(message) > 1500:
        return "unclear", f"of {len(message)} letters: {message[:300]}"
    if not any(name in message for name in names):
        return "unclear", f"names no file: {message[:300]}"
    if "delete" in message.lower():
        return "unclear", f"advises to delete: {message[:300]}"
    return "refused", message


def _break(kind: str, source: Path, chance: np.random.Generator) -> str:
    pattern = re.compile(KINDS[kind].only or ".*")
    files = sorted(p for p in source.rglob("*") if p.is_file() and pattern.fullmatch(p.name))
    path = files[int(chance.integers(len(files)))]
    told = []
    if chance.integers(25) == 0:
        place = mutations.PLACES[int(chance.integers(len(mutations.PLACES)))]
        place(path)
        return f"{path.relative_to(source)}: {place.__name__}"
    own = mutations.OF_FORMAT.get(path.suffix, ())
    for _ in range(1 + int(chance.integers(3) == 0)):
        ways = own if own and chance.integers(5) else mutations.BYTES
        way = ways[int(chance.integers(len(ways)))]
        content = way(path.read_bytes(), chance)
        if content is None:
            way = mutations.BYTES[int(chance.integers(len(mutations.BYTES)))]
            content = way(path.read_bytes(), chance)
        if content is not None:
            path.write_bytes(content)
            told.append(way.__name__)
    return f"{path.relative_to(source)}: {' and '.join(told) or 'nothing'}"


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(p.relative_to(folder)), os.lstat(p).st_size) for p in folder.rglob("*"))


def _place(error: BaseException) -> str:
    """Kind of error, message, and the package's line where it arose."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if "/seewhy/" in f.filename]
    where = [f for f in own if "tests" not in f.filename] or own
    at = f"{Path(where[-1].filename).name}:{where[-1].lineno} {where[-1].name}" if where else "-"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:200]!r} at {at} (in {last.name}:{last.lineno})"


def plan(cases: int) -> list[tuple[str, int]]:
    """Kind and number of each case: kinds by their weights, evenly through the run."""
    total = sum(kind.weight for kind in KINDS.values())
    return [
        (name, number)
        for name, kind in KINDS.items()
        for number in range(-(-cases * kind.weight // total))
    ]


def summary(findings) -> str:
    """Counts by verdict."""
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
