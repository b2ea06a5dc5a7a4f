"""Import torchvision beside any torch, also where seewhy is on the path and not installed.

An installed seewhy has put the finder of `_seewhy_torchvision` there at the interpreter's start.
"""

from __future__ import annotations

import functools
from types import ModuleType

from _seewhy_torchvision import install


@functools.cache
def import_torchvision() -> ModuleType:
    """The module ``torchvision``, with ``torchvision.models`` imported."""
    install()
    import torchvision.models

    return torchvision
