"""Corpora: one adapter a data set, all to the one canonical form of ``canonical.yaml``."""
