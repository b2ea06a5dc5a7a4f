"""Textual summaries: why a classifier took a class, in the attributes that its filters stand for.

    from seewhy.summaries import contrast_classes, describe_classes, explain_images, heat_maps

These names are imported when they are asked for: the workflow's plan reads this package where
nothing but Snakemake is installed.
"""

import importlib
from typing import Any

_WHERE = {
    "contrast_classes": "seewhy.summaries.contrast",
    "describe_classes": "seewhy.summaries.explain",
    "explain_images": "seewhy.summaries.explain",
    "filter_attributes": "seewhy.summaries.filters",
    "heat_maps": "seewhy.summaries.pointing",
    "read_activations": "seewhy.summaries.activations",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
