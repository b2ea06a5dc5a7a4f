"""Corpora: one adapter a data set, all to the one canonical form of ``canonical.yaml``.

An adapter is a module with a function ``read(source, **settings) -> (tables, about)``: the tables
of the canonical form, and a few facts worth keeping (counts, what is missing and where to get it).
One of a data set with boxes gives ``(tables, about, boxes)``: for each clip that has any, in turn,
its identifier and ``{"frame": [n], "instance": [n], "box": [n, 4]}``, the rows of ``truth.h5``.
"""
