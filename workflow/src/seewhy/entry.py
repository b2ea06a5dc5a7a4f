"""What every script of a rule does around its one call: log, count threads, report errors.

A script in ``workflow/scripts/`` is three lines::

    with rule(snakemake) as settings:
        sample_frames(snakemake.input.corpus, snakemake.output.frames, **settings["frames"])
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seewhy.errors import InputError
from seewhy.memory import is_out_of_memory, readable, usable_memory
from seewhy.own_source import require_package
from seewhy.processes import end_with_parent, sole_writer
from seewhy.processors import usable_processors


@contextlib.contextmanager
def rule(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Set up logging and threads for one job, keep others off its outputs, yield its settings.

    Args:
        snakemake: the object that Snakemake puts into a script's namespace. Its `threads` become no
            more than the processors that this process may use.

    Yields:
        ``{name: value}`` of the rule's ``params`` (`read_params`), and `resume`, the folder for
        unfinished work: outside of every output, since DVC empties those before it runs a stage
        again, and another one whenever the code has changed.

    The job ends when Snakemake is killed; where it cannot notice (behind a shell, on another
    machine), the same job of the next run waits for it.

    An `InputError` ends the job with exit status 1 and one line, ``error: …``, on standard error
    and in the rule's log, and so does what fails for want of memory; any other exception keeps its
    traceback.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if snakemake.log:
        Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(snakemake.log[0], mode="w"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers, force=True)
    logging.getLogger("gensim").setLevel(logging.WARNING)
    log = logging.getLogger("seewhy")
    snakemake.threads = min(snakemake.threads, usable_processors())
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(snakemake.threads)
    try:
        require_package(Path(snakemake.scriptdir).parent / "src" / "seewhy")
        settings = read_params(snakemake.params)
        end_with_parent()
        with sole_writer(snakemake.output[0], Path(".resume", "locks")):
            yield {**settings, "resume": Path(".resume", settings["code"])}
    except InputError as error:
        log.error("error: %s", error)
        sys.exit(1)
    except Exception as error:
        if is_out_of_memory(error):
            log.error(
                "error: rule %s: out of memory (%s); this process may use %s: free some, or lower "
                "the batch or the sizes in params.yaml",
                snakemake.rule,
                " ".join(str(error).split())[:200] or type(error).__name__,
                readable(usable_memory()),
            )
            sys.exit(1)
        log.exception("rule %s failed", snakemake.rule)
        sys.exit(1)


def read_params(params: Any) -> dict[str, Any]:
    """The settings of a rule, from its params.

    A param's text is JSON, with ``<name> = `` before it where a plan is to say its name when it has
    changed. ``decoding.beam`` belongs to the settings `decoding`; an empty text is no setting.

    Args:
        params: names and texts, as `items` gives them.
    """
    settings: dict[str, Any] = {}
    for name, text in params.items():
        if not text:
            continue
        *above, last = name.split(".")
        place = settings
        for part in above:
            place = place.setdefault(part, {})
        place[last] = json.loads(text.removeprefix(f"{name} = "))
    return settings
