"""That what runs is the source of the checkout that it runs for.

An environment names one checkout, in which it was installed. A second clone, or a worktree, that is
used with it would execute the first one's code while it records the digest of its own. So the
Snakefile, its jobs, the Makefile and pytest put their own checkout's source first; here is what
refuses where something else has come before it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seewhy.errors import InputError

PACKAGE = Path(__file__).parent
WITHIN = Path("workflow", "src", "seewhy")  # a checkout


def require_package(own: str | Path) -> None:
    """Refuse to work for a checkout whose package is another one.

    Args:
        own: the folder ``seewhy`` of the checkout.

    Raises:
        InputError: this package is not that one.
    """
    if os.path.realpath(PACKAGE) != os.path.realpath(own):
        raise InputError(
            f"the package seewhy was imported from {PACKAGE}, and what runs is of the checkout "
            f"whose package is {own}; take the first out of the environment, or install the second"
        )


def refuse_other_checkouts() -> None:
    """Refuse to be imported in a checkout that is not this package's, if the environment chose it.

    Whoever has put this package's folder before Python's own library (PYTHONPATH,
    ``sys.path.insert``) has chosen it themselves.

    Raises:
        ImportError: the working directory lies in another checkout.
    """
    library = os.path.dirname(os.__file__)
    if library not in sys.path:
        return
    chosen = map(os.path.abspath, sys.path[: sys.path.index(library)])
    if str(PACKAGE.parent) in chosen:
        return
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        return
    for folder in (here, *here.parents):
        own = folder / WITHIN
        if (own / "__init__.py").is_file():
            if not own.samefile(PACKAGE):
                raise ImportError(
                    f"seewhy is installed from {PACKAGE}, and the checkout {folder} has its own; "
                    f"set PYTHONPATH={own.parent}, or install that one: pip install -e {folder}"
                )
            return
