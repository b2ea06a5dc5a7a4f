"""Aviary: a procedural world of birds with exact truth, for networks that name what they see.

32 species in 8 families differ in 13 slots (colours, shapes and patterns of parts); captions tell
what is to be seen; some labels are wrong and some test images spoilt, all of it recorded; and any
bird can be drawn again with one slot changed and nothing else.

Usage::

    render_aviary("data/aviary", seed=1)
    drawing = redraw(1, "test", 17, slot="crown", value="red")
"""

from seewhy.worlds.aviary.sheet import draw_sheet
from seewhy.worlds.aviary.world import redraw, render_aviary

__all__ = ["draw_sheet", "redraw", "render_aviary"]
