"""Keeps Snakemake from running templates in the files that ``--configfile`` names.

Snakemake reads these files before the workflow, and evaluates Python in one that says
``__use_yte__: true``; no option of Snakemake 9 forbids it. What it imports before is every plugin
package, and so this is one: on import it has Snakemake read them by
:func:`seewhy.yaml_files.read_settings`, which takes values alone and refuses the rest in one line.
It holds for every workflow that is run from this environment. ``configfile:`` in the Snakefiles of
others and profiles are read as ever; this workflow reads ``params.yaml`` itself.

A logger's plugin has to bring a logger: ``snakemake --logger seewhy`` writes bare messages.
"""

import sys
from logging import LogRecord
from pathlib import Path
from typing import Any

from snakemake.exceptions import CliException
from snakemake.settings import types
from snakemake_interface_logger_plugins.base import LogHandlerBase


def load_configfile(path: str | Path) -> dict[str, Any]:
    """Read a file of settings, in the place of Snakemake's function of that name."""
    loaded = set(sys.modules)
    # Not at the top: the workflow is to import the package of its own checkout.
    from seewhy.errors import InputError
    from seewhy.yaml_files import read_settings

    try:
        return read_settings(path)
    except FileNotFoundError:
        raise CliException(f"--configfile: no file {path}") from None
    except InputError as error:
        raise CliException(f"--configfile: {error}") from None
    finally:
        for name in set(sys.modules) - loaded:
            if name.partition(".")[0] == "seewhy":
                del sys.modules[name]


if not callable(getattr(types, "load_configfile", None)):
    raise ImportError("this Snakemake reads --configfile elsewhere: see workflow/src/" + __name__)
types.load_configfile = load_configfile


class LogHandler(LogHandlerBase):
    """Each message on a line of standard error, and nothing around it."""

    def emit(self, record: LogRecord) -> None:
        """Write a record that says anything."""
        message = record.getMessage()
        if message and message != "None":
            print(message, file=sys.stderr)

    @property
    def writes_to_stream(self) -> bool:
        """It does."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """It does not."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own."""
        return False

    @property
    def has_formatter(self) -> bool:
        """It needs none."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It does not."""
        return False
