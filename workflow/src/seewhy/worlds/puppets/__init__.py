"""Puppets: a procedural world of short videos with exact truth for every pixel.

Vector actors do things in scenes; everything that is to be known about a clip (who, what, where,
when, which part, which colour, which words name it) is a reading of the raster it was drawn from.

Usage::

    render_clips("data/puppets/trimmed", seed=1)
    clip = draw_clip(1, "test", 17)  # any clip again, alone
"""

from seewhy.worlds.puppets.clip import Clip, draw_clip
from seewhy.worlds.puppets.sheet import contact_sheet
from seewhy.worlds.puppets.stills import STILL_CLASSES, draw_stills
from seewhy.worlds.puppets.untrimmed import draw_untrimmed, render_untrimmed
from seewhy.worlds.puppets.world import render_clips

__all__ = [
    "STILL_CLASSES",
    "Clip",
    "contact_sheet",
    "draw_clip",
    "draw_stills",
    "draw_untrimmed",
    "render_clips",
    "render_untrimmed",
]
